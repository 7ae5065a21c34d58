"""The grid's geometry: steps, sizes, what an inventory occupies, where its exit belongs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidOrder
from core.messages import PositionSide, Purpose, Quote, Side
from core.money import bps
from core.positions import Position
from core.strategies.grid_ladder import (
    LADDERS,
    GridSettings,
    anchor_of,
    entries,
    exit_of,
    occupied,
    room,
)
from core.strategies.order_diff import Slot
from tests.core.samples import BTC, D, instrument

GRID = GridSettings(4, D(10), D(200), D(12), D(20))
FINE = instrument(tick_size=D("0.00000001"), lot_step=D("0.001"), min_notional=D(0))
LONG = PositionSide.LONG


def quote(bid: str, ask: str) -> Quote:
    return Quote(BTC, D(bid), D(1), D(ask), D(1), 1, 1, 1)


def ladder(anchor: str, side: Side, tick: str = "0.1") -> list[Slot]:
    position_side = LONG if side is Side.BUY else PositionSide.SHORT
    return entries(GRID, instrument(tick_size=D(tick)), position_side, side, D(anchor))


def test_steps_are_evenly_spaced_away_from_the_market_and_sized_by_notional() -> None:
    below, above = ladder("1000", Side.BUY), ladder("1000", Side.SELL)
    assert [rung.price for rung in below] == [D(999), D(998), D(997), D(996)]
    assert [rung.price for rung in above] == [D(1001), D(1002), D(1003), D(1004)]
    assert {rung.purpose for rung in below + above} == {Purpose.ENTRY}
    assert [rung.quantity for rung in below] == [D("0.2")] * 4
    assert [rung.quantity for rung in above] == [D("0.199")] * 4


def test_steps_narrower_than_a_tick_stay_a_tick_apart() -> None:
    assert [rung.price for rung in ladder("100", Side.BUY, "1")] == [99, 98, 97, 96]
    assert [rung.price for rung in ladder("100", Side.SELL, "1")] == [101, 102, 103, 104]


def test_a_ladder_that_would_reach_zero_or_miss_the_minima_cannot_be_built() -> None:
    with pytest.raises(InvalidOrder, match="price"):
        ladder("3", Side.BUY, "1")
    with pytest.raises(InvalidOrder, match="min_quantity"):
        ladder("1000000", Side.BUY)


@given(st.integers(0, 4), st.decimals("0.5", 100_000, places=5))
def test_filled_steps_occupy_just_themselves_whatever_their_sizes(count: int, anchor: D) -> None:
    for side, direction in LADDERS:
        rungs = entries(GRID, FINE, side, direction, anchor)
        held = sum((rung.quantity for rung in rungs[:count]), D(0)) * direction.sign
        assert occupied(rungs, held) == count
        free = sum((rung.quantity for rung in rungs[count:]), D(0))
        assert room(rungs, held, D(0)) == free
        assert room(rungs, held, free) == 0


@pytest.mark.parametrize(
    ("held", "count"), [("0.49", 0), ("0.5", 1), ("1.49", 1), ("-1.5", 2), ("3.5", 4), ("99", 4)]
)
def test_a_step_counts_as_occupied_from_half_of_it_on(held: str, count: int) -> None:
    rungs = [Slot(Side.BUY, LONG, Purpose.ENTRY, D(90 - n), D(1)) for n in range(4)]
    assert occupied(rungs, D(held)) == count


@pytest.mark.parametrize(("lot", "within_bps"), [("0.00000001", "0.1"), ("0.001", "10")])
@given(count=st.integers(1, 4), anchor=st.decimals(10, 60_000, places=5))
def test_the_anchor_of_an_inventory_is_found_again(
    lot: str, within_bps: str, count: int, anchor: D
) -> None:
    listed = evolve(FINE, lot_step=D(lot))
    for side, direction in LADDERS:
        rungs = entries(GRID, listed, side, direction, anchor)[:count]
        quantity = sum((rung.quantity for rung in rungs), D(0))
        entry = sum((rung.quantity * rung.price for rung in rungs), D(0)) / quantity
        held = Position(side, quantity * direction.sign, entry)
        found = anchor_of(GRID, listed, held, direction)
        assert abs(bps(found - anchor, anchor)) <= D(within_bps)


def test_an_anchor_is_found_for_inventory_of_any_size() -> None:
    for quantity in ("0.000001", "1", "1000000"):
        found = anchor_of(GRID, FINE, Position(LONG, D(quantity), D(100)), Side.BUY)
        assert D(100) < found < D(101)


def leaving(held: Position, at: Quote, *, maker_only: bool = True) -> tuple[Decimal, bool]:
    settings = GridSettings(4, D(10), D(200), D(12), D(20), maker_only=maker_only)
    found = exit_of(settings, instrument(), held, at)
    assert found is not None
    assert found.slot.quantity == abs(held.quantity)
    return found.slot.price, found.joined


def test_a_flat_side_has_no_exit() -> None:
    assert exit_of(GRID, instrument(), Position(LONG), quote("99", "100")) is None


def test_an_exit_stands_at_its_distance_from_the_average_entry() -> None:
    long = Position(LONG, D(2), D(1000))
    short = Position(PositionSide.SHORT, D(-2), D(1000))
    assert leaving(long, quote("999", "1000")) == (D("1001.2"), False)
    assert leaving(short, quote("1000", "1001")) == (D("998.8"), False)


def test_an_exit_joins_a_market_that_is_beyond_it_rather_than_cross() -> None:
    long = Position(LONG, D(2), D(1000))
    short = Position(PositionSide.SHORT, D(-2), D(1000))
    assert leaving(long, quote("1004.9", "1005")) == (D(1005), True)
    assert leaving(short, quote("995", "995.1")) == (D(995), True)
    assert leaving(long, quote("1004.9", "1005"), maker_only=False) == (D("1001.2"), False)


def test_an_exit_at_its_target_only_fits_there_and_one_that_joined_up_to_a_step_behind() -> None:
    long, short = Position(LONG, D(2), D(1000)), Position(PositionSide.SHORT, D(-2), D(1000))
    near = exit_of(GRID, instrument(), long, quote("999", "1000"))
    far = exit_of(GRID, instrument(), long, quote("1009.9", "1010"))
    below = exit_of(GRID, instrument(), short, quote("990", "990.1"))
    assert near and far and below

    def fitting(found: object, prices: tuple[str, ...]) -> list[str]:
        return [price for price in prices if found.fits(D(price), D(2))]  # type: ignore[attr-defined]

    assert fitting(near, ("1001.1", "1001.2", "1001.3", "1005")) == ["1001.2"]
    prices = ("1001.1", "1001.2", "1010", "1011", "1011.1")
    assert fitting(far, prices) == ["1001.2", "1010", "1011"]
    assert fitting(below, ("998.9", "998.8", "990", "989.1", "989")) == ["998.8", "990", "989.1"]
    assert not near.fits(D("1001.2"), D("1.9"))


def test_an_exit_is_at_most_the_venue_s_largest_order() -> None:
    held = Position(LONG, D(2500), D(1000))
    found = exit_of(GRID, instrument(), held, quote("999", "1000"))
    assert found and found.slot.quantity == 1000
