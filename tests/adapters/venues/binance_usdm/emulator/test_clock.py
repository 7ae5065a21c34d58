"""The exchange's clock: whole milliseconds, a skew that only callers see, never back."""

from __future__ import annotations

import pytest

from adapters.venues.binance_usdm.emulator import clock as module
from adapters.venues.binance_usdm.emulator.clock import Clock


def test_a_skew_is_told_and_does_not_reach_the_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time_ns", lambda: 5_000_999_999)
    clock = Clock()
    clock.skew_ms = -2_000
    assert (clock.now_ns(), clock.told_ms()) == (5_000_000_000, 3_000)


def test_the_matchings_time_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((7_000_000, 5_000_000, 9_000_000))
    monkeypatch.setattr(module.time, "time_ns", lambda: next(times))
    clock = Clock()
    assert [clock.now_ns() for _ in range(3)] == [7_000_000, 7_000_000, 9_000_000]
