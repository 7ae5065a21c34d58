"""Conditional orders: they wait apart, fire on mark or last, and stay one logical order."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from core.exchange import ConditionalChanged, ConditionalStatus, End, Reason


def life(events, client_order_id):
    return [
        event.order.status.value
        for event in events
        if isinstance(event, ConditionalChanged) and event.order.client_order_id == client_order_id
    ]


@pytest.fixture
def long(rig):
    rig.buy("2", id="entry")
    return rig


def test_a_stop_fires_on_the_mark_and_closes_the_position(long):
    long.sell("2", id="stop", type="stop_market", trigger="99", reduce=True)
    long.mark("99.1")
    assert long.position() == D(2)
    events = long.mark("99")
    assert life(events, "stop") == ["triggering", "triggered", "finished"]
    assert long.position() == 0
    order = long.exchange.conditional(client_order_id="stop")
    assert order.status is ConditionalStatus.FINISHED
    assert (order.actual_price, order.actual_quantity) == (D("99.9"), D(2))


def test_the_plain_order_has_a_new_id_and_the_same_client_id(long):
    placed = long.sell("2", id="stop", type="stop_market", trigger="99", reduce=True)
    long.mark("99")
    child = long.get("stop")
    assert child.algo_id == placed.order.algo_id
    assert placed.update.order_id == str(placed.order.algo_id) != str(child.order_id)
    assert (child.type.value, child.original_type.value) == ("market", "stop_market")


def test_in_the_ledger_it_is_one_row_whose_id_becomes_that_of_the_plain_order(long):
    long.sell("2", id="stop", type="stop_market", trigger="99", reduce=True)

    def row():
        (found,) = [
            row for row in long.exchange.ledger()["orders"] if row["client_order_id"] == "stop"
        ]
        return found["order_id"], found["type"], found["status"], found["filled"]

    waiting = long.exchange.conditional(client_order_id="stop")
    assert row() == (str(waiting.algo_id), "stop_market", "new", "0")
    long.mark("99")
    assert row() == (str(long.get("stop").order_id), "stop_market", "filled", "2")


def test_a_last_price_stop_ignores_the_mark(long):
    long.trade("100", "0.1")
    long.sell("2", id="stop", type="stop_market", trigger="99", by="last", reduce=True)
    long.mark("98.5")
    assert long.position() == D(2)
    long.trade("99", "0.1")
    assert long.position() == 0


def test_a_take_profit_fires_on_the_other_side(long):
    long.sell("2", id="tp", type="take_profit_market", trigger="101", reduce=True)
    long.mark("100.9")
    assert long.position() == D(2)
    long.mark("101")
    assert long.position() == 0


def test_a_stop_limit_becomes_a_limit_order_and_finishes_when_that_ends(long):
    long.sell("2", "100.5", id="stop", type="stop", trigger="99", reduce=True)
    events = long.mark("99")
    assert life(events, "stop") == ["triggering", "triggered"]
    assert long.status("stop") == ("new", D(0))
    assert life(long.cancel("stop").events, "stop") == ["finished"]
    assert long.exchange.conditional(client_order_id="stop").actual_quantity == 0


def test_several_fire_in_the_order_that_the_price_reaches_them(long):
    long.sell("1", id="low", type="stop_market", trigger="98", reduce=True)
    long.sell("1", id="high", type="stop_market", trigger="99", reduce=True)
    long.mark("97")
    assert [fill.client_order_id for fill in long.fills()] == ["entry", "high", "low"]


def test_a_reduce_only_stop_that_fires_when_flat_is_rejected(long):
    long.sell("2", id="stop", type="stop_market", trigger="99", reduce=True)
    long.sell("2", id="close", reduce=True)
    events = long.mark("99")
    assert life(events, "stop") == ["triggering", "rejected"]
    order = long.exchange.conditional(client_order_id="stop")
    assert order.refused == Reason.REDUCE_ONLY.value
    row = next(r for r in long.exchange.ledger()["orders"] if r["client_order_id"] == "stop")
    assert row["status"] == "rejected"


def test_a_stop_that_the_account_cannot_carry_when_it_fires_is_rejected(rig):
    rig.buy("110", id="big", type="stop_market", trigger="105")
    rig.exchange.deposit("USDT", D("-990"), rig.tick())
    events = rig.mark("105")
    assert life(events, "big") == ["triggering", "rejected"]


def test_close_position_closes_what_is_held_when_it_fires(long):
    long.sell("0", id="stop", type="stop_market", trigger="99", close_position=True)
    long.buy("1")
    long.mark("99")
    assert long.position() == 0
    assert long.get("stop").quantity == D(3)


def test_close_position_orders_expire_with_their_position(long):
    long.sell("0", id="stop", type="stop_market", trigger="99", close_position=True)
    events = long.sell("2", id="close").events
    assert life(events, "stop") == ["expired"]
    assert long.exchange.conditional(client_order_id="stop").end is End.POSITION_GONE


def test_a_second_close_position_order_of_the_kind_is_refused(long):
    options = {"type": "stop_market", "trigger": "99", "close_position": True}
    long.sell("0", **options)
    assert long.refuses(long.sell, "0", **options) is Reason.CLOSE_POSITION_EXISTS
    refused = long.refuses(long.sell, "1", **options)
    assert refused is Reason.CLOSE_POSITION_COMBINATION


def test_a_trailing_stop_follows_the_price_and_fires_on_the_way_back(long):
    long.sell("2", id="trail", type="trailing_stop_market", callback_rate_bps=D(100), reduce=True)
    for price in ("101", "103", "102"):
        long.mark(price)
    assert long.position() == D(2)
    long.mark("101.97")
    assert long.position() == 0


def test_a_trailing_stop_waits_for_its_activation_price(long):
    long.sell(
        "2",
        id="trail",
        type="trailing_stop_market",
        callback_rate_bps=D(100),
        activation="102",
        reduce=True,
    )
    for price in ("101", "99", "97"):
        long.mark(price)
    assert long.position() == D(2)
    for price in ("102", "100.9"):
        long.mark(price)
    assert long.position() == 0


def test_cancelling_a_waiting_order_ends_it_and_frees_its_id(long):
    long.sell("2", id="stop", type="stop_market", trigger="99", reduce=True)
    refused = long.refuses(long.sell, "2", id="stop", type="stop_market", trigger="98")
    assert refused is Reason.CLIENT_ID_DUPLICATE
    placed = long.exchange.cancel_conditional(long.tick(), client_order_id="stop")
    assert placed.update.status.value == "cancelled"
    long.mark("98")
    assert long.position() == D(2)
    cancel = long.exchange.cancel_conditional
    assert long.refuses(cancel, long.tick(), client_order_id="stop") is Reason.UNKNOWN_ORDER


def test_cancel_all_leaves_the_other_service_alone(long):
    long.sell("2", id="stop", type="stop_market", trigger="99", reduce=True)
    long.buy("1", "99", id="plain")
    long.exchange.cancel_all("BTCUSDT", long.tick())
    assert long.get("plain").status.value == "cancelled"
    assert len(long.exchange.open_conditionals()) == 1
    long.exchange.cancel_all_conditionals("BTCUSDT", long.tick())
    assert long.exchange.open_conditionals() == ()


def test_a_conditional_order_with_a_good_till_date_expires_while_waiting(long):
    due = long.now_ns + 700 * 1_000_000_000
    long.sell(
        "2", "98", id="stop", type="stop", trigger="99", reduce=True, tif="gtd", good_till_ns=due
    )
    events = long.time(due)
    assert life(events, "stop") == ["expired"]


def test_a_close_position_order_outlives_the_other_side_of_hedge_mode(make):
    rig = make(hedge_mode=True)
    rig.market()
    rig.buy("2", position="long")
    rig.sell("2", position="short")
    options = {"type": "stop_market", "close_position": True}
    rig.sell("0", id="long-stop", trigger="99", position="long", **options)
    rig.buy("0", id="short-stop", trigger="101", position="short", **options)
    rig.buy("2", position="short")
    statuses = [order.status.value for order in rig.exchange.conditionals()]
    assert statuses == ["new", "expired"]


def test_without_a_mark_feed_the_last_price_or_the_quote_stands_in(make):
    for feed in ("trade", "quote"):
        rig = make()
        rig.quote("99.9", "100.1")
        rig.buy("1")
        rig.sell("1", type="stop_market", trigger="99", reduce=True)
        if feed == "trade":
            rig.trade("99", "0.1")
        else:
            rig.quote("98.9", "99")
        assert rig.position() == 0
