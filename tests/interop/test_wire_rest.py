"""REST as it is on the wire: who may call, what is refused with which code, what is counted."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


def buy(client: Any, **changes: Any) -> dict[str, Any]:
    """Return a good resting bid with some things changed (None takes one out)."""
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "price": client.price("BTCUSDT", -0.03),
    }
    return {name: value for name, value in {**order, **changes}.items() if value is not None}


@pytest.fixture(autouse=True)
def clean(exchange: Any) -> Any:
    """Leave no order, position or fault behind."""
    yield
    client = exchange.client()
    client.control("DELETE", "faults")
    for path in ("/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"):
        client.signed("DELETE", path, **BTC)
    for row in client.signed("GET", "/fapi/v3/positionRisk", **BTC).body:
        held = float(row["positionAmt"])
        if held:
            side = "SELL" if held > 0 else "BUY"
            closing = {"side": side, "type": "MARKET", "quantity": abs(held), "reduceOnly": "true"}
            assert client.signed("POST", ORDER, **BTC, **closing).status == 200


def test_who_may_call(client: Any) -> None:
    path = "/fapi/v3/balance"
    good = client.sign({})
    assert client.send_text("GET", path, good).status == 200
    assert client.send("GET", f"{path}?{good}").code == -2014
    unknown = client.send_text("GET", path, good, key="c" * 64)
    assert (unknown.status, unknown.code) == (401, -2015)
    wrong = client.send_text("GET", path, client.sign({}, secret="other"))
    assert (wrong.status, wrong.code) == (400, -1022)
    assert client.send_text("GET", path, good.partition("&signature")[0]).code == -1102


def test_a_late_or_early_timestamp_is_refused(client: Any) -> None:
    now = time.time_ns() // 1_000_000
    for stamp, window, code in (
        (now - 6_000, 5_000, -1021),
        (now - 6_000, 30_000, 0),
        (now + 5_000, 5_000, -1021),
        (now, 60_001, -1131),
    ):
        text = urlencode({"recvWindow": window, "timestamp": stamp})
        signed = _signed_text(client, text)
        assert client.send_text("GET", "/fapi/v3/balance", signed).code in (code, 0)
        assert (client.send_text("GET", "/fapi/v3/balance", signed).status == 200) is (code == 0)


def _signed_text(client: Any, text: str) -> str:
    import hashlib
    import hmac

    key = client.exchange.secret.encode()
    return f"{text}&signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def test_parameters_may_come_in_the_query_the_body_or_both(client: Any) -> None:
    headers = {
        "X-MBX-APIKEY": client.exchange.key,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    for name in ("body", "both"):
        order = buy(client, newClientOrderId=f"in-{name}")
        if name == "body":
            answer = client.send("POST", ORDER, client.sign(order).encode(), headers)
        else:
            query = urlencode({key: order.pop(key) for key in ("symbol", "side")})
            body = urlencode({**order, "timestamp": time.time_ns() // 1_000_000})
            signature = _signed_text(client, query + body).rpartition("=")[2]
            text = f"{body}&signature={signature}".encode()
            answer = client.send("POST", f"{ORDER}?{query}", text, headers)
        assert (answer.status, answer.body.get("clientOrderId")) == (200, f"in-{name}")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": None}, -1102),
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "STOP_MARKET", "price": None}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"timeInForce": "NOW"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"quantity": None}, -1102),
        ({"quantity": "a lot"}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0105"}, -1111),
        ({"quantity": "1001"}, -4005),
        ({"quantity": "0.0001"}, -1111),
        ({"price": None}, -1102),
        ({"price": "60000.001"}, -1111),
        ({"price": "0"}, -4001),
        ({"price": "1"}, -4013),
        ({"price": "5000000"}, -4002),
        ({"price": "300000"}, -4016),
        ({"quantity": "0.000"}, -4003),
        ({"price": "600", "quantity": "0.010"}, -4164),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "UP"}, -4060),
        ({"reduceOnly": "maybe"}, -1130),
        ({"reduceOnly": "true"}, -2022),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -1100),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": 5}, -5040),
        ({"priceMatch": "QUEUE"}, -5037),
        ({"quantity": "900"}, -2019),
        ({"type": "MARKET", "price": None}, -1106),
    ],
    ids=str,
)
def test_a_wrong_order_is_refused_with_the_venues_code(
    client: Any, changes: dict[str, Any], code: int
) -> None:
    before = client.control("GET", "ledger").body
    answer = client.signed("POST", ORDER, **buy(client, **changes))
    assert (answer.status, answer.code) == (400, code), answer.body
    assert client.control("GET", "ledger").body == before


def test_a_price_off_the_tick_is_refused_apart_from_one_with_too_many_decimals(client: Any) -> None:
    price = client.price("BTCUSDT", -0.03)[:-1] + "05"
    assert client.signed("POST", ORDER, **buy(client, price=price)).code == -4014


def test_a_sell_far_under_the_mark_is_refused(client: Any) -> None:
    order = buy(client, side="SELL", price=client.price("BTCUSDT", -0.06))
    assert client.signed("POST", ORDER, **order).code == -4024


def test_orders_that_cannot_do_what_they_promise(client: Any) -> None:
    above = client.price("BTCUSDT", 0.01)
    assert client.signed("POST", ORDER, **buy(client, timeInForce="GTX", price=above)).code == -5022
    fok = buy(client, timeInForce="FOK", quantity="0.100")
    assert client.signed("POST", ORDER, **fok).code == -5021


def test_client_ids_are_unique_among_open_orders_only(client: Any) -> None:
    order = buy(client, newClientOrderId="again")
    first = client.signed("POST", ORDER, **order)
    assert first.status == 200
    assert client.signed("POST", ORDER, **order).code == -4116
    assert client.signed("DELETE", ORDER, **BTC, origClientOrderId="again").status == 200
    second = client.signed("POST", ORDER, **order)
    assert second.status == 200 and second.body["orderId"] > first.body["orderId"]
    found = client.signed("GET", ORDER, **BTC, origClientOrderId="again").body
    assert found["orderId"] == second.body["orderId"]


def test_unknown_orders_have_one_code_for_queries_and_one_for_cancellations(client: Any) -> None:
    assert client.signed("GET", ORDER, **BTC, origClientOrderId="none").code == -2013
    assert client.signed("DELETE", ORDER, **BTC, origClientOrderId="none").code == -2011
    assert client.signed("GET", ORDER, **BTC).code == -1102
    for method, code in (("GET", -2013), ("DELETE", -2011)):
        path = "/fapi/v1/algoOrder"
        assert client.signed(method, path, clientAlgoId="none").code == code


def test_an_acknowledgement_tells_nothing_of_fills_and_a_result_does(client: Any) -> None:
    market = {**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    ack = client.signed("POST", ORDER, **market).body
    assert (ack["status"], ack["executedQty"]) == ("NEW", "0.000")
    assert "avgPrice" not in ack
    found = client.signed("GET", ORDER, **BTC, orderId=ack["orderId"]).body
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.010")
    result = client.signed("POST", ORDER, **market, newOrderRespType="RESULT").body
    assert (result["status"], result["executedQty"]) == ("FILLED", "0.010")


def test_amendments(client: Any) -> None:
    price = client.price("BTCUSDT", -0.03)
    placed = client.signed("POST", ORDER, **buy(client, price=price)).body
    change = {**BTC, "side": "BUY", "orderId": placed["orderId"]}
    lower = client.price("BTCUSDT", -0.031)
    amended = client.signed("PUT", ORDER, **change, price=lower, quantity="0.02", modifyId=7).body
    assert (amended["modifyId"], float(amended["price"])) == (7, float(lower))
    same = client.signed("PUT", ORDER, **change, price=lower, quantity="0.02")
    assert same.code == -5027
    assert client.signed("PUT", ORDER, **change, quantity="0.02").code == -1102
    (row,) = client.signed("GET", "/fapi/v1/orderAmendment", **BTC, orderId=placed["orderId"]).body
    assert row["amendment"]["origQty"] == {"before": "0.01", "after": "0.02"}


def test_conditional_orders(client: Any) -> None:
    path, under = "/fapi/v1/algoOrder", client.price("BTCUSDT", -0.02)
    stop = {
        **BTC,
        "algoType": "CONDITIONAL",
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "0.010",
        "triggerPrice": under,
        "workingType": "MARK_PRICE",
    }
    assert client.signed("POST", path, **stop, clientAlgoId="wire-1").status == 200
    above = client.price("BTCUSDT", 0.02)
    assert client.signed("POST", path, **{**stop, "triggerPrice": above}).code == -2021
    assert client.signed("POST", path, **{**stop, "triggerPrice": ""}).code == -1102
    assert client.signed("POST", path, **stop, clientAlgoId="wire-1").code == -4116
    both = {**stop, "closePosition": "true"}
    assert client.signed("POST", path, **both).code == -4137
    assert client.signed("DELETE", "/fapi/v1/allOpenOrders", **BTC).status == 200
    (open_one,) = client.signed("GET", "/fapi/v1/openAlgoOrders", **BTC).body
    assert (open_one["clientAlgoId"], open_one["actualOrderId"]) == ("wire-1", "")
    assert client.signed("DELETE", "/fapi/v1/algoOpenOrders", **BTC).status == 200
    found = client.signed("GET", path, clientAlgoId="wire-1").body
    assert found["algoStatus"] == "CANCELED"


def test_test_orders_are_checked_and_leave_no_trace(client: Any) -> None:
    before = client.control("GET", "ledger").body
    assert client.signed("POST", f"{ORDER}/test", **buy(client)).body["status"] == "NEW"
    assert client.signed("POST", f"{ORDER}/test", **buy(client, quantity="900")).code == -2019
    assert client.control("GET", "ledger").body == before


def test_batches(client: Any) -> None:
    import json

    path = "/fapi/v1/batchOrders"
    one, two = buy(client, newClientOrderId="b1"), buy(client, newClientOrderId="b2", price="1")
    answer = client.signed("POST", path, batchOrders=json.dumps([one, two]))
    assert answer.status == 200
    assert [row.get("code", row.get("clientOrderId")) for row in answer.body] == ["b1", -4013]
    assert answer.headers["x-mbx-order-count-10s"]
    too_many = client.signed("POST", path, batchOrders=json.dumps([one] * 6))
    assert too_many.code == -4082
    assert client.signed("POST", path, batchOrders="[").code == -1130
    names = json.dumps(["b1", "none"], separators=(",", ":"))
    cancelled = client.signed("DELETE", path, **BTC, origclientorderidlist=names).body
    assert [row.get("code", row.get("status")) for row in cancelled] == ["CANCELED", -2011]


def test_the_countdown_cancels_plain_orders_only(client: Any, wait_for: Any) -> None:
    client.signed("POST", ORDER, **buy(client, newClientOrderId="cd"))
    stop = {"algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01"}
    under = client.price("BTCUSDT", -0.02)
    client.signed("POST", "/fapi/v1/algoOrder", **BTC, **stop, triggerPrice=under)
    answer = client.signed("POST", "/fapi/v1/countdownCancelAll", **BTC, countdownTime=50)
    assert answer.body == {"symbol": "BTCUSDT", "countdownTime": "50"}
    wait_for(lambda: client.signed("GET", "/fapi/v1/openOrders", **BTC).body == [])
    assert len(client.signed("GET", "/fapi/v1/openAlgoOrders", **BTC).body) == 1


def test_settings_and_their_refusals(client: Any) -> None:
    eth = {"symbol": "ETHUSDT"}
    assert client.signed("POST", "/fapi/v1/leverage", **eth, leverage=126).code == -4028
    assert client.signed("POST", "/fapi/v1/leverage", **eth, leverage=9).body["leverage"] == 9
    assert client.signed("POST", "/fapi/v1/marginType", **eth, marginType="CROSSED").code == -4046
    dual = "/fapi/v1/positionSide/dual"
    assert client.signed("POST", dual, dualSidePosition="false").code == -4059
    client.signed("POST", ORDER, **buy(client))
    assert client.signed("POST", dual, dualSidePosition="true").code == -4067
    client.signed("DELETE", "/fapi/v1/allOpenOrders", **BTC)
    assert client.signed("POST", dual, dualSidePosition="true").status == 200
    assert client.signed("POST", ORDER, **buy(client)).code == -4061
    hedged = buy(client, positionSide="LONG", reduceOnly="true")
    assert client.signed("POST", ORDER, **hedged).code in (-1106, -4062)
    long = buy(client, positionSide="LONG", type="MARKET", price=None, timeInForce=None)
    assert client.signed("POST", ORDER, **long).status == 200
    assert client.signed("POST", dual, dualSidePosition="false").code == -4068
    rows = client.signed("GET", "/fapi/v2/positionRisk", **BTC).body
    assert {row["positionSide"]: row["positionAmt"] for row in rows} == {
        "LONG": "0.010",
        "SHORT": "0.000",
    }
    assert client.signed("POST", ORDER, **{**long, "side": "SELL"}).status == 200
    assert client.signed("POST", ORDER, **{**long, "side": "SELL"}).code == -2022
    assert client.signed("POST", dual, dualSidePosition="false").status == 200
    multi = "/fapi/v1/multiAssetsMargin"
    assert client.signed("POST", multi, multiAssetsMargin="false").code == -4171


def test_isolated_margin_can_be_added_and_taken_back(client: Any) -> None:
    path = "/fapi/v1/positionMargin"
    assert client.signed("POST", path, **BTC, amount="1", type=1).status == 400
    assert client.signed("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED").status == 200
    market = {**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    client.signed("POST", ORDER, **market)
    before = float(client.signed("GET", "/fapi/v3/positionRisk", **BTC).body[0]["isolatedWallet"])
    assert client.signed("POST", path, **BTC, amount="50", type=1).body["amount"] == 50
    after = client.signed("GET", "/fapi/v3/positionRisk", **BTC).body[0]
    assert float(after["isolatedWallet"]) == pytest.approx(before + 50)
    assert float(after["liquidationPrice"]) > 0
    assert client.signed("POST", path, **BTC, amount="100000", type=2).code == -4051
    assert client.signed("POST", "/fapi/v1/marginType", **BTC, marginType="CROSSED").code == -4048
    client.signed("POST", ORDER, **{**market, "side": "SELL"})
    assert client.signed("POST", "/fapi/v1/marginType", **BTC, marginType="CROSSED").status == 200


def test_every_answer_counts_weight_and_orders_count_orders(client: Any) -> None:
    before = int(client.public("/fapi/v1/ping").headers["x-mbx-used-weight-1m"])
    answer = client.public("/fapi/v1/depth", symbol="BTCUSDT", limit=1000)
    used = int(answer.headers["x-mbx-used-weight-1m"])
    assert used - before == 20 or used <= 21  # a new minute may have begun
    placed = client.signed("POST", ORDER, **buy(client))
    assert int(placed.headers["x-mbx-order-count-10s"]) >= 1
    assert int(placed.headers["x-mbx-order-count-1m"]) >= 1
    limits = client.signed("GET", "/fapi/v1/rateLimit/order").body
    assert [row["limit"] for row in limits] == [300, 1_200]


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": 7}, -1130),
        ("/fapi/v1/depth", {"symbol": "btc"}, -1121),
        ("/fapi/v1/depth", {}, -1102),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1501}, -1130),
        ("/fapi/v1/ticker/price", {"symbol": "NOPE"}, -1121),
        ("/fapi/v1/aggTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
    ],
)
def test_wrong_questions_about_the_market(
    client: Any, path: str, parameters: dict[str, Any], code: int
) -> None:
    answer = client.public(path, **parameters)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/fapi/v1/markPriceKlines", "symbol"),
        ("/fapi/v1/indexPriceKlines", "pair"),
        ("/fapi/v1/continuousKlines", "pair"),
    ],
)
def test_bars_of_mark_and_index_prices(client: Any, path: str, name: str) -> None:
    traded = client.public("/fapi/v1/klines", **BTC, interval="1h", limit=48).body
    rows = client.public(path, **{name: "BTCUSDT"}, interval="1h", limit=48).body
    assert [row[0] for row in rows] == [row[0] for row in traded]
    assert all(abs(float(a[4]) / float(b[4]) - 1) < 0.02 for a, b in zip(rows, traded, strict=True))


def test_unknown_paths_and_methods(client: Any) -> None:
    assert client.public("/fapi/v1/nothing").status == 404
    assert client.send("PATCH", ORDER).status in (404, 405)
    assert client.public("/fapi/v1/exchangeInfo").body["timezone"] == "UTC"


def test_a_huge_body_is_refused(client: Any) -> None:
    assert client.send("POST", ORDER, b"a=" + b"x" * 400_000).code == -1101
