"""Positions: every fill once, money conserved, one-way and hedge."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.messages import Fill, PositionSide, Side
from core.positions import Position, PositionBook, apply_fill, unrealised_pnl
from tests.core.samples import D, fill

SIDES = list(PositionSide)
CENT = D("0.00000001")


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Fill], Decimal]:
    """Fills of any sides, sizes and prices of one scale, with some ids repeated."""
    scale = D(10) ** draw(st.integers(-5, 5))
    fills = [
        fill(
            str(number),
            draw(st.sampled_from(list(Side))),
            str(draw(st.decimals("0.001", 1000, places=3)) / scale),
            str(draw(st.decimals("0.5", 2, places=5)) * scale),
            position_side=draw(st.sampled_from(SIDES)),
            fee=draw(st.decimals("-1", 1, places=8)),
        )
        for number in range(draw(st.integers(1, 25)))
    ]
    repeats = draw(st.lists(st.sampled_from(fills), max_size=10))
    return draw(st.permutations(fills + repeats)), draw(st.decimals("0.5", 2, places=5)) * scale


@given(histories(), st.sampled_from([D(1), D("0.001"), D(100)]))
def test_realised_and_unrealised_profit_is_the_cash_that_flowed(
    history: tuple[list[Fill], Decimal], multiplier: Decimal
) -> None:
    fills, mark = history
    book = PositionBook(multiplier)
    told = sum((book.apply(one) or D(0) for one in fills), D(0))
    once = {one.fill_id: one for one in fills}.values()
    for side in SIDES:
        mine = [one for one in once if one.position_side is side]
        held = book.of(side)
        quantity = sum((one.side.sign * one.quantity for one in mine), D(0))
        spent = sum((one.side.sign * one.quantity * one.price for one in mine), D(0))
        assert held.quantity == quantity
        assert held.fees == sum((one.fee for one in mine), D(0))
        profit = held.realised_pnl + unrealised_pnl(held, mark, multiplier)
        assert abs(profit - (quantity * mark - spent) * multiplier) <= CENT * len(mine)
        assert (held.entry_price == 0) == (held.quantity == 0)
    assert told == sum((held.realised_pnl for held in book), D(0))


@given(histories())
def test_repeated_fills_change_nothing_in_any_order(history: tuple[list[Fill], Decimal]) -> None:
    fills, _ = history
    once, often = PositionBook(), PositionBook()
    for one in {one.fill_id: one for one in fills}.values():
        once.apply(one)
    for one in (*fills, *reversed(fills)):
        often.apply(one)
    assert [held.quantity for held in once] == [held.quantity for held in often]
    assert once.seen == often.seen
    before = list(often)
    assert {often.apply(one) for one in fills} == {None}
    assert list(often) == before


def test_a_known_fill_is_told_apart_from_one_that_realised_nothing() -> None:
    book = PositionBook()
    assert book.apply(fill("1", Side.BUY, "1", "100")) == 0
    assert book.apply(fill("1", Side.BUY, "1", "100")) is None


BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize(
    ("fills", "quantity", "entry", "realised"),
    [
        ([(BUY, "1", "100")], "1", "100", "0"),
        ([(BUY, "1", "100"), (BUY, "3", "104")], "4", "103", "0"),
        ([(BUY, "2", "100"), (SELL, "1", "110")], "1", "100", "10"),
        ([(BUY, "2", "100"), (SELL, "2", "90")], "0", "0", "-20"),
        ([(BUY, "2", "100"), (SELL, "5", "110")], "-3", "110", "20"),
        ([(SELL, "2", "100"), (BUY, "1", "90")], "-1", "100", "10"),
        ([(SELL, "2", "100"), (SELL, "2", "120")], "-4", "110", "0"),
        ([(SELL, "1", "100"), (BUY, "3", "130")], "2", "130", "-30"),
    ],
)
def test_entry_price_averages_what_opens_and_profit_comes_of_what_closes(
    fills: list[tuple[Side, str, str]], quantity: str, entry: str, realised: str
) -> None:
    book = PositionBook()
    for number, (side, size, price) in enumerate(fills):
        book.apply(fill(str(number), side, size, price))
    held = book.of(PositionSide.BOTH)
    expected = (D(quantity), D(entry), D(realised))
    assert (held.quantity, held.entry_price, held.realised_pnl) == expected


def test_the_sides_of_hedge_mode_do_not_touch_each_other() -> None:
    book = PositionBook()
    book.apply(fill("1", Side.BUY, "2", "100", position_side=PositionSide.LONG))
    book.apply(fill("2", Side.SELL, "3", "110", position_side=PositionSide.SHORT))
    assert book.of(PositionSide.LONG).quantity == 2
    assert book.of(PositionSide.SHORT).quantity == -3
    assert book.of(PositionSide.BOTH) == Position(PositionSide.BOTH)
    assert sum(held.realised_pnl for held in book) == 0


def test_contracts_count_their_size_in_profit() -> None:
    held = Position(PositionSide.BOTH, D(10), D(100))
    after, realised = apply_fill(held, fill("1", Side.SELL, "4", "110"), D("0.001"))
    assert realised == D("0.04")
    assert unrealised_pnl(after, D(110), D("0.001")) == D("0.06")


def test_a_milliard_units_of_a_hundred_thousandth_lose_no_money_to_rounding() -> None:
    book = PositionBook()
    for number, price in enumerate(("0.00001", "0.0000100001", "0.0000100003")):
        book.apply(fill(str(number), Side.BUY, "333333333", price))
    realised = book.apply(fill("close", Side.SELL, "999999999", "0.00001"))
    assert realised == D("-0.13333333")  # 333,333,333 × (1E-10 + 3E-10)


def test_an_empty_fill_opens_nothing() -> None:
    flat = Position(PositionSide.BOTH)
    empty = evolve(fill("1", Side.BUY, "1", "100"), quantity=D(0))
    assert apply_fill(flat, empty) == (flat, D(0))


def test_a_side_that_the_venue_held_before_us_goes_on_from_there() -> None:
    book = PositionBook()
    book.open(PositionSide.LONG, D(2), D(100))
    realised = book.apply(fill("1", Side.SELL, "2", "110", position_side=PositionSide.LONG))
    assert (realised, book.of(PositionSide.LONG).quantity) == (20, 0)
