"""WebSocket connections and their subscriptions: who gets which event, and never a backlog."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from adapters.venues.binance_usdm.emulator.faults import Fault, Faults

__all__ = ["Connection", "Hub", "carries"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

QUEUE_LIMIT = 4_000
_PUBLIC = ("bookTicker", "depth", "rpiDepth")


def carries(route: str, stream: str) -> bool:
    """Return whether a route carries a market stream. Source: fact sheet §1.

    The undocumented raw trades are asked for on both routes by the clients in use.
    """
    kind = stream.partition("@")[2]
    if kind == "trade":
        return route != "private"
    public = stream == "!bookTicker" or kind.startswith(_PUBLIC)
    return route == ("public" if public else "market")


class Connection:
    """One socket.

    A full queue means that the client does not keep up: the socket is closed (1008), as the venue
    does, rather than events be kept for it or left out.
    """

    def __init__(self, route: str, wrapped: bool, events: frozenset[str]) -> None:
        self.route = route
        self.wrapped = wrapped
        self.events = events
        self.streams: dict[str, None] = {}
        self.stalled_until = 0.0
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT)
        self.closing = False
        self.close_code = 1000

    def push(self, frame: str) -> None:
        """Queue one frame."""
        if self.closing:
            return
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.close(1008)

    def close(self, code: int) -> None:
        """Close after dropping what is queued."""
        if self.closing:
            return
        self.closing, self.close_code = True, code
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def pump(self, send: Send) -> None:
        """Send what is queued until closed."""
        while (frame := await self._queue.get()) is not None:
            await send({"type": "websocket.send", "text": frame})
        await send({"type": "websocket.close", "code": self.close_code})


class Hub:
    """All connections, by stream and by listen key."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._connections: dict[Connection, None] = {}
        self._by_stream: dict[str, dict[Connection, None]] = {}
        self._held: dict[str, tuple[list[Connection], str]] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection, streams: Iterable[str]) -> None:
        """Register a connection with the streams named in its URL."""
        self._connections[connection] = None
        self.subscribe(connection, streams)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self.unsubscribe(connection, tuple(connection.streams))
        self._connections.pop(connection, None)

    def subscribe(self, connection: Connection, streams: Iterable[str]) -> None:
        for stream in streams:
            connection.streams[stream] = None
            self._by_stream.setdefault(stream, {})[connection] = None

    def unsubscribe(self, connection: Connection, streams: Iterable[str]) -> None:
        for stream in streams:
            connection.streams.pop(stream, None)
            readers = self._by_stream.get(stream)
            if readers is not None:
                readers.pop(connection, None)
                if not readers:
                    del self._by_stream[stream]

    def wanted(self, stream: str) -> bool:
        """Return whether anybody listens to a stream."""
        return stream in self._by_stream

    def streams(self) -> tuple[str, ...]:
        """Return every stream that somebody listens to."""
        return tuple(self._by_stream)

    def publish(self, stream: str, payload: bytes, symbol: str = "") -> None:
        """Send a market event to its readers on the right route."""
        readers = self._by_stream.get(stream)
        if not readers:
            return
        to = [reader for reader in readers if carries(reader.route, stream)]
        if to:
            self._strike(to, stream, stream, payload, symbol)

    def publish_user(self, key: str, event: str, payload: bytes, symbol: str = "") -> None:
        """Send an account event to the readers of a listen key."""
        to = [
            reader
            for reader in self._by_stream.get(key, ())
            if reader.route == "private" and (not reader.events or event in reader.events)
        ]
        if to:
            self._strike(to, key, event, payload, symbol)

    def close_all(self, code: int) -> None:
        """Close every connection."""
        for connection in tuple(self._connections):
            connection.close(code)

    def _strike(
        self, to: list[Connection], stream: str, name: str, payload: bytes, symbol: str
    ) -> None:
        text = payload.decode()
        fault = self._faults.stream(name, symbol)
        held = self._held.pop(stream, None)
        if fault is None:
            self._deliver(to, stream, text)
        else:
            self._faulty(fault, to, stream, text)
        if held is not None:
            self._deliver(held[0], stream, held[1])

    def _faulty(self, fault: Fault, to: list[Connection], stream: str, text: str) -> None:
        loop = asyncio.get_running_loop()
        match fault.kind:
            case "duplicate":
                self._deliver(to, stream, text)
                self._deliver(to, stream, text)
            case "delay":
                loop.call_later(fault.ms / 1_000, self._deliver, to, stream, text)
            case "reorder":
                self._held[stream] = (to, text)
            case "disconnect":
                for connection in to:
                    connection.close(1001)
            case "stall":
                until = loop.time() + fault.ms / 1_000 if fault.ms else float("inf")
                for connection in to:
                    connection.stalled_until = until

    def _deliver(self, to: list[Connection], stream: str, text: str) -> None:
        now = asyncio.get_running_loop().time()
        wrapped = ""
        for connection in to:
            if now < connection.stalled_until:
                continue
            if connection.wrapped:
                wrapped = wrapped or f'{{"stream":"{stream}","data":{text}}}'
                connection.push(wrapped)
            else:
                connection.push(text)
