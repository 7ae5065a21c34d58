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
    assert book.next_sequence("grid") == 3


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


@pytest.mark.parametrize(
    ("known_s", "asked_s", "counts"),
    [(7.9, 9, False), (9, 7.9, False), (8, 8, True), (-3, 100, False), (100, -3, False)],
)
def test_not_found_counts_after_the_last_instant_by_both_clocks(
    known_s: float, asked_s: float, counts: bool
) -> None:
    assert RULE.counts(int(known_s * SECOND_NS), int(asked_s * SECOND_NS)) is counts
