"""The breaker of a venue's calls: closed, open, half-open with one probe, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import Breaker as Settings
from core.errors import (
    AuthRejected,
    ClockRejected,
    NotFound,
    OutcomeUnknown,
    OverBudget,
    RateLimited,
    Rejected,
    Unreachable,
    VenueError,
)
from core.risk.breaker import Breaker, BreakerState, speaks_of_venue

S = 1_000_000_000
SETTINGS = Settings(window_s=60.0, min_calls=10, max_error_percent=50, open_s=15.0)
CLOSED, OPEN, HALF_OPEN = BreakerState


def opened(now_ns: int = 0) -> Breaker:
    breaker = Breaker(SETTINGS)
    assert breaker.told(5, 5, now_ns, "HTTP 503")
    return breaker


def probing(now_ns: int = 0) -> Breaker:
    breaker = opened(now_ns)
    assert breaker.tick(now_ns + 15 * S)
    return breaker


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Unreachable("refused"), True),
        (OutcomeUnknown("timed out"), True),
        (RateLimited("too many"), True),
        (OverBudget("not sent"), False),
        (VenueError("bad gateway", http_status=502), True),
        (Rejected("margin is insufficient", code=-2019, http_status=400), False),
        (NotFound("no such order", http_status=400), False),
        (AuthRejected("bad key", http_status=401), False),
        (ClockRejected("too early", http_status=400), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_only_failures_that_speak_of_the_venue_count(error, counts):
    assert speaks_of_venue(error) is counts


def test_it_opens_when_enough_of_enough_calls_failed_and_says_how_many():
    breaker = Breaker(SETTINGS)
    assert not breaker.told(6, 0, 0)
    assert not breaker.told(0, 5, 1)
    assert breaker.state is CLOSED
    assert breaker.told(0, 1, 2, "timed out")
    assert breaker.state is OPEN
    assert breaker.reason == "6 of 12 calls failed within 60 s: timed out"


def test_few_calls_open_nothing_however_many_of_them_failed():
    breaker = Breaker(SETTINGS)
    assert not breaker.told(0, 9, 0)
    assert breaker.told(0, 1, 1)
    assert breaker.reason == "10 of 10 calls failed within 60 s"


def test_failures_older_than_the_window_are_forgotten():
    breaker = Breaker(SETTINGS)
    breaker.told(0, 9, 0)
    assert not breaker.told(5, 4, 60 * S)
    assert breaker.told(0, 1, 61 * S)


def test_a_good_call_alone_opens_nothing_when_old_ones_leave_the_window():
    breaker = Breaker(SETTINGS)
    breaker.told(20, 0, 0)
    breaker.told(0, 9, 1 * S)
    assert not breaker.told(1, 0, 60 * S)
    assert breaker.state is CLOSED


def test_while_open_nothing_that_is_told_changes_it_and_time_does():
    breaker = opened()
    assert not breaker.told(50, 0, 1)
    assert not breaker.told(0, 50, 2)
    assert not breaker.tick(15 * S - 1)
    assert breaker.tick(15 * S)
    assert breaker.state is HALF_OPEN


def test_a_good_probe_closes_it_and_the_past_is_forgotten():
    breaker = probing()
    assert breaker.told(1, 0, 16 * S)
    assert (breaker.state, breaker.reason) == (CLOSED, "")
    assert not breaker.told(0, 9, 17 * S)
    assert not breaker.tick(100 * S)


def test_a_failed_probe_opens_it_for_twice_as_long():
    breaker = probing()
    assert breaker.told(1, 1, 16 * S, "HTTP 503")
    assert (breaker.state, breaker.reason) == (OPEN, "HTTP 503")
    assert not breaker.tick(46 * S - 1)
    assert breaker.tick(46 * S)


def test_a_probe_without_an_answer_counts_as_failed():
    breaker = probing()
    assert not breaker.told(0, 0, 16 * S)
    assert not breaker.tick(30 * S - 1)
    assert breaker.tick(30 * S)
    assert (breaker.state, breaker.reason) == (OPEN, "the probe got no answer")


def test_the_pause_doubles_up_to_eight_times_and_starts_small_again_after_a_good_probe():
    breaker, now_ns, pauses = opened(), 0, []
    for _ in range(6):
        start_ns = now_ns
        while not breaker.tick(now_ns):
            now_ns += S
        pauses.append((now_ns - start_ns) // S)
        breaker.told(0, 1, now_ns)
        assert breaker.reason == "the probe failed"
    assert pauses == [15, 30, 60, 120, 120, 120]
    breaker.tick(now_ns + 120 * S)
    breaker.told(1, 0, now_ns + 121 * S)
    now_ns += 200 * S
    breaker.told(0, 10, now_ns)
    assert breaker.tick(now_ns + 15 * S)


def test_a_restart_begins_open_and_lets_the_probe_decide():
    breaker = Breaker(SETTINGS)
    breaker.restore("6 of 10 calls failed", 100 * S)
    assert (breaker.state, breaker.reason) == (OPEN, "6 of 10 calls failed")
    assert breaker.tick(115 * S)
    assert breaker.told(1, 0, 116 * S)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 20 * S))))
def test_the_window_holds_exactly_what_was_told_within_it(history):
    """Against a plain recount of the whole history, until the first opening."""
    breaker, now_ns, told = Breaker(SETTINGS), 0, []
    for good, failed, passed_ns in history:
        now_ns += passed_ns
        told.append((now_ns, good, failed))
        recent = [each for each in told if each[0] > now_ns - 60 * S]
        bad = sum(each[2] for each in recent)
        calls = bad + sum(each[1] for each in recent)
        opens = failed > 0 and calls >= 10 and bad * 2 >= calls
        assert breaker.told(good, failed, now_ns) is opens
        if opens:
            break


def test_good_calls_that_left_the_window_weigh_no_more():
    breaker = Breaker(SETTINGS)
    assert not breaker.told(1_000, 0, 0)
    assert not breaker.told(5, 0, 61 * S)
    assert breaker.told(0, 5, 62 * S, "HTTP 503")
    assert breaker.reason.startswith("5 of 10 calls failed")


def test_a_server_error_begins_at_500():
    def rejected(status: int) -> VenueError:
        return Rejected("no", venue="binance", http_status=status)

    assert speaks_of_venue(rejected(500))
    assert not speaks_of_venue(rejected(499))


def test_a_breaker_that_never_opened_has_no_reason():
    assert Breaker(SETTINGS).reason == ""


def test_one_failure_under_the_share_leaves_it_closed():
    breaker = Breaker(Settings(window_s=60.0, min_calls=10, max_error_percent=50, open_s=15.0))
    assert not breaker.told(101, 100, 0, "HTTP 503")
    assert breaker.told(0, 1, 0, "HTTP 503")
