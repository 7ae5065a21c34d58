"""Returns of all symbols on one grid: running sums equal a recount, gaps and late bars too."""

from __future__ import annotations

from math import exp, isclose, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.messages import Key
from core.risk.moves import Moves
from tests.core.samples import BTC, ETH

SOL = Key("binance", "SOLUSDT")
KEYS = (BTC, ETH, SOL)
WINDOW, BLOCK = 12, 3


def walk(seed: int, minutes: int) -> dict[tuple[Key, int], float]:
    dice = Random(seed)
    prices = dict.fromkeys(KEYS, 100.0)
    found = {}
    for minute in range(1, minutes + 1):
        for key in KEYS:
            prices[key] *= exp(dice.gauss(0.0, 0.01))
            found[key, minute] = prices[key]
    return found


def told(bars: dict[tuple[Key, int], float], order: list[tuple[Key, int]] | None = None) -> Moves:
    moves = Moves(WINDOW, BLOCK)
    for key, minute in order or bars:
        moves.add(key, minute, bars[key, minute])
    return moves


def recounted(
    bars: dict[tuple[Key, int], float], newest: int, key: Key, other: Key, window: int = WINDOW
) -> float:
    """The covariance by its definition, prices carried on over gaps."""

    def price(of: Key, minute: int) -> float:
        while (of, minute) not in bars:
            minute -= 1
        return log(bars[of, minute])

    products = [
        (price(key, minute) - price(key, minute - 1))
        * (price(other, minute) - price(other, minute - 1))
        for minute in range(newest - window + 1, newest + 1)
    ]
    return sum(products) / window


def equal_moves(one: Moves, other: Moves) -> bool:
    return all(
        one.full(key) == other.full(key)
        and one.returns(key) == other.returns(key)
        and all(
            isclose(one.covariance(key, with_it), other.covariance(key, with_it), abs_tol=1e-15)
            for with_it in KEYS
        )
        and list(one.falls(key)) == list(other.falls(key))
        and list(one.rises(key)) == list(other.rises(key))
        for key in KEYS
    )


@pytest.mark.parametrize("minutes", [13, 14, 40])
def test_running_covariances_equal_a_plain_recount_over_the_window(minutes):
    bars = walk(1, minutes)
    moves = told(bars)
    for key in KEYS:
        assert moves.full(key)
        assert moves.returns(key) == WINDOW
        for other in KEYS:
            assert isclose(
                moves.covariance(key, other), recounted(bars, minutes, key, other), rel_tol=1e-9
            )


def test_block_returns_are_falls_or_rises_over_the_window_oldest_first():
    bars = {(BTC, minute): 100.0 + minute % 4 for minute in range(1, 40)}
    moves = Moves(WINDOW, BLOCK)
    for (key, minute), close in bars.items():
        moves.add(key, minute, close)
    expected = [
        bars[BTC, minute] / bars[BTC, minute - BLOCK] - 1 for minute in range(39 - WINDOW + 3, 40)
    ]
    assert list(moves.rises(BTC)) == pytest.approx([max(move, 0) for move in expected])
    assert list(moves.falls(BTC)) == pytest.approx([max(-move, 0) for move in expected])


def test_a_window_is_full_only_when_prices_cover_all_of_it():
    bars = walk(2, 13)
    late = {place: close for place, close in bars.items() if place != (SOL, 1)}
    moves = told(late)
    assert moves.full(BTC)
    assert not moves.full(SOL)
    assert moves.returns(SOL) == WINDOW - 1
    assert not told(walk(2, 12)).full(BTC)
    assert not Moves(WINDOW, BLOCK).full(BTC)


def test_a_gap_is_one_large_return_and_a_long_one_leaves_the_window_unfilled():
    bars = walk(3, 40)
    short = {place: close for place, close in bars.items() if place not in ((ETH, 35),)}
    moves = told(short)
    assert moves.full(ETH)
    assert isclose(moves.covariance(ETH, ETH), recounted(short, 40, ETH, ETH), rel_tol=1e-9)
    long = {place: close for place, close in bars.items() if place[0] != ETH or place[1] < 35}
    assert not told(long).full(ETH)
    assert told(long).full(BTC)


def test_a_minute_joins_when_all_symbols_told_it_or_one_told_a_later_one():
    bars = walk(4, 20)
    moves = told(bars)
    moves.add(BTC, 21, 500.0)
    assert isclose(moves.covariance(BTC, BTC), recounted(bars, 20, BTC, BTC), rel_tol=1e-9)
    moves.add(BTC, 22, 500.0)
    carried = bars | {(BTC, 21): 500.0}
    assert isclose(moves.covariance(BTC, ETH), recounted(carried, 21, BTC, ETH), rel_tol=1e-9)


def test_after_a_stop_longer_than_the_window_everything_begins_again():
    bars = walk(5, 20)
    moves = told(bars)
    moves.add(BTC, 200, 100.0)
    assert not moves.full(BTC)
    assert moves.returns(BTC) == 0
    assert moves.covariance(BTC, ETH) == 0.0
    moves.add(BTC, 201, 101.0)
    assert moves.returns(BTC) == 0
    moves.add(BTC, 202, 102.0)
    assert moves.returns(BTC) == 1


def test_bars_older_than_the_window_change_nothing():
    moves = told(walk(6, 40))
    version = moves.version
    moves.add(BTC, 40 - WINDOW - 1, 1.0)
    assert moves.version == version


@given(st.randoms(use_true_random=False), st.integers(14, 30))
def test_the_order_in_which_bars_come_changes_nothing(dice, minutes):
    """History symbol by symbol, live bars late, anything: as if they had come minute by minute."""
    bars = walk(7, minutes)
    order = list(bars)
    dice.shuffle(order)
    shuffled = Moves(WINDOW, BLOCK)
    for place, (key, minute) in enumerate(order):
        shuffled.add(key, minute, bars[key, minute])
        if place % 5 == 0:
            shuffled.covariance(BTC, ETH)
    assert equal_moves(shuffled, told(bars))


@given(
    st.lists(
        st.tuples(st.sampled_from(KEYS), st.sampled_from([0, 0, 1, 1, 2]), st.floats(50, 150)),
        min_size=20,
        max_size=80,
    )
)
def test_with_any_gaps_and_corrected_bars_the_sums_equal_a_recount(history):
    moves, minute, bars = Moves(4, 1), 1, {}
    for key, passed, close in history:
        minute += passed
        bars[key, minute] = close
        moves.add(key, minute, close)
    joined = minute if all((key, minute) in bars for key in moves.keys) else minute - 1
    for key in filter(moves.full, moves.keys):
        for other in filter(moves.full, moves.keys):
            expected = recounted(bars, joined, key, other, window=4)
            assert isclose(moves.covariance(key, other), expected, abs_tol=1e-12)
