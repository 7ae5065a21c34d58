"""Pauses between tries: longer each time, never all at once, never before the venue allows it."""

from __future__ import annotations

from random import Random

import pytest

from actors.backoff import Backoff
from actors.runtime import Actor

SECOND_NS = 1_000_000_000
LONGEST_NS = 8 * SECOND_NS


class Asker(Actor):
    """An actor outside of any runtime, with random of its own."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)

    @property
    def random(self) -> Random:
        return self.dice


def backoff(seed: int = 1) -> Backoff:
    return Backoff(Asker(seed), SECOND_NS, LONGEST_NS)


@pytest.mark.parametrize("seed", range(20))
def test_pauses_double_up_to_the_longest_a_quarter_more_or_less(seed: int) -> None:
    tries = backoff(seed)
    for middle_s in (1, 2, 4, 8, 8, 8):
        assert 0.75 <= tries.pause_ns() / (middle_s * SECOND_NS) <= 1.25


def test_those_who_failed_together_do_not_come_back_together() -> None:
    assert len({backoff(seed).pause_ns() for seed in range(20)}) == 20
    asked_for = {backoff(seed).pause_ns(30 * SECOND_NS) for seed in range(20)}
    assert len(asked_for) == 20


@pytest.mark.parametrize("seed", range(20))
def test_nobody_asks_before_the_venue_allows_it(seed: int) -> None:
    for asked_for_ns in (SECOND_NS, 60 * SECOND_NS):
        pause_ns = backoff(seed).pause_ns(asked_for_ns)
        assert asked_for_ns <= pause_ns <= asked_for_ns + SECOND_NS


def test_after_a_success_the_first_pause_is_short_again() -> None:
    tries = backoff()
    for _ in range(100):
        tries.pause_ns()
    tries.reset()
    assert tries.pause_ns() <= 1.25 * SECOND_NS
