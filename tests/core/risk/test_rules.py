"""Every pre-trade rule: refuses alone what it is there for, with figures and where to change it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from attrs import frozen

from core.messages import PlaceOrder
from core.risk import checks, rules
from core.risk.checks import Risk
from core.risk.gate import Approved
from tests.core.risk.samples import (
    NOW,
    approved,
    buy,
    close_long,
    refused,
    report,
    risk_at,
    sell,
)
from tests.core.samples import ETH, D


@frozen
class Case:
    """What is open already, an order that just fits, and one that breaks one rule only."""

    before: Sequence[PlaceOrder]
    fits: PlaceOrder
    breaks: PlaceOrder
    value: Decimal
    limit: Decimal
    says: str
    long: str = "0"


CASES = {
    "order_notional": Case(
        [],
        buy("a", "5"),
        buy("a", "5.001"),
        D("500.1"),
        D(500),
        "max_order_notional: order notional would be 500.1, 0.1 over the limit of 500 "
        "(risk.max_order_notional)",
    ),
    "symbol_notional": Case(
        [buy("a", "4"), buy("b", "4")],
        buy("c", "2"),
        buy("c", "3"),
        D(1100),
        D(1000),
        "max_symbol_notional: buy notional of BTCUSDT would be 1100, 100 over the limit of 1000 "
        "(risk.max_symbol_notional)",
    ),
    "side_notional": Case(
        [buy("a", "4"), buy("b", "4"), buy("c", "4", key=ETH)],
        buy("d", "3", key=ETH),
        buy("d", "4", key=ETH),
        D(1600),
        D(1500),
        "max_side_notional: buy notional would be 1600, 100 over the limit of 1500 "
        "(risk.max_side_notional)",
    ),
    "gross_notional": Case(
        [buy("a", "4"), buy("b", "4"), buy("c", "4", key=ETH), sell("d", "4"), sell("e", "5")],
        sell("f", "4", key=ETH),
        sell("f", "5", key=ETH),
        D(2600),
        D(2500),
        "max_gross_notional: gross notional would be 2600, 100 over the limit of 2500 "
        "(risk.max_gross_notional)",
    ),
    "open_orders": Case(
        [buy("a", "1"), buy("b", "1"), buy("c", "1")],
        sell("d", "1"),
        buy("d", "1"),
        D(4),
        D(3),
        "max_open_orders_per_side: open buy orders of BTCUSDT would be 4, 1 over the limit of 3 "
        "(risk.max_open_orders_per_side)",
    ),
    "price_collar": Case(
        [],
        buy("a", "1", "101"),
        buy("a", "1", "101.1"),
        D(110),
        D(100),
        "price_collar_bps: price 101.1 through mark 100 in bps would be 110, 10 over the limit "
        "of 100 (risk.price_collar_bps)",
    ),
    "closing_quantity": Case(
        [],
        close_long("a", "2"),
        close_long("a", "2.001"),
        D("2.001"),
        D(2),
        "closing_quantity: closing 2.001 of a position of 2 BTCUSDT",
        long="2",
    ),
}


def prepared(case: Case) -> Risk:
    risk = risk_at()
    report(risk, long=case.long)
    approved(risk, *case.before)
    return risk


def test_every_rule_has_a_case_here() -> None:
    assert [rule.__name__ for rule in rules.RULES] == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_rule_refuses_with_its_figures_and_where_the_limit_is(name: str) -> None:
    case = CASES[name]
    refusal = refused(prepared(case), case.breaks)
    assert (refusal.value, refusal.limit, str(refusal)) == (case.value, case.limit, case.says)


@pytest.mark.parametrize("name", CASES)
def test_an_order_at_the_limit_passes(name: str) -> None:
    case = CASES[name]
    approved(prepared(case), case.fits)


@pytest.mark.parametrize("name", CASES)
def test_no_other_rule_stands_in_for_one_that_is_taken_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    left = tuple(rule for rule in rules.RULES if rule.__name__ != name)
    monkeypatch.setattr(checks, "RULES", left)
    assert isinstance(prepared(case).place(case.breaks, NOW), Approved)


def test_a_refused_order_reserves_nothing() -> None:
    risk = risk_at()
    refused(risk, buy("a", "6"))
    assert risk.exposure.unmentioned(buy("a", "6").key) == ()
    assert risk.exposure.gross_notional() == 0


def test_the_figures_are_rounded_up_so_that_they_are_over_the_limit_as_shown() -> None:
    risk = risk_at("100.0000001")
    assert "would be 500.01, 0.01 over the limit of 500 (" in str(refused(risk, buy("a", "5")))


def test_the_collar_looks_through_the_market_only() -> None:
    risk = risk_at()
    approved(risk, buy("a", "1", "50"), sell("b", "1", "150"), sell("c", "1", "99"))
    assert refused(risk, sell("d", "1", "98.9")).rule == "price_collar_bps"


def test_orders_below_the_mark_count_at_the_mark_and_above_it_at_their_price() -> None:
    risk = risk_at()
    approved(risk, buy("a", "1", "50"), sell("b", "1", "150"))
    assert risk.exposure.gross_notional() == 100 + 150


def test_caps_do_not_hold_closing_orders_back() -> None:
    risk = risk_at()
    report(risk, long="20", working=[])
    for number in range(4):
        approved(risk, close_long(str(number), "20"))
    assert risk.exposure.gross_notional() == 2000
