"""One symbol's orders and positions, kept by their single writer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from core.errors import IllegalTransition
from core.evidence import ProofRule
from core.ids import make
from core.messages import (
    Fill,
    Key,
    OrderRefused,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Purpose,
    Side,
)
from core.orders import Event, State
from core.ports import Record
from core.records import BooksOpened, OrderGone, OrderIntended, Reconciled
from core.symbol_book import SymbolBook

D = Decimal
KEY = Key("binance", "BTCUSDT")
SECOND_NS = 1_000_000_000


def name(sequence: int, bot: str = "grid") -> str:
    return make("h1", bot, KEY.symbol, sequence)


def order(sequence: int = 0, **changes: object) -> PlaceOrder:
    made = PlaceOrder(
        KEY, name(sequence), Side.BUY, PositionSide.LONG, OrderType.LIMIT, D(3), price=D(100)
    )
    return evolve(made, **changes)


def said(
    command: PlaceOrder, status: OrderStatus = OrderStatus.NEW, at_ns: int = 10, filled: str = "0"
) -> OrderUpdated:
    return OrderUpdated(
        KEY,
        command.client_order_id,
        "77",
        command.side,
        command.position_side,
        command.type,
        status,
        command.price or D(0),
        command.quantity,
        D(filled),
        at_ns,
        command.trigger_price or D(0),
    )


def fill(command: PlaceOrder, quantity: str, number: int = 1, at_ns: int = 20) -> Fill:
    return Fill(
        KEY,
        str(number),
        "77",
        command.client_order_id,
        command.side,
        command.position_side,
        D(100),
        D(quantity),
        D(0),
        "USDT",
        True,
        at_ns,
    )


def record(payload: object, at_ns: int = 5) -> Record:
    return Record(payload, at_ns, KEY)


@pytest.fixture
def book() -> SymbolBook:
    return SymbolBook(KEY, "h1")


def test_an_id_is_never_used_twice(book: SymbolBook) -> None:
    book.intend(order(0), 1)
    book.intend(order(4), 1)
    with pytest.raises(IllegalTransition, match="second placement"):
        book.intend(order(0), 2)
    with pytest.raises(IllegalTransition, match="forgotten"):
        book.intend(order(3), 2)
    assert book.next_sequence("grid") == 5


def test_what_filled_without_its_fill_still_counts_as_exposure(book: SymbolBook) -> None:
    command = order()
    book.intend(command, 1)
    book.said(said(command, OrderStatus.PARTIALLY_FILLED, filled="1"))
    assert book.owing == {command.client_order_id}
    assert [working.remaining for working in book.working(D(100))] == [D(3)]
    book.said(said(command, OrderStatus.FILLED, 11, "3"))
    assert not book.live
    assert [working.remaining for working in book.working(D(100))] == [D(3)]
    book.fill(fill(command, "2"))
    assert [working.remaining for working in book.working(D(100))] == [D(1)]
    book.fill(fill(command, "1", 2))
    assert not book.owing
    assert not book.working(D(100))


def test_a_fill_that_came_leaves_only_the_rest_as_exposure(book: SymbolBook) -> None:
    command = order()
    book.intend(command, 1)
    book.said(said(command, OrderStatus.PARTIALLY_FILLED, filled="1"))
    assert [working.remaining for working in book.working(D(100))] == [D(3)]
    book.fill(fill(command, "1"))
    assert [working.remaining for working in book.working(D(100))] == [D(2)]
    assert [working.remaining for working in book.working(D(100))] == [D(2)]


def test_a_fill_before_its_order_owes_nothing(book: SymbolBook) -> None:
    command = order()
    book.intend(command, 1)
    book.fill(fill(command, "3"))
    book.said(said(command, OrderStatus.FILLED, filled="3"))
    assert not book.owing


def test_a_comparison_that_agreed_settles_what_is_owed(book: SymbolBook) -> None:
    command = order()
    book.intend(command, 1)
    book.said(said(command, OrderStatus.FILLED, filled="3"))
    book.settle_owing()
    assert not book.owing
    assert not book.working(D(100))


def test_an_unknown_order_of_ours_is_taken_over_by_its_id(book: SymbolBook) -> None:
    stop = order(2, type=OrderType.STOP_MARKET, price=None, trigger_price=D(90), side=Side.SELL)
    taken = book.said(said(stop))
    assert taken is not None
    assert taken.command.purpose is Purpose.PROTECT
    assert taken.state is State.NEW
    assert book.next_sequence("grid") > 1_000, "others behind it may have been used too"


def test_an_order_of_another_program_is_only_remembered(book: SymbolBook) -> None:
    foreign = said(order(client_order_id="web_abc"))
    assert book.would_change(foreign)
    assert book.said(foreign) is None
    assert not book.would_change(foreign)
    assert not book.live


def test_the_venues_word_stands_and_keeps_what_the_order_was_for(book: SymbolBook) -> None:
    command = order(purpose=Purpose.TAKE_PROFIT)
    book.intend(command, 1)
    book.note(command.client_order_id, Event.OUTCOME_UNKNOWN, 2)
    book.note(command.client_order_id, Event.PROVEN_GONE, 3)
    with pytest.raises(IllegalTransition):
        book.would_change(said(command))
    book.force(said(command))
    assert book.live[command.client_order_id].state is State.NEW
    assert book.live[command.client_order_id].command.purpose is Purpose.TAKE_PROFIT


def test_replay_leaves_unanswered_orders_unknown_and_skips_ids(book: SymbolBook) -> None:
    first, second, third = order(0), order(1), order(2)
    book.replay(
        [
            record(BooksOpened("binance", "USDT", D(1_000), (), 1)),
            record(OrderIntended(first)),
            record(OrderIntended(second)),
            record(OrderIntended(third)),
            record(said(second)),
            record(OrderGone(KEY, third.client_order_id, "proof")),
        ],
        now_ns=60 * SECOND_NS,
    )
    states = {sequence: book.find(name(sequence)) for sequence in range(3)}
    assert [each.state for each in states.values() if each] == [
        State.UNKNOWN,
        State.NEW,
        State.GONE,
    ]
    assert book.next_sequence("grid") > 500, "ids that a broken journal hides are not used again"
    assert book.next_sequence("stop") > 500


def test_replay_in_parts_is_replay(book: SymbolBook) -> None:
    commands = [order(number) for number in range(6)]
    records = [record(OrderIntended(command)) for command in commands]
    records += [record(said(command)) for command in commands[:3]]
    records += [record(fill(commands[0], "1")), record(fill(commands[0], "1"))]
    records += [record(OrderRefused(KEY, name(5), "amend", RuntimeError()))]  # type: ignore[arg-type]
    whole = SymbolBook(KEY, "h1")
    whole.replay(records)
    for each in records:
        assert book.take_in([each]) == 1
    book.end_replay(0)
    assert book.live == whole.live
    assert book.positions.of(PositionSide.LONG) == whole.positions.of(PositionSide.LONG)
    assert book.positions.of(PositionSide.LONG).quantity == D(1)


def test_a_bot_that_the_journal_does_not_know_begins_anywhere(book: SymbolBook) -> None:
    book.end_replay(50 * SECOND_NS)
    assert book.next_sequence("grid") == 500
    book.said(said(order(3)))
    assert book.next_sequence("grid") == 500, "an older order of it takes nothing back"


def test_ids_behind_a_fill_of_an_order_that_the_journal_lost_are_left_out(book: SymbolBook) -> None:
    book.replay([record(OrderIntended(order(3)))])
    known = book.next_sequence("grid")
    book.fill(fill(order(known - 1), "1"))
    assert book.next_sequence("grid") == known, "one of its own takes nothing away"
    book.fill(fill(order(known + 20), "1", number=2))
    assert book.next_sequence("grid") > known + 1_000


def test_ids_behind_orders_that_the_journal_lost_are_left_out(book: SymbolBook) -> None:
    book.replay([record(OrderIntended(order(3)))])
    known = book.next_sequence("grid")
    book.sequences.skip([name(known + 20)], 7 * SECOND_NS)
    assert book.next_sequence("grid") == known + 20 + 1 + 71


def test_only_a_comparison_that_agreed_moves_the_instant_up_to_which_fills_are_known(
    book: SymbolBook,
) -> None:
    hour_ns = 3600 * SECOND_NS
    known = record(fill(order(), "1", at_ns=20))
    book.replay([known, record(Reconciled(KEY, ("a fill was missing",)), hour_ns)])
    assert not book.verified_ns
    book.replay([known, record(Reconciled(KEY), hour_ns)])
    assert book.verified_ns == 20, "by the venue's clock, whatever ours says"


def test_fills_up_to_the_opening_are_contained_in_it(book: SymbolBook) -> None:
    book.replay([record(BooksOpened("binance", "USDT", D(1_000), (), 30))])
    assert book.fill(fill(order(), "1", at_ns=30)) is None
    assert book.fill(fill(order(), "1", at_ns=31)) is not None


RULE = ProofRule(2 * SECOND_NS, 5 * SECOND_NS)


@pytest.mark.parametrize(("asked_s", "counts"), [(-3, False), (7.9, False), (8, True), (9, True)])
def test_not_found_counts_after_the_last_instant(asked_s: float, counts: bool) -> None:
    assert RULE.counts(int(asked_s * SECOND_NS)) is counts


def sizes(book: SymbolBook) -> dict[str, int]:
    return {what: len(held) for what, held in vars(book).items() if hasattr(held, "__len__")}


def test_however_many_orders_end_what_is_remembered_of_them_stays_as_large() -> None:
    book, found = SymbolBook(KEY, "h1"), []
    for sequence in range(6_000):
        placed = order(sequence)
        book.intend(placed, 1)
        book.said(said(placed))
        book.fill(fill(placed, "3", number=sequence))
        book.said(said(placed, OrderStatus.FILLED, 30, "3"))
        stranger = order(sequence, client_order_id=f"theirs-{sequence}")
        book.said(said(stranger, OrderStatus.CANCELLED))
        if sequence % 10 == 0:
            book.view(1)
            book.working(D(100))
        if sequence in (2_999, 5_999):
            found.append(sizes(book))
    assert found[0] == found[1]
    assert max(found[1].values()) <= 2_000


def test_a_strangers_order_that_is_open_is_not_forgotten(book: SymbolBook) -> None:
    book.said(said(order(client_order_id="theirs")))
    for number in range(2_500):
        stranger = order(client_order_id=f"theirs-{number}")
        book.said(said(stranger, OrderStatus.CANCELLED))
    assert "theirs" in book.foreign
    assert len(book.foreign) == 2_000


def test_a_doubt_about_old_fills_lasts_until_they_were_read_again(book: SymbolBook) -> None:
    book.opened_ns = 1_000
    book.compared(9_000)
    assert book.unproven_ns(500) == 8_500
    book.doubt(0)
    assert book.unproven_ns(500) == 8_500
    book.doubt(4_000)
    book.doubt(6_000)
    assert book.unproven_ns(500) == 4_000
    book.compared(9_500, 8_500)  # an answer that was on its way
    assert book.unproven_ns(500) == 4_000
    book.compared(9_600, 4_000)
    assert book.unproven_ns(500) == 9_100
    book.doubt(1)
    assert book.unproven_ns(500) == 1_000, "what came before the books is in their opening"
