"""The caps of `[risk]` counted anew from what an exchange has: nothing here is the host's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from attrs import define, field, frozen

from core.config import Risk
from core.messages import Side
from core.money import ZERO, text

__all__ = ["Resting", "Standing", "over"]


@frozen(slots=True)
class Resting:
    """An order that may still grow a position, in base units; price 0 is the market's."""

    side: Side
    quantity: Decimal
    price: Decimal


@define
class Standing:
    """One symbol at an exchange: absolute base units held per direction, and what may open there.

    `low` and `high` bound the mark that risk can have judged by. A cap that holds at some mark in
    between is not over: so each figure is counted at whichever of them makes it smallest. `lately`
    is the most that was held while that was so: a hedge may have gone since.
    """

    low: Decimal
    high: Decimal
    held: dict[Side, Decimal] = field(factory=lambda: dict.fromkeys(Side, ZERO))
    lately: dict[Side, Decimal] = field(factory=lambda: dict.fromkeys(Side, ZERO))
    orders: list[Resting] = field(factory=list)

    def worst(self, side: Side) -> Decimal:
        """Return the least that this direction can have counted for, all that rests filled."""
        resting = (o.quantity * max(o.price, self.low) for o in self.orders if o.side is side)
        return self.held[side] * self.low + sum(resting, ZERO)

    def held_at_most(self, side: Side) -> Decimal:
        """Return the most that what is held can have counted for."""
        return max(self.held[side], self.lately[side]) * self.high

    def count(self, side: Side) -> int:
        """Count the orders that may open in this direction."""
        return sum(1 for order in self.orders if order.side is side)


def over(risk: Risk, standings: Mapping[str, Standing], symbol: str, side: Side) -> list[str]:
    """Name every cap that an order of this symbol and side exceeds, now that it is there.

    Others may be exceeded without anybody's doing: the market moved.
    """
    return [
        f"{what}: {text(round(value, 2))} over {text(Decimal(cap))}"
        for what, value, cap in _figures(risk, standings, symbol, side)
        if value > cap
    ]


def _figures(
    risk: Risk, standings: Mapping[str, Standing], symbol: str, side: Side
) -> Iterator[tuple[str, Decimal, Decimal]]:
    own = [caps.max_notional for caps in risk.symbols if caps.symbol == symbol]
    cap = min([risk.max_symbol_notional, *filter(None, own)])
    yield f"{symbol} {side.value} notional", standings[symbol].worst(side), cap
    count = Decimal(standings[symbol].count(side))
    yield f"{symbol} {side.value} orders", count, Decimal(risk.max_open_orders_per_side)
    for group in risk.groups:
        if symbol in group.symbols:
            named = (standings[name].worst(side) for name in group.symbols if name in standings)
            yield f"group {group.name} {side.value}", sum(named, ZERO), group.max_notional
    totals = {side: sum((s.worst(side) for s in standings.values()), ZERO) for side in Side}
    yield f"{side.value} notional", totals[side], risk.max_side_notional
    against = sum((s.held_at_most(side.opposite) for s in standings.values()), ZERO)
    yield f"net {side.value} notional", totals[side] - against, risk.max_net_notional
    yield "gross notional", sum(totals.values(), ZERO), risk.max_gross_notional
