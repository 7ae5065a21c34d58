"""The operator's throttle, seen at the exchange: what rests there is never larger than allowed."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from actors import names
from actors.messages.lanes import BarsRead
from actors.messages.risk import Decided, Operate
from actors.risk import RiskActor
from core.exchange.rows import VenueOrder
from core.messages import Bar
from tests.sim.house import House
from tests.sim.test_whole_host import host

D = Decimal
MINUTE_NS = 60_000_000_000
OPENING = (("long", "buy"), ("short", "sell"))


def throttle(house: House, percent: int, seconds: float = 1.0) -> dict[str, Any]:
    """Let an operator throttle the host, and time pass; return the answer."""
    answers: list[dict[str, Any]] = []
    house.runtime.tell(names.RISK, Operate("throttle", answers.append, "", percent))
    house.run(seconds)
    [answer] = answers
    return answer


def resting(house: House) -> list[VenueOrder]:
    """Return the entries that rest at the exchange."""
    return [
        order
        for order in house.world.exchange.open_orders()
        if (order.position_side.value, order.side.value) in OPENING
    ]


def standing(seed: int) -> House:
    """Return a host with ladders at the exchange."""
    house = host(seed)
    house.start()
    house.ready()
    for _ in range(40):
        house.run(0.25)
        if len(resting(house)) >= 4:
            return house
    raise AssertionError(house.tail())


def value(order: VenueOrder) -> Decimal:
    return order.price * order.quantity


@pytest.mark.parametrize("seed", range(4))
def test_a_throttle_shrinks_what_rests_and_its_end_lets_it_grow_again(seed: int) -> None:
    house = standing(seed)
    assert all(D(100) < value(order) <= D(200) for order in resting(house))
    assert "done" in throttle(house, 50)
    half = {order.client_order_id for order in resting(house)}
    assert half
    assert all(D(50) <= value(order) <= D(100) for order in resting(house))
    throttle(house, 100)
    grown = {order.client_order_id for order in resting(house) if value(order) > D(100)}
    assert grown & half, "what rested grew where it stood"


def test_a_throttle_of_nothing_leaves_no_entry_and_places_none() -> None:
    house = standing(1)
    throttle(house, 0)
    assert resting(house) == []
    before = len(house.world.sent)
    house.run(20)
    assert [s for s in house.world.sent[before:] if s.order.purpose.value == "entry"] == []


def test_a_throttle_outlives_the_host() -> None:
    house = standing(2)
    throttle(house, 50)
    house.crash()
    before = len(house.world.sent)
    house.start()
    house.ready()
    house.run(20)
    sizes = [s.order.quantity * (s.order.price or 0) for s in house.world.sent[before:]
             if s.order.purpose.value == "entry"]  # fmt: skip
    assert sizes and max(sizes) <= D(100)


def test_sizes_under_the_venues_minimum_are_no_entries_and_that_is_said_once() -> None:
    house = standing(3)
    throttle(house, 10)
    assert resting(house) == []
    house.run(30)
    said = [line for line in house.lines if "cannot build its ladder" in line.text]
    assert len(said) == 1 and "10 % of full size" in said[0].text, said


def test_a_bar_has_the_volatility_of_its_own_symbol_judged_and_no_other() -> None:
    """All of 200 symbols at each of 200 bars a minute would hold up orders for a quarter second."""
    house = host(1, "BTCUSDT", "ETHUSDT")
    house.start()
    house.ready()
    house.run(1)
    btc, eth = house.world.keys
    portfolio, judged = house.risk().risk.facts.portfolio, []
    size = portfolio.size
    portfolio.size = lambda key: (judged.append(key), size(key))[1]  # type: ignore
    bar = Bar(eth, MINUTE_NS, 30_000_000 * MINUTE_NS, D(1), D(1), D(1), D(1), D(1), closed=True)
    house.risk().handle(bar)
    assert judged == [eth]
    judged.clear()
    house.risk().handle(BarsRead(btc, (evolve(bar, key=btc), evolve(bar, key=btc))))
    assert judged == [btc]


def test_a_strategy_says_that_it_decided_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = []
    handle = RiskActor.handle

    def listen(risk: RiskActor, message: object) -> None:
        if isinstance(message, Decided):
            told.append(risk.monotonic_ns())
        handle(risk, message)

    monkeypatch.setattr(RiskActor, "handle", listen)
    house = host(1)
    house.start()
    house.ready()
    house.run(20)
    gaps = [after - before for before, after in pairwise(told)]
    assert len(told) > 10
    assert min(gaps) >= 1_000_000_000 and max(gaps) < 3_000_000_000
