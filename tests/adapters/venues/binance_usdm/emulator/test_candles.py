"""Bars for klines: from trades, from a seeded past, from recorded bars."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from adapters.venues.binance_usdm.emulator.candles import Candles
from core.messages import Bar, Key, Trade

D = Decimal
KEY = Key("binance", "BTCUSDT")
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_790_000_000_000 - 1_790_000_000_000 % DAY + 9 * HOUR + 30_500


def candles() -> Candles:
    return Candles(D("0.1"), D("0.001"))


def trade(price: str, quantity: str, at_ms: int, *, sold: bool = False) -> Trade:
    return Trade(KEY, 1, D(price), D(quantity), sold, at_ms * 1_000_000)


def test_trades_make_minutes_and_silence_makes_flat_ones() -> None:
    bars = candles()
    start = NOW - NOW % MINUTE
    bars.add(trade("100.0", "1", start + 1))
    bars.add(trade("102.0", "2", start + 2, sold=True))
    bars.add(trade("99.0", "0.5", start + 59_999))
    bars.add(trade("101.0", "1", start + 3 * MINUTE))
    first, second, third, forming = bars.rows(MINUTE, start, 0, 10)
    assert (first.open, first.high, first.low, first.close) == (1000, 1020, 990, 990)
    assert (first.volume, first.taker_volume, first.count) == (3500, 1500, 3)
    assert first.quote == (100 + 204 + D("49.5")) * 100
    assert {(row.open, row.close, row.volume) for row in (second, third)} == {(990, 990, 0)}
    assert (forming.open_ms, forming.open, forming.low) == (start + 3 * MINUTE, 1010, 1010)


def test_a_seeded_past_reaches_back_and_ends_at_the_price() -> None:
    bars = candles()
    bars.seed(Random(1), D("63000"), NOW, 0.0006)
    bars.advance(NOW)
    for interval, count in ((MINUTE, 1_500), (15 * MINUTE, 500), (HOUR, 1_500), (DAY, 90)):
        rows = bars.rows(interval, 0, 0, count)
        assert len(rows) == count
        assert {b.open_ms - a.open_ms for a, b in pairwise(rows)} == {interval}
        assert all(row.low <= min(row.open, row.close) for row in rows)
        assert all(row.high >= max(row.open, row.close) for row in rows)
        assert rows[-1].close == 630_000
        assert rows[-1].open_ms == NOW - NOW % interval


def test_longer_bars_are_the_sum_of_the_shorter() -> None:
    bars = candles()
    bars.seed(Random(1), D("63000"), NOW, 0.0006)
    bars.advance(NOW)
    (hour,) = bars.rows(HOUR, NOW - NOW % HOUR - HOUR, 0, 1)
    minutes = bars.rows(MINUTE, hour.open_ms, hour.open_ms + HOUR - 1, 100)
    assert len(minutes) == 60
    assert hour.volume == sum(row.volume for row in minutes)
    assert (hour.open, hour.close) == (minutes[0].open, minutes[-1].close)
    assert (hour.high, hour.low) == (
        max(row.high for row in minutes),
        min(row.low for row in minutes),
    )


def test_start_end_and_limit_choose_by_opening_time() -> None:
    bars = candles()
    bars.seed(Random(1), D("63000"), NOW, 0.0006)
    bars.advance(NOW)
    start = NOW - NOW % HOUR - 10 * HOUR
    rows = bars.rows(HOUR, start + 1, start + 5 * HOUR, 100)
    assert [row.open_ms for row in rows] == [start + hours * HOUR for hours in range(1, 6)]
    assert [row.open_ms for row in bars.rows(HOUR, start, 0, 2)] == [start, start + HOUR]


def test_weeks_open_on_mondays() -> None:
    bars = candles()
    bars.seed(Random(1), D("63000"), NOW, 0.0006)
    bars.advance(NOW)
    monday_ms = 4 * DAY
    assert all((row.open_ms - monday_ms) % (7 * DAY) == 0 for row in bars.rows(7 * DAY, 0, 0, 5))


@pytest.mark.parametrize("minutes", [1, 5, 60, 240])
def test_recorded_bars_become_the_past_up_to_now(minutes: int) -> None:
    span_ns = minutes * 60_000_000_000
    recorded = [
        Bar(KEY, span_ns, n * span_ns, D(100 + n), D(102 + n), D(99 + n), D(101 + n), D(3), True)
        for n in range(10)
    ]
    bars = candles()
    bars.load_until(recorded, NOW)
    bars.advance(NOW)
    rows = bars.rows(minutes * MINUTE, 0, 0, 11)[:10]
    assert [row.close for row in rows] == [(101 + n) * 10 for n in range(10)]
    assert rows[-1].open_ms + minutes * MINUTE == NOW - NOW % (minutes * MINUTE)
