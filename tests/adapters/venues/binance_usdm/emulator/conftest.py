"""A local venue without sockets: calls go straight into its gateway, time stands as it is."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.venues.binance_usdm.emulator.driver import MarketDriver
from adapters.venues.binance_usdm.emulator.gateway import Cutter, Gateway
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from adapters.venues.binance_usdm.emulator.sources import open_source
from adapters.venues.binance_usdm.emulator.store import Store
from adapters.venues.binance_usdm.emulator.venue import LocalVenue

KEY, SECRET = "k" * 64, "s" * 64


class Desk:
    """Signed and unsigned calls into one gateway."""

    def __init__(self, venue: LocalVenue) -> None:
        self.venue = venue
        self.gateway = Gateway(venue, Cutter())

    def call(self, method: str, path: str, *, sign: bool = True, **parameters: Any) -> Any:
        """Return (status, parsed body)."""
        if sign:
            parameters["timestamp"] = time.time_ns() // 1_000_000
        text = urlencode(parameters)
        if sign:
            signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
            text += f"&signature={signature}"
        return self.raw(method, path, text.encode())

    def raw(self, method: str, path: str, query: bytes) -> Any:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(b"x-mbx-apikey", KEY.encode())],
            "client": ("127.0.0.1", 1),
        }
        asyncio.run(self.gateway(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], json.loads(body)


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    stores: list[Store] = []

    def make(symbols: tuple[str, ...] = ("BTCUSDT",), **options: Any) -> Desk:
        chosen = ExchangeOptions(symbols=symbols, seed=3, state_dir=tmp_path, **options)
        store = Store(tmp_path / "binance")
        stores.append(store)
        source, listings = open_source(chosen, {})
        venue = LocalVenue(chosen, listings, store, KEY, SECRET, time.time_ns())
        MarketDriver(venue, source).open()
        return Desk(venue)

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
