"""The WebSocket side: URL forms, subscriptions by message, limits of one connection (§1, §4.1)."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.types import Message, Receive, Scope, Send

from adapters.venues.binance_usdm.emulator.errors import UNREADABLE
from adapters.venues.binance_usdm.emulator.hub import Connection
from adapters.venues.binance_usdm.emulator.venue import LocalVenue

__all__ = ["Sockets", "parse_url"]

_ROUTES = ("public", "market", "private")
_MAX_STREAMS = 1_024
_MAX_CONNECTIONS = 300
_MAX_MESSAGES_PER_SECOND = 10
_LIFE_S = 24 * 3_600


def parse_url(path: str, query: str) -> tuple[str, bool, tuple[str, ...], frozenset[str]] | None:
    """Split a URL into route, wrapped frames or raw, streams and account events.

    None for a path the venue does not have. The unrouted old form is accepted and carries only
    what the public route does, as the venue's does.
    """
    parts = [part for part in path.split("/") if part]
    route = parts.pop(0) if parts and parts[0] in _ROUTES else "public"
    if not parts or parts[0] not in ("ws", "stream"):
        return None
    wrapped = parts[0] == "stream"
    values = parse_qs(query)
    streams = [*parts[1:], *values.get("listenKey", ())]
    for joined in values.get("streams", ()):
        streams.extend(name for name in joined.split("/") if name)
    events = frozenset(name for text in values.get("events", ()) for name in text.split("/"))
    return route, wrapped, tuple(dict.fromkeys(streams)), events


class Sockets:
    """ASGI application of all WebSocket paths."""

    def __init__(self, venue: LocalVenue) -> None:
        self._venue = venue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        parsed = parse_url(scope["path"], scope["query_string"].decode("latin-1"))
        if len(self._venue.hub) >= _MAX_CONNECTIONS:
            parsed = None
        if parsed is None or self._venue.maintenance_until_ms or len(parsed[2]) > _MAX_STREAMS:
            await send({"type": "websocket.close", "code": 1008})
            return
        route, wrapped, streams, events = parsed
        await send({"type": "websocket.accept"})
        connection = Connection(route, wrapped, events)
        self._venue.hub.add(connection, streams)
        loop = asyncio.get_running_loop()
        end_of_life = loop.call_later(_LIFE_S, connection.close, 1001)
        pump = asyncio.create_task(connection.pump(send))
        try:
            await self._listen(connection, receive, pump)
        finally:
            end_of_life.cancel()
            self._venue.hub.remove(connection)
            connection.close(1000)
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _listen(
        self, connection: Connection, receive: Receive, pump: asyncio.Task[None]
    ) -> None:
        loop = asyncio.get_running_loop()
        window, count = 0, 0
        while True:
            reading = asyncio.ensure_future(receive())
            await asyncio.wait({reading, pump}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                reading.cancel()
                return
            message: Message = reading.result()
            if message["type"] == "websocket.disconnect":
                return
            second = int(loop.time())
            window, count = (window, count + 1) if second == window else (second, 1)
            if count > _MAX_MESSAGES_PER_SECOND:
                connection.close(1008)
                await pump
                return
            text = message.get("text")
            answer = self._answer(connection, text if text is not None else "")
            connection.push(msgspec.json.encode(answer).decode())

    def _answer(self, connection: Connection, text: str) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(text)
        except UNREADABLE:
            return _error(None, 3, "Invalid JSON: expected value at line 1 column 1")
        if not isinstance(request, dict):
            return _error(None, 2, "Invalid request: request must be an object")
        request_id = request.get("id")
        if not isinstance(request_id, int | str | None) or isinstance(request_id, bool):
            return _error(None, 2, "Invalid request: request ID must be an unsigned integer")
        if request.get("method") == "SET_PROPERTY":
            return self._set_property(connection, request)
        streams = request.get("params", [])
        if not isinstance(streams, list) or not all(isinstance(name, str) for name in streams):
            return _error(request_id, 2, "Invalid request: params must be a list of streams")
        match request.get("method"):
            case "SUBSCRIBE":
                if len(connection.streams) + len(streams) > _MAX_STREAMS:
                    return _error(request_id, 2, "Invalid request: too many streams")
                if self._venue.faults.subscription(connection.route, streams):
                    return _error(request_id, 2, "Invalid request: refused for a drill")
                self._venue.hub.subscribe(connection, streams)
            case "UNSUBSCRIBE":
                self._venue.hub.unsubscribe(connection, streams)
            case "LIST_SUBSCRIPTIONS":
                return {"result": list(connection.streams), "id": request_id}
            case "GET_PROPERTY":
                return {"result": connection.wrapped, "id": request_id}
            case method:
                return _error(request_id, 2, f"Invalid request: unknown variant `{method}`")
        return {"result": None, "id": request_id}

    @staticmethod
    def _set_property(connection: Connection, request: dict[str, Any]) -> dict[str, Any]:
        match request.get("params"):
            case ["combined", bool(wrapped)]:
                connection.wrapped = wrapped
                return {"result": None, "id": request.get("id")}
            case _:
                return _error(request.get("id"), 2, "Invalid request: invalid property")


def _error(request_id: Any, code: int, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "msg": text}, "id": request_id}
