"""Order diff: the fewest calls from what is there to what should be, each price once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import evolve

from core.messages import AmendOrder, PositionSide, Purpose, Side
from core.orders import Order, State, intend
from core.strategies.order_diff import Asked, Difference, Slot, diff
from tests.core.samples import D, limit


def slot(price: str, quantity: str = "1") -> Slot:
    return Slot(Side.BUY, PositionSide.LONG, Purpose.ENTRY, D(price), D(quantity))


def order(name: str, price: str, state: State = State.NEW, **changes: Any) -> Order:
    return evolve(intend(limit(name, price=price), 0), state=state, **changes)


def amending(name: str, price: str, quantity: str = "1") -> AmendOrder:
    command = limit(name)
    return AmendOrder(
        command.key, name, "", command.side, command.position_side, D(price), D(quantity)
    )


def look(orders: list[Order], wanted: list[Slot], **changes: Any) -> Difference:
    prices = {one.price for one in wanted}
    fields: dict[str, Any] = {
        "sent": [],
        "amended": {},
        "cancelled": (),
        "keep": lambda price, remaining: price in prices,
        "may_place": lambda one: True,
        "room": D(100),
        "single": False,
    }
    return diff(orders, wanted=wanted, **(fields | changes))


def todo(found: Difference) -> tuple[list[Decimal], list[tuple[str, Decimal]], list[str]]:
    return (
        [one.price for one in found.place],
        [(moved.id, to.price) for moved, to in found.amend],
        [one.id for one in found.cancel],
    )


def test_nothing_is_done_where_every_slot_has_its_order() -> None:
    found = look([order("a", "99"), order("b", "98")], [slot("99"), slot("98")])
    assert found == Difference((), (), (), waiting=False)


def test_missing_orders_are_placed_moved_ones_amended_and_surplus_ones_cancelled() -> None:
    assert todo(look([], [slot("99"), slot("98")])) == ([99, 98], [], [])
    assert todo(look([order("a", "97")], [slot("99"), slot("98")])) == ([98], [("a", 99)], [])
    assert todo(look([order("a", "97"), order("b", "96")], [slot("99")])) == (
        [],
        [("a", 99)],
        ["b"],
    )


def test_what_was_sent_is_not_sent_again() -> None:
    found = look([], [slot("99")], sent=[slot("99")])
    assert todo(found) == ([], [], []) and found.waiting


def test_an_order_without_an_answer_holds_its_slot_and_is_not_moved() -> None:
    for state in (State.SUBMITTING, State.UNKNOWN):
        assert todo(look([order("a", "99", state)], [slot("99")])) == ([], [], [])
        found = look([order("a", "97", state)], [slot("99")])
        assert todo(found) == ([99], [], []) and found.waiting


def test_an_amendment_that_was_asked_for_counts_as_done() -> None:
    asked = {"a": Asked(slot("99"), D(1))}
    found = look([order("a", "97")], [slot("99")], amended=asked)
    assert todo(found) == ([], [], []) and not found.waiting
    found = look([order("a", "97")], [slot("98")], amended=asked)
    assert todo(found) == ([98], [], []) and found.waiting


def test_an_amendment_that_the_owner_knows_of_counts_as_done() -> None:
    moving = order("a", "97", amending=amending("a", "99"))
    assert todo(look([moving], [slot("99")])) == ([], [], [])


def test_what_an_amended_order_will_have_left_is_its_new_total_less_what_filled() -> None:
    seen = []
    look(
        [order("a", "97", filled=D("0.25"))],
        [slot("99")],
        amended={"a": Asked(slot("99"), D("1.5"))},
        keep=lambda price, remaining: seen.append((price, remaining)) or True,
    )
    assert seen == [(99, D("1.25"))]


def test_an_order_on_its_way_out_keeps_its_price_until_it_is_gone() -> None:
    leaving = order("a", "99", cancel_requested=True)
    for orders, cancelled in (([leaving], ()), ([order("a", "99")], ("a",))):
        found = look(orders, [slot("99")], cancelled=cancelled)
        assert todo(found) == ([], [], []) and found.waiting


def test_of_two_orders_at_one_price_the_second_goes() -> None:
    twice = [order("a", "99"), order("b", "99")]
    assert todo(look(twice, [slot("99")])) == ([], [], ["b"])
    assert todo(look(twice, [slot("99"), slot("98")])) == ([], [("b", 98)], [])


def test_a_slot_that_is_blocked_waits_and_its_order_stays() -> None:
    found = look([order("a", "97")], [slot("99")], may_place=lambda one: False)
    assert todo(found) == ([], [], []) and found.waiting


def test_new_orders_keep_to_the_room_that_is_left() -> None:
    wanted = [slot("99"), slot("98"), slot("97")]
    assert todo(look([], wanted, room=D(2)))[0] == [99, 98]
    assert todo(look([], wanted, room=D("1.5")))[0] == [99, 98]
    assert todo(look([], wanted, room=D("1.4")))[0] == [99]
    assert todo(look([], wanted, room=D(-1)))[0] == []


def test_an_order_that_is_moved_grows_only_into_the_room_that_is_left() -> None:
    part = order("a", "97", filled=D("0.4"))
    moved = [
        look([part], [slot("99")], room=D(r)).amend[0][1].quantity for r in ("0.4", "0.3", "-1")
    ]
    assert moved == [D(1), D("0.6"), D("0.6")]
    shrunk = look([order("a", "97")], [slot("99", "0.5")], room=D(0)).amend[0][1].quantity
    assert shrunk == D("0.5")


def test_a_single_slot_is_never_filled_beside_an_order_that_is_there() -> None:
    waiting = order("a", "97", State.UNKNOWN)
    found = look([waiting], [slot("99")], single=True)
    assert todo(found) == ([], [], []) and found.waiting
    assert todo(look([], [slot("99")], sent=[slot("97")], single=True)) == ([], [], [])
    assert todo(look([order("a", "97")], [slot("99")], single=True)) == ([], [("a", 99)], [])


def test_a_single_slot_keeps_one_of_two_orders_that_would_do() -> None:
    both = [order("a", "99"), order("b", "98")]
    found = look(both, [slot("99")], single=True, keep=lambda price, remaining: True)
    assert todo(found) == ([], [], ["b"])


def test_an_order_larger_than_its_place_allows_is_cancelled_and_holds_its_price_until_then() -> (
    None
):
    found = look([order("a", "99")], [slot("99", "0.5")], sizes={D(99): D("0.5")})
    assert todo(found) == ([], [], ["a"])
    blocked = {"may_place": lambda one: False, "sizes": {D(99): D("0.5")}}
    assert todo(look([order("a", "99")], [slot("99", "0.5")], **blocked)) == ([], [], ["a"])


def test_a_large_order_that_is_on_its_way_is_waited_for() -> None:
    asked = {"a": Asked(slot("99"), D(1))}
    found = look([order("a", "97")], [slot("99")], amended=asked, sizes={D(99): D("0.5")})
    assert todo(found) == ([], [], []) and found.waiting


def test_a_small_order_grows_into_the_room_that_is_left_or_stays_as_it_is() -> None:
    wanted, small = [slot("99", "3")], {D(99): D(3)}
    found = look([order("a", "99")], wanted, sizes=small, room=D(2))
    assert [(one.id, to.quantity) for one, to in found.amend] == [("a", 3)]
    assert todo(look([order("a", "99")], wanted, sizes=small, room=D("1.9"))) == ([], [], [])
    filled = order("a", "99", State.PARTIALLY_FILLED, filled=D("0.5"))
    assert todo(look([filled], wanted, sizes=small)) == ([], [], [])
    blocked = look([order("a", "99")], wanted, sizes=small, may_place=lambda one: False)
    assert todo(blocked) == ([], [], []) and blocked.waiting


def test_there_are_never_more_orders_than_places_however_small_they_are() -> None:
    wanted, sizes = [slot("99", "3")], {D(99): D(3)}
    moving = order("a", "97", amending=amending("a", "98"))
    assert todo(look([moving], wanted, room=D(2))) == ([99], [], [])
    assert todo(look([moving], wanted, room=D(2), sizes=sizes)) == ([], [], [])
    assert todo(look([], wanted, room=D(2), sizes=sizes, sent=[slot("98")])) == ([], [], [])
