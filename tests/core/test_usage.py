"""When what a process uses is worth a word: near a limit, or growing without end."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from core.usage import Figure, Usage, UsageWatch

MIB = 1 << 20
MINUTE_NS = 60_000_000_000


def told(memory: Callable[[int], int], minutes: int) -> dict[int, dict[str, str]]:
    """Return what is said in each minute in which anything is."""
    watch = UsageWatch()
    found = {}
    for minute in range(minutes):
        said = watch.look(Usage(memory=Figure(memory(minute))), minute * MINUTE_NS)
        if said:
            found[minute] = said
    return found


def test_a_leak_is_told_after_an_hour_in_which_every_ten_minutes_lay_above_those_before() -> None:
    found = told(lambda minute: (100 + minute) * MIB, 80)
    assert min(found) == 60
    assert found[60] == {
        "memory grows": "memory: 160 MiB, growing without a break for 50 minutes, by 50 MiB"
    }


@pytest.mark.parametrize("seed", range(20))
def test_what_is_freed_again_is_no_leak(seed: int) -> None:
    random = Random(seed)
    assert not told(lambda minute: (100 + random.randrange(400)) * MIB, 24 * 60)
    assert not told(lambda minute: (100 + minute % 55 * 4) * MIB, 24 * 60)


def test_growth_that_ends_and_growth_of_next_to_nothing_are_not_worth_a_word() -> None:
    assert not told(lambda minute: (100 + min(minute, 35) * 3) * MIB, 24 * 60)
    assert not told(lambda minute: 100 * MIB + minute * 1024, 24 * 60)


def test_a_figure_near_its_limit_is_told_at_once_and_an_unknown_one_never() -> None:
    watch = UsageWatch()
    assert not watch.look(Usage(files=Figure(799, 1_000), threads=Figure(None, 1)), 0)
    said = watch.look(Usage(files=Figure(800, 1_000)), 1)
    assert said == {"files near limit": "open files: 800 of 1000 used"}


@pytest.mark.parametrize(("place", "step"), [("threads", 1), ("files", 1), ("messages", 40)])
def test_threads_files_and_messages_that_grow_are_told_too(place: str, step: int) -> None:
    watch = UsageWatch()
    for minute in range(61):
        said = watch.look(Usage(**{place: Figure(50 + minute * step)}), minute * MINUTE_NS)
    assert list(said) == [f"{place} grows"]
