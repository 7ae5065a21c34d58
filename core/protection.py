"""Protection: working stops of matching size per open side, the new one before the old goes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from core.instruments import Instrument
from core.messages import PositionSide, Side
from core.money import ceil_to_step, floor_to_step
from core.orders import Order, State
from core.positions import Position

__all__ = ["Plan", "Stop", "plan", "sane", "short_of_liquidation", "tighter", "wanted_stops"]

_BPS = Decimal(10_000)
_BEYOND_BPS = Decimal(25)
_ROOM_BPS = Decimal(50)


@frozen(slots=True)
class Stop:
    """A stop that a side needs: close `quantity` when the mark reaches `trigger_price`."""

    side: Side
    position_side: PositionSide
    quantity: Decimal
    trigger_price: Decimal


@frozen(slots=True)
class Plan:
    """What to do now: place this stop (or none), cancel those client order ids."""

    place: Stop | None
    cancel: tuple[str, ...]

    @property
    def idle(self) -> bool:
        return self.place is None and not self.cancel


def wanted_stops(
    position: Position,
    instrument: Instrument,
    distance_bps: Decimal,
    tightened: Decimal | None = None,
) -> tuple[Stop, ...]:
    """Return the stops of an open side, `distance_bps` of the entry price away; none when flat.

    More than one where the position is larger than a market order may be. The trigger is the
    nearest price that the venue takes, or `tightened` where that is nearer to the market.
    """
    if not position.quantity:
        return ()
    side = Side.SELL if position.quantity > 0 else Side.BUY
    step = position.entry_price * distance_bps / _BPS
    trigger = position.entry_price - side.opposite.sign * step
    if tightened is not None:
        trigger = tighter(side, trigger, tightened)
    trigger = _allowed(instrument, trigger)
    return tuple(
        Stop(side, position.side, quantity, trigger)
        for quantity in _pieces(abs(position.quantity), instrument)
    )


def tighter(side: Side, one: Decimal, other: Decimal) -> Decimal:
    """Return the one of two triggers that a stop of this direction reaches first."""
    return max(one, other) if side is Side.SELL else min(one, other)


def short_of_liquidation(side: Side, trigger: Decimal, liquidation: Decimal) -> Decimal | None:
    """Return the trigger to tighten to where this one would not fire before liquidation.

    None where it fires in time, or where no `liquidation` price is known (0). A stop needs a room
    of 25 bps; one that lacks it gets 50, so that a price that wanders does not move it each time.
    """
    if not liquidation:
        return None
    towards = side.opposite.sign
    nearest = liquidation * (1 + towards * _BEYOND_BPS / _BPS)
    if (trigger - nearest) * towards >= 0:
        return None
    return liquidation * (1 + towards * _ROOM_BPS / _BPS)


def sane(side: Side, trigger: Decimal, mark: Decimal, liquidation: Decimal) -> bool:
    """Tell whether a stop can still protect: the mark has not passed it, liquidation is beyond it.

    0 stands for a mark or a liquidation price that is not known.
    """
    waits = not mark or (trigger - mark) * side.sign > 0
    in_time = not liquidation or (liquidation - trigger) * side.sign > 0
    return waits and in_time


def _allowed(instrument: Instrument, trigger: Decimal) -> Decimal:
    tick = instrument.tick_size
    lowest = max(ceil_to_step(instrument.min_price, tick), tick)
    highest = floor_to_step(instrument.max_price, tick)
    return min(max(instrument.nearest_price(trigger), lowest), highest)


def _pieces(quantity: Decimal, instrument: Instrument) -> list[Decimal]:
    """Split a quantity into parts that a market order may have, none under the minimum."""
    most = max(instrument.round_quantity(instrument.market_max_quantity), instrument.lot_step)
    pieces = []
    while quantity > most:
        rest = quantity - most
        part = most if rest >= instrument.min_quantity else quantity - instrument.min_quantity
        pieces.append(part)
        quantity -= part
    return [*pieces, quantity]


def plan(wanted: Sequence[Stop], stops: Sequence[Order]) -> Plan:
    """Compare the stops that a side needs with that side's protective orders.

    A stop on its way counts as neither working nor missing: nothing is placed beside it. Beside one
    of unknown outcome another is placed, once: proof takes many seconds, and two stops of a side
    do no harm, since both can only close it; the one too many goes when fitting ones work. One
    that has begun to fill is closing the side, and what it leaves is looked at when it has ended.
    """
    live = [stop for stop in stops if not stop.state.ended]
    if not wanted:
        return Plan(None, _cancellable(live))
    if any(stop.state is State.PARTIALLY_FILLED for stop in live):
        return Plan(None, ())
    free = [stop for stop in live if stop.state.at_venue]
    keep: set[str] = set()
    missing: Stop | None = None
    for each in wanted:
        working = [stop for stop in free if stop.id not in keep and _fits(stop, each)]
        if working:
            keep.add(working[-1].id)
        else:
            missing = missing or each
    if missing is None:
        return Plan(None, _cancellable([stop for stop in live if stop.id not in keep]))
    on_its_way = any(stop.state is State.SUBMITTING for stop in live)
    unknown = sum(1 for stop in live if stop.state is State.UNKNOWN)
    return Plan(None if on_its_way or unknown > 1 else missing, ())


def _fits(stop: Order, wanted: Stop) -> bool:
    return (
        not stop.cancel_requested
        and stop.quantity == wanted.quantity
        and stop.command.position_side is wanted.position_side
        and stop.command.trigger_price == wanted.trigger_price
        and stop.command.side is wanted.side
    )


def _cancellable(stops: Sequence[Order]) -> tuple[str, ...]:
    return tuple(s.id for s in stops if s.state.at_venue and not s.cancel_requested)
