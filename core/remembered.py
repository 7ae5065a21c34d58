"""What risk and its operator decided and must hold again after a restart, read from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from attrs import define, field

from core.messages import Key
from core.ports import Record, Records
from core.records import (
    BreakerChanged,
    EquityMarked,
    FlattenChanged,
    HaltChanged,
    ThrottleChanged,
    TradingPaused,
)
from core.risk.halt import OPERATOR, Halt, Level

__all__ = ["Remembered", "remember"]

_KINDS = (
    HaltChanged,
    EquityMarked,
    BreakerChanged,
    ThrottleChanged,
    TradingPaused,
    FlattenChanged,
)


@define
class Remembered:
    """The last word on each matter.

    `equities` are what the equity stop measures from, per (venue, asset); none after an operator
    reset the halt: losses count anew from then on. `breakers` go by venue, `throttles` and `paused`
    by symbol, "" for the whole host. `flattens` are the symbols that are being closed, and why;
    one is called off once neither a latched halt nor the operator's pause holds its symbol back.
    """

    halt: Halt = field(factory=Halt)
    equities: dict[tuple[str, str], EquityMarked] = field(factory=dict)
    breakers: dict[str, BreakerChanged] = field(factory=dict)
    throttles: dict[str, int] = field(factory=dict)
    paused: set[str] = field(factory=set)
    flattens: dict[Key, str] = field(factory=dict)

    def call_off(self) -> None:
        """Forget the flattens of symbols that may trade again."""
        if not self.halt.latched and "" not in self.paused:
            held = {key: why for key, why in self.flattens.items() if key.symbol in self.paused}
            self.flattens = held


def remember(records: Records, waiting: Iterable[Record] = ()) -> Remembered:
    """Fold the records that outlive a host, those behind them that wait for the disk included."""
    found = Remembered()
    for record in chain(records.read(kinds=_KINDS), waiting):
        match record.payload:
            case HaltChanged() as changed:
                reset = found.halt.latched or changed.by == OPERATOR
                if reset and changed.state is Level.RUNNING:
                    found.equities.clear()
                found.halt = changed.halt
                found.call_off()
            case EquityMarked() as marked:
                found.equities[marked.venue, marked.asset] = marked
            case BreakerChanged() as breaker:
                found.breakers[breaker.venue] = breaker
            case ThrottleChanged() as throttle:
                found.throttles[throttle.symbol] = throttle.percent
            case TradingPaused(symbol="", paused=False):
                found.paused.clear()
                found.call_off()
            case TradingPaused() as order if order.paused:
                found.paused.add(order.symbol)
            case TradingPaused() as order:
                found.paused.discard(order.symbol)
                found.call_off()
            case FlattenChanged() as flatten if flatten.under_way:
                found.flattens[flatten.key] = flatten.reason
            case FlattenChanged() as flatten:
                found.flattens.pop(flatten.key, None)
    return found
