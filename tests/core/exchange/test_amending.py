"""Amending and cancelling orders that rest, and orders that time ends."""

from __future__ import annotations

import random
from decimal import Decimal as D

import pytest

from core.exchange import End, Exchange, Reason

SECOND = 1_000_000_000


@pytest.fixture
def resting(rig):
    rig.buy("2", "99.5", id="a")
    return rig


def test_an_amendment_changes_price_and_quantity_under_the_same_id(resting, executions):
    before = resting.get("a")
    events = resting.amend("a", "99.4", "3").events
    assert executions(events) == [("a", "amended")]
    after = resting.get("a")
    assert (after.order_id, after.price, after.quantity) == (before.order_id, D("99.4"), D(3))
    assert after.update().amended
    (row,) = resting.exchange.amendments("BTCUSDT")
    assert (row.price_before, row.price_after, row.count) == (D("99.5"), D("99.4"), 1)


def test_an_amended_order_goes_to_the_back_of_the_queue(rig):
    rig.buy("1", "100", id="first")
    rig.buy("1", "100", id="second")
    rig.amend("first", "100", "2")
    rig.trade("100", "1")
    assert rig.status("second") == ("filled", D(1))
    assert rig.status("first") == ("new", D(0))


def test_an_amendment_into_the_market_takes(resting):
    resting.amend("a", "100.1", "2")
    assert resting.status("a") == ("filled", D(2))
    assert not resting.fills()[0].maker


def test_a_post_only_order_that_would_take_after_amendment_is_cancelled(rig):
    rig.buy("2", "99.5", id="a", tif="post_only")
    rig.amend("a", "100.1", "2")
    assert rig.status("a") == ("cancelled", D(0))
    assert rig.get("a").end is End.POST_ONLY_WOULD_TAKE


def test_amending_to_what_is_filled_already_cancels(resting):
    resting.trade("99.4", "1")
    resting.amend("a", "99.5", "1")
    assert resting.status("a") == ("cancelled", D(1))
    assert resting.get("a").end is End.AMENDED_BELOW_FILLED


@pytest.mark.parametrize(
    ("price", "quantity", "options", "reason"),
    [
        ("99.5", "2", {}, Reason.AMEND_UNCHANGED),
        ("99.55", "2", {}, Reason.PRICE_TICK),
        ("99.4", "0.1", {}, Reason.MIN_NOTIONAL),
        ("106", "2", {}, Reason.PERCENT_PRICE_HIGH),
        ("99.4", "900", {}, Reason.MARGIN_INSUFFICIENT),
        ("99.4", "2", {"side": "sell"}, Reason.AMEND_SIDE),
        ("99.4", "2", {"reduce_only": True}, Reason.AMEND_REDUCE_ONLY),
    ],
)
def test_a_refused_amendment_leaves_the_order_as_it_was(resting, price, quantity, options, reason):
    before = resting.get("a")
    margin = resting.exchange.account("USDT").open_order_initial_margin
    assert resting.refuses(resting.amend, "a", price, quantity, **options) is reason
    assert resting.get("a") == before
    assert resting.exchange.account("USDT").open_order_initial_margin == margin


def test_amendments_are_counted_against_a_limit(make):
    rig = make(max_amendments=1)
    rig.market()
    rig.buy("2", "99.5", id="a")
    rig.amend("a", "99.4", "2")
    assert rig.refuses(rig.amend, "a", "99.3", "2") is Reason.AMEND_LIMIT


def test_an_order_of_a_closed_id_cannot_be_amended(resting):
    resting.cancel("a")
    assert resting.refuses(resting.amend, "a", "99.4", "2") is Reason.UNKNOWN_ORDER


def test_a_partly_filled_order_keeps_its_fills_when_cancelled(resting):
    resting.trade("99.4", "0.5")
    placed = resting.cancel("a")
    assert (placed.update.status.value, placed.update.filled) == ("cancelled", D("0.5"))
    assert placed.update.reason == ""


def test_a_good_till_date_expires_the_order(rig):
    due = rig.now_ns + 700 * SECOND
    rig.buy("1", "99", id="a", tif="gtd", good_till_ns=due)
    assert rig.exchange.next_due_ns() == due
    rig.time(due - 1)
    assert rig.status("a")[0] == "new"
    rig.time(due)
    assert rig.status("a")[0] == "expired"
    assert rig.get("a").update().reason == "good_till"


def test_a_countdown_cancels_unless_it_is_renewed(resting):
    start = resting.now_ns
    resting.exchange.countdown("BTCUSDT", 1_000, start)
    resting.exchange.countdown("BTCUSDT", 1_000, start + SECOND // 2)
    resting.time(start + SECOND)
    assert resting.status("a")[0] == "new"
    resting.time(start + 3 * SECOND // 2)
    assert resting.status("a")[0] == "cancelled"
    assert resting.get("a").end is End.COUNTDOWN


def test_a_countdown_of_zero_is_off(resting):
    resting.exchange.countdown("BTCUSDT", 1_000, resting.now_ns)
    resting.exchange.countdown("BTCUSDT", 0, resting.now_ns)
    resting.time(resting.now_ns + 5 * SECOND)
    assert resting.status("a")[0] == "new"


def test_with_latency_an_order_meets_the_market_of_its_arrival(make):
    rig = make(latency_ns=50_000_000)
    rig.market()
    rig.buy("1", "100.1", id="a")
    assert rig.status("a") == ("new", D(0))
    rig.delta(asks=[("100.1", "0")])
    rig.time(rig.now_ns + 50_000_000)
    assert rig.status("a") == ("new", D(0))
    assert rig.exchange.account("USDT").open_order_initial_margin > 0


def test_with_latency_a_cancellation_may_come_too_late(make):
    rig = make(latency_ns=50_000_000)
    rig.market()
    rig.buy("1", "99.9", id="a")
    rig.time(rig.now_ns + 50_000_000)
    rig.cancel("a")
    rig.trade("99.8", "1")
    rig.time(rig.now_ns + 50_000_000)
    assert rig.status("a") == ("filled", D(1))


def test_with_latency_a_post_only_order_that_would_take_by_then_expires(make):
    rig = make(latency_ns=50_000_000)
    rig.market()
    rig.buy("1", "100", id="a", tif="post_only")
    rig.delta(asks=[("100", "1")])
    rig.time(rig.now_ns + 50_000_000)
    assert rig.status("a") == ("expired", D(0))


def test_with_latency_orders_that_together_cost_too_much_expire_on_arrival(make):
    rig = make(balance="100", latency_ns=50_000_000)
    rig.market()
    rig.buy("15", "99", id="a")
    rig.buy("15", "99", id="b")
    rig.time(rig.now_ns + 60_000_000)
    assert rig.status("a")[0] == "new"
    assert rig.status("b")[0] == "expired"
    assert rig.get("b").end is End.MARGIN_INSUFFICIENT


def test_latency_jitter_comes_from_the_seed(make):
    def arrival(seed):
        rig = make(seed=seed, latency_ns=1_000_000, latency_jitter_ns=50_000_000)
        rig.market()
        rig.buy("1", "99")
        return rig.exchange.next_due_ns()

    assert arrival(1) == arrival(1) != arrival(2)


def test_timers_survive_a_restart(resting):
    due = resting.now_ns + 700 * SECOND
    resting.buy("1", "99", id="gtd", tif="gtd", good_till_ns=due)
    resting.exchange.countdown("BTCUSDT", 900_000, resting.tick())
    state = resting.exchange.state()
    again = Exchange(
        "binance",
        resting.exchange.instruments(),
        {"BTCUSDT": resting.exchange.brackets("BTCUSDT")},
        random=random.Random(1),
    )
    again.restore(state)
    resting.exchange = again
    resting.time(due)
    assert resting.status("gtd")[0] == "expired"
    assert resting.status("a")[0] == "new"
    resting.time(due + 300 * SECOND)
    assert resting.get("a").end is End.COUNTDOWN
