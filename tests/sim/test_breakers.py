"""A venue's breaker in the running host: most calls fail, nothing is opened, one probe decides."""

from __future__ import annotations

from typing import NoReturn

import pytest

from actors import names
from actors.messages.risk import Flatten
from core.config import Breaker as BreakerTable
from core.errors import OverBudget
from core.messages import Purpose
from core.records import BreakerChanged
from tests.sim.house import House
from tests.sim.test_operating import new_entries
from tests.sim.test_whole_host import trading
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS, VENUE

QUICK = {"breaker": BreakerTable(min_calls=4, open_s=4.0, window_s=20.0)}


def failing(seed: int) -> House:
    """Return a host whose placements and reads fail, until its breaker opened."""
    house = trading(seed, 10, risk=QUICK)
    house.world.faults.unreachable = True
    for _ in range(400):
        house.run(0.1)
        if state(house) == "open":
            return house
    raise AssertionError(house.tail())


def state(house: House) -> str:
    return dict(house.risk().breakers.states())[VENUE]


def changes(house: House) -> list[str]:
    records = [record.payload for record in house.journal.records]
    return [payload.state for payload in records if isinstance(payload, BreakerChanged)]


@pytest.mark.parametrize("seed", range(3))
def test_it_opens_when_most_calls_fail_and_a_good_probe_closes_it(seed: int) -> None:
    house = failing(seed)
    house.world.faults.unreachable = False
    before = len(house.world.sent)
    while state(house) != "closed":
        assert not new_entries(house, before), "nothing is opened before the probe went well"
        house.run(0.1)
    house.run(45)  # a side that had no stop meanwhile was closed, and its symbol rests
    assert house.status()["venues"][VENUE]["breaker"] == "closed"
    assert new_entries(house, before)
    assert changes(house)[-3:] == ["open", "half_open", "closed"]
    assert house.said("calls failed within 20 s")
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_a_probe_that_fails_opens_it_again_for_longer() -> None:
    house = failing(1)
    house.run(40)
    found = changes(house)
    assert found[:2] == ["open", "half_open"] and found.count("half_open") >= 2
    assert "closed" not in found


def test_a_probe_needs_no_more_than_our_own_budget_keeps_in_reserve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def over(_: SimVenue) -> NoReturn:
        raise OverBudget("not sent: weight_1m is used up", venue=VENUE)

    house = failing(1)
    house.world.faults.unreachable = False
    monkeypatch.setattr(SimVenue, "account", over)
    house.run(10)
    assert state(house) == "closed"


def test_calls_that_our_own_budget_holds_back_never_open_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = trading(2, 5, risk=QUICK)
    held_back = []

    def over(venue: SimVenue, call: str = "read") -> NoReturn:
        held_back.append(call)
        raise OverBudget(f"not sent: {call}", venue=VENUE, retry_after_ns=SECOND_NS)

    monkeypatch.setattr(SimVenue, "_read", over)
    house.run(60)
    assert len(held_back) > 20
    assert not changes(house)


def test_while_it_is_open_what_only_closes_still_goes() -> None:
    house = failing(2)
    house.world.faults.unreachable = False
    before = len(house.world.sent)
    flatten = Flatten("a test", names.RISK)
    house.runtime.tell(names.position(house.world.keys[0]), flatten)
    house.run(2)
    closing = [sent.order.purpose for sent in house.world.sent[before:]]
    assert Purpose.CLOSE in closing


def test_an_open_breaker_outlives_the_host() -> None:
    house = failing(0)
    house.crash()
    house.start()
    house.run(0.05)
    assert house.risk().risk.facts.breaker_open
    house.world.faults.unreachable = False
    house.ready(60)
    house.run(10)
    assert state(house) == "closed"


def test_refused_orders_are_no_reason_to_open_it() -> None:
    house = trading(3, 2, risk=QUICK)
    house.world.faults.script("place", *["rejected"] * 12)
    house.run(10)
    assert state(house) == "closed"
    assert not changes(house)
