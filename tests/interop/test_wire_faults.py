"""Faults on demand, as a client meets them; the ledger tells what really happened."""

from __future__ import annotations

import http.client
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


@pytest.fixture(autouse=True)
def clean(exchange: Any) -> Any:
    yield
    client = exchange.client()
    client.control("DELETE", "faults")
    client.signed("DELETE", "/fapi/v1/allOpenOrders", **BTC)


@pytest.fixture
def place(client: Any, request: pytest.FixtureRequest) -> Callable[[], Any]:
    name = f"f-{abs(hash(request.node.name)) % 10**9}"
    price = client.price("BTCUSDT", -0.03)

    def send() -> Any:
        order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
        return client.signed("POST", ORDER, **BTC, **order, price=price, newClientOrderId=name)

    send.name = name  # type: ignore[attr-defined]
    return send


def fault(client: Any, kind: str, **values: Any) -> None:
    row = {"kind": kind, "endpoint": ORDER, "method": "POST", **values}
    answer = client.control("POST", "faults", row)
    assert answer.status == 200, answer.body


def open_names(exchange: Any) -> list[str]:
    rows = exchange.client().signed("GET", "/fapi/v1/openOrders", **BTC).body
    return [row["clientOrderId"] for row in rows]


@pytest.mark.parametrize(("variant", "code"), [("unknown", 0), ("-1006", -1006), ("-1007", -1007)])
def test_accepted_and_answered_503(
    exchange: Any, client: Any, place: Any, variant: str, code: int
) -> None:
    fault(client, "5xx_after_accept", variant=variant)
    answer = place()
    assert (answer.status, answer.code) == (503, code)
    assert open_names(exchange) == [place.name]
    assert place().code == -4116


@pytest.mark.parametrize(
    ("variant", "code"), [("unavailable", 0), ("-1008", -1008), ("-1001", -1001)]
)
def test_refused_with_503(exchange: Any, client: Any, place: Any, variant: str, code: int) -> None:
    fault(client, "503_not_executed", variant=variant)
    answer = place()
    assert (answer.status, answer.code) == (503, code)
    assert open_names(exchange) == []
    assert place().status == 200


def test_an_unknown_variant_is_refused(client: Any) -> None:
    row = {"kind": "5xx_after_accept", "variant": "nonsense"}
    assert client.control("POST", "faults", row).status == 400


@pytest.mark.parametrize(
    ("kind", "happened"),
    [("timeout_after", True), ("cut_response", True), ("timeout_before", False), ("drop", False)],
)
def test_no_answer_tells_nothing_of_what_happened(
    exchange: Any, client: Any, place: Any, kind: str, happened: bool
) -> None:
    fault(client, kind, ms=50)
    with pytest.raises((ConnectionError, http.client.HTTPException, TimeoutError)):
        place()
    assert open_names(exchange) == ([place.name] if happened else [])


def test_a_hold_without_end_outlasts_the_client(exchange: Any, client: Any, place: Any) -> None:
    fault(client, "timeout_after")
    client.connection.timeout = 0.3
    client.connection.close()
    with pytest.raises(TimeoutError):
        place()
    assert open_names(exchange) == [place.name]


def test_429_and_418(client: Any, exchange: Any, place: Any) -> None:
    fault(client, "429", ms=7_000)
    answer = place()
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, -1003, "7")
    fault(client, "418", ms=300)
    answer = place()
    assert (answer.status, answer.code) == (418, -1003)
    until = int(answer.body["msg"].partition("banned until ")[2].split(".")[0])
    assert client.public("/fapi/v1/time").status == 418
    while client.public("/fapi/v1/time").status == 418:
        assert time.time() * 1_000 < until + 1_000
    assert open_names(exchange) == []


def test_any_code_can_be_had(client: Any, place: Any) -> None:
    fault(client, "reject", code=-5028, message="Timestamp for this request is outside of the ME")
    assert (place().code, place().status) == (-5028, 200)


def test_a_delayed_answer(client: Any, place: Any) -> None:
    fault(client, "delay", ms=200)
    before = time.monotonic()
    assert place().status == 200
    assert time.monotonic() - before >= 0.2


def test_clock_skew(client: Any) -> None:
    client.control("POST", "faults", {"kind": "clock_skew", "ms": 30_000})
    assert client.signed("GET", "/fapi/v3/balance").code == -1021
    ahead = client.public("/fapi/v1/time").body["serverTime"] - time.time() * 1_000
    assert 29_000 < ahead < 31_000
    client.control("DELETE", "faults")
    assert client.signed("GET", "/fapi/v3/balance").status == 200


def test_a_revoked_key(client: Any) -> None:
    client.control("POST", "faults", {"kind": "key_revoked"})
    assert client.signed("GET", "/fapi/v3/balance").code == -2015
    assert client.public("/fapi/v1/time").status == 200


def test_a_stale_snapshot_is_older_than_what_was_seen(client: Any, wait_for: Any) -> None:
    def snapshot() -> int:
        return int(client.public("/fapi/v1/depth", **BTC, limit=5).body["lastUpdateId"])

    first = snapshot()
    newest = wait_for(lambda: (now := snapshot()) > first and now)
    client.control("POST", "faults", {"kind": "stale_snapshot"})
    assert snapshot() < newest <= snapshot()


def test_a_sequence_gap_shows_in_the_previous_id(client: Any, frames: Any) -> None:
    socket = frames("/public/ws/btcusdt@depth@100ms")
    before = socket.next()
    row = {"kind": "sequence_gap", "stream": "btcusdt@depth*", "symbol": "BTCUSDT"}
    client.control("POST", "faults", row)
    seen = [before, *(socket.next() for _ in range(4))]
    breaks = [b["pu"] != a["u"] for a, b in itertools.pairwise(seen)]
    assert sum(breaks) == 1


def test_maintenance_closes_the_sockets_and_answers_503(client: Any, frames: Any) -> None:
    socket = frames("/public/ws/btcusdt@bookTicker")
    socket.next()
    client.control("POST", "faults", {"kind": "maintenance", "ms": 300})
    assert client.public("/fapi/v1/ping").status == 503
    while (frame := socket.socket.recv_frame()).opcode == 1:
        pass
    assert frame.opcode == 8 and int.from_bytes(frame.data[:2], "big") == 1012
    end = time.monotonic() + 5
    while client.public("/fapi/v1/ping").status == 503:
        assert time.monotonic() < end


def test_a_liquidation_cancels_closes_and_is_told(client: Any, frames: Any, place: Any) -> None:
    assert place().status == 200
    client.signed("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    key = client.keyed("POST", "/fapi/v1/listenKey").body["listenKey"]
    socket = frames(f"/private/ws/{key}")
    public = frames("/market/ws/btcusdt@forceOrder")
    client.control("POST", "faults", {"kind": "liquidation", "symbol": "BTCUSDT"})
    rows = socket.until(lambda row: row["e"] == "ACCOUNT_UPDATE")
    orders = [row["o"] for row in rows if row["e"] == "ORDER_TRADE_UPDATE"]
    assert (orders[0]["c"], orders[0]["X"]) == (place.name, "CANCELED")
    closing = [row for row in orders if row["x"] == "CALCULATED"]
    assert closing and all(row["c"].startswith("autoclose-") for row in closing)
    assert closing[-1]["X"] == "FILLED"
    assert public.next()["o"]["S"] == "SELL"
    assert client.signed("GET", "/fapi/v3/positionRisk", **BTC).body == []
    assert client.signed("GET", "/fapi/v1/forceOrders", **BTC).body[-1]["side"] == "SELL"


def test_faults_are_listed_lifted_and_checked(client: Any) -> None:
    unknown = client.control("POST", "faults", {"kind": "gremlins"})
    assert unknown.status == 400 and "drop" in unknown.body["allowed"]
    rows = [{"kind": "drop", "stream": "x"}, {"kind": "delay", "ms": 1, "stream": "y"}]
    first, second = client.control("POST", "faults", rows).body["set"]
    assert client.control("DELETE", f"faults?id={first['id']}").body["faults"] == [second]
    assert client.control("GET", "faults").body["faults"] == [second]
    assert client.send("POST", "/_exchange/faults", b"{").status == 400
    assert client.control("DELETE", "faults?id=x").status == 400
