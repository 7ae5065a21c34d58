"""Streams as they are on the wire: URL forms, routes, order of events, sequence numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import websocket

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


@pytest.fixture(scope="module")
def exchange(start_exchange: Callable[..., Any]) -> Any:
    """A market that moves four times as fast, so that orders fill within seconds."""
    return start_exchange("--seed", "7", "--speed", "4")


@pytest.fixture
def listen_key(client: Any) -> str:
    return str(client.keyed("POST", "/fapi/v1/listenKey").body["listenKey"])


@pytest.fixture(autouse=True)
def clean(exchange: Any) -> Any:
    yield
    client = exchange.client()
    client.control("DELETE", "faults")
    client.signed("DELETE", "/fapi/v1/allOpenOrders", **BTC)
    client.signed("DELETE", "/fapi/v1/algoOpenOrders", **BTC)
    for row in client.signed("GET", "/fapi/v3/positionRisk", **BTC).body:
        if held := float(row["positionAmt"]):
            side = "SELL" if held > 0 else "BUY"
            order = {"side": side, "type": "MARKET", "quantity": abs(held), "reduceOnly": "true"}
            client.signed("POST", ORDER, **BTC, **order)


def event(row: Any) -> str:
    return str(row.get("e", ""))


def test_raw_and_wrapped_frames(frames: Callable[[str], Any]) -> None:
    raw = frames("/public/ws/btcusdt@bookTicker").next()
    assert (raw["e"], raw["s"]) == ("bookTicker", "BTCUSDT")
    assert Decimal(raw["b"]) < Decimal(raw["a"])
    socket = frames("/public/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker")
    rows = socket.until(lambda row: row["stream"] == "ethusdt@bookTicker")
    assert rows[-1]["data"]["s"] == "ETHUSDT"


def test_subscriptions_by_message(frames: Callable[[str], Any]) -> None:
    socket = frames("/market/ws")
    assert socket.ask(method="SUBSCRIBE", params=["btcusdt@markPrice@1s"], id=1) == {
        "result": None,
        "id": 1,
    }
    assert socket.ask(method="LIST_SUBSCRIPTIONS", id="b")["result"] == ["btcusdt@markPrice@1s"]
    mark = socket.until(lambda row: event(row) == "markPriceUpdate")[-1]
    assert mark["T"] > mark["E"] and Decimal(mark["p"]) > 0 and "i" in mark and "r" in mark
    assert socket.ask(method="UNSUBSCRIBE", params=["btcusdt@markPrice@1s"], id=2)["id"] == 2
    assert socket.ask(method="LIST_SUBSCRIPTIONS", id=3)["result"] == []
    assert socket.ask(method="JUMP", id=4)["error"]["code"] == 2
    socket.socket.send("{")
    assert socket.next()["error"]["code"] == 3


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [5], "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [], "id": {}}, 2),
        ({"method": "SUBSCRIBE", "params": [f"s{n}@trade" for n in range(1_025)], "id": 1}, 2),
        ({"method": "SET_PROPERTY", "params": ["colour", 1], "id": 1}, 2),
        ({"id": 1}, 2),
        ([], 2),
        ("SUBSCRIBE", 2),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_messages_are_answered_and_the_connection_lives(
    frames: Callable[[str], Any], message: Any, code: int
) -> None:
    socket = frames("/market/ws")
    socket.socket.send(json.dumps(message))
    assert socket.next()["error"]["code"] == code
    assert socket.ask(method="LIST_SUBSCRIPTIONS", id=9)["result"] == []


def test_wrapping_is_a_property_of_the_connection(frames: Callable[[str], Any]) -> None:
    socket = frames("/public/ws/btcusdt@bookTicker")
    assert socket.ask(method="GET_PROPERTY", params=["combined"], id=1)["result"] is False
    socket.ask(method="SET_PROPERTY", params=["combined", True], id=2)
    assert socket.until(lambda row: "stream" in row)[-1]["data"]["s"] == "BTCUSDT"


def test_a_stream_on_the_wrong_route_or_misspelt_is_acknowledged_and_silent(
    frames: Callable[[str], Any],
) -> None:
    socket = frames("/market/ws")
    names = ["btcusdt@bookTicker", "btcusdt@nothing", "BTCUSDT@aggTrade"]
    assert socket.ask(method="SUBSCRIBE", params=names, id=1)["result"] is None
    assert socket.silent_for(1.0)


def test_the_old_form_without_a_route_carries_only_the_public_streams(
    frames: Callable[[str], Any],
) -> None:
    assert frames("/stream?streams=btcusdt@aggTrade/btcusdt@bookTicker").next()["stream"] == (
        "btcusdt@bookTicker"
    )
    assert frames("/ws/btcusdt@markPrice@1s").silent_for(1.5)


def test_an_unknown_path_is_no_websocket(exchange: Any) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(f"{exchange.ws}/private/nothing", timeout=5)


def test_more_than_ten_messages_a_second_end_the_connection(frames: Callable[[str], Any]) -> None:
    socket = frames("/market/ws")
    for number in range(30):
        try:
            socket.socket.send(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        except OSError:
            break
    answers = 0
    while socket.socket.recv_frame().opcode == websocket.ABNF.OPCODE_TEXT:
        answers += 1
    assert answers <= 20


@pytest.mark.parametrize("speed", ["", "@100ms", "@500ms", "@0ms"])
def test_a_book_kept_from_the_diffs_stays_the_exchanges_book(
    client: Any, frames: Callable[[str], Any], speed: str
) -> None:
    socket = frames(f"/public/ws/btcusdt@depth{speed}")
    waiting = [socket.next(), socket.next()]
    snapshot = client.public("/fapi/v1/depth", symbol="BTCUSDT", limit=1000).body
    last = snapshot["lastUpdateId"]
    waiting += socket.until(lambda row: row["u"] > last)
    kept = [row for row in waiting if row["u"] >= last]
    assert kept[0]["U"] <= last + 1 <= kept[-1]["u"] + 1
    kept += [socket.next() for _ in range(4)]
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(waiting + kept[-4:]))
    sides: dict[str, dict[str, Decimal]] = {"b": {}, "a": {}}
    for name, levels in (("b", snapshot["bids"]), ("a", snapshot["asks"])):
        sides[name] = {price: Decimal(quantity) for price, quantity in levels}
    for row in kept:
        for name, levels in sides.items():
            for price, quantity in row[name]:
                if Decimal(quantity):
                    levels[price] = Decimal(quantity)
                else:
                    levels.pop(price, None)
    bid, ask = max(map(Decimal, sides["b"])), min(map(Decimal, sides["a"]))
    assert bid < ask
    assert len(sides["b"]) >= 50 and len(sides["a"]) >= 50


def test_partial_books_bars_trades_and_days(frames: Callable[[str], Any]) -> None:
    book = frames("/public/ws/btcusdt@depth5@100ms").next()
    assert len(book["b"]) == len(book["a"]) == 5
    names = ["aggTrade", "kline_1m", "kline_1h", "miniTicker", "ticker", "trade"]
    socket = frames("/market/stream?streams=" + "/".join(f"btcusdt@{name}" for name in names))
    seen: dict[str, Any] = {}
    while len(seen) < len(names):
        row = socket.next()
        seen[row["stream"].partition("@")[2]] = row["data"]
    assert seen["aggTrade"]["l"] >= seen["aggTrade"]["f"]
    bar = seen["kline_1h"]["k"]
    assert bar["i"] == "1h" and not bar["x"] and bar["t"] % 3_600_000 == 0
    assert Decimal(bar["l"]) <= Decimal(bar["c"]) <= Decimal(bar["h"])
    assert Decimal(seen["ticker"]["l"]) <= Decimal(seen["miniTicker"]["c"])


def test_every_symbol_in_one_frame(frames: Callable[[str], Any]) -> None:
    rows = frames("/market/ws/!markPrice@arr@1s").next()
    assert {row["s"] for row in rows} >= {"BTCUSDT", "ETHUSDT"}
    assert frames("/public/ws/!bookTicker").next()["e"] == "bookTicker"


@pytest.mark.parametrize(
    "form",
    ["/private/ws/{key}", "/private/ws?listenKey={key}", "/private/stream", "/private/ws"],
)
def test_the_three_private_forms(
    client: Any, frames: Callable[[str], Any], listen_key: str, form: str
) -> None:
    socket = frames(form.format(key=listen_key))
    if "{key}" not in form:
        socket.ask(method="SUBSCRIBE", params=[listen_key], id=1)
    client.signed("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    row = socket.next()
    if form == "/private/stream":
        assert row["stream"] == listen_key
        row = row["data"]
    assert (event(row), row["o"]["x"], row["o"]["X"]) == ("ORDER_TRADE_UPDATE", "NEW", "NEW")


def test_events_can_be_chosen_in_the_url(
    client: Any, frames: Callable[[str], Any], listen_key: str
) -> None:
    socket = frames(f"/private/ws?listenKey={listen_key}&events=ACCOUNT_UPDATE/ALGO_UPDATE")
    client.signed("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    assert event(socket.next()) == "ACCOUNT_UPDATE"


def test_a_fill_is_told_light_then_in_full_then_with_the_account(
    client: Any, frames: Callable[[str], Any], listen_key: str
) -> None:
    socket = frames(f"/private/ws/{listen_key}")
    order = {"side": "BUY", "type": "MARKET", "quantity": "0.010", "newClientOrderId": "seq"}
    placed = client.signed("POST", ORDER, **BTC, **order).body
    rows = socket.until(lambda row: event(row) == "ACCOUNT_UPDATE")
    assert [event(row) for row in rows] == [
        "ORDER_TRADE_UPDATE",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
    ]
    new, light, full, account = rows
    assert (new["o"]["x"], new["o"]["t"], new["o"]["c"]) == ("NEW", 0, "seq")
    assert light["t"] == full["o"]["t"] > 0 and light["i"] == full["o"]["i"] == placed["orderId"]
    assert (full["o"]["x"], full["o"]["X"], full["o"]["z"]) == ("TRADE", "FILLED", "0.010")
    fee = Decimal(full["o"]["L"]) * Decimal(full["o"]["l"]) * Decimal("0.0005")
    assert Decimal(full["o"]["n"]) == fee and full["o"]["N"] == "USDT" and not full["o"]["m"]
    assert account["a"]["m"] == "ORDER"
    (position,) = account["a"]["P"]
    assert (position["s"], position["pa"], position["ps"]) == ("BTCUSDT", "0.010", "BOTH")
    assert Decimal(position["ep"]) == Decimal(full["o"]["L"])


def test_placing_amending_and_cancelling_move_no_balance(
    client: Any, frames: Callable[[str], Any], listen_key: str
) -> None:
    socket = frames(f"/private/ws/{listen_key}")
    price, lower = client.price("BTCUSDT", -0.03), client.price("BTCUSDT", -0.032)
    order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTX", "quantity": "0.010"}
    number = client.signed("POST", ORDER, **BTC, **order, price=price).body["orderId"]
    change = {"side": "BUY", "orderId": number, "quantity": "0.02", "price": lower}
    client.signed("PUT", ORDER, **BTC, **change)
    client.signed("DELETE", ORDER, **BTC, orderId=number)
    rows = [socket.next() for _ in range(3)]
    assert [(event(row), row["o"]["x"], row["o"]["X"]) for row in rows] == [
        ("ORDER_TRADE_UPDATE", "NEW", "NEW"),
        ("ORDER_TRADE_UPDATE", "AMENDMENT", "NEW"),
        ("ORDER_TRADE_UPDATE", "CANCELED", "CANCELED"),
    ]
    assert (rows[1]["o"]["q"], rows[1]["o"]["f"]) == ("0.020", "GTX")
    assert socket.silent_for(0.3)


def test_a_passive_order_near_the_market_fills_as_maker(
    client: Any, frames: Callable[[str], Any], listen_key: str
) -> None:
    socket = frames(f"/private/ws/{listen_key}")
    best = client.public("/fapi/v1/ticker/bookTicker", **BTC).body
    order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
    client.signed("POST", ORDER, **BTC, **order, price=best["bidPrice"])
    filled = socket.until(
        lambda row: event(row) == "ORDER_TRADE_UPDATE" and row["o"]["X"] == "FILLED", 40
    )[-1]
    assert (filled["o"]["m"], filled["o"]["L"]) == (True, best["bidPrice"])


def test_the_life_of_a_stop_that_fires(
    client: Any, frames: Callable[[str], Any], listen_key: str
) -> None:
    client.signed("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    socket = frames(f"/private/ws/{listen_key}")
    stop = {"algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010"}
    last = Decimal(client.public("/fapi/v2/ticker/price", **BTC).body["price"])
    under = f"{last - 10:.2f}"
    placed = client.signed(
        "POST",
        "/fapi/v1/algoOrder",
        **BTC,
        **stop,
        triggerPrice=under,
        reduceOnly="true",
        clientAlgoId="life-1",
        workingType="CONTRACT_PRICE",
    )
    assert placed.status == 200, placed.body
    rows = socket.until(lambda row: event(row) == "ALGO_UPDATE" and row["o"]["X"] == "FINISHED", 40)
    life = [row["o"] for row in rows if event(row) == "ALGO_UPDATE"]
    assert [row["X"] for row in life] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    assert "ap" not in life[1] and life[2]["ai"] == life[3]["ai"] != ""
    child = [row["o"] for row in rows if event(row) == "ORDER_TRADE_UPDATE"]
    assert {row["c"] for row in child} == {"life-1"}
    assert {str(row["i"]) for row in child} == {life[3]["ai"]}
    assert {(row["o"], row["ot"]) for row in child} == {("MARKET", "STOP_MARKET")}
    assert Decimal(life[3]["aq"]) == Decimal("0.010")
    ledger = client.control("GET", "ledger").body
    (row,) = [row for row in ledger["orders"] if row["client_order_id"] == "life-1"]
    assert (row["type"], row["status"], row["order_id"]) == (
        "stop_market",
        "filled",
        life[3]["ai"],
    )


def test_a_leverage_change_is_told(
    client: Any, frames: Callable[[str], Any], listen_key: str
) -> None:
    socket = frames(f"/private/ws/{listen_key}")
    client.signed("POST", "/fapi/v1/leverage", **BTC, leverage=11)
    row = socket.next()
    assert (event(row), row["ac"]) == ("ACCOUNT_CONFIG_UPDATE", {"s": "BTCUSDT", "l": 11})
    client.signed("POST", "/fapi/v1/leverage", **BTC, leverage=20)


def test_the_listen_keys_life(client: Any, frames: Callable[[str], Any], listen_key: str) -> None:
    path = "/fapi/v1/listenKey"
    assert client.keyed("POST", path).body["listenKey"] == listen_key
    assert client.keyed("PUT", path).status == 200
    assert client.send("POST", path).status == 401
    socket = frames(f"/private/ws/{listen_key}")
    client.control("POST", "faults", {"kind": "listen_key_expired"})
    row = socket.next()
    assert (event(row), row["listenKey"]) == ("listenKeyExpired", listen_key)
    assert client.keyed("PUT", path).code == -1125
    fresh = client.keyed("POST", path).body["listenKey"]
    assert fresh != listen_key
    client.signed("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010")
    assert socket.silent_for(0.3)
    client.keyed("DELETE", path)
    assert client.keyed("PUT", path).code == -1125
