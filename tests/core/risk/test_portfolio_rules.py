"""Value at risk, volatility, today's head-room and funding: each rule alone, at its limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from core.account import Unknown
from core.config import Portfolio
from core.messages import Bar, MarkPrice
from core.risk import checks, portfolio_rules
from core.risk.checks import Risk
from core.risk.portfolio_rules import PORTFOLIO_RULES
from tests.core.risk.samples import (
    HOUR_NS,
    LIMITS,
    NOW,
    approved,
    buy,
    close_long,
    refused,
    report,
    risk_at,
    sell,
)
from tests.core.samples import BTC, ETH, D

UNKNOWN = Unknown("the account was not read yet")
MINUTE = 60 * 1_000_000_000
SMALL = Portfolio(window_bars=20, var_horizon_minutes=5, prior_daily_volatility_percent=D(8))
Only = Callable[..., None]


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Only:
    def choose(rule: str) -> None:
        monkeypatch.setattr(checks, "RULES", (getattr(portfolio_rules, rule),))

    return choose


def moved(risk: Risk, *closes: str, key=BTC) -> None:
    """Tell closed bars of consecutive minutes."""
    prices = [D(close) for close in closes]
    risk.facts.portfolio.take(
        Bar(key, MINUTE, minute * MINUTE, price, price, price, price, D(1), True)
        for minute, price in enumerate(prices)
    )


def test_the_family_is_complete():
    assert [rule.__name__ for rule in PORTFOLIO_RULES] == [
        "volatility",
        "value_at_risk",
        "day_headroom",
        "funding",
    ]


# Volatility


def test_a_symbol_wilder_than_allowed_takes_no_entry(only):
    """Two per cent a minute are 76 % a day."""
    only("volatility")
    risk = risk_at(limits=evolve(LIMITS, portfolio=SMALL))
    approved(risk, buy("a", "1"))
    moved(risk, *(("100", "102") * 11))
    refusal = refused(risk, buy("b", "1"))
    assert refusal.value > 75
    assert refusal.limit == 60
    assert str(refusal) == (
        f"max_daily_volatility_percent: the daily volatility of binance:BTCUSDT is "
        f"{refusal.value} %, 60 % is allowed (risk.portfolio.max_daily_volatility_percent)"
    )
    approved(risk, buy("c", "1", key=ETH))


# Value at risk


def test_value_at_risk_over_its_part_of_the_equity_is_refused(only):
    """The prior's 8 % a day are 3.80 % an hour at 99 %."""
    only("value_at_risk")
    risk = risk_at(limits=evolve(LIMITS, max_var_percent=D(1)))
    risk.facts.equity = D(380)
    approved(risk, buy("a", "1"))
    refusal = refused(risk, buy("b", "0.05", key=ETH))
    assert (refusal.value, refusal.limit) == (D("3.99"), D("3.8"))
    assert refusal.text == (
        "value at risk would be 3.99, 3.8 is the limit, 1 % of an equity of 380"
    )
    assert refusal.config == "risk.portfolio.max_var_percent"


def test_the_order_counts_on_top_of_what_is_held_and_ordered(only):
    only("value_at_risk")
    risk = risk_at(limits=evolve(LIMITS, max_var_percent=D(1)))
    risk.facts.equity = D(1139)
    report(risk, ETH, short="1")
    approved(risk, buy("a", "1"), sell("b", "1"))
    assert refused(risk, buy("c", "1")).value == D("11.4")


def test_the_exact_figure_decides_where_the_bound_is_over_the_limit(only):
    """Two symbols that never fall together lose less than their worst moves at the same time."""
    only("value_at_risk")
    risk = risk_at(limits=evolve(LIMITS, max_var_percent=D(1), portfolio=SMALL))
    moved(risk, *(("100", "99") * 11))
    moved(risk, *(("99", "100") * 11), key=ETH)
    risk.facts.equity = D(150)
    approved(risk, buy("a", "1"), buy("b", "1", key=ETH))
    worst = risk.exposure.worst()
    assert risk.facts.portfolio.bound(worst) > D("1.5") > risk.facts.portfolio.value_at_risk(worst)
    assert refused(risk, buy("c", "1")).rule == "max_var_percent"


def test_without_a_known_equity_no_value_at_risk_is_allowed(only):
    only("value_at_risk")
    risk = risk_at()
    risk.facts.equity = UNKNOWN
    assert refused(risk, buy("a", "1")).text == (
        "the equity is unknown: the account was not read yet"
    )


# What may still be lost today


def test_no_entry_when_all_stops_together_could_cost_more_than_may_be_lost_today(only):
    """Stop at 150 bps and fee of 5 bps: 1.55 of 100; both sides and both symbols count."""
    only("day_headroom")
    risk = risk_at()
    risk.facts.day_headroom = D("6.2")
    report(risk, BTC, long="1")
    report(risk, ETH, short="1")
    approved(risk, buy("a", "1"), sell("b", "1"))
    refusal = refused(risk, buy("c", "0.1"))
    assert (refusal.value, refusal.limit) == (D("6.355"), D("6.2"))
    assert str(refusal) == (
        "day_headroom: 6.36 could be lost if every stop is hit, 6.2 may still be lost today "
        "(risk.losses.max_daily_loss_percent)"
    )
    assert refused(risk, sell("d", "0.1", key=ETH)).value == D("6.355")


def test_each_symbol_counts_with_its_own_stop(only):
    only("day_headroom")
    risk = risk_at(limits=evolve(LIMITS, stops_bps={BTC: D(150), ETH: D(350)}))
    risk.facts.day_headroom = D("5.1")
    approved(risk, buy("a", "1"), buy("b", "1", key=ETH))
    assert refused(risk, buy("c", "0.1", key=ETH)).value == D("5.455")


def test_an_unknown_headroom_or_stop_opens_nothing(only):
    only("day_headroom")
    risk = risk_at(limits=evolve(LIMITS, stops_bps={ETH: D(150)}))
    approved(risk, buy("a", "1", key=ETH))
    assert refused(risk, buy("b", "1")).text == (
        "the stop distance of binance:BTCUSDT is not known"
    )
    risk.facts.day_headroom = UNKNOWN
    assert refused(risk, buy("c", "1", key=ETH)).text == (
        "what may still be lost today is unknown: the account was not read yet"
    )


# Funding


def test_before_a_costly_settlement_the_side_that_pays_takes_no_entry(only):
    only("funding")
    risk = risk_at()
    risk.facts.funding[BTC] = MarkPrice(BTC, D(100), D(100), D("0.0012"), NOW + HOUR_NS // 10, NOW)
    approved(risk, sell("a", "1"), buy("b", "1", key=ETH))
    refusal = refused(risk, buy("c", "1"))
    assert (refusal.value, refusal.limit) == (12, 10)
    assert str(refusal) == (
        "max_funding_bps: BTCUSDT: longs pay 12 bps in 360 s, 10 bps are allowed "
        "(risk.guards.max_funding_bps)"
    )


def test_a_funding_rate_that_nobody_told_opens_nothing(only):
    only("funding")
    risk = risk_at()
    approved(risk, buy("a", "1"))
    del risk.facts.funding[BTC]
    assert refused(risk, buy("b", "1")).text == "no funding rate of binance:BTCUSDT yet"


def test_what_closes_is_never_held_back_by_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "RULES", PORTFOLIO_RULES)
    risk = risk_at()
    report(risk, BTC, long="1")
    risk.facts.equity = risk.facts.day_headroom = UNKNOWN
    risk.facts.funding.clear()
    approved(risk, close_long("a", "1"))
