"""Whatever happens on the exchange: money is conserved, books agree, state can be kept."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from core.exchange import (
    Exchange,
    ExchangeSettings,
    ExchangeState,
    OrderChanged,
    Refusal,
)
from core.messages import PositionSide, Side
from core.positions import PositionBook

HOUR = 3_600_000_000_000

offsets = st.integers(-30, 30)
quantities = st.sampled_from(["0.6", "1", "2.5", "7", "30"])
sides = st.sampled_from(["buy", "sell"])
position_sides = st.sampled_from(["long", "short"])
steps = st.one_of(
    st.tuples(st.just("market"), st.integers(-250, 250)),
    st.tuples(st.just("rest"), sides, st.integers(0, 12), quantities, position_sides),
    st.tuples(st.just("sweep"), st.integers(-14, 14), quantities),
    st.tuples(st.just("trade"), offsets, quantities, sides),
    st.tuples(st.just("delta"), st.integers(1, 12), st.integers(0, 9), sides),
    st.tuples(st.just("mark"), st.integers(-200, 200)),
    st.tuples(
        st.just("limit"),
        sides,
        offsets,
        quantities,
        st.sampled_from(["gtc", "ioc", "fok", "post_only"]),
        st.booleans(),
        position_sides,
    ),
    st.tuples(st.just("take"), sides, quantities, st.booleans(), position_sides),
    st.tuples(
        st.just("stop"),
        sides,
        offsets,
        quantities,
        st.sampled_from(["stop_market", "take_profit_market", "stop", "trailing_stop_market"]),
        st.booleans(),
        position_sides,
    ),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("amend"), st.integers(0, 5), offsets, quantities),
    st.tuples(st.just("leverage"), st.sampled_from([1, 5, 20, 100])),
    st.tuples(st.just("isolated"), st.booleans()),
    st.tuples(st.just("margin"), st.integers(-40, 40)),
    st.tuples(st.just("wait"), st.integers(0, 20)),
    st.tuples(
        st.just("cancel_all"),
    ),
)


class Play:
    """Plays steps on a rig and checks what must always hold."""

    def __init__(self, rig, hedge: bool) -> None:
        self.rig = rig
        self.hedge = hedge
        self.price = D(100)
        self.kept = rig.exchange.drain()
        rig.market()
        self.next_funding_ns = 8 * HOUR

    def at(self, offset: int) -> str:
        return str(max(D(1), self.price + D(offset) / 10))

    def side_of(self, position: str) -> str:
        return position if self.hedge else "both"

    def step(self, step) -> None:
        with suppress(Refusal):
            self.play(*step)
        self.check()

    def play(self, kind, *values) -> None:
        rig = self.rig
        match kind, values:
            case "market", (move,):
                self.price = max(D(20), self.price + D(move) / 10)
                rig.market(str(self.price))
            case "trade", (offset, quantity, side):
                rig.trade(self.at(offset), quantity, aggressor=side)
            case "rest", (side, away, quantity, position):
                offset = -away if side == "buy" else away
                rig.place(
                    side,
                    quantity,
                    self.at(offset),
                    tif="post_only",
                    position=self.side_of(position),
                )
            case "sweep", (offset, quantity):
                aggressor = "sell" if offset < 0 else "buy"
                rig.trade(self.at(offset), quantity, aggressor=aggressor)
            case "delta", (place, quantity, side):
                book = rig.exchange.book("BTCUSDT")
                best = book.best_bid() if side == "buy" else book.best_ask()
                away = -place if side == "buy" else place
                level = [(str(best[0] + D(away) / 10), str(quantity))] if best else []
                rig.delta(**{"bids" if side == "buy" else "asks": level})
            case "mark", (offset,):
                rig.mark(self.at(offset), rate="0.0003", next_ns=self.next_funding_ns)
            case "limit", (side, offset, quantity, tif, reduce, position):
                rig.place(
                    side,
                    quantity,
                    self.at(offset),
                    tif=tif,
                    reduce=reduce and not self.hedge,
                    position=self.side_of(position),
                )
            case "take", (side, quantity, reduce, position):
                rig.place(
                    side,
                    quantity,
                    reduce=reduce and not self.hedge,
                    position=self.side_of(position),
                )
            case "stop", (side, offset, quantity, type, reduce, position):
                trailing = type == "trailing_stop_market"
                rig.place(
                    side,
                    quantity,
                    self.at(offset) if type == "stop" else None,
                    type=type,
                    trigger=None if trailing else self.at(offset),
                    callback_rate_bps=D(100) if trailing else None,
                    reduce=reduce and not self.hedge,
                    position=self.side_of(position),
                    by="last" if offset % 2 else "mark",
                )
            case "cancel", (place,):
                if orders := rig.exchange.open_orders():
                    rig.cancel(orders[place % len(orders)].client_order_id)
            case "amend", (place, offset, quantity):
                if orders := rig.exchange.open_orders():
                    order = orders[place % len(orders)]
                    rig.amend(order.client_order_id, self.at(offset), quantity, order.side)
            case "leverage", (leverage,):
                rig.exchange.set_leverage("BTCUSDT", leverage, rig.tick())
            case "isolated", (isolated,):
                rig.exchange.set_isolated("BTCUSDT", isolated, rig.tick())
            case "margin", (amount,):
                side = PositionSide.LONG if self.hedge else PositionSide.BOTH
                rig.exchange.add_margin("BTCUSDT", side, D(amount), rig.tick())
            case "wait", (hours,):
                rig.time(rig.now_ns + hours * HOUR)
                self.next_funding_ns = rig.now_ns - rig.now_ns % (8 * HOUR) + 8 * HOUR
            case "cancel_all", ():
                rig.exchange.cancel_all("BTCUSDT", rig.tick())

    def check(self) -> None:
        exchange = self.rig.exchange
        trades = exchange.trades("BTCUSDT")
        fills = [trade.fill for trade in trades]
        wallet = self.rig.wallet()

        assert wallet + sum(exchange.pools().values()) == 0
        assert wallet == sum(row.amount for row in exchange.income())

        book = PositionBook()
        realised = [book.apply(fill) for fill in fills]
        assert realised == [trade.realised_pnl for trade in trades]
        for figures in exchange.positions():
            held = book.of(figures.side)
            assert (figures.quantity, figures.entry_price) == (held.quantity, held.entry_price)
            if figures.side is PositionSide.LONG:
                assert figures.quantity >= 0
            if figures.side is PositionSide.SHORT:
                assert figures.quantity <= 0

        cash = sum(fill.side.sign * fill.price * fill.quantity for fill in fills)
        carried = sum(held.quantity * held.entry_price for held in book)
        gained = sum(trade.realised_pnl for trade in trades)
        assert abs(carried - cash - gained) <= D("0.00000002") * len(fills)

        for order in exchange.orders():
            own = [fill for fill in fills if fill.order_id == str(order.order_id)]
            assert order.filled == sum(fill.quantity for fill in own) <= order.quantity
            assert order.quote_filled == sum(fill.price * fill.quantity for fill in own)
            assert (order.status.value == "filled") == (order.filled == order.quantity)
        self.check_orders()
        self.kept = merged(self.kept, exchange.drain())
        assert as_sets(self.kept) == as_sets(exchange.state())

    def check_orders(self) -> None:
        exchange = self.rig.exchange
        reserved = {Side.BUY: D(0), Side.SELL: D(0)}
        for order in exchange.open_orders():
            closing = order.reduce_only
            if order.position_side is not PositionSide.BOTH:
                closing = (order.position_side is PositionSide.LONG) is (order.side is Side.SELL)
            if not closing:
                reserved[order.side] += order.price * order.remaining
                continue
            held = next(p for p in exchange.positions() if p.side is order.position_side)
            assert held.quantity * order.side.sign < 0
        figures = exchange.positions()
        assert sum(p.bid_notional for p in figures) == reserved[Side.BUY]
        assert sum(p.ask_notional for p in figures) == reserved[Side.SELL]
        account = exchange.account("USDT")
        assert account.available >= 0
        assert account.cross_wallet + sum(p.isolated_wallet for p in figures) == account.wallet


ROWS = {
    "orders": lambda row: row.order_id,
    "conditionals": lambda row: row.algo_id,
    "trades": lambda row: row.fill.fill_id,
    "amendments": lambda row: row.amendment_id,
    "income": lambda row: row.income_id,
    "positions": lambda row: row.side,
    "balances": lambda row: row.asset,
    "symbols": lambda row: row.key,
    "pools": lambda row: row.name,
}


def merged(state: ExchangeState, changes: ExchangeState) -> ExchangeState:
    """What a server's tables hold after writing `changes`."""
    tables = {
        name: tuple(
            (
                {row_id(row): row for row in getattr(state, name)}
                | {row_id(row): row for row in getattr(changes, name)}
            ).values()
        )
        for name, row_id in ROWS.items()
    }
    return ExchangeState(**tables, account=changes.account or state.account)


def as_sets(state: ExchangeState):
    """The rows by id; a symbol's row without the figures of the market, which are not kept."""
    tables = {
        name: {row_id(row): row for row in getattr(state, name)}
        for name, row_id in ROWS.items()
        if name != "symbols"
    }
    symbols = {
        (row.key, row.leverage, row.isolated, row.next_fill_id, row.next_funding_ns)
        for row in state.symbols
    }
    return tables, symbols, state.account


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(steps, max_size=40))
def test_money_positions_and_rows_agree_after_every_step(make_rig, hedge, moves):
    play = Play(make_rig(hedge_mode=hedge), hedge)
    for move in moves:
        play.step(move)


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.lists(steps, max_size=25), st.lists(steps, max_size=15))
def test_an_exchange_restored_from_its_rows_goes_on_as_if_nothing_was(
    make_rig, hedge, before, after
):
    play = Play(make_rig(hedge_mode=hedge), hedge)
    for move in before:
        play.step(move)
    old = play.rig.exchange
    new = Exchange(
        "binance",
        old.instruments(),
        {"BTCUSDT": old.brackets("BTCUSDT")},
        random=random.Random(1),
        settings=ExchangeSettings(hedge_mode=not hedge),
    )
    new.restore(play.kept)
    assert new.state() == old.state() or as_sets(new.state()) == as_sets(old.state())
    assert new.ledger() == old.ledger()
    play.rig.exchange = new
    play.kept = new.state()
    play.rig.market(str(play.price))
    for move in after:
        play.step(move)


@settings(max_examples=30, deadline=None)
@given(st.booleans(), st.lists(steps, max_size=25), st.integers(0, 2**32))
def test_the_same_seed_and_calls_give_the_same_events(make_rig, hedge, moves, seed):
    def run():
        rig = make_rig(
            hedge_mode=hedge, seed=seed, latency_ns=2_000_000, latency_jitter_ns=9_000_000
        )
        play = Play(rig, hedge)
        for move in moves:
            with suppress(Refusal):
                play.play(*move)
        return rig.events, rig.exchange.ledger()

    assert run() == run()


def test_events_of_a_fill_carry_what_the_ledger_says(make_rig):
    rig = make_rig()
    rig.market()
    rig.buy("7", id="a")
    trades = [e.trade for e in rig.events if isinstance(e, OrderChanged) and e.trade]
    assert tuple(trades) == rig.exchange.trades("BTCUSDT")
