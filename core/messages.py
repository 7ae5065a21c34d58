"""What travels between the parts: commands (imperative) and events (past tense), all frozen.

Quantities are Decimal in the venue's own unit (base units or contracts: see `Instrument`), prices
and money Decimal in the quote asset, times integer nanoseconds UTC. A position's quantity
is signed: a short is negative, also on the short side of hedge mode.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from attrs import frozen

from core.errors import VenueError


class Side(StrEnum):
    """Direction of an order or a fill."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class PositionSide(StrEnum):
    """Which position an order belongs to; BOTH is the only one in one-way mode."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"


class OrderType(StrEnum):
    """LIMIT and MARKET rest or match at once; the others wait at the venue for a trigger price."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    STOP_MARKET = "stop_market"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    TRAILING_STOP_MARKET = "trailing_stop_market"

    @property
    def conditional(self) -> bool:
        return self not in (OrderType.LIMIT, OrderType.MARKET)


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"
    POST_ONLY = "post_only"


class OrderStatus(StrEnum):
    """What a venue says of an order (the six words of the ledger)."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class TriggerBy(StrEnum):
    """The price that fires a conditional order."""

    MARK = "mark"
    LAST = "last"


class Purpose(StrEnum):
    """Why an order exists; risk and the protection rules read it."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    PROTECT = "protect"
    CLOSE = "close"


@frozen(slots=True, cache_hash=True)
class Key:
    """One symbol on one venue; its hash is kept, since half a hundred look-ups judge an order."""

    venue: str
    symbol: str

    def __attrs_post_init__(self) -> None:
        # A decoder makes one without calling `__init__`, which is where attrs would set this.
        object.__setattr__(self, "_attrs_cached_hash", None)

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"


# Commands -----------------------------------------------------------------------------------------


@frozen(slots=True)
class PlaceOrder:
    """Place one order. Only inside `core.risk.gate.Approved` does it reach a venue.

    `price` is None for market types, `trigger_price` None for plain ones. `reduce_only` says that
    the order may only shrink a position; in hedge mode the venue infers it from side and position
    side, so adapters do not send it there. `size_scale` is the part of full size that an entry was
    sized with: risk refuses one that was sized before it asked for less. `may_flip` lets an entry
    in one-way mode turn a position round.
    """

    key: Key
    client_order_id: str
    side: Side
    position_side: PositionSide
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy = TriggerBy.MARK
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    good_till_ns: int = 0
    callback_rate_bps: Decimal | None = None
    purpose: Purpose = Purpose.ENTRY
    bot: str = ""
    size_scale: Decimal = Decimal(1)
    may_flip: bool = False

    @property
    def closing(self) -> bool:
        """Whether a fill can only shrink the position it belongs to."""
        return _closing(self.side, self.position_side, self.reduce_only)


def _closing(side: Side, position_side: PositionSide, reduce_only: bool) -> bool:
    if position_side is PositionSide.LONG:
        return side is Side.SELL
    if position_side is PositionSide.SHORT:
        return side is Side.BUY
    return reduce_only


@frozen(slots=True)
class AmendOrder:
    """Change price and quantity (the new total, filled part included) of an open limit order."""

    key: Key
    client_order_id: str
    order_id: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    reduce_only: bool = False
    purpose: Purpose = Purpose.ENTRY
    bot: str = ""

    @property
    def closing(self) -> bool:
        """Whether a fill can only shrink the position it belongs to."""
        return _closing(self.side, self.position_side, self.reduce_only)


@frozen(slots=True)
class CancelOrder:
    """Cancel one order; `conditional` tells which service of the venue holds it."""

    key: Key
    client_order_id: str
    conditional: bool = False


@frozen(slots=True)
class CancelAll:
    """Cancel the plain orders of a symbol, and the conditional ones too where asked."""

    key: Key
    conditional_too: bool = False


# Market events ------------------------------------------------------------------------------------


class Quote(NamedTuple):
    """Best bid and ask. `update_id` is comparable with the book's.

    The most frequent message of all, hence a tuple: it is built in half the time of a frozen class.
    """

    key: Key
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    update_id: int
    event_ns: int
    received_ns: int


@frozen(slots=True)
class Trade:
    """A public trade; the aggressor sold where the buyer was maker."""

    key: Key
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    event_ns: int


@frozen(slots=True)
class MarkPrice:
    """Mark and index price with the running funding rate (fraction of notional; + long pays)."""

    key: Key
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ns: int
    event_ns: int


Level = tuple[Decimal, Decimal]
"""(price, absolute quantity); quantity 0 removes the level."""


@frozen(slots=True)
class BookSnapshot:
    key: Key
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    event_ns: int


@frozen(slots=True)
class BookDelta:
    """Changed levels. `previous_id` is the `last_id` of the update before it on this stream."""

    key: Key
    first_id: int
    last_id: int
    previous_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    event_ns: int


@frozen(slots=True)
class Bar:
    """Open, high, low, close and base volume of [open_ns, open_ns + interval_ns)."""

    key: Key
    interval_ns: int
    open_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


MarketEvent = Quote | Trade | MarkPrice | BookSnapshot | BookDelta | Bar


# Account events -----------------------------------------------------------------------------------


@frozen(slots=True)
class OrderUpdated:
    """What the venue says of one order, by stream, by query or in an acknowledgement.

    A conditional order keeps its own row (type, client order id); when it fires, `order_id`
    becomes the id of the plain order it turned into. `filled` is cumulative. `reason` is the
    venue's word for an end that was not asked for.
    """

    key: Key
    client_order_id: str
    order_id: str
    side: Side
    position_side: PositionSide
    type: OrderType
    status: OrderStatus
    price: Decimal
    quantity: Decimal
    filled: Decimal
    event_ns: int
    trigger_price: Decimal = Decimal(0)
    reduce_only: bool = False
    amended: bool = False
    reason: str = ""

    @property
    def closing(self) -> bool:
        """Whether a fill can only shrink the position it belongs to."""
        return _closing(self.side, self.position_side, self.reduce_only)


@frozen(slots=True)
class Fill:
    """One execution. `fill_id` is unique per symbol; `fee` is a cost when positive."""

    key: Key
    fill_id: str
    order_id: str
    client_order_id: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time_ns: int


@frozen(slots=True)
class BalanceUpdated:
    """Wallet balance (realised only) of one asset, as the venue states it."""

    venue: str
    asset: str
    wallet: Decimal
    reason: str
    event_ns: int


@frozen(slots=True)
class FundingPaid:
    """A settlement; `amount` is negative when we paid."""

    key: Key
    amount: Decimal
    asset: str
    funding_id: str
    time_ns: int


@frozen(slots=True)
class PositionReported:
    """One position as the venue states it; quantity signed, 0 when flat."""

    key: Key
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    event_ns: int
    liquidation_price: Decimal = Decimal(0)
    mark: Decimal = Decimal(0)


AccountEvent = OrderUpdated | Fill | BalanceUpdated | FundingPaid | PositionReported


# Answers of the venue path ------------------------------------------------------------------------


@frozen(slots=True)
class OrderAcknowledged:
    """The venue accepted a placement, amendment or cancellation; `update` is its own word."""

    update: OrderUpdated


@frozen(slots=True)
class OrderRefused:
    """The venue, or the last fence before it, refused; nothing happened."""

    key: Key
    client_order_id: str
    action: str
    error: VenueError


@frozen(slots=True)
class OrderOutcomeUnknown:
    """Nobody knows whether it happened; resolved by asking for the client order id."""

    key: Key
    client_order_id: str
    action: str
    error: VenueError


# Streams ------------------------------------------------------------------------------------------


@frozen(slots=True)
class StreamConnected:
    venue: str
    stream: str


@frozen(slots=True)
class FrameLeftOut:
    """Bytes that are no frame of the venue; `count` is how many this connection has left out.

    `start` is how it begins, for people; a private stream ends instead, and quotes nothing.
    """

    venue: str
    stream: str
    reason: str
    start: str
    count: int


@frozen(slots=True)
class StreamLost:
    """A stream ended; events between this and the next `StreamConnected` may be missing.

    `retry_after_ns`: how long the venue wants no new connection, 0 where it says nothing of it.
    """

    venue: str
    stream: str
    reason: str
    retry_after_ns: int = 0
