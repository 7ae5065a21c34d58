"""Marketable orders: what they find in the book, what they leave."""

from __future__ import annotations

from decimal import Decimal as D

from core.exchange import AccountChanged, End, Reason


def test_a_market_order_takes_level_by_level_with_one_fill_each(rig):
    rig.buy("12", id="a")
    assert [(fill.price, fill.quantity) for fill in rig.fills()] == [
        (D("100.1"), D(5)),
        (D("100.2"), D(5)),
        (D("100.3"), D(2)),
    ]
    assert rig.status("a") == ("filled", D(12))
    assert rig.position() == D(12)
    assert [fill.fill_id for fill in rig.fills()] == ["1", "2", "3"]
    assert not any(fill.maker for fill in rig.fills())


def test_taker_fee_is_notional_times_rate_and_leaves_the_wallet(rig):
    rig.buy("2")
    fee = D("100.1") * 2 * D("0.0005")
    assert rig.fills()[0].fee == fee
    assert rig.wallet() == 1_000 - fee


def test_each_fill_is_followed_by_its_account_change(rig, executions):
    events = rig.buy("6", id="a").events
    assert executions(events) == [("a", "new"), ("a", "trade"), ("a", "trade")]
    changes = [event for event in events if isinstance(event, AccountChanged)]
    assert [change.positions[0].quantity for change in changes] == [D(5), D(6)]
    assert changes[-1].balances[0].wallet == rig.wallet()


def test_depth_that_we_took_is_not_there_again_until_the_market_speaks_of_it(rig):
    rig.buy("4")
    rig.buy("2")
    assert [fill.price for fill in rig.fills()] == [D("100.1"), D("100.1"), D("100.2")]
    rig.delta(asks=[("100.1", "5")])
    rig.buy("1")
    assert rig.fills()[-1].price == D("100.1")


def test_a_marketable_limit_order_rests_with_its_remainder(rig):
    rig.buy("7", "100.1", id="a")
    assert rig.status("a") == ("partially_filled", D(5))
    assert rig.exchange.open_orders()[0].remaining == D(2)


def test_an_ioc_remainder_expires(rig, executions):
    events = rig.buy("7", "100.1", id="a", tif="ioc").events
    assert executions(events)[-1] == ("a", "expired")
    assert rig.status("a") == ("expired", D(5))
    assert rig.get("a").end is End.IOC_REMAINDER


def test_a_market_remainder_expires_when_the_book_is_empty(rig):
    rig.buy("60", id="a")
    assert rig.status("a") == ("expired", D(50))
    assert rig.get("a").end is End.MARKET_REMAINDER


def test_a_fok_order_that_cannot_fill_is_refused_and_leaves_no_trace(rig):
    assert rig.refuses(rig.buy, "7", "100.1", tif="fok", id="a") is Reason.FOK_UNFILLED
    assert rig.exchange.orders() == ()


def test_a_fok_order_that_can_fill_does(rig):
    rig.buy("7", "100.2", tif="fok", id="a")
    assert rig.status("a") == ("filled", D(7))


def test_a_post_only_order_that_would_take_is_refused(rig):
    assert rig.refuses(rig.buy, "1", "100.1", tif="post_only") is Reason.POST_ONLY_WOULD_TAKE
    rig.buy("1", "100", tif="post_only", id="a")
    assert rig.status("a") == ("new", D(0))


def test_a_post_only_order_that_would_meet_our_own_order_is_refused(rig):
    rig.sell("1", "100")
    assert rig.refuses(rig.buy, "1", "100", tif="post_only") is Reason.POST_ONLY_WOULD_TAKE


def test_a_market_order_without_a_market_is_refused(bare):
    bare.mark("100")
    assert bare.refuses(bare.buy, "1") is Reason.NO_MARKET


def test_a_market_order_does_not_go_past_the_bounds_around_the_mark(rig):
    rig.mark("95")
    assert rig.refuses(rig.buy, "1") is Reason.PERCENT_PRICE_MARKET
    rig.mark("95.4")
    rig.buy("20", id="a")
    assert rig.status("a") == ("expired", D(5))


def test_a_taker_expires_our_own_order_instead_of_trading_with_it(rig):
    rig.sell("1", "100", id="maker")
    rig.buy("1", "100.1", id="taker")
    assert rig.status("maker") == ("expired", D(0))
    assert rig.get("maker").end is End.SELF_TRADE
    assert rig.status("taker") == ("filled", D(1))


def test_our_own_order_stays_where_the_taker_does_not_reach_it(rig):
    rig.sell("1", "100.1", id="behind")
    rig.sell("1", "100.5", id="far")
    rig.buy("1", "101", id="taker")
    assert rig.status("taker") == ("filled", D(1))
    assert rig.status("behind") == rig.status("far") == ("new", D(0))
    rig.buy("4.5", "101")
    assert rig.status("behind") == ("expired", D(0))
    assert rig.status("far") == ("new", D(0))


def test_a_limit_order_larger_than_the_market_reaches_our_own_up_to_its_limit(rig):
    rig.sell("1", "101.5", id="own")
    rig.buy("60", "102", id="taker")
    assert rig.status("own") == ("expired", D(0))
    assert rig.status("taker") == ("partially_filled", D(50))


def test_with_quotes_only_the_quote_is_taken_first_and_synthetic_depth_behind_it(make):
    rig = make(synthetic_levels=2, synthetic_level_notional=D(200))
    rig.mark("100")
    rig.quote("99.9", "100.1", quantity="1")
    rig.buy("3", id="a")
    assert [(fill.price, fill.quantity) for fill in rig.fills()] == [
        (D("100.1"), D(1)),
        (D("100.2"), D("1.996")),
        (D("100.3"), D("0.004")),
    ]


def test_a_quote_newer_than_the_book_gives_the_top(rig):
    rig.quote("100.1", "100.3", quantity="1", update_id=10_000)
    rig.buy("2", "100.3", id="a")
    assert [(fill.price, fill.quantity) for fill in rig.fills()] == [(D("100.3"), D(1))]


def test_a_book_with_a_gap_is_out_of_use_until_the_next_snapshot(rig):
    rig.book_id += 5
    rig.delta(asks=[("100.1", "1")])
    count, text = rig.exchange.book_errors("BTCUSDT")
    assert count == 1
    assert "after" in text
    assert rig.refuses(rig.buy, "1") is Reason.NO_MARKET
    rig.market()
    rig.buy("1", id="a")
    assert rig.status("a") == ("filled", D(1))


def test_a_limit_order_may_come_before_the_market_does(bare):
    bare.buy("10", "100", id="a")
    assert bare.status("a") == ("new", D(0))
    bare.trade("99", "4")
    assert bare.status("a") == ("partially_filled", D(4))


def test_fills_are_found_by_id_time_and_order(rig):
    for number in range(5):
        rig.buy("1", id=f"o{number}")
    trades = rig.exchange.trades("BTCUSDT")
    find = rig.exchange.trades
    assert find("BTCUSDT", from_id=3) == trades[2:]
    times = [trade.fill.time_ns for trade in trades]
    assert find("BTCUSDT", start_ns=times[1], end_ns=times[3]) == trades[1:4]
    assert find("BTCUSDT", end_ns=times[0] - 1) == ()
    order_id = int(trades[4].fill.order_id)
    assert find("BTCUSDT", order_id=order_id) == trades[4:]
