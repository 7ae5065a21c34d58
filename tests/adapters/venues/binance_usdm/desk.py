"""A Binance client and the scripted venue it talks to, for tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal as D
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from adapters.venues.binance_usdm.hosts import Hosts, local
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.rest import BinanceVenue
from core.messages import (
    AmendOrder,
    Key,
    OrderType,
    PlaceOrder,
    PositionSide,
    Side,
    TimeInForce,
)
from core.risk.gate import Approved, Gate
from core.secrets import Secret
from tests.adapters.scripted_server import Reply, Request, ScriptedServer
from tests.adapters.venues.binance_usdm.samples import raw

BTC = Key("binance", "BTCUSDT")
KEY = "the-key-of-this-test"
SECRET = Secret("the-secret-of-this-test")
NOW_NS = 1_790_000_000_500_000_000

LIMIT = PlaceOrder(
    BTC,
    "bot1-0001",
    Side.BUY,
    PositionSide.BOTH,
    OrderType.LIMIT,
    D("0.100"),
    price=D("62000.00"),
    time_in_force=TimeInForce.POST_ONLY,
)
STOP = PlaceOrder(
    BTC,
    "bot1-sl-1",
    Side.SELL,
    PositionSide.BOTH,
    OrderType.STOP_MARKET,
    D("0.1"),
    trigger_price=D(60000),
    reduce_only=True,
)

AMEND = AmendOrder(
    BTC, "bot1-0001", "283194212345", Side.BUY, PositionSide.BOTH, D(61950), D("0.2")
)

Command = TypeVar("Command", PlaceOrder, AmendOrder)
Respond = Callable[[Request], Reply]


def approved(command: Command) -> Approved[Command]:
    return Gate().approve(command, 0, NOW_NS, NOW_NS)


def ok(value: Any, **headers: str) -> Reply:
    return Reply(body=raw(value), headers=headers)


def refused(code: int, message: str = "words", status: int = 400) -> Reply:
    return Reply(status=status, body=raw({"code": code, "msg": message}))


def fields(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body or request.target.partition("?")[2]))


class Desk:
    """A client and the scripted venue it talks to."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.replies: dict[tuple[str, str], list[Reply] | Respond] = {}
        self.otherwise = Reply(status=404, body=b"no such path in this test")
        self.server = ScriptedServer(self._respond)
        stack.callback(self.server.close)
        self.budget = Budget(clock=lambda: NOW_NS)
        self.venue = self.client()

    def client(self, *, hosts: Hosts | None = None, **options: Any) -> BinanceVenue:
        url = self.server.url
        venue = BinanceVenue(
            hosts or local(url, url.replace("http", "ws")),
            Secret(KEY),
            SECRET,
            self.budget,
            connect_timeout_s=1.0,
            read_timeout_s=options.pop("read_timeout_s", 2.0),
            clock=lambda: NOW_NS,
            **options,
        )
        self._stack.callback(venue.close)
        return venue

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[method, path] = list(replies)

    def by(self, method: str, path: str, respond: Respond) -> None:
        self.replies[method, path] = respond

    @property
    def requests(self) -> list[Request]:
        return self.server.requests

    def _respond(self, request: Request) -> Reply:
        found = self.replies.get((request.method, request.path))
        if found is None:
            return self.otherwise
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found(request)
