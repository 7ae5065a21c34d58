"""Conditional orders, which the venue keeps in its algo service (§3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import evolve

from adapters.venues.binance_usdm.emulator.bodies import conditional_body
from adapters.venues.binance_usdm.emulator.endpoints import Endpoint
from adapters.venues.binance_usdm.emulator.errors import bad_request, invalid_value, missing
from adapters.venues.binance_usdm.emulator.reading import (
    check_client_id,
    check_places,
    read_order,
    read_page,
)
from adapters.venues.binance_usdm.emulator.refusals import answer
from adapters.venues.binance_usdm.emulator.request import Parameters
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from adapters.venues.binance_usdm.emulator.words import TRIGGERS, TYPES
from core.exchange import ConditionalOrder, Refusal
from core.messages import OrderType, TriggerBy

__all__ = ["ENDPOINTS"]

_CONDITIONAL = {word: kind for word, kind in TYPES.items() if kind.conditional}
_MARKET_TYPES = (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)
_BPS_PER_PERCENT = 100
_MS = 1_000_000


def _place(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    if p.need("algoType") != "CONDITIONAL":
        raise invalid_value("algoType")
    order, listing = read_order(venue, p, _CONDITIONAL, id_name="clientAlgoId")
    trigger_price = p.decimal("triggerPrice")
    activation = p.decimal("activatePrice")
    callback = p.decimal("callbackRate")
    close_position = p.flag("closePosition")
    trigger_by = p.choice(
        "workingType", TRIGGERS, TriggerBy.LAST, lambda: invalid_value("workingType")
    )
    check_places(trigger_price, listing.price_places)
    if order.type is OrderType.TRAILING_STOP_MARKET:
        if callback is None:
            raise missing("callbackRate")
        if not Decimal("0.1") <= callback <= 10:
            raise invalid_value("callbackRate")
    elif trigger_price is None:
        raise missing("triggerPrice")
    if close_position:
        if order.type not in _MARKET_TYPES or "reduceOnly" in p:
            raise bad_request(-4138, "Reduce only can not be sent with close position.")
        if order.quantity:
            raise bad_request(-4137, "Quantity must be zero with closePosition equals true.")
    else:
        p.need("quantity")
    order = evolve(
        order,
        trigger_price=trigger_price,
        trigger_by=trigger_by,
        callback_rate_bps=None if callback is None else callback * _BPS_PER_PERCENT,
    )
    try:
        placed = venue.exchange.place(
            order,
            venue.clock.now_ns(),
            close_position=close_position,
            activation_price=activation,
        )
    except Refusal as refusal:
        raise answer(refusal) from None
    venue.commit(placed.events)
    return conditional_body(_conditional(placed.order), listing, query=False)


def _conditional(order: object) -> ConditionalOrder:
    if not isinstance(order, ConditionalOrder):
        raise TypeError(f"expected a conditional order, got {type(order).__name__}")
    return order


def _ids(p: Parameters) -> tuple[int, str]:
    algo_id, client_id = p.integer("algoId", 0), check_client_id(p.text("clientAlgoId"))
    if not (algo_id or client_id):
        raise bad_request(
            -1102, "Param 'clientAlgoId' or 'algoId' must be sent, but both were empty/null!"
        )
    return algo_id, "" if algo_id else client_id


def _cancel(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    algo_id, client_id = _ids(p)
    try:
        placed = venue.exchange.cancel_conditional(
            venue.clock.now_ns(), client_order_id=client_id, algo_id=algo_id
        )
    except Refusal as refusal:
        raise answer(refusal, cancelling=True) from None
    venue.commit(placed.events)
    order = _conditional(placed.order)
    return {
        "algoId": order.algo_id,
        "clientAlgoId": order.client_order_id,
        "code": "200",
        "msg": "success",
    }


def _cancel_all(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    venue.commit(venue.exchange.cancel_all_conditionals(symbol, venue.clock.now_ns()))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _query(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    algo_id, client_id = _ids(p)
    try:
        order = venue.exchange.conditional(client_order_id=client_id, algo_id=algo_id)
    except Refusal as refusal:
        raise answer(refusal) from None
    return conditional_body(order, venue.listing(order.key.symbol))


def _open(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    symbol = venue.venue_key(p.text("symbol")).symbol if "symbol" in p else None
    algo_id = p.integer("algoId", 0)
    return [
        conditional_body(order, venue.listing(order.key.symbol))
        for order in venue.exchange.open_conditionals(symbol)
        if algo_id in (0, order.algo_id)
    ]


def _all(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    start, end, limit = read_page(p, default=500, most=1_000)
    algo_id, number = p.integer("algoId", 0), max(1, p.integer("page", 1))
    found = [
        order
        for order in venue.exchange.conditionals(symbol)
        if order.algo_id >= algo_id
        and start <= order.created_ns // _MS
        and (not end or order.created_ns // _MS <= end)
    ]
    rows = found[(number - 1) * limit : number * limit]
    return [conditional_body(order, venue.listing(symbol)) for order in rows]


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("POST", "/fapi/v1/algoOrder"): Endpoint(_place, 0, orders=(1, 1)),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(_cancel),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(_query),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(_cancel_all),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(_open, lambda p: 1 if "symbol" in p else 40),
    ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(_all, 5),
}
