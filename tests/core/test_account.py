"""Account figures: right where they can be known, and unknown, never 0, where they cannot."""

from __future__ import annotations

import operator as op
from collections.abc import Callable
from decimal import Decimal

import pytest

from core.account import (
    Figure,
    Unknown,
    account_figures,
    combine,
    fresh_mark,
    margin_ratio,
    unrealised,
)
from core.messages import Key, MarkPrice, PositionSide
from core.positions import Position

D = Decimal
BTC, ETH = Key("binance", "BTCUSDT"), Key("binance", "ETHUSDT")
LONG = Position(PositionSide.LONG, D("2"), D("100"))
SHORT = Position(PositionSide.SHORT, D("-3"), D("50"))
FLAT = Position(PositionSide.BOTH)
SIZES = {BTC: D(1), ETH: D("0.1")}
WHY = Unknown("the stream is silent")


def why(figure: Figure) -> str:
    assert isinstance(figure, Unknown)
    return figure.why


def mark_at(event_ns: int) -> MarkPrice:
    return MarkPrice(BTC, D("110"), D("110"), D("0.0001"), 0, event_ns)


def test_unrealised_pnl_is_summed_over_symbols_and_sizes() -> None:
    held = [(BTC, LONG), (ETH, SHORT), (ETH, FLAT)]
    assert unrealised(held, {BTC: D("110"), ETH: D("40")}, SIZES) == D("23")


def test_a_flat_position_needs_no_mark() -> None:
    assert unrealised([(BTC, FLAT)], {}, {}) == D(0)


def test_an_open_position_without_a_mark_makes_the_sum_unknown() -> None:
    held = [(BTC, LONG), (ETH, SHORT)]
    assert why(unrealised(held, {BTC: D("110")}, SIZES)) == "no mark price of binance:ETHUSDT"
    assert unrealised(held, {BTC: WHY, ETH: D(1)}, SIZES) is WHY


def test_an_open_position_of_unknown_size_makes_the_sum_unknown() -> None:
    sum_of_pnl = unrealised([(BTC, LONG)], {BTC: D("110")}, {})
    assert why(sum_of_pnl) == "the contract size of binance:BTCUSDT is not known"


def test_a_mark_is_believed_until_it_is_stale() -> None:
    assert fresh_mark(BTC, mark_at(1_000), 3_000, 2_000) == D("110")
    late = fresh_mark(BTC, mark_at(0), 2_500_000_000, 2_000_000_000)
    assert why(late) == "the mark price of binance:BTCUSDT is 2.5 s old"
    assert isinstance(fresh_mark(BTC, None, 1, 1), Unknown)


def test_equity_is_wallet_and_open_pnl_and_a_transfer_is_no_profit() -> None:
    figures = account_figures(
        D("1000"),
        D("-30"),
        realised=D("50"),
        fees=D("2"),
        funding=D("-1"),
        transfers=D("-500"),
    )
    assert figures.wallet == D("547")
    assert figures.equity == D("517")
    assert figures.profit == D("17")


def test_an_unknown_opening_leaves_profit_known_and_equity_unknown() -> None:
    zero = D(0)
    figures = account_figures(
        WHY, D("5"), realised=D("50"), fees=zero, funding=zero, transfers=zero
    )
    assert figures.wallet is figures.equity is WHY
    assert figures.profit == D("55")


def test_an_unknown_open_pnl_leaves_the_wallet_known() -> None:
    zero = D(0)
    figures = account_figures(D("9"), WHY, realised=zero, fees=zero, funding=zero, transfers=zero)
    assert figures.equity is figures.profit is WHY
    assert figures.wallet == D("9")


def test_margin_ratio_is_one_at_liquidation() -> None:
    assert margin_ratio(D("50"), D("50")) == D(1)
    assert margin_ratio(D("5"), D("50")) == D("0.1")
    assert margin_ratio(D(0), D(0)) == D(0)
    assert margin_ratio(D(0), WHY) == D(0)
    assert margin_ratio(WHY, D("50")) is WHY
    assert margin_ratio(D("5"), WHY) is WHY
    assert why(margin_ratio(D("5"), D("-1"))) == "the margin balance is used up"


@pytest.mark.parametrize("operation", [op.eq, op.ne, op.lt, op.le, op.gt, op.ge])
@pytest.mark.parametrize("other", [D(0), WHY, Unknown("another"), None, 1])
def test_an_unknown_figure_cannot_be_compared_by_accident(
    operation: Callable[[object, object], object], other: object
) -> None:
    for pair in ((WHY, other), (other, WHY)):
        with pytest.raises(TypeError):
            operation(*pair)


@pytest.mark.parametrize("operation", [op.add, op.sub, op.mul, op.truediv, max, min])
def test_nothing_can_be_calculated_from_an_unknown_figure(
    operation: Callable[[object, object], object],
) -> None:
    for pair in ((WHY, D(1)), (D(1), WHY)):
        with pytest.raises(TypeError, match="silent"):
            operation(*pair)
    for alone in (abs, op.neg, float, int, hash, round, sum):
        with pytest.raises(TypeError):
            alone(WHY)  # type: ignore[operator]


def test_an_unknown_figure_is_neither_true_nor_false() -> None:
    with pytest.raises(TypeError, match="silent"):
        bool(WHY)
    with pytest.raises(TypeError, match="silent"):
        _ = WHY or D(0)


def test_the_first_unknown_gives_the_reason() -> None:
    assert combine(lambda a, b: a + b, D(1), D(2)) == D(3)
    assert combine(lambda a, b: a + b, D(1), WHY) is WHY
    assert why(combine(lambda a, b: a + b, Unknown("first"), WHY)) == "first"
