"""Positions of one symbol, one-way or hedge: fold fills, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

from attrs import evolve, frozen

from core.fill_ids import FillIds
from core.messages import Fill, PositionSide
from core.money import ZERO, amount

__all__ = ["Position", "PositionBook", "apply_fill", "unrealised_pnl"]

_ENTRY_STEP = Decimal("1E-18")


@frozen(slots=True)
class Position:
    """One side's position.

    `quantity` is signed (short negative), `entry_price` the quantity-weighted average kept to 18
    decimals (a milliard units of 0.00001 USDT each stay exact to 8 decimals of money),
    `realised_pnl` before fees in quote money, `fees` paid (a rebate is negative) as plain numbers:
    where fees are paid in several assets, the books tell them apart.
    """

    side: PositionSide
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO


def apply_fill(
    position: Position, fill: Fill, multiplier: Decimal = Decimal(1)
) -> tuple[Position, Decimal]:
    """Fold one fill in; return the new position and the PnL it realised (8 decimals, before fee).

    A fill larger than an opposite position closes it and opens the rest at the fill's price.
    """
    change = fill.side.sign * fill.quantity
    held = position.quantity
    quantity = held + change
    realised = ZERO
    if not quantity and not held:
        entry = ZERO
    elif held * change >= 0:
        cost = abs(held) * position.entry_price + fill.quantity * fill.price
        entry = (cost / abs(quantity)).quantize(_ENTRY_STEP, ROUND_HALF_EVEN)
    else:
        closed = min(abs(held), fill.quantity)
        direction = 1 if held > 0 else -1
        realised = amount(direction * (fill.price - position.entry_price) * closed * multiplier)
        if quantity == 0:
            entry = ZERO
        elif quantity * held > 0:
            entry = position.entry_price
        else:
            entry = fill.price
    return (
        evolve(
            position,
            quantity=quantity,
            entry_price=entry,
            realised_pnl=position.realised_pnl + realised,
            fees=position.fees + fill.fee,
        ),
        realised,
    )


class PositionBook:
    """All sides of one symbol, and which fills made them; mutable, one owner."""

    __slots__ = ("_sides", "multiplier", "seen")

    def __init__(self, multiplier: Decimal = Decimal(1)) -> None:
        self.multiplier = multiplier
        self.seen = FillIds()
        self._sides = {side: Position(side) for side in PositionSide}

    def __iter__(self) -> Iterator[Position]:
        return iter(self._sides.values())

    def of(self, side: PositionSide) -> Position:
        """Return the position of one side."""
        return self._sides[side]

    def open(self, side: PositionSide, quantity: Decimal, entry_price: Decimal) -> None:
        """Begin a side with what the venue held when the books were opened."""
        self._sides[side] = Position(side, quantity, entry_price)

    def apply(self, fill: Fill) -> Decimal | None:
        """Fold one fill into its side.

        Returns the PnL it realised (before fee), or None when this fill was folded before.
        """
        if self.seen.knows(fill):
            return None
        position, realised = apply_fill(self._sides[fill.position_side], fill, self.multiplier)
        self.seen.add(fill)
        self._sides[fill.position_side] = position
        return realised


def unrealised_pnl(position: Position, mark: Decimal, multiplier: Decimal = Decimal(1)) -> Decimal:
    """PnL of the open quantity at `mark`, in quote money, unrounded."""
    return (mark - position.entry_price) * position.quantity * multiplier
