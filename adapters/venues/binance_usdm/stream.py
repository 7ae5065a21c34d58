"""Binance's streams: market data on the routed endpoints, and our account's private stream."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import msgspec

from adapters.venues.binance_usdm import parse_account
from adapters.venues.binance_usdm.frames_account import AccountFrames, KeyExpired
from adapters.venues.binance_usdm.frames_market import (
    MarketFrames,
    public_streams,
    regular_streams,
)
from adapters.venues.binance_usdm.hosts import Hosts
from adapters.venues.binance_usdm.limits import Budget, Cost
from adapters.venues.binance_usdm.wire import Wire
from adapters.websocket import Chore, Closed, SocketStream
from core.errors import FrameError, RetryLater, VenueError
from core.messages import FrameLeftOut, Key
from core.ports import EventSink, Stream, StreamFactory
from core.secrets import Secret

__all__ = ["STREAMS_PER_CONNECTION", "AccountTalk", "BinanceStreams", "MarketTalk"]

STREAMS_PER_CONNECTION = 200
_LISTEN_KEY = "/fapi/v1/listenKey"
_LISTEN_KEY_GONE = -1125
_KEEP_ALIVE_S = 30 * 60.0
_RETRY_S = 60.0
_KEY_LIFE_S = 55 * 60.0
_SHOWN = 120
_CONFIRMATION = re.compile(rb'^\s*\{\s*"(?:result|id|error|code)"')


class _Answer(msgspec.Struct):
    id: int | str | None = None
    result: object = None
    error: object = None
    code: int | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def _subscription(streams: Sequence[str]) -> str:
    request = {"method": "SUBSCRIBE", "params": list(streams), "id": 1}
    return msgspec.json.encode(request).decode()


def _confirms(raw: bytes) -> bool:
    """Tell whether a message answers our subscription. Errors: `Closed` when it refuses it."""
    if not _CONFIRMATION.match(raw):
        return False
    try:
        answer = _ANSWER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if answer.error is not None or answer.code is not None:
        raise Closed("the venue refused the subscription")
    return answer.id == 1 and answer.result is None


class MarketTalk:
    """One route's share of the market streams.

    A malformed frame is told of, counted and left out: books notice the gap by their sequence
    numbers, the rest is replaced by the next frame.
    """

    def __init__(
        self,
        base: str,
        route: str,
        streams: Sequence[str],
        keys: Sequence[Key],
        sink: EventSink,
        place: tuple[str, str],
    ) -> None:
        self._url = f"{base}/{route}/stream"
        self._venue, self._name = place
        self._streams = streams
        self._frames = MarketFrames(keys)
        self._sink = sink
        self.malformed = 0

    def url(self) -> str:
        return self._url

    def greetings(self) -> Sequence[str]:
        return (_subscription(self._streams),)

    def confirms(self, raw: bytes) -> bool:
        return _confirms(raw)

    def received(self, raw: bytes, received_ns: int) -> None:
        try:
            event = self._frames.decode(raw, received_ns)
        except FrameError as error:
            self.malformed += 1
            start = raw[:_SHOWN].decode("ascii", "backslashreplace")
            told = FrameLeftOut(self._venue, self._name, str(error), start, self.malformed)
            self._sink(told)
            return
        if event is not None:
            self._sink(event)

    def chores(self) -> Sequence[Chore]:
        return ()


class AccountTalk:
    """The private stream and its listen key.

    The key is a bearer secret, so it travels as a subscription inside the connection and not in
    a URL. It is prolonged every 30 minutes; a failed prolongation is repeated each minute while
    the key must still be valid. It is never deleted: the venue hands the same key to everybody who
    asks, so the next stream of this account may be living on it already. A malformed frame ends
    the stream, because an account event may be lost with it and only a reconciliation finds out.
    """

    def __init__(self, base: str, wire: Wire, venue: str, sink: EventSink) -> None:
        self._url = f"{base}/private/stream"
        self._wire = wire
        self._frames = AccountFrames(venue)
        self._sink = sink
        self._listen_key: Secret | None = None
        self._valid_until_s = 0.0
        self._due_s = 0.0

    def url(self) -> str:
        key = self._wire.keyed("POST", _LISTEN_KEY, Cost(), parse_account.listen_key)
        self._listen_key = Secret(key)
        self._prolonged()
        return self._url

    def greetings(self) -> Sequence[str]:
        assert self._listen_key is not None
        return (_subscription([self._listen_key.reveal()]),)

    def confirms(self, raw: bytes) -> bool:
        return _confirms(raw)

    def received(self, raw: bytes, received_ns: int) -> None:
        try:
            events = self._frames.decode(raw)
        except KeyExpired as end:
            raise Closed(str(end)) from None
        for event in events:
            self._sink(event)

    def chores(self) -> Sequence[Chore]:
        return (Chore(_RETRY_S, self._keep_alive),)

    def _keep_alive(self) -> None:
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        try:
            self._wire.keyed("PUT", _LISTEN_KEY, Cost(), bytes)
        except RetryLater as error:
            if error.code == _LISTEN_KEY_GONE or now_s > self._valid_until_s:
                raise Closed(f"listen key not prolonged: {error}") from None
        except VenueError as error:
            raise Closed(f"listen key not prolonged: {error}") from None
        else:
            self._prolonged()

    def _prolonged(self) -> None:
        now_s = time.monotonic()
        self._due_s = now_s + _KEEP_ALIVE_S
        self._valid_until_s = now_s + _KEY_LIFE_S


class BinanceStreams(StreamFactory):
    """The `StreamFactory` port. Its own lane carries the listen key's requests.

    Lanes and streams of one address share `budget`. `close` ends that lane, not the streams.
    """

    def __init__(
        self,
        hosts: Hosts,
        key: Secret,
        secret: Secret,
        budget: Budget,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        name: str = "binance",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.ws_url = hosts.ws
        self._venue = name
        self._connect_timeout_s = connect_timeout_s
        self._clock = clock
        self._wire = Wire(
            hosts.rest,
            key,
            secret,
            budget,
            venue=name,
            lane="listen-key",
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            clock=clock,
        )

    def market(self, name: str, keys: Sequence[Key], sink: EventSink) -> Sequence[Stream]:
        """Return unopened connections: at least one a route, 200 streams each at most."""
        streams: list[Stream] = []
        for route, wanted in (("public", public_streams(keys)), ("market", regular_streams(keys))):
            for number, first in enumerate(range(0, len(wanted), STREAMS_PER_CONNECTION), 1):
                part = wanted[first : first + STREAMS_PER_CONNECTION]
                label = f"{name}.{route}" if number == 1 else f"{name}.{route}-{number}"
                talk = MarketTalk(self.ws_url, route, part, keys, sink, (self._venue, label))
                streams.append(self._stream(label, talk, sink))
        return streams

    def account(self, name: str, keys: Sequence[Key], sink: EventSink) -> Stream:
        """Return the unopened private connection; it carries all symbols of the account."""
        return self._stream(name, AccountTalk(self.ws_url, self._wire, self._venue, sink), sink)

    def close(self) -> None:
        """Close the lane of the listen-key requests."""
        self._wire.close()

    def _stream(self, name: str, talk: MarketTalk | AccountTalk, sink: EventSink) -> SocketStream:
        return SocketStream(
            name,
            self._venue,
            talk,
            sink,
            connect_timeout_s=self._connect_timeout_s,
            clock=self._clock,
        )
