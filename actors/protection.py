"""One symbol's protection: a working stop of matching size per open side, or the side is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from attrs import define, field, frozen

from core.errors import Rejected, VenueError
from core.ids import make
from core.instruments import Instrument
from core.messages import OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.money import ZERO
from core.orders import Order
from core.positions import Position
from core.protection import Stop, plan, wanted_stop
from core.symbol_book import SymbolBook

__all__ = ["STOP_BOT", "Protection", "ProtectionSettings"]

STOP_BOT = "stop"
"""The name in the client order ids of protective stops and emergency closes."""

_RETRY_NS = 1_000_000_000
_ANSWER_NS = 5_000_000_000
_STOP_TRIES = 3


@frozen(slots=True)
class ProtectionSettings:
    """Distance of a stop from the entry in basis points; nanoseconds a side may be uncovered."""

    host: str
    bot: str
    stop_loss_bps: Decimal
    protect_within_ns: int


@define
class _SideState:
    """What is under way for one side; times of the wall clock in nanoseconds, 0 for never."""

    proposed: str = ""
    proposed_ns: int = 0
    retry_ns: int = 0
    refusals: int = 0
    naked_ns: int = 0


@define(eq=False)
class Protection:
    """Decides on stops; `propose` asks risk for an order, `cancel` takes one back.

    One order at a time is under way per side. A proposal that nobody answers is forgotten after
    five seconds: a stop too many is found and cancelled, one too few is not.
    """

    book: SymbolBook
    settings: ProtectionSettings
    propose: Callable[[PlaceOrder], None]
    cancel: Callable[[str], None]
    log: Callable[[str, str], None]
    instrument: Instrument | None = None
    next_sequence: int = 0
    sides: dict[PositionSide, _SideState] = field(
        factory=lambda: {side: _SideState() for side in PositionSide}
    )

    def look(self, now_ns: int) -> None:
        """Bring stops to what is held; close a side that stayed uncovered for too long."""
        if self.instrument is None:
            return
        stops = self.book.protective()
        for held in self.book.positions:
            mine = [stop for stop in stops if stop.command.position_side is held.side]
            if not held.quantity and not mine:
                self._covered(held.side)
                continue
            todo = plan(wanted_stop(held, self.instrument, self.settings.stop_loss_bps), mine)
            for client_order_id in todo.cancel:
                self.cancel(client_order_id)
            self._watch(held, mine, now_ns)
            if todo.place is not None:
                self._place(todo.place, now_ns)

    def under_way(self) -> bool:
        """Tell whether a stop is still to be placed or taken back."""
        if self.instrument is None:
            return False
        stops = self.book.protective()
        for held in self.book.positions:
            mine = [stop for stop in stops if stop.command.position_side is held.side]
            todo = plan(wanted_stop(held, self.instrument, self.settings.stop_loss_bps), mine)
            if todo.place is not None or todo.cancel:
                return True
        return False

    def settled(self, command: PlaceOrder) -> None:
        """Hear that risk answered a proposal."""
        state = self.sides[command.position_side]
        if state.proposed == command.client_order_id:
            state.proposed = ""

    def refused_by_risk(self, command: PlaceOrder, now_ns: int) -> None:
        """Hear that risk refused: try again after a pause."""
        self.settled(command)
        self.sides[command.position_side].retry_ns = now_ns + _RETRY_NS

    def refused(self, order: Order, error: VenueError, mark: Decimal, now_ns: int) -> None:
        """Hear that a stop or a close did not get to the venue.

        Try again after a pause. A side whose stop the market has passed already, or whose stop the
        venue refuses for good several times, is closed at the market.
        """
        command = order.command
        if command.purpose not in (Purpose.PROTECT, Purpose.CLOSE):
            return
        state = self.sides[command.position_side]
        state.retry_ns = now_ns + _RETRY_NS
        if command.purpose is Purpose.CLOSE or not isinstance(error, Rejected):
            return
        state.refusals += 1
        passed = ((command.trigger_price or ZERO) - mark) * command.side.sign < 0
        if passed or state.refusals >= _STOP_TRIES:
            state.retry_ns = 0
            self._close(command.position_side, f"the venue refused its stop: {error}", now_ns)

    def _watch(self, held: Position, stops: Sequence[Order], now_ns: int) -> None:
        covered = sum((stop.remaining for stop in stops if stop.state.at_venue), ZERO)
        if covered >= abs(held.quantity):
            self._covered(held.side)
            return
        state = self.sides[held.side]
        state.naked_ns = state.naked_ns or now_ns
        if now_ns - state.naked_ns > self.settings.protect_within_ns:
            why = "no working stop of its size in time (execution.protect_within_s)"
            self._close(held.side, why, now_ns)

    def _covered(self, side: PositionSide) -> None:
        state = self.sides[side]
        state.naked_ns = state.refusals = 0

    def _busy(self, side: PositionSide, now_ns: int) -> bool:
        state = self.sides[side]
        answer_due = bool(state.proposed) and now_ns - state.proposed_ns < _ANSWER_NS
        closing = any(
            order.command.purpose is Purpose.CLOSE and order.command.position_side is side
            for order in self.book.live.values()
        )
        return answer_due or closing or now_ns < state.retry_ns

    def _place(self, stop: Stop, now_ns: int) -> None:
        if not self._busy(stop.position_side, now_ns):
            self._propose(
                stop.side,
                stop.position_side,
                OrderType.STOP_MARKET,
                stop.quantity,
                stop.trigger_price,
                Purpose.PROTECT,
                now_ns,
            )

    def _close(self, side: PositionSide, reason: str, now_ns: int) -> None:
        held = self.book.positions.of(side)
        if self.instrument is None or not held.quantity or self._busy(side, now_ns):
            return
        self.log("error", f"closing the {side.value} position at the market: {reason}")
        direction = Side.SELL if held.quantity > 0 else Side.BUY
        quantity = min(abs(held.quantity), self.instrument.market_max_quantity)
        self._propose(direction, side, OrderType.MARKET, quantity, None, Purpose.CLOSE, now_ns)

    def _propose(
        self,
        direction: Side,
        side: PositionSide,
        kind: OrderType,
        quantity: Decimal,
        trigger_price: Decimal | None,
        purpose: Purpose,
        now_ns: int,
    ) -> None:
        assert self.instrument is not None
        key = self.instrument.key
        sequence = max(self.next_sequence, self.book.next_sequence(STOP_BOT))
        self.next_sequence = sequence + 1
        command = PlaceOrder(
            key,
            make(self.settings.host, STOP_BOT, key.symbol, sequence),
            direction,
            side,
            kind,
            quantity,
            trigger_price=trigger_price,
            reduce_only=True,
            purpose=purpose,
            bot=self.settings.bot,
        )
        state = self.sides[side]
        state.proposed, state.proposed_ns = command.client_order_id, now_ns
        self.propose(command)
