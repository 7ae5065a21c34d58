"""What a venue sends: answers of every call, stream frames, refusals, HTTP and WebSocket bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import websocket

from adapters.http_connection import HttpConnection, NoAnswer
from adapters.venues.binance_usdm import parse_account, parse_market
from adapters.venues.binance_usdm.errors import error_from_answer
from adapters.venues.binance_usdm.frames_account import AccountFrames, KeyExpired
from adapters.venues.binance_usdm.frames_market import MarketFrames
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.stream import MarketTalk
from adapters.websocket import Closed, Frames, connect
from core.errors import FrameError
from core.messages import Quote
from tests.adapters.venues.binance_usdm.test_fuzz import BTC, FRAMES, PARSERS
from tests.fuzz.target import SENTINEL, Target

__all__ = ["TARGETS"]


def _raw(sample: Any) -> bytes:
    return json.dumps(sample).encode()


def _either(parsers: Sequence[Callable[[bytes], object]], data: bytes) -> object:
    """Read an answer as that of each call: the first byte says which."""
    return parsers[data[0] % len(parsers)](data[1:]) if data else None


class Wire:
    """Stands for a connected socket: gives what the far end sent, a piece at a time."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data = data
        self._piece = piece
        self.sent = b""

    def recv(self, most: int) -> bytes:
        if most > sys.maxsize:
            raise OverflowError("no such size")  # as a socket does
        size = min(most, self._piece)
        found, self._data = self._data[:size], self._data[size:]
        return found

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def gettimeout(self) -> float:
        return 1.0

    def settimeout(self, _: float) -> None:
        pass

    def close(self) -> None:
        pass


def _market_frame(data: bytes) -> object:
    return MarketFrames([BTC]).decode(data, 1)


def _account_frame(data: bytes) -> object:
    return AccountFrames("binance").decode(data)


def _talk(data: bytes) -> object:
    """A market stream goes on whatever one frame holds."""
    heard: list[object] = []
    names, place = ["btcusdt@bookTicker"], ("binance", "m.public")
    talk = MarketTalk("ws://x", "public", names, [BTC], heard.append, place)
    if not talk.confirms(data):
        talk.received(data, 1)
    talk.received(_raw({"stream": "btcusdt@bookTicker", "data": FRAMES[0]}), 2)
    assert isinstance(heard[-1], Quote), "the next frame is not heard"
    return heard


def _messages(data: bytes) -> object:
    piece = 1 + data[0] if data else 1
    frames = Frames(Wire(data[1:], piece), lambda _: None)  # type: ignore[arg-type]
    read = []
    try:
        while True:
            read.append(frames.read())
    except Closed:
        return read


def _handshake(data: bytes) -> object:
    return str(connect("ws://127.0.0.1:1/stream", 1.0, Wire(data, 4_096)))  # type: ignore[arg-type]


def _http_answer(data: bytes) -> object:
    """Read an answer as the lane does; where it is a refusal, what it means."""
    connection = HttpConnection(
        "127.0.0.1", 1, None, connect_timeout_s=1, read_timeout_s=1, max_idle_s=1
    )
    piece = 1 + data[0] * 8 if data else 1
    try:
        answer, _ = connection._read(Wire(data[1:], piece))  # type: ignore[arg-type]
    except ValueError as error:
        raise NoAnswer(str(error)) from None  # as the lane does
    Budget(clock=lambda: 10**18).steer(answer.headers)
    error = error_from_answer(
        answer.status,
        answer.headers,
        answer.body,
        venue="binance",
        request_id="r",
        write=True,
        now_ns=1_790_000_000_000_000_000,
    )
    assert error.retry_after_ns >= 0
    assert len(str(error)) < 1_000
    return None


def _http(head: str, body: bytes) -> bytes:
    return b"\xff" + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


_REFUSAL = b'{"code":-1003,"msg":"banned until 1790000060000."}'
_NAMES = sorted(PARSERS)

TARGETS = (
    Target(
        "venue answers",
        partial(_either, [PARSERS[name][0] for name in _NAMES]),
        tuple(bytes([place]) + _raw(PARSERS[name][1]) for place, name in enumerate(_NAMES)),
        (FrameError,),
    ),
    Target(
        "venue secrets",
        partial(_either, [parse_account.listen_key, parse_market.server_time_ns]),
        (b"\0" + _raw({"listenKey": SENTINEL}), b"\1" + _raw({"serverTime": SENTINEL})),
        (FrameError,),
    ),
    Target(
        "market frames",
        _market_frame,
        tuple(_raw({"stream": "x", "data": frame}) for frame in FRAMES[:5]),
        (FrameError,),
    ),
    Target(
        "account frames",
        _account_frame,
        tuple(_raw({"stream": SENTINEL, "data": frame}) for frame in FRAMES[5:]),
        (FrameError, KeyExpired),
    ),
    Target(
        "market stream",
        _talk,
        (
            b'{"result":null,"id":1}',
            b'{"error":{"code":2,"msg":"x"},"id":1}',
            *(_raw({"stream": "x", "data": frame}) for frame in FRAMES[:5]),
        ),
        (Closed,),
    ),
    Target(
        "websocket frames",
        _messages,
        (
            b"\x20\x81\x05hello\x89\x01p\x01\x02he\x80\x03llo\x88\x02\x03\xe8",
            b"\xff\x82\x7e\x00\x80" + b"x" * 128,
            b"\xff\x81\x7f\0\0\0\0\0\0\x01\x00" + b"y" * 256,
        ),
        (FrameError,),
    ),
    Target(
        "websocket handshake",
        _handshake,
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\nno",
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:2/\r\n\r\n",
        ),
        (FrameError, OSError, websocket.WebSocketException),
    ),
    Target(
        "http answers",
        _http_answer,
        (
            _http("HTTP/1.1 429 Too Many\nContent-Length: 50\nRetry-After: 7", _REFUSAL),
            _http("HTTP/1.1 503 x\nTransfer-Encoding: chunked", b"5\r\nabcde\r\n0;x=y\r\n\r\n"),
            _http("HTTP/1.1 100 Continue\n\nHTTP/1.1 204 No", b""),
            _http(
                "HTTP/1.1 400 x\nX-MBX-USED-WEIGHT-1M: 12\nX-MBX-ORDER-COUNT-10S: 3\n"
                "Content-Length: 25",
                b'{"code":-1021,"msg":"no"}',
            ),
        ),
        (NoAnswer,),
    ),
)
