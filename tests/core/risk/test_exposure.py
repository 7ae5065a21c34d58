"""What is counted, to the last digit: too much would hold orders back for no reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.messages import Key, PositionSide, Side
from core.positions import Position
from core.risk.exposure import Exposure, Working
from tests.core.samples import BTC, ETH, D

SIZE = D("0.01")


def exposure_at(mark: str = "100") -> Exposure:
    """An exposure of contracts of a hundredth of a coin each."""
    exposure = Exposure()
    exposure.list_symbol(BTC, SIZE)
    exposure.mark(BTC, D(mark))
    return exposure


def order(name: str, remaining: str, price: str = "100", filled: str = "0") -> Working:
    return Working(
        BTC, name, Side.BUY, PositionSide.LONG, False, False, D(remaining), D(price), D(filled)
    )


def report(exposure: Exposure, *working: Working, ended: tuple[str, ...] = (), **held: Any) -> None:
    exposure.report(BTC, held.get("positions", ()), working, ended)


def bought(exposure: Exposure) -> Decimal:
    return exposure.worst_notional(BTC, Side.BUY)


def test_contracts_count_with_their_size() -> None:
    exposure = exposure_at("200")
    report(exposure, positions=(Position(PositionSide.LONG, D(3), D(100)),))
    assert bought(exposure) == 6
    exposure.reserve(order("a", "5", "300"))
    assert bought(exposure) == 6 + 15


def test_two_positions_of_one_direction_add_up_and_a_flat_one_is_nothing() -> None:
    exposure = exposure_at()
    report(
        exposure,
        positions=(
            Position(PositionSide.LONG, D(3), D(100)),
            Position(PositionSide.BOTH, D(4), D(100)),
            Position(PositionSide.SHORT, D(0), D(100)),
        ),
    )
    assert exposure.held_notionals()[BTC] == {Side.BUY: 7, Side.SELL: 0}


def test_an_approval_that_was_never_used_counts_no_more() -> None:
    exposure = exposure_at()
    report(exposure, order("a", "1"))
    exposure.amend(exposure.amended(order("a", "9")))
    assert bought(exposure) == 9
    exposure.release(BTC, "a")
    assert bought(exposure) == 1


def test_an_amendment_that_its_owner_let_go_of_counts_no_more() -> None:
    exposure = exposure_at()
    report(exposure, order("a", "1"))
    exposure.amend(exposure.amended(order("a", "9")))
    report(exposure, order("a", "1"), ended=("a",))
    assert bought(exposure) == 1


def test_an_amendment_counts_with_what_is_left_of_it_after_later_fills() -> None:
    exposure = exposure_at()
    report(exposure, order("a", "8", filled="2"))
    exposure.amend(exposure.amended(order("a", "18", filled="2")))
    assert bought(exposure) == 18
    report(exposure, order("a", "3", filled="7"))
    assert bought(exposure) == 13


def test_of_two_amendments_under_way_the_larger_total_counts() -> None:
    exposure = exposure_at()
    report(exposure, order("a", "8", filled="2"))
    exposure.amend(exposure.amended(order("a", "18", filled="2")))
    report(exposure, order("a", "5", filled="5"))
    exposure.amend(exposure.amended(order("a", "1", filled="5")))
    assert bought(exposure) == 15


def test_an_amendment_is_seen_when_filled_and_remaining_together_are_its_size() -> None:
    exposure = exposure_at()
    report(exposure, order("a", "8", filled="2"))
    exposure.amend(exposure.amended(order("a", "18", filled="2")))
    report(exposure, order("a", "17", filled="2"))
    assert bought(exposure) == 18
    report(exposure, order("a", "4", filled="16"))
    report(exposure, order("a", "1", filled="16"))
    assert bought(exposure) == 1


def test_a_symbol_without_a_mark_is_named_by_the_error() -> None:
    exposure = exposure_at()
    exposure.list_symbol(ETH, SIZE)
    exposure.report(ETH, (Position(PositionSide.LONG, D(1), D(100)),), (), ())
    assert exposure.unpriced() == ETH
    with pytest.raises(KeyError) as error:
        exposure.direction_notional(Side.BUY)
    assert error.value.args == (ETH,)
    assert exposure.known_notional(Key("binance", "SOLUSDT"), Side.BUY) == 0


def test_of_two_amendments_under_way_the_higher_price_counts() -> None:
    exposure = exposure_at()
    report(exposure, order("a", "2"))
    exposure.amend(exposure.amended(order("a", "2", "300")))
    exposure.amend(exposure.amended(order("a", "4", "150")))
    assert bought(exposure) == 12
