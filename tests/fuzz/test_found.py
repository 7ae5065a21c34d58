"""What fuzzing found, each input kept: it failed once and must not again."""

from __future__ import annotations

import pytest
import websocket

from adapters.websocket import connect
from tests.fuzz.target import Target, judge
from tests.fuzz.targets import TARGETS
from tests.fuzz.venue_targets import Wire

DEEP = b"[" * 3_000
BY_NAME: dict[str, Target] = {target.name: target for target in TARGETS}
RECORDED = b"1721347020984480942 "
QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT","u":5,"b":"%b","B":"2","a":"1","A":"3"}}'
)
MARK = (
    b'{"data":{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"1","i":"1","r":"1e-999999999","T":1}}'
)
HELD = b'Fill {"fee":"%b","client_order_id":"h","fee_asset":"USDT","fill_id":"1","key":' + (
    b'{"symbol":"B","venue":"b"},"maker":true,"order_id":"7","position_side":"both",'
    b'"price":"1","quantity":"1","side":"buy","time_ns":1}'
)
ERROR = b'OrderRefused {"client_order_id":"c","error":1,"key":{"symbol":"B","venue":"b"}}'
KLINE = b"1769904000000,59,60,58,59,%b,1769904059999\n"
WEIGHT = b"\xffHTTP/1.1 400 x\r\nX-MBX-USED-WEIGHT-1M: " + b"9" * 5_000
LETTER = b'{"reason":"r","to":"t","kind":"k","words":"w","time_ns":5,"reply_to":"x","records":%b}'

FOUND = [
    ("market frames", MARK),
    ("http answers", WEIGHT + b"\r\nContent-Length: 0\r\n\r\n"),
    ("recordings", RECORDED + QUOTE % b"NaN"),
    ("recordings", RECORDED + QUOTE % b"1e999999999"),
    ("recordings", RECORDED + DEEP),
    ("klines", KLINE % b"1e999999999"),
    ("journal payloads", HELD % b"NaN"),
    ("journal payloads", HELD % b"1e-999999999"),
    ("journal payloads", ERROR),
    ("journal payloads", b"x" * 30_000 + b" {}"),
    ("dead letters", DEEP),
    ("dead letters", b"1"),
    ("dead letters", LETTER % b"[1]"),
    ("dead letters", LETTER.replace(b"5", b"9" * 30) % b"[]"),
    ("lock", DEEP),
    ("lock", b'{"pid":1,"host":"h","started_ns":Infinity}'),
    ("lock", b'{"pid":1,"host":"h","started_ns":' + b"9" * 40 + b"}"),
    ("log", b'{"message":"x","actor":"\\ud800"}\n'),
    ("log", b'{"message":"x","actor":"\\u001b[2J"}\n'),
    ("times", b"0001-01-01T00:00:00+23:59"),
    ("times", b"2" * 20_001),
    ("numbers", b"1e999999999"),
    ("numbers", b"x" * 20_001),
    ("host's answers", DEEP + b"\n"),
    ("exchange's controls", b"faults\n" + DEEP),
    ("exchange's controls", b'faults\n{"\xed\xa0\x80":1}'),
    ("exchange's controls", b'faults\n{"kind":"delay","ms":' + b"9" * 30 + b"}"),
    ("exchange's subscriptions", b"/public/ws\n" + DEEP),
    ("fault files", b"a = " + DEEP),
    ("exchange's whereabouts", DEEP + b"\n{}"),
    (
        "exchange's whereabouts",
        b'{"pid":' + b"9" * 40 + b',"rest":"r","ws":"w","started_ns":1}\n{"key":"k","secret":"s"}',
    ),
]


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_once_is_refused(name: str, data: bytes) -> None:
    judge(BY_NAME[name], data)


def test_a_server_that_sends_a_stream_elsewhere_gets_no_subscription() -> None:
    wire = Wire(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:2/\r\n\r\n", 4_096)
    with pytest.raises(websocket.WebSocketException, match="Redirect"):
        connect("ws://127.0.0.1:1/stream", 1.0, wire)  # type: ignore[arg-type]
    assert b"127.0.0.1:2" not in wire.sent
