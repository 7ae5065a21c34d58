"""Which tests run without counting lines: counting makes a simulation three times as slow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

HERE = Path(__file__).parent
UNCOUNTED = (
    "fuzz",
    "soak",
    "sim/test_account.py",
    "sim/test_clocks.py",
    "sim/test_days.py",
    "sim/test_income.py",
    "sim/test_kills_and_hangs.py",
    "sim/test_recovery.py",
    "sim/test_streams.py",
)
"""Long campaigns over lines that other tests reach too; folders and files below `tests/`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = [HERE / place for place in UNCOUNTED]
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Stop what still counts: pytest-cov 7.1 begins two counts in a worker of xdist, pauses one."""
    other = Coverage.current() if item.get_closest_marker("no_cover") else None
    if other is None:
        return (yield)
    other.stop()
    try:
        return (yield)
    finally:
        other.start()
