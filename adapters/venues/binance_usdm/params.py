"""Commands → request parameters of Binance, and the refusals that need no request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.errors import Rejected
from core.messages import (
    AmendOrder,
    OrderType,
    PlaceOrder,
    PositionSide,
    TimeInForce,
    TriggerBy,
)
from core.money import text

__all__ = ["BATCH_MAX", "amendment", "batch_of", "conditional", "plain"]

BATCH_MAX = 5
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_TIME_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.GTD: "GTD",
    TimeInForce.POST_ONLY: "GTX",
}
_PRICED = (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT)
_MARKET_TIMES = (TimeInForce.GTC, TimeInForce.IOC)
"""What a market order does anyway; the venue takes neither word with it."""
_BPS_PER_PERCENT = 100

Params = list[tuple[str, str]]


def plain(order: PlaceOrder, hedge: bool) -> Params:
    """Build a limit or market order for /fapi/v1/order.

    Errors: `Rejected` (HTTP status 0: nothing was sent) for what the venue cannot take.
    """
    _check(order, hedge)
    params = _common(order)
    params += [("quantity", text(order.quantity)), ("newClientOrderId", order.client_order_id)]
    params += _pricing(order) + _closing(order, hedge)
    params.append(("newOrderRespType", "ACK"))
    return params


def conditional(order: PlaceOrder, hedge: bool) -> Params:
    """Build a stop, take-profit or trailing order for /fapi/v1/algoOrder. Errors: as `plain`."""
    _check(order, hedge)
    params = [("algoType", "CONDITIONAL"), *_common(order)]
    params += [("quantity", text(order.quantity)), ("clientAlgoId", order.client_order_id)]
    params += _pricing(order) + _closing(order, hedge)
    working = "MARK_PRICE" if order.trigger_by is TriggerBy.MARK else "CONTRACT_PRICE"
    params.append(("workingType", working))
    if order.type is OrderType.TRAILING_STOP_MARKET:
        if order.trigger_price is not None:
            params.append(("activatePrice", text(order.trigger_price)))
        rate = order.callback_rate_bps
        if rate is None or not 10 <= rate <= 1000:
            raise _refused(order, -1130, "callback_rate_bps must be 10..1000 for a trailing stop")
        params.append(("callbackRate", text(rate / _BPS_PER_PERCENT)))
    else:
        if order.trigger_price is None:
            raise _refused(order, -1102, f"{order.type.value} needs a trigger price")
        params.append(("triggerPrice", text(order.trigger_price)))
    return params


def batch_of(orders: Sequence[Params]) -> str:
    """Write the `batchOrders` JSON of up to `BATCH_MAX` orders."""
    return msgspec.json.encode([dict(order) for order in orders]).decode()


def amendment(order: AmendOrder) -> Params:
    """Build a modification; the venue needs price and total quantity both."""
    params = [("symbol", order.key.symbol), ("side", order.side.value.upper())]
    if order.order_id:
        params.append(("orderId", order.order_id))
    else:
        params.append(("origClientOrderId", order.client_order_id))
    return [*params, ("quantity", text(order.quantity)), ("price", text(order.price))]


def _common(order: PlaceOrder) -> Params:
    return [
        ("symbol", order.key.symbol),
        ("side", order.side.value.upper()),
        ("positionSide", order.position_side.value.upper()),
        ("type", order.type.value.upper()),
    ]


def _pricing(order: PlaceOrder) -> Params:
    if order.type not in _PRICED:
        return []
    assert order.price is not None
    params = [
        ("price", text(order.price)),
        ("timeInForce", _TIME_IN_FORCE[order.time_in_force]),
    ]
    if order.time_in_force is TimeInForce.GTD:
        params.append(("goodTillDate", str(order.good_till_ns // 1_000_000_000 * 1000)))
    return params


def _closing(order: PlaceOrder, hedge: bool) -> Params:
    """Hedge mode infers reduce-only from the two sides and refuses the parameter."""
    return [("reduceOnly", "true")] if order.reduce_only and not hedge else []


def _check(order: PlaceOrder, hedge: bool) -> None:
    both = order.position_side is PositionSide.BOTH
    if not _CLIENT_ID.fullmatch(order.client_order_id):
        raise _refused(order, -4015, "the client order id is not 1..36 of .A-Z:/a-z0-9_-")
    if both is hedge:
        mode = "hedge" if hedge else "one-way"
        raise _refused(order, -4061, f"position side {order.position_side.value} in {mode} mode")
    if order.type in _PRICED and order.price is None:
        raise _refused(order, -1102, f"{order.type.value} needs a price")
    if order.type not in _PRICED and order.time_in_force not in _MARKET_TIMES:
        raise _refused(
            order, -1114, f"{order.type.value} takes no time in force {order.time_in_force.value}"
        )
    if order.time_in_force is TimeInForce.GTD and order.good_till_ns <= 0:
        raise _refused(order, -5040, "gtd needs good_till_ns")
    if not order.quantity.is_finite() or order.quantity <= Decimal(0):
        raise _refused(order, -4003, f"quantity {order.quantity} is not positive")


def _refused(order: PlaceOrder, code: int, message: str) -> Rejected:
    return Rejected(
        f"not sent: {message}",
        venue=order.key.venue,
        code=code,
        request_id=order.client_order_id,
    )
