"""Every pre-trade rule: refuses alone what it is there for, with figures and where to change it."""

from __future__ import annotations

import pytest

from core.risk import checks, rules
from core.risk.gate import Approved
from tests.core.risk import cases
from tests.core.risk.account_cases import ACCOUNT_CASES
from tests.core.risk.samples import NOW, approved, buy, close_long, refused, report, risk_at, sell

CASES = cases.CASES | ACCOUNT_CASES


def test_every_rule_has_a_case_here() -> None:
    every = [rule.__name__ for rule in (*rules.RULES, *rules.CLOSING_RULES)]
    assert sorted(every) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_rule_refuses_with_its_figures_and_where_the_limit_is(name: str) -> None:
    case = CASES[name]
    risk = case.prepared()
    case.spoilt(risk)
    refusal = refused(risk, case.breaks)
    assert (refusal.value, refusal.limit, str(refusal)) == (case.value, case.limit, case.says)


@pytest.mark.parametrize("name", CASES)
def test_an_order_at_the_limit_passes(name: str) -> None:
    case = CASES[name]
    approved(case.prepared(), case.fits)


@pytest.mark.parametrize("name", CASES)
def test_no_other_rule_stands_in_for_one_that_is_taken_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    for family in ("RULES", "CLOSING_RULES"):
        left = tuple(rule for rule in getattr(rules, family) if rule.__name__ != name)
        monkeypatch.setattr(checks, family, left)
    risk = case.prepared()
    case.spoilt(risk)
    assert isinstance(risk.place(case.breaks, NOW, NOW), Approved)


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
