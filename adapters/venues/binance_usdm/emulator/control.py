"""The control endpoints of the local exchange: its truth, health, market, limits and faults."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.venues.binance_usdm.emulator.errors import UNREADABLE, ApiError
from adapters.venues.binance_usdm.emulator.faults import KINDS, FaultError, parse_faults
from adapters.venues.binance_usdm.emulator.limits import RateLimits
from adapters.venues.binance_usdm.emulator.venue import CREATED_NOTE, LocalVenue

__all__ = ["control_routes"]


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def control_routes(venue: LocalVenue) -> list[Route]:
    """Return the routes under `/_exchange/`; no key is asked for, the socket is loopback only."""

    async def ledger(_: Request) -> Response:
        return _json(venue.exchange.ledger())

    async def health(_: Request) -> Response:
        return _json(
            {
                "status": "ok",
                "venue": venue.options.venue,
                "pid": os.getpid(),
                "started_ns": venue.started_ns,
                "created_ns": int(venue.store.note(CREATED_NOTE) or 0),
                "key": venue.key,
                "symbols": list(venue.listings),
                "sockets": len(venue.hub),
                "market": {
                    symbol: {
                        "last_id": venue.exchange.book(symbol).last_id,
                        "book_errors": venue.exchange.book_errors(symbol)[0],
                        "trades": len(venue.tapes[symbol].trades),
                    }
                    for symbol in venue.listings
                },
            }
        )

    async def market(request: Request) -> Response:
        try:
            found = msgspec.json.decode(await request.body(), type=dict[str, bool])
        except UNREADABLE as error:
            return _json({"error": str(error)}, 400)
        if set(found) != {"stands"}:
            return _json({"error": 'write {"stands": true} or {"stands": false}'}, 400)
        venue.clock.market_stands = found["stands"]
        return _json(found)

    async def limits(_: Request) -> Response:
        venue.limits = RateLimits()
        return _json({"used": 0})

    async def faults(request: Request) -> Response:
        if request.method == "GET":
            return _json({"faults": [fault.row() for fault in venue.faults], "kinds": KINDS})
        if request.method == "DELETE":
            text = request.query_params.get("id", "0")
            if not (text.isascii() and text.isdigit()):
                return _json({"error": "id must be a number"}, 400)
            venue.clear_faults(int(text))
            return _json({"faults": [fault.row() for fault in venue.faults]})
        try:
            found = parse_faults(msgspec.json.decode(await request.body()))
            for fault in found:
                venue.set_fault(fault)
        except (*UNREADABLE, FaultError) as error:
            return _json({"error": str(error), "allowed": sorted(KINDS)}, 400)
        except ApiError as error:
            return _json({"error": error.message}, 400)
        return _json({"set": [fault.row() for fault in found]})

    return [
        Route("/_exchange/ledger", ledger),
        Route("/_exchange/health", health),
        Route("/_exchange/market", market, methods=["POST"]),
        Route("/_exchange/limits", limits, methods=["DELETE"]),
        Route("/_exchange/faults", faults, methods=["GET", "POST", "DELETE"]),
    ]
