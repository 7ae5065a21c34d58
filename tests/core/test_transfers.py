"""Transfers: a deposit is no gain and a withdrawal no loss, in whatever order its news come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.records import Transferred
from core.transfers import Transfers
from tests.core.samples import D


def transfer(name: str, amount: int, time_ns: int) -> Transferred:
    return Transferred("binance", "USDT", D(amount), name, time_ns)


def test_a_booking_counts_once_the_wallet_contains_it() -> None:
    transfers = Transfers(100)
    assert transfers.book(transfer("a", 50, 200))
    assert transfers.within(199) == 0
    assert transfers.within(200) == 50


def test_a_booking_counts_once_however_often_it_is_read() -> None:
    transfers = Transfers(100)
    transfers.book(transfer("a", 50, 200))
    assert not transfers.book(transfer("a", 50, 200))
    assert transfers.within(300) == 50


def test_what_the_opening_contains_does_not_count() -> None:
    transfers = Transfers(100)
    assert not transfers.book(transfer("a", 50, 100))
    assert transfers.within(300) == 0


def test_the_streams_word_stands_in_until_the_booking_names_it() -> None:
    transfers = Transfers(100)
    transfers.moved(D(-50))
    assert transfers.awaited and transfers.within(200) == -50
    transfers.book(transfer("a", -50, 205))
    assert not transfers.awaited
    assert transfers.within(200) == -50, "the wallet contained it when the stream told of it"


def test_two_transfers_of_one_amount_are_two() -> None:
    transfers = Transfers(100)
    transfers.moved(D(50))
    transfers.book(transfer("a", 50, 200))
    transfers.book(transfer("b", 50, 300))
    assert (transfers.within(250), transfers.within(300)) == (50, 100)


@given(
    amounts=st.lists(st.integers(-5, 5).filter(bool), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_in_any_order_of_news_the_sum_is_what_was_transferred(
    amounts: list[int], order: object
) -> None:
    transfers = Transfers(0)
    news = [("told", n, amount) for n, amount in enumerate(amounts)]
    news += [("booked", n, amount) for n, amount in enumerate(amounts)]
    order.shuffle(news)  # type: ignore[attr-defined]
    booked: set[int] = set()
    for kind, number, amount in news:
        if kind == "booked":
            booked.add(number)
            transfers.book(transfer(str(number), amount, number + 1))
        elif number not in booked:  # else the wallet that was read contained it already
            transfers.moved(D(amount))
    assert transfers.within(len(amounts) + 1) == sum(amounts)
    assert not transfers.awaited
