"""The exchange as a process: its first line, signals, kill -9, limits, ports and markets."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import websocket

from adapters.venues.binance_usdm.emulator import discover, read_ledger
from core.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"

recorded = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded markets at {DATA}")


def market(client: Any, side: str, quantity: str = "0.010") -> Any:
    order = {"side": side, "type": "MARKET", "quantity": quantity}
    return client.signed("POST", ORDER, **BTC, **order)


def ledger(exchange: Any) -> dict[str, Any]:
    found: dict[str, Any] = exchange.client().control("GET", "ledger").body
    return found


def test_the_first_line_says_where_it_listens_and_hides_the_secret(exchange: Any) -> None:
    assert exchange.hello["event"] == "listening"
    assert exchange.hello["pid"] == exchange.process.pid
    assert exchange.hello["rest"].startswith("http://127.0.0.1:")
    assert exchange.hello["ws"].startswith("ws://127.0.0.1:")
    assert exchange.secret not in json.dumps(exchange.hello)
    assert exchange.secret not in Path(f"/proc/{exchange.process.pid}/cmdline").read_text()


def test_a_running_exchange_is_found_and_a_stopped_one_is_not(
    start_exchange: Callable[..., Any],
) -> None:
    exchange = start_exchange()
    found = discover(exchange.state, "binance")
    assert found is not None
    assert (found.rest, found.ws, found.pid) == (exchange.rest, exchange.ws, exchange.process.pid)
    assert (found.key, found.secret) == (exchange.key, exchange.secret)
    assert exchange.secret not in repr(found)
    assert exchange.stop() == 0
    assert discover(exchange.state, "binance") is None


def test_a_terminated_exchange_keeps_its_account_and_goes_on(
    start_exchange: Callable[..., Any],
) -> None:
    first = start_exchange()
    client = first.client()
    market(client, "BUY")
    key = client.keyed("POST", "/fapi/v1/listenKey").body["listenKey"]
    before = ledger(first)
    assert first.stop() == 0
    assert first.errors == ""
    assert read_ledger(first.state, "binance") == before
    second = start_exchange(state=first.state)
    assert ledger(second) == before
    assert second.client().keyed("PUT", "/fapi/v1/listenKey").body["listenKey"] == key
    mark = float(second.client().public("/fapi/v1/premiumIndex", **BTC).body["markPrice"])
    assert abs(mark / float(before["fills"][0]["price"]) - 1) < 0.05


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_whatever_is_open(
    start_exchange: Callable[..., Any],
    connect: Callable[..., Any],
    wait_for: Callable[..., Any],
    wish: signal.Signals,
) -> None:
    exchange = start_exchange()
    client = exchange.client()
    socket = connect(exchange, "/public/ws/btcusdt@bookTicker")
    socket.next()
    client.control("POST", "faults", {"kind": "timeout_after", "endpoint": "/fapi/v1/time"})
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(client.public("/fapi/v1/time"))
        except OSError as error:
            answers.append(error)

    held = threading.Thread(target=ask)
    held.start()
    wait_for(lambda: not exchange.client().control("GET", "faults").body["faults"])
    exchange.process.send_signal(wish)
    assert exchange.process.wait(10) == 0
    held.join(10)
    assert isinstance(answers[0], OSError)
    assert exchange.errors == ""
    assert not (exchange.state / "binance" / "exchange.json").exists()


@pytest.mark.parametrize("round_", range(3))
def test_a_killed_exchange_keeps_every_answer_and_event_it_gave(
    start_exchange: Callable[..., Any], connect: Callable[..., Any], round_: int
) -> None:
    exchange = start_exchange("--balance", "100000")
    client = exchange.client()
    key = client.keyed("POST", "/fapi/v1/listenKey").body["listenKey"]
    socket = connect(exchange, f"/private/ws/{key}")
    price = client.price("BTCUSDT", -0.03)
    answered: dict[str, str] = {}
    killer = threading.Timer(0.15 + 0.1 * round_, exchange.kill)
    killer.start()
    try:
        for number in range(100_000):
            name = f"k{number}"
            if number % 3 == 2:
                last = f"k{number - 1}"
                if client.signed("DELETE", ORDER, **BTC, origClientOrderId=last).status == 200:
                    answered[last] = "cancelled"
            elif number % 3 == 1:
                order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTX", "price": price}
                values = {**order, "quantity": "0.010", "newClientOrderId": name}
                if client.signed("POST", ORDER, **BTC, **values).status == 200:
                    answered[name] = "new"
            else:
                side = "BUY" if number % 2 else "SELL"
                order = {"side": side, "type": "MARKET", "quantity": "0.001"}
                sent = {**order, "newClientOrderId": name, "newOrderRespType": "RESULT"}
                answer = client.signed("POST", ORDER, **BTC, **sent)
                if answer.status == 200:
                    answered[name] = answer.body["status"].lower()
    except (OSError, http.client.HTTPException):
        pass  # killed in the middle of a call, as meant
    killer.join()
    assert len(answered) > 20
    told: set[str] = set()
    try:
        while row := socket.next():
            if row["e"] == "TRADE_LITE":
                told.add(str(row["t"]))
    except (OSError, ValueError, websocket.WebSocketException):
        pass  # the socket's end
    kept = read_ledger(exchange.state, "binance")
    statuses = {row["client_order_id"]: row["status"] for row in kept["orders"]}
    for name, status in answered.items():
        assert statuses[name] in (status, "cancelled"), name
    assert told and told <= {row["fill_id"] for row in kept["fills"]}
    again = start_exchange(state=exchange.state)
    assert ledger(again) == kept
    market(again.client(), "BUY")
    numbers = [int(row["fill_id"]) for row in ledger(again)["fills"]]
    assert len(set(numbers)) == len(numbers)


def test_a_full_disk_stops_it_with_nothing_told_that_was_not_kept(
    start_exchange: Callable[..., Any],
) -> None:
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    exchange = start_exchange(prepare=small_disk)
    client = exchange.client()
    answered = []
    with pytest.raises((OSError, http.client.HTTPException, AssertionError)):
        for number in range(2_000):
            answer = market(client, "SELL" if number % 2 else "BUY", "0.001")
            assert answer.status == 200
            answered.append(str(answer.body["orderId"]))
    assert exchange.process.wait(10) == 1
    assert exchange.errors.startswith("error: the local exchange cannot go on")
    assert exchange.errors.count("\n") == 1
    kept = read_ledger(exchange.state, "binance")
    assert answered and set(answered) <= {row["order_id"] for row in kept["orders"]}
    again = start_exchange(state=exchange.state)
    assert ledger(again) == kept


def test_the_account_has_one_exchange_at_a_time(exchange: Any) -> None:
    other = command("--state", str(exchange.state))
    assert other.returncode == 2
    assert other.stderr.startswith("error: another local exchange holds this account")
    assert other.stderr.count("\n") == 1


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", "exchange", "--venue", "binance", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={name: value for name, value in os.environ.items() if "SECRET" not in name},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--symbols", "NOPE"),
        ("--symbols", "UNPRICEDUSDT"),
        ("--market", "nothing.gz"),
        ("--faults", "nothing.toml"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command("--state", str(tmp_path), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_port_in_use_is_told(exchange: Any, tmp_path: Path) -> None:
    done = command("--state", str(tmp_path), "--port", str(exchange.port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1:{exchange.port}")


def test_too_much_weight_is_429_and_going_on_is_418(start_exchange: Callable[..., Any]) -> None:
    client = start_exchange().client()
    answers = []
    for _ in range(200):
        answers.append(client.public("/fapi/v1/depth", **BTC, limit=1000))
        if answers[-1].status == 418:
            break
    statuses = [answer.status for answer in answers]
    assert statuses == sorted(statuses, key=(200, 429, 418).index)
    assert {200, 429, 418} == set(statuses)
    limited = answers[statuses.index(429)]
    assert limited.code == -1003 and 1 <= int(limited.headers["retry-after"]) <= 60
    assert "banned until" in answers[-1].body["msg"]


def test_too_many_orders_are_429(start_exchange: Callable[..., Any]) -> None:
    client = start_exchange().client()
    path = f"{ORDER}/test"
    refused = None
    for _ in range(700):
        answer = client.signed("PUT", ORDER, **BTC, side="BUY", quantity="1", price="1", orderId=1)
        if answer.status == 429:
            refused = answer
            break
        assert answer.code == -2013
    assert refused is not None and refused.code == -1015
    assert "retry-after" in refused.headers
    assert client.signed("POST", path, **BTC).code == -1102


def test_faults_from_a_file(start_exchange: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[[faults]]\nkind = "503_not_executed"\nendpoint = "/fapi/v1/time"\n')
    client = start_exchange("--faults", str(path)).client()
    assert [client.public("/fapi/v1/time").status for _ in range(2)] == [503, 200]


@recorded
def test_a_recorded_session_is_played_with_its_own_book(
    start_exchange: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    folder = DATA / "hftbacktest" / "usdm"
    names = [folder / "btcusdt_20240718.gz", folder / "btcusdt_20240719.gz"]
    exchange = start_exchange("--market", ",".join(map(str, names)), "--speed", "20")
    client = exchange.client()
    assert list(client.control("GET", "health").body["market"]) == ["BTCUSDT"]
    first = client.public("/fapi/v1/depth", **BTC, limit=1000).body
    assert len(first["bids"]) == 1000 and 63_000 < float(first["bids"][0][0]) < 65_000
    later = wait_for(
        lambda: (
            row
            if (row := client.public("/fapi/v1/depth", **BTC, limit=5).body)["lastUpdateId"]
            > first["lastUpdateId"] + 1_000_000
            else None
        )
    )
    assert float(later["bids"][0][0]) < float(later["asks"][0][0])
    assert client.control("GET", "health").body["market"]["BTCUSDT"]["book_errors"] == 0
    assert market(client, "BUY").status == 200
    assert client.public("/fapi/v1/premiumIndex", **BTC).body["nextFundingTime"] > 0
    assert exchange.stop() == 0


def test_when_a_recording_is_over_its_last_book_stands(
    start_exchange: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    def frame(at_ms: int, stream: str, **data: Any) -> str:
        row = {"stream": f"btcusdt@{stream}", "data": {"s": "BTCUSDT", "E": at_ms, **data}}
        return f"{at_ms}000000 {json.dumps(row)}"

    start = 1_721_347_020_000
    snapshot = {"lastUpdateId": 5, "E": start, "T": start}
    snapshot |= {"bids": [["60000.00", "1.000"]], "asks": [["60000.10", "2.000"]]}
    quote = {"u": 5, "b": "60000.00", "B": "1.000", "a": "60000.10", "A": "2.000", "T": start}
    delta = {"U": 6, "u": 9, "pu": 5, "b": [["60000.00", "3.000"]], "a": []}
    lines = [
        frame(start, "bookTicker", **quote),
        f"{start}000000 {json.dumps(snapshot)}",
        frame(start + 200, "depth@0ms", T=start + 200, **delta),
    ]
    path = tmp_path / "session.txt"
    path.write_text("\n".join(lines) + "\n")
    exchange = start_exchange("--market", str(path))
    wait_for(lambda: "the last book stands" in exchange.errors)
    book = exchange.client().public("/fapi/v1/depth", **BTC, limit=5).body
    assert (book["lastUpdateId"], book["bids"]) == (9, [["60000.00", "3.000"]])
    answer = market(exchange.client(), "BUY")
    assert answer.status == 200
    assert ledger(exchange)["fills"][0]["price"] == "60000.1"
    assert exchange.stop() == 0


@recorded
def test_a_funding_settlement_is_booked_once_and_told(
    start_exchange: Callable[..., Any], connect: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    """The session ends where the venue settled, at midnight: 100 s of market, 40 times as fast."""
    path = DATA / "hftbacktest" / "usdm" / "btcusdt_20230404.dat.gz"
    exchange = start_exchange("--market", str(path), "--speed", "40")
    client = exchange.client()
    wait_for(lambda: client.public("/fapi/v1/premiumIndex", **BTC).status == 200)
    key = client.keyed("POST", "/fapi/v1/listenKey").body["listenKey"]
    socket = connect(exchange, f"/private/ws/{key}")
    assert market(client, "BUY", "0.100").status == 200
    wallet = Decimal(ledger(exchange)["balances"]["binance"]["USDT"]["wallet"])
    told = socket.until(
        lambda row: row["e"] == "ACCOUNT_UPDATE" and row["a"]["m"] == "FUNDING_FEE", 20
    )[-1]
    (row,) = client.signed("GET", "/fapi/v1/income", incomeType="FUNDING_FEE").body
    paid = Decimal(row["income"])
    rate = Decimal("0.00002754")
    assert Decimal("-0.1") * 29_000 * rate < paid < Decimal("-0.1") * 27_000 * rate
    assert told["a"]["P"] == []
    assert Decimal(told["a"]["B"][0]["wb"]) == wallet + paid
    assert ledger(exchange)["balances"]["binance"]["USDT"]["wallet"] == f"{wallet + paid:f}".rstrip(
        "0"
    )
    (settled,) = client.public("/fapi/v1/fundingRate", **BTC).body
    assert settled["fundingTime"] == row["time"] and 0 < float(settled["fundingRate"]) < 0.001
    exchange.kill()
    again = start_exchange("--market", str(path), "--speed", "40", state=exchange.state)
    rows = again.client().signed("GET", "/fapi/v1/income", incomeType="FUNDING_FEE").body
    assert rows == [row]


@recorded
def test_recorded_bars_are_played_after_their_own_past(
    start_exchange: Callable[..., Any], connect: Callable[..., Any]
) -> None:
    path = DATA / "owlacar-isda" / "binance-um-klines" / "LTCUSDT-1m-2026-02.csv.gz"
    exchange = start_exchange("--market", str(path), "--speed", "5")
    client = exchange.client()
    rows = client.public("/fapi/v1/klines", symbol="LTCUSDT", interval="1m", limit=1_500).body
    assert len(rows) == 1_500
    assert all(50 < float(row[4]) < 70 for row in rows)
    ticker = client.public("/fapi/v1/ticker/bookTicker", symbol="LTCUSDT").body
    assert float(ticker["bidPrice"]) < float(ticker["askPrice"])
    socket = connect(exchange, "/public/ws/ltcusdt@depth@100ms")
    first, second = socket.next(), socket.next()
    assert second["pu"] == first["u"] and second["b"] and second["a"]
    order = {"symbol": "LTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    answer = client.signed("POST", ORDER, **order, newOrderRespType="RESULT")
    assert answer.body.get("status") == "FILLED", answer.body


def test_a_damaged_account_is_told_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "binance"
    folder.mkdir()
    (folder / "exchange.db").write_bytes(b"not a database" * 1_000)
    done = command("--state", str(tmp_path))
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    with pytest.raises(UsageError):
        read_ledger(tmp_path, "binance")
