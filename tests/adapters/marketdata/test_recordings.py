"""Raw stream recordings become market events; the real ones rebuild their own best quotes."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.marketdata import MarketDataError, read_recording
from core.market import Book
from core.messages import BookDelta, BookSnapshot, Key, MarkPrice, Quote, Trade

D = Decimal
RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "hftbacktest" / "usdm"
needs_recordings = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"no recorded sessions at {RECORDED}"
)
SESSIONS = [
    ("btcusdt_20240718.gz", "btcusdt_20240719.gz"),
    ("btcusdt_20230404.dat.gz",),
]
BTC = Key("binance", "BTCUSDT")


def stamped(*frames: str, stamp: str = "1721347020984480942") -> bytes:
    return "".join(f"{stamp} {frame}\n" for frame in frames).encode()


def wrapped(stream: str, data: str) -> str:
    return f'{{"stream":"btcusdt@{stream}","data":{{"s":"BTCUSDT",{data}}}}}'


TRADE = wrapped("trade", '"e":"trade","E":9,"T":8,"t":7,"p":"63943.90","q":"0.003","m":true')
QUOTE = wrapped("bookTicker", '"u":5,"b":"1.0","B":"2","a":"1.1","A":"3","T":6,"E":7')


def write(folder: Path, content: bytes, name: str = "session.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@needs_recordings
@pytest.mark.parametrize("session", SESSIONS, ids=lambda names: names[0])
def test_the_rebuilt_book_equals_the_recorded_best_quote_after_every_diff(
    session: tuple[str, ...],
) -> None:
    book = Book(BTC)
    quotes: list[Quote] = []
    checked = place = 0
    deltas = []
    for _, event in read_recording([RECORDED / name for name in session], "binance"):
        match event:
            case Quote():
                quotes.append(event)
            case BookSnapshot():
                book.apply(event)
            case BookDelta():
                if book.apply(event):
                    deltas.append((event.last_id, book.best_bid(), book.best_ask()))
            case _:
                pass
    quotes.sort(key=lambda quote: quote.update_id)
    for last_id, bid, ask in deltas:
        while place + 1 < len(quotes) and quotes[place + 1].update_id <= last_id:
            place += 1
        best = quotes[place]
        if best.update_id > last_id:
            continue
        assert bid == (best.bid, best.bid_quantity)
        assert ask == (best.ask, best.ask_quantity)
        checked += 1
    assert checked > 4_000 and checked >= len(deltas) - 5


@needs_recordings
def test_the_recorded_trades_are_consecutive_and_the_marks_carry_funding() -> None:
    events = [
        event for _, event in read_recording([RECORDED / "btcusdt_20230404.dat.gz"], "binance")
    ]
    numbers = [event.trade_id for event in events if isinstance(event, Trade)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    marks = [event for event in events if isinstance(event, MarkPrice)]
    assert marks[0].mark == D("28147.27373413")
    assert marks[0].next_funding_ns == 1_680_652_800_000_000_000


def test_prints_that_are_no_trades_of_the_market_are_left_out(tmp_path: Path) -> None:
    fund = TRADE.replace('"m":true', '"m":true,"X":"INSURANCE_FUND"')
    path = write(tmp_path, stamped(TRADE, fund, TRADE.replace('"t":7', '"t":8')))
    assert [event.trade_id for _, event in read_recording([path], "binance")] == [7, 8]  # type: ignore[union-attr]


def test_microseconds_and_nanoseconds_are_told_apart(tmp_path: Path) -> None:
    nanoseconds = write(tmp_path, stamped(TRADE), "a.txt")
    microseconds = write(tmp_path, stamped(TRADE, stamp="1680652700423575"), "b.txt")
    times = [at for at, _ in read_recording([nanoseconds, microseconds], "binance")]
    assert times == [1_721_347_020_984_480_942, 1_680_652_700_423_575_000]


def test_aggregate_trades_count_where_there_are_no_raw_ones(tmp_path: Path) -> None:
    total = wrapped(
        "aggTrade", '"e":"aggTrade","E":9,"T":8,"a":3,"f":5,"l":6,"p":"2","q":"1","m":false'
    )
    only = write(tmp_path, stamped(total), "a.txt")
    both = write(tmp_path, stamped(TRADE, total), "b.txt")
    assert [event.trade_id for _, event in read_recording([only], "binance")] == [6]  # type: ignore[union-attr]
    assert [event.trade_id for _, event in read_recording([both], "binance")] == [7]  # type: ignore[union-attr]


def test_streams_without_meaning_for_the_market_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, stamped(wrapped("forceOrder", '"e":"forceOrder"'), QUOTE))
    (row,) = read_recording([path], "binance")
    assert isinstance(row[1], Quote) and row[1].ask == D("1.1")


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"1721347020984480942",
        b"1721347020984480942 {",
        b'1721347020984480942 {"channel":"l2Book"}',
        b"x " + TRADE.encode(),
        stamped(TRADE.replace('"63943.90"', '"much"')).strip(),
        stamped(TRADE)[:-20],
        b"\xff\xfe\x00",
    ],
)
def test_a_malformed_line_is_named_with_its_file_and_number(tmp_path: Path, line: bytes) -> None:
    path = write(tmp_path, stamped(TRADE, QUOTE) + line + b"\n")
    rows = read_recording([path], "binance")
    next(rows), next(rows)
    with pytest.raises(MarketDataError) as error:
        next(rows)
    assert error.value.where == f"{path}:3"
    assert "\n" not in str(error.value)


def test_a_file_cut_off_in_its_compression_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(stamped(*[TRADE.replace('"t":7', f'"t":{n}') for n in range(5_000)]))
    path = write(tmp_path, packed[: len(packed) // 2], "cut.gz")
    with pytest.raises(MarketDataError) as error:
        list(read_recording([path], "binance"))
    assert error.value.path == path and error.value.line > 1


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gz", write(tmp_path, b"", "empty.gz")):
        with pytest.raises(MarketDataError, match=path.name):
            list(read_recording([path], "binance"))
