"""One WebSocket connection on its own thread: the base under every venue's streams.

websocket-client makes the connection (handshake, TLS, masking); frames are then read by `Frames`,
which takes from the socket what is there instead of two or three small reads a frame.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread, current_thread
from typing import Protocol

import certifi
import websocket
from attrs import frozen

from core.errors import BulkheadError, FrameError, VenueError
from core.messages import StreamConnected, StreamLost
from core.ports import EventSink

__all__ = ["Chore", "Closed", "Frames", "SocketStream", "Talk", "connect"]

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_RECV_BYTES = 65_536
_FRAME_BYTES_MAX = 16 * 1024 * 1024
_JOIN_S = 1.0
_IDLE_S = 5.0
"""Longest wait for a frame before the chores are looked at."""
_EARLY_MAX = 10_000


class Closed(Exception):
    """The connection ended, or has to end; the text says why and holds no secret."""


class Frames:
    """Whole messages out of a connected, blocking socket.

    `pong` answers pings, so that a server that only pings keeps us. `received` counts how often
    something came, be it a part of a frame. Errors: `Closed` when the server leaves, `FrameError`
    for bytes that are no WebSocket frames, `TimeoutError` when the socket's time-out passes; after
    that one reading may go on.
    """

    def __init__(self, sock: socket.socket, pong: Callable[[bytes], None]) -> None:
        self._sock = sock
        self._pong = pong
        self.received = 0
        self._buffer = bytearray()
        self._start = 0
        self._parts: list[bytes] = []

    def read(self) -> bytes:
        """Return the payload of the next text or binary message."""
        while True:
            frame = self._frame()
            if frame is None:
                self._fill()
                continue
            final, opcode, payload = frame
            if opcode == _PING:
                self._pong(payload)
            elif opcode == _CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
                raise Closed(f"closed by the server ({code})")
            elif opcode in (_TEXT, _BINARY):
                if self._parts:
                    raise FrameError("websocket: a message began inside another")
                if final:
                    return payload
                self._parts.append(payload)
            elif opcode == 0:
                if not self._parts:
                    raise FrameError("websocket: a continuation of nothing")
                self._parts.append(payload)
                if final:
                    whole = b"".join(self._parts)
                    self._parts.clear()
                    return whole
            elif opcode != _PONG:
                raise FrameError(f"websocket: unknown opcode {opcode}")

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """Cut the next frame from the buffer, or return None when more bytes are needed."""
        buffer, start = self._buffer, self._start
        held = len(buffer) - start
        if held < 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        if first & 0x70 or second & 0x80:
            raise FrameError("websocket: reserved bits or a mask from the server")
        size, head = second, 2
        if size == 126:
            if held < 4:
                return None
            size, head = int.from_bytes(buffer[start + 2 : start + 4], "big"), 4
        elif size == 127:
            if held < 10:
                return None
            size, head = int.from_bytes(buffer[start + 2 : start + 10], "big"), 10
        if size > _FRAME_BYTES_MAX:
            raise FrameError(f"websocket: a frame of {size} bytes")
        if held < head + size:
            return None
        begin = start + head
        payload = bytes(buffer[begin : begin + size])
        self._start = begin + size
        return bool(first & 0x80), first & 0x0F, payload

    def _fill(self) -> None:
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        received = self._sock.recv(_RECV_BYTES)
        if not received:
            raise Closed("connection closed without a goodbye")
        self.received += 1
        self._buffer += received
        if sum(map(len, self._parts)) > _FRAME_BYTES_MAX:
            raise FrameError("websocket: a message without end")


@frozen(slots=True)
class Chore:
    """Something a stream does every `every_s` seconds on its own thread."""

    every_s: float
    run: Callable[[], None]


class Talk(Protocol):
    """What a venue's stream says and understands; called on the stream's thread only."""

    def url(self) -> str:
        """Return where to connect; may ask the venue first. Errors: any `BulkheadError`."""
        ...

    def greetings(self) -> Sequence[str]:
        """Return what to send once connected (subscriptions); each has to be confirmed."""
        ...

    def confirms(self, raw: bytes) -> bool:
        """Tell whether a message confirms a greeting. Errors: `Closed` when it refuses one."""
        ...

    def received(self, raw: bytes, received_ns: int) -> None:
        """Take one message. Errors: `Closed` and `FrameError` end the stream."""
        ...

    def chores(self) -> Sequence[Chore]:
        """Return what to do from time to time. Errors of a chore: as `received`."""
        ...


class SocketStream:
    """The `Stream` port over one connection. It reports its end once and never reconnects.

    Messages that arrive before the venue confirmed the subscriptions are handed on after
    `StreamConnected`, in order. Time-outs in seconds; `confirm_s` bounds the wait for
    confirmations; after `lifetime_s` the stream ends by itself, ahead of the venue's own limit. It
    is pinged every `ping_s`, and ends when nothing at all came between two pings.
    """

    def __init__(
        self,
        name: str,
        venue: str,
        talk: Talk,
        sink: EventSink,
        *,
        connect_timeout_s: float = 5.0,
        confirm_s: float = 10.0,
        lifetime_s: float = 23.5 * 3600,
        ping_s: float = 20.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self._venue = venue
        self._talk = talk
        self._sink = sink
        self._connect_timeout_s = connect_timeout_s
        self._confirm_s = confirm_s
        self._lifetime_s = lifetime_s
        self._ping_s = ping_s
        self._clock = clock
        self._last_frame_ns = 0
        self._closing = Event()
        self._socket: websocket.WebSocket | None = None
        self._thread: Thread | None = None

    def open(self) -> None:
        """Connect in the background; a second call is an error."""
        if self._thread is not None:
            raise RuntimeError(f"stream {self.name} was opened before")
        self._thread = Thread(target=self._run, name=f"stream {self.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connection and wait up to a second for the thread; idempotent.

        No `StreamLost` follows an end that was asked for.
        """
        self._closing.set()
        connection = self._socket
        if connection is not None:
            connection.abort()  # type: ignore[no-untyped-call]
        thread = self._thread
        if thread is not None and thread is not current_thread():
            thread.join(_JOIN_S)

    def last_frame_ns(self) -> int:
        return self._last_frame_ns

    def _run(self) -> None:
        reason, retry_after_ns = "ended", 0
        try:
            self._session()
        except Closed as end:
            reason = str(end)
        except BulkheadError as error:
            reason = f"{type(error).__name__}: {error}"
            retry_after_ns = error.retry_after_ns if isinstance(error, VenueError) else 0
        except websocket.WebSocketBadStatusException as error:
            reason = f"connection refused: HTTP {error.status_code}"
            retry_after_ns = _retry_after_ns(error.resp_headers)
        except (OSError, websocket.WebSocketException, ValueError) as error:
            reason = f"connection failed: {type(error).__name__}"
        except BaseException as error:
            reason = f"defect: {type(error).__name__}"
            raise
        finally:
            self._hang_up()
            if not self._closing.is_set():
                self._sink(StreamLost(self._venue, self.name, reason, retry_after_ns))

    def _session(self) -> None:
        url = self._talk.url()
        if self._closing.is_set():
            return
        connection = connect(url, self._connect_timeout_s)
        self._socket = connection
        if self._closing.is_set():
            return
        assert connection.sock is not None
        frames = Frames(connection.sock, connection.pong)
        greetings = self._talk.greetings()
        for greeting in greetings:
            connection.send(greeting)
        early = self._confirmations(connection, frames, len(greetings))
        self._sink(StreamConnected(self._venue, self.name))
        for raw in early:
            self._take(raw)
        self._listen(connection, frames)

    def _confirmations(
        self, connection: websocket.WebSocket, frames: Frames, missing: int
    ) -> list[bytes]:
        """Wait for the confirmations; return the other messages that came meanwhile."""
        early: list[bytes] = []
        deadline_s = time.monotonic() + self._confirm_s
        while missing:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise Closed("the venue did not confirm the subscriptions in time")
            connection.settimeout(left_s)
            try:
                raw = frames.read()
            except TimeoutError:
                continue
            if self._talk.confirms(raw):
                missing -= 1
            elif len(early) >= _EARLY_MAX:
                raise Closed("too many messages before the subscriptions were confirmed")
            else:
                early.append(raw)
        return early

    def _listen(self, connection: websocket.WebSocket, frames: Frames) -> None:
        started_s = time.monotonic()
        chores = [(started_s + chore.every_s, chore) for chore in self._talk.chores()]
        chores.append((started_s + self._lifetime_s, Chore(self._lifetime_s, _too_old)))
        pulse = Chore(self._ping_s, _Pulse(connection, frames).beat)
        chores.append((started_s + self._ping_s, pulse))
        while True:
            due_s = min(at_s for at_s, _ in chores)
            connection.settimeout(min(max(due_s - time.monotonic(), 0.001), _IDLE_S))
            try:
                while time.monotonic() < due_s:
                    self._take(frames.read())
            except TimeoutError:
                pass
            now_s = time.monotonic()
            for place, (at_s, chore) in enumerate(chores):
                if at_s <= now_s:
                    chore.run()
                    chores[place] = (now_s + chore.every_s, chore)

    def _take(self, raw: bytes) -> None:
        self._last_frame_ns = time.monotonic_ns()
        self._talk.received(raw, self._clock())

    def _hang_up(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            with suppress(OSError, websocket.WebSocketException):
                connection.send_close()
            connection.shutdown()  # type: ignore[no-untyped-call]


class _Pulse:
    """Pings a quiet connection: one that the network lost says nothing for ever."""

    def __init__(self, connection: websocket.WebSocket, frames: Frames) -> None:
        self._connection = connection
        self._frames = frames
        self._received = -1

    def beat(self) -> None:
        """End a connection that brought nothing since the last beat, although it was pinged."""
        if self._frames.received == self._received:
            raise Closed("nothing came, not even the answer to a ping")
        self._received = self._frames.received
        self._connection.ping()


def connect(url: str, timeout_s: float, sock: socket.socket | None = None) -> websocket.WebSocket:
    """Connect, over `sock` where it is given, and shake hands.

    A server that sends us elsewhere is not followed: another host would get our subscriptions.
    Errors: `FrameError` for an answer that is none; `OSError`, `websocket.WebSocketException`,
    `ValueError` for a bad URL.
    """
    try:
        return websocket.create_connection(
            url,
            timeout=timeout_s,
            skip_utf8_validation=True,
            enable_multithread=False,
            # Without a host it would take the environment's proxy, exceptions or not.
            http_proxy_host="none",
            http_proxy_port=1,
            http_no_proxy=["*"],
            suppress_origin=True,
            redirect_limit=0,
            socket=sock,
            sslopt={"ca_certs": certifi.where()},
            sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
    except (LookupError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        reason = type(error).__name__
        raise FrameError(f"websocket: the handshake cannot be read: {reason}") from error


def _retry_after_ns(headers: Mapping[str, str] | None) -> int:
    stated = (headers or {}).get("retry-after", "").strip()
    whole = stated.isascii() and stated.isdigit() and len(stated) < 6
    return int(stated) * 1_000_000_000 if whole else 0


def _too_old() -> None:
    raise Closed("the connection nears the venue's age limit")
