"""The funding guard: who pays too much too soon."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.messages import MarkPrice, Side
from core.risk.funding_guard import costly_funding
from tests.core.samples import BTC

D = Decimal
S = 1_000_000_000
DUE = 28_800 * S


def costly(rate: str, now_ns: int, due_ns: int = DUE):
    mark = MarkPrice(BTC, D(100), D(100), D(rate), due_ns, now_ns)
    return costly_funding(mark, now_ns, 600 * S, D(10))


def test_longs_pay_a_dear_positive_rate_in_the_window_before_it():
    found = costly("0.0015", DUE - 600 * S)
    assert found is not None
    assert found.payer is Side.BUY
    assert str(found) == "longs pay 15 bps in 600 s"


def test_shorts_pay_a_dear_negative_rate():
    found = costly("-0.0011", DUE - 1)
    assert found is not None
    assert found.payer is Side.SELL
    assert str(found) == "shorts pay 11 bps in 0 s"


@pytest.mark.parametrize(
    ("rate", "now_ns"),
    [("0.001", DUE - S), ("-0.001", DUE - S), ("0.0015", DUE - 600 * S - 1)],
    ids=["at the limit", "at the limit, negative", "too early"],
)
def test_a_fair_rate_or_a_far_settlement_holds_nobody_back(rate, now_ns):
    assert costly(rate, now_ns) is None


@pytest.mark.parametrize("due_ns", [0, DUE - 5 * S], ids=["never told", "over already"])
def test_a_dear_rate_without_a_settlement_to_come_counts_as_near(due_ns):
    found = costly("0.002", DUE, due_ns)
    assert found is not None
    assert str(found) == "longs pay 20 bps in 0 s"
