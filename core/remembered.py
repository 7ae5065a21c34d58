"""What risk and its operator decided and must hold again after a restart, read from the journal."""

from __future__ import annotations

from attrs import define, field

from core.ports import Records
from core.records import (
    BreakerChanged,
    EquityMarked,
    HaltChanged,
    ThrottleChanged,
    TradingPaused,
)
from core.risk.halt import Halt, Level

__all__ = ["OPERATOR", "Remembered", "remember"]

OPERATOR = "operator"
"""Who halts, pauses and resets by hand, in `HaltChanged.by`."""


@define
class Remembered:
    """The last word on each matter.

    `equities` are what the equity stop measures from, per (venue, asset); none after an operator
    reset the halt: losses count anew from then on. `breakers` go by venue, `throttles` and `paused`
    by symbol, "" for the whole host.
    """

    halt: Halt = field(factory=Halt)
    equities: dict[tuple[str, str], EquityMarked] = field(factory=dict)
    breakers: dict[str, BreakerChanged] = field(factory=dict)
    throttles: dict[str, int] = field(factory=dict)
    paused: set[str] = field(factory=set)


def remember(records: Records) -> Remembered:
    """Fold the records that outlive a host."""
    found = Remembered()
    kinds = (HaltChanged, EquityMarked, BreakerChanged, ThrottleChanged, TradingPaused)
    for record in records.read(kinds=kinds):
        match record.payload:
            case HaltChanged() as changed:
                if found.halt.latched and changed.state is Level.RUNNING:
                    found.equities.clear()
                found.halt = changed.halt
            case EquityMarked() as marked:
                found.equities[marked.venue, marked.asset] = marked
            case BreakerChanged() as breaker:
                found.breakers[breaker.venue] = breaker
            case ThrottleChanged() as throttle:
                found.throttles[throttle.symbol] = throttle.percent
            case TradingPaused(symbol="", paused=False):
                found.paused.clear()
            case TradingPaused() as order if order.paused:
                found.paused.add(order.symbol)
            case TradingPaused() as order:
                found.paused.discard(order.symbol)
    return found
