"""The HTTP side: limits, keys, signatures, faults and answers of every REST call."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen
from starlette.types import Receive, Scope, Send

from adapters.venues.binance_usdm.emulator import account_api, algo_api, market_api, orders_api
from adapters.venues.binance_usdm.emulator.endpoints import Endpoint, Security
from adapters.venues.binance_usdm.emulator.errors import ApiError, bad_request
from adapters.venues.binance_usdm.emulator.faults import VARIANTS, Fault
from adapters.venues.binance_usdm.emulator.request import (
    Parameters,
    SignedText,
    check_key,
    check_signature,
    check_time,
    parse,
)
from adapters.venues.binance_usdm.emulator.venue import LocalVenue

__all__ = ["ENDPOINTS", "Cutter", "Gateway"]

_MAX_BODY = 262_144
_MS = 1_000_000
ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    **market_api.ENDPOINTS,
    **account_api.ENDPOINTS,
    **orders_api.ENDPOINTS,
    **algo_api.ENDPOINTS,
}
_PATHS = frozenset(path for _, path in ENDPOINTS)
_UNKNOWN = "Unknown error, please check your request or try again later."
_VARIANTS = {
    "unknown": (0, _UNKNOWN),
    "-1006": (
        -1006,
        "An unexpected response was received from the message bus. Execution status unknown.",
    ),
    "-1007": (
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status "
        "unknown.",
    ),
    "unavailable": (0, "Service Unavailable."),
    "-1008": (
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are "
        "exempt. Please try again.",
    ),
    "-1001": (-1001, "Internal error; unable to process your request. Please try again."),
}


class Cutter:
    """Open HTTP connections by client address, to cut one off in the middle of things."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self.held: set[tuple[str, int]] = set()

    def add(self, client: tuple[str, int], transport: asyncio.Transport) -> None:
        self._transports[client] = transport

    def remove(self, client: tuple[str, int]) -> None:
        self._transports.pop(client, None)

    def cut(self, client: tuple[str, int]) -> None:
        """Cut a connection without a word."""
        transport = self._transports.get((client[0], client[1]))
        if transport is not None:
            transport.abort()

    def release(self) -> None:
        """Cut the connections that a fault holds."""
        for client in tuple(self.held):
            self.cut(client)


@frozen(slots=True)
class _Call:
    """One REST call on its way through."""

    method: str
    path: str
    parameters: Parameters
    signed: SignedText
    api_key: str | None
    client: tuple[str, int]

    @property
    def symbol(self) -> str:
        return self.parameters.text("symbol")


class Gateway:
    """ASGI application of all REST paths."""

    def __init__(self, venue: LocalVenue, cutter: Cutter) -> None:
        self._venue = venue
        self._cutter = cutter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = tuple(scope["client"] or ("", 0))
        try:
            body = await _body(receive)
            parameters, signed = parse(scope["query_string"], body)
            api_key = next(
                (value.decode("latin-1") for name, value in scope["headers"] if name == _KEY), None
            )
            call = _Call(scope["method"], scope["path"], parameters, signed, api_key, client)
            before = self._venue.faults.before(call.method, call.path, call.symbol)
            if before is not None and await self._struck_before(before, call, receive):
                return
            status, answer, headers = 200, *self._carry_out(call)
        except ApiError as error:
            status, answer, headers = error.status, error.body(), list(error.headers.items())
            headers.append(self._venue.limits.weight_header())
            await _send(send, status, answer, headers)
            return
        except sqlite3.Error:
            # the server stops when it sees why (`LocalVenue.failure`); whether it happened is open
            text = "An unknown error occurred while processing the request."
            await _send(send, 500, {"code": -1000, "msg": text}, [])
            return
        after = self._venue.faults.after(call.method, call.path, call.symbol)
        if after is None:
            await _send(send, status, answer, headers)
        else:
            await self._struck_after(after, call, receive, send, answer, headers)

    def _carry_out(self, call: _Call) -> tuple[Any, list[tuple[str, str]]]:
        venue = self._venue
        venue.check_open()
        endpoint = ENDPOINTS.get((call.method, call.path))
        if endpoint is None:
            status = 405 if call.path in _PATHS else 404
            raise ApiError(status, -5000, f"Path {call.path}, Method {call.method} is invalid")
        now_ms = venue.clock.now_ns() // _MS
        venue.limits.charge(endpoint.cost(call.parameters), now_ms)
        if endpoint.security is not Security.NONE:
            revoked = venue.faults.active("key_revoked") is not None
            check_key(call.api_key, venue.key, revoked=revoked)
        if endpoint.security is Security.SIGNED:
            check_signature(call.signed, venue.secret)
            check_time(call.parameters, venue.clock.told_ms())
        if endpoint.orders is not None:
            venue.limits.charge_orders(*endpoint.orders, now_ms)
        answer = endpoint.handler(venue, call.parameters)
        headers = [venue.limits.weight_header()]
        if endpoint.orders is not None:
            headers.extend(venue.limits.order_headers())
        return answer, headers

    async def _struck_before(self, fault: Fault, call: _Call, receive: Receive) -> bool:
        """Strike; return whether the call has got all the answer that it will get."""
        now_ms = self._venue.clock.now_ns() // _MS
        retry = {"Retry-After": str(max(1, fault.ms // 1_000))}
        match fault.kind:
            case "503_not_executed":
                raise _variant(fault)
            case "429":
                raise ApiError(429, -1003, "Too many requests; please slow down.", retry)
            case "418":
                self._venue.limits.ban(now_ms, fault.ms or 120_000)
                self._venue.limits.charge(0, now_ms)
            case "reject":
                text = fault.message or "An unknown error occurred while processing the request."
                raise ApiError(fault.status, fault.code or -1000, text)
            case "timeout_before":
                await self._hold(fault, call, receive)
            case _:
                await self._cut(call, receive)
        return True

    async def _struck_after(
        self,
        fault: Fault,
        call: _Call,
        receive: Receive,
        send: Send,
        answer: Any,
        headers: list[tuple[str, str]],
    ) -> None:
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.ms / 1_000)
                await _send(send, 200, answer, headers)
            case "5xx_after_accept":
                error = _variant(fault)
                await _send(send, error.status, error.body(), headers)
            case "timeout_after":
                await self._hold(fault, call, receive)
            case _:
                payload = msgspec.json.encode(answer)
                await send(_start(200, payload, headers))
                half = payload[: len(payload) // 2]
                await send({"type": "http.response.body", "body": half, "more_body": True})
                await asyncio.sleep(0.05)
                await self._cut(call, receive)

    async def _hold(self, fault: Fault, call: _Call, receive: Receive) -> None:
        """Say nothing until time is up, the client leaves or the exchange ends; then cut."""
        self._cutter.held.add(call.client)
        try:
            async with asyncio.timeout(fault.ms / 1_000 if fault.ms else None):
                await _until_disconnect(receive)
        except TimeoutError:
            await self._cut(call, receive)
        finally:
            self._cutter.held.discard(call.client)

    async def _cut(self, call: _Call, receive: Receive) -> None:
        self._cutter.cut(call.client)
        await _until_disconnect(receive)


_KEY = b"x-mbx-apikey"


async def _body(receive: Receive) -> bytes:
    parts = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MAX_BODY:
            raise bad_request(-1101, "Too many parameters; the request body is too large.")
        if not message.get("more_body", False):
            return b"".join(parts)


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _variant(fault: Fault) -> ApiError:
    return ApiError(503, *_VARIANTS[fault.variant or VARIANTS[fault.kind][0]])


def _start(status: int, payload: bytes, headers: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", b"application/json;charset=UTF-8"),
            (b"content-length", str(len(payload)).encode()),
            *((name.encode(), value.encode()) for name, value in headers),
        ],
    }


async def _send(send: Send, status: int, answer: Any, headers: list[tuple[str, str]]) -> None:
    payload = msgspec.json.encode(answer)
    await send(_start(status, payload, headers))
    await send({"type": "http.response.body", "body": payload})
