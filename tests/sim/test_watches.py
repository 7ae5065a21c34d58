"""Watchdogs in the running host: who does no work pauses what builds on it, until compared."""

from __future__ import annotations

import pytest

from actors import names
from actors.messages.risk import Compared, Pause, Resume
from core.config import Guards as GuardTable
from core.health import problems
from tests.sim.house import House
from tests.sim.test_operating import new_entries
from tests.sim.test_whole_host import trading
from tests.sim.world import SECOND_NS, VENUE


def guarded(seed: int, *symbols: str, **guards: object) -> House:
    return trading(seed, 10, *symbols, risk={"guards": GuardTable(**guards)})  # type: ignore[arg-type]


def paused(house: House) -> dict[str, str]:
    return {source: pause.reason for source, pause in house.risk().pauses.pauses.items()}


def until(house: House, source: str, *, there: bool, within_s: float = 20.0) -> None:
    for _ in range(int(within_s * 20)):
        if (source in paused(house)) is there:
            return
        house.run(0.05)
    raise AssertionError(f"{source} {paused(house)}\n{house.tail()}")


def test_an_account_that_nobody_reads_pauses_its_venue_until_compared() -> None:
    house = guarded(1, account_stale_after_ms=20_000)
    assert not paused(house)
    account = house.runtime.seats[names.account(VENUE)].context.actor  # type: ignore[union-attr]
    account._read = lambda: None  # type: ignore[union-attr]
    account._balance = lambda balance: None  # type: ignore[union-attr]
    source = f"watch:account:{VENUE}"
    until(house, source, there=True, within_s=40)
    assert "risk.guards.account_stale_after_ms" in paused(house)[source]
    before = len(house.world.sent)
    house.run(10)
    assert not new_entries(house, before)
    house.runtime.kill(names.account(VENUE), RuntimeError("a new one reads"))
    until(house, source, there=False)
    house.run(15)
    assert new_entries(house, before)


def test_the_status_tells_how_old_the_work_of_each_part_is_also_when_risk_tells_no_more() -> None:
    house = guarded(1, "BTCUSDT", "ETHUSDT")

    def ages() -> dict[tuple[str, str], tuple[float, float]]:
        work = house.status()["work"]
        return {(row["kind"], row["of"]): (row["age_s"], row["limit_s"]) for row in work}

    house.run(2)
    before, table = ages(), house.config.risk.guards
    keys = {str(key) for key in house.world.keys}
    assert before.keys() == {("account", VENUE)} | {
        (kind, key) for kind in ("market", "decision") for key in keys
    }
    for (kind, _), (age_s, limit_s) in before.items():
        assert 0 <= age_s <= limit_s, kind
    assert before["account", VENUE][1] == table.account_stale_after_ms / 1_000
    risk = house.runtime.seats[names.RISK].context.actor  # type: ignore[union-attr]
    risk._report = lambda: None  # type: ignore[union-attr]
    house.run(7)
    assert all(age_s >= before[each][0] + 6.9 for each, (age_s, _) in ages().items())


@pytest.mark.parametrize("seed", range(3))
def test_a_host_that_trades_is_healthy_at_every_look_and_one_that_lost_a_part_is_not(
    seed: int,
) -> None:
    house = guarded(seed, "BTCUSDT", "ETHUSDT")
    slow_ms = house.config.risk.guards.slow_mailbox_ms
    house.run(5)
    for _ in range(240):
        house.run(0.5)
        assert problems(house.status(), slow_ms) == ()

    account = names.account(VENUE)
    house.runtime.kill(account, RuntimeError("killed by a test"))
    house.run(0.02)
    found = problems(house.status(), slow_ms)
    assert any(one.startswith(f"{account} is ") for one in found), found
    house.run(20)
    assert problems(house.status(), slow_ms) == ()


def test_a_strategy_that_decides_nothing_pauses_its_symbol_alone() -> None:
    house = guarded(2, "BTCUSDT", "ETHUSDT", decision_stale_after_ms=2_000)
    key = house.world.keys[0]
    strategy = house.runtime.seats[names.strategy("grid", key)].context.actor  # type: ignore[union-attr]
    decide = strategy._decide  # type: ignore[union-attr]
    strategy._decide = lambda event: None  # type: ignore[union-attr]
    source = f"watch:decision:{key}"
    until(house, source, there=True)
    assert list(paused(house)) == [source]
    assert "risk.guards.decision_stale_after_ms" in paused(house)[source]
    strategy._decide = decide  # type: ignore[union-attr]
    until(house, source, there=False)
    assert house.said("comparing with the venue after") or house.said("resumed after: comparing")


def test_without_market_data_nobody_is_expected_to_decide() -> None:
    house = guarded(3, decision_stale_after_ms=2_000)
    house.world.frozen = set(house.world.keys)
    house.run(15)
    decisions = [source for source in paused(house) if source.startswith("watch:decision")]
    since_stale = house.said("market data")
    assert since_stale
    assert not decisions or house.world.host_ns() - since_stale[0].at_ns < 2 * SECOND_NS


@pytest.mark.parametrize("part", ["market", "position"])
def test_a_mailbox_that_nobody_empties_pauses_its_symbol(part: str) -> None:
    house = guarded(4, "BTCUSDT", "ETHUSDT", slow_mailbox_ms=1_000)
    key, other = house.world.keys
    name = f"{part}:{key}"
    house.runtime.hang(name, 4 * SECOND_NS)
    source = f"watch:mailbox:{name}:{key}"
    until(house, source, there=True)
    assert "risk.guards.slow_mailbox_ms" in paused(house)[source]
    assert other not in house.risk().risk.paused
    until(house, source, there=False)


def test_a_slow_lane_for_orders_pauses_the_symbols_of_its_group() -> None:
    house = guarded(5, "BTCUSDT", "ETHUSDT", slow_mailbox_ms=1_000)
    key, other = house.world.keys
    lane = names.orders_lane(key, 2)
    house.runtime.hang(lane, 4 * SECOND_NS)
    until(house, f"watch:mailbox:{lane}:{key}", there=True)
    assert other not in house.risk().risk.paused


def test_a_slow_lane_for_questions_pauses_nobody() -> None:
    house = guarded(6, slow_mailbox_ms=500)
    house.runtime.hang(names.reads_lane(VENUE), 4 * SECOND_NS)
    house.run(4)
    assert not [source for source in paused(house) if source.startswith("watch:mailbox")]


# Resuming


def test_data_again_resumes_only_after_a_comparison_that_was_asked_for_later() -> None:
    house = trading(7)
    key = house.world.keys[0]
    house.world.frozen = set(house.world.keys)
    house.run(7)
    house.world.faults.rates["read"] = 1.0
    house.world.frozen.clear()
    house.run(8)
    before = len(house.world.sent)
    assert "comparing with the venue after: market data" in paused(house)[names.market(key)]
    house.run(10)
    assert not new_entries(house, before)
    house.world.faults.rates.clear()
    until(house, names.market(key), there=False)


def test_an_answer_to_an_older_question_resumes_nothing() -> None:
    house = trading(8, 2)
    key, risk = house.world.keys[0], house.risk()
    pause = Pause("x", "it was silent", VENUE, key, needs_comparison=True)
    risk.handle(pause)
    risk.handle(Resume("x"))
    first = risk.pauses._comparing["x"].token
    risk.handle(pause)
    risk.handle(Resume("x"))
    risk.handle(Compared(key, first))
    assert "x" in risk.pauses.pauses
    risk.handle(Compared(key, risk.pauses._comparing["x"].token))
    assert "x" not in risk.pauses.pauses


def test_a_position_that_begins_anew_has_compared() -> None:
    house = trading(9, 2)
    key, risk = house.world.keys[0], house.risk()
    risk.handle(Pause("x", "it was silent", VENUE, key, needs_comparison=True))
    house.runtime.hang(names.reads_lane(VENUE), 2 * SECOND_NS)
    risk.handle(Resume("x"))
    house.run(0.1)
    house.runtime.kill(names.position(key), RuntimeError("killed"))
    until(house, "x", there=False)
