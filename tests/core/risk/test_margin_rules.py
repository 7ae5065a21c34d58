"""Leverage, free margin and liquidation distance: each rule alone, at its limit and unknown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from core.account import Unknown
from core.instruments import LeverageBracket
from core.messages import PositionSide
from core.positions import Position
from core.risk import checks, margin_rules
from core.risk.checks import Risk
from core.risk.gate import Approved
from core.risk.limits import Caps
from core.risk.margin_rules import MARGIN_RULES
from tests.core.risk.samples import (
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
from tests.core.samples import BTC, ETH, D, instrument

UNKNOWN = Unknown("the account was not read yet")
WIDE = evolve(
    LIMITS,
    max_order_notional=D(10**6),
    max_symbol_notional=D(10**6),
    max_side_notional=D(10**6),
    max_gross_notional=D(10**6),
)
CROSS = evolve(WIDE, cross_venues=frozenset({"binance"}))
Only = Callable[..., None]


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Only:
    def choose(rule: str) -> None:
        monkeypatch.setattr(checks, "RULES", (getattr(margin_rules, rule),))

    return choose


def test_the_family_is_complete():
    assert [rule.__name__ for rule in MARGIN_RULES] == [
        "leverage",
        "account_leverage",
        "free_margin",
        "liquidation_distance",
    ]


# Leverage


def test_leverage_over_the_general_cap_opens_nothing(only):
    only("leverage")
    risk = risk_at()
    risk.facts.leverage[BTC] = 3
    approved(risk, buy("a", "1"))
    risk.facts.leverage[BTC] = 4
    refusal = refused(risk, buy("b", "1"))
    assert (refusal.value, refusal.limit) == (4, 3)
    assert str(refusal) == (
        "max_leverage: the leverage of binance:BTCUSDT is 4, 3 is allowed (risk.max_leverage)"
    )


def test_a_symbols_own_cap_of_leverage_counts_instead_of_the_general_one(only):
    only("leverage")
    own = {
        BTC: Caps(where="risk.symbols[0]", max_leverage=5),
        ETH: Caps(where="risk.symbols[1]"),
    }
    risk = risk_at(limits=evolve(LIMITS, symbols=own))
    risk.facts.leverage |= {BTC: 5, ETH: 4}
    approved(risk, buy("a", "1"))
    assert refused(risk, buy("b", "1", key=ETH)).config == "risk.max_leverage"
    risk.facts.leverage[BTC] = 6
    assert refused(risk, buy("c", "1")).config == "risk.symbols[0].max_leverage"


def test_leverage_that_was_not_read_opens_nothing(only):
    only("leverage")
    risk = risk_at()
    del risk.facts.leverage[BTC]
    assert refused(risk, buy("a", "1")).text == "the leverage of binance:BTCUSDT was not read yet"


# Leverage of the account


def test_all_that_is_held_and_ordered_is_bounded_by_the_equity(only):
    only("account_leverage")
    risk = risk_at(limits=WIDE)
    risk.facts.equity = D(1000)
    report(risk, BTC, long="10", short="5")
    approved(risk, sell("a", "10", key=ETH), buy("b", "5", key=ETH))
    refusal = refused(risk, buy("c", "0.05"))
    assert (refusal.value, refusal.limit) == (D("3.005"), 3)
    assert str(refusal) == (
        "max_account_leverage: 3005 held and ordered on an equity of 1000 would be 3.01 times, "
        "3 are allowed (risk.max_account_leverage)"
    )


def test_without_a_known_equity_or_with_none_left_nothing_is_opened(only):
    only("account_leverage")
    risk = risk_at()
    risk.facts.equity = UNKNOWN
    assert refused(risk, buy("a", "1")).text == (
        "the equity is unknown: the account was not read yet"
    )
    risk.facts.equity = D(0)
    assert refused(risk, buy("b", "1")).text == "100 held and ordered on an equity of 0"


# Free margin


def margin_at(equity: int, free: int) -> Risk:
    risk = risk_at(limits=WIDE)
    risk.facts.equity, risk.facts.free_margin = D(equity), D(free)
    return risk


def test_the_venues_free_margin_less_the_order_must_keep_a_part_of_the_equity(only):
    """An order of 1000 at leverage 2 takes 500 and a fee of 0.5; a tenth of 1000 stays free."""
    only("free_margin")
    approved(margin_at(1000, 601), buy("a", "10"))
    refusal = refused(margin_at(1000, 600), buy("a", "10"))
    assert (refusal.value, refusal.limit) == (D("99.5"), 100)
    assert str(refusal) == (
        "min_free_margin_percent: 99.5 of margin would stay free, 100 has to "
        "(risk.min_free_margin_percent)"
    )


def test_what_is_reserved_and_not_at_the_venue_yet_takes_margin_too(only):
    only("free_margin")
    risk = margin_at(1000, 1000)
    report(risk, ETH, long="4")
    approved(risk, buy("a", "6"), sell("b", "7"))
    assert refused(risk, buy("c", "1")).value == 1000 - D(1700) / 2 - 50 - D("0.05")


def test_a_symbol_without_anything_takes_no_margin_whatever_its_leverage(only):
    only("free_margin")
    risk = margin_at(1000, 1000)
    del risk.facts.leverage[ETH]
    approved(risk, buy("a", "1"))
    report(risk, ETH, long="4")
    assert refused(risk, buy("b", "1")).text == (
        "the free margin is unknown: the leverage of binance:ETHUSDT was not read yet"
    )


@pytest.mark.parametrize("figure", ["equity", "free_margin"])
def test_an_unknown_figure_of_the_account_opens_nothing(only, figure):
    only("free_margin")
    risk = risk_at()
    setattr(risk.facts, figure, UNKNOWN)
    assert refused(risk, buy("a", "1")).text == (
        f"the {figure.replace('_', ' ')} is unknown: the account was not read yet"
    )


def test_an_order_of_a_symbol_without_leverage_has_no_known_margin(only):
    only("free_margin")
    risk = risk_at()
    del risk.facts.leverage[BTC]
    assert refused(risk, buy("a", "1")).text.startswith("the free margin is unknown")


# Liquidation distance


def test_a_fill_too_near_to_liquidation_is_refused_with_the_distance(only):
    """At leverage 9 an isolated long is liquidated 1,066 bps below its entry, at 10 it is 955."""
    only("liquidation_distance")
    risk = risk_at()
    risk.facts.leverage[BTC] = 9
    approved(risk, buy("a", "1"), sell("b", "1"))
    risk.facts.leverage[BTC] = 10
    refusal = refused(risk, buy("c", "1"))
    assert refusal.limit == 1000
    assert str(refusal) == (
        "min_liquidation_distance_bps: buy 1 BTCUSDT at 100 would be 955 bps from liquidation, "
        "1000 are needed (risk.min_liquidation_distance_bps)"
    )


def test_an_order_below_a_position_that_lost_is_judged_where_it_would_fill(only):
    """Bought at 100, the bid at 60 fills with the market at 60: the average is what counts then."""
    only("liquidation_distance")
    limits = evolve(WIDE, min_liquidation_distance_bps=D(3_000))
    risk = risk_at(limits=limits)
    risk.exposure.report(BTC, [Position(PositionSide.LONG, D(10), D(100))], [], [])
    refusal = refused(risk, buy("a", "1", "60"))
    entry = D(1060) / 11
    assert float(refusal.value) == pytest.approx(
        float((60 - entry / 2 / D("0.995")) / 60) * 10_000, rel=1e-9
    )
    approved(risk, buy("b", "10", "60"))


def test_an_order_above_the_market_is_judged_where_the_market_is(only):
    """A short sold under the mark and a long bought over it begin with a loss."""
    only("liquidation_distance")
    risk = risk_at()
    passive = {}
    for side in (buy, sell):
        risk.facts.leverage[BTC] = 10
        through = refused(risk, side("a", "1", "101" if side is buy else "99"))
        passive[side] = refused(risk, side("a", "1", "100")).value
        assert through.value < passive[side]


def test_without_leverage_there_is_nothing_to_liquidate(only):
    only("liquidation_distance")
    risk = risk_at()
    risk.facts.leverage[BTC] = 1
    approved(risk, buy("a", "1"))


@pytest.mark.parametrize("missing", ["leverage", "brackets"])
def test_what_a_liquidation_price_needs_and_is_not_read_opens_nothing(only, missing):
    only("liquidation_distance")
    risk = risk_at()
    del getattr(risk.facts, missing)[BTC]
    assert refused(risk, buy("a", "1")).text == (
        "the liquidation price is unknown: "
        "leverage and brackets of binance:BTCUSDT were not read yet"
    )


def cross_at(equity: int) -> Risk:
    risk = risk_at(limits=CROSS)
    risk.facts.equity = D(equity)
    return risk


def test_on_a_cross_account_the_whole_equity_stands_behind_a_fill(only):
    only("liquidation_distance")
    approved(cross_at(200), buy("a", "10"))
    refusal = refused(cross_at(50), buy("a", "10"))
    # 50 less the fee of 0.5 carries 1000 of notional; half a per cent must be maintained.
    assert float(refusal.value) == pytest.approx((100 - 950.5 / 9.95) * 100, rel=1e-9)


def test_on_a_cross_account_other_symbols_need_their_margin_and_the_hedge_helps(only):
    only("liquidation_distance")
    risk = cross_at(150)
    approved(risk, buy("a", "10"))
    risk = cross_at(150)
    report(risk, ETH, long="100", short="80")
    assert refused(risk, buy("a", "10")).value < 1000
    hedged = cross_at(150)
    report(hedged, BTC, short="8")
    approved(hedged, buy("a", "10"))


def test_a_fill_that_lessens_a_cross_symbols_net_can_bring_the_other_price_near(only):
    only("liquidation_distance")
    risk = cross_at(60)
    report(risk, BTC, long="10")
    approved(risk, sell("a", "9", "101"))
    answer = risk.place(buy("b", "50", "90"), NOW, NOW)
    assert not isinstance(answer, Approved)


def test_one_way_positions_are_judged_as_what_a_fill_leaves_of_them(only):
    only("liquidation_distance")
    risk = cross_at(150)
    risk.exposure.report(BTC, [Position(PositionSide.BOTH, D(10), D(100))], [], [])
    approved(risk, buy("a", "1", position_side=PositionSide.BOTH))
    refusal = refused(risk, buy("b", "30", position_side=PositionSide.BOTH))
    assert refusal.value < 1000


def test_a_cross_account_of_unknown_equity_or_brackets_opens_nothing(only):
    only("liquidation_distance")
    risk = cross_at(1000)
    risk.facts.equity = UNKNOWN
    assert "the account was not read yet" in refused(risk, buy("a", "1")).text
    risk = cross_at(1000)
    report(risk, ETH, long="1")
    del risk.facts.brackets[ETH]
    assert "the brackets of binance:ETHUSDT" in refused(risk, buy("a", "1")).text
    del risk.facts.brackets[BTC]
    assert "the brackets of binance:BTCUSDT" in refused(risk, buy("a", "1")).text


def test_positions_at_another_venue_need_no_margin_here(only):
    only("liquidation_distance")
    elsewhere = evolve(ETH, venue="elsewhere")
    risk = cross_at(200)
    risk.list_instrument(instrument(elsewhere))
    risk.mark(elsewhere, D(100), NOW)
    report(risk, elsewhere, long="1000")
    approved(risk, buy("a", "10"))


def test_the_bracket_after_the_fill_decides(only):
    only("liquidation_distance")
    risk = risk_at(limits=WIDE)
    risk.facts.leverage[BTC] = 5
    risk.facts.brackets[BTC] = (
        LeverageBracket(D(0), D(5_000), 10, D("0.005"), D(0)),
        LeverageBracket(D(5_000), D(10**9), 5, D("0.2"), D(975)),
    )
    approved(risk, buy("a", "50"))
    report(risk, BTC, long="60")
    assert refused(risk, buy("b", "100")).value < 1000


def test_what_closes_is_never_held_back_by_margin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "RULES", MARGIN_RULES)
    risk = risk_at()
    report(risk, BTC, long="1")
    risk.facts.equity = risk.facts.free_margin = UNKNOWN
    risk.facts.leverage.clear()
    approved(risk, close_long("a", "1"))
