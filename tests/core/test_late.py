"""A book that was built while records waited for the disk takes them in once they are written."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from core.late import take_in_late
from core.messages import Fill, OrderStatus, PositionSide, Purpose, Side
from core.orders import State
from core.ports import Record
from core.records import OrderIntended, StopTightened
from core.symbol_book import SymbolBook
from tests.core.test_symbol_book import KEY, fill, name, order, record, said

LONG = PositionSide.LONG


@pytest.fixture
def book() -> SymbolBook:
    return SymbolBook(KEY, "h1")


def of(sequence: int, payload: object) -> Record:
    return Record(payload, 5, KEY, name(sequence))


def tightened(trigger: int) -> Record:
    return record(StopTightened(KEY, LONG, D(trigger), "the market falls"))


def bought(number: int) -> Record:
    return of(1, fill(order(1), "3", number))


def sold(number: int) -> Record:
    return of(2, fill(order(2, side=Side.SELL), "3", number))


def take_in(book: SymbolBook, late: list[Record]) -> tuple[str, ...]:
    """Let the book know all fills, as from the venue; then take in what was written late."""
    for each in late:
        if isinstance(each.payload, Fill):
            book.fill(each.payload)
    return take_in_late(book, late, 7)


def test_an_order_without_an_outcome_is_of_unknown_outcome(book: SymbolBook) -> None:
    assert take_in(book, [of(1, OrderIntended(order(1)))]) == (name(1),)
    assert book.live[name(1)].state is State.UNKNOWN
    assert book.next_sequence("grid") == 2


def test_an_order_that_ended_meanwhile_has_ended(book: SymbolBook) -> None:
    cancelled = said(order(1), OrderStatus.CANCELLED)
    take_in(book, [of(1, OrderIntended(order(1))), of(1, cancelled)])
    assert not book.live
    assert book.ended[name(1)].state is State.CANCELLED


def test_an_order_that_is_known_stays_as_it_is(book: SymbolBook) -> None:
    book.intend(order(1), 5)
    book.said(said(order(1)))
    before = book.live[name(1)]
    assert take_in(book, [of(1, OrderIntended(order(1)))]) == ()
    assert book.live[name(1)] is before


@pytest.mark.parametrize("status", [OrderStatus.NEW, OrderStatus.FILLED])
def test_an_order_taken_over_from_the_venue_is_known_by_its_command(
    status: OrderStatus, book: SymbolBook
) -> None:
    """Seed 2 of the days."""
    command = order(1, purpose=Purpose.TAKE_PROFIT, bot="grid", reduce_only=True)
    book.said(said(command, status))
    adopted = book.find(name(1))
    assert adopted is not None and adopted.command != command
    take_in(book, [of(1, OrderIntended(command))])
    known = book.find(name(1))
    assert known is not None and known.command == command
    assert known.state is State("new" if status is OrderStatus.NEW else "filled")


@pytest.mark.parametrize(
    ("late", "stands"),
    [
        ([bought(1), tightened(90)], 90),
        ([bought(1), tightened(90), tightened(95)], 95),
        ([bought(1), tightened(90), sold(2)], None),
        ([bought(1), tightened(90), sold(2), bought(3)], None),
        ([bought(1), sold(2), bought(3), tightened(90)], 90),
        ([bought(1), tightened(90), bought(1)], 90),
        ([bought(1), tightened(90), sold(2), bought(3), sold(2), bought(3)], None),
    ],
    ids=["held", "twice", "flat", "opened anew", "after", "told twice", "all told twice"],
)
def test_a_stop_stays_tightened_until_its_side_was_flat(
    late: list[Record], stands: int | None, book: SymbolBook
) -> None:
    take_in(book, late)
    assert book.tightened == ({} if stands is None else {LONG: D(stands)})
    folded = SymbolBook(KEY, "h1")
    folded.take_in(late)
    assert folded.tightened == book.tightened, "as who reads the journal has it"
