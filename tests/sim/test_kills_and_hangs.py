"""Whoever dies or hangs, at whatever moment: nothing is lost, nothing happens twice."""

from __future__ import annotations

from random import Random

import pytest

from actors.messages.operations import Tick
from actors.names import reads_lane
from tests.sim.house import House
from tests.sim.invariants import Watchman
from tests.sim.settling import settle
from tests.sim.test_whole_host import host
from tests.sim.world import SECOND_NS

ADDRESSES = (
    "operations",
    "journal",
    "risk",
    "timesync:binance",
    "connection:binance:reads",
    "connection:binance:cancels",
    "connection:binance:urgent0",
    "connection:binance:urgent1",
    "connection:binance:closes0",
    "connection:binance:closes1",
    "connection:binance:orders0",
    "connection:binance:orders1",
    "stream:binance:account",
    "account:binance",
    "market:binance:BTCUSDT",
    "position:binance:BTCUSDT",
    "strategy:binance:BTCUSDT:grid",
    "stream:binance:market",
)


def live_on(house: House, watchman: Watchman, seconds: float) -> None:
    for _ in range(int(seconds * 10)):
        house.run(0.1)
        watchman.look()
        assert house.runtime.outcome is None


def test_the_list_of_addresses_is_complete() -> None:
    house = host(0)
    house.start()
    seats = house.runtime.seats.items()
    assert tuple(name for name, seat in seats if not seat.is_supervisor) == ADDRESSES


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_killed_part_comes_back_and_nothing_is_lost(address: str, seed: int) -> None:
    house, dice = host(seed), Random(f"{seed}/{address}")
    watchman = Watchman(house, bare_limit_ns=5 * SECOND_NS)
    house.start()
    house.ready()
    for kills in range(1, 4):
        live_on(house, watchman, dice.uniform(0.5, 4))
        for _ in range(dice.randrange(60)):  # somewhere in the middle of what happens at once
            house.runtime.step()
        if house.runtime.kill(address, RuntimeError("killed")):
            live_on(house, watchman, 3)
            assert house.runtime.seats[address].restarts >= kills
    live_on(house, watchman, 5)
    assert {seat.state for seat in house.runtime.seats.values()} == {"running"}
    settle(house, watchman)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_hung_part_is_replaced_and_its_late_words_do_nothing(address: str) -> None:
    house = host(3, "BTCUSDT", "BNBUSDT")
    watchman = Watchman(house, bare_limit_ns=150 * SECOND_NS)
    house.start()
    house.ready()
    live_on(house, watchman, 8)
    house.runtime.hang(address)
    if address == "stream:binance:account":
        house.world.lose_streams(house.world.account_pipes)
    slow = address.endswith("reads") or address.startswith("timesync")
    live_on(house, watchman, 120 if slow else 60)
    assert house.runtime.seats[address].restarts >= 1
    house.runtime.wake(address)
    live_on(house, watchman, 10)
    settle(house, watchman)
    house.assert_books_equal_exchange()


def test_what_an_incarnation_told_itself_does_no_harm_to_the_next() -> None:
    house = host(0, "BTCUSDT", "ETHUSDT")
    house.start()
    house.ready()
    runtime, lane = house.runtime, reads_lane("binance")
    waiting = runtime.seats[lane].mailbox.queue
    while Tick("next") not in waiting:
        assert runtime.step() or not runtime.advance(SECOND_NS // 1_000)
    runtime.kill(lane, RuntimeError("killed"))
    house.run(10)
    assert runtime.seats[lane].generation == 2
    house.ready()
