"""A local exchange in its own process, and one whole client of it, for tests."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal as D
from pathlib import Path
from queue import Empty, Queue
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from attrs import evolve

from adapters.venues.binance_usdm.hosts import local
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.rest import BinanceVenue
from adapters.venues.binance_usdm.stream import BinanceStreams
from core.messages import (
    AmendOrder,
    CancelAll,
    Key,
    OrderType,
    PlaceOrder,
    Side,
    StreamConnected,
    TimeInForce,
)
from core.ports import Stream
from core.risk.gate import Approved, Gate
from core.secrets import Secret

ROOT = Path(__file__).resolve().parents[4]
BTC = Key("binance", "BTCUSDT")
START_S = 20.0
WAIT_S = 20.0
T = TypeVar("T")
Command = TypeVar("Command", PlaceOrder, AmendOrder)


class Exchange:
    """A local exchange in its own process."""

    key, secret = "k" * 64, "s" * 64

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "run.py", "exchange", "--venue", "binance", "--seed", "7"]
        command += ["--symbols", "BTCUSDT", "--state", str(folder / "state"), "--key", self.key]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"BULKHEAD_EXCHANGE_SECRET": self.secret},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        assert ready, "the local exchange did not say that it listens"
        hello = json.loads(self._process.stdout.readline())
        self.rest, self.ws = hello["rest"], hello["ws"]

    def fault(self, **description: Any) -> None:
        body = json.dumps(description).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.rest}/_exchange/faults", body, headers)
        with urlopen(request, timeout=5) as answer:
            assert answer.status == 200

    def heal(self) -> None:
        request = Request(f"{self.rest}/_exchange/faults", method="DELETE")
        urlopen(request, timeout=5).close()

    def ledger(self) -> dict[str, Any]:
        with urlopen(f"{self.rest}/_exchange/ledger", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Host:
    """One client with its streams, in hedge mode."""

    def __init__(self, exchange: Exchange) -> None:
        hosts = local(exchange.rest, exchange.ws)
        budget = Budget()
        pair = Secret(exchange.key), Secret(exchange.secret)
        times = {"connect_timeout_s": 2.0, "read_timeout_s": 3.0}
        self.venue = BinanceVenue(hosts, *pair, budget, hedge_mode=True, **times)
        self.streams = BinanceStreams(hosts, *pair, budget, **times)
        self.market: Queue[object] = Queue()
        self.account: Queue[object] = Queue()
        self._open: list[Stream] = []

    def listen(self) -> None:
        streams = [
            *self.streams.market("m", [BTC], self.market.put),
            self.streams.account("a", [BTC], self.account.put),
        ]
        for stream in streams:
            stream.open()
            self._open.append(stream)
        self.wait(StreamConnected)

    def wait(self, kind: type[T], when: Callable[[T], bool] = lambda _: True) -> T:
        """Return the next account event of this kind, dropping those before it."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            with suppress(Empty):
                event = self.account.get(timeout=deadline - time.monotonic())
                if isinstance(event, kind) and when(event):
                    return event
        raise AssertionError(f"no {kind.__name__} within {WAIT_S} s")

    def close(self) -> None:
        for stream in self._open:
            stream.close()
        self.venue.close()
        self.streams.close()


def approved(command: Command) -> Approved[Command]:
    return Gate().approve(command, 0, time.time_ns(), time.monotonic_ns())


def buying(resting: PlaceOrder, quantity: str = "0.02") -> PlaceOrder:
    return evolve(
        resting,
        type=OrderType.MARKET,
        price=None,
        time_in_force=TimeInForce.GTC,
        quantity=D(quantity),
    )


def tidy(exchange: Exchange) -> None:
    """Lift all faults, cancel every order and close every position, over a fresh client."""
    exchange.heal()
    host = Host(exchange)
    try:
        host.venue.cancel_all(CancelAll(BTC, conditional_too=True))
        for held in host.venue.positions(BTC):
            side = Side.SELL if held.quantity > 0 else Side.BUY
            name, quantity = f"tidy-{time.time_ns()}", abs(held.quantity)
            order = PlaceOrder(BTC, name, side, held.position_side, OrderType.MARKET, quantity)
            host.venue.place(approved(order))
    finally:
        host.close()
