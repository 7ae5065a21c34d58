"""Contradictions between configuration keys, each legal alone, for the schema in `core.config`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.config_alerts import alert_conflicts
from core.config_risk import risk_conflicts
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.config import BinanceVenue, Config

__all__ = ["conflicts"]


def conflicts(config: Config) -> list[ConfigError]:
    """Return every contradiction, in the order of the file."""
    return [
        *_mode(config),
        *_paper(config),
        *_timing("venues.binance", config.venues.binance, config),
        *_bots(config),
        *risk_conflicts(config),
        *_pauses(config),
        *_restarts(config),
        *alert_conflicts(config),
    ]


def _mode(config: Config) -> Iterator[ConfigError]:
    for name in ("key_env", "secret_env"):
        where = f"venues.binance.{name}"
        given = bool(getattr(config.venues.binance, name))
        if config.mode == "paper" and given:
            yield ConfigError(
                "paper trading holds no key of a venue",
                where,
                'write "" here, or set mode to "testnet" or "live"',
            )
        elif config.mode != "paper" and not given:
            yield ConfigError(
                f"{config.mode} trading needs a key",
                where,
                "name the environment variable that holds it",
            )


def _paper(config: Config) -> Iterator[ConfigError]:
    paper = config.paper
    if paper.market == "mirror":
        yield ConfigError(
            "a mirror of the live market is not there yet",
            "paper.market",
            'write "synthetic" or "recorded"',
        )
    if paper.market == "recorded" and not paper.files:
        yield ConfigError(
            "a recorded market needs files", "paper.files", "name at least one recording"
        )
    if bool(paper.key_env) != bool(paper.secret_env):
        missing = "secret_env" if paper.key_env else "key_env"
        yield ConfigError("one of a pair", f"paper.{missing}", "name both variables or neither")
    if paper.key_env and not paper.exchange:
        yield ConfigError(
            "the key of an exchange that the host starts itself is its own",
            "paper.key_env",
            'write "" here, or the address of an exchange started by hand in paper.exchange',
        )


def _timing(path: str, venue: BinanceVenue, config: Config) -> Iterator[ConfigError]:
    if venue.max_clock_age_s < 2 * venue.clock_sample_every_s:
        yield ConfigError(
            f"{venue.max_clock_age_s} s is over before a late sample could come",
            f"{path}.max_clock_age_s",
            f"write at least {2 * venue.clock_sample_every_s}, twice clock_sample_every_s",
        )
    call_s = (venue.connect_timeout_ms + venue.read_timeout_ms) / 1000
    if config.supervision.busy_deadline_s <= call_s:
        yield ConfigError(
            f"{config.supervision.busy_deadline_s} s would fail an actor in a slow venue call",
            "supervision.busy_deadline_s",
            f"write more than {call_s}, the connect and read time-outs of {path}",
        )


def _bots(config: Config) -> Iterator[ConfigError]:
    if not config.bots:
        yield ConfigError("no bot", "bots", "add at least one [[bots]] table")
    elif not config.venues.binance.hedge_mode:
        yield ConfigError(
            "a hedge grid holds a long and a short side at once",
            "venues.binance.hedge_mode",
            "write true",
        )
    names: dict[str, int] = {}
    owners: dict[tuple[str, str], int] = {}
    for place, bot in enumerate(config.bots):
        path = f"bots[{place}]"
        first = names.setdefault(bot.name, place)
        if first != place:
            yield ConfigError(
                f'"{bot.name}" is the name of bots[{first}] too', f"{path}.name", "rename one"
            )
        for index, symbol in enumerate(bot.symbols):
            owner = owners.setdefault((bot.venue, symbol), place)
            if owner != place:
                yield ConfigError(
                    f'"{symbol}" is traded by bots[{owner}] too',
                    f"{path}.symbols[{index}]",
                    "leave each symbol to one bot",
                )


def _pauses(config: Config) -> Iterator[ConfigError]:
    execution, supervision = config.execution, config.supervision
    pairs = (
        (
            ("execution.unknown_first_query_ms", execution.unknown_first_query_ms),
            ("execution.unknown_max_query_ms", execution.unknown_max_query_ms),
        ),
        (
            ("supervision.backoff_initial_ms", supervision.backoff_initial_ms),
            ("supervision.backoff_max_ms", supervision.backoff_max_ms),
        ),
    )
    for (first, least), (last, most) in pairs:
        if least > most:
            yield ConfigError(f"{most} is under {first} {least}", last, f"write at least {least}")


def _restarts(config: Config) -> Iterator[ConfigError]:
    """Refuse back-offs so long that the window forgets them: no part would ever give up."""
    rules = config.supervision
    least_s, wait_ms = 0.0, float(rules.backoff_initial_ms)
    for _ in range(rules.max_restarts):
        least_s += min(wait_ms, rules.backoff_max_ms) / 1000 * (1 - rules.jitter)
        wait_ms = min(wait_ms * 2, rules.backoff_max_ms)
    if least_s >= rules.window_s:
        yield ConfigError(
            f"{rules.max_restarts} restarts take {least_s:.0f} s or more with their back-offs, so "
            f"that many never fall into {rules.window_s:g} s and no part would ever give up",
            "supervision.max_restarts",
            "write fewer, a longer window_s or a shorter backoff_max_ms",
        )
