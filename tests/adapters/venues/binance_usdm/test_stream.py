"""Binance's streams over real sockets: routes, confirmations, the listen key's life."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import Queue
from typing import Any

import pytest

from adapters.venues.binance_usdm import stream as stream_module
from adapters.venues.binance_usdm.hosts import Hosts
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.stream import BinanceStreams
from core.messages import (
    BalanceUpdated,
    Fill,
    FrameLeftOut,
    Key,
    OrderUpdated,
    PositionReported,
    Quote,
    StreamConnected,
    StreamLost,
)
from core.ports import Stream
from core.secrets import Secret
from tests.adapters.scripted_server import Reply, Request, ScriptedServer
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.samples import changed, raw, wrapped
from tests.adapters.websocket_server import Peer, SocketServer

BTC = Key("binance", "BTCUSDT")
LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1"
ACK = b'{"result":null,"id":1}'


class Far:
    """The far end: REST for the listen key, and one script for every socket."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.rest_replies: dict[str, list[Reply]] = {
            "POST": [Reply(body=raw({"listenKey": LISTEN_KEY}))],
            "PUT": [Reply()],
        }
        self.rest = ScriptedServer(self._respond)
        stack.callback(self.rest.close)
        self.got: Queue[object] = Queue()
        self.asked: Queue[tuple[str, dict[str, Any]]] = Queue()
        self.then: Callable[[Peer], object] = lambda peer: peer.closed_by_client()
        self.answer = ACK
        self.sockets = SocketServer(self._script)
        stack.callback(self.sockets.close)
        self.streams = BinanceStreams(
            Hosts(self.rest.url, self.sockets.url),
            Secret("key"),
            Secret("secret"),
            Budget(),
            connect_timeout_s=1.0,
            read_timeout_s=1.0,
        )
        stack.callback(self.streams.close)

    def open(self, stream: Stream) -> Stream:
        stream.open()
        self._stack.callback(stream.close)
        return stream

    def next(self) -> object:
        return self.got.get(timeout=5)

    def _respond(self, request: Request) -> Reply:
        replies = self.rest_replies[request.method]
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def _script(self, peer: Peer) -> None:
        request = json.loads(peer.receive()[1])
        self.asked.put((peer.target, request))
        peer.send(self.answer)
        self.then(peer)


@pytest.fixture
def far() -> Iterator[Far]:
    with ExitStack() as stack:
        yield Far(stack)


def frames(*values: bytes) -> Callable[[Peer], object]:
    def send(peer: Peer) -> None:
        for value in values:
            peer.send(value)
        peer.closed_by_client()

    return send


def test_market_streams_go_to_their_routes_with_symbols_in_lower_case(far: Far) -> None:
    for stream in far.streams.market("m", [BTC], far.got.put):
        far.open(stream)
    asked = dict(far.asked.get(timeout=5) for _ in range(2))
    assert {target: request["params"] for target, request in asked.items()} == {
        "/public/stream": ["btcusdt@bookTicker", "btcusdt@depth@100ms"],
        "/market/stream": ["btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@kline_1m"],
    }
    assert {far.next(), far.next()} == {
        StreamConnected("binance", "m.public"),
        StreamConnected("binance", "m.market"),
    }


def test_no_connection_carries_more_than_200_streams() -> None:
    streams = BinanceStreams(
        Hosts("http://127.0.0.1:1", "ws://127.0.0.1:1"),
        Secret("key"),
        Secret("secret"),
        Budget(),
        connect_timeout_s=1.0,
        read_timeout_s=1.0,
    )
    keys = [Key("binance", f"S{number}USDT") for number in range(150)]
    made = streams.market("m", keys, lambda _: None)
    names = [stream.name for stream in made]
    assert names == ["m.public", "m.public-2", "m.market", "m.market-2", "m.market-3"]


def test_quotes_reach_the_sink_and_malformed_frames_are_left_out(far: Far) -> None:
    far.then = frames(
        wrapped(changed(samples.BOOK_TICKER, b="NaN")),
        b"\xff\xff",
        wrapped({"e": "forceOrder"}),
        wrapped(samples.BOOK_TICKER),
    )
    stream = far.open(far.streams.market("m", [BTC], far.got.put)[0])
    assert far.next() == StreamConnected("binance", "m.public")
    first, second = far.next(), far.next()
    assert isinstance(first, FrameLeftOut)
    assert first.reason == "bookTicker: a number is not finite or absurd"
    assert second == FrameLeftOut(
        "binance", "m.public", "market frame: DecodeError", "\\xff\\xff", 2
    )
    assert isinstance(far.next(), Quote)
    assert stream.last_frame_ns() > 0


def test_a_refused_subscription_is_a_lost_stream(far: Far) -> None:
    far.answer = b'{"error":{"code":2,"msg":"Invalid request"},"id":1}'
    far.open(far.streams.market("m", [BTC], far.got.put)[0])
    assert far.next() == StreamLost("binance", "m.public", "the venue refused the subscription")


def test_the_listen_key_is_subscribed_to_and_never_part_of_a_url(far: Far) -> None:
    far.then = frames(wrapped(samples.ORDER_TRADE_UPDATE), wrapped(samples.ACCOUNT_UPDATE))
    far.open(far.streams.account("a", [BTC], far.got.put))
    target, request = far.asked.get(timeout=5)
    assert target == "/private/stream"
    assert (request["method"], request["params"]) == ("SUBSCRIBE", [LISTEN_KEY])
    kinds = [type(far.next()) for _ in range(5)]
    assert kinds == [StreamConnected, Fill, OrderUpdated, BalanceUpdated, PositionReported]
    (created,) = far.rest.requests
    assert (created.method, created.target, created.body) == ("POST", "/fapi/v1/listenKey", "")


def test_an_expired_listen_key_ends_the_stream(far: Far) -> None:
    expired = {"e": "listenKeyExpired", "E": 1790003600000, "listenKey": LISTEN_KEY}
    far.then = frames(wrapped(expired, LISTEN_KEY))
    far.open(far.streams.account("a", [BTC], far.got.put))
    assert far.next() == StreamConnected("binance", "a")
    assert far.next() == StreamLost("binance", "a", "listen key expired")


def test_a_malformed_private_frame_ends_the_stream_without_quoting_it(far: Far) -> None:
    broken = changed(samples.ORDER_TRADE_UPDATE, o={"c": LISTEN_KEY})
    far.then = frames(wrapped(broken, LISTEN_KEY))
    far.open(far.streams.account("a", [BTC], far.got.put))
    assert far.next() == StreamConnected("binance", "a")
    end = far.next()
    assert isinstance(end, StreamLost)
    assert end.reason.startswith("FrameError: ORDER_TRADE_UPDATE:")
    assert LISTEN_KEY not in end.reason


def test_without_a_listen_key_there_is_no_stream(far: Far) -> None:
    far.rest_replies["POST"] = [Reply(status=401, body=raw({"code": -2015, "msg": "no"}))]
    far.open(far.streams.account("a", [BTC], far.got.put))
    end = far.next()
    assert isinstance(end, StreamLost)
    assert end.reason.startswith("AuthRejected: binance AuthRejected -2015 (HTTP 401)")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep listen keys alive every few milliseconds instead of every half hour."""
    monkeypatch.setattr(stream_module, "_KEEP_ALIVE_S", 0.0)
    monkeypatch.setattr(stream_module, "_RETRY_S", 0.01)


@pytest.mark.usefixtures("hurried")
def test_a_listen_key_that_is_gone_ends_the_stream(far: Far) -> None:
    gone = Reply(status=400, body=raw({"code": -1125, "msg": "This listenKey does not exist."}))
    far.rest_replies["PUT"] = [Reply(), gone]
    far.open(far.streams.account("a", [BTC], far.got.put))
    assert far.next() == StreamConnected("binance", "a")
    end = far.next()
    assert isinstance(end, StreamLost)
    assert "-1125" in end.reason
    assert [request.method for request in far.rest.requests] == ["POST", "PUT", "PUT"]


@pytest.mark.usefixtures("hurried")
def test_a_failed_prolongation_is_repeated_while_the_key_must_still_be_valid(far: Far) -> None:
    gone = Reply(status=400, body=raw({"code": -1125, "msg": "This listenKey does not exist."}))
    far.rest_replies["PUT"] = [Reply(status=500), Reply(cut_after=0), Reply(), gone]
    far.open(far.streams.account("a", [BTC], far.got.put))
    assert far.next() == StreamConnected("binance", "a")
    assert isinstance(far.next(), StreamLost)
    assert [request.method for request in far.rest.requests].count("PUT") == 4


@pytest.mark.usefixtures("hurried")
def test_a_listen_key_nobody_could_prolong_for_an_hour_is_given_up(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_KEY_LIFE_S", 0.0)
    far.rest_replies["PUT"] = [Reply(status=500)]
    far.open(far.streams.account("a", [BTC], far.got.put))
    assert far.next() == StreamConnected("binance", "a")
    end = far.next()
    assert isinstance(end, StreamLost)
    assert end.reason.startswith("listen key not prolonged: binance RetryLater")
