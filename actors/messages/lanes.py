"""What the lanes of a venue are asked and answer."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.errors import VenueError
from core.income import Earned
from core.instruments import Instrument, LeverageBracket
from core.messages import (
    Bar,
    Fill,
    FundingPaid,
    Key,
    OrderUpdated,
    PositionReported,
)
from core.ports import AccountState
from core.records import Transferred, WalletAdjusted


@frozen(slots=True)
class ClockTold:
    """Offset to the venue's clock; `usable` is false when it drifts too much or is too old."""

    offset_ns: int
    usable: bool
    sampled_ns: int
    reason: str = ""


@frozen(slots=True)
class SampleClock:
    """Take a new sample now (a timestamp was refused)."""

    reply_to: str = ""


@frozen(slots=True)
class SetUpSymbol:
    """Read instrument and settings; bring leverage and margin mode to what is configured."""

    key: Key
    leverage: int
    isolated: bool
    reply_to: str


@frozen(slots=True)
class SymbolSetUp:
    instrument: Instrument
    brackets: tuple[LeverageBracket, ...]
    mark: Decimal
    leverage: int
    isolated: bool


@frozen(slots=True)
class ReadSymbol:
    """Read orders, positions, fills and funding of a symbol, and the named orders one by one.

    `orders` are (client order id, conditional) pairs that we hold for open. `token` comes back in
    the answer: an asker takes no answer to a question that it did not ask itself. Funding is dear
    to ask for (the venue's weight 30 against 12 for the rest), so only `with_funding`.
    """

    key: Key
    fills_since_ns: int
    orders: tuple[tuple[str, bool], ...]
    reply_to: str
    token: int = 0
    with_funding: bool = True
    funding_since_ns: int = 0


@frozen(slots=True)
class SymbolRead:
    """The venue's word on a symbol; `missing` are asked-for orders that it does not know."""

    key: Key
    orders: tuple[OrderUpdated, ...]
    missing: tuple[str, ...]
    positions: tuple[PositionReported, ...]
    fills: tuple[Fill, ...]
    funding: tuple[FundingPaid, ...]
    as_of_ns: int
    token: int = 0


@frozen(slots=True)
class ReadStops:
    """Ask which conditional orders of a symbol wait at the venue; `token` comes back."""

    key: Key
    reply_to: str
    token: int = 0


@frozen(slots=True)
class StopsRead:
    key: Key
    client_order_ids: tuple[str, ...]
    token: int


@frozen(slots=True)
class ReadOrder:
    """Ask for one order by our id."""

    key: Key
    client_order_id: str
    conditional: bool
    reply_to: str


@frozen(slots=True)
class OrderRead:
    """The answer: its state and its fills, or `found` None.

    `asked_ns` is our monotonic clock just before the venue was asked: a "not found" proves
    something or nothing by when it was asked for.
    """

    key: Key
    client_order_id: str
    found: OrderUpdated | None
    fills: tuple[Fill, ...]
    asked_ns: int


@frozen(slots=True)
class ReadBook:
    key: Key
    depth: int
    reply_to: str


@frozen(slots=True)
class ReadBars:
    """Ask for the last `count` bars."""

    key: Key
    interval_ns: int
    count: int
    reply_to: str


@frozen(slots=True)
class BarsRead:
    """Bars, oldest first; the last one may not be closed yet."""

    key: Key
    bars: tuple[Bar, ...]


@frozen(slots=True)
class ReadAccount:
    """Read the account; with `hedge_mode` also bring the position mode to it."""

    hedge_mode: bool | None
    reply_to: str


@frozen(slots=True)
class AccountRead:
    state: AccountState
    positions: tuple[PositionReported, ...]


@frozen(slots=True)
class ReadPositions:
    """Read the positions of all symbols in one question."""

    reply_to: str


@frozen(slots=True)
class PositionsRead:
    """The positions of all symbols; the venue leaves flat ones out."""

    positions: tuple[PositionReported, ...]


@frozen(slots=True)
class ReadBookings:
    """Read what was booked on the wallets besides trading and funding since `since_ns`.

    `with_orders`: the open orders of all symbols too, which are dear to ask for.
    """

    since_ns: int
    reply_to: str
    with_orders: bool = False


@frozen(slots=True)
class BookingsRead:
    """The bookings, oldest first; `orders` None where they were not asked for."""

    bookings: tuple[Transferred | WalletAdjusted, ...]
    orders: tuple[OrderUpdated, ...] | None
    as_of_ns: int


@frozen(slots=True)
class ReadIncome:
    """Read what fills and funding brought in behind `after_ns`, of all symbols.

    Up to `until_ns`; 0: up to where it may be judged by now. Both in the venue's time.
    """

    after_ns: int
    until_ns: int
    reply_to: str


@frozen(slots=True)
class IncomeRead:
    """The venue's rows, whole from a little before `after_ns` to a little behind `until_ns`.

    Both are the same where nothing can be judged yet.
    """

    rows: tuple[Earned, ...]
    after_ns: int
    until_ns: int


@frozen(slots=True)
class StreamDoubted:
    """Tell a stream that the venue did something of which it should have told and has not."""

    reason: str


Read = (
    SetUpSymbol
    | ReadSymbol
    | ReadStops
    | ReadOrder
    | ReadBook
    | ReadBars
    | ReadAccount
    | ReadPositions
    | ReadBookings
    | ReadIncome
)


@frozen(slots=True)
class ReadFailed:
    """A question got no usable answer; the asker asks again."""

    request: Read
    error: VenueError
