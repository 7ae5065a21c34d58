"""Passive orders: they fill by trades at or through their price, never by a touch."""

from __future__ import annotations

from decimal import Decimal as D

from core.messages import Bar


def test_a_quote_that_touches_or_passes_the_price_fills_nothing(rig):
    rig.buy("1", "99.5", id="a")
    rig.quote("99.4", "99.5", update_id=5_000)
    rig.quote("99.2", "99.3", update_id=5_001)
    assert rig.status("a") == ("new", D(0))


def test_a_trade_at_the_price_first_eats_the_queue_ahead(rig):
    rig.buy("1", "99.9", id="a")
    rig.trade("99.9", "5")
    assert rig.status("a") == ("new", D(0))
    rig.trade("99.9", "0.4")
    assert rig.status("a") == ("partially_filled", D("0.4"))
    rig.trade("99.9", "9")
    assert rig.status("a") == ("filled", D(1))
    assert all(fill.maker and fill.price == D("99.9") for fill in rig.fills())


def test_maker_fee_applies_to_passive_fills(rig):
    rig.buy("1", "99.9")
    rig.trade("99.8", "1")
    assert rig.fills()[0].fee == D("99.9") * D("0.0002")


def test_a_trade_through_the_price_fills_at_our_price_up_to_its_quantity(rig):
    rig.buy("3", "99.9", id="a")
    rig.trade("99.8", "2")
    assert rig.status("a") == ("partially_filled", D(2))
    assert rig.fills()[0].price == D("99.9")


def test_a_print_short_of_the_price_fills_nothing(rig):
    rig.buy("1", "99.9", id="a")
    rig.sell("1", "100.1", id="b")
    rig.trade("100", "50")
    rig.trade("100", "50", aggressor="buy")
    assert rig.status("a") == rig.status("b") == ("new", D(0))


def test_an_aggressor_of_our_own_side_does_not_fill_us_at_the_price(rig):
    rig.buy("1", "99.9", id="a")
    rig.trade("99.9", "50", aggressor="buy")
    assert rig.status("a") == ("new", D(0))


def test_inside_the_spread_there_is_no_queue(rig):
    rig.buy("1", "100", id="a")
    rig.trade("100", "0.3")
    assert rig.status("a") == ("partially_filled", D("0.3"))


def test_one_trade_is_shared_in_price_time_order(rig):
    rig.buy("1", "100", id="second")
    rig.buy("1", "100", id="third")
    rig.buy("1", "99.9", id="last")
    rig.sell("5", "100.2")
    rig.buy("1", "100.0", id="fourth")
    rig.trade("100", "2.5")
    assert [rig.status(i)[1] for i in ("second", "third", "fourth", "last")] == [
        D(1),
        D(1),
        D("0.5"),
        D(0),
    ]


def test_a_trade_through_two_prices_fills_the_better_one_first(rig):
    rig.buy("1", "99.8", id="worse")
    rig.buy("1", "99.9", id="better")
    rig.trade("99.7", "1.5")
    assert rig.status("better") == ("filled", D(1))
    assert rig.status("worse") == ("partially_filled", D("0.5"))


def test_cancellations_ahead_shorten_the_queue_pro_rata(rig):
    rig.buy("1", "99.9", id="a")
    rig.delta(bids=[("99.9", "2.5")])
    rig.trade("99.9", "2.5")
    assert rig.status("a") == ("new", D(0))
    rig.trade("99.9", "0.1")
    assert rig.status("a") == ("partially_filled", D("0.1"))


def test_quantity_that_joins_behind_does_not_lengthen_the_queue(rig):
    rig.buy("1", "99.9", id="a")
    rig.delta(bids=[("99.9", "50")])
    rig.trade("99.9", "5.5")
    assert rig.status("a") == ("partially_filled", D("0.5"))


def test_a_depth_change_that_only_shows_a_trade_is_not_counted_twice(rig):
    rig.buy("1", "99.9", id="a")
    rig.trade("99.9", "2")
    rig.delta(bids=[("99.9", "3")])
    rig.trade("99.9", "3")
    assert rig.status("a") == ("new", D(0))
    rig.trade("99.9", "1")
    assert rig.status("a") == ("filled", D(1))


def test_a_level_that_vanishes_leaves_us_first(rig):
    rig.buy("1", "99.9", id="a")
    rig.delta(bids=[("99.9", "0")])
    rig.trade("99.9", "0.5")
    assert rig.status("a") == ("partially_filled", D("0.5"))


def test_beyond_the_known_depth_the_queue_is_learnt_when_the_level_shows(rig):
    rig.buy("1", "98", id="a")
    rig.delta(bids=[("98", "4")])
    rig.trade("98", "4.5")
    assert rig.status("a") == ("partially_filled", D("0.5"))


def bar(rig, low, high, volume="10", open="100", close="100", minutes=1):
    minute = 60_000_000_000
    event = Bar(
        rig.exchange.instruments()[0].key,
        minute,
        rig.now_ns - rig.now_ns % minute + minutes * minute,
        D(open),
        D(high),
        D(low),
        D(close),
        D(volume),
        True,
    )
    rig.now_ns = event.open_ns + minute
    return rig.do(rig.exchange.on_market(event, rig.now_ns))


def test_a_bar_fills_what_it_goes_through_and_not_what_it_touches(bare):
    bar(bare, "100", "100")
    bare.buy("1", "99", id="touched")
    bare.buy("1", "99.1", id="through")
    bare.sell("1", "101", id="above")
    bar(bare, "99", "101")
    assert bare.status("through") == ("filled", D(1))
    assert bare.status("touched") == bare.status("above") == ("new", D(0))


def test_a_bar_without_volume_fills_nothing(bare):
    bar(bare, "100", "100")
    bare.buy("1", "99.1", id="a")
    bar(bare, "90", "100", volume="0")
    assert bare.status("a") == ("new", D(0))


def test_the_fills_of_a_bar_take_no_more_than_its_share_of_volume(make):
    rig = make(bar_participation=D("0.1"))
    bar(rig, "100", "100")
    rig.buy("3", "99.1", id="a")
    bar(rig, "98", "100", volume="20")
    assert rig.status("a") == ("partially_filled", D(2))


def test_within_a_bar_an_entry_fills_before_the_stop_under_it_fires(bare):
    bar(bare, "100", "100")
    bare.buy("1", "99.5", id="entry")
    bare.sell("1", type="stop_market", trigger="99", by="last", reduce=True, id="stop")
    bar(bare, "98", "100", open="100", close="99.8")
    assert bare.position() == 0
    assert bare.status("entry") == ("filled", D(1))
    exit_fill = bare.fills()[-1]
    assert exit_fill.client_order_id == "stop"
    assert D("98.9") <= exit_fill.price <= D("99")


def test_an_old_bar_changes_nothing(bare):
    bar(bare, "100", "100", minutes=5)
    bare.buy("1", "99.1", id="a")
    bar(bare, "90", "100", minutes=-2)
    assert bare.status("a") == ("new", D(0))


def test_a_bar_that_is_still_forming_fills_nothing(bare):
    bar(bare, "100", "100")
    bare.buy("1", "99.1", id="a")
    forming = Bar(
        bare.exchange.instruments()[0].key,
        60_000_000_000,
        bare.now_ns,
        *(D(price) for price in ("100", "100", "90", "91")),
        D(10),
        False,
    )
    bare.exchange.on_market(forming, bare.tick())
    assert bare.status("a") == ("new", D(0))
