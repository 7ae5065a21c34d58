"""Fixtures of the Binance client's tests: a scripted venue, and the local exchange."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal as D

import pytest

from core.messages import OrderType, PlaceOrder, PositionSide, Side, TimeInForce
from tests.adapters.venues.binance_usdm.desk import Desk
from tests.adapters.venues.binance_usdm.local_exchange import BTC, Exchange, Host, tidy


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(stack)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    running = Exchange(tmp_path_factory.mktemp("exchange"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def host(exchange: Exchange) -> Iterator[Host]:
    """A client in hedge mode on a tidy account."""
    made = Host(exchange)
    made.venue.set_hedge_mode(True)
    made.venue.set_isolated(BTC, True)
    made.venue.set_leverage(BTC, 3)
    try:
        yield made
    finally:
        made.close()
        tidy(exchange)


@pytest.fixture
def resting(host: Host, request: pytest.FixtureRequest) -> PlaceOrder:
    """A long post-only bid 2 % under the market, named after the test."""
    bid = host.venue.book(BTC, 5).bids[0][0]
    name = f"{abs(hash(request.node.name)) % 10**9}-{time.time_ns() % 10**12}"
    return PlaceOrder(
        BTC,
        name,
        Side.BUY,
        PositionSide.LONG,
        OrderType.LIMIT,
        D("0.01"),
        price=(bid * D("0.98")).quantize(D("0.1")),
        time_in_force=TimeInForce.POST_ONLY,
    )
