"""Bars of one symbol for klines and day statistics: minutes in compact columns, older in hours."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from attrs import frozen

from core.exchange import Random
from core.messages import Bar, Trade

__all__ = ["Candle", "Candles"]

_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_QUOTE_UNITS = 100
_MAX_MINUTES = 40_000


@frozen(slots=True)
class Candle:
    """One bar; prices in ticks, quantities in lots, quote volume in hundredths."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    count: int
    taker_volume: int
    taker_quote: int


class Candles:
    """Minute bars of the last weeks and hour bars before them.

    `add` and `advance` carry time forward; silent minutes are flat bars of the last close. Mutable,
    one owner.
    """

    def __init__(self, tick: Decimal, lot: Decimal) -> None:
        self._tick, self._lot = tick, lot
        self._minutes: list[array[int]] = _columns()
        self._hours: list[array[int]] = _columns()
        self._forming: list[int] | None = None

    @property
    def forming_ms(self) -> int:
        """Return when the forming minute opened, 0 where there is none."""
        return self._forming[0] if self._forming else 0

    def seed(self, random: Random, price: Decimal, now_ms: int, minute_move: float) -> None:
        """Invent a past that ends at `price`: 7 days of minutes, 90 days of hours before them.

        A walk with `minute_move` as the standard deviation of a minute's return.
        """
        first = now_ms - now_ms % _MINUTE_MS
        newest = float(price / self._tick)
        start = first - 7 * 24 * _HOUR_MS
        start -= start % _HOUR_MS
        unit = float(self._tick * self._lot * _QUOTE_UNITS)
        minutes = _walk(random, newest, start, first, _MINUTE_MS, minute_move, unit)
        oldest = float(minutes[0].open)
        hours_start = start - 90 * 24 * _HOUR_MS
        hourly_move = minute_move * math.sqrt(60)
        hours = _walk(random, oldest, hours_start, start, _HOUR_MS, hourly_move, unit)
        self._take(self._minutes, minutes)
        self._take(self._hours, hours)

    def load_until(self, bars: Sequence[Bar], now_ms: int) -> None:
        """Take recorded bars of at least a minute, oldest first, as the past that ends now."""
        interval_ms = bars[-1].interval_ns // 1_000_000
        end_ms = bars[-1].open_ns // 1_000_000 + interval_ms
        shift_ms = now_ms - now_ms % interval_ms - end_ms
        for bar in bars:
            row = self._from_bar(bar, shift_ms)
            if interval_ms == _MINUTE_MS:
                self._take(self._minutes, (row,))
            elif interval_ms < _HOUR_MS:
                self._take(self._minutes, _spread(row, interval_ms))
            else:
                self._take(self._hours, _spread_hours(row, interval_ms))

    def follow(self, other: Candles) -> None:
        """Take over another's past without its volumes: for prices that nobody trades at."""
        scale = int(other._tick / self._tick)
        for mine, theirs in ((self._minutes, other._minutes), (self._hours, other._hours)):
            count = len(theirs[0])
            mine[0] = array("q", theirs[0])
            for place in range(1, 5):
                mine[place] = array("q", (value * scale for value in theirs[place]))
            for place in range(5, 10):
                mine[place] = array("q", bytes(8 * count))

    def add(self, trade: Trade) -> None:
        """Take one trade."""
        row = self.price(trade.price, trade.event_ns // 1_000_000)
        lots = int(trade.quantity / self._lot)
        quote = int(trade.price * trade.quantity * _QUOTE_UNITS)
        row[5] += lots
        row[6] += quote
        if not trade.buyer_is_maker:
            row[8] += lots
            row[9] += quote

    def price(self, price: Decimal, time_ms: int) -> list[int]:
        """Take one price; return the forming minute's figures."""
        self.advance(time_ms)
        ticks = int(price / self._tick)
        row = self._forming
        if row is None:
            opened = time_ms - time_ms % _MINUTE_MS
            row = self._forming = [opened, ticks, ticks, ticks, ticks, 0, 0, 0, 0, 0]
        if row[7] == 0:
            row[1] = row[2] = row[3] = ticks
        row[2] = max(row[2], ticks)
        row[3] = min(row[3], ticks)
        row[4] = ticks
        row[7] += 1
        return row

    def advance(self, now_ms: int) -> None:
        """Close the minutes that are over."""
        row = self._forming
        if row is None:
            past, span_ms = self._minutes, _MINUTE_MS
            if not past[0]:
                past, span_ms = self._hours, _HOUR_MS
            if not past[0]:
                return
            close, opened = past[4][-1], past[0][-1] + span_ms
            row = self._forming = [opened, close, close, close, close, 0, 0, 0, 0, 0]
        missed = (now_ms - row[0]) // _MINUTE_MS
        if missed > _MAX_MINUTES:
            row[0] += (missed - 1) * _MINUTE_MS
        while row[0] + _MINUTE_MS <= now_ms:
            for column, value in zip(self._minutes, row, strict=True):
                column.append(value)
            row[:] = [row[0] + _MINUTE_MS, row[4], row[4], row[4], row[4], 0, 0, 0, 0, 0]
        if len(self._minutes[0]) > 2 * _MAX_MINUTES:
            for column in self._minutes:
                del column[:_MAX_MINUTES]

    def rows(self, interval_ms: int, start_ms: int, end_ms: int, limit: int) -> list[Candle]:
        """Return bars with an opening time in [start, end], oldest first, the forming one last.

        Without a start (0) the newest `limit`, else the first `limit`. Weeks open on Mondays.
        """
        offset = 4 * 24 * _HOUR_MS if interval_ms == 7 * 24 * _HOUR_MS else 0
        last_ms = min(end_ms, self.forming_ms) if end_ms else self.forming_ms
        if start_ms:
            low = -(-(start_ms - offset) // interval_ms) * interval_ms + offset
            high = min(last_ms, low + (limit - 1) * interval_ms)
        else:
            high = last_ms
            low = (high - offset) // interval_ms * interval_ms + offset - (limit - 1) * interval_ms
        grouped: dict[int, list[int]] = {}
        for values in self._between(low, high + interval_ms, hours=interval_ms >= _HOUR_MS):
            opened = (values[0] - offset) // interval_ms * interval_ms + offset
            bar = grouped.get(opened)
            if bar is None:
                grouped[opened] = [opened, *values[1:]]
            else:
                bar[2] = max(bar[2], values[2])
                bar[3] = min(bar[3], values[3])
                bar[4] = values[4]
                for place in range(5, 10):
                    bar[place] += values[place]
        return [Candle(*bar) for opened, bar in sorted(grouped.items()) if low <= opened <= high]

    def _between(self, low_ms: int, end_ms: int, *, hours: bool) -> Iterator[list[int]]:
        first_minute = self._minutes[0][0] if self._minutes[0] else end_ms
        before = min(end_ms, first_minute) if hours else low_ms
        for columns, bound in ((self._hours, before), (self._minutes, end_ms)):
            opens = columns[0]
            for index in range(_index(opens, low_ms), _index(opens, bound)):
                yield [column[index] for column in columns]
        if self._forming is not None and low_ms <= self._forming[0] < end_ms:
            yield list(self._forming)

    def _from_bar(self, bar: Bar, shift_ms: int) -> Candle:
        lots = int(bar.volume / self._lot)
        quote = int(bar.volume * (bar.high + bar.low + bar.close) / 3 * _QUOTE_UNITS)
        prices = (bar.open, bar.high, bar.low, bar.close)
        opened, high, low, close = (round(price / self._tick) for price in prices)
        return Candle(
            bar.open_ns // 1_000_000 + shift_ms,
            opened,
            high,
            low,
            close,
            lots,
            quote,
            1 if lots else 0,
            lots // 2,
            quote // 2,
        )

    @staticmethod
    def _take(columns: list[array[int]], rows: Iterable[Candle]) -> None:
        for row in rows:
            values = (
                *(row.open_ms, row.open, row.high, row.low, row.close),
                *(row.volume, row.quote, row.count, row.taker_volume, row.taker_quote),
            )
            for column, value in zip(columns, values, strict=True):
                column.append(value)


def _columns() -> list[array[int]]:
    return [array("q") for _ in range(10)]


def _index(opens: array[int], at_ms: int) -> int:
    low, high = 0, len(opens)
    while low < high:
        middle = (low + high) // 2
        if opens[middle] < at_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _walk(
    random: Random,
    newest: float,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    move: float,
    unit: float,
) -> list[Candle]:
    closes = [newest]
    for _ in range((end_ms - start_ms) // step_ms):
        closes.append(closes[-1] * math.exp(random.gauss(0.0, move)))
    closes.reverse()
    rows = []
    for place, close in enumerate(closes[1:]):
        opened = closes[place]
        high = max(opened, close) * (1 + abs(random.gauss(0.0, move)) / 2)
        low = min(opened, close) * (1 - abs(random.gauss(0.0, move)) / 2)
        lots = max(1, int(math.exp(random.gauss(9.0, 0.8)) * step_ms / _MINUTE_MS))
        taker = int(lots * random.uniform(0.35, 0.65))
        rows.append(
            Candle(
                start_ms + place * step_ms,
                max(1, round(opened)),
                max(1, round(high)),
                max(1, round(low)),
                max(1, round(close)),
                lots,
                int(close * lots * unit),
                max(1, lots // 20),
                taker,
                int(close * taker * unit),
            )
        )
    return rows


def _spread(row: Candle, interval_ms: int) -> Iterator[Candle]:
    """Give a bar's figures to its first minute and leave the others flat."""
    yield row
    for later in range(_MINUTE_MS, interval_ms, _MINUTE_MS):
        yield _flat(row, later)


def _spread_hours(row: Candle, interval_ms: int) -> Iterator[Candle]:
    yield row
    for later in range(_HOUR_MS, interval_ms, _HOUR_MS):
        yield _flat(row, later)


def _flat(row: Candle, later_ms: int) -> Candle:
    close = row.close
    return Candle(row.open_ms + later_ms, close, close, close, close, 0, 0, 0, 0, 0)
