"""Bars from files: the venue's kline CSV archives, and feather tables, for replay and backtests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.marketdata.files import MarketDataError, bar_file_name, lines
from core.errors import UsageError
from core.messages import Bar, Key
from core.money import number

__all__ = ["read_bars"]

_MS = 1_000_000
_US = 1_000
_COLUMNS = ("date", "open", "high", "low", "close", "volume")
_FIRST_MICROSECONDS = 10_000_000_000_000


def read_bars(path: Path, venue: str) -> Iterator[Bar]:
    """Yield the closed bars of a kline CSV (gzip or not, header or not) or a feather table.

    Symbol and interval come from the file's name. Volumes are in base units. Errors:
    `MarketDataError` naming file and line (row) for anything malformed, out of order or no bar;
    `UsageError` where feather is asked for and pyarrow is not installed.
    """
    named = bar_file_name(path)
    if named is None:
        raise MarketDataError("symbol and interval are not in the name, as BTCUSDT-1m-….csv", path)
    symbol, interval_ns = named
    rows = _feather(path) if path.suffix == ".feather" else _csv(path)
    last_ns = -1
    for line, open_ns, *values in rows:
        opened, high, low, close, volume = values
        if open_ns <= last_ns:
            raise MarketDataError("the bar is not later than the one before it", path, line)
        if not 0 < low <= min(opened, close) <= max(opened, close) <= high or volume < 0:
            raise MarketDataError("low, open, close and high do not make a bar", path, line)
        last_ns = open_ns
        yield Bar(Key(venue, symbol), interval_ns, open_ns, opened, high, low, close, volume, True)


def _csv(path: Path) -> Iterator[tuple[Any, ...]]:
    for line, text in lines(path):
        if not text.strip() or (line == 1 and text.startswith(b"open_time")):
            continue
        fields = text.decode("ascii", "replace").split(",")
        try:
            if len(fields) < len(_COLUMNS):
                raise ValueError(f"expected {len(_COLUMNS)} fields or more, got {len(fields)}")
            opened = int(fields[0])
            values = [number(field, "field") for field in fields[1:6]]
        except ValueError as error:
            raise MarketDataError(f"not a kline: {error}", path, line) from None
        yield line, opened * (_US if opened >= _FIRST_MICROSECONDS else _MS), *values


def _feather(path: Path) -> Iterator[tuple[Any, ...]]:
    try:
        from pyarrow import ArrowException, feather, timestamp
    except ImportError:
        raise UsageError(
            "feather files need pyarrow, which is not installed", str(path), "pip install pyarrow"
        ) from None
    try:
        table = feather.read_table(path, columns=list(_COLUMNS), memory_map=False)
        dates = table.column("date").cast(timestamp("ns", tz="UTC")).cast("int64").to_pylist()
        columns = [table.column(name).to_pylist() for name in _COLUMNS[1:]]
    except (ArrowException, OSError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise MarketDataError(f"cannot read the table: {error}", path) from None
    for row, (opened, *values) in enumerate(zip(dates, *columns, strict=True), start=1):
        if opened is None or any(value is None or value != value for value in values):
            raise MarketDataError("a figure is missing", path, row)
        try:
            # a float's shortest text is the decimal that the venue sent
            figures = [number(repr(float(value)), "field") for value in values]
        except (ValueError, TypeError, OverflowError) as error:
            raise MarketDataError(f"not a kline: {error}", path, row) from None
        yield row, opened, *figures
