"""What a market frame costs: msgspec into core events, against json with cattrs; reading it too."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from threading import Thread

import cattrs
import websocket
from attrs import frozen

from adapters.venues.binance_usdm.frames_account import AccountFrames
from adapters.venues.binance_usdm.frames_market import MarketFrames
from adapters.websocket import Frames
from core.messages import BookDelta, Key

BTC = Key("binance", "BTCUSDT")
REPEATS = 9


@frozen(slots=True)
class PlainQuote:
    """A quote as it would be without a thought for speed."""

    key: Key
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    update_id: int
    event_ns: int
    received_ns: int


def _quote_frame() -> bytes:
    return (
        b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":9331412345678,"s":"BTCUSDT",'
        b'"ps":"BTCUSDT","b":"63100.00","B":"1.250","a":"63100.10","A":"0.730",'
        b'"T":1790000000449,"E":1790000000456,"st":1}}'
    )


def _depth_frame(levels: int) -> bytes:
    rows = [[f"{63100 - step / 10:.2f}", f"{step % 7}.{step:03d}"] for step in range(levels)]
    data = {"e": "depthUpdate", "E": 1790000000556, "T": 1790000000549, "s": "BTCUSDT"}
    data |= {"U": 100, "u": 150, "pu": 99, "b": rows, "a": rows}
    frame = {"stream": "btcusdt@depth@100ms", "data": data}
    return json.dumps(frame, separators=(",", ":")).encode()


def _fill_frame() -> bytes:
    return (
        b'{"stream":"x","data":{"e":"ORDER_TRADE_UPDATE","E":1790000000330,"T":1790000000321,"o":{'
        b'"s":"BTCUSDT","c":"bot1-0001","S":"BUY","o":"LIMIT","f":"GTC","q":"0.100",'
        b'"p":"62000.00","ap":"61999.50","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED",'
        b'"i":283194212345,"l":"0.040","z":"0.040","L":"61999.50","n":"0.49599600","N":"USDT",'
        b'"T":1790000000321,"t":698760,"b":"3720.00","a":"0","m":true,"R":false,"ot":"LIMIT",'
        b'"ps":"BOTH","er":"0"}}}'
    )


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(value))
    return converter


def _plain(converter: cattrs.Converter) -> Callable[[bytes], object]:
    """Decode as json with cattrs would: parse, rename, structure the attrs class."""

    def decode(raw: bytes) -> object:
        data = json.loads(raw)["data"]
        key = {"venue": "binance", "symbol": data["s"]}
        if data["e"] == "bookTicker":
            fields = {
                "key": key,
                "bid": data["b"],
                "bid_quantity": data["B"],
                "ask": data["a"],
                "ask_quantity": data["A"],
                "update_id": data["u"],
                "event_ns": data["E"] * 1_000_000,
                "received_ns": 0,
            }
            return converter.structure(fields, PlainQuote)
        fields = {
            "key": key,
            "first_id": data["U"],
            "last_id": data["u"],
            "previous_id": data["pu"],
            "bids": data["b"],
            "asks": data["a"],
            "event_ns": data["T"] * 1_000_000,
        }
        return converter.structure(fields, BookDelta)

    return decode


def _cost_us(call: Callable[[], object], count: int) -> float:
    """Return the least of several rounds' CPU time per call, in microseconds."""
    rounds = []
    for _ in range(REPEATS):
        started = time.process_time_ns()
        for _ in range(count):
            call()
        rounds.append((time.process_time_ns() - started) / count / 1000)
    return min(rounds)


def _read_us(make: Callable[[socket.socket], Callable[[], object]], payload: bytes) -> float:
    """Return the time to read one frame that waits in a socket, in microseconds."""
    size = len(payload)
    head = b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big"))
    block, blocks = (head + payload) * 50, 200
    rounds = []
    for _ in range(REPEATS):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            writer = Thread(target=_write, args=(theirs, block, blocks))
            writer.start()
            read = make(ours)
            started = time.perf_counter_ns()
            for _ in range(50 * blocks):
                read()
            rounds.append((time.perf_counter_ns() - started) / (50 * blocks) / 1000)
            writer.join()
    return statistics.median(rounds)


def _write(sock: socket.socket, block: bytes, blocks: int) -> None:
    for _ in range(blocks):
        sock.sendall(block)


def _websocket_client(sock: socket.socket) -> Callable[[], object]:
    client = websocket.WebSocket(skip_utf8_validation=True)
    client.sock = sock
    client.connected = True
    return client.recv_data


def run() -> list[tuple[str, float, str, str]]:
    frames, plain = MarketFrames([BTC]), _plain(_converter())
    account = AccountFrames("binance")
    rows: list[tuple[str, float, str, str]] = []
    decoded: dict[str, tuple[float, float]] = {}
    for name, raw, count in (
        ("quote", _quote_frame(), 20_000),
        ("depth 10+10 levels", _depth_frame(10), 4_000),
        ("depth 100+100 levels", _depth_frame(100), 400),
    ):

        def ours_once(raw: bytes = raw) -> object:
            return frames.decode(raw, 0)

        def theirs_once(raw: bytes = raw) -> object:
            return plain(raw)

        ours, theirs = _cost_us(ours_once, count), _cost_us(theirs_once, count)
        decoded[name] = (ours, theirs)
        rows.append((f"{name}, msgspec", ours, "µs", "into the frozen core event"))
        rows.append((f"{name}, json + cattrs", theirs, "µs", "into a frozen attrs class"))
        rows.append((f"{name}, ratio", theirs / ours, "×", ""))
    fill = _fill_frame()
    rows.append(
        ("fill, msgspec", _cost_us(lambda: account.decode(fill), 5_000), "µs", "two core events")
    )
    for name, raw in (("quote", _quote_frame()), ("depth 100+100", _depth_frame(100))):
        lean = _read_us(lambda sock: Frames(sock, lambda _: None).read, raw)
        client = _read_us(_websocket_client, raw)
        if name in decoded:
            ours, theirs = decoded[name]
            ratio = (client + theirs) / (lean + ours)
            rows.append((f"{name}, socket to event, ratio", ratio, "×", "goal: 5"))
        rows.append((f"read a {name} frame, Frames", lean, "µs", f"{len(raw)} bytes"))
        rows.append((f"read a {name} frame, websocket-client", client, "µs", "no UTF-8 check"))
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
