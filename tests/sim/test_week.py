"""What a week weighs: the host's own apart from the simulation, and growth seen for what it is."""

from __future__ import annotations

import pytest

from actors import names
from actors.risk import RiskActor
from tests.sim.day import Day
from tests.sim.week import growth, weigh

_KB = 1_000


@pytest.mark.parametrize(
    ("days", "grows"),
    [
        ([300, 330, 350, 352, 349, 351, 350], False),
        ([100, 200, 350, 350, 350, 350, 350], False),
        ([300, 330, 350, 350, 350, 900, 350], False),
        ([300, 330, 350, 360, 370, 380, 390], True),
        ([300, 330, 350, 350, 350, 400, 400], True),
        ([300, 330, 350, 400], True),
        ([300, 330, 900], False),
    ],
    ids=["flat", "warms up", "a peak", "creeps", "a step that stays", "two days", "too few days"],
)
def test_a_host_grows_that_weighs_more_on_every_later_day(days: list[int], grows: bool) -> None:
    assert bool(growth([day * _KB for day in days])) is grows


def test_what_an_actor_keeps_weighs_on_its_own_part_and_on_no_other() -> None:
    day = living(5)
    before, _ = weigh(day)
    day.house.actor(names.RISK, RiskActor).leak = [f"{n:050}" for n in range(1_000)]  # type: ignore[attr-defined]
    after, _ = weigh(day)
    assert after[names.RISK] - before[names.RISK] > 100 * _KB
    assert after | {names.RISK: 0} == before | {names.RISK: 0}


def test_what_waits_in_a_mailbox_and_dead_letters_weigh_on_the_runtime() -> None:
    day = living(5)
    before, _ = weigh(day)
    for number in range(1_000):
        day.house.runtime.tell("nobody", f"{number:050}")
    after, _ = weigh(day)
    assert after["runtime"] - before["runtime"] > 100 * _KB


def test_the_simulated_journal_and_its_exchange_weigh_nothing_on_the_host() -> None:
    day = living(5)
    before, (journal, exchange, log, _) = weigh(day)
    records = list(day.house.journal.records)
    for _ in range(50):
        day.house.journal.append(records)
    for number in range(1_000):
        day.world.exchange._floor.wallets[f"asset {number}"] = day.world.offset_ns  # type: ignore[assignment]
        day.house.log("info", "somebody", f"{number:050}")
    after, (journal_after, exchange_after, log_after, _) = weigh(day)
    assert after == before
    assert journal_after - journal > 1_000 * _KB
    assert exchange_after - exchange > 50 * _KB
    assert log_after - log > 100 * _KB


def living(seconds: float) -> Day:
    day = Day(1)
    day.house.start()
    day.house.ready()
    day.house.run(seconds)
    return day
