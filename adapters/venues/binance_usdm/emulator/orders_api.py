"""Plain orders: place, test, batch, modify, cancel, query (§3.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from attrs import evolve

from adapters.venues.binance_usdm.emulator.bodies import amendment_row, order_ack, order_query
from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.endpoints import Endpoint
from adapters.venues.binance_usdm.emulator.errors import (
    UNREADABLE,
    ApiError,
    bad_request,
    invalid_value,
    missing,
)
from adapters.venues.binance_usdm.emulator.reading import check_places, read_order, read_page
from adapters.venues.binance_usdm.emulator.refusals import answer
from adapters.venues.binance_usdm.emulator.request import Parameters
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from adapters.venues.binance_usdm.emulator.words import SIDES
from core.exchange import Refusal, VenueOrder
from core.messages import (
    AmendOrder,
    OrderStatus,
    OrderType,
    PlaceOrder,
    TimeInForce,
)
from core.money import ZERO

__all__ = ["ENDPOINTS"]

_MAX_BATCH = 5
_MAX_CANCEL_BATCH = 10
_MS = 1_000_000
_BATCH = msgspec.json.Decoder(list[dict[str, Any]], float_hook=str)
_PLAIN = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}


def _read_plain(venue: LocalVenue, p: Parameters) -> tuple[PlaceOrder, Listing]:
    order, listing = read_order(venue, p, _PLAIN, id_name="newClientOrderId")
    p.need("quantity")
    if order.type is OrderType.MARKET:
        if "timeInForce" in p:
            raise bad_request(-1106, "Parameter 'timeInForce' sent when not required.")
        return order, listing
    p.need("timeInForce")
    match = p.text("priceMatch", "NONE")
    if match != "NONE":
        if order.price is not None:
            raise bad_request(-5037, "Price match and price must not be sent together.")
        return evolve(order, price=_matched_price(venue, order, match)), listing
    p.need("price")
    if order.time_in_force is TimeInForce.GTD and not order.good_till_ns:
        raise missing("goodTillDate")
    return order, listing


def _matched_price(venue: LocalVenue, order: PlaceOrder, match: str) -> Decimal:
    """Return the price at the best or n-th level of the own or the opposite side."""
    found = re.fullmatch(r"(OPPONENT|QUEUE)(?:_(5|10|20))?", match)
    if found is None:
        raise bad_request(-5037, "Invalid price match.")
    book = venue.exchange.book(order.key.symbol)
    place = int(found[2] or 1)
    bids, asks = book.top(place)
    own, opposite = (bids, asks) if order.side.sign > 0 else (asks, bids)
    levels = opposite if found[1] == "OPPONENT" else own
    if len(levels) < place:
        raise bad_request(-5041, "No depth matches this BBO order.")
    return levels[place - 1][0]


def _place(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    order, listing = _read_plain(venue, p)
    respond = p.text("newOrderRespType", "ACK")
    if respond not in ("ACK", "RESULT"):
        raise bad_request(-1136, "Invalid newOrderRespType.")
    try:
        placed = venue.exchange.place(order, venue.clock.now_ns())
    except Refusal as refusal:
        raise answer(refusal) from None
    venue.commit(placed.events)
    found = placed.order
    if not isinstance(found, VenueOrder):
        raise TypeError(f"a plain order was placed as {type(found).__name__}")
    final = order.type is OrderType.MARKET or order.time_in_force in (
        TimeInForce.IOC,
        TimeInForce.FOK,
    )
    if respond == "RESULT" and final:
        return order_ack(found, listing, result=True)
    accepted = evolve(
        found,
        status=OrderStatus.NEW,
        filled=ZERO,
        quote_filled=ZERO,
        updated_ns=found.created_ns,
    )
    return order_ack(accepted, listing)


def _test(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    order, listing = _read_plain(venue, p)
    now_ns = venue.clock.now_ns()
    try:
        venue.exchange.check(order, now_ns)
    except Refusal as refusal:
        raise answer(refusal) from None
    places, lots = listing.price_places, listing.quantity_places
    return {
        "orderId": 0,
        "symbol": order.key.symbol,
        "status": "NEW",
        "clientOrderId": order.client_order_id or "testOrder",
        "price": f"{order.price or ZERO:.{places}f}",
        "origQty": f"{order.quantity:.{lots}f}",
        "executedQty": f"{ZERO:.{lots}f}",
        "cumQty": f"{ZERO:.{lots}f}",
        "timeInForce": p.text("timeInForce", "GTC"),
        "type": order.type.value.upper(),
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side.value.upper(),
        "positionSide": order.position_side.value.upper(),
        "stopPrice": f"{ZERO:.{places}f}",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type.value.upper(),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": order.good_till_ns // _MS,
        "updateTime": now_ns // _MS,
    }


def _find(venue: LocalVenue, p: Parameters) -> VenueOrder:
    symbol = venue.venue_key(p.need("symbol")).symbol
    order_id, client_id = p.integer("orderId", 0), p.text("origClientOrderId")
    if not (order_id or client_id):
        raise bad_request(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    if order_id:
        return venue.exchange.order(symbol, order_id=order_id)
    return venue.exchange.order(symbol, client_order_id=client_id)


def _modify(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    listing = venue.listing(p.need("symbol"))
    p.need("side")
    side = p.choice("side", SIDES, SIDES["BUY"], lambda: bad_request(-1117, "Invalid side."))
    quantity = p.decimal("quantity")
    if quantity is None:
        raise missing("quantity")
    price = p.decimal("price")
    if price is None and p.text("priceMatch", "NONE") == "NONE":
        raise missing("price")
    check_places(quantity, listing.quantity_places)
    check_places(price, listing.price_places)
    try:
        found = _find(venue, p)
        if price is None:
            price = _matched_price(venue, _like(found), p.text("priceMatch"))
        amend = AmendOrder(
            key=found.key,
            client_order_id=found.client_order_id,
            order_id=str(found.order_id),
            side=side,
            position_side=found.position_side,
            price=price,
            quantity=quantity,
            reduce_only=p.flag("reduceOnly"),
        )
        placed = venue.exchange.amend(amend, venue.clock.now_ns())
    except Refusal as refusal:
        raise answer(refusal) from None
    venue.commit(placed.events)
    body = order_ack(_plain(placed.order), listing)
    if "modifyId" in p:
        body["modifyId"] = p.integer("modifyId", 0)
    return body


def _like(order: VenueOrder) -> PlaceOrder:
    return PlaceOrder(
        order.key, "", order.side, order.position_side, OrderType.LIMIT, order.remaining
    )


def _plain(order: object) -> VenueOrder:
    if not isinstance(order, VenueOrder):
        raise TypeError(f"expected a plain order, got {type(order).__name__}")
    return order


def _cancel(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    try:
        found = _find(venue, p)
        placed = venue.exchange.cancel(
            found.key.symbol, venue.clock.now_ns(), order_id=found.order_id
        )
    except Refusal as refusal:
        raise answer(refusal, cancelling=True) from None
    venue.commit(placed.events)
    return order_ack(_plain(placed.order), venue.listing(found.key.symbol))


def _cancel_all(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    venue.commit(venue.exchange.cancel_all(symbol, venue.clock.now_ns()))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _countdown(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    p.need("countdownTime")
    after_ms = p.integer("countdownTime", 0)
    if after_ms < 0:
        raise invalid_value("countdownTime")
    venue.commit(venue.exchange.countdown(symbol, after_ms, venue.clock.now_ns()))
    return {"symbol": symbol, "countdownTime": str(after_ms)}


def _query(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    try:
        order = _find(venue, p)
    except Refusal as refusal:
        raise answer(refusal) from None
    return order_query(order, venue.listing(order.key.symbol))


def _query_open(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    try:
        order = _find(venue, p)
    except Refusal as refusal:
        raise answer(refusal) from None
    if not order.status.open:
        raise bad_request(-2013, "Order does not exist.")
    return order_query(order, venue.listing(order.key.symbol))


def _open_orders(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    symbol = venue.venue_key(p.text("symbol")).symbol if "symbol" in p else None
    return [
        order_query(order, venue.listing(order.key.symbol))
        for order in venue.exchange.open_orders(symbol)
    ]


def _all_orders(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    symbol = venue.venue_key(p.text("symbol")).symbol if "symbol" in p else None
    start, end, limit = read_page(p, default=500, most=1_000)
    first_id = p.integer("orderId", 0)
    found = [
        order
        for order in venue.exchange.orders(symbol)
        if order.order_id >= first_id
        and start <= order.created_ns // _MS
        and (not end or order.created_ns // _MS <= end)
    ]
    rows = found[:limit] if start or first_id else found[-limit:]
    return [order_query(order, venue.listing(order.key.symbol)) for order in rows]


def _amendments(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    start, end, limit = read_page(p, default=50, most=100)
    try:
        order = _find(venue, p)
    except Refusal as refusal:
        raise answer(refusal) from None
    rows = [
        row
        for row in venue.exchange.amendments(order.key.symbol, order.order_id)
        if start <= row.time_ns // _MS and (not end or row.time_ns // _MS <= end)
    ]
    return [amendment_row(row) for row in reversed(rows[-limit:])]


def _batch(p: Parameters) -> list[Parameters]:
    text = p.need("batchOrders")
    try:
        rows = _BATCH.decode(text)
    except UNREADABLE:
        raise invalid_value("batchOrders") from None
    if not 1 <= len(rows) <= _MAX_BATCH:
        raise bad_request(-4082, "Invalid number of batch orders.")
    return [Parameters({name: _text(value) for name, value in row.items()}) for row in rows]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _batch_place(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    return [_attempt(_place, venue, one) for one in _batch(p)]


def _batch_modify(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    return [_attempt(_modify, venue, one) for one in _batch(p)]


def _batch_cancel(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    name = "orderId" if "orderIdList" in p else "origClientOrderId"
    text = p.text("orderIdList") or p.need("origClientOrderIdList")
    try:
        ids = msgspec.json.decode(text, type=list[int | str])
    except UNREADABLE:
        raise invalid_value(f"{name}List") from None
    if not 1 <= len(ids) <= _MAX_CANCEL_BATCH:
        raise bad_request(-4082, "Invalid number of batch orders.")
    return [_attempt(_cancel, venue, Parameters({"symbol": symbol, name: str(one)})) for one in ids]


def _attempt(handler: Any, venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    try:
        body: dict[str, Any] = handler(venue, p)
    except ApiError as error:
        return error.body()
    return body


def _per_symbol(p: Parameters) -> int:
    return 1 if "symbol" in p else 40


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("POST", "/fapi/v1/order"): Endpoint(_place, 0, orders=(1, 1)),
    ("POST", "/fapi/v1/order/test"): Endpoint(_test, 1),
    ("PUT", "/fapi/v1/order"): Endpoint(_modify, 0, orders=(1, 1)),
    ("DELETE", "/fapi/v1/order"): Endpoint(_cancel),
    ("GET", "/fapi/v1/order"): Endpoint(_query),
    ("GET", "/fapi/v1/openOrder"): Endpoint(_query_open),
    ("GET", "/fapi/v1/openOrders"): Endpoint(_open_orders, _per_symbol),
    ("GET", "/fapi/v1/allOrders"): Endpoint(_all_orders, 5),
    ("GET", "/fapi/v1/orderAmendment"): Endpoint(_amendments),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(_cancel_all),
    ("POST", "/fapi/v1/batchOrders"): Endpoint(_batch_place, 5, orders=(5, 1)),
    ("PUT", "/fapi/v1/batchOrders"): Endpoint(_batch_modify, 5, orders=(5, 1)),
    ("DELETE", "/fapi/v1/batchOrders"): Endpoint(_batch_cancel),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(_countdown, 10),
}
