"""One symbol's protection: working stops of matching size per open side, or the side is closed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import define, evolve, field

from actors import names
from actors.desk import Desk
from actors.messages import CancelEntries, Pause, Resume
from core.errors import Rejected, VenueError
from core.messages import OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.money import ZERO, text
from core.orders import Order, State
from core.positions import Position
from core.protection import Plan, Stop, plan, sane, short_of_liquidation, tighter, wanted_stops
from core.records import StopTightened

__all__ = ["Protection"]

_RETRY_NS = 1_000_000_000
_CLOSE_PAUSE_NS = 250_000_000
_ANSWER_NS = 5_000_000_000
_STOP_TRIES = 3
_LOST_WITHIN_NS = 60_000_000_000
_BPS = Decimal(10_000)
_REST_NS = 30_000_000_000
_REST_MOST_NS = 3_600_000_000_000


@define
class _SideState:
    """What is under way for one side; monotonic times in nanoseconds, 0 for never.

    `naked_ns` is since when the side lacks a working stop, `suspect_ns` when the venue last showed
    all of them, once one was not there. `hopeless` is why no stop can come right, `close_ns` when
    the side may be closed again. `lost_ns` are the ends of stops that nobody here ended.
    """

    proposed: str = ""
    proposed_ns: int = 0
    retry_ns: int = 0
    close_ns: int = 0
    refusals: int = 0
    hopeless: str = ""
    naked_ns: int = 0
    suspect_ns: int = 0
    lost_ns: list[int] = field(factory=list)


@define(eq=False)
class Protection:
    """Decides on stops; `cancel` takes one back, `liquidation` is the venue's price of a side.

    One order at a time is under way per side. A proposal that nobody answers is forgotten after
    five seconds: a stop too many is found and cancelled, one too few is not. `kept` while all is
    being closed: working stops stay as they are until the venue says flat. `doubted` are stops
    that the venue did not know when it was asked; they count for nothing. A symbol whose side had
    to be closed for want of a stop opens nothing for a while, twice as long each time until a stop
    works again: otherwise it would be opened and closed, at a taker's fee, over and over.
    """

    desk: Desk
    cancel: Callable[[str], None]
    liquidation: Callable[[PositionSide], Decimal]
    kept: bool = False
    doubted: set[str] = field(factory=set)
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
        for held in self.desk.holdings:
            state = self.sides[held.side]
            if not held.quantity:
                state.lost_ns.clear()
                state.suspect_ns = 0
            if self._covers(held):
                if held.quantity:
                    self.rest_ns = _REST_NS
                state.naked_ns = state.refusals = 0
                state.hopeless = ""
            elif not state.naked_ns:
                state.naked_ns, state.suspect_ns = state.suspect_ns or now_ns, 0

    def unprotected(self) -> tuple[tuple[PositionSide, int], ...]:
        """Return the sides that lack working stops, each with since when (monotonic)."""
        naked = ((side, state.naked_ns) for side, state in self.sides.items())
        return tuple((side, since_ns) for side, since_ns in naked if since_ns)

    def look(self, now_ns: int) -> None:
        """Bring stops to what is held; close a side that stayed uncovered for too long."""
        self.judge(now_ns)
        if self.desk.instrument is None:
            return
        self._end_rest(now_ns)
        for held in self.desk.holdings:
            state = self.sides[held.side]
            if self.kept and not state.naked_ns:
                continue
            self._stay_short_of_liquidation(held)
            todo = self._plan(held)
            for client_order_id in todo.cancel:
                self.cancel(client_order_id)
            hopeless = self._hopeless(state, now_ns)
            if hopeless:
                self._close(held.side, hopeless, now_ns)
            if todo.place is not None:
                self._place(todo.place, now_ns)

    def under_way(self) -> bool:
        """Tell whether a stop is still to be placed or taken back."""
        if self.desk.instrument is None:
            return False
        return any(not self._plan(held).idle for held in self.desk.holdings)

    def tighten(self, side: PositionSide, trigger: Decimal, reason: str) -> None:
        """Bring a side's stops to this trigger where that is nearer to the market; until flat."""
        desk, held = self.desk, self.desk.held(side)
        wanted = self._wanted(held)
        if not wanted or desk.instrument is None:
            return
        trigger = desk.instrument.nearest_price(trigger)
        direction, present = wanted[0].side, wanted[0].trigger_price
        if trigger == present or tighter(direction, trigger, present) != trigger:
            return
        desk.journal(StopTightened(desk.key, side, trigger, reason))
        desk.book.tightened[side] = trigger
        was, now = text(present), text(trigger)
        desk.log("warning", f"stop of the {side.value} position from {was} to {now}: {reason}")

    def tighten_to(self, side: PositionSide, distance_bps: Decimal, reason: str) -> None:
        """Bring a side's stops to this distance from the mark, never further away."""
        held, mark = self.desk.held(side), self.desk.mark
        if held.quantity and mark:
            towards = 1 if held.quantity > 0 else -1
            self.tighten(side, mark * (1 - towards * distance_bps / _BPS), reason)

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
        if passed or state.refusals >= _STOP_TRIES:
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
        state = self.sides[side]
        state.lost_ns = [*state.lost_ns[1 - _STOP_TRIES :], now_ns]
        why = f"{order.state.value} {order.reason}".rstrip()
        self.desk.log("warning", f"a stop ended and nobody here ended it: {why}", order.id)

    def working(self) -> frozenset[str]:
        """Return the stops that are said to work at the venue."""
        return frozenset(stop.id for stop in self.desk.book.protective() if stop.state.at_venue)

    def shown(self, missing: frozenset[str], complete_ns: int) -> None:
        """Hear which working stops the venue did not show.

        `complete_ns` is when it showed all of them last: a side is bare since then, if it is.
        """
        for state in self.sides.values():
            state.suspect_ns = 0
        for stop in self.desk.book.protective():
            if stop.id in missing:
                self.sides[stop.command.position_side].suspect_ns = complete_ns
            else:
                self.doubted.discard(stop.id)

    def doubt(self, client_order_id: str) -> bool:
        """Hear that the venue does not know a stop; tell whether that is news."""
        order = self.desk.book.live.get(client_order_id)
        known = client_order_id in self.doubted
        if known or order is None or order.command.purpose is not Purpose.PROTECT:
            return False
        if not order.state.at_venue:
            return False
        self.doubted.add(client_order_id)
        self.desk.log(
            "error", "the venue does not know this stop: another takes its place", order.id
        )
        return True

    def _mine(self, side: PositionSide) -> list[Order]:
        return [
            evolve(stop, state=State.UNKNOWN) if stop.id in self.doubted else stop
            for stop in self.desk.book.protective()
            if stop.command.position_side is side
        ]

    def _wanted(self, held: Position) -> tuple[Stop, ...]:
        desk = self.desk
        if desk.instrument is None:
            return ()
        distance_bps = desk.settings.protection.stop_loss_bps
        tightened = desk.book.tightened.get(held.side)
        return wanted_stops(held, desk.instrument, distance_bps, tightened)

    def _plan(self, held: Position) -> Plan:
        mine = self._mine(held.side)
        if not held.quantity and not mine:
            return Plan(None, ())
        return plan(self._wanted(held), mine)

    def _stay_short_of_liquidation(self, held: Position) -> None:
        wanted, at = self._wanted(held), self._liquidation(held)
        if wanted and at:
            nearer = short_of_liquidation(wanted[0].side, wanted[0].trigger_price, at)
            if nearer is not None:
                self.tighten(held.side, nearer, f"liquidation is at {text(at)}")

    def _liquidation(self, held: Position) -> Decimal:
        """Return the side's liquidation price, 0 for none; hedged sides may show the other's."""
        mark, at = self.desk.mark, self.liquidation(held.side)
        return at if (mark - at) * held.quantity > 0 else ZERO

    def _hopeless(self, state: _SideState, now_ns: int) -> str:
        """Return why a side is to be closed, "" while its stops may still come right."""
        settings = self.desk.settings.protection
        if state.hopeless:
            return state.hopeless
        if state.naked_ns and now_ns - state.naked_ns > settings.protect_within_ns:
            return "no working stop of its size in time (execution.protect_within_s)"
        lost = [at_ns for at_ns in state.lost_ns if now_ns - at_ns < _LOST_WITHIN_NS]
        return f"{len(lost)} stops of it went within a minute" if len(lost) >= _STOP_TRIES else ""

    def _covers(self, held: Position) -> bool:
        if not held.quantity:
            return True
        direction = Side.SELL if held.quantity > 0 else Side.BUY
        mark, liquidation = self.desk.mark, self._liquidation(held)
        working = (
            stop.remaining
            for stop in self._mine(held.side)
            if stop.state.at_venue
            and not stop.cancel_requested
            and stop.command.side is direction
            and sane(direction, stop.command.trigger_price or ZERO, mark, liquidation)
        )
        return sum(working, ZERO) >= abs(held.quantity)

    def _busy(self, state: _SideState, now_ns: int) -> bool:
        return bool(state.proposed) and now_ns - state.proposed_ns < _ANSWER_NS

    def _place(self, stop: Stop, now_ns: int) -> None:
        state = self.sides[stop.position_side]
        closing = self.desk.closing(stop.position_side)
        if closing or self._busy(state, now_ns) or now_ns < state.retry_ns:
            return
        state.proposed_ns = now_ns
        state.proposed = self.desk.close(
            stop.side,
            stop.position_side,
            OrderType.STOP_MARKET,
            stop.quantity,
            Purpose.PROTECT,
            trigger_price=stop.trigger_price,
        )

    def _close(self, side: PositionSide, reason: str, now_ns: int) -> None:
        desk, held = self.desk, self.desk.held(side)
        state = self.sides[side]
        if desk.instrument is None or not held.quantity or self._busy(state, now_ns):
            return
        if now_ns < state.close_ns or not desk.may_close(side):
            return
        desk.log("error", f"closing the {side.value} position at the market: {reason}")
        self._rest(reason, now_ns)
        direction = Side.SELL if held.quantity > 0 else Side.BUY
        most = desk.instrument.round_quantity(desk.instrument.market_max_quantity)
        state.close_ns = now_ns + (_CLOSE_PAUSE_NS << desk.lost(side))
        state.proposed_ns = now_ns
        state.proposed = desk.close(
            direction, side, OrderType.MARKET, min(abs(held.quantity), most), Purpose.CLOSE
        )

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
