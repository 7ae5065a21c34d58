"""Simulated days of a whole host, one a seed; `python -m tests.sim.run --seeds N`."""

from __future__ import annotations

import gc
import os
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from math import inf

from attrs import field, frozen

from tests.sim.day import DAY_S, Day

MUST_HAPPEN = (
    "fills",
    "orders",
    "compared",
    "folded",
    "folded risk",
    "replayed decisions",
    "exact",
    "settlements",
    "day rollovers",
    "crash",
    "dead-man's switches",
    "actor killed",
    "actor hung",
    "streams lost",
    "venue away or back",
    "disk full or not",
    "stops refused or not",
    "outcomes unknown",
    "price jumped",
    "fast moves",
    "transfers",
    "operator: pause",
    "operator: throttle",
    "operator: halt",
    "operator: reduce-only",
    "operator: flatten",
    "operator: reset-halt",
)
"""A campaign in which one of these never happened has proven less than it says."""
ENOUGH_SEEDS = 20
"""From so many days on, each of them must have happened."""
FEWEST = 3
"""A campaign whose time was over must have lived one in so many of the days wanted."""


@frozen
class Lived:
    """What one day held; `problem` is what was wrong with it."""

    seed: int
    problem: str = ""
    seen: Counter[str] = field(factory=Counter)
    longest_bare_ns: int = 0


def live(seed: int, seconds: int, *, trace: bool = False) -> Lived:
    """Live one day."""
    day = Day(seed, seconds)
    problem = ""
    try:
        day.live()
    except Exception as error:  # noqa: BLE001 - a defect of the host shows in any of them
        problem = f"{type(error).__name__}: {error}"
    if trace:
        sys.stdout.writelines(f"{line}\n" for line in day.house.lines)
    return Lived(seed, problem, day.seen, day.watchman.longest_bare_ns)


def days(seeds: range, seconds: int, workers: int, within_s: float) -> Iterator[Lived]:
    """Live them, several at a time, as they end; none begins once the time is over."""
    until_s = time.monotonic() + within_s
    left = iter(seeds)
    with ProcessPoolExecutor(workers) as pool:
        living = {pool.submit(live, seed, seconds) for seed in islice(left, workers)}
        while living:
            ended, living = wait(living, return_when=FIRST_COMPLETED)
            if time.monotonic() < until_s:
                living |= {pool.submit(live, seed, seconds) for seed in islice(left, len(ended))}
            for each in ended:
                yield each.result()


def report(lived: Lived, seconds: int) -> None:
    """Say what was wrong and how to see it again."""
    length = "" if seconds == DAY_S else f" --seconds {seconds}"
    sys.stdout.write(
        f"seed {lived.seed}: {lived.problem}\n"
        f"  again: python -m tests.sim.run --seed {lived.seed}{length} --trace\n"
    )


def main() -> int:
    """Live through many days; print what happened and the command that repeats what went wrong."""
    options = ArgumentParser(prog="python -m tests.sim.run", description=__doc__)
    options.add_argument("--seeds", type=int, default=50)
    options.add_argument("--first", type=int, default=0, help="the first seed")
    options.add_argument("--seed", type=int, help="this seed alone")
    options.add_argument("--trace", action="store_true", help="print the log of a seed alone")
    options.add_argument("--seconds", type=int, default=DAY_S, help="how long a day is")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--within", type=float, default=inf, help="seconds to begin days in")
    chosen = options.parse_args()
    gc.set_threshold(50_000, 20, 100)  # a day makes little garbage: a tenth of its time is saved
    if chosen.seed is not None:
        lived = live(chosen.seed, chosen.seconds, trace=chosen.trace)
        for what, count in sorted(lived.seen.items()):
            sys.stdout.write(f"{count:9,} {what}\n")
        if lived.problem:
            report(lived, chosen.seconds)
        return 1 if lived.problem else 0
    began = time.monotonic()
    seen: Counter[str] = Counter()
    failed, number, longest_ns = [], 0, 0
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    for lived in days(seeds, chosen.seconds, chosen.workers, chosen.within):
        number += 1
        seen += lived.seen
        longest_ns = max(longest_ns, lived.longest_bare_ns)
        if lived.problem:
            failed.append(lived.seed)
            report(lived, chosen.seconds)
        if number % 10 == 0:
            spent = time.monotonic() - began
            sys.stdout.write(
                f"{number} of {len(seeds)} days, {len(failed)} failed, {spent:.0f} s\n"
            )
            sys.stdout.flush()
    spent = time.monotonic() - began
    for what, count in sorted(seen.items()):
        sys.stdout.write(f"{count:9,} {what}\n")
    sys.stdout.write(
        f"{number} days of {chosen.seconds:,} s, {len(failed)} failed, {spent:.0f} s, "
        f"{number * chosen.seconds / spent:,.0f} times as fast as life; "
        f"longest without a fitting stop: {longest_ns / 1e9:.1f} s\n"
    )
    if number < len(seeds):
        sys.stdout.write(f"time was over: {number} of {len(seeds)} days lived\n")
    if number * FEWEST < len(seeds):
        return 1
    missing = [what for what in MUST_HAPPEN if not seen[what]]
    if missing and number >= ENOUGH_SEEDS and not failed:
        sys.stdout.write(f"never happened: {', '.join(missing)}\n")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # a seed must mean the same in every process
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.sim.run", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
