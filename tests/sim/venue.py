"""A venue without a wire: the `Venue` and stream ports straight onto the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from attrs import evolve

from core.errors import (
    ClockRejected,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unreachable,
)
from core.exchange import IncomeKind, Reason, Refusal
from core.exchange.events import Placed
from core.income import EarnedRead
from core.instruments import Instrument, LeverageBracket
from core.messages import (
    AmendOrder,
    BalanceUpdated,
    Bar,
    BookSnapshot,
    CancelAll,
    CancelOrder,
    Fill,
    FundingPaid,
    Key,
    MarkPrice,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
)
from core.ports import (
    AccountState,
    ClockSample,
    Commission,
    EventSink,
    KeyRights,
    RateUsage,
    Stream,
    SymbolSettings,
    Venue,
)
from core.records import Transferred, WalletAdjusted
from core.risk.gate import Approved
from tests.core.earned import earned
from tests.sim.world import MS_NS, VENUE, Pipe, World

T = TypeVar("T")
_RETRY_NS = 1_000_000_000


class SimVenue(Venue):
    """One lane's connection."""

    name = VENUE
    rest_url = "sim://rest"

    def __init__(self, world: World) -> None:
        self.world = world
        self.exchange = world.exchange
        self.offset_ns = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def set_clock_offset_ns(self, offset_ns: int) -> None:
        self.offset_ns = offset_ns

    def venue_now_ns(self) -> int:
        return self.world.host_ns() + self.offset_ns

    # Faults

    def _read(self, call: str = "read") -> None:
        self._raise(self.world.faults.fate(call))

    def _raise(self, fate: str) -> None:
        match fate:
            case "unreachable":
                raise Unreachable("connection refused", venue=VENUE)
            case "rate_limited":
                raise RateLimited("too many requests", venue=VENUE, retry_after_ns=_RETRY_NS)
            case "clock_rejected":
                raise ClockRejected("timestamp outside of the window", venue=VENUE)
            case "rejected":
                raise Rejected("the venue does not like it", venue=VENUE)
            case "not_found":
                raise NotFound("order does not exist", venue=VENUE)
            case "broken":
                raise RuntimeError("a defect in the adapter")

    def _write(self, call: str, act: Callable[[], T]) -> T:
        fate = self.world.faults.fate(call)
        self._raise(fate)
        match fate:
            case "unknown_before":
                raise OutcomeUnknown("no answer in time", venue=VENUE)
            case "unknown_late":
                self.world.on_wire(self.world.faults.late_ns, lambda: self._late(act))
                raise OutcomeUnknown("no answer in time", venue=VENUE)
            case "unknown_after":
                act()
                raise OutcomeUnknown("no answer in time", venue=VENUE)
        return act()

    def _late(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (Rejected, NotFound, OutcomeUnknown):
            return  # the answer that nobody waits for any more

    def _asked(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Refusal as refusal:
            _translate(refusal)

    def _done(self, call: Callable[[], Placed]) -> Placed:
        placed = self._asked(call)
        self.world.emit(placed.events)
        return placed

    # Market

    def sample_clock(self) -> ClockSample:
        self._read("clock")
        now_ns = self.world.host_ns()
        return ClockSample(self.world.offset_ns, MS_NS, now_ns)

    def instruments(self) -> tuple[Instrument, ...]:
        self._read()
        return self.exchange.instruments()

    def leverage_brackets(self, key: Key) -> tuple[LeverageBracket, ...]:
        self._read()
        return self.exchange.brackets(key.symbol)

    def book(self, key: Key, depth: int) -> BookSnapshot:
        self._read("book")
        book = self._asked(lambda: self.exchange.book(key.symbol))
        bids, asks = book.top(depth)
        return BookSnapshot(key, book.last_id, bids, asks, book.event_ns)

    def bars(
        self, key: Key, interval_ns: int, limit: int, start_ns: int = 0, end_ns: int = 0
    ) -> tuple[Bar, ...]:
        raise Rejected("no bars here", venue=VENUE)

    def mark_price(self, key: Key) -> MarkPrice:
        self._read()
        mark = self.exchange.mark(key.symbol)
        if mark is None:
            raise Unreachable("no mark price yet", venue=VENUE)
        return mark

    # Account

    def account(self) -> AccountState:
        self._read()
        figures = self.exchange.account("USDT")
        now_ns = self.world.venue_ns()
        balances = tuple(
            BalanceUpdated(VENUE, row.asset, row.wallet, "read", now_ns)
            for row in self.exchange.balances()
        )
        return AccountState(
            balances,
            figures.available,
            figures.initial_margin,
            figures.maintenance_margin,
            figures.margin_balance,
            figures.unrealised_pnl,
            self.exchange.hedge_mode,
            True,
            now_ns,
        )

    def positions(self, key: Key | None = None) -> tuple[PositionReported, ...]:
        self._read("read" if key else "positions")
        symbols = [key.symbol] if key else [i.key.symbol for i in self.exchange.instruments()]
        return tuple(
            PositionReported(
                row.key,
                row.side,
                row.quantity,
                row.entry_price,
                row.updated_ns,
                row.liquidation_price,
                row.mark,
            )
            for symbol in symbols
            if any(self.exchange.held(symbol).values())
            for row in self.exchange.positions(symbol)
            if row.quantity
        )

    def open_orders(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        self._read()
        symbol = key.symbol if key else None
        waiting = self.exchange.open_conditionals(symbol)
        plain = self.exchange.open_orders(symbol)
        return (
            *(order.update(None) for order in waiting),
            *(order.update() for order in plain),
        )

    def open_stops(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        self._read("stops")
        waiting = self.exchange.open_conditionals(key.symbol if key else None)
        return tuple(order.update(None) for order in waiting)

    def order(self, key: Key, client_order_id: str, *, conditional: bool = False) -> OrderUpdated:
        self._read("order")
        if not conditional:
            found = self._asked(
                lambda: self.exchange.order(key.symbol, client_order_id=client_order_id)
            )
            return found.update()
        waiting = self._asked(lambda: self.exchange.conditional(client_order_id=client_order_id))
        child = None
        if waiting.order_id:
            child = self.exchange.order(key.symbol, order_id=waiting.order_id)
        return waiting.update(child)

    def fills(
        self, key: Key, *, since_ns: int = 0, order_id: str = "", from_id: str = ""
    ) -> tuple[Fill, ...]:
        self._read()
        number = int(order_id) if order_id else 0
        trades = self.exchange.trades(key.symbol, order_id=number, start_ns=since_ns)
        return tuple(trade.fill for trade in trades)

    def funding(self, key: Key | None, since_ns: int) -> tuple[FundingPaid, ...]:
        self._read()
        return tuple(
            paid
            for paid in self.world.funding
            if key in (None, paid.key) and paid.time_ns >= since_ns
        )

    def bookings(self, since_ns: int) -> tuple[Transferred | WalletAdjusted, ...]:
        self._read("bookings")
        found: list[Transferred | WalletAdjusted] = []
        for row in self.exchange.income(start_ns=since_ns):
            name = f"{row.kind.value}:{row.income_id}"
            if row.kind is IncomeKind.TRANSFER:
                found.append(Transferred(VENUE, row.asset, row.amount, name, row.time_ns))
            elif row.kind is IncomeKind.INSURANCE_CLEAR:
                kind = row.kind.value
                found.append(WalletAdjusted(VENUE, row.asset, row.amount, kind, name, row.time_ns))
        return tuple(found)

    def earned(self, since_ns: int, until_ns: int) -> EarnedRead:
        self._read("income")
        rows = earned(VENUE, self.exchange.income(start_ns=since_ns, end_ns=until_ns))
        return EarnedRead(tuple(rows), until_ns)

    def commission(self, key: Key) -> Commission:
        self._read()
        for instrument in self.exchange.instruments():
            if instrument.key == key:
                return Commission(instrument.maker_fee, instrument.taker_fee)
        raise Rejected(f"no symbol {key.symbol}", venue=VENUE)

    def key_rights(self) -> KeyRights:
        return KeyRights(None, None, None)

    def symbol_settings(self, key: Key) -> SymbolSettings:
        self._read()
        row = self.exchange.symbol_row(key.symbol)
        return SymbolSettings(key, row.leverage, row.isolated)

    def every_symbol_settings(self) -> tuple[SymbolSettings, ...]:
        return tuple(self.symbol_settings(key) for key in self.world.keys)

    def set_hedge_mode(self, hedge: bool) -> None:
        self._read()
        now_ns = self.world.venue_ns()
        self.world.emit(self._asked(lambda: self.exchange.set_hedge_mode(hedge, now_ns)))

    def set_isolated(self, key: Key, isolated: bool) -> None:
        self._read()
        now_ns = self.world.venue_ns()
        self.world.emit(
            self._asked(lambda: self.exchange.set_isolated(key.symbol, isolated, now_ns))
        )

    def set_leverage(self, key: Key, leverage: int) -> None:
        self._read()
        now_ns = self.world.venue_ns()
        self.world.emit(
            self._asked(lambda: self.exchange.set_leverage(key.symbol, leverage, now_ns))
        )

    # Orders

    def place(self, order: Approved[PlaceOrder]) -> OrderUpdated:
        left_ns = self.world.venue_ns()

        def act() -> OrderUpdated:
            command = order.command
            sent = self.world.arrived(order, left_ns)
            if self.world.faults.refuse_stops and command.type.conditional:
                raise Rejected("stops are not taken now", venue=VENUE)
            if self.exchange.hedge_mode:
                command = evolve(command, reduce_only=False)
            now_ns = self.world.venue_ns()
            update = self._done(lambda: self.exchange.place(command, now_ns)).update
            self.world.accepted(sent)
            return update

        return self._write("place", act)

    def place_batch(
        self, orders: Sequence[Approved[PlaceOrder]]
    ) -> tuple[OrderUpdated | Exception, ...]:
        return tuple(self.place(order) for order in orders)

    def test_place(self, order: Approved[PlaceOrder]) -> None:
        self._asked(lambda: self.exchange.check(order.command, self.world.venue_ns()))

    def amend(self, order: Approved[AmendOrder]) -> OrderUpdated:
        left_ns = self.world.venue_ns()

        def act() -> OrderUpdated:
            now_ns = self.world.venue_ns()
            sent = self.world.arrived(order, left_ns)
            update = self._done(lambda: self.exchange.amend(order.command, now_ns)).update
            self.world.accepted(sent)
            return update

        return self._write("amend", act)

    def cancel(self, order: CancelOrder) -> OrderUpdated | None:
        def act() -> OrderUpdated | None:
            now_ns, name = self.world.venue_ns(), order.client_order_id
            self.world.cancels.append((self.world.host_ns(), order))
            if order.conditional:
                self._done(lambda: self.exchange.cancel_conditional(now_ns, client_order_id=name))
                return None
            symbol = order.key.symbol
            return self._done(
                lambda: self.exchange.cancel(symbol, now_ns, client_order_id=name)
            ).update

        return self._write("cancel", act)

    def cancel_all(self, orders: CancelAll) -> None:
        self._read("cancel")
        now_ns = self.world.venue_ns()
        self.world.emit(self.exchange.cancel_all(orders.key.symbol, now_ns))

    def countdown_cancel(self, key: Key, after_ms: int) -> None:
        self._read("countdown")
        self.world.emit(self.exchange.countdown(key.symbol, after_ms, self.world.venue_ns()))

    def usage(self) -> tuple[RateUsage, ...]:
        return ()


class SimStream(Stream):
    """One connection; the world calls its sink."""

    def __init__(
        self, world: World, name: str, keys: Sequence[Key] | None, sink: EventSink
    ) -> None:
        self.world = world
        self.name = name
        self.account = keys is None
        self.pipe = Pipe(name, None if keys is None else frozenset(keys), sink)

    def open(self) -> None:
        pipes = self.world.account_pipes if self.account else self.world.market_pipes
        self.world.connect(self.pipe, pipes)

    def close(self) -> None:
        self.pipe.closed, self.pipe.open = True, False
        self.world.forget(self.pipe)

    def last_frame_ns(self) -> int:
        return self.pipe.last_frame_ns


def _translate(refusal: Refusal) -> NoReturn:
    if refusal.reason is Reason.UNKNOWN_ORDER:
        raise NotFound(refusal.text, venue=VENUE) from refusal
    if refusal.reason is Reason.CLIENT_ID_DUPLICATE:
        raise OutcomeUnknown(refusal.text, venue=VENUE) from refusal
    raise Rejected(refusal.text, venue=VENUE) from refusal
