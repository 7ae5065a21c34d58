"""One lane to a venue's REST: send what risk approved, cancel, answer questions."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from actors import names
from actors.messages.lanes import (
    AccountRead,
    BarsRead,
    BookingsRead,
    ClockTold,
    OrderRead,
    PositionsRead,
    Read,
    ReadAccount,
    ReadBars,
    ReadBook,
    ReadBookings,
    ReadFailed,
    ReadIncome,
    ReadOrder,
    ReadPositions,
    ReadStops,
    ReadSymbol,
    SampleClock,
    SetUpSymbol,
    SymbolSetUp,
)
from actors.messages.operations import LaneReport, Tick
from actors.messages.risk import ArmDeadMan, CallsTold, HaltTold, HaltWanted, ProbeVenue
from actors.runtime import Actor
from actors.sharing import Sharing
from core.errors import (
    BulkheadError,
    ClockRejected,
    NotFound,
    OutcomeUnknown,
    OverBudget,
    Rejected,
    RetryLater,
    Unreachable,
    VenueError,
)
from core.instruments import Instrument
from core.messages import (
    AmendOrder,
    CancelOrder,
    Key,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderUpdated,
    PlaceOrder,
)
from core.money import text
from core.ports import Commission, Log, Venue
from core.risk.breaker import speaks_of_venue
from core.risk.gate import Approved
from core.risk.halt import Halt

_INSTRUMENTS_OLD_NS = 3_600_000_000_000
_CALLS_NS = 1_000_000_000


class ConnectionActor(Actor):
    """Own one connection of one venue; one call at a time, so a lane never delays another.

    State: the halt as last told, the clock's offset, the venue's instruments and fees (an hour
    long), questions that wait for a shared answer, calls that went well since risk was told of any.
    Fails: a venue's answer is a message, never a crash; anything else kills the lane, and what it
    had in hand is of unknown outcome to the position that asked. Failures that speak of the venue
    and not of one order are told to risk at once, for its breaker.
    Rules: `core.risk.halt` for the last fence; the adapter for what an answer means.
    """

    def __init__(
        self, venue_name: str, make_venue: Callable[[], Venue], max_order_age_ns: int, log: Log
    ) -> None:
        self.venue_name = venue_name
        self.make_venue = make_venue
        self.max_order_age_ns = max_order_age_ns
        self.log = log
        self.halt: Halt | None = None
        self.clock_told = False
        self.instruments: dict[Key, Instrument] = {}
        self.instruments_ns = 0
        self.commissions: dict[str, Commission] = {}
        self.reachable = True
        self.good_calls = 0

    def starting(self) -> None:
        self.venue = self.make_venue()
        self.sharing = Sharing(self.venue, self.monotonic_ns)
        self.tell(names.timesync(self.venue_name), SampleClock(self.name))
        self.tell(names.RISK, HaltWanted(self.name))
        self.every(_CALLS_NS, Tick("calls"))
        self.waiting("waiting for the venue's clock and the trading halt's state")

    def stopping(self) -> None:
        self.venue.close()

    def handle(self, message: object) -> None:
        match message:
            case Approved(command=PlaceOrder()):
                self._place(message)
            case Approved(command=AmendOrder()):
                self._amend(message)
            case CancelOrder():
                self._cancel(message)
            case ArmDeadMan():
                self._arm(message)
            case ReadSymbol() | ReadStops():
                self._share(message)
            case Tick("next"):
                self._next()
            case SetUpSymbol() | ReadOrder():
                self._read(message)
            case ReadBook() | ReadBars() | ReadAccount() | ReadPositions():
                self._read(message)
            case ReadBookings() | ReadIncome():
                self._read(message)
            case Tick("calls"):
                self._tell_calls()
            case ProbeVenue():
                self._probe()
            case HaltTold():
                self.halt = message.halt
                self._told()
            case ClockTold():
                self.venue.set_clock_offset_ns(message.offset_ns)
                self.clock_told = True
                self._told()

    def _told(self) -> None:
        if self.halt is not None and self.clock_told:
            # What an earlier incarnation reported last is not believed for longer.
            report = LaneReport(self.venue_name, self.name, True)
            self.tell_latest(names.OPERATIONS, self.name, report)
            self.ready()

    # Orders

    def _place(self, approved: Approved[PlaceOrder]) -> None:
        order = approved.command
        refusal = self._fence(approved, opening=not order.closing)
        if refusal:
            self._refused(order.key, order.client_order_id, "place", refusal)
            return
        self.context.check()
        self._report(order.key, order.client_order_id, "place", lambda: self.venue.place(approved))

    def _amend(self, approved: Approved[AmendOrder]) -> None:
        order = approved.command
        refusal = self._fence(approved, opening=not order.closing)
        if refusal:
            self._refused(order.key, order.client_order_id, "amend", refusal)
            return
        self.context.check()

        def amend() -> OrderUpdated:
            return evolve(self.venue.amend(approved), amended=True)

        self._report(order.key, order.client_order_id, "amend", amend)

    def _fence(
        self, approved: Approved[PlaceOrder] | Approved[AmendOrder], *, opening: bool
    ) -> VenueError | None:
        """Look one last time whether this may still leave the house."""
        # The wall clock may be set, the monotonic one stands still while the machine is asleep.
        ages_ns = self.now_ns() - approved.at_ns, self.monotonic_ns() - approved.monotonic_ns
        age_ns = max(ages_ns, key=abs)
        if abs(age_ns) > self.max_order_age_ns:
            return RetryLater(
                f"approved {age_ns // 1_000_000} ms ago, too old to send "
                "(execution.max_order_age_ms)",
                venue=self.venue_name,
            )
        if not opening or (self.halt and self.halt.lets_open(approved.epoch)):
            return None
        state = f"{self.halt.level.value}: {self.halt.reason}" if self.halt else "not known yet"
        return Rejected(f"the trading halt is {state}", venue=self.venue_name)

    def _cancel(self, order: CancelOrder) -> None:
        self.context.check()
        self._report(order.key, order.client_order_id, "cancel", lambda: self.venue.cancel(order))

    def _arm(self, order: ArmDeadMan) -> None:
        """Set the venue's count-down; what fails now is tried again with the next arming."""
        self.context.check()
        try:
            self.venue.countdown_cancel(order.key, order.after_ms)
        except VenueError as error:
            self._called(error)
            what = f"dead-man switch of {order.after_ms} ms: {error}"
            self.log("warning", self.name, what, symbol=order.key.symbol)
        else:
            self._called()

    def _report(
        self, key: Key, client_order_id: str, action: str, call: Callable[[], OrderUpdated | None]
    ) -> None:
        """Make the call and tell the position what the venue's answer means."""
        begun_ns = self.monotonic_ns()
        try:
            update = call()
        except OutcomeUnknown as error:
            self._called(error)
            self.log(
                "warning",
                self.name,
                f"{action}: outcome unknown: {error}",
                symbol=key.symbol,
                client_order_id=client_order_id,
            )
            told = OrderOutcomeUnknown(key, client_order_id, action, error)
            self.tell(names.position(key), told)
        except VenueError as error:
            self._called(error)
            self._refused(key, client_order_id, action, error)
        else:
            self._called()
            if update is not None:
                self.tell(names.position(key), OrderAcknowledged(update))
            took_ms = (self.monotonic_ns() - begun_ns) / 1_000_000
            if update is not None and action == "amend":
                action = f"amend to {text(update.quantity)} at {text(update.price)}"
            self.log(
                "info",
                self.name,
                f"{action} accepted by {self.venue_name} after {took_ms:.1f} ms",
                symbol=key.symbol,
                client_order_id=client_order_id,
            )

    def _refused(self, key: Key, client_order_id: str, action: str, error: VenueError) -> None:
        if isinstance(error, ClockRejected):
            self.tell(names.timesync(self.venue_name), SampleClock())
        self.log(
            "warning",
            self.name,
            f"{action} refused: {error}",
            symbol=key.symbol,
            client_order_id=client_order_id,
        )
        self.tell(names.position(key), OrderRefused(key, client_order_id, action, error))

    # Questions

    def _share(self, request: ReadSymbol | ReadStops) -> None:
        """Answer behind what waits here already: some readings serve them all."""
        pause_ns = self.sharing.enqueue(request)
        if pause_ns:
            self.after(pause_ns, Tick("next"))
        elif pause_ns is not None:
            self.tell(self.name, Tick("next"))

    def _next(self) -> None:
        if not self.sharing.waits:
            return  # told by the incarnation before, whose questions are gone
        request, asked_ns = self.sharing.next()
        self._read(request, asked_ns)
        if self.sharing.waits:
            self.tell(self.name, Tick("next"))

    def _read(self, request: Read, asked_ns: int = 0) -> None:
        try:
            answer = self._answer(request, asked_ns)
        except VenueError as error:
            self._called(error)
            if isinstance(error, ClockRejected):
                self.tell(names.timesync(self.venue_name), SampleClock())
            answer = ReadFailed(request, error)
        else:
            self._called()
        self.tell(request.reply_to, answer)

    def _answer(self, request: Read, asked_ns: int) -> object:
        venue = self.venue
        match request:
            case SetUpSymbol():
                return self._set_up(request)
            case ReadSymbol():
                return self.sharing.symbol(request, asked_ns)
            case ReadStops():
                return self.sharing.stops(request, asked_ns)
            case ReadOrder():
                return self._read_order(request)
            case ReadBook():
                return venue.book(request.key, request.depth)
            case ReadBars():
                key = request.key
                return BarsRead(key, venue.bars(key, request.interval_ns, request.count))
            case ReadAccount():
                state = venue.account()
                if request.hedge_mode is not None and state.hedge_mode != request.hedge_mode:
                    venue.set_hedge_mode(request.hedge_mode)
                    state = venue.account()
                return AccountRead(state, venue.positions())
            case ReadPositions():
                return PositionsRead(venue.positions())
            case ReadBookings():
                as_of_ns = venue.venue_now_ns()
                orders = venue.open_orders() if request.with_orders else None
                return BookingsRead(venue.bookings(request.since_ns), orders, as_of_ns)
            case ReadIncome():
                return self.sharing.income(request)
        raise BulkheadError(f"no answer to {request!r}")

    def _set_up(self, request: SetUpSymbol) -> SymbolSetUp:
        venue, key = self.venue, request.key
        instrument = self._instrument(key)
        settings = venue.symbol_settings(key)
        if settings.isolated != request.isolated:
            venue.set_isolated(key, request.isolated)
        if settings.leverage != request.leverage:
            venue.set_leverage(key, request.leverage)
        if (settings.leverage, settings.isolated) != (request.leverage, request.isolated):
            settings = venue.symbol_settings(key)
        if (settings.leverage, settings.isolated) != (request.leverage, request.isolated):
            raise RetryLater(
                f"{key} reads back leverage {settings.leverage}, isolated {settings.isolated}",
                venue=self.venue_name,
            )
        commission = self._commission(instrument)
        return SymbolSetUp(
            evolve(instrument, maker_fee=commission.maker, taker_fee=commission.taker),
            venue.leverage_brackets(key),
            venue.mark_price(key).mark,
            settings.leverage,
            settings.isolated,
        )

    def _commission(self, instrument: Instrument) -> Commission:
        """Ask once an hour for each quote asset: the tier is the account's, and it is dear."""
        if instrument.quote not in self.commissions:
            self.commissions[instrument.quote] = self.venue.commission(instrument.key)
        return self.commissions[instrument.quote]

    def _instrument(self, key: Key) -> Instrument:
        if not self.instruments or self.now_ns() - self.instruments_ns > _INSTRUMENTS_OLD_NS:
            self.instruments = {found.key: found for found in self.venue.instruments()}
            self.instruments_ns = self.now_ns()
            self.commissions.clear()
        if key not in self.instruments:
            raise Rejected(f"{self.venue_name} lists no symbol {key.symbol}", venue=key.venue)
        return self.instruments[key]

    def _read_order(self, request: ReadOrder) -> OrderRead:
        venue, key = self.venue, request.key
        asked_ns = self.monotonic_ns()
        try:
            found = venue.order(key, request.client_order_id, conditional=request.conditional)
        except NotFound:
            return OrderRead(key, request.client_order_id, None, (), asked_ns)
        fills = venue.fills(key, order_id=found.order_id) if found.filled else ()
        return OrderRead(key, request.client_order_id, found, fills, asked_ns)

    # How calls went

    def _called(self, error: VenueError | None = None) -> None:
        """Note how a call went, and show whether the venue can be reached at all."""
        if isinstance(error, OverBudget):
            return  # the venue was not asked
        if error is not None and speaks_of_venue(error):
            self._tell_calls(failed=1, text=str(error))
        else:
            self.good_calls += 1
        reachable = not isinstance(error, Unreachable)
        if reachable != self.reachable:
            self.reachable = reachable
            text = "" if reachable else str(error)
            level = "info" if reachable else "warning"
            self.log(level, self.name, text or "venue answers again")
            report = LaneReport(self.venue_name, self.name, reachable, text)
            self.tell_latest(names.OPERATIONS, self.name, report)

    def _tell_calls(self, failed: int = 0, text: str = "") -> None:
        if failed or self.good_calls:
            good, self.good_calls = self.good_calls, 0
            told = CallsTold(self.venue_name, self.name, good, failed, text)
            self.tell(names.RISK, told)

    def _probe(self) -> None:
        """Make one harmless signed call and tell at once how it went.

        One that our own budget lets through as long as anything is left of it.
        """
        try:
            self.venue.positions()
        except VenueError as error:
            self._called(error)
        else:
            self._called()
        self._tell_calls()
