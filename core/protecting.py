"""What is done about one side's stops: from all that is known of them, the next steps at once."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve, frozen

from core.instruments import Instrument
from core.money import ZERO
from core.orders import Order
from core.positions import Position
from core.protection import Plan, Stop, plan, short_of_liquidation, tighter, wanted_stops

__all__ = [
    "STOP_TRIES",
    "UNKNOWN_CLOSES",
    "SideSeen",
    "Steps",
    "StopRule",
    "ahead",
    "from_mark",
    "planned",
    "protect",
]

_BPS = Decimal(10_000)
STOP_TRIES = 3
"""So many stops in a row that did not come right, and the side is closed."""
_LOST_WITHIN_NS = 60_000_000_000
UNKNOWN_CLOSES = 6
"""So many closing orders of unknown outcome keep another from being sent."""


@frozen(slots=True)
class StopRule:
    """Basis points from the entry to a stop; nanoseconds a side may be without a working one."""

    stop_loss_bps: Decimal
    protect_within_ns: int


@frozen(slots=True)
class SideSeen:
    """One side with its stops, and what else is looked at; monotonic times, 0 for never.

    `stops` are its protective orders, those that the venue does not know any more as UNKNOWN.
    `mark` and `liquidation`, the venue's word for the side, are 0 while they are not known.
    `tightened` is the trigger that its stops were brought to. `naked_ns` is since when it lacks a
    working stop, `patient_ns` until when it is not closed for that. `lost_ns` are the ends of stops
    that nobody here ended, `hopeless` is why no stop can come right. `busy`: what was proposed for
    it is not answered; `closing`: a closing order is open or surely on its way; `unknown_closes`
    counts those of unknown outcome. Nothing is placed before `retry_ns`, nothing closed before
    `close_ns`.
    """

    held: Position
    instrument: Instrument
    rule: StopRule
    stops: tuple[Order, ...]
    tightened: Decimal | None
    mark: Decimal
    liquidation: Decimal
    naked_ns: int
    patient_ns: int
    lost_ns: tuple[int, ...]
    hopeless: str
    busy: bool
    closing: bool
    unknown_closes: int
    retry_ns: int
    close_ns: int
    now_ns: int

    @property
    def wanted(self) -> tuple[Stop, ...]:
        """The stops that it needs."""
        return wanted_stops(self.held, self.instrument, self.rule.stop_loss_bps, self.tightened)


@frozen(slots=True)
class Steps:
    """What to do now, in this order: tighten, take stops back, close at the market, place a stop.

    `tighten` is a trigger, None for where it is; `close` a quantity, 0 for none, for the reason
    `why`.
    """

    tighten: Decimal | None = None
    cancel: tuple[str, ...] = ()
    close: Decimal = ZERO
    why: str = ""
    place: Stop | None = None

    @property
    def idle(self) -> bool:
        return self.tighten is None and not self.cancel and not self.close and self.place is None


def protect(seen: SideSeen) -> Steps:
    """Return what brings a side's stops to what is held, or closes it where they do not come right.

    One order at a time is under way: nothing is placed beside a close.
    """
    trigger = _short_of_liquidation(seen)
    todo = planned(seen if trigger is None else evolve(seen, tightened=trigger))
    why = _hopeless(seen)
    close = _close(seen) if why else ZERO
    held_back = close or seen.closing or seen.busy or seen.now_ns < seen.retry_ns
    place = None if held_back else todo.place
    return Steps(trigger, todo.cancel, close, why if close else "", place)


def planned(seen: SideSeen) -> Plan:
    """Compare what a side needs with the stops that it has."""
    if not seen.held.quantity and not seen.stops:
        return Plan(None, ())
    return plan(seen.wanted, seen.stops)


def _nearer(wanted: tuple[Stop, ...], instrument: Instrument, trigger: Decimal) -> Decimal | None:
    """Return the trigger that stops are to be brought to; None where they are as near already."""
    trigger = instrument.nearest_price(trigger)
    direction, present = wanted[0].side, wanted[0].trigger_price
    closer = trigger != present and tighter(direction, trigger, present) == trigger
    return trigger if closer else None


def from_mark(seen: SideSeen, distance_bps: Decimal) -> Decimal | None:
    """Return the trigger at this distance from the mark; None where stops are as near already."""
    if not seen.held.quantity or not seen.mark:
        return None
    towards = 1 if seen.held.quantity > 0 else -1
    trigger = seen.mark * (1 - towards * distance_bps / _BPS)
    return _nearer(seen.wanted, seen.instrument, trigger)


def ahead(held: Position, mark: Decimal, liquidation: Decimal) -> Decimal:
    """Return a side's liquidation price, 0 for none; hedged sides may show the other's."""
    return liquidation if (mark - liquidation) * held.quantity > 0 else ZERO


def _short_of_liquidation(seen: SideSeen) -> Decimal | None:
    at = ahead(seen.held, seen.mark, seen.liquidation)
    if not at:
        return None
    wanted = seen.wanted
    trigger = short_of_liquidation(wanted[0].side, wanted[0].trigger_price, at)
    return None if trigger is None else _nearer(wanted, seen.instrument, trigger)


def _hopeless(seen: SideSeen) -> str:
    """Return why a side is to be closed, "" while its stops may still come right."""
    if seen.hopeless:
        return seen.hopeless
    late_ns = max(seen.naked_ns + seen.rule.protect_within_ns, seen.patient_ns)
    if seen.naked_ns and seen.now_ns > late_ns:
        return "no working stop of its size in time (execution.protect_within_s)"
    lost = [at_ns for at_ns in seen.lost_ns if seen.now_ns - at_ns < _LOST_WITHIN_NS]
    return f"{len(lost)} stops of it went within a minute" if len(lost) >= STOP_TRIES else ""


def _close(seen: SideSeen) -> Decimal:
    """Return how much one market order closes now; 0 while another may still do it.

    One of unknown outcome keeps nobody from closing: two cannot close more than there is.
    """
    waits = seen.busy or seen.closing or seen.now_ns < seen.close_ns
    if waits or seen.unknown_closes >= UNKNOWN_CLOSES:
        return ZERO
    most = seen.instrument.round_quantity(seen.instrument.market_max_quantity)
    return min(abs(seen.held.quantity), most)
