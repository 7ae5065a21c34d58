"""Simulated days hold, are the same every time, and the campaign sees what is taken away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from actors.orders import Orders
from actors.protection import Protection
from core.fill_ids import FillIds
from core.messages import Fill
from core.ports import Record
from core.records import OrderIntended
from core.risk.exposure import Exposure
from tests.sim import run
from tests.sim.day import Day
from tests.sim.house import MemoryJournal

A_WHILE_S = 1_800


@pytest.mark.parametrize("seed", range(12))
def test_half_an_hour_of_accidents_keeps_every_promise(seed: int) -> None:
    """Repeat one with `python -m tests.sim.run --seed SEED --seconds 1800 --trace`."""
    Day(seed, A_WHILE_S).live()


def test_a_whole_day_holds() -> None:
    day = Day(7)
    day.live()
    assert day.seen["day rollovers"] == 1
    assert day.seen["settlements"] >= 1
    assert min(day.seen[what] for what in ("crash", "fills", "folded", "replayed decisions")) > 0


def test_a_seed_lives_the_same_day_again() -> None:
    first, again = Day(3, A_WHILE_S), Day(3, A_WHILE_S)
    first.live()
    again.live()
    assert first.house.journal.text == again.house.journal.text


def test_no_day_begins_once_the_time_is_over_and_too_few_days_fail() -> None:
    def campaign(wanted: int) -> subprocess.CompletedProcess[str]:
        options = f"--seeds {wanted} --seconds 60 --workers 1 --within 0".split()
        command = [sys.executable, "-m", "tests.sim.run", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    enough, too_few = campaign(3), campaign(4)
    assert "time was over: 1 of 3 days lived" in enough.stdout
    assert "time was over: 1 of 4 days lived" in too_few.stdout
    assert (enough.returncode, too_few.returncode) == (0, 1)


def noticed(words: str) -> None:
    """Live until a day fails with these words."""
    for seed in range(5):
        lived = run.live(seed, A_WHILE_S)
        if lived.problem:
            assert words in lived.problem
            return
    raise AssertionError("nobody noticed")


def test_a_fill_that_counts_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    fold: Callable[[Orders, Fill], bool] = Orders.fold

    def forgetful(self: Orders, fill: Fill) -> bool:
        self.desk.book.positions.seen = FillIds()
        return fold(self, fill)

    monkeypatch.setattr(Orders, "fold", forgetful)
    noticed("was written twice")


def test_an_approval_that_is_not_reserved_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exposure, "reserve", lambda self, order: None)
    noticed("risk does not count it")


def test_a_side_without_a_stop_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protection, "look", lambda self, now_ns: None)
    noticed("without a fitting stop")


@pytest.mark.parametrize(
    ("kind", "words"),
    [(OrderIntended, "before its intent was written"), (Fill, "positions differ")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_record_that_is_never_written_is_noticed(
    kind: type, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append: Callable[[MemoryJournal, Sequence[Record]], None] = MemoryJournal.append

    def lossy(self: MemoryJournal, records: Sequence[Record]) -> None:
        append(self, [record for record in records if not isinstance(record.payload, kind)])

    monkeypatch.setattr(MemoryJournal, "append", lossy)
    noticed(words)
