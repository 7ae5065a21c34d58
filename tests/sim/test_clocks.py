"""A machine whose clock is set, or that slept: nothing is opened by what only looks new."""

from __future__ import annotations

import pytest

from core.messages import Purpose
from tests.sim.house import House
from tests.sim.invariants import Watchman
from tests.sim.test_whole_host import trading
from tests.sim.world import SECOND_NS


def sleep(house: House, seconds: int) -> None:
    """Suspend the machine: its monotonic clock stands still, and no frame arrives any more.

    Its connections are dead when it wakes up, and nobody has told it.
    """
    world = house.world
    for pipe in (*world.account_pipes, *world.market_pipes):
        pipe.open = False
    house.runtime.set_clock(house.runtime.now_ns() + seconds * SECOND_NS)
    world._market_to(world.venue_ns())


@pytest.mark.parametrize("seed", range(4))
def test_a_machine_that_slept_opens_nothing_by_what_it_knew_before(seed: int) -> None:
    house = trading(seed)
    Watchman(house)
    sleep(house, 600)
    woke, before = house.runtime.monotonic_ns(), len(house.world.sent)
    house.run(2)
    assert house.said("this machine's clock moved, by 600.0 s")
    assert "this machine's clock moved" in str(house.status()["paused"])
    pipes = (*house.world.account_pipes, *house.world.market_pipes)
    house.world.lose_streams(pipes, "ping timed out")
    house.run(60)
    assert not house.status()["paused"]
    entries = [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
    stale_ns = house.config.market.stale_after_ms * 1_000_000
    start_ns = house.runtime.now_ns() - house.runtime.monotonic_ns()
    assert entries, "it goes on"
    assert min(sent.at_ns for sent in entries) > start_ns + woke + stale_ns
    house.quiesce(60)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("jump_s", [-3600, 3600, 600, -1])
def test_a_clock_that_is_set_while_trading_pauses_and_loses_nothing(jump_s: int) -> None:
    house = trading(3)
    Watchman(house)
    house.world.jump_host_clock(jump_s * SECOND_NS)
    house.run(2.1)
    assert house.said(f"this machine's clock moved, by {jump_s:.1f} s")
    assert house.status()["paused"]
    house.run(60)
    assert house.said("resumed after: comparing with the venue after: this machine's clock moved")
    assert not house.status()["paused"]
    before = len(house.world.sent)
    house.run(60)
    assert [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
    assert not house.said("IllegalTransition")
    house.quiesce(60)
    house.assert_books_equal_exchange()


def test_a_clock_that_is_slewed_pauses_nobody() -> None:
    house = trading(4)
    for _ in range(40):
        house.world.jump_host_clock(SECOND_NS // 1000)
        house.run(0.5)
    assert not house.said("clock moved")
    assert not house.status()["paused"]


@pytest.mark.parametrize("seed", range(3))
def test_a_start_that_the_venue_kept_waiting_goes_on_soon_after_it_is_back(seed: int) -> None:
    """Seeds 2 and 7 of the days: sides stayed bare for the longest pause between two tries."""
    house = trading(seed)
    house.crash()
    house.world.faults.unreachable = True
    house.start()
    house.run(110 + 7 * seed)
    house.world.faults.unreachable = False
    assert house.runtime.wait_ready(10.0), house.tail()
