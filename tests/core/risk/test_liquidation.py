"""Liquidation by hand: prices, distances of the right sign, fills, and what the guard closes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.account import Unknown
from core.instruments import LeverageBracket
from core.messages import PositionSide, Side
from core.positions import Position
from core.risk.liquidation import (
    Liquidation,
    distance_bps,
    filled,
    isolated,
    liquidation,
    maintenance_margin,
)
from core.risk.liquidation_guard import GuardLevel, LiquidationGuard
from tests.core.samples import instrument

D = Decimal
FLAT = (LeverageBracket(D(0), D(10**9), 125, D("0.005"), D(0)),)
BRACKETS = (
    LeverageBracket(D(0), D(50_000), 125, D("0.004"), D(0)),
    LeverageBracket(D(50_000), D(250_000), 100, D("0.005"), D(50)),
    LeverageBracket(D(250_000), D(10_000_000), 20, D("0.01"), D(1300)),
)
GUARD = LiquidationGuard(D(1500), D(700), 50)


def held(quantity: str, entry: str = "100", side: PositionSide = PositionSide.BOTH) -> Position:
    return Position(side, D(quantity), D(entry))


def test_maintenance_margin_takes_the_bracket_of_the_notional():
    assert maintenance_margin(BRACKETS, D(60_000)) == 60_000 * D("0.005") - 50


def test_a_long_of_leverage_two_is_liquidated_a_little_above_half_its_entry():
    found = isolated(held("10"), 2, FLAT, D(100))
    assert found.above is None
    assert found.below == D(500) / (10 - 10 * D("0.005"))
    assert distance_bps(D(10), D(100), found) == (100 - D(500) / D("9.95")) * 100


def test_a_short_is_liquidated_above_and_its_distance_is_positive_too():
    found = isolated(held("-10"), 2, FLAT, D(100))
    assert found.below is None
    assert found.above == D(1500) / D("10.05")
    assert distance_bps(D(-10), D(100), found) == (D(1500) / D("10.05") - 100) * 100


def test_contracts_count_with_their_size():
    in_contracts = isolated(held("1000"), 2, FLAT, D(100), D("0.01"))
    assert in_contracts == isolated(held("10"), 2, FLAT, D(100))


def test_a_loss_brings_the_liquidation_nearer_but_does_not_move_it():
    at_entry, under = (isolated(held("10"), 3, FLAT, D(mark)) for mark in (100, 80))
    assert at_entry == under
    assert distance_bps(D(10), D(80), under) < distance_bps(D(10), D(100), at_entry)


def test_the_bracket_at_the_liquidation_price_decides_not_the_present_one():
    """A short of 45,000 is liquidated at a notional of the second bracket."""
    found = isolated(held("-450"), 4, BRACKETS, D(100))
    wallet = D(45_000) / 4
    assert found.above == (wallet + 50 + 45_000) / (450 + 450 * D("0.005"))
    assert found.above > D(50_000) / 450


def test_without_leverage_a_long_is_never_liquidated():
    found = isolated(held("10"), 1, FLAT, D(100))
    assert found == Liquidation(None, None)
    assert distance_bps(D(10), D(100), found) is None


def test_margin_that_is_used_up_is_liquidated_at_the_mark():
    found = isolated(held("10"), 10, FLAT, D(90))
    assert found == Liquidation(D(90), D(90))
    assert distance_bps(D(10), D(90), found) == 0


def test_a_flat_symbol_has_no_liquidation():
    assert liquidation(D(0), (D(0), D(0)), FLAT, D(100)) == Liquidation(None, None)


def test_a_hedged_cross_account_can_be_liquidated_by_a_rise_through_its_maintenance_margin():
    """Equal legs win and lose the same; only what both must maintain grows."""
    found = liquidation(D(10), (D(10), D(-10)), FLAT, D(90))
    assert found.below is None
    assert found.above == D(10) / (20 * D("0.005"))


def test_a_cross_account_with_unequal_legs_can_have_a_price_on_each_side():
    """Under the first price the long loses too much, over the second it must maintain too much."""
    dear = (
        LeverageBracket(D(0), D(2_000), 10, D("0.005"), D(0)),
        LeverageBracket(D(2_000), D(10**9), 1, D(1), D(1_990)),
    )
    found = liquidation(D(20), (D(100), D(-50)), dear, D(10))
    assert found.below == D(480) / D("49.25")
    assert found.above == 20 + D(505) / D("50.25")


def test_brackets_that_do_not_join_are_liquidated_where_they_jump():
    jump = (
        LeverageBracket(D(0), D(2_000), 10, D("0.01"), D(0)),
        LeverageBracket(D(2_000), D(10**9), 1, D(1), D(0)),
    )
    assert liquidation(D(500), (D(10),), jump, D(100)).above == 200
    assert liquidation(D(500), (D(-2),), jump, D(100)).above == D(700) / D("2.02")


@given(
    st.integers(1, 5_000),
    st.integers(0, 5_000),
    st.decimals("0.5", "60", places=2),
    st.integers(10, 500),
)
def test_margin_is_left_at_every_mark_between_the_prices_and_used_up_at_them(
    long, short, spare_percent, mark
):
    legs = (D(long), -D(short))
    gross = (long + short) * D(mark)
    margin = maintenance_margin(BRACKETS, gross) + gross * spare_percent / 100

    def left(price: Decimal) -> Decimal:
        needed = sum(maintenance_margin(BRACKETS, abs(leg) * price) for leg in legs if leg)
        return margin + sum(leg * (price - mark) for leg in legs) - needed

    found = liquidation(margin, legs, BRACKETS, D(mark))
    low, high = found.below or D("0.000001"), found.above or D(mark) * 1000
    for part in range(1, 20):
        assert left(low + (high - low) * part / 20) > -D("1e-15")
    for price in (found.below, found.above):
        if price is not None:
            assert abs(left(price)) < D("1e-15")


@pytest.mark.parametrize(
    ("before", "side", "quantity", "price", "after"),
    [
        (("0", "0"), Side.BUY, "2", "90", ("2", "90")),
        (("2", "100"), Side.BUY, "2", "90", ("4", "95")),
        (("-2", "100"), Side.SELL, "2", "110", ("-4", "105")),
        (("2", "100"), Side.SELL, "1", "110", ("1", "100")),
        (("2", "100"), Side.SELL, "2", "110", ("0", "100")),
        (("2", "100"), Side.SELL, "5", "110", ("-3", "110")),
    ],
    ids=["first", "more", "more short", "part closed", "all closed", "turned round"],
)
def test_a_fill_moves_quantity_and_entry(before, side, quantity, price, after):
    found = filled(held(*before), side, D(quantity), D(price))
    assert (found.quantity, found.entry_price) == (D(after[0]), D(after[1]))


@pytest.mark.parametrize(
    ("distance", "level", "quantity"),
    [
        (D("1500.1"), GuardLevel.OK, "0"),
        (None, GuardLevel.OK, "0"),
        (D(1500), GuardLevel.WARN, "0"),
        (D("700.1"), GuardLevel.WARN, "0"),
        (D(700), GuardLevel.REDUCE, "0.501"),
        (D(0), GuardLevel.REDUCE, "0.501"),
        (Unknown("no mark price"), GuardLevel.UNKNOWN, "0"),
    ],
    ids=str,
)
@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
def test_the_guard_warns_first_and_then_closes_a_part_rounded_up(distance, level, quantity, sign):
    verdict = GUARD.look(sign * D("1.001"), distance, instrument())
    assert (verdict.level, verdict.quantity) == (level, D(quantity))


def test_the_guard_says_how_far_and_where_the_limit_is():
    warned = GUARD.look(D(1), D(1234), instrument())
    assert warned.text == (
        "liquidation is 1234 bps away, 1500 is the warning (risk.guards.liquidation_warning_bps)"
    )
    reduced = GUARD.look(D(1), D(500), instrument())
    assert reduced.text == (
        "liquidation is 500 bps away, 700 is the limit (risk.guards.liquidation_reduce_bps)"
    )
    unknown = GUARD.look(D(1), Unknown("no mark price"), instrument())
    assert unknown.text == "liquidation distance: no mark price"


def test_the_guard_closes_at_least_one_lot_and_at_most_everything():
    assert GUARD.look(D("0.001"), D(1), instrument()).quantity == D("0.001")
    large_lots = instrument(min_quantity=D("0.5"))
    assert GUARD.look(D("0.6"), D(1), large_lots).quantity == D("0.5")
    assert GUARD.look(D("0.4"), D(1), large_lots).quantity == D("0.4")


def test_a_flat_side_needs_no_guard_whatever_the_distance():
    assert GUARD.look(D(0), Unknown("flat"), instrument()).level is GuardLevel.OK
