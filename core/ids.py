"""Client order ids: a pure function of host, bot, symbol, sequence and attempt.

Legal on every venue (letters, digits and `-`, at most 36 characters), so that a restarted host
knows its own orders by looking at them. Source: venues' fact sheets, client order id sections.
"""

from __future__ import annotations

import re
from zlib import crc32

from attrs import frozen

__all__ = ["MAX_BOT", "MAX_HOST", "MAX_SEQUENCE", "OrderId", "is_ours", "make", "parse"]

MAX_HOST = 6
MAX_BOT = 8
_MAX_SYMBOL = 12
MAX_SEQUENCE = 36**5
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_OURS = re.compile(
    rf"([0-9A-Za-z]{{1,{MAX_HOST}}})-([0-9A-Za-z]{{1,{MAX_BOT}}})-([0-9A-Za-z]{{1,{_MAX_SYMBOL}}})"
    r"-(0|[1-9a-z][0-9a-z]{0,4})([0-9a-z])"
)


@frozen(slots=True)
class OrderId:
    """The parts of one of our ids; `symbol` is the short form."""

    host: str
    bot: str
    symbol: str
    sequence: int
    attempt: int


def make(host: str, bot: str, symbol: str, sequence: int, attempt: int = 0) -> str:
    """Write the id. `sequence` < 36**5, `attempt` < 36.

    Errors: `ValueError` for parts that do not fit. Hyperliquid takes 128-bit hexadecimal ids only:
    its adapter hashes this one.
    """
    for part, limit in ((host, MAX_HOST), (bot, MAX_BOT)):
        if not part.isascii() or not part.isalnum() or len(part) > limit:
            raise ValueError(f"{part!r}: letters and digits only, at most {limit}")
    if not symbol:
        raise ValueError("the symbol is empty")
    if not 0 <= sequence < MAX_SEQUENCE or not 0 <= attempt < 36:
        raise ValueError(f"sequence {sequence} or attempt {attempt} out of range")
    return f"{host}-{bot}-{_short(symbol)}-{_base36(sequence)}{_DIGITS[attempt]}"


def parse(client_order_id: str) -> OrderId | None:
    """Read one of our ids back; None for anybody else's."""
    found = _OURS.fullmatch(client_order_id)
    if found is None:
        return None
    host, bot, symbol, sequence, attempt = found.groups()
    return OrderId(host, bot, symbol, int(sequence, 36), int(attempt, 36))


def is_ours(client_order_id: str, host: str, symbol: str) -> bool:
    """Tell whether this host made the id for this symbol."""
    made = parse(client_order_id)
    return made is not None and made.host == host and made.symbol == _short(symbol)


def _short(symbol: str) -> str:
    plain = "".join(c for c in symbol if c.isascii() and c.isalnum())
    if plain == symbol and len(symbol) <= _MAX_SYMBOL:
        return symbol
    check = _base36(crc32(symbol.encode()) % 36**5).rjust(5, "0")
    return plain[: _MAX_SYMBOL - 5] + check


def _base36(value: int) -> str:
    digits = ""
    while True:
        value, rest = divmod(value, 36)
        digits = _DIGITS[rest] + digits
        if not value:
            return digits
