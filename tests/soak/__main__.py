"""The long proof; `python -m tests.soak --steps N`, and `--seed N` repeats what went wrong."""

from __future__ import annotations

import gc
import os
import sys
import time
from argparse import ArgumentParser

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.soak.machine import COUNTS, Soak

LIVES = 10
STEPS_A_LIFE = 200
MUST_HAPPEN = (
    "opening orders",
    "closing orders",
    "fills",
    "exact",
    "refused: max_order_notional",
    "refused: max_symbol_notional",
    "refused: max_side_notional",
    "refused: max_open_orders_per_side",
    "refused: closing_quantity",
    "refused: halt",
    "refused: paused",
    "accident: crash",
    "accident: die",
    "accident: hang",
    "accident: clock",
    "operator: halt",
    "operator: flatten",
)
"""A long proof in which one of these never happened has proven less than it says."""


def live(number: int, *phases: Phase, lives: int = LIVES, steps: int = STEPS_A_LIFE) -> None:
    """Live the lives of one seed. Errors: `AssertionError` with the way to it."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        seed(number)(Soak),
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=(Phase.generate, *phases),
            suppress_health_check=list(HealthCheck),
        ),
    )


def main() -> int:
    """Take so many steps; print what happened, or the command that repeats what went wrong."""
    options = ArgumentParser(prog="python -m tests.soak", description=__doc__)
    options.add_argument("--steps", type=int, default=100_000)
    options.add_argument("--first", type=int, default=0, help="the first seed")
    options.add_argument("--seed", type=int, help="this seed alone, as short as it fails")
    chosen = options.parse_args()
    first, wanted = (chosen.first, chosen.steps) if chosen.seed is None else (chosen.seed, 1)
    phases = () if chosen.seed is None else (Phase.shrink,)
    gc.set_threshold(50_000, 20, 100)  # as a simulated day: little garbage is made
    began, number = time.monotonic(), first
    while COUNTS["steps"] < wanted:
        try:
            live(number, *phases)
        except BaseException:
            sys.stdout.write(f"seed {number} failed; again: python -m tests.soak --seed {number}\n")
            raise
        number += 1
    spent_s = time.monotonic() - began
    for what, count in sorted(COUNTS.items()):
        sys.stdout.write(f"{count:9,} {what}\n")
    rate = COUNTS["steps"] / spent_s
    sys.stdout.write(f"seeds {first} to {number - 1}: {spent_s:.0f} s, {rate:.0f} steps/s\n")
    missing = [what for what in MUST_HAPPEN if not COUNTS[what]]
    if missing and wanted >= 100_000:
        sys.stdout.write(f"never happened: {', '.join(missing)}\n")
        return 1
    return 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # a seed must mean the same in every process
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.soak", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
