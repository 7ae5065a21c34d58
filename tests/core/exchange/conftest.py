"""A small exchange with one symbol to trade on, for every test of this folder."""

from __future__ import annotations

import random
from decimal import Decimal as D

import pytest
from attrs import evolve

from core.exchange import (
    Exchange,
    ExchangeSettings,
    OrderChanged,
    Placed,
    Reason,
    Refusal,
)
from core.instruments import Instrument, LeverageBracket
from core.messages import (
    AmendOrder,
    BookDelta,
    BookSnapshot,
    Key,
    MarkPrice,
    OrderType,
    PlaceOrder,
    PositionSide,
    Quote,
    Side,
    TimeInForce,
    Trade,
    TriggerBy,
)

MS = 1_000_000
HOUR = 3_600_000 * MS
KEY = Key("binance", "BTCUSDT")
INSTRUMENT = Instrument(
    key=KEY,
    base="BTC",
    quote="USDT",
    margin_asset="USDT",
    tick_size=D("0.1"),
    lot_step=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(1000),
    market_max_quantity=D(120),
    min_notional=D(50),
    min_price=D("1"),
    max_price=D(4_000_000),
    price_up=D("1.05"),
    price_down=D("0.95"),
    max_open_orders=20,
    max_conditional_orders=10,
)
BRACKETS = (
    LeverageBracket(D(0), D(50_000), 125, D("0.004"), D(0)),
    LeverageBracket(D(50_000), D(250_000), 100, D("0.005"), D(50)),
    LeverageBracket(D(250_000), D(10_000_000), 20, D("0.01"), D(1300)),
)


class Rig:
    """One exchange, a clock that moves a millisecond a call, and short words for orders."""

    def __init__(self, *, balance: str = "1000", seed: int = 1, instruments=None, **settings):
        self.now_ns = 1_000 * MS
        instruments = instruments or [INSTRUMENT]
        self.exchange = Exchange(
            "binance",
            instruments,
            {instrument.key.symbol: BRACKETS for instrument in instruments},
            random=random.Random(seed),
            settings=ExchangeSettings(**settings),
        )
        self.events = []
        self.book_id = 1000
        self.trade_id = 0
        if balance != "0":
            self.do(self.exchange.deposit("USDT", D(balance), self.tick()))

    def tick(self, ns: int = MS) -> int:
        self.now_ns += ns
        return self.now_ns

    def do(self, events):
        self.events += events
        return events

    # market

    def snapshot(self, bids, asks, key=KEY):
        self.book_id += 10
        rows = [tuple((D(p), D(q)) for p, q in side) for side in (bids, asks)]
        event = BookSnapshot(key, self.book_id, rows[0], rows[1], self.tick())
        return self.do(self.exchange.on_market(event, self.now_ns))

    def delta(self, bids=(), asks=()):
        rows = [tuple((D(p), D(q)) for p, q in side) for side in (bids, asks)]
        previous, self.book_id = self.book_id, self.book_id + 1
        event = BookDelta(KEY, self.book_id, self.book_id, previous, rows[0], rows[1], self.tick())
        return self.do(self.exchange.on_market(event, self.now_ns))

    def quote(self, bid, ask, quantity="1", update_id=1):
        event = Quote(
            KEY, D(bid), D(quantity), D(ask), D(quantity), update_id, self.tick(), self.now_ns
        )
        return self.do(self.exchange.on_market(event, self.now_ns))

    def trade(self, price, quantity, aggressor="sell"):
        self.trade_id += 1
        event = Trade(KEY, self.trade_id, D(price), D(quantity), aggressor == "sell", self.tick())
        return self.do(self.exchange.on_market(event, self.now_ns))

    def mark(self, price, rate="0", next_ns=0, key=KEY):
        event = MarkPrice(key, D(price), D(price), D(rate), next_ns, self.tick())
        return self.do(self.exchange.on_market(event, self.now_ns))

    def market(self, price="100", quantity="5"):
        """Mark, and ten levels a side from one tick around `price` outwards."""
        self.mark(price)
        step = D("0.1")
        bids = [(D(price) - step * i, quantity) for i in range(1, 11)]
        asks = [(D(price) + step * i, quantity) for i in range(1, 11)]
        return self.snapshot(bids, asks)

    def time(self, ns: int):
        self.now_ns = ns
        return self.do(self.exchange.on_time(ns))

    # orders

    def order(
        self,
        side,
        quantity,
        price=None,
        *,
        id="",
        type=None,
        tif="gtc",
        trigger=None,
        by="mark",
        position="both",
        reduce=False,
        key=KEY,
        **rest,
    ) -> PlaceOrder:
        plain = OrderType.MARKET if price is None else OrderType.LIMIT
        return PlaceOrder(
            key=key,
            client_order_id=id,
            side=Side(side),
            position_side=PositionSide(position),
            type=OrderType(type) if type else plain,
            quantity=D(quantity),
            price=None if price is None else D(price),
            trigger_price=None if trigger is None else D(trigger),
            trigger_by=TriggerBy(by),
            time_in_force=TimeInForce(tif),
            reduce_only=reduce,
            **rest,
        )

    def place(self, side, quantity, price=None, *, close_position=False, activation=None, **rest):
        order = self.order(side, quantity, price, **rest)
        placed = self.exchange.place(
            order,
            self.tick(),
            close_position=close_position,
            activation_price=None if activation is None else D(activation),
        )
        self.do(placed.events)
        return placed

    def buy(self, quantity, price=None, **rest) -> Placed:
        return self.place("buy", quantity, price, **rest)

    def sell(self, quantity, price=None, **rest) -> Placed:
        return self.place("sell", quantity, price, **rest)

    def amend(self, id, price, quantity, side="buy", **rest) -> Placed:
        command = AmendOrder(
            KEY, id, "", Side(side), PositionSide.BOTH, D(price), D(quantity), **rest
        )
        placed = self.exchange.amend(command, self.tick())
        self.do(placed.events)
        return placed

    def cancel(self, id) -> Placed:
        placed = self.exchange.cancel("BTCUSDT", self.tick(), client_order_id=id)
        self.do(placed.events)
        return placed

    def refuses(self, call, *args, **rest) -> Reason:
        with pytest.raises(Refusal) as caught:
            call(*args, **rest)
        return caught.value.reason

    # looks

    def get(self, id):
        return self.exchange.order("BTCUSDT", client_order_id=id)

    def status(self, id) -> tuple[str, D]:
        order = self.get(id)
        return order.status.value, order.filled

    def position(self, side="both") -> D:
        return next(p.quantity for p in self.exchange.positions("BTCUSDT") if p.side.value == side)

    def fills(self):
        return [trade.fill for trade in self.exchange.trades("BTCUSDT")]

    def wallet(self) -> D:
        return self.exchange.account("USDT").wallet


def executions(events) -> list[tuple[str, str]]:
    """Client id and execution of every order event."""
    return [
        (e.order.client_order_id, e.execution.value) for e in events if isinstance(e, OrderChanged)
    ]


@pytest.fixture
def make():
    """Make a rig with other settings."""
    return Rig


@pytest.fixture
def rig() -> Rig:
    """A funded exchange with a market at 100."""
    made = Rig()
    made.market()
    return made


@pytest.fixture
def bare() -> Rig:
    """A funded exchange without a market."""
    return Rig()


@pytest.fixture
def instrument() -> Instrument:
    return evolve(INSTRUMENT)


@pytest.fixture(name="executions")
def executions_of():
    return executions


@pytest.fixture(scope="session")
def make_rig():
    """Make rigs in property tests, which take no function-scoped fixtures."""
    return Rig
