"""A virtual week of one host: what its parts hold, day by day; `python -m tests.sim.week`."""

from __future__ import annotations

import gc
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence

from actors import names
from actors.account import AccountActor
from adapters.usage import read_usage
from core import symbol_book
from core.messages import Fill
from tests.sim.day import DAY_S, Day
from tests.sim.house import House
from tests.sim.weighing import Scales, host
from tests.sim.world import SECOND_NS, VENUE

_STRIDE_S = 60, 100
_AWAKE_S = 0.06
_ENDED_MOST = 100
"""Orders that ended and are remembered: as few as fill up while the host warms up."""
_WARM_UP_DAYS = 2
_ROOM = 1.03
_WORDS = ("day", "fills", "ids kept", "orders kept", "unsettled", "records")
_PARTS = ("host kB", "journal kB", "exchange kB", "log kB", "judge kB", "process MB")


def held(house: House) -> tuple[int, int, int]:
    """Count what the parts remember: ids of fills, orders that ended, fills not settled yet."""
    ids = ended = unsettled = 0
    account = house.runtime.seats[names.account(VENUE)].context
    assert account is not None and isinstance(account.actor, AccountActor)
    wallets = account.actor.check.wallets
    for key in house.world.keys:
        book = house.position(key).book
        for seen in (book.positions.seen, wallets._symbols[key].seen):
            ids += sum(map(len, seen._days.values()))
        ended += len(book.ended)
        unsettled += sum(1 for _ in wallets.fills(key))
    return ids, ended, unsettled


def weigh(day: Day) -> tuple[dict[str, int], list[int]]:
    """Return the bytes of each part of the host, and those of journal, exchange, log and judge."""
    house, world, runtime = day.house, day.world, day.house.runtime
    gc.collect()
    inside = [each for seat in runtime.seats.values() for each in (seat, seat.context)]
    outside = [day, house, house.journal, house.lines, world, world.exchange, day.watchman]
    outside += [day.agreement, day.operator, runtime, runtime.timers, runtime.dead_letters]
    outside += [runtime.mailboxes, runtime.seats, *runtime.mailboxes.values()]
    scales = Scales([*outside, *inside])
    own = host(runtime, scales)
    return own, [
        scales.bytes_of(house.journal),
        scales.bytes_of(world, world.exchange),
        scales.bytes_of(house.lines),
        scales.bytes_of(day.watchman, day.agreement, day.operator),
    ]


def growth(days: Sequence[int]) -> str:
    """Say by how much the last days weigh more than those after the warm-up; "" when they do not.

    Each of the later half is held against the heaviest of the earlier half.
    """
    warm = days[_WARM_UP_DAYS:]
    middle = len(warm) // 2
    earlier, later = warm[:middle], warm[len(warm) - middle :]
    if not middle or min(later) <= max(earlier) * _ROOM:
        return ""
    return f"from at most {max(earlier):,} to at least {min(later):,} bytes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Live and print; 1 when the host grows, or remembers more ids or orders than it may."""
    options = ArgumentParser(prog="python -m tests.sim.week", description=__doc__)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--days", type=int, default=7)
    chosen = options.parse_args(arguments)
    symbol_book._REMEMBERED = _ENDED_MOST  # the bound itself has tests of its own
    day, began = Day(chosen.seed), time.monotonic()
    house, world = day.house, day.world
    house.start()
    house.ready()
    begin_ns, before, problem = world.host_ns(), [0, 0], ""
    weights: list[dict[str, int]] = []
    sys.stdout.write("".join(f"{word:>13}" for word in (*_WORDS, *_PARTS)) + "\n")
    for number in range(1, chosen.days + 1):
        while world.host_ns() < begin_ns + number * DAY_S * SECOND_NS:
            world.shock(day.dice.choice(world.keys), day.dice.uniform(-12, 12))
            house.runtime.advance(int(day.dice.uniform(*_STRIDE_S) * SECOND_NS))
            day.run(_AWAKE_S)
            day.settled()
        fills = sum(isinstance(record.payload, Fill) for record in house.journal.records)
        ids, ended, unsettled = held(house)
        if ids > 2 * (fills - before[-2]) or ended > _ENDED_MOST * len(world.keys):
            problem = problem or f"day {number}: {ids} ids and {ended} orders are kept"
        before.append(fills)
        process_mb = (read_usage().memory.used or 0) // 1_000_000
        own, around = weigh(day)
        weights.append(own)
        parts = [sum(own.values()) // 1000, *(part // 1000 for part in around), process_mb]
        row = (number, fills, ids, ended, unsettled, len(house.journal.records), *parts)
        sys.stdout.write("".join(f"{figure:>13,}" for figure in row) + "\n")
        sys.stdout.flush()
    grown = growth([sum(own.values()) for own in weights])
    for name in sorted(set().union(*weights)):
        sizes = [own.get(name, 0) for own in weights]
        more = growth(sizes)
        sys.stdout.write(f"{name:<34} {' '.join(f'{size:>9,}' for size in sizes)}  {more}\n")
    problem = problem or (grown and f"the host grows {grown}")
    sys.stdout.write(f"{problem or 'bounded'}; {time.monotonic() - began:.0f} s\n")
    day.fold()
    return 1 if problem else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # a seed must mean the same in every process
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.sim.week", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
