"""The trading halt: what tightens it, what lets it go, and which approvals pass."""

from __future__ import annotations

from itertools import product

import pytest

from core.risk.halt import Halt, Level, relax, reset, tighten

LEVELS = list(Level)


@pytest.mark.parametrize(("now", "wanted"), list(product(LEVELS, LEVELS)))
@pytest.mark.parametrize("latched", [False, True])
@pytest.mark.parametrize("latch", [False, True])
def test_a_halt_only_tightens(now: Level, wanted: Level, latched: bool, latch: bool) -> None:
    before = Halt(now, "first", "a", 3, latched)
    after = tighten(before, wanted, "second", "b", latched=latch)
    assert after.level is max(now, wanted, key=LEVELS.index)
    assert after.latched == (latched or latch)
    changed = (after.level, after.latched) != (now, latched)
    assert after == (Halt(after.level, "second", "b", 4, after.latched) if changed else before)


def test_running_comes_back_by_itself_only_without_a_latch() -> None:
    loose = tighten(Halt(), Level.REDUCE_ONLY, "the journal", "journal")
    latched = tighten(Halt(), Level.HALTED, "loss", "risk", latched=True)
    assert relax(loose, "writes again", "journal") == Halt(
        Level.RUNNING, "writes again", "journal", 2
    )
    assert relax(latched, "time passed", "timer") is latched
    assert relax(Halt(), "nothing", "timer") == Halt()


def test_an_operator_resets_a_latched_halt() -> None:
    latched = tighten(Halt(), Level.HALTED, "loss", "risk", latched=True)
    assert reset(latched, "looked", "operator") == Halt(Level.RUNNING, "looked", "operator", 2)


def test_an_opening_of_before_a_halt_does_not_pass_after_it_either() -> None:
    running = Halt()
    halted = tighten(running, Level.REDUCE_ONLY, "loss", "risk")
    again = relax(halted, "over", "risk")
    assert running.lets_open(0)
    assert not halted.lets_open(0) and not halted.lets_open(halted.epoch)
    assert not again.lets_open(0)
    assert again.lets_open(again.epoch)
