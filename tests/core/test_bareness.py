"""Since when a side lacks stops of its size, folded from the journal."""

from __future__ import annotations

from attrs import evolve

from core.messages import (
    OrderStatus,
    OrderType,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Purpose,
    Side,
)
from core.ports import Record
from core.records import BooksOpened, OrderIntended
from core.symbol_book import SymbolBook
from tests.core.test_symbol_book import KEY, D, fill, order, said

LONG = PositionSide.LONG


def stop(sequence: int, quantity: str = "3", **changes: object) -> PlaceOrder:
    return order(
        sequence,
        type=OrderType.STOP_MARKET,
        side=Side.SELL,
        quantity=D(quantity),
        price=None,
        trigger_price=D(90),
        purpose=Purpose.PROTECT,
        **changes,
    )


def book(*payloads: object) -> SymbolBook:
    folded = SymbolBook(KEY, "h1")
    folded.replay(Record(payload, 1_000 + n, KEY) for n, payload in enumerate(payloads))
    return folded


ENTRY = order(0)
STOP, SECOND = stop(1), stop(2)
OPENED = OrderIntended(ENTRY), fill(ENTRY, "3", at_ns=20)
WORKS = OrderIntended(STOP), said(STOP, at_ns=25)


def test_a_side_is_bare_since_its_fill_until_a_stop_of_its_size_works() -> None:
    assert book(*OPENED).bareness.since_ns == {LONG: 20}
    assert book(*OPENED, OrderIntended(STOP)).bareness.since_ns == {LONG: 20}
    assert book(*OPENED, *WORKS).bareness.since_ns == {}


def test_a_side_that_grows_beyond_its_stop_is_bare_since_it_grew() -> None:
    more = order(5)
    grown = book(*OPENED, *WORKS, OrderIntended(more), fill(more, "1", 2, at_ns=40))
    assert grown.bareness.since_ns == {LONG: 40}


def test_a_side_is_bare_since_its_last_stop_ended_by_the_venue_s_time() -> None:
    ended = said(STOP, OrderStatus.CANCELLED, at_ns=60)
    assert book(*OPENED, *WORKS, ended).bareness.since_ns == {LONG: 60}
    second = OrderIntended(SECOND), said(SECOND, at_ns=50)
    assert book(*OPENED, *WORKS, *second, ended).bareness.since_ns == {}


def test_what_happens_while_it_is_bare_does_not_begin_that_anew() -> None:
    more = order(5)
    also = OrderIntended(more), fill(more, "1", 2, at_ns=40)
    lost = OrderIntended(SECOND), said(SECOND, OrderStatus.CANCELLED, at_ns=70)
    assert book(*OPENED, *also, *lost).bareness.since_ns == {LONG: 20}


def test_a_flat_side_is_not_bare() -> None:
    out = evolve(order(6), side=Side.SELL, purpose=Purpose.CLOSE)
    assert book(*OPENED, fill(out, "3", 2, at_ns=40)).bareness.since_ns == {}


def test_a_stop_of_the_wrong_direction_or_side_covers_nothing() -> None:
    for wrong in ({"side": Side.BUY}, {"position_side": PositionSide.SHORT}):
        odd = evolve(stop(3), **wrong)
        assert book(*OPENED, said(odd, at_ns=30)).bareness.since_ns[LONG] == 20


def test_what_the_books_were_opened_with_is_bare_since_then() -> None:
    held = PositionReported(KEY, LONG, D(3), D(100), 5)
    opened = BooksOpened(KEY.venue, "USDT", D(100), (held,), 15)
    assert book(opened).bareness.since_ns == {LONG: 15}
