"""What the actors tell each other, besides the messages of `core`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from attrs import frozen

from core.account import Figure
from core.errors import VenueError
from core.instruments import Instrument, LeverageBracket
from core.messages import (
    AmendOrder,
    Bar,
    Fill,
    FundingPaid,
    Key,
    MarkPrice,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Quote,
)
from core.ports import AccountState, Record
from core.positions import Position
from core.records import Transferred, WalletAdjusted
from core.risk.exposure import Working
from core.risk.halt import Halt
from core.risk.rules import Refusal

Told = tuple[str, object]
"""(address, message) to tell on somebody's behalf."""


# Journal ------------------------------------------------------------------------------------------


@frozen(slots=True)
class Write:
    """Make records durable, then tell `then`; when that cannot be done, tell `failed`."""

    records: tuple[Record, ...]
    then: tuple[Told, ...] = ()
    failed: tuple[Told, ...] = ()


@frozen(slots=True)
class Unwritten:
    """An intent could not be made durable, so its order was not sent."""

    client_order_id: str
    action: str


@frozen(slots=True)
class JournalFailed:
    """The journal cannot be written; nothing may be opened until it can."""

    text: str


@frozen(slots=True)
class JournalRecovered:
    """Everything that waited is on disk now."""


# Risk ---------------------------------------------------------------------------------------------


@frozen(slots=True)
class Propose:
    """Ask risk for approval; it answers the symbol's position, or `reply_to` with a refusal."""

    command: PlaceOrder | AmendOrder
    reply_to: str


@frozen(slots=True)
class RefusedByRisk:
    command: PlaceOrder | AmendOrder
    refusal: Refusal


@frozen(slots=True)
class ExposureReport:
    """A symbol's whole state, from its owner; `ended` since the report before.

    `reset` opens the owner's life: orders approved for it earlier that it does not mention may
    still wait in its mailbox. `unprotected` names sides without a working stop of matching size,
    each with the monotonic time since when. `cancels` of entries left since the report before.
    """

    key: Key
    positions: tuple[Position, ...]
    working: tuple[Working, ...]
    ended: tuple[str, ...]
    reset: bool = False
    unprotected: tuple[tuple[PositionSide, int], ...] = ()
    cancels: int = 0


@frozen(slots=True)
class Mention:
    """Ask a position to mention these approvals in its next report, as open or as ended."""

    client_order_ids: tuple[str, ...]


@frozen(slots=True)
class InstrumentListed:
    """A symbol became known, with a first mark price (for figures, too old to trade on).

    `leverage` and `brackets` are what the venue reads back.
    """

    instrument: Instrument
    mark: Decimal
    leverage: int
    brackets: tuple[LeverageBracket, ...]


@frozen(slots=True)
class Pause:
    """Nothing may be opened on this symbol (or whole venue) while `source` has not resumed.

    After one that `needs_comparison` the positions compare with the venue first, asked after the
    source resumed.
    """

    source: str
    reason: str
    venue: str
    key: Key | None = None
    needs_comparison: bool = False


@frozen(slots=True)
class Resume:
    source: str


@frozen(slots=True)
class HaltTold:
    """The trading halt's present state, for the last fence."""

    halt: Halt


@frozen(slots=True)
class HaltWanted:
    """Ask risk for `HaltTold`."""

    reply_to: str


@frozen(slots=True)
class SizeScaled:
    """Size new entries of this symbol with this part of full size (0 to 1), and shrink open ones.

    Told to the symbol's strategy at once on a change and when it asks by `ScaleWanted`.
    """

    key: Key
    scale: Decimal


@frozen(slots=True)
class ScaleWanted:
    """A strategy asks risk for `SizeScaled`."""

    key: Key
    reply_to: str


@frozen(slots=True)
class Decided:
    """A strategy looked at data and decided (perhaps to do nothing): liveness is work done."""

    key: Key


@frozen(slots=True)
class CompareNow:
    """Ask a position to compare itself with the venue; it answers `Compared` with the token."""

    token: int


@frozen(slots=True)
class Compared:
    """The position equals the venue's, as read after the question of this token came."""

    key: Key
    token: int


@frozen(slots=True)
class WalletTold:
    """An account's wallet as the venue states it, to risk, at every change and every reading.

    `transfers` sums deposits less withdrawals since the books were opened. `available`,
    `initial_margin` and `maintenance_margin` are of the last reading, None before it, and `read_ns`
    is when that came (monotonic). A wallet not `explained` may contain a transfer that the venue
    has not listed yet.
    """

    venue: str
    asset: str
    wallet: Decimal
    transfers: Decimal
    available: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    read_ns: int = 0
    explained: bool = True


@frozen(slots=True)
class ForeignFound:
    """Another program's order or position on the account, in words; each once."""

    venue: str
    symbol: str
    text: str


@frozen(slots=True)
class ReducePosition:
    """Close this quantity (venue's unit, positive) of a side with a reduce-only order now."""

    key: Key
    position_side: PositionSide
    quantity: Decimal
    reason: str


@frozen(slots=True)
class TightenStop:
    """Bring a side's stop to this distance from the mark, never further away than it is."""

    key: Key
    position_side: PositionSide
    distance_bps: Decimal
    reason: str


@frozen(slots=True)
class Flatten:
    """Cancel everything and close every side, in slices, until the venue says flat."""

    reason: str
    reply_to: str


@frozen(slots=True)
class FlattenTold:
    """How far a flatten is: `done` when the venue says flat, or when time is up with `left`.

    After the latter the closing goes on, and is `done` once more when the venue says flat.
    """

    key: Key
    done: bool
    left: tuple[str, ...] = ()


@frozen(slots=True)
class CallsTold:
    """How calls of a venue went since the lane's last word; failures are told at once."""

    venue: str
    lane: str
    good: int
    failed: int
    text: str = ""


@frozen(slots=True)
class ProbeVenue:
    """Ask a lane for one harmless signed call; it answers with `CallsTold`."""


@frozen(slots=True)
class Operate:
    """An operator's command to risk; `reply` is called once, when it is carried out or refused.

    `command` is pause, resume, reduce-only, halt, reset-halt, flatten or throttle; `symbol` "" is
    the whole host; `percent` is throttle's. The answer is {"done": text, ...} or {"error": text}.
    """

    command: str
    reply: Callable[[dict[str, Any]], None]
    symbol: str = ""
    percent: int = 100


@frozen(slots=True)
class CloseForShutdown:
    """The host stops: nothing new, entries cancelled, positions stay protected."""

    reason: str


@frozen(slots=True)
class CancelEntries:
    """Cancel what may open something; say to `reply_to`, if any, when the venue has none left."""

    reply_to: str = ""


@frozen(slots=True)
class EntriesCancelled:
    key: Key
    left: tuple[str, ...] = ()


@frozen(slots=True)
class ArmDeadMan:
    """Have the venue cancel a symbol's plain orders in `after_ms` unless told again; 0 ends it."""

    key: Key
    after_ms: int


# Connection lanes ---------------------------------------------------------------------------------


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

    `asked_ns` and `asked_monotonic_ns` are our clocks just before the venue was asked: a "not
    found" proves something or nothing by when it was asked for.
    """

    key: Key
    client_order_id: str
    found: OrderUpdated | None
    fills: tuple[Fill, ...]
    asked_ns: int
    asked_monotonic_ns: int


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


Read = (
    SetUpSymbol
    | ReadSymbol
    | ReadStops
    | ReadOrder
    | ReadBook
    | ReadBars
    | ReadAccount
    | ReadBookings
)


@frozen(slots=True)
class ReadFailed:
    """A question got no usable answer; the asker asks again."""

    request: Read
    error: VenueError


# Market -------------------------------------------------------------------------------------------

Kind = Literal["prices", "quotes", "trades", "book", "bars", "mark"]
"""What a watcher wants of a market.

"prices" are the quotes whose best bid or ask price changed, and one a second besides.
"""


@frozen(slots=True)
class Watch:
    """Ask a market for its events; each watcher is told once it is there, and then for good."""

    watcher: str
    kinds: frozenset[Kind]


@frozen(slots=True)
class MarketState:
    """The newest figures of a symbol, None where there is none."""

    key: Key
    quote: Quote | None
    mark: MarkPrice | None
    in_sync: bool


# Position and strategy ----------------------------------------------------------------------------


@frozen(slots=True)
class WatchPosition:
    """Ask a position for its views, for a bot's strategy."""

    watcher: str
    bot: str


@frozen(slots=True)
class PositionWatched:
    """The answer: the instrument, and the first sequence number that is free for the bot."""

    instrument: Instrument
    next_sequence: int


@frozen(slots=True)
class CancelWanted:
    """A strategy wants one of its orders cancelled."""

    client_order_id: str


# Operations ---------------------------------------------------------------------------------------


@frozen(slots=True)
class SymbolReport:
    """One symbol for the status: positions, open orders, fills so far, money made."""

    key: Key
    positions: tuple[Position, ...]
    open_orders: int
    unresolved: int
    fills: int
    mark: Decimal
    multiplier: Decimal
    funding: Decimal
    liquidation: tuple[tuple[str, Decimal], ...] = ()


@frozen(slots=True)
class AccountReport:
    venue: str
    wallet: Decimal
    asset: str


@frozen(slots=True)
class LaneReport:
    """What a lane or stream knows of its connection."""

    venue: str
    source: str
    connected: bool
    text: str = ""


@frozen(slots=True)
class LimitTold:
    """One limit, the figure held against it, and how much is left (never under 0)."""

    name: str
    value: Figure
    limit: Decimal
    headroom: Figure


@frozen(slots=True)
class RiskReport:
    """What risk tells of itself: limits, paused symbols and why.

    `breakers` are (venue, closed, open or half_open), `throttles` the operator's (symbol, "" for
    the whole host; percent) that are not 100, `scales` the part of full size that entries of a
    symbol have now, `refusals` how often each rule refused since this incarnation began.
    """

    halt: Halt
    limits: tuple[LimitTold, ...]
    paused: tuple[tuple[str, str], ...]
    breakers: tuple[tuple[str, str], ...] = ()
    throttles: tuple[tuple[str, int], ...] = ()
    scales: tuple[tuple[str, Decimal], ...] = ()
    refusals: tuple[tuple[str, int], ...] = ()


@frozen(slots=True)
class StatusWanted:
    """Answer with the status as a dictionary of plain values; "" for all symbols."""

    reply: Callable[[dict[str, Any]], None]
    symbol: str = ""


@frozen(slots=True)
class Tick:
    """A timer's message to its own actor."""

    what: str = ""
    data: object = None
