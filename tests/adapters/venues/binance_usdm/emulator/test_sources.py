"""Markets of the local exchange: paced by the clock, dated now, silent when over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.marketdata import MarketDataError
from adapters.venues.binance_usdm.emulator import catalogue
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from adapters.venues.binance_usdm.emulator.sources import (
    ReplaySource,
    SyntheticSource,
    open_source,
    with_marks,
)
from core.errors import UsageError
from core.exchange.markets import SyntheticSettings
from core.market import Book
from core.messages import (
    BookDelta,
    BookSnapshot,
    Key,
    MarketEvent,
    MarkPrice,
    Quote,
    Trade,
)

D = Decimal
BTC = Key("binance", "BTCUSDT")
SECOND = 1_000_000_000
THEN = 1_600_000_000 * SECOND
NOW = 1_790_000_000 * SECOND


def trade(number: int, second: float) -> tuple[int, MarketEvent]:
    at_ns = THEN + int(second * SECOND)
    return at_ns, Trade(BTC, number, D(100), D(1), False, at_ns)


def quote(second: float, bid: int = 100) -> tuple[int, MarketEvent]:
    at_ns = THEN + int(second * SECOND)
    return at_ns, Quote(BTC, D(bid), D(1), D(bid + 2), D(1), 5, at_ns, at_ns)


def replay(*events: tuple[int, MarketEvent], speed: float = 1.0) -> ReplaySource:
    return ReplaySource(iter(events), speed, {})


def test_a_replay_keeps_the_pace_of_the_recording_times_its_speed() -> None:
    source = replay(trade(1, 0), trade(2, 1), trade(3, 4), speed=2.0)
    assert [event.event_ns for event in source.opening(NOW)] == [NOW]
    assert source.due(NOW + SECOND // 4) == []
    (second,) = source.due(NOW + SECOND // 2)
    assert second.event_ns == NOW + SECOND // 2
    assert source.due(NOW + SECOND) == [] and not source.over
    (third,) = source.due(NOW + 3 * SECOND)
    assert third.event_ns == NOW + 2 * SECOND
    assert source.over and source.due(NOW + 100 * SECOND) == []


def test_a_replay_opens_with_the_first_book_and_what_came_before_it() -> None:
    snapshot = BookSnapshot(BTC, 7, ((D(1), D(1)),), ((D(2), D(1)),), THEN + SECOND)
    source = replay(trade(1, 0), (THEN + SECOND, snapshot), trade(2, 3))
    first, book = source.opening(NOW)
    assert isinstance(book, BookSnapshot)
    assert (first.event_ns, book.event_ns) == (NOW - SECOND, NOW)
    assert [event.event_ns for event in source.due(NOW + 2 * SECOND)] == [NOW + 2 * SECOND]


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        replay().opening(NOW)


def test_a_recording_that_breaks_off_plays_up_to_the_break_and_tells() -> None:
    def broken() -> Iterator[tuple[int, MarketEvent]]:
        yield trade(1, 0)
        yield trade(2, 1)
        raise MarketDataError("cut off", Path("x.gz"), 3)

    source = ReplaySource(broken(), 1.0, {})
    with pytest.raises(MarketDataError):
        source.opening(NOW)  # within what is read before the start

    def later() -> Iterator[tuple[int, MarketEvent]]:
        yield from (trade(number, number / 1_000) for number in range(6_000))
        raise MarketDataError("cut off", Path("x.gz"), 6_001)

    source = ReplaySource(later(), 1.0, {})
    source.opening(NOW)
    seen = 0
    while not source.over:
        seen += len(source.due(NOW + 60 * SECOND))
    assert seen == 5_999
    failure = source.take_failure()
    assert failure is not None and failure.line == 6_001
    assert source.take_failure() is None


def test_what_is_due_comes_in_bounded_portions() -> None:
    source = replay(*(trade(number, 0) for number in range(5_000)))
    source.opening(NOW)
    sizes = [len(source.due(NOW)) for _ in range(4)]
    assert sum(sizes) == 4_999 and max(sizes) <= 2_000


def test_funding_times_move_with_the_market() -> None:
    mark = MarkPrice(BTC, D(100), D(100), D("0.0003"), THEN + 100 * SECOND, THEN)
    none = MarkPrice(BTC, D(100), D(100), D(0), 0, THEN)
    first = replay((THEN, mark), speed=10).opening(NOW)[0]
    assert isinstance(first, MarkPrice)
    assert (first.next_funding_ns, first.funding_rate) == (NOW + 10 * SECOND, D("0.0003"))
    second = replay((THEN, none)).opening(NOW)[0]
    assert isinstance(second, MarkPrice)
    assert second.next_funding_ns % (8 * 3_600 * SECOND) == 0
    assert NOW < second.next_funding_ns <= NOW + 8 * 3_600 * SECOND


def test_a_recording_without_marks_gets_the_middle_once_a_second() -> None:
    rows = list(with_marks(iter([quote(0), quote(0.5, 110), quote(1.2, 120), trade(1, 1.3)])))
    marks = [event.mark for _, event in rows if isinstance(event, MarkPrice)]
    assert marks == [D(101), D(121)]
    own = (THEN, MarkPrice(BTC, D(7), D(7), D(0), 0, THEN))
    rows = list(with_marks(iter([own, quote(0), quote(5)])))
    assert [event.mark for _, event in rows if isinstance(event, MarkPrice)] == [D(7)]


def synthetic(seed: int = 1, speed: float = 1.0) -> SyntheticSource:
    rows = {symbol: catalogue.listing("binance", symbol) for symbol in ("BTCUSDT", "DOGEUSDT")}
    prices = {symbol: row.start_price for symbol, row in rows.items()}
    return SyntheticSource(rows, prices, seed, speed)


def test_a_synthetic_market_is_the_seeds_alone() -> None:
    def play(seed: int) -> list[MarketEvent]:
        source = synthetic(seed)
        return source.opening(NOW) + source.due(NOW + 5 * SECOND)

    assert play(1) == play(1) != play(2)


def test_a_jump_moves_one_price_at_once() -> None:
    def last_bids(bps: int) -> dict[Key, D]:
        source = synthetic()
        source.opening(NOW)
        source.shift("BTCUSDT", bps)
        quotes = [one for one in source.due(NOW + SECOND) if isinstance(one, Quote)]
        return {quote.key: quote.bid for quote in quotes}

    calm, moved = last_bids(0), last_bids(-400)
    other = next(key for key in calm if key != BTC)
    assert moved[other] == calm[other]
    assert D("0.955") < moved[BTC] / calm[BTC] < D("0.965")


def test_a_synthetic_book_has_no_gap_and_its_quote_is_its_best() -> None:
    source = synthetic()
    book = Book(BTC)
    quotes = deltas = 0
    for event in source.opening(NOW) + source.due(NOW + 8 * SECOND):
        if event.key != BTC:
            continue
        match event:
            case BookSnapshot() | BookDelta():
                assert book.apply(event)
                deltas += 1
            case Quote():
                best_bid, best_ask = book.best_bid(), book.best_ask()
                assert best_bid == (event.bid, event.bid_quantity)
                assert best_ask == (event.ask, event.ask_quantity)
                quotes += 1
            case _:
                pass
    assert quotes == deltas == 81


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ids_go_on_rising_over_a_restart_whatever_the_seed(seed: int) -> None:
    def ids(seed: int, now_ns: int) -> tuple[list[int], list[int]]:
        source = synthetic(seed)
        events = source.opening(now_ns) + source.due(now_ns + SECOND)
        own = [event for event in events if event.key == BTC]
        return (
            [event.last_id for event in own if isinstance(event, BookDelta)],
            [event.trade_id for event in own if isinstance(event, Trade)],
        )

    for before, after in zip(ids(1, NOW), ids(seed, NOW + 2 * SECOND), strict=True):
        assert before and max(before) < min(after)


def test_speed_makes_more_market_in_the_same_time() -> None:
    slow, fast = synthetic(), synthetic(speed=4)
    counts = []
    for source in (slow, fast):
        source.opening(NOW)
        counts.append(sum(isinstance(e, Quote) for e in source.due(NOW + 2 * SECOND)))
    assert counts[1] == 4 * counts[0]


def test_a_long_sleep_is_not_made_up_for() -> None:
    source = synthetic()
    source.opening(NOW)
    step_ns = SyntheticSettings().step_ns
    events = source.due(NOW + 3_600 * SECOND)
    assert sum(isinstance(event, Quote) for event in events) <= 4
    later = source.due(NOW + 3_600 * SECOND + 2 * step_ns)
    assert all(event.event_ns > NOW + 3_599 * SECOND for event in later if isinstance(event, Quote))


def test_bars_are_played_after_their_past_with_a_book_around_each_quote(tmp_path: Path) -> None:
    rows = []
    for minute in range(40):
        price = 60 + minute % 5
        opened = 1_769_904_000_000 + minute * 60_000
        rows.append(f"{opened},{price},{price + 1},{price - 1},{price + 0.5},1000,0,0,1,1,1,0")
    path = tmp_path / "LTCUSDT-1m-2026.csv"
    path.write_text("\n".join(rows))
    source, listings = open_source(ExchangeOptions(market=str(path)), {})
    assert list(listings) == ["LTCUSDT"]
    assert len(source.past()["LTCUSDT"]) == 20
    events = source.opening(NOW) + source.due(NOW + 60 * SECOND)
    book = Book(Key("binance", "LTCUSDT"))
    for before, event in pairwise(events):
        if isinstance(event, Quote):
            assert isinstance(before, BookSnapshot)
            book.apply(before)
            assert book.best_bid() == (event.bid, event.bid_quantity)
            assert before.last_id == event.update_id
    assert sum(isinstance(event, Trade) for event in events) >= 30
    assert any(isinstance(event, MarkPrice) for event in events)


def test_files_that_cannot_be_played_are_named(tmp_path: Path) -> None:
    def refused(market: str) -> str:
        with pytest.raises(UsageError) as error:
            open_source(ExchangeOptions(market=market), {})
        return str(error.value)

    assert "nowhere.gz" in refused("nowhere.gz")
    empty = tmp_path / "LTCUSDT-1m.csv"
    empty.write_text("")
    assert str(empty) in refused(str(empty))
    row = "1769904000000,60,61,59,60.5,1,0,0,1,1,1,0\n"
    (tmp_path / "LTCUSDT-1m-b.csv").write_text(row)
    (tmp_path / "LTCUSDT-1m-a.csv").write_text(row)
    both = f"{tmp_path / 'LTCUSDT-1m-a.csv'},{tmp_path / 'LTCUSDT-1m-b.csv'}"
    assert "not in order" in refused(both)
    other = tmp_path / "session.txt"
    frame = {"stream": "btcusdt@forceOrder", "data": {"e": "forceOrder"}}
    other.write_text(f"1721347020984480942 {json.dumps(frame)}\n")
    assert "no quote or trade" in refused(str(other))


def test_symbols_that_the_account_knows_stay_listed_at_their_last_price() -> None:
    options = ExchangeOptions(symbols=("BTCUSDT",))
    _, listings = open_source(options, {"NEWUSDT": D("0.0123"), "BTCUSDT": D(50_000)})
    assert list(listings) == ["BTCUSDT", "NEWUSDT"]
    assert listings["BTCUSDT"].start_price == 50_000
