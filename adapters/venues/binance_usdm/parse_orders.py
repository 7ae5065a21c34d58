"""REST answers about orders and executions → core types, plain and conditional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
from attrs import evolve, frozen

from adapters.venues.binance_usdm.decode import (
    ALGO_STATUS,
    decimal,
    decode,
    finite,
    nanoseconds,
    order_type,
    position_side,
    side,
    status,
)
from core.errors import FrameError
from core.messages import Fill, Key, OrderStatus, OrderUpdated

__all__ = [
    "Conditional",
    "Refusal",
    "Traded",
    "batch",
    "cancelled_conditional",
    "conditional",
    "conditionals",
    "merge",
    "named",
    "order",
    "orders",
    "trades",
]

Number = int | str


class _Order(msgspec.Struct):
    orderId: Number
    symbol: str
    status: str
    clientOrderId: str
    price: Decimal
    origQty: Decimal
    executedQty: Decimal
    type: str
    side: str
    updateTime: Number
    origType: str = ""
    positionSide: str = "BOTH"
    stopPrice: str = ""
    reduceOnly: bool = False


class _Refusal(msgspec.Struct):
    code: int
    msg: str = ""


class _Algo(msgspec.Struct):
    algoId: Number
    clientAlgoId: str
    symbol: str
    side: str
    algoStatus: str
    quantity: str | None = None
    orderType: str = ""
    type: str = ""
    positionSide: str = "BOTH"
    triggerPrice: str | None = None
    activatePrice: str | None = None
    price: str | None = None
    actualOrderId: Number | None = None
    actualQty: str | None = None
    reduceOnly: bool = False
    createTime: Number = 0
    updateTime: Number = 0


class _Confirmation(msgspec.Struct):
    algoId: Number
    algoStatus: str = ""


class _Trade(msgspec.Struct):
    id: int
    orderId: Number
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str
    time: Number
    maker: bool
    positionSide: str = "BOTH"


_ORDER = msgspec.json.Decoder(_Order)
_ORDERS = msgspec.json.Decoder(list[_Order])
_BATCH = msgspec.json.Decoder(list[msgspec.Raw])
_REFUSAL = msgspec.json.Decoder(_Refusal)
_ALGO = msgspec.json.Decoder(_Algo)
_ALGOS = msgspec.json.Decoder(list[_Algo])
_CONFIRMATION = msgspec.json.Decoder(_Confirmation)
_TRADES = msgspec.json.Decoder(list[_Trade])


@frozen(slots=True)
class Refusal:
    """One order of a batch that the venue refused."""

    code: int
    message: str


@frozen(slots=True)
class Conditional:
    """A row of the algo service: the order, and the plain order it fired ("" before that)."""

    order: OrderUpdated
    child_id: str
    finished: bool


@frozen(slots=True)
class Traded:
    """One execution as userTrades states it, without the client order id it lacks."""

    fill: Fill
    number: int


def _order(row: _Order, venue: str) -> OrderUpdated:
    finite("order", (row.price, row.origQty, row.executedQty))
    return OrderUpdated(
        key=Key(venue, row.symbol),
        client_order_id=row.clientOrderId,
        order_id=str(row.orderId),
        side=side(row.side, "order side"),
        position_side=position_side(row.positionSide, "order positionSide"),
        type=order_type(row.type, row.origType, "order type"),
        status=status(row.status, "order status"),
        price=row.price,
        quantity=row.origQty,
        filled=row.executedQty,
        event_ns=nanoseconds(row.updateTime, "order updateTime"),
        trigger_price=decimal(row.stopPrice, "order stopPrice"),
        reduce_only=row.reduceOnly,
    )


def order(raw: bytes, venue: str) -> OrderUpdated:
    """Read one plain order: an acknowledgement or the answer to a query."""
    return _order(decode(_ORDER, raw, "order"), venue)


def orders(raw: bytes, venue: str) -> tuple[OrderUpdated, ...]:
    return tuple(_order(row, venue) for row in decode(_ORDERS, raw, "orders"))


def batch(raw: bytes, venue: str, expected: int) -> tuple[OrderUpdated | Refusal | FrameError, ...]:
    """Read a batch's answer, one entry per order; an unreadable entry does not hide the others.

    Errors: `FrameError` where the list itself is unreadable or of another length.
    """
    rows = decode(_BATCH, raw, "batchOrders")
    if len(rows) != expected:
        raise FrameError(f"batchOrders: {len(rows)} answers to {expected} orders")
    return tuple(_batch_entry(bytes(row), venue) for row in rows)


def _batch_entry(raw: bytes, venue: str) -> OrderUpdated | Refusal | FrameError:
    try:
        return order(raw, venue)
    except FrameError as unreadable:
        try:
            refusal = decode(_REFUSAL, raw, "batchOrders entry")
        except FrameError:
            return unreadable
        return Refusal(refusal.code, refusal.msg)


def _conditional(row: _Algo, venue: str) -> Conditional:
    if row.algoStatus not in ALGO_STATUS:
        raise FrameError(f"algo status: unknown word {row.algoStatus[:24]!r}")
    child_id = str(row.actualOrderId or "")
    quantity = decimal(row.quantity, "algo quantity")
    filled = decimal(row.actualQty, "algo actualQty")
    state = ALGO_STATUS[row.algoStatus]
    finished = row.algoStatus == "FINISHED"
    if finished and filled < quantity:
        state = OrderStatus.CANCELLED
    update = OrderUpdated(
        key=Key(venue, row.symbol),
        client_order_id=row.clientAlgoId,
        order_id=child_id or str(row.algoId),
        side=side(row.side, "algo side"),
        position_side=position_side(row.positionSide, "algo positionSide"),
        type=order_type(row.type, row.orderType, "algo type"),
        status=state,
        price=decimal(row.price, "algo price"),
        quantity=quantity,
        filled=filled,
        event_ns=nanoseconds(row.updateTime or row.createTime, "algo updateTime"),
        trigger_price=decimal(row.triggerPrice, "algo triggerPrice")
        or decimal(row.activatePrice, "algo activatePrice"),
        reduce_only=row.reduceOnly,
    )
    return Conditional(update, child_id, finished)


def conditional(raw: bytes, venue: str) -> Conditional:
    """Read one conditional order. FINISHED counts as filled only when all of it was."""
    return _conditional(decode(_ALGO, raw, "algoOrder"), venue)


def conditionals(raw: bytes, venue: str) -> tuple[Conditional, ...]:
    return tuple(_conditional(row, venue) for row in decode(_ALGOS, raw, "openAlgoOrders"))


def cancelled_conditional(raw: bytes, venue: str) -> OrderUpdated | None:
    """Read the answer to a cancellation: the order, or None for a bare confirmation.

    Both forms are seen (sheet §3.5); the confirmation's code is text.
    """
    if decode(_CONFIRMATION, raw, "algoOrder cancellation").algoStatus:
        return conditional(raw, venue).order
    return None


def merge(parent: OrderUpdated, child: OrderUpdated) -> OrderUpdated:
    """Make one logical order of a fired conditional order and the plain one it turned into.

    Identity, type and prices stay those that were ordered; state and order id are the child's.
    """
    return evolve(
        parent,
        order_id=child.order_id,
        status=child.status,
        filled=child.filled,
        event_ns=max(parent.event_ns, child.event_ns),
    )


def trades(raw: bytes, venue: str) -> tuple[Traded, ...]:
    """Read userTrades, oldest first."""
    rows = decode(_TRADES, raw, "userTrades")
    return tuple(_trade(row, venue) for row in sorted(rows, key=lambda row: row.id))


def _trade(row: _Trade, venue: str) -> Traded:
    finite("userTrades", (row.price, row.qty, row.commission))
    fill = Fill(
        key=Key(venue, row.symbol),
        fill_id=str(row.id),
        order_id=str(row.orderId),
        client_order_id="",
        side=side(row.side, "userTrades side"),
        position_side=position_side(row.positionSide, "userTrades positionSide"),
        price=row.price,
        quantity=row.qty,
        fee=row.commission,
        fee_asset=row.commissionAsset,
        maker=row.maker,
        time_ns=nanoseconds(row.time, "userTrades time"),
    )
    return Traded(fill, row.id)


def named(fills: Sequence[Traded], client_id_of: Callable[[str], str]) -> tuple[Fill, ...]:
    """Give executions the client order ids that userTrades leaves out."""
    return tuple(
        evolve(trade.fill, client_order_id=client_id_of(trade.fill.order_id)) for trade in fills
    )
