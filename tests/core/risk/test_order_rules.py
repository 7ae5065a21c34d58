"""What an order may look like, case by case, beyond the one case of each rule in `test_rules`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from core.messages import Key, OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.positions import Position
from core.risk.checks import Risk
from core.risk.gate import Approved
from tests.core.risk.samples import (
    LIMITS,
    NOW,
    amend,
    approved,
    buy,
    close_long,
    refused,
    report,
    risk_at,
    sell,
    tell_all,
    working,
)
from tests.core.samples import BTC, ETH, D, limit, stop

MINUTE_NS = 60_000_000_000
BOTH = {"position_side": PositionSide.BOTH}


def entry(name: str, **changes: Any) -> PlaceOrder:
    return buy(name, "1", **({"bot": "grid"} | changes))


# Pace


def test_the_minute_of_orders_slides() -> None:
    risk = risk_at(limits=evolve(LIMITS, max_orders_per_minute=2))
    assert isinstance(risk.place(buy("a", "1"), NOW, NOW - MINUTE_NS + 1), Approved)
    assert isinstance(risk.place(buy("b", "1"), NOW, NOW - 1), Approved)
    assert refused(risk, buy("c", "1"), NOW).rule == "max_orders_per_minute"
    approved(risk_at(), buy("c", "1"))
    assert isinstance(risk.place(buy("c", "1"), NOW, NOW + 1), Approved)


def test_amendments_and_closings_use_the_minute_up_but_no_closing_waits_for_it() -> None:
    risk = risk_at(limits=evolve(LIMITS, max_orders_per_minute=3))
    report(risk, long="2")
    order = buy("a", "1")
    approved(risk, order, close_long("b", "1"))
    assert isinstance(risk.amend(amend(order, "1", "99"), NOW, NOW), Approved)
    assert refused(risk, amend(order, "1", "98")).rule == "max_orders_per_minute"
    assert refused(risk, buy("c", "1")).rule == "max_orders_per_minute"
    leave = close_long("d", "1", price="110")
    approved(risk, leave)
    assert isinstance(risk.amend(amend(leave, "1", "111"), NOW, NOW), Approved)


def test_a_refused_order_uses_nothing_up() -> None:
    risk = risk_at(limits=evolve(LIMITS, max_orders_per_minute=1))
    for number in range(5):
        refused(risk, buy(str(number), "6"))
    approved(risk, buy("a", "1"))


def test_entries_wait_while_cancels_are_used_up_and_closings_do_not() -> None:
    risk = risk_at(limits=evolve(LIMITS, max_cancels_per_minute=4))
    report(risk, long="2")
    risk.cancelled(NOW, 4)
    assert refused(risk, buy("a", "1")).rule == "max_cancels_per_minute"
    approved(risk, close_long("b", "2"))
    over_ns = NOW + MINUTE_NS
    tell_all(risk, monotonic_ns=over_ns)
    assert refused(risk, buy("a", "1"), over_ns - 1).rule == "max_cancels_per_minute"
    assert isinstance(risk.place(buy("a", "1"), NOW, over_ns), Approved)


# Collars


def test_each_side_is_measured_against_the_best_price_it_would_meet() -> None:
    risk = risk_at(limits=evolve(LIMITS, price_collar_bps=D(1000)))
    risk.facts.quotes[BTC] = (D(99), D(101), NOW)
    approved(risk, buy("a", "1", "102"), sell("b", "1", "98.1"))
    assert refused(risk, buy("c", "1", "102.1")).rule == "book_collar_bps"
    assert refused(risk, sell("d", "1", "98")).rule == "book_collar_bps"
    approved(risk, limit("e", quantity="1", price=None, type=OrderType.MARKET))


def test_no_collar_holds_back_what_closes() -> None:
    risk = risk_at()
    report(risk, long="2")
    approved(risk, close_long("a", "1", price="96"))


# Sense


@pytest.mark.parametrize("purpose", [Purpose.CLOSE, Purpose.PROTECT, Purpose.TAKE_PROFIT])
def test_an_order_that_is_meant_to_close_and_could_open_is_refused(purpose: Purpose) -> None:
    refusal = refused(risk_at(), sell("a", "1", purpose=purpose, **BOTH))
    says = f"purpose: a sell of the both side for {purpose.value} could open something"
    assert str(refusal) == says


def test_a_reduce_only_order_of_one_way_mode_closes() -> None:
    risk = risk_at()
    one_way(risk, "2")
    approved(risk, sell("a", "2", reduce_only=True, **BOTH))
    assert refused(risk, sell("b", "2.1", reduce_only=True, **BOTH)).rule == "closing_quantity"


# Flips


def one_way(risk: Risk, quantity: str) -> None:
    risk.exposure.report(BTC, [Position(PositionSide.BOTH, D(quantity), D(100))], [], [])


def test_entries_that_would_turn_a_position_round_together_are_refused() -> None:
    risk = risk_at()
    one_way(risk, "2")
    approved(risk, sell("a", "1.5", **BOTH), buy("b", "1", "99", **BOTH))
    refusal = refused(risk, sell("c", "1", "101", **BOTH))
    assert (refusal.rule, refusal.value, refusal.limit) == ("flip", D("2.5"), D(2))


def test_an_order_that_may_flip_and_one_that_adds_are_let_through() -> None:
    risk = risk_at()
    one_way(risk, "-2")
    approved(risk, buy("a", "3", may_flip=True, **BOTH))
    approved(risk, sell("b", "3", **BOTH))
    approved(risk_at(), sell("c", "3", **BOTH))


def test_an_amendment_may_flip_if_its_order_may() -> None:
    for may_flip in (True, False):
        risk = risk_at()
        one_way(risk, "2")
        order = sell("a", "2", may_flip=may_flip, **BOTH)
        approved(risk, order)
        answer = risk.amend(amend(order, "3", "100"), NOW, NOW)
        assert isinstance(answer, Approved) is may_flip


def test_an_amendment_on_its_way_counts_among_those_that_would_turn_a_position_round() -> None:
    risk = risk_at()
    one_way(risk, "3")
    order = sell("a", "1", **BOTH)
    approved(risk, order)
    assert isinstance(risk.amend(amend(order, "2", "100"), NOW, NOW), Approved)
    assert refused(risk, sell("b", "1.5", "101", **BOTH)).value == D("3.5")
    approved(risk, sell("b", "1", "101", **BOTH))


# Duplicates


@pytest.mark.parametrize(
    "changes",
    [
        {"price": D("99.9")},
        {"bot": "other"},
        {"key": ETH},
        {"side": Side.SELL, "position_side": PositionSide.SHORT},
        {"position_side": PositionSide.BOTH},
        {"type": OrderType.MARKET, "price": None},
    ],
)
def test_an_entry_that_differs_in_one_thing_is_no_duplicate(changes: dict[str, Any]) -> None:
    risk = risk_at()
    approved(risk, entry("a"), evolve(entry("b"), **changes))


def test_a_duplicate_passes_once_the_first_has_ended() -> None:
    risk = risk_at()
    approved(risk, entry("a"))
    assert refused(risk, entry("b")).rule == "duplicate_intent"
    report(risk, working=[working(entry("a"), "1")])
    assert refused(risk, entry("b")).rule == "duplicate_intent"
    report(risk, ended=["a"])
    approved(risk, entry("b"))


def test_a_second_market_order_waits_for_the_first_wherever_the_mark_went() -> None:
    risk = risk_at()
    market = {"type": OrderType.MARKET, "price": None}
    approved(risk, evolve(entry("a"), **market))
    risk.mark(BTC, D(110), NOW)
    assert refused(risk, evolve(entry("b"), **market)).rule == "duplicate_intent"


def test_an_order_taken_over_from_the_venue_may_be_any_bot_s() -> None:
    risk = risk_at()
    report(risk, working=[working(entry("a", bot=""), "1")])
    assert refused(risk, entry("b")).rule == "duplicate_intent"


def test_closing_orders_and_amendments_are_nobody_s_duplicates() -> None:
    risk = risk_at()
    report(risk, long="2", short="2")
    cover = limit("c", Side.BUY, "1", "100", position_side=PositionSide.SHORT, bot="grid")
    approved(risk, cover, entry("a"), evolve(cover, client_order_id="d"))
    assert isinstance(risk.amend(amend(entry("a"), "1", "100"), NOW, NOW), Approved)


# Scale


@pytest.mark.parametrize("scale", ["0", "0.25", "0.5"])
def test_an_open_order_larger_than_the_scale_allows_is_not_moved(scale: str) -> None:
    risk = risk_at()
    order = buy("a", "1")
    approved(risk, order)
    risk.facts.scale[BTC] = D(scale)
    assert refused(risk, amend(order, "1", "99")).rule == "throttle"


def test_at_a_scale_of_nothing_nothing_is_opened() -> None:
    risk = risk_at()
    report(risk, long="2")
    risk.facts.scale[BTC] = D(0)
    assert refused(risk, buy("a", "1", size_scale=D(0))).rule == "throttle"
    approved(risk, close_long("b", "2"), buy("c", "1", key=ETH))


# Closing


def take_profit(name: str, quantity: str, key: Key = BTC) -> PlaceOrder:
    order = close_long(name, quantity, key, "110")
    return evolve(order, purpose=Purpose.TAKE_PROFIT)


def test_take_profits_of_a_side_together_close_no_more_than_is_held() -> None:
    risk = risk_at()
    report(risk, long="2", short="5")
    report(risk, ETH, long="9")
    approved(risk, take_profit("a", "1.5"), take_profit("b", "9", ETH))
    approved(risk, stop("s", quantity="2"), close_long("c", "2"))
    refusal = refused(risk, take_profit("d", "1"))
    assert (refusal.value, refusal.limit) == (D("2.5"), D(2))
    assert str(refusal) == (
        "closing_quantity: closing 1 of a position of 2 BTCUSDT, beside take-profits of 1.5"
    )
    approved(risk, take_profit("e", "0.5"))
    cover = limit(
        "f",
        Side.BUY,
        "5",
        "96",
        position_side=PositionSide.SHORT,
        purpose=Purpose.TAKE_PROFIT,
    )
    approved(risk, cover)


def test_a_take_profit_is_amended_beside_the_others_only() -> None:
    risk = risk_at()
    report(risk, long="2")
    order = take_profit("a", "1")
    approved(risk, order, take_profit("b", "0.5"))
    assert isinstance(risk.amend(amend(order, "1.5", "111"), NOW, NOW), Approved)
    assert refused(risk, amend(order, "1.6", "111")).rule == "closing_quantity"
    assert refused(risk, take_profit("c", "0.1")).value == D("2.1")


def test_a_close_beside_one_of_unknown_outcome_goes() -> None:
    risk = risk_at()
    report(risk, long="2", working=[working(close_long("a", "2"), "2")])
    approved(risk, close_long("b", "2"), stop("c", quantity="2"), stop("d", quantity="2"))
    assert risk.exposure.worst_notional(BTC, Side.BUY) == Decimal(200)
