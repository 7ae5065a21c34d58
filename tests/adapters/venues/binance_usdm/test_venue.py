"""The Venue port over real HTTP: what is sent, and what failures on the way mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal as D
from typing import Any, TypeVar
from urllib.parse import parse_qs, parse_qsl

import pytest
from attrs import evolve

from adapters.venues.binance_usdm.hosts import Hosts, local
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.rest import BinanceVenue
from adapters.venues.binance_usdm.sign import signature
from core.errors import (
    AuthRejected,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    RetryLater,
    Unreachable,
    VenueError,
)
from core.messages import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
)
from core.risk.gate import Approved, Gate
from core.secrets import Secret
from tests.adapters.scripted_server import Reply, Request, ScriptedServer
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.samples import changed, raw

BTC = Key("binance", "BTCUSDT")
KEY = "the-key-of-this-test"
SECRET = Secret("the-secret-of-this-test")
NOW_NS = 1_790_000_000_500_000_000
DAY_MS = 86_400_000

LIMIT = PlaceOrder(
    BTC,
    "bot1-0001",
    Side.BUY,
    PositionSide.BOTH,
    OrderType.LIMIT,
    D("0.100"),
    price=D("62000.00"),
    time_in_force=TimeInForce.POST_ONLY,
)
STOP = PlaceOrder(
    BTC,
    "bot1-sl-1",
    Side.SELL,
    PositionSide.BOTH,
    OrderType.STOP_MARKET,
    D("0.1"),
    trigger_price=D(60000),
    reduce_only=True,
)

Command = TypeVar("Command", PlaceOrder, AmendOrder)
Respond = Callable[[Request], Reply]


def approved(command: Command) -> Approved[Command]:
    return Gate().approve(command, 0, NOW_NS)


def ok(value: Any, **headers: str) -> Reply:
    return Reply(body=raw(value), headers=headers)


def refused(code: int, message: str = "words", status: int = 400) -> Reply:
    return Reply(status=status, body=raw({"code": code, "msg": message}))


def fields(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body or request.target.partition("?")[2]))


class Desk:
    """A client and the scripted venue it talks to."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.replies: dict[tuple[str, str], list[Reply] | Respond] = {}
        self.otherwise = Reply(status=404, body=b"no such path in this test")
        self.server = ScriptedServer(self._respond)
        stack.callback(self.server.close)
        self.budget = Budget(clock=lambda: NOW_NS)
        self.venue = self.client()

    def client(self, *, hosts: Hosts | None = None, **options: Any) -> BinanceVenue:
        url = self.server.url
        venue = BinanceVenue(
            hosts or local(url, url.replace("http", "ws")),
            Secret(KEY),
            SECRET,
            self.budget,
            connect_timeout_s=1.0,
            read_timeout_s=options.pop("read_timeout_s", 2.0),
            clock=lambda: NOW_NS,
            **options,
        )
        self._stack.callback(venue.close)
        return venue

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[method, path] = list(replies)

    def by(self, method: str, path: str, respond: Respond) -> None:
        self.replies[method, path] = respond

    @property
    def requests(self) -> list[Request]:
        return self.server.requests

    def _respond(self, request: Request) -> Reply:
        found = self.replies.get((request.method, request.path))
        if found is None:
            return self.otherwise
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found(request)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(stack)


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


def test_no_connection_means_that_nothing_was_sent(desk: Desk) -> None:
    desk.server.close()
    with pytest.raises(Unreachable) as caught:
        desk.venue.place(approved(LIMIT))
    assert caught.value.request_id == "bot1-0001"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(hang=True),
        Reply(cut_after=0),
        Reply(body=raw(samples.ORDER), cut_after=20),
        Reply(body=raw(samples.ORDER), cut_after=200),
        Reply(body=b'{"orderId":'),
        Reply(body=b"<html>all is well</html>"),
        Reply(status=500),
        Reply(status=502, body=b"<html>"),
        Reply(status=504),
        refused(-1007, status=408),
        refused(-4116),
    ],
    ids=str,
)
def test_an_order_whose_fate_nobody_told_is_unknown_and_sent_once(desk: Desk, reply: Reply) -> None:
    desk.on("POST", "/fapi/v1/order", reply)
    with pytest.raises(OutcomeUnknown) as caught:
        desk.client(read_timeout_s=0.1).place(approved(LIMIT))
    assert caught.value.request_id == "bot1-0001"
    assert len(desk.requests) == 1


@pytest.mark.parametrize(
    "reply", [Reply(hang=True), Reply(cut_after=10), Reply(body=b"{"), Reply(status=500)], ids=str
)
def test_a_failed_read_may_be_repeated(desk: Desk, reply: Reply) -> None:
    desk.on("GET", "/fapi/v3/positionRisk", reply)
    with pytest.raises(RetryLater):
        desk.client(read_timeout_s=0.1).positions()
    assert len(desk.requests) == 1


def test_errors_show_the_path_and_no_secret(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/order", refused(-2013))
    desk.on("POST", "/fapi/v1/order", Reply(hang=True))
    client = desk.client(read_timeout_s=0.1)
    with pytest.raises(NotFound) as asked:
        client.order(BTC, "bot1-0001")
    with pytest.raises(OutcomeUnknown) as placed:
        client.place(approved(LIMIT))
    for error in (asked.value, placed.value):
        text = f"{error} {error!r} {error.args} {error.__cause__!r}"
        assert "/fapi/v1/order" in text
        for hidden in (KEY, SECRET.reveal(), "signature", "timestamp"):
            assert hidden not in text


def test_reads_without_a_key_do_not_show_the_key(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/premiumIndex", ok(samples.PREMIUM))
    assert desk.venue.mark_price(BTC).mark == D("63105.2")
    assert "x-mbx-apikey" not in desk.requests[0].headers


def test_after_a_429_nothing_is_sent_until_the_wait_is_over(desk: Desk) -> None:
    desk.on(
        "GET",
        "/fapi/v3/positionRisk",
        Reply(status=429, body=raw({"code": -1003, "msg": "x"}), headers={"Retry-After": "9"}),
    )
    other_lane = desk.client()
    with pytest.raises(RateLimited) as told:
        desk.venue.positions()
    assert told.value.retry_after_ns == 9 * 10**9
    with pytest.raises(RateLimited, match="told us to wait"):
        other_lane.cancel(CancelOrder(BTC, "bot1-0001"))
    assert len(desk.requests) == 1


def test_lanes_share_one_budget_steered_by_the_venues_headers(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER, **{"X-MBX-ORDER-COUNT-10S": "240"}))
    desk.on("DELETE", "/fapi/v1/order", ok(changed(samples.ORDER, status="CANCELED")))
    desk.venue.place(approved(LIMIT))
    other_lane = desk.client()
    with pytest.raises(RateLimited, match="orders_10s"):
        other_lane.place(approved(LIMIT))
    closing = evolve(LIMIT, side=Side.SELL, reduce_only=True)
    other_lane.place(approved(closing))
    other_lane.cancel(CancelOrder(BTC, "bot1-0001"))
    used = {usage.name: usage.used for usage in other_lane.usage()}
    assert used["orders_10s"] >= 241


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
    desk.venue.test_place(approved(LIMIT))
    with pytest.raises(Rejected):
        desk.venue.test_place(approved(LIMIT))
    assert {request.path for request in desk.requests} == {"/fapi/v1/order/test"}


AMEND = AmendOrder(
    BTC, "bot1-0001", "283194212345", Side.BUY, PositionSide.BOTH, D(61950), D("0.2")
)


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
    desk.on("POST", "/fapi/v1/countdownCancelAll", ok({"symbol": "BTCUSDT", "countdownTime": "1"}))
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


def trade_rows(first: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [changed(samples.TRADE, id=first + step, **changes) for step in range(count)]


def test_fills_are_paged_by_id_and_carry_our_order_ids(desk: Desk) -> None:
    rows = trade_rows(1, 2500, orderId=283194212345)

    def respond(request: Request) -> Reply:
        sent = fields(request)
        start = int(sent["fromId"])
        return ok([row for row in rows if row["id"] >= start][: int(sent["limit"])])

    desk.by("GET", "/fapi/v1/userTrades", respond)
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    fills = desk.venue.fills(BTC, from_id="11")
    assert [fill.fill_id for fill in fills] == [str(number) for number in range(11, 2501)]
    assert {fill.client_order_id for fill in fills} == {"bot1-0001"}
    assert sum(request.path == "/fapi/v1/order" for request in desk.requests) == 1


def test_fills_since_a_time_are_searched_week_by_week(desk: Desk) -> None:
    now_ms = NOW_NS // 10**6
    traded_ms = now_ms - 3 * DAY_MS
    rows = trade_rows(1, 3, orderId=283194212345, time=traded_ms)

    def respond(request: Request) -> Reply:
        sent = {name: int(value) for name, value in fields(request).items() if value.isdigit()}
        assert not {"fromId", "startTime"} <= set(sent)
        if "fromId" in sent:
            return ok([row for row in rows if row["id"] >= sent["fromId"]])
        assert sent.get("endTime", now_ms) - sent["startTime"] < 7 * DAY_MS
        held = range(sent["startTime"], sent.get("endTime", now_ms) + 1)
        return ok([row for row in rows if row["time"] in held])

    desk.by("GET", "/fapi/v1/userTrades", respond)
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    since_ns = (now_ms - 30 * DAY_MS) * 10**6
    assert [fill.fill_id for fill in desk.venue.fills(BTC, since_ns=since_ns)] == ["1", "2", "3"]


def test_fills_of_an_order_seen_acknowledged_need_no_second_question(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER))
    desk.on("GET", "/fapi/v1/userTrades", ok(trade_rows(1, 1, orderId=283194212345)))
    desk.venue.place(approved(LIMIT))
    (fill,) = desk.venue.fills(BTC, order_id="283194212345")
    assert fill.client_order_id == "bot1-0001"
    assert fields(desk.requests[-1])["orderId"] == "283194212345"
    assert len(desk.requests) == 2


def test_many_unknown_orders_are_asked_for_together(desk: Desk) -> None:
    rows = [changed(samples.TRADE, id=number, orderId=100 + number) for number in range(8)]
    orders = [
        changed(samples.ORDER, orderId=100 + number, clientOrderId=f"o-{number}")
        for number in range(7)
    ]
    desk.on("GET", "/fapi/v1/userTrades", ok(rows))
    desk.on("GET", "/fapi/v1/allOrders", ok(orders))
    desk.on("GET", "/fapi/v1/order", refused(-2013))
    fills = desk.venue.fills(BTC, from_id="0")
    assert [fill.client_order_id for fill in fills] == [f"o-{number}" for number in range(7)] + [""]


def test_funding_is_paged_and_each_settlement_comes_once(desk: Desk) -> None:
    rows = [
        changed(samples.INCOME, tranId=number, time=NOW_NS // 10**6 - 5000 + number)
        for number in range(1500)
    ]

    def respond(request: Request) -> Reply:
        sent = fields(request)
        assert sent["incomeType"] == "FUNDING_FEE"
        first = (int(sent["page"]) - 1) * 1000
        return ok(rows[first : first + 1000])

    desk.by("GET", "/fapi/v1/income", respond)
    paid = desk.venue.funding(BTC, 0)
    assert [one.funding_id for one in paid] == [str(number) for number in range(1500)]


def test_the_venues_limits_are_taken_over_with_the_instruments(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/exchangeInfo", ok(samples.EXCHANGE_INFO))
    (btc,) = desk.venue.instruments()
    assert btc.key == BTC
    assert next(usage.limit for usage in desk.venue.usage() if usage.name == "weight_1m") == 6000
    assert desk.venue.unreadable_symbols == ()


def test_a_book_asks_for_a_depth_the_venue_has(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/depth", ok(samples.DEPTH))
    for depth, limit in ((1, "5"), (20, "20"), (21, "50"), (600, "1000"), (9999, "1000")):
        desk.venue.book(BTC, depth)
        assert fields(desk.requests[-1])["limit"] == limit


def test_bars_are_paged_backwards_from_now_and_forwards_from_a_start(desk: Desk) -> None:
    minute = 60_000
    last = NOW_NS // 10**6 // minute * minute
    rows = [
        [
            last - minute * step,
            *samples.KLINE[1:6],
            last - minute * step + 59_999,
            *samples.KLINE[7:],
        ]
        for step in range(4000)
    ][::-1]

    def respond(request: Request) -> Reply:
        sent = fields(request)
        start, end = int(sent.get("startTime", 0)), int(sent.get("endTime", last + minute))
        held = [row for row in rows if start <= row[0] <= end]
        limit = int(sent["limit"])
        return ok(held[:limit] if "startTime" in sent else held[-limit:])

    desk.by("GET", "/fapi/v1/klines", respond)
    newest = desk.venue.bars(BTC, minute * 10**6, 3200)
    assert [bar.open_ns // 10**6 for bar in newest] == [row[0] for row in rows[-3200:]]
    assert [bar.closed for bar in newest[-2:]] == [True, False]
    start_ns = rows[100][0] * 10**6
    older = desk.venue.bars(BTC, minute * 10**6, 1600, start_ns=start_ns)
    assert [bar.open_ns // 10**6 for bar in older] == [row[0] for row in rows[100:1700]]


def test_an_interval_the_venue_does_not_have_is_refused(desk: Desk) -> None:
    with pytest.raises(Rejected):
        desk.venue.bars(BTC, 7 * 60 * 10**9, 10)


def test_the_clock_sample_sees_the_middle_of_the_trip(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/time", ok({"serverTime": NOW_NS // 10**6 + 250}))
    sample = desk.venue.sample_clock()
    assert abs(sample.offset_ns - 250_500_000) < sample.round_trip_ns
    assert sample.at_ns >= NOW_NS


def test_the_account_and_its_position_mode(desk: Desk) -> None:
    desk.on(
        "GET", "/fapi/v1/accountConfig", ok(changed(samples.ACCOUNT_CONFIG, dualSidePosition=True))
    )
    desk.on("GET", "/fapi/v3/account", ok(samples.ACCOUNT))
    state = desk.venue.account()
    assert (state.hedge_mode, state.available) == (True, D("9381.4"))
    assert not desk.venue.hedge_mode


@pytest.mark.parametrize(
    ("path", "code", "call"),
    [
        ("/fapi/v1/marginType", -4046, lambda venue: venue.set_isolated(BTC, True)),
        ("/fapi/v1/positionSide/dual", -4059, lambda venue: venue.set_hedge_mode(False)),
    ],
)
def test_what_already_is_so_counts_as_done_and_other_refusals_do_not(
    desk: Desk, path: str, code: int, call: Callable[[BinanceVenue], None]
) -> None:
    desk.on("POST", path, refused(code), ok({"code": 200, "msg": "success"}), refused(-4068))
    call(desk.venue)
    call(desk.venue)
    with pytest.raises(Rejected) as caught:
        call(desk.venue)
    assert caught.value.code == -4068


def test_leverage_brackets_settings_and_commission(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/leverage", ok({"leverage": 3, "symbol": "BTCUSDT"}))
    desk.on("GET", "/fapi/v1/leverageBracket", ok(samples.BRACKETS))
    desk.on("GET", "/fapi/v1/symbolConfig", ok(samples.SYMBOL_CONFIG))
    desk.on("GET", "/fapi/v1/commissionRate", ok(samples.COMMISSION))
    desk.venue.set_leverage(BTC, 3)
    assert fields(desk.requests[0])["leverage"] == "3"
    assert desk.venue.leverage_brackets(BTC)[0].max_leverage == 125
    assert desk.venue.symbol_settings(BTC).leverage == 10
    assert desk.venue.commission(BTC).taker == D("0.0005")


def test_the_rights_of_a_key_come_from_their_own_host_where_there_is_one(desk: Desk) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    desk.on("GET", path, ok(samples.RIGHTS), Reply(status=404), refused(-2015, status=401))
    assert desk.venue.key_rights().trade is True
    assert desk.venue.key_rights().trade is None
    with pytest.raises(AuthRejected):
        desk.venue.key_rights()
    asked = len(desk.requests)
    without = desk.client(hosts=Hosts(desk.server.url, "ws://127.0.0.1:1"))
    assert without.key_rights().withdraw is None
    assert len(desk.requests) == asked


def test_every_signed_read_carries_a_valid_signature_in_the_query(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    desk.venue.order(BTC, "bot1-0001")
    text, _, stated = desk.requests[0].target.partition("?")[2].rpartition("&signature=")
    assert stated == signature(SECRET, text)
    assert parse_qs(text)["recvWindow"] == ["5000"]


def test_whatever_the_venue_answers_only_our_errors_come_out(desk: Desk) -> None:
    calls: list[Callable[[], object]] = [
        lambda: desk.venue.place(approved(LIMIT)),
        lambda: desk.venue.place(approved(STOP)),
        lambda: desk.venue.amend(approved(AMEND)),
        lambda: desk.venue.cancel(CancelOrder(BTC, "a")),
        lambda: desk.venue.cancel(CancelOrder(BTC, "a", conditional=True)),
        lambda: desk.venue.order(BTC, "a"),
        lambda: desk.venue.open_orders(BTC),
        lambda: desk.venue.fills(BTC),
        lambda: desk.venue.funding(BTC, 0),
        lambda: desk.venue.instruments(),
        lambda: desk.venue.account(),
        lambda: desk.venue.sample_clock(),
    ]

    for reply in (Reply(body=b"\xff{"), Reply(status=599, body=b"\x00"), Reply(body=b"[[]]")):
        desk.otherwise = reply
        for call in calls:
            with pytest.raises(VenueError):
                call()
