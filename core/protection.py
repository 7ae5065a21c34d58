"""Protection: one working stop of matching size per open side, the new one before the old goes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from core.instruments import Instrument
from core.messages import PositionSide, Side
from core.money import ceil_to_step, floor_to_step
from core.orders import Order, State
from core.positions import Position

__all__ = ["Plan", "Stop", "plan", "wanted_stop"]

_BPS = Decimal(10_000)


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


def wanted_stop(position: Position, instrument: Instrument, distance_bps: Decimal) -> Stop | None:
    """Return the stop of an open side, `distance_bps` of the entry price away; None when flat.

    The trigger is the nearest price that the venue takes.
    """
    if not position.quantity:
        return None
    long = position.quantity > 0
    step = position.entry_price * distance_bps / _BPS
    trigger = instrument.nearest_price(position.entry_price + (-step if long else step))
    tick = instrument.tick_size
    lowest = max(ceil_to_step(instrument.min_price, tick), tick)
    highest = floor_to_step(instrument.max_price, tick)
    return Stop(
        Side.SELL if long else Side.BUY,
        position.side,
        abs(position.quantity),
        min(max(trigger, lowest), highest),
    )


def plan(wanted: Stop | None, stops: Sequence[Order]) -> Plan:
    """Compare the stop that a side needs with that side's protective orders.

    A stop on its way counts as neither working nor missing: nothing is placed beside it. Beside one
    of unknown outcome another is placed, once: proof takes many seconds, and two stops of a side
    do no harm, since both can only close it; the one too many goes when a fitting one works. One
    that has begun to fill is closing the side, and what it leaves is looked at when it has ended.
    """
    live = [stop for stop in stops if not stop.state.ended]
    if wanted is None:
        return Plan(None, _cancellable(live))
    if any(stop.state is State.PARTIALLY_FILLED for stop in live):
        return Plan(None, ())
    fitting = [stop for stop in live if _fits(stop, wanted)]
    working = [stop for stop in fitting if stop.state.at_venue]
    if working:
        keep = working[-1].id
        return Plan(None, _cancellable([stop for stop in live if stop.id != keep]))
    on_its_way = any(stop.state is State.SUBMITTING for stop in live)
    unknown = sum(1 for stop in live if stop.state is State.UNKNOWN)
    return Plan(None if on_its_way or unknown > 1 else wanted, ())


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
