"""Volatility, value at risk, stress and the scale of sizes, from closed one-minute bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import product
from math import exp, sqrt
from random import Random
from statistics import NormalDist
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.config import Portfolio as Settings
from core.messages import Bar, Key, Side
from core.risk.portfolio import Portfolio, stress
from tests.core.samples import BTC, ETH

D = Decimal
MINUTE = 60 * 1_000_000_000
SOL = Key("binance", "SOLUSDT")
KEYS = (BTC, ETH, SOL)
SETTINGS = Settings(
    window_bars=240,
    var_horizon_minutes=60,
    var_confidence_percent=D(99),
    prior_daily_volatility_percent=D(8),
    target_daily_volatility_percent=D(30),
)
Z99 = NormalDist().inv_cdf(0.99)


def bar(key: Key, minute: int, close: float | str) -> Bar:
    price = D(str(close))
    return Bar(key, MINUTE, minute * MINUTE, price, price, price, price, D(1), True)


def walk(
    seed: int, minutes: int = 241, keys: Iterable[Key] = KEYS, bps: float = 10, common: float = 0.7
) -> list[Bar]:
    """Bars of symbols that share a part of their moves, of about `bps` a minute."""
    dice, found = Random(seed), []
    prices = dict.fromkeys(keys, 100.0)
    for minute in range(minutes):
        market = dice.gauss(0.0, bps / 10_000)
        for key in prices:
            own = dice.gauss(0.0, bps / 10_000)
            prices[key] *= exp(common * market + sqrt(1 - common**2) * own)
            found.append(bar(key, minute, prices[key]))
    return found


def zigzag(bps: float, minutes: int = 241, key: Key = BTC, first: int = 0) -> list[Bar]:
    """A market of exactly this volatility a minute: up and down again."""
    prices = (100.0 * exp(bps / 10_000 * (minute % 2)) for minute in range(minutes))
    return [bar(key, first + minute, price) for minute, price in enumerate(prices)]


def made(bars: Iterable[Bar], **changes: Any) -> Portfolio:
    portfolio = Portfolio(evolve(SETTINGS, **changes))
    portfolio.take(bars)
    return portfolio


def worst(**held: tuple[int, int]) -> Mapping[Key, Mapping[Side, Decimal]]:
    keys = {"btc": BTC, "eth": ETH, "sol": SOL}
    return {
        keys[name]: {Side.BUY: D(long), Side.SELL: D(short)} for name, (long, short) in held.items()
    }


# Volatility


def test_daily_volatility_is_that_of_a_minute_times_the_root_of_its_minutes():
    portfolio = made(zigzag(20))
    assert float(portfolio.daily_volatility_percent(BTC)) == pytest.approx(
        0.20 * sqrt(1_440), abs=0.011
    )


def test_a_symbol_without_a_full_window_has_the_prior():
    assert made([]).daily_volatility_percent(BTC) == 8
    assert made(zigzag(1, minutes=240)).daily_volatility_percent(BTC) == 8
    assert made(zigzag(1, minutes=241)).daily_volatility_percent(BTC) < 1


def test_a_wild_start_counts_before_the_window_is_full_but_not_from_a_few_bars():
    assert made(zigzag(50, minutes=20)).daily_volatility_percent(BTC) == 8
    assert made(zigzag(50, minutes=21)).daily_volatility_percent(BTC) > 18


def test_prices_that_never_moved_are_not_taken_for_no_risk_at_all():
    assert made(zigzag(0)).daily_volatility_percent(BTC) == D("0.02")


def test_only_closed_bars_of_a_minute_with_a_price_count():
    odd = [
        evolve(bar(BTC, 241, 500), closed=False),
        evolve(bar(BTC, 241, 500), interval_ns=5 * MINUTE),
        bar(BTC, 241, 0),
    ]
    portfolio = made(zigzag(20))
    before = portfolio.daily_volatility_percent(BTC)
    portfolio.take(odd)
    assert portfolio.daily_volatility_percent(BTC) == before


# The scale of sizes


def test_sizes_shrink_at_once_in_steps_as_the_market_grows_wilder():
    target = D(30)
    for daily, scale in ((29, "1"), (31, "0.75"), (41, "0.5"), (61, "0.25"), (300, "0.25")):
        portfolio = made(zigzag(daily * 100 / sqrt(1_440)), target_daily_volatility_percent=target)
        assert portfolio.size(BTC).part == D(scale), daily


def test_sizes_grow_again_only_when_the_market_is_a_tenth_calmer_than_they_need():
    portfolio = Portfolio(evolve(SETTINGS, window_bars=20, target_daily_volatility_percent=D(30)))
    scales = []
    for phase, daily in enumerate((31, 29, 28, 27, 29, 31, 65, 55, 50, 20)):
        portfolio.take(zigzag(daily * 100 / sqrt(1_440), minutes=30, first=30 * phase))
        scales.append(portfolio.size(BTC).part)
    assert scales == [
        D(each) for each in ["0.75", "0.75", "0.75", "1", "1", "0.75", "0.25", "0.25", "0.5", "1"]
    ]


def test_a_symbol_nothing_is_known_of_keeps_the_size_that_the_prior_allows():
    assert made([]).size(BTC).part == 1
    assert made([], prior_daily_volatility_percent=D(100)).size(BTC).part == D("0.25")


# Value at risk


@pytest.mark.parametrize("method", ["historical", "parametric"])
def test_without_bars_every_symbol_has_the_priors_value_at_risk_and_they_add_up(method):
    portfolio = made([], var_method=method)
    held = worst(btc=(1000, 400), eth=(0, 500))
    expected = 1500 * Z99 * 0.08 * sqrt(60 / 1_440)
    assert float(portfolio.value_at_risk(held)) == pytest.approx(expected, abs=0.011)
    assert portfolio.bound(held) == portfolio.value_at_risk(held)


def plain_history(bars: list[Bar], held: Mapping[Key, Mapping[Side, Decimal]], block: int) -> float:
    """Value at risk by its definition: each overlapping block of the window against every side."""
    closes = {key: [float(each.close) for each in bars if each.key == key][-241:] for key in held}
    losses = []
    for end in range(block, 241):
        loss = 0.0
        for key, sides in held.items():
            move = closes[key][end] / closes[key][end - block] - 1
            loss += max(-move, 0) * float(sides[Side.BUY]) + max(move, 0) * float(sides[Side.SELL])
        losses.append(loss)
    return sorted(losses, reverse=True)[int(0.010000000000000009 * len(losses))]


def test_historical_is_the_loss_that_only_one_in_a_hundred_blocks_exceeds():
    bars = walk(3, 300)
    held = worst(btc=(1000, 400), eth=(0, 500), sol=(2000, 2000))
    assert float(made(bars).value_at_risk(held)) == pytest.approx(
        plain_history(bars, held, 60), abs=0.011
    )


def test_a_horizon_longer_than_a_quarter_of_the_window_is_stretched_by_the_root_of_time():
    bars = walk(3, 300)
    held = worst(btc=(1000, 400), sol=(100, 2000))
    found = made(bars, var_horizon_minutes=240).value_at_risk(held)
    assert float(found) == pytest.approx(plain_history(bars, held, 60) * 2, abs=0.011)


def test_asked_again_with_other_holdings_history_answers_as_if_asked_first():
    bars, dice = walk(4, 300), Random(4)
    asked = made(bars)
    for _ in range(20):
        held = worst(
            **{
                name: (dice.randrange(3) * 100, dice.randrange(3) * 100)
                for name in dice.sample(["btc", "eth", "sol"], dice.randrange(1, 4))
            }
        )
        assert asked.value_at_risk(held) == made(bars).value_at_risk(held)


@pytest.mark.parametrize("method", ["historical", "parametric"])
def test_new_bars_change_the_answer(method):
    portfolio = made(walk(5), var_method=method)
    held = worst(btc=(1000, 0))
    before = portfolio.value_at_risk(held)
    portfolio.take(bar(key, minute, 50) for minute in range(241, 244) for key in KEYS)
    assert portfolio.value_at_risk(held) > 5 * before


def covariances(bars: list[Bar]) -> dict[tuple[Key, Key], float]:
    moves = made(bars)._moves
    return {pair: moves.covariance(*pair) * 60 for pair in product(KEYS, KEYS)}


def test_parametric_is_the_quantile_of_the_worst_combination_of_directions():
    bars = walk(6, common=0.3)
    held = worst(btc=(1000, 900), eth=(500, 800), sol=(0, 2000))
    matrix = covariances(bars)
    variances = []
    for ends in product(*((held[key][Side.BUY], -held[key][Side.SELL]) for key in KEYS)):
        signed = dict(zip(KEYS, map(float, ends), strict=True))
        pairs = product(KEYS, KEYS)
        variances.append(sum(signed[a] * signed[b] * matrix[a, b] for a, b in pairs))
    found = made(bars, var_method="parametric").value_at_risk(held)
    assert float(found) == pytest.approx(Z99 * sqrt(max(variances)), abs=0.011)


def test_symbols_that_move_against_each_other_are_turned_until_it_hurts_most():
    """All long and all short are hedged here; one long and one short is what may go wrong."""
    up, down = (
        zigzag(20),
        [bar(ETH, each.open_ns // MINUTE, 10_000 / float(each.close)) for each in zigzag(20)],
    )
    held = worst(btc=(1000, 1000), eth=(1000, 1000))
    portfolio = made([*up, *down], var_method="parametric")
    expected = Z99 * 2000 * 0.0020 * sqrt(60)
    assert float(portfolio.value_at_risk(held)) == pytest.approx(expected, rel=1e-3)


def test_a_symbol_that_is_new_is_added_to_what_the_others_make_together():
    bars = walk(7, keys=(BTC, ETH))
    for method in ("historical", "parametric"):
        portfolio = made(bars, var_method=method)
        measured = portfolio.value_at_risk(worst(btc=(1000, 0), eth=(1000, 0)))
        more = portfolio.value_at_risk(worst(btc=(1000, 0), eth=(1000, 0), sol=(1000, 0)))
        prior = 1000 * Z99 * 0.08 * sqrt(60 / 1_440)
        assert float(more - measured) == pytest.approx(prior, abs=0.021)


def test_a_symbol_whose_bars_stopped_falls_back_to_the_prior():
    portfolio = made(walk(8, keys=(BTC, ETH), bps=1))
    held = worst(eth=(1000, 0))
    before = portfolio.value_at_risk(held)
    portfolio.take(bar(BTC, minute, 100) for minute in range(241, 300))
    assert portfolio.value_at_risk(held) > 2 * before


holdings = st.dictionaries(
    st.sampled_from(["btc", "eth", "sol"]),
    st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)),
    min_size=1,
)


@pytest.mark.parametrize("method", ["historical", "parametric"])
@given(held=holdings, more=holdings)
def test_more_of_anything_never_lowers_it_and_the_bound_is_never_under_it(method, held, more):
    """So a fill, which may leave any part of what was reserved, cannot break the limit."""
    portfolio = _WALKED[method]
    added = {
        name: tuple(map(sum, zip(held.get(name, (0, 0)), more.get(name, (0, 0)), strict=True)))
        for name in held | more
    }
    less, most = portfolio.value_at_risk(worst(**held)), portfolio.value_at_risk(worst(**added))
    assert less <= most + D("0.01")
    assert most <= portfolio.bound(worst(**added)) + D("0.01")


_WALKED = {
    method: made(walk(9, keys=(BTC, ETH)), var_method=method)
    for method in ("historical", "parametric")
}


# Stress


def test_stress_jumps_every_price_against_everything_that_may_be_held():
    held = worst(btc=(1000, 400), eth=(500, 800))
    assert stress(held, (D(-10), D(20))) == ((D(-10), D(150)), (D(20), D(240)))
    assert stress({}, (D(-10),)) == ((D(-10), D(0)),)


@pytest.mark.parametrize("method", ["historical", "parametric"])
def test_the_bound_holds_where_the_horizon_is_longer_than_the_blocks_measured(method):
    """Wild bars, a tame prior and a day ahead: neither the prior nor a shorter block bounds it."""
    settings = evolve(SETTINGS, prior_daily_volatility_percent=D("0.1"))
    settings = evolve(settings, var_method=method, var_horizon_minutes=1_440)
    portfolio = Portfolio(settings)
    portfolio.take(walk(4, bps=50))
    for held in (worst(btc=(1000, 0)), worst(btc=(0, 1000)), worst(btc=(1000, 400), eth=(0, 500))):
        value = portfolio.value_at_risk(held)
        assert value <= portfolio.bound(held) + D("0.01") < 4 * value
