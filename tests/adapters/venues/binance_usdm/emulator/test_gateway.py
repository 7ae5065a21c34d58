"""The gateway in one piece: no input makes it fail, and no change is told that was not kept."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.venues.binance_usdm.emulator.endpoints import Security
from adapters.venues.binance_usdm.emulator.gateway import ENDPOINTS
from adapters.venues.binance_usdm.emulator.limits import RateLimits

NAMES = [
    *("symbol", "side", "type", "timeInForce", "quantity", "price", "positionSide", "reduceOnly"),
    *("newClientOrderId", "orderId", "origClientOrderId", "limit", "startTime", "endTime"),
    *("interval", "pair", "leverage", "marginType", "amount", "algoType", "triggerPrice"),
    *("callbackRate", "activatePrice", "clientAlgoId", "algoId", "closePosition", "workingType"),
    *("batchOrders", "orderIdList", "countdownTime", "goodTillDate", "priceMatch", "fromId"),
    *("dualSidePosition", "multiAssetsMargin", "recvWindow", "page", "newOrderRespType"),
]
VALUES = st.one_of(
    st.sampled_from(
        [
            *("BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "GTC", "GTX", "IOC", "FOK", "GTD"),
            *("0.01", "62000", "62000.1", "1", "5", "500", "true", "false", "1m", "1h", "LONG"),
            *("CONDITIONAL", "STOP_MARKET", "TRAILING_STOP_MARKET", "ISOLATED", "QUEUE_20"),
            *("1e999999", "-1e-999999", "9" * 39, "NaN", "Infinity", "-0", "1e5", "0x10"),
            *("9223372036854775807", "-9223372036854775808", "[]", "[[]]", "[1]", "[{}]"),
            *('[{"symbol":[1]}]', '["a"]', "{", "null", "测试USDT", "\x00"),
        ]
    ),
    st.text(max_size=12),
)


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    endpoint=st.sampled_from(sorted(ENDPOINTS)),
    parameters=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=9),
    symbol=st.booleans(),
)
def test_no_parameters_make_it_fail(
    desk: Any, endpoint: tuple[str, str], parameters: dict[str, str], symbol: bool
) -> None:
    desk.venue.limits = RateLimits(weight=10**9, orders_10s=10**9, orders_1m=10**9)
    if symbol:
        parameters["symbol"] = "BTCUSDT"
    status, body = desk.call(*endpoint, **parameters)
    assert status == 200 or (status == 400 and body["code"] < 0 and body["msg"]), body


PLAIN = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "62000",
}
CONDITIONAL = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "algoType": "CONDITIONAL",
    "quantity": "0.010",
    "triggerPrice": "62000",
}


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    good=st.sampled_from([PLAIN, CONDITIONAL]),
    changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
)
def test_no_change_to_a_good_order_makes_it_fail(
    desk: Any, good: dict[str, str], changes: dict[str, str]
) -> None:
    desk.venue.limits = RateLimits(weight=10**9, orders_10s=10**9, orders_1m=10**9)
    path = "/fapi/v1/algoOrder" if "algoType" in good else "/fapi/v1/order"
    status, body = desk.call("POST", path, **{**good, **changes})
    assert status == 200 or (status == 400 and body["code"] < 0 and body["msg"]), body


@given(query=st.binary(max_size=60))
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_bytes_make_it_fail(desk: Any, query: bytes) -> None:
    desk.venue.limits = RateLimits(weight=10**9)
    status, body = desk.raw("POST", "/fapi/v1/order", query)
    assert status == 400 and body["code"] < 0


def test_every_account_endpoint_wants_a_signature(desk: Any) -> None:
    for (method, path), endpoint in ENDPOINTS.items():
        status, body = desk.raw(method, path, b"timestamp=1&symbol=BTCUSDT&signature=00")
        signed = endpoint.security is Security.SIGNED
        assert (status == 400 and body.get("code") == -1022) is signed, (method, path, body)


def test_a_change_that_cannot_be_kept_is_not_told_and_nothing_follows(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    told: list[object] = []
    monkeypatch.setattr(desk.venue.account_stream, "publish", told.append)
    monkeypatch.setattr(desk.venue.store, "save", full)
    assert desk.call("POST", "/fapi/v1/order", **order)[0] == 500
    assert told == []
    monkeypatch.undo()
    assert desk.call("POST", "/fapi/v1/order", **order)[0] == 503
    assert desk.call("GET", "/fapi/v3/balance")[0] == 503
