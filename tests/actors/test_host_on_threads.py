"""The same actors on real threads: a handful of what the simulation proves in the large."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any, cast

import pytest

from actors import names, supervisor
from actors.messages.operations import StatusWanted
from actors.messages.risk import CloseForShutdown
from actors.runtime import StepRuntime, ThreadsRuntime
from core.ports import Venue
from tests.sim.house import House, config
from tests.sim.venue import SimVenue
from tests.sim.world import START_NS, World

pytestmark = pytest.mark.timeout(40)


class SharedWorld(World):
    """A world that many threads enter, one at a time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, step_ms=50)
        self.guard = RLock()
        self.offset_ns = START_NS - time.time_ns()

    def later(self, delay_ns: int, call: Callable[[], object]) -> None:
        def guarded() -> None:
            with self.guard:
                call()

        super().later(delay_ns, guarded)

    def _market_to(self, venue_ns: int) -> None:
        with self.guard:
            super()._market_to(venue_ns)


class SharedVenue:
    """A lane's connection whose calls take turns with everybody else's."""

    def __init__(self, world: SharedWorld) -> None:
        self._world = world
        self._venue = SimVenue(world)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._venue, name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            with self._world.guard:
                return found(*args, **options)

        return call


class ThreadsHouse(House):
    """A host on threads; time passes by itself."""

    def start(self) -> None:
        runtime = ThreadsRuntime(
            seed=1,
            on_log=self._on_log,
            on_dead_letter=lambda *letter: self.letters.append(letter),
        )
        # Both runtimes offer the clocks and timers that the world uses.
        self.world.attach(cast("StepRuntime", runtime))
        parts = self._parts(cast("StepRuntime", runtime))
        world = cast("SharedWorld", self.world)
        object.__setattr__(parts.venues[0], "make_venue", lambda: cast("Venue", SharedVenue(world)))
        runtime.start(supervisor.tree(self.config, parts))

    def until(self, done: Callable[[], bool], within_s: float = 15.0) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, self.tail()
            self.runtime.wait(0.01)

    def fills(self) -> int:
        return len(self.world.exchange.trades("BTCUSDT"))

    def stop(self) -> None:
        """Freeze the market, stop in order, compare."""
        self.world.frozen = set(self.world.keys)
        self.runtime.wait(0.3)
        runtime = self.runtime
        runtime.tell_control(names.RISK, CloseForShutdown("test over"))
        outcome = runtime.wait(8.0) or runtime.stop("test over", 8.0)
        assert outcome.exit == "orderly", self.tail()
        assert not outcome.abandoned
        self.assert_books_equal_exchange()


@pytest.fixture
def house() -> Iterator[ThreadsHouse]:
    house = ThreadsHouse(SharedWorld(1), config())
    house.start()
    yield house
    runtime = house.world.runtime
    if runtime is not None and runtime.outcome is None:
        runtime.stop("the test failed", 5.0)
    house.world.detach()


def test_a_host_on_threads_trades_and_its_books_equal_the_exchange(house: ThreadsHouse) -> None:
    assert house.runtime.wait_ready(10)
    house.until(lambda: house.fills() >= 6)
    status = house.runtime.ask(names.OPERATIONS, lambda reply: StatusWanted(reply), 2.0)
    assert isinstance(status, dict)
    assert status["state"] == "running"
    house.stop()
    assert house.said("entries cancelled, positions stay protected")


@pytest.mark.parametrize(
    "address",
    ["risk", "connection:binance:orders1", "position:binance:BTCUSDT", "stream:binance:account"],
)
def test_a_part_killed_on_threads_comes_back_and_loses_nothing(
    house: ThreadsHouse, address: str
) -> None:
    assert house.runtime.wait_ready(10)
    house.until(lambda: house.fills() >= 2)
    assert house.runtime.kill(address, RuntimeError("killed"))
    house.until(lambda: house.runtime.seats[address].restarts == 1)
    house.until(lambda: all(seat.state == "running" for seat in house.runtime.seats.values()), 20)
    before = house.fills()
    house.until(lambda: house.fills() >= before + 2, 20)
    house.stop()
