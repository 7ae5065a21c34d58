"""Money: what is read, how it is rounded and how it is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import amount, bps, ceil_to_step, floor_to_step, number, text
from tests.core.samples import D

numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=10)
steps = st.sampled_from([D(s) for s in ("0.00000001", "0.001", "0.1", "0.25", "3", "1000")])


@pytest.mark.parametrize("written", ["0.001", "-5", "1E-8", "+7", "63100.10"])
def test_plain_decimal_text_is_read_exactly(written: str) -> None:
    assert number(written, "price") == Decimal(written)


def test_whole_numbers_and_decimals_are_read_as_they_are() -> None:
    assert (number(3, "n"), number(D("0.3"), "n")) == (D(3), D("0.3"))


@pytest.mark.parametrize(
    "written",
    [0.1, True, "", "abc", "NaN", "Infinity", "-inf", D("NaN"), "1_000", " 1", "1,5", "١٢", "0x1"],
)
def test_what_is_no_finite_decimal_number_is_refused_with_its_place(written: Any) -> None:
    with pytest.raises(ValueError, match=r"config\.price: "):
        number(written, "config.price")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1E+3", "1000"),
        ("0.500", "0.5"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("100", "100"),
        ("1E-8", "0.00000001"),
        ("-12.50", "-12.5"),
    ],
)
def test_a_number_is_written_one_way_only(value: str, written: str) -> None:
    assert text(D(value)) == written


@given(numbers)
def test_written_numbers_read_back_equal_and_equal_numbers_are_written_equal(value: D) -> None:
    assert number(text(value), "x") == value
    assert text(value) == text(value * D("1.000"))


@given(numbers, steps)
def test_floor_and_ceiling_are_the_nearest_multiples_on_their_side(value: D, step: D) -> None:
    low, high = floor_to_step(value, step), ceil_to_step(value, step)
    assert low % step == 0 and high % step == 0
    assert value - step < low <= value <= high < value + step


def test_rounding_is_exact_where_a_quotient_would_round_across_the_step() -> None:
    just_under, just_over = D("2.99999999999999999999999999999"), D(3) + D("1E-27")
    assert floor_to_step(just_under, D(1)) == 2
    assert ceil_to_step(just_over, D(1)) == 4
    assert floor_to_step(-just_under, D(1)) == -3


@pytest.mark.parametrize(
    ("value", "booked"),
    [("1.000000005", "1"), ("1.000000015", "1.00000002"), ("-0.123456789", "-0.12345679")],
)
def test_money_is_booked_to_eight_decimals_half_to_even(value: str, booked: str) -> None:
    assert amount(D(value)) == D(booked)


def test_basis_points_are_of_the_reference() -> None:
    assert bps(D("0.5"), D(100)) == 50
    assert bps(D(-1), D(200)) == -50
