"""Bars from kline archives and feather tables, and what is wrong with those that are wrong."""

from __future__ import annotations

import gzip
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.marketdata import MarketDataError, bar_file_name, read_bars
from core.errors import UsageError

D = Decimal
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded markets at {DATA}")
HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,tb,tq,ignore\n"
ROW = "1769904000000,59.49,59.50,59.42,59.45,1554.932,1769904059999,92449.8,442,1,1,0\n"
NEXT = ROW.replace("1769904000000", "1769904060000")


def write(folder: Path, text: str, name: str = "LTCUSDT-1m-2026-02.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("LTCUSDT-1m-2026-02.csv.gz", ("LTCUSDT", 60)),
        ("BTC_USDT_USDT-5m-futures.feather", ("BTCUSDT", 300)),
        ("1000PEPEUSDT-4h.csv", ("1000PEPEUSDT", 14_400)),
        ("ETHUSDT-1d-2024.csv", ("ETHUSDT", 86_400)),
    ],
)
def test_names_tell_symbol_and_interval(name: str, found: tuple[str, int]) -> None:
    assert bar_file_name(Path(name)) == (found[0], found[1] * 1_000_000_000)


@pytest.mark.parametrize("name", ["btcusdt_20240718.gz", "notes.txt", "BTCUSDT.csv"])
def test_other_names_do_not(name: str) -> None:
    assert bar_file_name(Path(name)) is None


@pytest.mark.parametrize("header", ["", HEADER])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_with_and_without_header_and_compression(tmp_path: Path, header: str, suffix: str) -> None:
    path = write(tmp_path, header + ROW + NEXT, f"LTCUSDT-1m.csv{suffix}")
    first, second = read_bars(path, "binance")
    assert (first.key.symbol, first.open_ns) == ("LTCUSDT", 1_769_904_000_000_000_000)
    assert (first.open, first.high, first.low, first.close, first.volume) == (
        D("59.49"),
        D("59.50"),
        D("59.42"),
        D("59.45"),
        D("1554.932"),
    )
    assert second.open_ns - first.open_ns == first.interval_ns == 60_000_000_000


def test_archives_of_2025_and_later_count_microseconds(tmp_path: Path) -> None:
    path = write(tmp_path, ROW.replace("1769904000000,", "1769904000000000,"))
    assert next(read_bars(path, "binance")).open_ns == 1_769_904_000_000_000_000


@pytest.mark.parametrize(
    "line",
    [
        "1769904060000,59.49,59.50\n",
        NEXT.replace("59.49", "x"),
        NEXT.replace("59.49", "NaN"),
        NEXT.replace("59.42", "59.47"),
        NEXT.replace("59.50", "59.44"),
        NEXT.replace("1554.932", "-1"),
        NEXT.replace("59.42", "0"),
        ROW,
        "1769904060000.5" + NEXT[13:],
    ],
)
def test_a_wrong_bar_is_named_with_its_file_and_line(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, HEADER + ROW + line)
    rows = read_bars(path, "binance")
    next(rows)
    with pytest.raises(MarketDataError) as error:
        next(rows)
    assert error.value.where == f"{path}:3"


def test_a_name_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="symbol and interval"):
        list(read_bars(write(tmp_path, ROW, "bars.csv"), "binance"))


@needs_data
def test_a_recorded_month_is_complete() -> None:
    path = DATA / "owlacar-isda" / "binance-um-klines" / "LTCUSDT-1m-2026-02.csv.gz"
    bars = list(read_bars(path, "binance"))
    assert len(bars) == 28 * 1_440
    assert {later.open_ns - earlier.open_ns for earlier, later in pairwise(bars)} == {
        bars[0].interval_ns
    }


@needs_data
def test_a_feather_table_gives_the_decimals_that_the_venue_sent() -> None:
    pytest.importorskip("pyarrow", reason="feather tables need pyarrow")
    folder = DATA / "typhonun-DcaTpStrategy" / "binance-um"
    bars = list(read_bars(folder / "BTC_USDT_USDT-1m-futures.feather", "binance"))
    assert len(bars) == 43_199
    assert (bars[0].open_ns, bars[0].open, bars[0].volume) == (
        1_746_372_780_000_000_000,
        D("95505.4"),
        D("16.536"),
    )
    assert all(bar.open % D("0.1") == 0 for bar in bars[:2_000])


def test_feather_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path, "x", "BTC_USDT_USDT-1m-futures.feather")
    with pytest.raises(UsageError, match="pip install pyarrow"):
        list(read_bars(path, "binance"))


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="feather tables need pyarrow")
    path = write(tmp_path, "no table", "BTC_USDT_USDT-1m-futures.feather")
    with pytest.raises(MarketDataError, match="cannot read the table"):
        list(read_bars(path, "binance"))
