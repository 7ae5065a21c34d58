"""Rules of configuration values: what one key may hold, for the schema in `core.config`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from core.addresses import read as read_address
from core.errors import ConfigError
from core.ids import MAX_BOT, MAX_HOST

__all__ = [
    "Rule",
    "between",
    "bot_name",
    "environment_name",
    "host_name",
    "is_loopback",
    "listen_address",
    "loopback_url",
    "mail_address",
    "mail_addresses",
    "mail_server",
    "market_symbol",
    "market_symbols",
    "one_of",
    "some_path",
    "telegram_chat",
    "together",
]

Rule = Callable[[Any, Any, Any], None]
"""An attrs validator; raises `ConfigError` whose `where` is the key's own name."""

_ENVIRONMENT_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,47}")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):([0-9]{1,5})/?")
_HERE = ("127.0.0.1", "localhost", "::1")
_SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z0-9_]{4,64}")


def between(low: int | str, high: int | str) -> Rule:
    """Allow numbers from `low` to `high`, both included."""
    least, most = Decimal(low), Decimal(high)

    def rule(instance: Any, attribute: Any, value: Any) -> None:
        if not least <= value <= most:
            raise ConfigError(
                f"{value} is out of range", attribute.name, f"write a number from {low} to {high}"
            )

    return rule


def one_of(*allowed: str | int) -> Rule:
    """Allow the words or numbers named, nothing else."""

    def rule(instance: Any, attribute: Any, value: Any) -> None:
        if value not in allowed:
            words = ", ".join(
                f'"{word}"' if isinstance(word, str) else str(word) for word in allowed
            )
            shown = f'"{value}"' if isinstance(value, str) else str(value)
            raise ConfigError(f"{shown} is not allowed", attribute.name, f"write one of {words}")

    return rule


def some_path(instance: Any, attribute: Any, value: str) -> None:
    """Allow any path that is not empty."""
    if not value.strip() or "\0" in value:
        raise ConfigError("a path is needed", attribute.name, 'name a folder, for example "state"')


def host_name(instance: Any, attribute: Any, value: str) -> None:
    """Allow what fits into a client order id as the host's part."""
    _short_name(attribute.name, value, MAX_HOST)


def bot_name(instance: Any, attribute: Any, value: str) -> None:
    """Allow what fits into a client order id as the bot's part."""
    _short_name(attribute.name, value, MAX_BOT)


def environment_name(instance: Any, attribute: Any, value: str) -> None:
    """Allow the name of an environment variable, or nothing.

    The value is never shown: somebody may have written the key itself here.
    """
    if value and not _ENVIRONMENT_NAME.fullmatch(value):
        raise ConfigError(
            "not the name of an environment variable",
            attribute.name,
            'write the name of the variable that holds it, such as "BINANCE_KEY", not the key',
        )


def loopback_url(instance: Any, attribute: Any, value: str) -> None:
    """Allow the address of a local exchange on this machine, or nothing. Source: AUDIT B13."""
    found = _LOOPBACK.fullmatch(value)
    if value and not (found and 0 < int(found[2]) < 65536):
        raise ConfigError(
            f'"{value}" is not a local exchange',
            attribute.name,
            'paper trades on this machine only: write "http://127.0.0.1:PORT", or "" to start one',
        )


def listen_address(instance: Any, attribute: Any, value: str) -> None:
    """Allow an IP address of this machine with a port, or nothing.

    Another than a loopback address has to be written out: nothing shorthand opens a port to others.
    """
    if value and read_address(value) is None:
        raise ConfigError(
            f'"{value}" is not an address to listen on',
            attribute.name,
            'write "127.0.0.1:PORT", PORT from 0 (any free one) to 65535, or "" for none',
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host name is this machine's own."""
    return host in _HERE


def telegram_chat(instance: Any, attribute: Any, value: str) -> None:
    """Allow a chat of Telegram, or nothing. Source: core.telegram.org/bots/api, sendMessage."""
    if value and not _CHAT.fullmatch(value):
        raise ConfigError(
            f'"{value}" is no chat', attribute.name, 'write its number or "@name", in quotes'
        )


def mail_server(instance: Any, attribute: Any, value: str) -> None:
    """Allow the name or address of a mail server, or nothing."""
    if value and not _SERVER.fullmatch(value):
        raise ConfigError(
            f'"{value}" is no mail server',
            attribute.name,
            'write a name such as "mail.example.org"',
        )


def mail_address(instance: Any, attribute: Any, value: str) -> None:
    """Allow one plain mail address, or nothing."""
    if value:
        _mail_address(attribute.name, value)


def mail_addresses(instance: Any, attribute: Any, value: tuple[str, ...]) -> None:
    """Allow plain mail addresses, or none."""
    for place, address in enumerate(value):
        _mail_address(f"{attribute.name}[{place}]", address)


def _mail_address(where: str, value: str) -> None:
    if not _ADDRESS.fullmatch(value):
        raise ConfigError(
            f'"{value}" is no mail address', where, 'write it plainly, such as "me@example.org"'
        )


def market_symbols(instance: Any, attribute: Any, value: tuple[str, ...]) -> None:
    """Allow one or more different symbols, spelled as the venue spells them."""
    if not value:
        raise ConfigError("no symbol", attribute.name, 'name at least one, such as ["BTCUSDT"]')
    for place, symbol in enumerate(value):
        where = f"{attribute.name}[{place}]"
        _symbol(where, symbol)
        if symbol in value[:place]:
            raise ConfigError(f'"{symbol}" is named twice', where, "remove one of the two")


def market_symbol(instance: Any, attribute: Any, value: str) -> None:
    """Allow one symbol, spelled as the venue spells it."""
    _symbol(attribute.name, value)


def _symbol(where: str, symbol: str) -> None:
    if not symbol.isalnum() or symbol != symbol.upper() or not 5 <= len(symbol) <= 24:
        plain = "".join(c for c in symbol.split(":")[0] if c.isalnum()).upper()
        hint = plain if 5 <= len(plain) <= 24 else "BTCUSDT"
        raise ConfigError(f'"{symbol}" is not a valid symbol', where, f'did you mean "{hint}"?')


def together(problems: Sequence[ConfigError]) -> ConfigError:
    """Make one error of several: the first, carrying the others."""
    flat = [plain for problem in problems for plain in (problem, *problem.others)]
    first = flat[0]
    return ConfigError(first.what, first.where, first.mend, tuple(flat[1:]))


def _short_name(where: str, value: str, limit: int) -> None:
    if not (value.isascii() and value.isalnum()) or len(value) > limit:
        raise ConfigError(
            f'"{value}" is not usable in client order ids',
            where,
            f"use 1 to {limit} letters or digits, nothing else",
        )
