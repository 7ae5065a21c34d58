"""Ports: what the actors need from outside, as Protocols. `run.py` hands the adapters in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from attrs import frozen

from core.alerts import Notice
from core.income import EarnedRead
from core.instruments import Instrument, LeverageBracket
from core.messages import (
    AccountEvent,
    AmendOrder,
    BalanceUpdated,
    Bar,
    BookSnapshot,
    CancelAll,
    CancelOrder,
    Fill,
    FrameLeftOut,
    FundingPaid,
    Key,
    MarketEvent,
    MarkPrice,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    StreamConnected,
    StreamLost,
)
from core.records import Transferred, WalletAdjusted
from core.risk.gate import Approved, Rehearsal

__all__ = [
    "AccountState",
    "ClockSample",
    "EventSink",
    "KeyRights",
    "RateUsage",
    "Stream",
    "StreamEvent",
    "Venue",
]


@frozen(slots=True)
class ClockSample:
    """One round trip: offset = venue's clock − ours, at the middle of the trip."""

    offset_ns: int
    round_trip_ns: int
    at_ns: int


@frozen(slots=True)
class AccountState:
    """Account-wide figures as the venue states them, in the margin asset."""

    balances: tuple[BalanceUpdated, ...]
    available: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_balance: Decimal
    unrealised_pnl: Decimal
    hedge_mode: bool
    can_trade: bool
    event_ns: int


@frozen(slots=True)
class SymbolSettings:
    """Leverage and margin mode of one symbol as the venue states them."""

    key: Key
    leverage: int
    isolated: bool


@frozen(slots=True)
class Commission:
    maker: Decimal
    taker: Decimal


@frozen(slots=True)
class KeyRights:
    """What an API key may do; None where the venue does not tell (testnet, local exchange)."""

    trade: bool | None
    withdraw: bool | None
    ip_restricted: bool | None


@frozen(slots=True)
class RateUsage:
    """One rate limit: how much of `limit` is used in the present window of `window_ns`."""

    name: str
    used: int
    limit: int
    window_ns: int


class Venue(Protocol):
    """REST of one venue. Calls block; any thread may call; they raise `VenueError` subclasses.

    Placements and amendments take `Approved` only, anything else is a `TypeError`.
    `set_clock_offset_ns` may be called while another thread signs.
    """

    name: str
    rest_url: str

    def close(self) -> None: ...
    def set_clock_offset_ns(self, offset_ns: int) -> None: ...
    def venue_now_ns(self) -> int:
        """Return our clock plus the offset: the venue's time as far as we know."""
        ...

    def sample_clock(self) -> ClockSample: ...
    def instruments(self) -> tuple[Instrument, ...]: ...
    def leverage_brackets(self, key: Key) -> tuple[LeverageBracket, ...]: ...
    def book(self, key: Key, depth: int) -> BookSnapshot: ...
    def bars(
        self, key: Key, interval_ns: int, limit: int, start_ns: int = 0, end_ns: int = 0
    ) -> tuple[Bar, ...]: ...
    def mark_price(self, key: Key) -> MarkPrice: ...

    def account(self) -> AccountState: ...
    def positions(self, key: Key | None = None) -> tuple[PositionReported, ...]: ...
    def open_orders(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        """Return plain and conditional orders alike, of a symbol or (dearer) of the account."""
        ...

    def open_stops(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        """Return the conditional orders, of a symbol or all, that wait for their trigger."""
        ...

    def order(self, key: Key, client_order_id: str, *, conditional: bool = False) -> OrderUpdated:
        """Ask for one order by our id. Errors: `NotFound` is no proof that it never existed."""
        ...

    def fills(
        self, key: Key, *, since_ns: int = 0, order_id: str = "", from_id: str = ""
    ) -> tuple[Fill, ...]:
        """Return all fills in the span, oldest first, paging as needed."""
        ...

    def funding(self, key: Key | None, since_ns: int) -> tuple[FundingPaid, ...]:
        """Return settlements, oldest first; of all symbols where `key` is None."""
        ...

    def bookings(self, since_ns: int) -> tuple[Transferred | WalletAdjusted, ...]:
        """Return what was booked on the wallets besides PnL, fees and funding, oldest first.

        Of a span longer than an hour only transfers and the settlement of forced closes: the rest
        stands among all that trading booked.
        """
        ...

    def earned(self, since_ns: int, until_ns: int) -> EarnedRead:
        """Return what fills and funding brought in, of all symbols in one question.

        Both bounds belong to the span. A reading is bounded; one that ends early says so.
        """
        ...

    def commission(self, key: Key) -> Commission: ...
    def key_rights(self) -> KeyRights: ...
    def symbol_settings(self, key: Key) -> SymbolSettings: ...
    def every_symbol_settings(self) -> tuple[SymbolSettings, ...]: ...
    def set_hedge_mode(self, hedge: bool) -> None: ...
    def set_isolated(self, key: Key, isolated: bool) -> None: ...
    def set_leverage(self, key: Key, leverage: int) -> None: ...

    def place(self, order: Approved[PlaceOrder]) -> OrderUpdated: ...
    def place_batch(
        self, orders: Sequence[Approved[PlaceOrder]]
    ) -> tuple[OrderUpdated | Exception, ...]: ...
    def test_place(self, order: Rehearsal) -> None:
        """Let the venue judge a placement without carrying it out. Errors: as `place`."""
        ...

    def amend(self, order: Approved[AmendOrder]) -> OrderUpdated: ...
    def cancel(self, order: CancelOrder) -> OrderUpdated | None:
        """Cancel by our id; None where the venue answers without the order's state."""
        ...

    def cancel_all(self, orders: CancelAll) -> None: ...
    def countdown_cancel(self, key: Key, after_ms: int) -> None: ...
    def usage(self) -> tuple[RateUsage, ...]: ...


StreamEvent = MarketEvent | AccountEvent | StreamConnected | StreamLost | FrameLeftOut
EventSink = Callable[[StreamEvent], None]
"""Called on the stream's own thread; must not block."""


class Stream(Protocol):
    """One WebSocket connection with its own thread; reports by calling the sink.

    It connects, subscribes, answers pings and reports `StreamConnected` once the venue confirmed
    the subscriptions, `StreamLost` once when the connection ends for any reason. It does not
    reconnect by itself: its actor closes it and opens a new one.
    """

    name: str

    def open(self) -> None:
        """Connect in the background; returns at once."""
        ...

    def close(self) -> None:
        """Close and join the thread, at most a second; idempotent."""
        ...

    def last_frame_ns(self) -> int:
        """Return the monotonic time of the last frame of data, 0 before the first."""
        ...


@frozen(slots=True)
class Record:
    """One line of the journal: a message of `core`, when it was written and whom it concerns.

    `payload` is a frozen attrs message; its class name is the record's kind.
    """

    payload: object
    time_ns: int
    key: Key | None = None
    client_order_id: str = ""
    actor: str = ""
    sequence: int = 0


class Log(Protocol):
    """Write one line for people and machines; never raises, never blocks for long."""

    def __call__(
        self,
        level: str,
        actor: str,
        text: str,
        *,
        symbol: str = "",
        client_order_id: str = "",
        exception: BaseException | None = None,
    ) -> None: ...


class Notifier(Protocol):
    """One way to tell people something."""

    name: str

    def send(self, notice: Notice) -> str:
        """Have one message taken, and say by what answer. Errors: `NotTold`; may last."""
        ...


class Records(Protocol):
    """What was written to the journal, for readers; each reading sees a state of its own."""

    def read(
        self, *, kinds: Sequence[type] = (), key: Key | None = None, after: int = 0
    ) -> Iterator[Record]:
        """Yield records in order, only of those kinds and that key where given."""
        ...


class Journal(Records, Protocol):
    """Append-only, ordered, hash-chained records. One writer, any number of readers."""

    def append(self, records: Sequence[Record]) -> None:
        """Make the records durable in one transaction before returning.

        Errors: `JournalError` (disk full, read-only, locked, corrupt); then none was written.
        """
        ...

    def close(self) -> None: ...


@frozen(slots=True)
class Endpoints:
    """Where a local exchange listens."""

    rest: str
    ws: str
    pid: int


class ExchangeProcess(Protocol):
    """The local exchange of paper mode: another process, started or found."""

    def ensure(self) -> Endpoints:
        """Attach to the running one, else start one, at the addresses of the one before.

        Errors: `Unreachable` for one of a person's that is not there yet, `VenueError` for one
        that cannot be started, with what it said.
        """
        ...

    def find(self) -> bool:
        """Tell whether one runs that nobody has to start, and use it as it is."""
        ...

    def alive(self) -> bool:
        """Tell whether the process is there and answers; where not, `gone` says what is known."""
        ...

    @property
    def gone(self) -> str:
        """Why it is not alive, in words."""
        ...

    def close_market(self) -> bool:
        """Let its prices stand still, if this host may; callers are still answered.

        False where it did not say yes in time.
        """
        ...

    def stop(self, within_s: float = 3.0) -> None:
        """Stop it in order, by force after `within_s`; never one that a person started."""
        ...


class Display(Protocol):
    """A person's view of the host."""

    def show(self, status: Mapping[str, Any]) -> None:
        """Draw the status (the dictionary of `status --json`); must return at once."""
        ...

    def close(self) -> None: ...


class StreamFactory(Protocol):
    """Makes streams of one venue."""

    ws_url: str

    def market(self, name: str, keys: Sequence[Key], sink: EventSink) -> Sequence[Stream]:
        """Return the connections (one or more routes) that carry all market events of `keys`."""
        ...

    def account(self, name: str, keys: Sequence[Key], sink: EventSink) -> Stream: ...
