"""Calls into a venue whose market stands still: what each takes, gives and refuses."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from core.messages import Key, MarkPrice

D = Decimal
BTC = {"symbol": "BTCUSDT"}
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
LIMIT = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
MARKET = {**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.010"}


def ok(desk: Any, method: str, path: str, **parameters: Any) -> Any:
    status, body = desk.call(method, path, **parameters)
    assert status == 200, body
    return body


def refused(desk: Any, method: str, path: str, **parameters: Any) -> int:
    status, body = desk.call(method, path, **parameters)
    assert status == 400, body
    return int(body["code"])


def book(desk: Any) -> dict[str, list[Decimal]]:
    found = ok(desk, "GET", "/fapi/v1/depth", **BTC, limit=20)
    return {side: [D(price) for price, _ in found[side]] for side in ("bids", "asks")}


def mark_at(desk: Any, price: Decimal) -> None:
    venue = desk.venue
    now_ns = venue.clock.now_ns()
    old = venue.exchange.mark("BTCUSDT")
    venue.on_market(
        [MarkPrice(Key("binance", "BTCUSDT"), price, price, D(0), old.next_funding_ns, now_ns)]
    )


@pytest.mark.parametrize(
    ("match", "side", "level"),
    [
        ("QUEUE", "bids", 0),
        ("QUEUE_5", "bids", 4),
        ("QUEUE_20", "bids", 19),
        ("OPPONENT", "asks", 0),
        ("OPPONENT_10", "asks", 9),
    ],
)
def test_a_price_match_takes_the_books_price(desk: Any, match: str, side: str, level: int) -> None:
    price = book(desk)[side][level]
    placed = ok(desk, "POST", ORDER, **LIMIT, priceMatch=match)
    assert D(placed["price"]) == price


def test_a_price_match_excludes_a_price(desk: Any) -> None:
    assert refused(desk, "POST", ORDER, **LIMIT, priceMatch="QUEUE", price="60000") == -5037
    assert refused(desk, "POST", ORDER, **LIMIT, priceMatch="QUEUE_7") == -5037


def test_a_modification_may_match_a_price_too(desk: Any) -> None:
    number = ok(desk, "POST", ORDER, **LIMIT, priceMatch="QUEUE_20")["orderId"]
    change = {**BTC, "side": "BUY", "orderId": number, "quantity": "0.010"}
    moved = ok(desk, "PUT", ORDER, **change, priceMatch="QUEUE_5")
    assert D(moved["price"]) == book(desk)["bids"][4]
    assert refused(desk, "PUT", ORDER, **{**change, "side": "SELL"}, price="60000") == -1117
    assert refused(desk, "PUT", ORDER, **change, price="60000", reduceOnly="true") == -5047
    assert refused(desk, "PUT", ORDER, **{**change, "quantity": ""}, price="60000") == -1102


def test_batches_of_modifications(desk: Any) -> None:
    bids = book(desk)["bids"]
    number = ok(desk, "POST", ORDER, **LIMIT, price=str(bids[5]))["orderId"]
    change = {**BTC, "side": "BUY", "orderId": number, "quantity": "0.02", "price": str(bids[6])}
    rows = ok(desk, "PUT", "/fapi/v1/batchOrders", batchOrders=json.dumps([change, change]))
    assert (D(rows[0]["price"]), rows[1]["code"]) == (bids[6], -5027)


def test_a_batch_may_name_orders_by_number(desk: Any) -> None:
    bids = book(desk)["bids"]
    numbers = [ok(desk, "POST", ORDER, **LIMIT, price=str(bid))["orderId"] for bid in bids[5:7]]
    rows = ok(desk, "DELETE", "/fapi/v1/batchOrders", **BTC, orderIdList=json.dumps([*numbers, 5]))
    assert [row.get("status", row.get("code")) for row in rows] == ["CANCELED", "CANCELED", -2011]
    assert refused(desk, "DELETE", "/fapi/v1/batchOrders", **BTC, orderIdList="[") == -1130
    eleven = json.dumps([1] * 11)
    assert refused(desk, "DELETE", "/fapi/v1/batchOrders", **BTC, orderIdList=eleven) == -4082


def test_a_good_till_date_is_kept(desk: Any) -> None:
    until = desk.venue.clock.told_ms() // 1_000 * 1_000 + 700_000
    order = {**LIMIT, "timeInForce": "GTD", "goodTillDate": until}
    placed = ok(desk, "POST", ORDER, **order, price=str(book(desk)["bids"][5]))
    assert (placed["timeInForce"], placed["goodTillDate"]) == ("GTD", until)


def test_open_orders_one_and_all(desk: Any) -> None:
    bid = str(book(desk)["bids"][5])
    number = ok(desk, "POST", ORDER, **LIMIT, price=bid)["orderId"]
    assert ok(desk, "GET", "/fapi/v1/openOrder", **BTC, orderId=number)["orderId"] == number
    assert [row["orderId"] for row in ok(desk, "GET", "/fapi/v1/openOrders")] == [number]
    ok(desk, "DELETE", ORDER, **BTC, orderId=number)
    assert refused(desk, "GET", "/fapi/v1/openOrder", **BTC, orderId=number) == -2013
    assert refused(desk, "GET", "/fapi/v1/openOrder", **BTC, orderId=number + 1) == -2013


def test_all_orders_page_by_number_and_time(desk: Any) -> None:
    path = "/fapi/v1/allOrders"
    bid = str(book(desk)["bids"][5])
    numbers = []
    for _ in range(4):
        numbers.append(ok(desk, "POST", ORDER, **LIMIT, price=bid)["orderId"])
    ids = lambda **p: [row["orderId"] for row in ok(desk, "GET", path, **BTC, **p)]  # noqa: E731
    assert ids() == numbers
    assert ids(limit=2) == numbers[-2:]
    assert ids(orderId=numbers[1], limit=2) == numbers[1:3]
    now = desk.venue.clock.told_ms()
    assert ids(startTime=now - 60_000, endTime=now + 60_000) == numbers
    assert ids(startTime=now + 60_000) == []
    week = 8 * 86_400_000
    assert refused(desk, "GET", path, **BTC, startTime=now - week, endTime=now) == -1127
    assert refused(desk, "GET", path, **BTC, limit=1_001) == -1130


def test_fills_page_by_number_time_and_order(desk: Any) -> None:
    path = "/fapi/v1/userTrades"
    numbers = [ok(desk, "POST", ORDER, **MARKET)["orderId"] for _ in range(3)]
    rows = ok(desk, "GET", path, **BTC)
    assert [row["orderId"] for row in rows] == numbers
    assert all(later["id"] > earlier["id"] for earlier, later in pairwise(rows))
    from_second = ok(desk, "GET", path, **BTC, fromId=rows[1]["id"], limit=1)
    assert [row["id"] for row in from_second] == [rows[1]["id"]]
    assert [row["id"] for row in ok(desk, "GET", path, **BTC, limit=1)] == [rows[2]["id"]]
    by_order = ok(desk, "GET", path, **BTC, orderId=numbers[1])
    assert [row["orderId"] for row in by_order] == [numbers[1]]
    at = rows[0]["time"]
    assert len(ok(desk, "GET", path, **BTC, startTime=at, endTime=at + 60_000)) == 3
    assert ok(desk, "GET", path, **BTC, endTime=at - 1) == []
    assert refused(desk, "GET", path, **BTC, fromId=1, startTime=at) == -1128


def test_income_pages_and_chooses(desk: Any) -> None:
    ok(desk, "POST", ORDER, **MARKET)
    ok(desk, "POST", ORDER, **{**MARKET, "side": "SELL"})
    rows = ok(desk, "GET", "/fapi/v1/income")
    kinds = [row["incomeType"] for row in rows]
    assert sorted(kinds) == ["COMMISSION", "COMMISSION", "REALIZED_PNL", "TRANSFER"]
    assert len({row["tranId"] for row in rows}) == 4
    assert ok(desk, "GET", "/fapi/v1/income", limit=2, page=2) == rows[2:]
    fees = ok(desk, "GET", "/fapi/v1/income", incomeType="COMMISSION", symbol="BTCUSDT")
    assert all(D(row["income"]) < 0 for row in fees)
    total = sum(D(row["income"]) for row in rows)
    assert D(ok(desk, "GET", "/fapi/v3/balance")[0]["balance"]) == total
    assert ok(desk, "GET", "/fapi/v1/income", incomeType="WELCOME_BONUS") == []
    assert refused(desk, "GET", "/fapi/v1/income", limit=0) == -1130


def test_a_trailing_stop_carries_its_figures(desk: Any) -> None:
    trailing = {
        **BTC,
        "algoType": "CONDITIONAL",
        "side": "SELL",
        "type": "TRAILING_STOP_MARKET",
        "quantity": "0.010",
    }
    above = f"{book(desk)['asks'][0] * D('1.01'):.1f}"
    placed = ok(desk, "POST", ALGO, **trailing, callbackRate="1.5", activatePrice=above)
    assert (placed["callbackRate"], D(placed["activatePrice"])) == ("1.5", D(above))
    for rate in ("0.05", "10.1"):
        assert refused(desk, "POST", ALGO, **trailing, callbackRate=rate) == -1130
    assert refused(desk, "POST", ALGO, **trailing) == -1102


def test_a_stop_that_closes_the_position_goes_with_it(desk: Any) -> None:
    ok(desk, "POST", ORDER, **MARKET)
    under = f"{book(desk)['bids'][0] * D('0.98'):.1f}"
    closing = {
        **BTC,
        "algoType": "CONDITIONAL",
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": under,
        "closePosition": "true",
    }
    placed = ok(desk, "POST", ALGO, **closing, clientAlgoId="close-1")
    assert (placed["closePosition"], placed["timeInForce"]) == (True, "GTE_GTC")
    assert refused(desk, "POST", ALGO, **closing, clientAlgoId="close-2") == -4130
    assert refused(desk, "POST", ALGO, **closing, reduceOnly="true") == -4138
    ok(desk, "POST", ORDER, **{**MARKET, "side": "SELL"})
    ended = ok(desk, "GET", ALGO, clientAlgoId="close-1")["algoStatus"]
    assert ended in ("EXPIRED", "CANCELED")


def test_conditional_orders_are_listed_by_symbol_number_and_page(desk: Any) -> None:
    under = f"{book(desk)['bids'][0] * D('0.98'):.1f}"
    stop = {**BTC, "algoType": "CONDITIONAL", "side": "SELL", "type": "STOP", "quantity": "0.010"}
    stop |= {"triggerPrice": under, "price": under}
    numbers = [ok(desk, "POST", ALGO, **stop)["algoId"] for _ in range(3)]
    ok(desk, "DELETE", ALGO, algoId=numbers[0])
    open_ones = ok(desk, "GET", "/fapi/v1/openAlgoOrders")
    assert [row["algoId"] for row in open_ones] == numbers[1:]
    path = "/fapi/v1/allAlgoOrders"
    assert [row["algoId"] for row in ok(desk, "GET", path, **BTC)] == numbers
    assert [row["algoId"] for row in ok(desk, "GET", path, **BTC, limit=2, page=2)] == numbers[2:]
    assert refused(desk, "POST", ALGO, **{**stop, "algoType": "VP"}) == -1130
    assert refused(desk, "POST", ALGO, **stop, workingType="INDEX_PRICE") == -1130
    assert refused(desk, "GET", ALGO) == -1102


def test_market_figures_of_all_symbols(make_desk: Any) -> None:
    desk = make_desk(symbols=("BTCUSDT", "ETHUSDT"))
    for path in (
        "/fapi/v1/premiumIndex",
        "/fapi/v1/ticker/bookTicker",
        "/fapi/v2/ticker/price",
        "/fapi/v1/ticker/24hr",
    ):
        rows = ok(desk, "GET", path)
        assert [row["symbol"] for row in rows] == ["BTCUSDT", "ETHUSDT"]
        assert ok(desk, "GET", path, symbol="ETHUSDT")["symbol"] == "ETHUSDT"
    for path in ("/fapi/v1/leverageBracket", "/fapi/v1/symbolConfig", "/fapi/v1/adlQuantile"):
        assert len(ok(desk, "GET", path)) == 2
        assert len(ok(desk, "GET", path, symbol="ETHUSDT")) == 1


def test_the_accounts_figures_agree_in_both_versions(desk: Any) -> None:
    ok(desk, "POST", ORDER, **MARKET)
    old, new = (ok(desk, "GET", f"/fapi/v{version}/account") for version in (2, 3))
    for name in ("totalWalletBalance", "totalMaintMargin", "availableBalance"):
        assert old[name] == new[name]
    (position,) = new["positions"]
    assert old["positions"][0]["leverage"] == "20" and "leverage" not in position
    (risk,) = ok(desk, "GET", "/fapi/v3/positionRisk")
    assert risk["unRealizedProfit"] == position["unrealizedProfit"]
    assert "leverage" not in risk
    assert ok(desk, "GET", "/fapi/v2/positionRisk", **BTC)[0]["marginType"] == "cross"
    assert old["canTrade"] is True


def test_a_losing_position_is_warned_of_and_then_liquidated(make_desk: Any) -> None:
    desk = make_desk(balance=D(1_000))
    told: list[str] = []
    hub = desk.venue.hub
    hub.publish_user = lambda key, event, payload, symbol="": told.append(event)
    hub.wanted = lambda stream: True
    desk.venue.listen_keys.open(desk.venue.clock.told_ms())
    ok(desk, "POST", "/fapi/v1/leverage", **BTC, leverage=100)
    ok(desk, "POST", ORDER, **{**MARKET, "quantity": "0.500"})
    (risk,) = ok(desk, "GET", "/fapi/v3/positionRisk")
    line = D(risk["liquidationPrice"])
    assert 0 < line < D(risk["entryPrice"])
    mark_at(desk, line + 30)
    assert "MARGIN_CALL" in told
    mark_at(desk, line - 30)
    assert ok(desk, "GET", "/fapi/v3/positionRisk") == []
    closed = ok(desk, "GET", "/fapi/v1/forceOrders", **BTC)
    assert closed[-1]["clientOrderId"].startswith("autoclose-")
    assert D(ok(desk, "GET", "/fapi/v3/balance")[0]["balance"]) >= 0


def test_a_key_may_trade_and_not_withdraw(desk: Any) -> None:
    rights = ok(desk, "GET", "/sapi/v1/account/apiRestrictions")
    assert rights["enableFutures"] is True and rights["enableWithdrawals"] is False
    assert ok(desk, "GET", "/fapi/v1/commissionRate", **BTC)["takerCommissionRate"] == "0.0005"
    assert ok(desk, "GET", "/fapi/v1/positionSide/dual") == {"dualSidePosition": False}
    assert ok(desk, "GET", "/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}
    assert refused(desk, "POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin="true") == -1020
    assert refused(desk, "POST", "/fapi/v1/leverage", **BTC, leverage="many") == -1102
    assert refused(desk, "POST", "/fapi/v1/marginType", **BTC, marginType="PORTFOLIO") == -1130
    margin = "/fapi/v1/positionMargin"
    assert refused(desk, "POST", margin, **BTC, amount="-1", type=1) == -1102
    assert refused(desk, "POST", margin, **BTC, amount="1", type=3) == -1130
