"""How long a host takes to notice and repair each fault of a stream: `python -m` this module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from attrs import frozen

from actors import names
from core.messages import (
    AccountEvent,
    BookDelta,
    BookSnapshot,
    Fill,
    MarketEvent,
    MarkPrice,
    OrderUpdated,
    Quote,
)
from tests.sim.house import House, config
from tests.sim.world import SECOND_NS, Pipe, World

SEEDS = range(8)
STEP_S = 0.05
PATIENCE_S = 60.0


class MutedWorld(World):
    """Keeps events of some kinds, `most` of them, from the connections that are open now."""

    def __init__(self, seed: int) -> None:
        self.muted: tuple[type, ...] = ()
        self.deaf: list[Pipe] = []
        self.most = 0
        super().__init__(seed)

    def mute(self, *kinds: type, most: int = 1_000_000) -> None:
        self.muted, self.most = kinds, most
        self.deaf = list(self.account_pipes if Fill in kinds else self.market_pipes)

    def _carry(self, pipe: Pipe, event: MarketEvent | AccountEvent) -> None:
        if self.most and pipe in self.deaf and isinstance(event, self.muted):
            self.most -= 1
        else:
            super()._carry(pipe, event)


@frozen
class Case:
    """A fault, and the words in the log by which it is noticed."""

    what: str
    strike: Callable[[House, MutedWorld], None]
    noticed: str


def refuse(house: House, world: MutedWorld) -> None:
    """Refuse the account's subscriptions for five seconds."""
    world.streams_down = True
    world.lose_streams(world.account_pipes, "the venue refused the subscription")
    house.run(5)
    world.streams_down = False


CASES = (
    Case(
        "account connection cut, expired or at its age limit",
        lambda _, world: world.lose_streams(world.account_pipes),
        "reset by peer",
    ),
    Case(
        "market connection cut",
        lambda _, world: world.lose_streams(world.market_pipes),
        "reset by peer",
    ),
    Case("account subscription refused for 5 s", refuse, "refused the subscription"),
    Case(
        "account connection open and silent, orders come and go",
        lambda _, world: world.mute(OrderUpdated, Fill),
        "account: doubted: ",
    ),
    Case(
        "market connection open and silent",
        lambda _, world: world.mute(Quote, MarkPrice, BookDelta, BookSnapshot),
        "market data",
    ),
    Case("book stops", lambda _, world: world.mute(BookDelta), "book of BTCUSDT stopped"),
    Case("quotes stop", lambda _, world: world.mute(Quote), "quotes of BTCUSDT stopped"),
    Case("mark prices stop", lambda _, world: world.mute(MarkPrice), "mark prices of BTCUSDT"),
    Case("gap in the book", lambda _, world: world.mute(BookDelta, most=1), "new snapshot"),
)


@contextmanager
def trading(seed: int) -> Iterator[tuple[House, MutedWorld]]:
    world = MutedWorld(seed)
    house = House(world, config(), seed=seed)
    house.start()
    house.ready()
    house.run(20)
    yield house, world
    house.crash()


def measure(case: Case, seed: int) -> tuple[float, float]:
    """Return the seconds until the fault is noticed, and until the host trades as before."""
    with trading(seed) as (house, world):
        began_ns, lines = house.world.host_ns(), len(house.lines)
        case.strike(house, world)
        noticed_ns = 0
        for _ in range(int(PATIENCE_S / STEP_S)):
            found = [line for line in house.lines[lines:] if case.noticed in line.text]
            noticed_ns = noticed_ns or (found[0].at_ns if found else 0)
            synced = house.runtime.seats[names.position(world.keys[0])].state == "running"
            paused = house.risk().pauses.pauses
            whole = synced and not paused and all(pipe not in world.deaf for pipe in open_(world))
            if noticed_ns and whole:
                return _s(noticed_ns - began_ns), _s(house.world.host_ns() - began_ns)
            house.run(STEP_S)
        raise AssertionError(f"{case.what}, seed {seed}\n{house.tail()}")


def open_(world: MutedWorld) -> list[Pipe]:
    """Return the connections to whose events a fault still applies."""
    return [*world.account_pipes, *world.market_pipes] if world.most else []


def _s(nanoseconds: int) -> float:
    return nanoseconds / SECOND_NS


def main() -> None:
    sys.stdout.write("| fault | noticed after: median, worst | repaired after: median, worst |\n")
    sys.stdout.write("|---|---|---|\n")
    for case in CASES:
        noticed, repaired = zip(*(measure(case, seed) for seed in SEEDS), strict=True)
        figures = (f"{median(each):.1f} s, {max(each):.1f} s" for each in (noticed, repaired))
        sys.stdout.write(f"| {case.what} | {' | '.join(figures)} |\n")


if __name__ == "__main__":
    main()
