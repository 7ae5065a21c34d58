"""Risk as a whole: what it lets through in which state, what it reserves, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from attrs import evolve

from core.messages import OrderType, PositionSide, Side
from core.risk.checks import Risk
from core.risk.gate import Approved
from core.risk.halt import Halt, Level, tighten
from tests.core.risk.samples import (
    NOW,
    STALE_NS,
    amend,
    approved,
    buy,
    close_long,
    refused,
    report,
    risk_at,
    sell,
    working,
)
from tests.core.samples import BTC, ETH, D, instrument, limit, stop


def halted(risk: Risk) -> Risk:
    risk.halt = tighten(Halt(), Level.HALTED, "daily loss", "risk")
    return risk


def reduce_only(risk: Risk) -> Risk:
    risk.halt = tighten(Halt(), Level.REDUCE_ONLY, "the journal", "journal")
    return risk


def paused(risk: Risk) -> Risk:
    risk.paused[BTC] = "the stream is lost"
    return risk


def stale(risk: Risk) -> Risk:
    risk.mark(BTC, D(100), NOW - STALE_NS - 1_000_000)
    return risk


def without_mark(risk: Risk) -> Risk:
    bare = Risk(risk.limits)
    bare.list_instrument(instrument())
    return bare


def without_quote(risk: Risk) -> Risk:
    del risk.facts.quotes[BTC]
    return risk


def without_account(risk: Risk) -> Risk:
    risk.facts.accounts_ns.clear()
    return risk


def breaker_open(risk: Risk) -> Risk:
    risk.facts.breaker_open[BTC.venue] = "5 of 10 failed"
    return risk


def unprotected(risk: Risk) -> Risk:
    risk.facts.unprotected[BTC] = {PositionSide.LONG: NOW - 60_000_000_000}
    return risk


def canary(risk: Risk) -> Risk:
    risk.limits = evolve(risk.limits, canary_order_notional=D(50), canary_max_loss=D(20))
    return risk


STATES: dict[str, tuple[Callable[[Risk], Risk], str]] = {
    "halt": (halted, "halt: trading is halted: daily loss"),
    "reduce-only": (reduce_only, "halt: trading is reduce_only: the journal"),
    "pause": (paused, "paused: the stream is lost"),
    "stale mark": (
        stale,
        "stale_after_ms: the mark price of binance:BTCUSDT is 5001 ms old (market.stale_after_ms)",
    ),
    "no mark": (
        without_mark,
        "mark: no mark price of binance:BTCUSDT yet",
    ),
    "no quote": (without_quote, "quote: no quote of binance:BTCUSDT yet"),
    "account not read": (
        without_account,
        "account: the account at binance was not read yet (risk.guards.account_stale_after_ms)",
    ),
    "breaker": (breaker_open, "breaker: calls of binance fail: 5 of 10 failed (risk.breaker)"),
    "unprotected": (
        unprotected,
        "unprotected: the lack of a stop on the long side of binance:BTCUSDT is 60000 ms old "
        "(execution.protect_within_s)",
    ),
    "unknown loss of a canary": (
        canary,
        "canary_loss: what a canary may still lose is unknown: the account was not read yet "
        "(risk.canary.max_loss)",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_openings_end_and_closings_pass(state: str) -> None:
    bring_about, says = STATES[state]
    risk = risk_at()
    open_order = buy("open", "1")
    approved(risk, open_order)
    risk = bring_about(risk)
    report(risk, long="2", working=[working(open_order, "1")])

    assert str(refused(risk, buy("a", "1"))) == says
    assert str(refused(risk, amend(open_order, "1", "99"))) == says
    approved(risk, close_long("b", "2"))
    approved(risk, close_long("c", "2", price="120"))
    approved(risk, stop("d", quantity="2"))
    take_profit = close_long("e", "1", price="110")
    approved(risk, take_profit)
    assert isinstance(risk.amend(amend(take_profit, "2", "111"), NOW, NOW), Approved)


def test_a_mark_is_stale_only_after_the_limit() -> None:
    risk = risk_at()
    assert isinstance(risk.place(buy("a", "1"), NOW, NOW + STALE_NS), Approved)
    refusal = refused(risk, buy("b", "1"), NOW + STALE_NS + 1)
    assert (refusal.value, refusal.limit) == (5000, 5000)


def test_a_symbol_that_cannot_be_counted_holds_back_all_openings() -> None:
    risk = risk_at()
    bare = Risk(risk.limits)
    bare.facts, risk = risk.facts, bare
    risk.list_instrument(instrument())
    risk.mark(BTC, D(100), NOW)
    report(risk, ETH)
    approved(risk, buy("a", "1"))

    report(risk, ETH, long="1")
    assert str(refused(risk, buy("b", "1"))) == (
        "mark: binance:ETHUSDT is held or ordered and has no mark price yet"
    )
    report(risk, ETH, working=[working(buy("x", "1", key=ETH), "1")])
    assert refused(risk, buy("b", "1")).rule == "mark"
    risk.mark(ETH, D(100), NOW)
    assert refused(risk, buy("b", "1")).rule == "mark"
    risk.list_instrument(instrument(ETH))
    approved(risk, buy("b", "1"))


def test_totals_are_not_given_where_a_symbol_cannot_be_counted() -> None:
    risk = Risk(risk_at().limits)
    report(risk, ETH)
    assert risk.exposure.gross_notional() == 0
    report(risk, ETH, short="1")
    assert risk.exposure.unpriced() == ETH
    with pytest.raises(KeyError):
        risk.exposure.gross_notional()


def test_a_symbol_that_is_not_listed_is_refused_closing_too() -> None:
    risk = Risk(risk_at().limits)
    assert refused(risk, buy("a", "1")).rule == "instrument"
    assert refused(risk, close_long("b", "1")).rule == "instrument"


def test_what_the_venue_would_refuse_is_refused_with_its_figures() -> None:
    refusal = refused(risk_at(), buy("a", "0.0005"))
    assert str(refusal) == "min_quantity: 0.0005 is under 0.001 BTC (the venue's filter)"


def test_an_approval_carries_the_halt_s_epoch_and_its_time() -> None:
    risk = risk_at()
    risk.halt = Halt(epoch=7)
    order = buy("a", "1")
    answer = risk.place(order, NOW, NOW)
    assert isinstance(answer, Approved)
    assert (answer.command, answer.epoch, answer.at_ns) == (order, 7, NOW)


def test_one_id_is_approved_once_until_its_order_ended() -> None:
    risk = risk_at()
    order = buy("a", "1")
    approved(risk, order)
    assert refused(risk, order).rule == "duplicate"
    report(risk, working=[working(order, "1")])
    assert refused(risk, order).rule == "duplicate"
    report(risk, ended=["a"])
    approved(risk, order)


# Reservations


def test_an_approval_stays_reserved_in_full_until_its_owner_mentions_or_ends_it() -> None:
    risk = risk_at()
    approved(risk, buy("a", "4"), buy("b", "4"))
    report(risk)
    assert risk.exposure.unmentioned(BTC) == ("a", "b")
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 800

    report(risk, long="1", working=[working(buy("a", "4"), "3", "1")])
    assert risk.exposure.unmentioned(BTC) == ("b",)
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 800

    report(risk, long="1", ended=["a", "b"])
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 100


def test_an_approval_that_never_became_an_order_can_be_released() -> None:
    risk = risk_at()
    order = buy("a", "4")
    approved(risk, order)
    assert isinstance(risk.amend(amend(order, "5", "100"), NOW, NOW), Approved)
    risk.exposure.release(BTC, "a")
    assert risk.exposure.gross_notional() == 0
    assert risk.exposure.order(BTC, "a") is None
    risk.exposure.release(ETH, "never seen")


def test_an_order_without_price_counts_at_the_mark_as_it_moves() -> None:
    risk = risk_at()
    approved(risk, limit("a", quantity="4", price=None, type=OrderType.MARKET))
    risk.mark(BTC, D(110), NOW)
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 440
    assert risk.exposure.held(BTC) == ()


def test_contracts_count_their_size() -> None:
    risk = risk_at()
    risk.list_instrument(instrument(multiplier=D("0.01")))
    approved(risk, buy("a", "400"))
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 400
    assert refused(risk, buy("b", "600")).rule == "max_order_notional"


# Amendments


def open_orders(risk: Risk, *sizes: str) -> list:
    orders = [buy(f"open{number}", size) for number, size in enumerate(sizes)]
    approved(risk, *orders)
    report(risk, working=[working(order, str(order.quantity)) for order in orders])
    return orders


@pytest.mark.parametrize(
    ("quantity", "price", "rule"),
    [
        ("5.001", "100", "max_order_notional"),
        ("4.001", "100", "max_symbol_notional"),
        ("4", "100.1", "max_symbol_notional"),
        ("1", "101.1", "price_collar_bps"),
        ("0.01", "100", "min_notional"),
        ("3.0005", "100", "lot_step"),
        ("3", "100.05", "tick_size"),
    ],
)
def test_an_amendment_cannot_carry_more_past_a_cap(quantity: str, price: str, rule: str) -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "3", "3", "3")
    refusal = refused(risk, amend(first, quantity, price))
    assert refusal.rule == rule
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 900


def test_an_amendment_up_to_the_cap_passes_and_is_counted_at_once() -> None:
    risk = risk_at()
    first, second, _ = open_orders(risk, "3", "3", "3")
    assert isinstance(risk.amend(amend(first, "4", "100"), NOW, NOW), Approved)
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 1000
    assert refused(risk, amend(second, "3.001", "100")).rule == "max_symbol_notional"


def test_an_amendment_is_counted_until_a_report_shows_it() -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "3")
    assert isinstance(risk.amend(amend(first, "5", "100"), NOW, NOW), Approved)

    report(risk, working=[working(first, "3")])  # written before the owner heard of it
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 500
    report(risk, long="1", working=[working(first, "4", "1")])
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 500
    report(risk, long="1", working=[working(first, "2", "1")])  # refused by the venue
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 300


def test_an_amendment_of_an_order_that_ended_is_counted_no_longer() -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "3")
    assert isinstance(risk.amend(amend(first, "5", "100"), NOW, NOW), Approved)
    report(risk, ended=[first.client_order_id])
    assert risk.exposure.gross_notional() == 0


def test_a_smaller_amendment_counts_as_before_until_it_has_happened() -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "5")
    assert isinstance(risk.amend(amend(first, "2", "100"), NOW, NOW), Approved)
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 500


def test_two_amendments_on_their_way_count_with_the_worse_of_both() -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "1")
    assert isinstance(risk.amend(amend(first, "4", "100"), NOW, NOW), Approved)
    assert isinstance(risk.amend(amend(first, "2", "101"), NOW, NOW), Approved)
    assert risk.exposure.worst_notional(BTC, Side.BUY) == 404


def test_an_amendment_that_adds_nothing_passes_above_a_cap() -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "4", "4")
    risk.mark(BTC, D(130), NOW)  # 1,040 by now, over the cap of 1,000
    assert refused(risk, amend(first, "4.001", "100")).rule == "max_order_notional"
    assert isinstance(risk.amend(amend(first, "3.8", "100"), NOW, NOW), Approved)


def test_amendments_of_a_full_ladder_pass_the_cap_on_the_number_of_orders() -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "1", "1", "1")
    assert isinstance(risk.amend(amend(first, "1", "99"), NOW, NOW), Approved)


def test_an_order_that_risk_does_not_know_cannot_be_amended() -> None:
    assert refused(risk_at(), amend(buy("a", "1"), "1", "100")).rule == "unknown_order"


def test_an_amendment_under_what_filled_is_refused() -> None:
    risk = risk_at()
    order = buy("a", "3")
    report(risk, long="2", working=[working(order, "1", "2")])
    assert str(refused(risk, amend(order, "2", "100"))) == ("quantity: a filled 2")


@pytest.mark.parametrize(
    "lie",
    [
        {"side": Side.SELL},
        {"position_side": PositionSide.SHORT},
        {"side": Side.SELL, "position_side": PositionSide.SHORT},
        {"position_side": PositionSide.BOTH, "reduce_only": True},
    ],
)
def test_an_amendment_cannot_pass_for_one_of_another_side_or_effect(lie: dict) -> None:
    risk = risk_at()
    first, *_ = open_orders(risk, "1")
    assert refused(risk, evolve(amend(first, "50", "100"), **lie)).rule == "amended_side"


def test_an_opening_order_in_one_way_mode_does_not_become_closing_by_an_amendment() -> None:
    risk = risk_at()
    order = limit("a", position_side=PositionSide.BOTH)
    approved(risk, order)
    smuggled = evolve(amend(order, "9", "100"), reduce_only=True)
    assert refused(risk, smuggled).rule == "amended_side"
    assert refused(risk, amend(order, "9", "100")).rule == "max_order_notional"


def test_a_closing_amendment_is_bounded_by_the_position() -> None:
    risk = risk_at()
    report(risk, long="2")
    leave = close_long("a", "1", price="110")
    approved(risk, leave)
    assert isinstance(risk.amend(amend(leave, "2", "110"), NOW, NOW), Approved)
    assert refused(risk, amend(leave, "2.1", "110")).rule == "closing_quantity"


def test_a_waiting_stop_is_not_amended() -> None:
    risk = risk_at()
    report(risk, long="2")
    protect = stop("s", quantity="2")
    approved(risk, protect)
    assert refused(risk, amend(protect, "1", "90")).rule == "conditional"


def test_sides_are_counted_apart_and_together() -> None:
    risk = risk_at()
    report(risk, long="2", short="3")
    approved(risk, buy("a", "1"), sell("b", "1"))
    exposure = risk.exposure
    assert [exposure.direction_notional(side) for side in Side] == [Decimal(300), Decimal(400)]
    assert exposure.gross_notional() == 700
    assert [exposure.opening_orders(BTC, side) for side in Side] == [1, 1]
