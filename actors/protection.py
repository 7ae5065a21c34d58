"""One symbol's protection: working stops of matching size per open side, or the side is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from attrs import define, evolve, field

from actors import names
from actors.desk import Desk
from actors.messages.risk import CancelEntries, Pause, Resume
from core.errors import Rejected, VenueError
from core.guard_decisions import ProtectionJudged, TightenJudged
from core.instruments import Instrument
from core.messages import OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.money import ZERO, text
from core.orders import Order, State
from core.positions import Position
from core.protecting import (
    STOP_TRIES,
    SideSeen,
    Steps,
    ahead,
    from_mark,
    planned,
    protect,
)
from core.protection import Stop, sane
from core.records import StopTightened

__all__ = ["Protection"]

_RETRY_NS = 1_000_000_000
_CLOSE_PAUSE_NS = 250_000_000
_ANSWER_NS = 5_000_000_000
_REST_NS = 30_000_000_000
_REST_MOST_NS = 3_600_000_000_000


@define
class _SideState:
    """What is under way for one side; monotonic times in nanoseconds, 0 for never.

    `naked_ns` is since when the side lacks a working stop, `patient_ns` until when one that was
    bare before this incarnation is not closed for that, `gone_ns` when the venue last showed one
    that just proved to be gone. `hopeless` is why no stop can come right, `close_ns` when the side
    may be closed again. `lost_ns` are the ends of stops that nobody here ended.
    """

    proposed: str = ""
    proposed_ns: int = 0
    retry_ns: int = 0
    close_ns: int = 0
    refusals: int = 0
    hopeless: str = ""
    naked_ns: int = 0
    patient_ns: int = 0
    gone_ns: int = 0
    lost_ns: list[int] = field(factory=list)


@define(eq=False)
class Protection:
    """Decides on stops; `cancel` takes one back, `liquidation` is the venue's price of a side.

    One order at a time is under way per side. A proposal that nobody answers is forgotten after
    five seconds: a stop too many is found and cancelled, one too few is not. `kept` while all is
    being closed: working stops stay as they are until the venue says flat. `doubted` are stops
    that the venue did not know when it was asked; they count for nothing. `seen_ns` is when the
    venue last showed each stop of what is held, `missed` are those that it did not show since: one
    that then proves to be gone left its side bare since it was seen. Until that is proven it says
    nothing of how long a side is bare. A symbol whose side had to be closed for want of a stop
    opens nothing for a while, twice as long each time until a stop works again: otherwise it would
    be opened and closed, at a taker's fee, over and over.
    """

    desk: Desk
    cancel: Callable[[str], None]
    liquidation: Callable[[PositionSide], Decimal]
    kept: bool = False
    doubted: set[str] = field(factory=set)
    seen_ns: dict[str, int] = field(factory=dict)
    missed: set[str] = field(factory=set)
    resting: bool = False
    rests_until_ns: int = 0
    rest_ns: int = _REST_NS
    sides: dict[PositionSide, _SideState] = field(
        factory=lambda: {side: _SideState() for side in PositionSide}
    )

    def begin(self, now_ns: int) -> None:
        """Rest as long as a forerunner may have begun to, and end that rest then."""
        self.rests_until_ns = now_ns + self.rest_ns

    def judge(self, now_ns: int) -> None:
        """Note since when which side lacks working stops of its size at a sane price."""
        sides = {held.side for held in self.desk.holdings if held.quantity}
        self.seen_ns = {
            stop.id: self.seen_ns.get(stop.id, now_ns)
            for stop in self.desk.book.protective()
            if stop.state.at_venue and stop.command.position_side in sides
        }
        self.missed &= self.seen_ns.keys()
        for held in self.desk.holdings:
            state = self.sides[held.side]
            gone_ns, state.gone_ns = state.gone_ns or now_ns, 0
            if not held.quantity:
                state.lost_ns.clear()
            if self._covers(held):
                if held.quantity:
                    self.rest_ns = _REST_NS
                state.naked_ns = state.refusals = 0
                state.hopeless = ""
            else:
                state.naked_ns = min(state.naked_ns or gone_ns, gone_ns)

    def recall(self, as_of_ns: int, now_ns: int) -> None:
        """Count a side that was bare before this incarnation from then on, by the venue's clock.

        At least half of the time that a side may be bare is left for this incarnation's own stop:
        a host that was away for a minute gives a side one before it would close it.
        """
        within_ns = self.desk.settings.protection.rule.protect_within_ns
        self.judge(now_ns)
        for side, state in self.sides.items():
            since_ns = self.desk.book.bareness.since_ns.get(side)
            if state.naked_ns and since_ns is not None:
                state.naked_ns = now_ns - max(as_of_ns - since_ns, 0) or -1  # 0 is for never
                state.patient_ns = now_ns + within_ns // 2

    def unprotected(self) -> tuple[tuple[PositionSide, int], ...]:
        """Return the sides that lack working stops, each with since when (monotonic)."""
        naked = ((side, state.naked_ns) for side, state in self.sides.items())
        return tuple((side, since_ns) for side, since_ns in naked if since_ns)

    def look(self, now_ns: int) -> None:
        """Bring stops to what is held; close a side that stayed uncovered for too long.

        Builds on `judge`, at the same instant.
        """
        if self.desk.instrument is None:
            return
        self._end_rest(now_ns)
        for held in self.desk.holdings:
            state = self.sides[held.side]
            if self.kept and not state.naked_ns:
                continue
            stops = self._mine(held.side)
            if not held.quantity and not stops:
                continue
            seen = self._seen(held, self.desk.instrument, stops, now_ns)
            steps = protect(seen)
            if not steps.idle:
                self.desk.note(ProtectionJudged(self.desk.key, seen, steps))
                self._carry_out(seen, steps)

    def _carry_out(self, seen: SideSeen, steps: Steps) -> None:
        if steps.tighten is not None:
            at = text(ahead(seen.held, seen.mark, seen.liquidation))
            self._tighten(seen, steps.tighten, f"liquidation is at {at}")
        for client_order_id in steps.cancel:
            self.cancel(client_order_id)
        if steps.close:
            self._close(seen, steps)
        if steps.place is not None:
            self._place(steps.place, seen.now_ns)

    def under_way(self) -> bool:
        """Tell whether a stop is still to be placed or taken back."""
        instrument = self.desk.instrument
        if instrument is None:
            return False
        sides = ((held, self._mine(held.side)) for held in self.desk.holdings)
        return any(
            not planned(self._seen(held, instrument, stops, 0)).idle for held, stops in sides
        )

    def tighten_to(self, side: PositionSide, distance_bps: Decimal, reason: str) -> None:
        """Bring a side's stops to this distance from the mark, never further away; until flat."""
        if self.desk.instrument is None:
            return
        held, now_ns = self.desk.held(side), self.desk.actor.monotonic_ns()
        seen = self._seen(held, self.desk.instrument, self._mine(side), now_ns)
        trigger = from_mark(seen, distance_bps)
        if trigger is not None:
            self.desk.note(TightenJudged(self.desk.key, seen, distance_bps, trigger))
            self._tighten(seen, trigger, reason)

    def _tighten(self, seen: SideSeen, trigger: Decimal, reason: str) -> None:
        desk, side = self.desk, seen.held.side
        desk.journal(StopTightened(desk.key, side, trigger, reason))
        desk.book.tightened[side] = trigger
        was, now = text(seen.wanted[0].trigger_price), text(trigger)
        desk.log("warning", f"stop of the {side.value} position from {was} to {now}: {reason}")

    def settled(self, command: PlaceOrder) -> None:
        """Hear that risk answered a proposal."""
        state = self.sides[command.position_side]
        if state.proposed == command.client_order_id:
            state.proposed = ""

    def refused_by_risk(self, command: PlaceOrder, now_ns: int) -> None:
        """Hear that risk refused: try again after a pause."""
        self.settled(command)
        self._pause(command, now_ns)

    def refused(self, order: Order, error: VenueError, now_ns: int) -> None:
        """Hear that a stop or a close did not get to the venue: try again after a pause.

        A side whose stop the market has passed already, or whose stop the venue refuses for good
        several times, is closed at the market with the next look.
        """
        command = order.command
        if command.purpose not in (Purpose.PROTECT, Purpose.CLOSE):
            return
        self._pause(command, now_ns)
        if command.purpose is Purpose.CLOSE or not isinstance(error, Rejected):
            return
        state = self.sides[command.position_side]
        state.refusals += 1
        passed = ((command.trigger_price or ZERO) - self.desk.mark) * command.side.sign < 0
        if passed or state.refusals >= STOP_TRIES:
            state.hopeless = f"the venue refused its stop: {error}"

    def _pause(self, command: PlaceOrder, now_ns: int) -> None:
        state = self.sides[command.position_side]
        if command.purpose is Purpose.CLOSE:
            state.close_ns = now_ns + _RETRY_NS
        else:
            state.retry_ns = now_ns + _RETRY_NS

    def ended(self, order: Order, now_ns: int) -> None:
        """Hear that a stop ended; a side whose stops do not last is closed at the market."""
        self.doubted.discard(order.id)
        side = order.command.position_side
        held = self.desk.held(side).quantity
        if not held or order.cancel_requested or order.filled:
            return
        self._gone(order)
        state = self.sides[side]
        state.lost_ns = [*state.lost_ns[1 - STOP_TRIES :], now_ns]
        why = f"{order.state.value} {order.reason}".rstrip()
        self.desk.log("warning", f"a stop ended and nobody here ended it: {why}", order.id)

    def working(self) -> frozenset[str]:
        """Return the stops that are said to work at the venue."""
        return frozenset(stop.id for stop in self.desk.book.protective() if stop.state.at_venue)

    def shown(self, client_order_ids: Iterable[str], asked_ns: int) -> None:
        """Hear of stops that work: the venue shows them to a question of that time."""
        for client_order_id in client_order_ids:
            self.doubted.discard(client_order_id)
            self.missed.discard(client_order_id)
            if client_order_id in self.seen_ns:
                self.seen_ns[client_order_id] = asked_ns

    def not_shown(self, client_order_ids: Iterable[str]) -> None:
        """Hear which working stops an answer lacked: perhaps they are gone."""
        self.missed.update(client_order_ids)

    def doubt(self, client_order_id: str) -> bool:
        """Hear that the venue does not know a stop; tell whether that is news."""
        order = self.desk.book.live.get(client_order_id)
        known = client_order_id in self.doubted
        if known or order is None or order.command.purpose is not Purpose.PROTECT:
            return False
        if not order.state.at_venue:
            return False
        self.doubted.add(client_order_id)
        self.missed.add(client_order_id)
        self._gone(order)
        self.desk.log(
            "error", "the venue does not know this stop: another takes its place", order.id
        )
        return True

    def _gone(self, stop: Order) -> None:
        """Count its side, if it is bare, as bare since the venue showed this stop last."""
        if stop.id in self.missed:
            self.sides[stop.command.position_side].gone_ns = self.seen_ns.get(stop.id, 0)

    def _mine(self, side: PositionSide) -> list[Order]:
        return [
            evolve(stop, state=State.UNKNOWN) if stop.id in self.doubted else stop
            for stop in self.desk.book.protective()
            if stop.command.position_side is side
        ]

    def _seen(
        self, held: Position, instrument: Instrument, stops: list[Order], now_ns: int
    ) -> SideSeen:
        """Put together all that is decided from on one side."""
        desk, side, state = self.desk, held.side, self.sides[held.side]
        return SideSeen(
            held,
            instrument,
            desk.settings.protection.rule,
            tuple(stops),
            desk.book.tightened.get(side),
            desk.mark,
            self.liquidation(side),
            state.naked_ns,
            state.patient_ns,
            tuple(state.lost_ns),
            state.hopeless,
            bool(state.proposed) and now_ns - state.proposed_ns < _ANSWER_NS,
            desk.closing(side),
            desk.lost(side),
            state.retry_ns,
            state.close_ns,
            now_ns,
        )

    def _covers(self, held: Position) -> bool:
        if not held.quantity:
            return True
        direction = Side.SELL if held.quantity > 0 else Side.BUY
        mark = self.desk.mark
        liquidation = ahead(held, mark, self.liquidation(held.side))
        working = (
            stop.remaining
            for stop in self._mine(held.side)
            if stop.state.at_venue
            and not stop.cancel_requested
            and stop.command.side is direction
            and sane(direction, stop.command.trigger_price or ZERO, mark, liquidation)
        )
        return sum(working, ZERO) >= abs(held.quantity)

    def _place(self, stop: Stop, now_ns: int) -> None:
        state = self.sides[stop.position_side]
        state.proposed_ns = now_ns
        state.proposed = self.desk.close(
            stop.side,
            stop.position_side,
            OrderType.STOP_MARKET,
            stop.quantity,
            Purpose.PROTECT,
            trigger_price=stop.trigger_price,
        )

    def _close(self, seen: SideSeen, steps: Steps) -> None:
        desk, side, now_ns = self.desk, seen.held.side, seen.now_ns
        state = self.sides[side]
        desk.log("error", f"closing the {side.value} position at the market: {steps.why}")
        self._rest(steps.why, now_ns)
        direction = Side.SELL if seen.held.quantity > 0 else Side.BUY
        state.close_ns = now_ns + (_CLOSE_PAUSE_NS << seen.unknown_closes)
        state.proposed_ns = now_ns
        state.proposed = desk.close(direction, side, OrderType.MARKET, steps.close, Purpose.CLOSE)

    # Rest after a side was closed for want of a stop

    @property
    def _source(self) -> str:
        return f"protection:{self.desk.key}"

    def _rest(self, reason: str, now_ns: int) -> None:
        if self.resting:
            return
        self.resting = True
        self.rests_until_ns = now_ns + self.rest_ns
        self.rest_ns, rest_ns = min(2 * self.rest_ns, _REST_MOST_NS), self.rest_ns
        said = f"rests for {rest_ns // 1_000_000_000} s: {reason}"
        pause = Pause(self._source, said, self.desk.key.venue, self.desk.key)
        self.desk.actor.tell_control(names.RISK, pause)
        self.desk.actor.tell(names.position(self.desk.key), CancelEntries())

    def _end_rest(self, now_ns: int) -> None:
        """Lift a rest that is over."""
        if self.rests_until_ns and now_ns >= self.rests_until_ns:
            self.rests_until_ns, self.resting = 0, False
            self.desk.actor.tell_control(names.RISK, Resume(self._source))
