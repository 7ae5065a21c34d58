"""Orders through the Venue port over real HTTP: what is sent, and what comes back."""

from __future__ import annotations

import json
from decimal import Decimal as D
from typing import Any
from urllib.parse import parse_qsl

import pytest
from attrs import evolve

from adapters.venues.binance_usdm.sign import signature
from core.errors import (
    NotFound,
    OutcomeUnknown,
    Rejected,
)
from core.messages import (
    CancelAll,
    CancelOrder,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
)
from core.risk.gate import Rehearsal
from tests.adapters.scripted_server import Reply, Request
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.desk import (
    AMEND,
    BTC,
    KEY,
    LIMIT,
    NOW_NS,
    SECRET,
    STOP,
    Desk,
    approved,
    fields,
    ok,
    refused,
)
from tests.adapters.venues.binance_usdm.samples import changed


def test_an_order_travels_signed_in_the_body_and_nothing_of_it_in_the_url(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER))
    update = desk.venue.place(approved(LIMIT))
    (request,) = desk.requests
    assert request.target == "/fapi/v1/order"
    assert request.headers["x-mbx-apikey"] == KEY
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    text, _, stated = request.body.rpartition("&signature=")
    assert stated == signature(SECRET, text)
    assert dict(parse_qsl(text)) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "positionSide": "BOTH",
        "type": "LIMIT",
        "quantity": "0.1",
        "newClientOrderId": "bot1-0001",
        "price": "62000",
        "timeInForce": "GTX",
        "newOrderRespType": "ACK",
        "recvWindow": "5000",
        "timestamp": str(NOW_NS // 10**6),
    }
    assert (update.order_id, update.status) == ("283194212345", OrderStatus.NEW)


def test_the_clock_offset_moves_the_timestamp(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER))
    desk.venue.set_clock_offset_ns(-2_000_000_000)
    desk.venue.place(approved(LIMIT))
    assert fields(desk.requests[0])["timestamp"] == str(NOW_NS // 10**6 - 2000)
    assert desk.venue.venue_now_ns() == NOW_NS - 2_000_000_000


def test_a_conditional_order_goes_to_the_algo_service(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/algoOrder", ok(samples.ALGO))
    update = desk.venue.place(approved(STOP))
    sent = fields(desk.requests[0])
    assert {name: sent[name] for name in sent if name not in ("timestamp", "signature")} == {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "type": "STOP_MARKET",
        "quantity": "0.1",
        "clientAlgoId": "bot1-sl-1",
        "reduceOnly": "true",
        "workingType": "MARK_PRICE",
        "triggerPrice": "60000",
        "recvWindow": "5000",
    }
    assert (update.order_id, update.type) == ("2146760", OrderType.STOP_MARKET)


def test_a_trailing_stop_has_an_activation_and_a_rate_in_percent(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/algoOrder", ok(changed(samples.ALGO, triggerPrice="")))
    trailing = evolve(
        STOP,
        type=OrderType.TRAILING_STOP_MARKET,
        trigger_by=TriggerBy.LAST,
        callback_rate_bps=D(150),
    )
    desk.venue.place(approved(trailing))
    sent = fields(desk.requests[0])
    assert (sent["activatePrice"], sent["callbackRate"], sent["workingType"]) == (
        "60000",
        "1.5",
        "CONTRACT_PRICE",
    )
    assert "triggerPrice" not in sent


def test_hedge_mode_names_the_side_and_never_sends_reduce_only(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER))
    desk.on("POST", "/fapi/v1/positionSide/dual", refused(-4059))
    desk.venue.set_hedge_mode(True)
    desk.venue.place(
        approved(evolve(LIMIT, side=Side.SELL, position_side=PositionSide.LONG, reduce_only=True))
    )
    sent = fields(desk.requests[-1])
    assert sent["positionSide"] == "LONG"
    assert "reduceOnly" not in sent


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"position_side": PositionSide.LONG}, -4061),
        ({"client_order_id": "x" * 37}, -4015),
        ({"client_order_id": "with space"}, -4015),
        ({"price": None}, -1102),
        ({"quantity": D(0)}, -4003),
        ({"quantity": D("NaN")}, -4003),
        ({"type": OrderType.MARKET, "price": None}, -1114),
        ({"time_in_force": TimeInForce.GTD}, -5040),
        ({"type": OrderType.STOP, "trigger_price": None}, -1102),
        ({"type": OrderType.TRAILING_STOP_MARKET, "time_in_force": TimeInForce.GTC}, -1130),
    ],
)
def test_what_the_venue_cannot_take_is_refused_before_any_request(
    desk: Desk, change: dict[str, Any], code: int
) -> None:
    with pytest.raises(Rejected) as caught:
        desk.venue.place(approved(evolve(LIMIT, **change)))
    assert (caught.value.code, caught.value.http_status) == (code, 0)
    assert desk.requests == []


@pytest.mark.parametrize(
    ("time_in_force", "word"),
    [
        (TimeInForce.GTC, "GTC"),
        (TimeInForce.IOC, "IOC"),
        (TimeInForce.FOK, "FOK"),
        (TimeInForce.GTD, "GTD"),
        (TimeInForce.POST_ONLY, "GTX"),
    ],
)
def test_every_time_in_force_of_the_venue_is_available(
    desk: Desk, time_in_force: TimeInForce, word: str
) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER))
    till_ns = 1_790_001_000_700_000_000
    desk.venue.place(approved(evolve(LIMIT, time_in_force=time_in_force, good_till_ns=till_ns)))
    sent = fields(desk.requests[0])
    assert sent["timeInForce"] == word
    assert sent.get("goodTillDate") == ("1790001000000" if word == "GTD" else None)


def test_a_post_only_order_that_would_take_is_rejected_with_its_code(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", refused(-5022))
    with pytest.raises(Rejected) as caught:
        desk.venue.place(approved(LIMIT))
    assert (caught.value.code, caught.value.request_id) == (-5022, "bot1-0001")


def test_a_batch_goes_in_fives_and_each_order_has_its_own_result(desk: Desk) -> None:
    sizes = []

    def respond(request: Request) -> Reply:
        orders = json.loads(fields(request)["batchOrders"])
        sizes.append(len(orders))
        return ok(
            [
                {"code": -2022, "msg": "ReduceOnly Order is rejected."}
                if order["newClientOrderId"] == "o-1"
                else changed(samples.ORDER, clientOrderId=order["newClientOrderId"])
                for order in orders
            ]
        )

    desk.by("POST", "/fapi/v1/batchOrders", respond)
    desk.on("POST", "/fapi/v1/algoOrder", ok(samples.ALGO))
    orders = [evolve(LIMIT, client_order_id=f"o-{number}") for number in range(7)]
    orders.insert(3, STOP)
    orders.append(evolve(LIMIT, client_order_id="not legal"))
    results = desk.venue.place_batch([approved(order) for order in orders])
    assert sizes == [5, 2]
    for order, result in zip(orders, results, strict=True):
        match order.client_order_id:
            case "o-1":
                assert isinstance(result, Rejected)
                assert (result.code, result.request_id) == (-2022, "o-1")
            case "not legal":
                assert isinstance(result, Rejected)
            case name:
                assert isinstance(result, OrderUpdated)
                assert result.client_order_id == name


def test_a_batch_that_fails_as_a_whole_fails_each_order_under_its_own_id(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/batchOrders", Reply(status=500))
    orders = [approved(evolve(LIMIT, client_order_id=f"o-{number}")) for number in range(2)]
    first, second = desk.venue.place_batch(orders)
    assert isinstance(first, OutcomeUnknown)
    assert isinstance(second, OutcomeUnknown)
    assert (first.request_id, second.request_id) == ("o-0", "o-1")


def test_a_test_order_is_checked_and_not_placed(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order/test", ok(samples.ORDER), refused(-4014))
    desk.venue.test_place(Rehearsal(LIMIT))
    with pytest.raises(Rejected):
        desk.venue.test_place(Rehearsal(LIMIT))
    assert {request.path for request in desk.requests} == {"/fapi/v1/order/test"}


def test_a_rehearsal_is_no_approval_and_nothing_of_it_is_sent_as_an_order(desk: Desk) -> None:
    for command in (LIMIT, STOP):
        rehearsal: Any = Rehearsal(command)
        for send in (
            lambda order=rehearsal: desk.venue.place(order),
            lambda order=rehearsal: desk.venue.place_batch([approved(LIMIT), order]),
            lambda order=rehearsal: desk.venue.amend(order),
        ):
            with pytest.raises(TypeError, match="Rehearsal is no Approved"):
                send()
    assert desk.requests == []


def test_an_amendment_sends_price_and_total_quantity(desk: Desk) -> None:
    amended = changed(samples.ORDER, price="61950.00", origQty="0.200", modifyId=7)
    desk.on("PUT", "/fapi/v1/order", ok(amended))
    update = desk.venue.amend(approved(AMEND))
    sent = fields(desk.requests[0])
    assert (sent["orderId"], sent["price"], sent["quantity"], sent["side"]) == (
        "283194212345",
        "61950",
        "0.2",
        "BUY",
    )
    assert (update.amended, update.price, update.quantity) == (True, D(61950), D("0.2"))


def test_an_amendment_that_changes_nothing_returns_the_order_as_it_stands(desk: Desk) -> None:
    desk.on("PUT", "/fapi/v1/order", refused(-5027))
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    assert desk.venue.amend(approved(AMEND)).order_id == "283194212345"


def test_a_cancellation_asks_by_our_id(desk: Desk) -> None:
    desk.on("DELETE", "/fapi/v1/order", ok(changed(samples.ORDER, status="CANCELED")))
    update = desk.venue.cancel(CancelOrder(BTC, "bot1-0001"))
    assert update is not None
    assert update.status is OrderStatus.CANCELLED
    assert fields(desk.requests[0])["origClientOrderId"] == "bot1-0001"
    assert desk.requests[0].target == "/fapi/v1/order"


def test_an_unknown_order_cannot_be_cancelled(desk: Desk) -> None:
    desk.on("DELETE", "/fapi/v1/order", refused(-2011, "Unknown order sent."))
    with pytest.raises(NotFound):
        desk.venue.cancel(CancelOrder(BTC, "bot1-0001"))


def test_a_conditional_order_that_fired_is_cancelled_as_what_it_became(desk: Desk) -> None:
    desk.on("DELETE", "/fapi/v1/algoOrder", refused(-2011))
    desk.on(
        "GET",
        "/fapi/v1/algoOrder",
        ok(changed(samples.ALGO, algoStatus="TRIGGERED", actualOrderId="7")),
    )
    desk.on("DELETE", "/fapi/v1/order", ok(changed(samples.ORDER, orderId=7, status="CANCELED")))
    update = desk.venue.cancel(CancelOrder(BTC, "bot1-sl-1", conditional=True))
    assert update is not None
    assert (update.client_order_id, update.order_id, update.status, update.type) == (
        "bot1-sl-1",
        "7",
        OrderStatus.CANCELLED,
        OrderType.STOP_MARKET,
    )
    assert fields(desk.requests[-1])["orderId"] == "7"


def test_a_conditional_order_that_ended_cannot_be_cancelled(desk: Desk) -> None:
    desk.on("DELETE", "/fapi/v1/algoOrder", refused(-2011))
    desk.on("GET", "/fapi/v1/algoOrder", ok(changed(samples.ALGO, algoStatus="CANCELED")))
    with pytest.raises(NotFound):
        desk.venue.cancel(CancelOrder(BTC, "bot1-sl-1", conditional=True))


def test_cancelling_all_tries_both_services_and_tells_the_first_failure(desk: Desk) -> None:
    desk.on("DELETE", "/fapi/v1/allOpenOrders", refused(-1121), ok({"code": 200, "msg": "done"}))
    desk.on("DELETE", "/fapi/v1/algoOpenOrders", ok({"code": 200, "msg": "done"}))
    with pytest.raises(Rejected) as caught:
        desk.venue.cancel_all(CancelAll(BTC, conditional_too=True))
    assert caught.value.code == -1121
    assert [request.path for request in desk.requests] == [
        "/fapi/v1/allOpenOrders",
        "/fapi/v1/algoOpenOrders",
    ]
    desk.venue.cancel_all(CancelAll(BTC))
    assert len(desk.requests) == 3


def test_the_countdown_is_set_per_symbol(desk: Desk) -> None:
    path = "/fapi/v1/countdownCancelAll"
    answers = [{"symbol": "BTCUSDT", "countdownTime": time} for time in ("120000", "0")]
    desk.on("POST", path, *map(ok, answers))
    desk.venue.countdown_cancel(BTC, 120_000)
    with pytest.raises(OutcomeUnknown):
        desk.venue.countdown_cancel(BTC, 120_000)
    sent = fields(desk.requests[0])
    assert (sent["symbol"], sent["countdownTime"]) == ("BTCUSDT", "120000")


def test_open_orders_show_a_fired_order_once(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/openAlgoOrders", ok([samples.ALGO]))
    child = changed(
        samples.ORDER,
        orderId=7,
        clientOrderId="bot1-sl-1",
        type="MARKET",
        origType="STOP_MARKET",
        status="PARTIALLY_FILLED",
        executedQty="0.05",
    )
    desk.on("GET", "/fapi/v1/openOrders", ok([samples.ORDER, child]))
    found = {order.client_order_id: order for order in desk.venue.open_orders(BTC)}
    assert set(found) == {"bot1-0001", "bot1-sl-1"}
    fired = found["bot1-sl-1"]
    assert (fired.order_id, fired.filled, fired.trigger_price) == ("7", D("0.05"), D(60000))
    assert [request.path for request in desk.requests] == [
        "/fapi/v1/openAlgoOrders",
        "/fapi/v1/openOrders",
    ]


def test_a_question_about_a_fired_order_is_answered_with_its_childs_state(desk: Desk) -> None:
    fired = changed(samples.ALGO, algoStatus="FINISHED", actualOrderId="7", actualQty="0.04")
    desk.on("GET", "/fapi/v1/algoOrder", ok(fired))
    desk.on(
        "GET",
        "/fapi/v1/order",
        ok(changed(samples.ORDER, orderId=7, status="EXPIRED", executedQty="0.04")),
        refused(-2013),
    )
    told = desk.venue.order(BTC, "bot1-sl-1", conditional=True)
    assert (told.status, told.filled, told.type) == (
        OrderStatus.EXPIRED,
        D("0.04"),
        OrderType.STOP_MARKET,
    )
    forgotten = desk.venue.order(BTC, "bot1-sl-1", conditional=True)
    assert (forgotten.status, forgotten.filled) == (OrderStatus.CANCELLED, D("0.04"))
