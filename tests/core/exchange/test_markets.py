"""Generated markets: coherent, deterministic, lively; bars as paths."""

from __future__ import annotations

import random
from decimal import Decimal as D

import pytest
from attrs import evolve

from core.exchange import FundingRate, SyntheticMarket, SyntheticSettings, bars_market
from core.market import Book
from core.messages import Bar, BookDelta, BookSnapshot, MarkPrice, Quote, Trade

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def synthetic(instrument, seed=7, price="65000", **options):
    return SyntheticMarket(
        random.Random(seed),
        instrument,
        D(price),
        start_ns=START,
        settings=SyntheticSettings(**options),
    )


def run(market, seconds=30):
    return [*market.opening(), *market.advance(START + seconds * SECOND)]


def test_the_same_seed_gives_the_same_market_and_another_one_another(instrument):
    first = run(synthetic(instrument, seed=7))
    assert first == run(synthetic(instrument, seed=7))
    assert first != run(synthetic(instrument, seed=8))


@pytest.mark.parametrize("price", ["65000", "100", "2.5", "1.1"])
def test_the_book_follows_without_gap_or_crossing_and_the_quote_is_its_top(instrument, price):
    book = Book(instrument.key)
    quotes = 0
    for event in run(synthetic(instrument, price=price)):
        if isinstance(event, BookDelta | BookSnapshot):
            book.apply(event)
        elif isinstance(event, Quote):
            quotes += 1
            assert event.update_id == book.last_id
            assert book.best_bid() == (event.bid, event.bid_quantity)
            assert book.best_ask() == (event.ask, event.ask_quantity)
    assert quotes > 290


def test_prices_and_quantities_keep_to_tick_and_lot(instrument):
    for event in run(synthetic(instrument)):
        if isinstance(event, Trade):
            assert event.price % instrument.tick_size == 0
            assert event.quantity % instrument.lot_step == 0
            assert event.quantity > 0


@pytest.mark.parametrize(("bps", "factor"), [(-2000, "0.8"), (500, "1.05")])
def test_a_shifted_market_trades_from_the_new_price_on(instrument, bps, factor):
    market = synthetic(instrument)
    run(market, 5)
    market.shift(bps)
    quotes = [e for e in market.advance(market.now_ns + 5 * SECOND) if isinstance(e, Quote)]
    for quote in quotes:
        assert abs(quote.bid / (D(65000) * D(factor)) - 1) < D("0.02")
    assert quotes


def test_a_trade_takes_no_more_than_stood_at_its_price(instrument):
    book = Book(instrument.key)
    checked = 0
    for event in run(synthetic(instrument)):
        if isinstance(event, BookDelta | BookSnapshot):
            book.apply(event)
        elif isinstance(event, Trade):
            bid = book.bid_quantity_at(event.price)
            ask = book.ask_quantity_at(event.price)
            standing = bid if event.buyer_is_maker else ask
            if standing:
                checked += 1
                assert event.quantity <= standing
    assert checked > 100


def test_trade_ids_count_up_and_times_do_not_go_back(instrument):
    events = run(synthetic(instrument))
    ids = [event.trade_id for event in events if isinstance(event, Trade)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    times = [event.event_ns for event in events]
    assert times == sorted(times)


def test_marks_announce_the_next_settlement_and_stay_near_the_market(instrument):
    events = run(synthetic(instrument), 60)
    middle = D(65000)
    for event in events:
        if isinstance(event, Quote):
            middle = (event.bid + event.ask) / 2
        if isinstance(event, MarkPrice):
            assert abs(event.mark / middle - 1) < D("0.01")
            assert event.next_funding_ns % (8 * 3600 * SECOND) == 0
            assert 0 < event.next_funding_ns - event.event_ns <= 8 * 3600 * SECOND


@pytest.mark.parametrize("seed", range(5))
def test_a_grid_of_fifteen_basis_points_is_filled_within_seconds(make, seed, instrument):
    rig = make(seed=seed, balance="100000", instruments=[evolve(instrument, max_open_orders=200)])
    market = synthetic(instrument, seed=seed)
    rig.now_ns = START
    for event in market.opening():
        rig.exchange.on_market(event, START)
    for place in range(1, 9):
        for side, sign in (("buy", -1), ("sell", 1)):
            price = instrument.nearest_price(D(65000) * (1 + sign * place * D("0.0015")))
            rig.place(side, "0.01", str(price), tif="post_only")
    for event in market.advance(START + 30 * SECOND):
        rig.exchange.on_market(event, event.event_ns)
    assert len(rig.fills()) >= 2
    assert all(fill.maker for fill in rig.fills())
    assert rig.exchange.book_errors("BTCUSDT") == (0, "")


def bar(instrument, number=0, volume="10", low="98", high="103", open="100", close="102"):
    return Bar(
        instrument.key,
        MINUTE,
        START - START % MINUTE + number * MINUTE,
        D(open),
        D(high),
        D(low),
        D(close),
        D(volume),
        True,
    )


def trades(events):
    return [event for event in events if isinstance(event, Trade)]


def test_a_rising_bar_goes_low_first_and_a_falling_one_high_first(instrument):
    up = trades(bars_market([bar(instrument)], instrument))
    assert [trade.price for trade in up] == [D(100), D(98), D(103), D(102)]
    down = trades(bars_market([bar(instrument, close="99")], instrument))
    assert [trade.price for trade in down] == [D(100), D(103), D(98), D(99)]


def test_more_points_stay_on_the_tick_and_inside_the_bar(instrument):
    events = list(bars_market([bar(instrument)], instrument, points_per_leg=7))
    assert len(trades(events)) == 22
    for trade in trades(events):
        assert trade.price % instrument.tick_size == 0
        assert D(98) <= trade.price <= D(103)
        assert START - MINUTE < trade.event_ns < START + MINUTE
    assert sum(trade.quantity for trade in trades(events)) <= D(10)


def test_a_bar_without_volume_has_no_trade_and_no_quote(instrument):
    kinds = [type(e) for e in bars_market([bar(instrument, volume="0")], instrument)]
    assert kinds == [MarkPrice, Bar]


def test_funding_rates_are_announced_until_they_are_due(instrument):
    first = bar(instrument).open_ns
    rates = [
        FundingRate(first + MINUTE, D("0.0001")),
        FundingRate(first + 3 * MINUTE, D("-0.0002")),
    ]
    bars = [bar(instrument, number) for number in range(4)]
    marks = [
        (e.funding_rate, e.next_funding_ns)
        for e in bars_market(bars, instrument, funding=rates)
        if isinstance(e, MarkPrice)
    ]
    assert marks[::4] == [
        (D("0.0001"), first + MINUTE),
        (D("-0.0002"), first + 3 * MINUTE),
        (D("-0.0002"), first + 3 * MINUTE),
        (D(0), 0),
    ]


def test_a_bar_path_reaches_stops_and_liquidation_at_its_extremes(bare, instrument):
    path = list(bars_market([bar(instrument), bar(instrument, 1, low="90")], instrument))
    for event in path[:12]:
        bare.exchange.on_market(event, bare.tick())
    bare.buy("1")
    bare.sell("1", type="stop_market", trigger="95", reduce=True, id="stop")
    for event in path[12:]:
        bare.exchange.on_market(event, bare.tick())
    assert bare.status("stop") == ("filled", D(1))


def test_on_a_bar_path_a_touched_order_waits_and_a_crossed_one_fills(bare, instrument):
    bars = [bar(instrument, number) for number in range(2)]
    events = list(bars_market(bars, instrument))
    bare.now_ns = START - MINUTE
    for event in events[:2]:
        bare.exchange.on_market(event, bare.tick())
    bare.buy("1", "98", id="touched")
    bare.buy("1", "98.1", id="crossed")
    bare.sell("1", "103", id="above")
    for event in events[2:]:
        bare.exchange.on_market(event, bare.tick())
    assert bare.status("touched") == bare.status("above") == ("new", D(0))
    assert bare.status("crossed") == ("filled", D(1))
