"""Every refusal says its rule and where the limit is configured, an unknown figure's too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from core.account import Unknown
from core.instruments import LeverageBracket
from core.messages import Key, PositionSide, Side
from core.positions import Position
from core.risk import checks
from core.risk.checks import Risk
from core.risk.gate import Approved
from core.risk.halt import Level, tighten
from core.risk.rules import RULES
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
)
from tests.core.samples import BTC, ETH, D, instrument

UNKNOWN = Unknown("nobody said")


def forget(facts: str, key: Key = BTC) -> Callable[[Risk], None]:
    def change(risk: Risk) -> None:
        del getattr(risk.facts, facts)[key]

    return change


def unknown(figure: str) -> Callable[[Risk], None]:
    return lambda risk: setattr(risk.facts, figure, UNKNOWN)


def broke(risk: Risk) -> None:
    risk.facts.equity = D(0)


def no_stop(risk: Risk) -> None:
    risk.limits = evolve(risk.limits, stops_bps={})


@pytest.mark.parametrize(
    ("rule", "change", "name", "config"),
    [
        ("leverage", forget("leverage"), "max_leverage", "risk.max_leverage"),
        (
            "account_leverage",
            unknown("equity"),
            "max_account_leverage",
            "risk.max_account_leverage",
        ),
        ("account_leverage", broke, "max_account_leverage", "risk.max_account_leverage"),
        (
            "free_margin",
            unknown("equity"),
            "min_free_margin_percent",
            "risk.min_free_margin_percent",
        ),
        (
            "free_margin",
            unknown("free_margin"),
            "min_free_margin_percent",
            "risk.min_free_margin_percent",
        ),
        (
            "liquidation_distance",
            forget("brackets"),
            "min_liquidation_distance_bps",
            "risk.min_liquidation_distance_bps",
        ),
        ("value_at_risk", unknown("equity"), "max_var_percent", "risk.portfolio.max_var_percent"),
        (
            "day_headroom",
            unknown("day_headroom"),
            "day_headroom",
            "risk.losses.max_daily_loss_percent",
        ),
        ("day_headroom", no_stop, "day_headroom", "risk.losses.max_daily_loss_percent"),
        ("funding", forget("funding"), "max_funding_bps", "risk.guards.max_funding_bps"),
    ],
)
def test_what_is_not_known_is_refused_in_the_name_of_its_rule(
    rule: str,
    change: Callable[[Risk], None],
    name: str,
    config: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = tuple(each for each in RULES if each.__name__ == rule)
    assert len(chosen) == 1
    monkeypatch.setattr(checks, "RULES", chosen)
    risk = risk_at()
    change(risk)
    refusal = refused(risk, buy("a", "1"))
    assert (refusal.rule, refusal.config) == (name, config)


def test_a_canary_that_lost_exactly_what_it_may_opens_nothing() -> None:
    risk = risk_at(limits=evolve(LIMITS, canary_order_notional=D(200), canary_max_loss=D(20)))
    risk.facts.canary_headroom = D("0.01")
    approved(risk, buy("a", "1"))
    risk.facts.canary_headroom = D(0)
    assert refused(risk, buy("b", "1")).rule == "canary_loss"


def test_an_approved_amendment_carries_the_halts_epoch_and_its_time() -> None:
    risk = risk_at()
    risk.halt = tighten(risk.halt, Level.HALTED, "why", "who")
    closing = evolve(buy("a", "1"), position_side=PositionSide.SHORT)
    report(risk, short="2")
    approved(risk, closing)
    answer = risk.amend(amend(closing, "2", "100"), NOW + 5, NOW)
    assert isinstance(answer, Approved)
    assert (answer.epoch, answer.at_ns) == (risk.halt.epoch, NOW + 5)
    assert risk.halt.epoch > 0


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        ({"client_order_id": "b"}, "unknown_order", "b is not open"),
        ({"side": Side.SELL}, "amended_side", "a is an order of another side or effect"),
    ],
)
def test_an_amendment_that_cannot_be_says_of_which_order(
    change: dict[str, object], rule: str, words: str
) -> None:
    risk = risk_at()
    order = buy("a", "1")
    approved(risk, order)
    refusal = refused(risk, evolve(amend(order, "2", "100"), **change))
    assert (refusal.rule, refusal.text) == (rule, words)


def test_an_amendment_that_says_that_it_closes_and_opens_is_refused() -> None:
    risk = risk_at()
    order = buy("a", "1")
    approved(risk, order)
    assert refused(risk, evolve(amend(order, "2", "100"), reduce_only=True)).rule == "reduce_only"


@pytest.mark.parametrize(("long", "short"), [("20", "10"), ("0", "30"), ("30", "0")])
def test_other_symbols_of_a_cross_account_take_their_margin_one_after_the_other(
    long: str, short: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contracts of a tenth: 100 of them at 100 are 1,000; half a per cent of each is needed."""
    chosen = tuple(each for each in RULES if each.__name__ == "liquidation_distance")
    monkeypatch.setattr(checks, "RULES", chosen)
    limits = evolve(
        LIMITS,
        cross_venues=frozenset({"binance"}),
        min_liquidation_distance_bps=D(9_999),
    )
    risk = risk_at(limits=limits)
    risk.list_instrument(instrument(BTC, multiplier=D("0.1"), min_notional=D(0)))
    risk.mark(BTC, D(100), NOW)
    risk.facts.equity = D(150)
    risk.facts.brackets[ETH] = (LeverageBracket(D(0), D(10**9), 125, D("0.01"), D(0)),)
    risk.exposure.report(BTC, [Position(PositionSide.SHORT, D(0), D(100))], [], [])
    report(risk, ETH, long=long, short=short)
    refusal = refused(risk, buy("a", "100"))
    fee, others = D(1_000) * D("0.0005"), 3_000 * D("0.01")
    margin = 150 - fee - others
    # margin + 10 × (p − 100) = 0.005 × 10 × p
    price = (1_000 - margin) / (10 * D("0.995"))
    assert float(refusal.value) == pytest.approx(float((100 - price) * 100), rel=1e-9)


def test_an_isolated_contract_is_liquidated_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets go by notional: 100 contracts of a tenth at 100 are 1,000, under the second one."""
    chosen = tuple(each for each in RULES if each.__name__ == "liquidation_distance")
    monkeypatch.setattr(checks, "RULES", chosen)
    risk = risk_at(limits=evolve(LIMITS, min_liquidation_distance_bps=D(9_999)))
    risk.list_instrument(instrument(BTC, multiplier=D("0.1"), min_notional=D(0)))
    risk.mark(BTC, D(100), NOW)
    risk.facts.brackets[BTC] = (
        LeverageBracket(D(0), D(2_000), 10, D("0.005"), D(0)),
        LeverageBracket(D(2_000), D(10**9), 5, D("0.1"), D(190)),
    )
    refusal = refused(risk, buy("a", "100"))
    price = (1_000 - D(1_000) / 2) / (10 * D("0.995"))
    assert float(refusal.value) == pytest.approx(float((100 - price) * 100), rel=1e-9)


def test_what_is_held_of_the_same_cross_symbol_loses_on_the_way_to_the_fill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Long 50 contracts of a tenth at 100, a bid for 100 more at 80: those lose 100 till then."""
    chosen = tuple(each for each in RULES if each.__name__ == "liquidation_distance")
    monkeypatch.setattr(checks, "RULES", chosen)
    limits = evolve(
        LIMITS, cross_venues=frozenset({"binance"}), min_liquidation_distance_bps=D(9_999)
    )
    risk = risk_at(limits=limits)
    wide = {"price_down": D("0.5"), "min_notional": D(0)}
    risk.list_instrument(instrument(BTC, multiplier=D("0.1"), **wide))
    risk.mark(BTC, D(100), NOW)
    risk.facts.equity = D(300)
    risk.exposure.report(BTC, [Position(PositionSide.LONG, D(50), D(100))], [], [])
    refusal = refused(risk, buy("a", "100", "80"))
    margin = 300 - 5 * 20 - D(1_000) * D("0.0005")  # the fee is of the worst notional, at the mark
    price = (15 * 80 - margin) / (15 * D("0.995"))
    assert float(refusal.value) == pytest.approx(float((80 - price) / 80 * 10_000), rel=1e-9)


def test_a_closing_order_is_held_against_the_mark_where_there_is_one() -> None:
    risk = risk_at()
    report(risk, long="2")
    approved(risk, close_long("a", "1", price="100"))
    assert refused(risk, close_long("b", "1", price="80")).rule == "percent_price"


def test_a_second_placement_under_an_id_says_which() -> None:
    risk = risk_at()
    approved(risk, buy("a", "1"))
    refusal = refused(risk, buy("a", "2"))
    assert (refusal.rule, refusal.text) == ("duplicate", "a is reserved already")
    unlisted = Key("binance", "SOLUSDT")
    assert refused(risk, buy("b", "1", key=unlisted)).text == "binance:SOLUSDT is not listed"
