"""Ids of fills are forgotten once none of their time can be new; nothing counts twice for it."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.fill_ids import FillIds
from core.messages import Fill
from core.ports import Record
from core.records import Reconciled, SymbolOpened
from core.symbol_book import SymbolBook
from core.wallets import Wallets
from tests.core.samples import BTC, D
from tests.core.test_books import OPENED, fill

DAY_NS = 86_400 * 1_000_000_000
HOUR_NS = DAY_NS // 24


def at(number: int, time_ns: int) -> Fill:
    return evolve(fill(number, "0.001", "100"), time_ns=time_ns)


def ids(of: FillIds) -> set[str]:
    return set().union(*of._days.values())


@given(st.lists(st.integers(0, 10 * DAY_NS), max_size=40), st.integers(0, 10 * DAY_NS))
def test_a_fill_that_was_taken_stays_known_whatever_is_forgotten(
    times: list[int], until_ns: int
) -> None:
    fills = [at(number, time_ns) for number, time_ns in enumerate(times)]
    known = FillIds()
    for each in fills:
        known.add(each)
    known.compared(until_ns)
    assert all(known.knows(each) for each in fills)
    assert known.count == len(fills)
    kept = {each.fill_id for each in fills if each.time_ns >= until_ns - DAY_NS}
    assert ids(known) >= kept, "those of the day before the comparison are told apart by id"
    young = {each.fill_id for each in fills if each.time_ns >= until_ns - 2 * DAY_NS}
    assert ids(known) <= young, "and none is kept for more than two"


def test_a_new_fill_of_a_time_without_comparison_is_no_known_one() -> None:
    known = FillIds()
    known.add(at(1, DAY_NS))
    assert not known.knows(at(2, DAY_NS))
    known.compared(DAY_NS)
    assert not known.knows(at(2, DAY_NS - 1))


def test_a_year_of_fills_keeps_the_ids_of_two_days_in_book_and_wallets() -> None:
    book, wallets = SymbolBook(BTC, "host1"), Wallets()
    wallets.open(OPENED)
    wallets.know(SymbolOpened(BTC, "USDT"))
    most = 0
    for number in range(1, 365 * 24):
        one = at(number, number * HOUR_NS)
        book.take_in([Record(one, one.time_ns)])
        assert wallets.take(one)
        book.take_in([Record(Reconciled(BTC), one.time_ns + 1)])
        wallets.compared(BTC, one.time_ns + 1)
        wallets.settle(one.time_ns - HOUR_NS)
        seen = book.positions.seen
        most = max(most, len(ids(seen)), len(ids(wallets._symbols[BTC].seen)))
    assert most <= 48
    assert seen.count == 365 * 24 - 1
    held = book.positions.of(at(1, 1).position_side).quantity
    for number in (1, 24 * 180, 365 * 24 - 1):
        again = at(number, number * HOUR_NS)
        assert book.fill(again) is None and not wallets.take(again)
    assert book.positions.of(at(1, 1).position_side).quantity == held == D("0.001") * seen.count


def test_a_clock_of_ours_that_is_far_ahead_forgets_nothing() -> None:
    book = SymbolBook(BTC, "host1")
    book.fill(at(1, DAY_NS))
    book.compared(400 * DAY_NS)
    assert book.fill(at(2, DAY_NS + 1)) is not None
    assert book.fill(at(1, DAY_NS)) is None


def test_a_fill_of_a_time_far_ahead_does_not_make_others_known() -> None:
    book = SymbolBook(BTC, "host1")
    book.fill(at(1, 400 * DAY_NS))
    book.compared(5 * DAY_NS)
    assert book.fill(at(2, 5 * DAY_NS)) is not None
    again = SymbolBook(BTC, "host1")
    again.take_in([Record(at(1, 400 * DAY_NS), 5 * DAY_NS), Record(Reconciled(BTC), 5 * DAY_NS)])
    assert again.fill(at(2, 5 * DAY_NS)) is not None


def test_two_days_without_a_comparison_lose_no_fill_of_them() -> None:
    book = SymbolBook(BTC, "host1")
    book.fill(at(1, DAY_NS))
    book.compared(DAY_NS + 1)
    for number in range(2, 50):  # read in order at the first comparison after it
        assert book.fill(at(number, DAY_NS + number * HOUR_NS)) is not None
    assert book.fill(at(99, DAY_NS + 2)) is not None
