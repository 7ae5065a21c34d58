"""What risk writes down of its judgements."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.decisions import RiskJudged, RiskState
from core.messages import OrderType, PlaceOrder, PositionSide, Side
from core.risk.checks import Risk
from core.risk.gate import Approved
from core.risk.witness import Witness, install, limits_of, writable
from tests.core.risk.samples import NOW, buy, report, risk_at
from tests.core.samples import BTC


def test_an_approval_that_came_to_nothing_between_two_judgements_is_told_of() -> None:
    """Simulated day of seed 1: made again, the second order was the first one's duplicate."""
    risk = risk_at()
    witness, again = Witness(risk), None
    report(risk)
    for name in ("first", "second"):
        command = buy(name, "1", bot="grid")
        witness.look(NOW)
        for record in witness.judged(command, risk.place(command, NOW, NOW), NOW, NOW):
            if isinstance(record, RiskState):
                again = Risk(limits_of(record))
            else:
                assert isinstance(record, RiskJudged) and again and record.place
                assert record.refusal is None
                install(again, record)
                assert isinstance(again.place(record.place, NOW, NOW), Approved)
        report(risk, ended=[name])


def order(quantity: str, price: str) -> PlaceOrder:
    side, sides = Side.BUY, PositionSide.LONG
    name = "h-b-BTCUSDT-00"
    return PlaceOrder(BTC, name, side, sides, OrderType.LIMIT, Decimal(quantity), Decimal(price))


def test_an_order_of_plain_numbers_can_be_written() -> None:
    assert writable(order("0.002", "62000.10"))


@pytest.mark.parametrize("odd", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+200", "1E-200"])
def test_an_absurd_number_is_not_written(odd: str) -> None:
    """One in a record would keep the next host from reading its journal (soak seed 1002)."""
    assert not writable(order(odd, "62000"))
    assert not writable(order("0.002", odd))
