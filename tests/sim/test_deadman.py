"""The venue's dead-man switch: entries go with a host that died, its stops stay. AUDIT E05."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from actors import names
from actors.messages.risk import CancelEntries
from actors.supervisor import position_settings
from core.messages import Key
from tests.sim.house import House, config
from tests.sim.settling import position_stops
from tests.sim.test_whole_host import entries, host
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS

Armed = list[tuple[int, int]]
"""(host's time, count-down in ms) of each call."""


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> Armed:
    """What the venue was told, while it does as told."""
    calls: Armed = []
    countdown = SimVenue.countdown_cancel

    def note(venue: SimVenue, key: Key, after_ms: int) -> None:
        calls.append((venue.world.host_ns(), after_ms))
        countdown(venue, key, after_ms)

    monkeypatch.setattr(SimVenue, "countdown_cancel", note)
    return calls


def trading_with(dead_man_s: float, seed: int = 1) -> House:
    house = host(seed, execution={"dead_man_s": dead_man_s})
    house.start()
    house.ready()
    house.run(0.5)
    assert entries(house)
    return house


def test_entries_of_a_dead_host_go_and_its_stops_stay(armed: Armed) -> None:
    house = trading_with(6.0)
    while not _held(house):
        house.run(0.1)
    house.run(0.5)
    assert entries(house)
    position_stops(house)
    house.world.frozen = set(house.world.keys)
    house.crash()
    house.world.pass_alone(5 * SECOND_NS // 2)
    assert entries(house), "not before its time"
    house.world.pass_alone(4 * SECOND_NS)
    assert not entries(house)
    position_stops(house)
    assert [after_ms for _, after_ms in armed] == [6_000] * len(armed)


def _held(house: House) -> bool:
    return any(row.quantity for row in house.world.exchange.positions())


def cancelled_by_the_venue(house: House) -> set[str]:
    """Return the orders that ended cancelled without anybody here asking for it."""
    ours = {order.client_order_id for _, order in house.world.cancels}
    return {
        order["client_order_id"]
        for order in house.world.exchange.ledger()["orders"]
        if order["status"] == "cancelled" and order["client_order_id"] not in ours
    }


def test_a_host_that_lives_begins_the_count_anew_in_time(armed: Armed) -> None:
    house = trading_with(6.0)
    house.run(30)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(armed) if earlier[1]]
    assert len(gaps) > 10
    assert max(gaps) < 3.2 * SECOND_NS
    assert not cancelled_by_the_venue(house)


def test_one_call_that_fails_costs_no_entry(armed: Armed) -> None:
    house = trading_with(6.0)
    house.world.faults.script("countdown", "unreachable")
    house.run(10)
    assert house.said("dead-man switch of 6000 ms")
    assert not cancelled_by_the_venue(house)


def test_it_is_switched_off_when_no_entry_is_left(armed: Armed) -> None:
    house = trading_with(6.0)
    house.world.frozen = set(house.world.keys)
    house.shutdown()
    assert armed[-1][1] == 0
    assert not entries(house)


def test_entries_that_come_and_go_cost_no_call_each(armed: Armed) -> None:
    house = trading_with(6.0)
    for _ in range(40):
        house.runtime.tell(names.position(house.world.keys[0]), CancelEntries())
        house.run(0.25)
    assert len(armed) <= 6


def test_none_is_armed_where_none_is_wanted(armed: Armed) -> None:
    house = trading_with(0.0)
    house.run(10)
    assert not armed


@pytest.mark.parametrize(
    ("symbols", "every_s", "after_s"), [(1, 20, 60), (20, 20, 60), (90, 90, 270)]
)
def test_many_symbols_are_counted_more_slowly_so_that_weight_is_left(
    symbols: int, every_s: int, after_s: int
) -> None:
    names = [f"C{number}USDT" for number in range(symbols)]
    caps = ("max_symbol_notional", "max_side_notional", "max_net_notional", "max_gross_notional")
    risk = dict.fromkeys(caps, Decimal(10**6))
    chosen = config(names, execution={"dead_man_s": 60.0}, risk=risk)
    settings = position_settings(chosen, chosen.bots[0])
    assert settings.dead_man_every_ns == every_s * SECOND_NS
    assert settings.dead_man_ns == after_s * SECOND_NS
    assert 10 * symbols * 60 / every_s <= 2_400 / 4
