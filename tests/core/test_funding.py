"""Funding: longs pay shorts at a positive rate, and every settlement comes once."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.funding import DEFAULT_INTERVAL_NS, next_settlement_ns, payment, settlements

D = Decimal
HOUR_NS = 3_600_000_000_000


@pytest.mark.parametrize(
    ("quantity", "mark", "rate", "multiplier", "received"),
    [
        ("0.1", "63105.2", "0.0001", "1", "-0.63105200"),
        ("-0.1", "63105.2", "0.0001", "1", "0.63105200"),
        ("0.1", "63105.2", "-0.0001", "1", "0.63105200"),
        ("100", "63105.2", "0.0001", "0.001", "-0.63105200"),
        ("0", "63105.2", "0.0001", "1", "0"),
        ("0.00001", "0.00123", "0.0001", "1", "0"),
    ],
)
def test_what_a_position_receives(
    quantity: str, mark: str, rate: str, multiplier: str, received: str
) -> None:
    assert payment(D(quantity), D(mark), D(rate), D(multiplier)) == D(received)


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**7), st.integers(-3_000, 3_000))
def test_what_one_side_pays_the_other_receives(quantity: int, mark: int, rate: int) -> None:
    size, price, share = D(quantity) / 1_000, D(mark) / 100, D(rate) / 10**6
    assert payment(size, price, share) + payment(-size, price, share) == D(0)


def test_settlements_are_at_whole_hours_utc() -> None:
    midnight_ns = 1_790_035_200 * 10**9
    assert midnight_ns % DEFAULT_INTERVAL_NS == 0
    assert next_settlement_ns(midnight_ns - 1) == midnight_ns
    assert next_settlement_ns(midnight_ns) == midnight_ns + 8 * HOUR_NS
    assert next_settlement_ns(midnight_ns, 4 * HOUR_NS) == midnight_ns + 4 * HOUR_NS


def test_settlements_keep_to_the_one_the_venue_named() -> None:
    anchor_ns = HOUR_NS // 2
    assert next_settlement_ns(0, HOUR_NS, anchor_ns) == anchor_ns
    assert next_settlement_ns(5 * HOUR_NS, HOUR_NS, anchor_ns) == 5 * HOUR_NS + anchor_ns


def test_several_settlements_that_passed_come_once_each() -> None:
    assert list(settlements(0, 24 * HOUR_NS)) == [8 * HOUR_NS, 16 * HOUR_NS, 24 * HOUR_NS]
    assert list(settlements(8 * HOUR_NS, 8 * HOUR_NS)) == []


@given(st.lists(st.integers(0, 100), min_size=2, max_size=6), st.integers(1, 9), st.integers(0, 20))
def test_however_time_is_cut_no_settlement_is_missed_or_doubled(
    cuts: list[int], interval: int, anchor: int
) -> None:
    cuts.sort()
    parts = [
        at for start, end in pairwise(cuts) for at in settlements(start, end, interval, anchor)
    ]
    assert parts == list(settlements(cuts[0], cuts[-1], interval, anchor))


def test_an_interval_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="not positive"):
        next_settlement_ns(0, 0)
