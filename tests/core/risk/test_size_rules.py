"""How much may be open, case by case, beyond the one case of each rule in `test_rules`."""

from __future__ import annotations

import pytest
from attrs import evolve

from core.messages import Side
from core.risk.gate import Approved
from core.risk.limits import Caps, Group
from tests.core.risk.samples import (
    LIMITS,
    NOW,
    amend,
    approved,
    buy,
    close_long,
    refused,
    report,
    risk_at,
    sell,
    working,
)
from tests.core.samples import BTC, ETH, D

CAPS = Caps(where="risk.symbols[0]", max_order_quantity=D(3), max_notional=D(450))
GROUP = Group(where="risk.groups[0]", name="majors", keys=(BTC, ETH), max_notional=D(450))
LIMITED = [
    ({"symbols": {BTC: CAPS}}, "max_notional"),
    ({"groups": (GROUP,)}, "group_notional"),
    ({"max_symbol_notional": D(450)}, "max_symbol_notional"),
    ({"max_side_notional": D(450)}, "max_side_notional"),
    ({"max_net_notional": D(450)}, "max_net_notional"),
    ({"max_gross_notional": D(450)}, "max_gross_notional"),
]


def test_an_amendment_counts_what_filled_of_its_order_already() -> None:
    risk = risk_at(limits=evolve(LIMITS, symbols={BTC: evolve(CAPS, max_notional=D(0))}))
    order = buy("a", "3")
    report(risk, long="2", working=[working(order, "1", "2")])
    assert isinstance(risk.amend(amend(order, "3", "99"), NOW, NOW), Approved)
    assert refused(risk, amend(order, "3.001", "99")).value == D("3.001")


@pytest.mark.parametrize(("limits", "rule"), LIMITED)
def test_above_a_cap_what_adds_nothing_passes_and_what_adds_does_not(
    limits: dict, rule: str
) -> None:
    risk = risk_at(limits=evolve(LIMITS, **limits))
    first, second = buy("a", "2"), buy("b", "2")
    approved(risk, first, second)
    report(risk, working=[working(first, "2"), working(second, "2")])
    risk.mark(BTC, D(120), NOW)  # 480 by now, over the cap of 450
    risk.facts.quotes[BTC] = (D(120), D(120), NOW)
    assert isinstance(risk.amend(amend(first, "1.5", "119"), NOW, NOW), Approved)
    assert refused(risk, amend(second, "2.1", "119")).rule == rule
    report(risk, long="4")
    approved(risk, close_long("c", "4"))


def test_a_group_counts_a_symbol_that_nobody_heard_of_as_nothing() -> None:
    other = evolve(GROUP, keys=(BTC, evolve(ETH, symbol="SOLUSDT")))
    risk = risk_at(limits=evolve(LIMITS, groups=(other,)))
    approved(risk, buy("a", "4.5"), buy("b", "4.5", key=ETH))
    assert refused(risk, buy("c", "1", "99")).rule == "group_notional"


def test_net_exposure_is_lower_by_what_is_held_of_the_other_side_only() -> None:
    risk = risk_at()
    report(risk, long="3", short="1")
    report(risk, ETH, short="1")
    approved(risk, buy("a", "1"), sell("b", "4", key=ETH))
    net = {side: risk.exposure.net_notional(side) for side in Side}
    assert net == {Side.BUY: D(300 + 100 - 200), Side.SELL: D(200 + 400 - 300)}
    risk.mark(ETH, D(200), NOW)
    assert risk.exposure.net_notional(Side.BUY) == D(300 + 100 - 300)
