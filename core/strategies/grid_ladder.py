"""The hedge grid's geometry: where entries and exits belong, from anchor and inventory alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from core.instruments import Instrument, quantity_for_risk
from core.messages import PositionSide, Purpose, Quote, Side
from core.money import ZERO
from core.positions import Position
from core.strategies.order_diff import Slot

__all__ = ["LADDERS", "Exit", "GridSettings", "anchor_of", "entries", "exit_of", "occupied", "room"]

LADDERS = ((PositionSide.LONG, Side.BUY), (PositionSide.SHORT, Side.SELL))
_BPS = Decimal(10_000)


@frozen(slots=True)
class GridSettings:
    """One bot's grid. Distances in basis points of the price, `order_notional` in quote money."""

    levels: int
    spacing_bps: Decimal
    order_notional: Decimal
    take_profit_bps: Decimal
    recentre_bps: Decimal
    maker_only: bool = True
    retry_after_ns: int = 1_000_000_000


def entries(
    settings: GridSettings,
    instrument: Instrument,
    side: PositionSide,
    direction: Side,
    anchor: Decimal,
    scale: Decimal = Decimal(1),
) -> list[Slot]:
    """Build one ladder, nearest step first, each step at least one tick beyond the one before.

    `scale` (0 to 1) is the part of full size that a step has; at 0 there are none. Errors:
    `InvalidOrder` when a step cannot be sized.
    """
    if not scale:
        return []
    budget = settings.order_notional * scale
    slots: list[Slot] = []
    sign = direction.sign
    for step in range(1, settings.levels + 1):
        shift = settings.spacing_bps * step / _BPS
        price = instrument.passive_price(anchor * (1 - shift * sign), direction)
        if slots:
            beyond = slots[-1].price - instrument.tick_size * sign
            price = min(price, beyond) if direction is Side.BUY else max(price, beyond)
        quantity = quantity_for_risk(instrument, budget, price)
        slots.append(Slot(direction, side, Purpose.ENTRY, price, quantity))
    return slots


def occupied(rungs: Sequence[Slot], held: Decimal) -> int:
    """Count the nearest steps that an inventory fills, the last one from half of it on."""
    left = abs(held)
    for count, rung in enumerate(rungs):
        if left * 2 < rung.quantity:
            return count
        left -= rung.quantity
    return len(rungs)


def room(rungs: Sequence[Slot], held: Decimal, working: Decimal) -> Decimal:
    """Return the quantity that the ladder has left beside what is held and may still fill."""
    return sum((rung.quantity for rung in rungs), ZERO) - abs(held) - working


def anchor_of(
    settings: GridSettings, instrument: Instrument, held: Position, direction: Side
) -> Decimal:
    """Find the anchor whose nearest steps would have made this inventory (after a restart)."""
    unit = instrument.round_quantity(
        settings.order_notional / instrument.notional(held.entry_price, Decimal(1))
    )
    steps = max(round(abs(held.quantity) / max(unit, instrument.lot_step)), 1)
    middle_step = Decimal(min(steps, settings.levels) + 1) / 2
    shift = middle_step * settings.spacing_bps / _BPS
    return held.entry_price / (1 - shift * direction.sign)


@frozen(slots=True)
class Exit:
    """The take-profit of one side: the order wanted, and which prices of an older one will do.

    `joined` when the market is beyond the target, so that the order stands at its edge.
    """

    slot: Slot
    joined: bool
    low: Decimal
    high: Decimal

    def fits(self, price: Decimal, remaining: Decimal) -> bool:
        """Tell whether an order may stay."""
        return remaining == self.slot.quantity and self.low <= price <= self.high


def exit_of(
    settings: GridSettings, instrument: Instrument, held: Position, quote: Quote
) -> Exit | None:
    """Build the take-profit of a side's whole inventory, never through the market when maker only.

    An order that joined the market may fall one step behind it before it is moved.
    """
    if not held.quantity:
        return None
    direction = Side.SELL if held.quantity > 0 else Side.BUY
    shift = settings.take_profit_bps / _BPS * direction.sign
    target = instrument.passive_price(held.entry_price * (1 - shift), direction)
    price = target
    if settings.maker_only:
        price = max(target, quote.ask) if direction is Side.SELL else min(target, quote.bid)
    low = high = target
    if price != target:
        behind = price * (1 - settings.spacing_bps / _BPS * direction.sign)
        low, high = min(target, behind), max(target, behind)
    quantity = min(abs(held.quantity), instrument.round_quantity(instrument.max_quantity))
    slot = Slot(direction, held.side, Purpose.TAKE_PROFIT, price, quantity)
    return Exit(slot, price != target, low, high)
