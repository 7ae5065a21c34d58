"""Order book, bars and staleness from single events."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BookCrossed, BookGap
from core.market import BarBuilder, Book, Freshness
from core.messages import BookDelta, BookSnapshot, Key, Trade

KEY = Key("binance", "BTCUSDT")
S = 1_000_000_000


def snapshot(last_id: int = 100) -> BookSnapshot:
    bids = ((D("99.9"), D("2")), (D("100"), D("1")))
    return BookSnapshot(KEY, last_id, bids, ((D("100.1"), D("3")), (D("100.2"), D("4"))), 1)


def delta(first: int, last: int, previous: int, *, bids=(), asks=()) -> BookDelta:
    def levels(rows):
        return tuple((D(price), D(quantity)) for price, quantity in rows)

    return BookDelta(KEY, first, last, previous, levels(bids), levels(asks), last)


@pytest.fixture
def book() -> Book:
    made = Book(KEY)
    made.apply(snapshot())
    return made


def test_a_snapshot_sorts_both_sides(book):
    assert book.best_bid() == (D("100"), D("1"))
    assert book.best_ask() == (D("100.1"), D("3"))
    assert book.top(1) == (((D("100"), D("1")),), ((D("100.1"), D("3")),))
    assert [price for price, _ in book.bids()] == [D("100"), D("99.9")]
    assert book.mid() == D("100.05")


def test_quantities_are_absolute_and_zero_removes(book):
    assert book.apply(delta(100, 101, 99, bids=[("100", "0"), ("99.9", "5")]))
    assert book.best_bid() == (D("99.9"), D("5"))
    assert book.bid_quantity_at(D("100")) == 0


def test_removing_a_level_that_is_not_there_is_normal(book):
    assert book.apply(delta(100, 101, 99, asks=[("150", "0")]))
    assert book.best_ask() == (D("100.1"), D("3"))


def test_a_delta_older_than_the_snapshot_is_dropped(book):
    assert not book.apply(delta(90, 99, 89, bids=[("100", "9")]))
    assert book.best_bid() == (D("100"), D("1"))


def test_the_first_delta_has_to_span_the_snapshot(book):
    with pytest.raises(BookGap, match=r"had 100, got 102\.\.105 after 101"):
        book.apply(delta(102, 105, 101))
    assert not book.synced
    assert book.best_bid() is None


def test_the_first_delta_may_also_follow_the_snapshot_exactly(book):
    assert book.apply(delta(101, 105, 100))


def test_later_deltas_have_to_follow_each_other(book):
    book.apply(delta(95, 105, 94))
    book.apply(delta(107, 110, 105))
    with pytest.raises(BookGap):
        book.apply(delta(112, 115, 111))


def test_a_repeated_delta_changes_nothing(book):
    book.apply(delta(95, 105, 94, bids=[("100", "7")]))
    assert not book.apply(delta(95, 105, 94, bids=[("100", "8")]))
    assert book.best_bid() == (D("100"), D("7"))


def test_deltas_before_the_snapshot_wait_for_it():
    book = Book(KEY)
    assert not book.apply(delta(80, 90, 79, bids=[("50", "1")]))
    assert not book.apply(delta(95, 105, 90, bids=[("100", "6")]))
    assert not book.apply(delta(106, 108, 105, asks=[("100.1", "0")]))
    book.apply(snapshot())
    assert book.last_id == 108
    assert book.best_bid() == (D("100"), D("6"))
    assert book.best_ask() == (D("100.2"), D("4"))
    assert book.bid_quantity_at(D("50")) == 0


def test_after_a_gap_the_late_delta_joins_the_next_snapshot(book):
    with pytest.raises(BookGap):
        book.apply(delta(102, 105, 101, bids=[("100", "8")]))
    book.apply(snapshot(103))
    assert book.synced
    assert book.best_bid() == (D("100"), D("8"))


def test_a_gap_among_waiting_deltas_keeps_the_later_ones_for_the_next_snapshot():
    book = Book(KEY)
    book.apply(delta(95, 105, 94))
    book.apply(delta(111, 115, 110))
    book.apply(delta(116, 120, 115, bids=[("100", "8")]))
    with pytest.raises(BookGap):
        book.apply(snapshot())
    book.apply(snapshot(112))
    assert book.last_id == 120
    assert book.best_bid() == (D("100"), D("8"))


def test_a_crossed_book_is_an_error_and_unsynced(book):
    with pytest.raises(BookCrossed, match=r"bid 100\.1 reached ask 100\.1"):
        book.apply(delta(95, 105, 94, bids=[("100.1", "1")]))
    assert not book.synced


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 3)), min_size=1, max_size=120
    )
)
def test_any_sequence_of_levels_equals_a_plain_dictionary(changes):
    book = Book(KEY)
    book.apply(BookSnapshot(KEY, 0, (), (), 0))
    sides = ({}, {})
    for number, (bid, place, quantity) in enumerate(changes, 1):
        price = D(place) if bid else D(100 + place)
        rows = [(price, D(quantity))]
        book.apply(
            BookDelta(
                KEY, number, number, number - 1, rows if bid else (), () if bid else rows, number
            )
        )
        side = sides[0 if bid else 1]
        side[price] = D(quantity)
        if not quantity:
            del side[price]
    assert list(book.bids()) == sorted(sides[0].items(), reverse=True)
    assert list(book.asks()) == sorted(sides[1].items())


def trade(at_s: float, price: str, quantity: str = "1") -> Trade:
    return Trade(KEY, 1, D(price), D(quantity), True, int(at_s * S))


def test_a_bar_is_emitted_once_when_a_later_trade_ends_it():
    bars = BarBuilder(KEY, [60 * S])
    assert bars.add(trade(1, "10")) == ()
    assert bars.add(trade(30, "12", "2")) == ()
    assert bars.add(trade(59, "9")) == ()
    (bar,) = bars.add(trade(60, "11"))
    assert (bar.open, bar.high, bar.low, bar.close) == (D(10), D(12), D(9), D(9))
    assert (bar.volume, bar.open_ns, bar.closed) == (D(4), 0, True)
    forming = bars.forming(60 * S)
    assert forming is not None
    assert (forming.open, forming.closed) == (D(11), False)


def test_time_closes_a_bar_as_well_and_only_once():
    bars = BarBuilder(KEY, [60 * S])
    bars.add(trade(1, "10"))
    assert bars.advance(59 * S) == ()
    assert [bar.close for bar in bars.advance(60 * S)] == [D(10)]
    assert bars.advance(60 * S) == ()


def test_silent_intervals_give_flat_bars_without_volume():
    bars = BarBuilder(KEY, [60 * S])
    bars.add(trade(1, "10"))
    closed = bars.add(trade(200, "12"))
    assert [(bar.open_ns, bar.open, bar.close, bar.volume) for bar in closed] == [
        (0, D(10), D(10), D(1)),
        (60 * S, D(10), D(10), D(0)),
        (120 * S, D(10), D(10), D(0)),
    ]
    forming = bars.forming(60 * S)
    assert forming is not None
    assert (forming.open, forming.high, forming.low) == (D(12), D(12), D(12))


def test_silent_intervals_give_nothing_where_flat_bars_are_not_wanted():
    bars = BarBuilder(KEY, [60 * S], flat=False)
    bars.add(trade(1, "10"))
    assert [bar.open_ns for bar in bars.add(trade(200, "12"))] == [0]
    assert bars.advance(300 * S)[0].open_ns == 180 * S


def test_a_trade_of_a_closed_bar_is_counted_and_changes_nothing():
    bars = BarBuilder(KEY, [60 * S])
    bars.add(trade(61, "10"))
    assert bars.add(trade(59, "99")) == ()
    assert bars.late == 1
    forming = bars.forming(60 * S)
    assert forming is not None
    assert forming.high == D(10)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=60),
)
def test_long_bars_add_up_from_short_ones(steps):
    bars = BarBuilder(KEY, [5 * S, 20 * S], flat=False)
    at_s, closed = 0, []
    for wait, price in steps:
        at_s += wait
        closed += bars.add(trade(at_s, str(price), str(price)))
    closed += bars.advance((at_s + 20) * S)
    for long in (bar for bar in closed if bar.interval_ns == 20 * S):
        parts = [
            bar
            for bar in closed
            if bar.interval_ns == 5 * S and long.open_ns <= bar.open_ns < long.open_ns + 20 * S
        ]
        assert long.open == parts[0].open
        assert long.close == parts[-1].close
        assert long.high == max(bar.high for bar in parts)
        assert long.low == min(bar.low for bar in parts)
        assert long.volume == sum(bar.volume for bar in parts)
    assert sum(bar.volume for bar in closed if bar.interval_ns == 20 * S) == sum(
        price for _, price in steps
    )


def test_a_feed_is_stale_when_it_was_silent_for_longer_than_its_limit():
    feed = Freshness(limit_ns=10).seen(100)
    assert not feed.stale(110)
    assert feed.stale(111)
    assert feed.seen(90).seen_ns == 100
    assert Freshness(limit_ns=10).stale(11)
