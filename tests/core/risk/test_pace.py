"""The sliding minute: exactly what was counted within it, whenever one looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.risk.pace import Pace

SECOND_NS = 1_000_000_000
STEPS = st.lists(st.tuples(st.integers(0, 40 * SECOND_NS), st.booleans()), max_size=60)


@given(STEPS)
def test_it_counts_what_the_last_minute_saw_and_nothing_else(
    steps: list[tuple[int, bool]],
) -> None:
    pace, counted, now_ns = Pace(), [], 0
    for pause_ns, count in steps:
        now_ns += pause_ns
        if count:
            pace.count(now_ns)
            counted.append(now_ns)
        expected = sum(1 for moment in counted if now_ns - moment < 60 * SECOND_NS)
        assert pace.within_a_minute(now_ns) == expected


def test_a_minute_after_it_was_counted_it_counts_no_longer() -> None:
    pace = Pace()
    pace.count(0)
    assert pace.within_a_minute(60 * SECOND_NS - 1) == 1
    assert pace.within_a_minute(60 * SECOND_NS) == 0
