"""Which of two feeds of one symbol has stopped."""

from __future__ import annotations

from decimal import Decimal

from core.feeds import Feeds
from core.market import Book
from core.messages import BookSnapshot, Key, Quote

KEY = Key("binance", "BTCUSDT")
ONE = Decimal(1)


def book(update_id: int, bid: int) -> Book:
    made = Book(KEY)
    bids, asks = ((Decimal(bid), ONE),), ((Decimal(bid + 1), ONE),)
    made.apply(BookSnapshot(KEY, update_id, bids, asks, 0))
    return made


def quote(update_id: int, bid: int) -> Quote:
    return Quote(KEY, Decimal(bid), ONE, Decimal(bid + 1), ONE, update_id, 0, 0)


def test_a_feed_that_is_behind_twice_at_the_same_update_has_stopped() -> None:
    for behind, given in (
        ("book", (quote(9, 101), book(5, 100))),
        ("quotes", (quote(5, 101), book(9, 100))),
    ):
        feeds = Feeds()
        assert feeds.stopped(*given) == ""
        assert feeds.stopped(*given) == behind


def test_a_feed_that_is_behind_and_comes_on_has_not_stopped() -> None:
    feeds = Feeds()
    for update_id in range(5, 15):
        assert feeds.stopped(quote(update_id + 4, 101), book(update_id, 100)) == ""


def test_a_feed_that_is_behind_and_shows_the_same_prices_is_as_good_as_the_other() -> None:
    feeds = Feeds()
    for _ in range(5):
        assert feeds.stopped(quote(9, 100), book(5, 100)) == ""


def test_without_a_quote_or_a_whole_book_nobody_is_behind() -> None:
    feeds = Feeds()
    for _ in range(3):
        assert feeds.stopped(None, book(5, 100)) == ""
        assert feeds.stopped(quote(9, 101), Book(KEY)) == ""
