"""Slices: never through the bound, never more than the book carries, always something."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.flattening import Slice, SliceRule, next_slice
from core.messages import BookSnapshot, OrderType, PositionSide, Side, TimeInForce
from tests.core.samples import BTC, D, instrument, limit

RULE = SliceRule(25, D(50))
MARK = D(100)


def book(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> BookSnapshot:
    levels = [tuple((D(price), D(size)) for price, size in side) for side in (bids, asks)]
    return BookSnapshot(BTC, 1, levels[0], levels[1], 1)


BOOK = book(
    [("99.9", "4"), ("99.6", "4"), ("99", "1000")],
    [("100.1", "2"), ("100.5", "2"), ("101.5", "1000")],
)


def test_without_a_book_all_goes_at_the_market_up_to_the_venues_largest_order() -> None:
    assert next_slice(Side.SELL, D(3), None, instrument(), MARK, RULE) == Slice(D(3))
    large = next_slice(Side.SELL, D(300), None, instrument(), MARK, RULE)
    assert large == Slice(D(120)) and large.type is OrderType.MARKET


def test_a_quarter_of_what_lies_within_the_slippage_is_taken_at_the_bound() -> None:
    assert next_slice(Side.SELL, D(9), BOOK, instrument(), MARK, RULE) == Slice(D(2), D("99.5"))
    assert next_slice(Side.BUY, D(9), BOOK, instrument(), MARK, RULE) == Slice(D(1), D("100.6"))


def test_a_position_that_the_book_carries_goes_in_one() -> None:
    assert next_slice(Side.SELL, D("1.5"), BOOK, instrument(), MARK, RULE) == Slice(
        D("1.5"), D("99.5")
    )


def test_a_thin_book_still_takes_the_smallest_order() -> None:
    thin = book([("99.9", "0.002")], [])
    found = next_slice(Side.SELL, D(9), thin, instrument(), MARK, RULE)
    assert found is not None and found.quantity == D("0.001")


def test_what_would_be_left_under_the_minimum_goes_along() -> None:
    listed = instrument(min_quantity=D("0.5"))
    found = next_slice(Side.SELL, D("2.3"), BOOK, listed, MARK, RULE)
    assert found is not None and found.quantity == D("2.3")


def test_a_side_of_the_book_that_is_empty_has_nobody_to_trade_with() -> None:
    assert next_slice(Side.BUY, D(1), book([("99", "1")], []), instrument(), MARK, RULE) is None


def test_a_mark_that_is_not_known_bounds_no_price() -> None:
    assert next_slice(Side.BUY, D(1), BOOK, instrument(), D(0), RULE) == Slice(D(1), D("100.6"))


@given(
    side=st.sampled_from(list(Side)),
    left=st.integers(1, 5_000_000),
    sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=8),
    best=st.integers(1_000, 2_000),
    mark=st.integers(1_000, 2_000),
    percent=st.integers(1, 100),
    slippage=st.integers(1, 5_000),
)
def test_every_slice_is_one_that_the_venue_takes_and_no_larger_than_what_is_left(
    side: Side,
    left: int,
    sizes: list[int],
    best: int,
    mark: int,
    percent: int,
    slippage: int,
) -> None:
    levels = [
        (str(D(best + side.sign * step) / 10), str(D(size) / 1000))
        for step, size in enumerate(sizes)
    ]
    shown = book(levels, levels)
    listed = instrument()
    found = next_slice(
        side, D(left) / 1000, shown, listed, D(mark) / 10, SliceRule(percent, D(slippage))
    )
    assert found is not None and found.price is not None
    assert found.quantity <= D(left) / 1000
    position = PositionSide.LONG if side is Side.SELL else PositionSide.SHORT
    order = limit("c", side, str(found.quantity), str(found.price), position_side=position)
    listed.check(evolve(order, time_in_force=TimeInForce.IOC), D(mark) / 10)
    depth = sum(D(size) for price, size in levels if (found.price - D(price)) * side.sign >= 0)
    assert found.quantity <= max(depth * percent / 100, D("0.001"))
