"""Reduce-only orders and hedge mode: a closing order can only ever shrink its position."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from core.exchange import End, Reason


@pytest.fixture
def hedge(make):
    rig = make(hedge_mode=True)
    rig.market()
    return rig


def test_a_reduce_only_order_is_filled_no_further_than_the_position(rig):
    rig.buy("2")
    rig.sell("5", id="a", reduce=True)
    assert rig.position() == 0
    assert rig.status("a") == ("expired", D(2))
    assert rig.get("a").end is End.REDUCE_ONLY


def test_reduce_only_in_the_position_s_own_direction_is_refused(rig):
    rig.buy("2")
    assert rig.refuses(rig.buy, "1", "99", reduce=True) is Reason.REDUCE_ONLY


def test_when_the_position_is_gone_resting_reduce_only_orders_expire(rig):
    rig.buy("2")
    rig.sell("2", "101", id="tp", reduce=True)
    rig.sell("2", id="close", reduce=True)
    assert rig.status("tp") == ("expired", D(0))
    assert rig.get("tp").end is End.REDUCE_ONLY


def test_when_the_position_shrinks_the_worse_priced_closing_orders_expire(rig):
    rig.buy("3")
    rig.sell("1", "101", id="near", reduce=True)
    rig.sell("2", "102", id="far", reduce=True)
    rig.sell("2", id="close", reduce=True)
    assert rig.status("near") == ("new", D(0))
    assert rig.status("far") == ("expired", D(0))


def test_a_better_priced_closing_order_knocks_out_a_worse_one_it_leaves_nothing_to(rig):
    rig.buy("2")
    rig.sell("2", "102", id="far", reduce=True)
    rig.sell("2", "101", id="near", reduce=True)
    assert rig.status("far") == ("expired", D(0))
    assert rig.status("near") == ("new", D(0))


def test_a_closing_order_behind_others_that_cover_the_position_is_refused(rig):
    rig.buy("2")
    rig.sell("2", "101", reduce=True)
    assert rig.refuses(rig.sell, "1", "102", reduce=True) is Reason.REDUCE_ONLY


def test_a_resting_closing_order_larger_than_the_position_never_flips_it(rig):
    rig.buy("2")
    rig.sell("5", "101", id="a", reduce=True)
    rig.trade("102", "50", aggressor="buy")
    assert rig.position() == 0
    assert rig.status("a") == ("expired", D(2))


def test_without_reduce_only_a_one_way_order_flips_the_position(rig):
    rig.buy("2")
    rig.sell("5")
    assert rig.position() == D(-3)
    figures = rig.exchange.positions("BTCUSDT")[0]
    assert figures.entry_price == D("99.9")


def test_hedge_mode_keeps_long_and_short_apart(hedge):
    hedge.buy("2", position="long")
    hedge.sell("3", position="short")
    assert (hedge.position("long"), hedge.position("short")) == (D(2), D(-3))
    hedge.buy("1", position="short")
    assert (hedge.position("long"), hedge.position("short")) == (D(2), D(-2))


def test_hedge_mode_wants_a_position_side_and_no_reduce_only(hedge):
    assert hedge.refuses(hedge.buy, "1", "99") is Reason.POSITION_SIDE_MISMATCH
    hedge.buy("1", position="long")
    refused = hedge.refuses(hedge.sell, "1", "101", position="long", reduce=True)
    assert refused is Reason.REDUCE_ONLY_IN_HEDGE


@pytest.mark.parametrize("price", [None, "101"])
def test_closing_more_than_is_held_is_refused_in_hedge_mode(hedge, price):
    hedge.buy("1", position="long")
    assert hedge.refuses(hedge.sell, "2", price, position="long") is Reason.REDUCE_ONLY
    assert hedge.refuses(hedge.buy, "1", "99", position="short") is Reason.REDUCE_ONLY


def test_a_closing_order_of_one_side_is_not_touched_by_the_other(hedge):
    hedge.buy("2", position="long")
    hedge.sell("2", position="short")
    hedge.sell("2", "101", position="long", id="tp")
    hedge.buy("2", position="short", id="close")
    assert hedge.status("tp") == ("new", D(0))


def test_the_mode_changes_only_without_orders_and_positions(rig):
    rig.buy("1", "99", id="a")
    switch = rig.exchange.set_hedge_mode
    assert rig.refuses(switch, True, rig.tick()) is Reason.POSITION_MODE_OPEN_ORDERS
    rig.cancel("a")
    rig.buy("1")
    assert rig.refuses(switch, True, rig.tick()) is Reason.POSITION_MODE_POSITION
    rig.sell("1")
    switch(True, rig.tick())
    assert rig.exchange.hedge_mode
    assert rig.refuses(switch, True, rig.tick()) is Reason.POSITION_MODE_UNCHANGED


def test_a_marketable_closing_order_goes_before_those_that_rest(rig):
    rig.buy("2")
    rig.sell("2", "101", id="tp", reduce=True)
    rig.sell("2", "99", id="now", reduce=True)
    assert rig.status("now") == ("filled", D(2))
    assert rig.status("tp") == ("expired", D(0))
