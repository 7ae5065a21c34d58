"""The books, fed with what an exchange reports, write the exchange's own ledger to the digit."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from core.books import Books
from core.exchange import (
    Exchange,
    ExchangeSettings,
    Refusal,
    SyntheticMarket,
    account_events,
)
from core.exchange.events import Events
from core.income import Earning
from core.instruments import Instrument, LeverageBracket
from core.messages import AmendOrder, Key, OrderType, PlaceOrder, PositionSide, Side, TimeInForce
from core.records import BooksOpened, OrderIntended, SymbolOpened
from tests.core.earned import earned

D = Decimal
START_NS = 1_790_000_000_000_000_000
STEP_NS = 100_000_000
BTC = Instrument(
    key=Key("binance", "BTCUSDT"),
    base="BTC",
    quote="USDT",
    margin_asset="USDT",
    tick_size=D("0.1"),
    lot_step=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(1_000),
    market_max_quantity=D(120),
    min_notional=D(50),
    min_price=D("556.8"),
    max_price=D(4_529_764),
    price_up=D("1.05"),
    price_down=D("0.95"),
    max_open_orders=200,
    max_conditional_orders=200,
)
BRACKETS = (LeverageBracket(D(0), D(10**9), 125, D("0.004"), D(0)),)
CONDITIONAL = (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET, OrderType.STOP)


class Trader:
    """Places, amends and cancels at random, and records what a host would."""

    def __init__(self, seed: int, *, hedge: bool) -> None:
        self.random = Random(seed)
        self.hedge = hedge
        settings = ExchangeSettings(hedge_mode=hedge, funding_interval_ns=20 * STEP_NS)
        self.exchange = Exchange(
            "binance",
            [BTC],
            {"BTCUSDT": BRACKETS},
            random=Random(seed + 1),
            settings=settings,
        )
        self.market = SyntheticMarket(Random(seed + 2), BTC, D(63_000), start_ns=START_NS)
        self.exchange.deposit("USDT", D(100_000), START_NS)
        self.records: list[object] = [
            BooksOpened("binance", "USDT", D(100_000), (), START_NS),
            SymbolOpened(BTC.key, "USDT"),
        ]
        for event in self.market.opening():
            self.note(self.exchange.on_market(event, START_NS))
        self.placed = 0

    def note(self, events: Events) -> None:
        self.records += account_events("binance", events)

    def live(self, steps: int) -> None:
        for _ in range(steps):
            for event in self.market.step():
                self.note(self.exchange.on_market(event, self.market.now_ns))
            for _ in range(self.random.randrange(3)):
                try:
                    self.act(self.market.now_ns)
                except Refusal:
                    continue

    def act(self, now_ns: int) -> None:
        dice, open_orders = self.random.random(), self.exchange.open_orders("BTCUSDT")
        waiting = self.exchange.open_conditionals("BTCUSDT")
        plain = [order for order in open_orders if not order.algo_id]
        if dice < 0.15 and open_orders:
            order = self.random.choice(open_orders)
            placed = self.exchange.cancel("BTCUSDT", now_ns, order_id=order.order_id)
        elif dice < 0.3 and plain:
            order = self.random.choice(plain)
            amend = AmendOrder(
                BTC.key,
                order.client_order_id,
                str(order.order_id),
                order.side,
                order.position_side,
                self.price(order.side),
                order.quantity + D("0.001") * self.random.randrange(-2, 5),
            )
            placed = self.exchange.amend(amend, now_ns)
        elif dice < 0.35 and waiting:
            algo_id = self.random.choice(waiting).algo_id
            placed = self.exchange.cancel_conditional(now_ns, algo_id=algo_id)
        else:
            order = self.command()
            self.records.append(OrderIntended(order))
            placed = self.exchange.place(order, now_ns)
        self.note(placed.events)

    def price(self, side: Side) -> Decimal:
        quote = self.exchange.quote("BTCUSDT")
        assert quote is not None
        offset = D("0.1") * self.random.randrange(-20, 300)
        return BTC.passive_price(quote.bid - side.sign * offset, side)

    def command(self) -> PlaceOrder:
        random = self.random
        side = random.choice(list(Side))
        kind = random.choice([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, *CONDITIONAL])
        above = (side is Side.BUY) is (kind is not OrderType.TAKE_PROFIT_MARKET)
        trigger = self.price(Side.SELL if above else Side.BUY)
        self.placed += 1
        return PlaceOrder(
            BTC.key,
            f"h1-t-BTCUSDT-{self.placed}0",
            side,
            random.choice([PositionSide.LONG, PositionSide.SHORT])
            if self.hedge
            else PositionSide.BOTH,
            kind,
            D("0.001") * random.randrange(1, 400),
            price=self.price(side) if kind in (OrderType.LIMIT, OrderType.STOP) else None,
            trigger_price=trigger if kind.conditional else None,
            time_in_force=random.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.POST_ONLY])
            if kind is OrderType.LIMIT
            else TimeInForce.GTC,
            reduce_only=not self.hedge and random.random() < 0.2,
        )


def scrambled(records: list[object], random: Random) -> list[object]:
    """Deliver late, early and twice, as streams and queries that overtake each other do."""
    delivered = records + random.sample(records, len(records) // 3)
    places = {id(record): number for number, record in enumerate(records)}
    return sorted(delivered, key=lambda record: places[id(record)] + random.randrange(12))


@pytest.mark.parametrize("hedge", [False, True], ids=["one_way", "hedge"])
@pytest.mark.parametrize("seed", range(4))
def test_the_books_are_the_exchanges_ledger(seed: int, hedge: bool) -> None:
    trader = Trader(seed, hedge=hedge)
    trader.live(300)
    truth = trader.exchange.ledger()
    assert len(truth["fills"]) > 50
    assert {row["type"] for row in truth["orders"]} >= {"limit", "market", "stop_market"}
    assert (
        any(row["status"] == "partially_filled" for row in truth["orders"])
        or len({row["status"] for row in truth["orders"]}) > 3
    )
    assert Books(trader.records).ledger() == truth


@pytest.mark.parametrize("seed", range(4))
def test_the_books_are_the_exchanges_ledger_however_records_arrive(seed: int) -> None:
    trader = Trader(seed, hedge=True)
    trader.live(300)
    records = scrambled(trader.records, Random(seed))
    assert Books(records).ledger() == trader.exchange.ledger()


@pytest.mark.parametrize("seed", range(4))
def test_the_books_have_the_exchanges_income_row_by_row_however_records_arrive(seed: int) -> None:
    trader = Trader(seed, hedge=True)
    trader.live(300)
    books = Books(scrambled(trader.records, Random(seed)))
    span = START_NS + 150 * STEP_NS, START_NS + 250 * STEP_NS
    for settled_ns in (0, span[0] - 60 * STEP_NS):
        books.wallets.settle(settled_ns)
        ours = [row for row in books.wallets.earned("binance", *span) if row.amount]
        truth = earned("binance", trader.exchange.income(start_ns=span[0], end_ns=span[1]))
        assert sorted(ours, key=str) == sorted(truth, key=str)
        assert {Earning.REALISED_PNL, Earning.COMMISSION} <= {row.kind for row in truth}
    assert not list(books.wallets.earned("elsewhere", *span))
