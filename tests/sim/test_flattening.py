"""Flatten and reduce: in slices, through every trouble, done only when the venue says so. B20."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from actors import names
from actors.messages.risk import Compared, CompareNow, Flatten, FlattenTold, ReducePosition
from actors.runtime import Actor, ChildSpec, SupervisorSpec
from core.errors import Rejected
from core.messages import (
    BookSnapshot,
    Key,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Purpose,
)
from core.risk.gate import Approved
from core.risk.proposal import Refusal
from tests.sim.house import House
from tests.sim.settling import position_stops
from tests.sim.test_protection import held, still, stops
from tests.sim.test_whole_host import entries
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS, Sent

ASKER = "asker"


class Asker(Actor):
    """Keeps what it is told."""

    told: list[FlattenTold]

    def starting(self) -> None:
        self.told = []
        self.ready()

    def handle(self, message: object) -> None:
        assert isinstance(message, FlattenTold)
        self.told.append(message)


def beside(tree: SupervisorSpec) -> SupervisorSpec:
    """Put an asker beside the host."""
    return SupervisorSpec("test", (ChildSpec(ASKER, Asker), tree))


def holding(seed: int, **changes: object) -> House:
    """Return a host that holds something in a market that stands still, with an asker."""
    return still(seed, adapt=beside, **changes)


def told(house: House) -> list[FlattenTold]:
    return house.actor(ASKER, Asker).told


def flatten(house: House, within_s: float = 20.0) -> FlattenTold:
    """Order a flatten and return its last word."""
    key = house.world.keys[0]
    house.runtime.tell(names.position(key), Flatten("an emergency", ASKER))
    for _ in range(int(within_s * 20)):
        house.run(0.05)
        if told(house) and told(house)[-1].done:
            return told(house)[-1]
    raise AssertionError(house.tail())


def closing(house: House, since: int = 0) -> list[PlaceOrder]:
    """Return the host's own closing orders as they reached the exchange."""
    sent: list[Sent] = house.world.sent[since:]
    found = [s.order for s in sent if s.order.purpose is Purpose.CLOSE]
    return [order for order in found if isinstance(order, PlaceOrder)]


@pytest.mark.parametrize("seed", range(4))
def test_done_means_that_the_venue_holds_nothing_and_no_order_is_left(seed: int) -> None:
    house = holding(seed)
    answer = flatten(house)
    assert answer == FlattenTold(house.world.keys[0], True)
    exchange = house.world.exchange
    assert not held(house)
    assert not exchange.open_orders() and not exchange.open_conditionals()
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_stops_stay_until_the_venue_says_flat() -> None:
    """By our own count all is closed; the venue cannot be read for a while."""
    house = holding(1)
    before = stops(house)
    house.world.faults.rates["read"] = 1.0
    key = house.world.keys[0]
    house.runtime.tell(names.position(key), Flatten("an emergency", ASKER))
    house.run(5)
    assert not any(position.quantity for position in house.position().book.positions)
    assert stops(house) == before
    assert not told(house)[-1].done
    house.world.faults.rates.clear()
    house.run(5)
    assert not stops(house)
    assert told(house)[-1] == FlattenTold(key, True)


def test_a_book_that_carries_it_takes_it_in_one_order_at_the_bound() -> None:
    house = holding(1)
    (side, quantity), *_ = held(house).items()
    before = len(house.world.sent)
    flatten(house)
    order = next(each for each in closing(house, before) if each.position_side is side)
    assert order.type is OrderType.LIMIT and order.quantity == abs(quantity)
    assert order.price is not None


def test_a_thin_book_is_taken_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    house = holding(1)
    whole = SimVenue.book

    def thin(venue: SimVenue, key: Key, depth: int) -> BookSnapshot:
        book = whole(venue, key, depth)
        size = Decimal("0.004")
        bids, asks = ((side[0][0], size) for side in (book.bids, book.asks))
        return BookSnapshot(key, book.last_id, (bids,), (asks,), book.event_ns)

    monkeypatch.setattr(SimVenue, "book", thin)
    lots = sum(abs(quantity) for quantity in held(house).values()) * 1000
    before = len(house.world.sent)
    flatten(house)
    quantities = [order.quantity for order in closing(house, before)]
    assert quantities == [Decimal("0.001")] * int(lots) and lots > 1


def test_without_a_book_it_goes_at_the_market() -> None:
    house = holding(1)
    house.world.faults.rates["book"] = 1.0
    before = len(house.world.sent)
    flatten(house)
    assert {order.type for order in closing(house, before)} == {OrderType.MARKET}


def test_a_book_that_nobody_answers_with_is_not_waited_for() -> None:
    house = holding(1)
    house.runtime.hang(names.reads_lane("binance"), 4 * SECOND_NS)
    before = len(house.world.sent)
    flatten(house)
    assert {order.type for order in closing(house, before)} == {OrderType.MARKET}
    assert house.said("closing without a book: none came in time")


@pytest.mark.parametrize("fate", ["rejected", "rate_limited", "unreachable", "clock_rejected"])
def test_slices_that_are_refused_are_followed_by_others(fate: str) -> None:
    house = holding(2)
    house.world.faults.script("place", fate, fate, fate)
    assert flatten(house).left == ()
    assert not held(house)


@pytest.mark.parametrize("fate", ["unknown_before", "unknown_after", "unknown_late"])
def test_slices_of_unknown_outcome_keep_nobody_from_being_flat(fate: str) -> None:
    house = holding(3)
    house.world.faults.script("place", fate, fate)
    assert flatten(house, 31).left == ()
    assert not held(house)
    house.quiesce(60)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("seed", range(8))
def test_under_any_trouble_it_ends_flat_or_says_truly_what_is_left(seed: int) -> None:
    house = holding(seed)
    house.world.frozen.clear()
    house.world.faults.rates = dict.fromkeys(
        ("place", "cancel", "order", "read", "book", "stops"), 0.3
    )
    house.world.faults.frame_loss = 0.2
    answer = flatten(house, 40)
    if house.position().synced and answer.left != ("the venue has not confirmed yet",):
        assert all(any(side.value in left for left in answer.left) for side in held(house))
    assert answer.left or not held(house)


def test_an_answer_in_time_names_what_is_left_and_the_work_goes_on() -> None:
    house = holding(1, execution={"flatten_within_s": 4.0})
    house.world.faults.unreachable = True
    answer = flatten(house)
    sides = {side.value for side in held(house)}
    assert {word.split()[0] for word in answer.left} >= sides
    assert len(told(house)) == 4, "once a second, the last one done"
    house.world.faults.unreachable = False
    house.run(15)
    assert told(house)[4:] == [FlattenTold(house.world.keys[0], True)], "at last, and once"
    assert not held(house), house.tail()


def test_nothing_is_opened_and_no_take_profit_is_placed_meanwhile() -> None:
    house = holding(1)
    house.world.frozen.clear()
    before = len(house.world.sent)
    house.world.faults.script("place", *["rejected"] * 6)
    flatten(house)
    purposes = {sent.order.purpose for sent in house.world.sent[before:]}
    assert purposes == {Purpose.CLOSE}
    house.run(3)
    assert entries(house), "and trading goes on where risk lets it"


def no_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the venue refuse every closing order of the host's own."""
    place = SimVenue.place

    def refuse(venue: SimVenue, order: Approved[PlaceOrder]) -> OrderUpdated:
        if order.command.purpose is Purpose.CLOSE:
            raise Rejected("no", venue="binance")
        return place(venue, order)

    monkeypatch.setattr(SimVenue, "place", refuse)


def test_a_flatten_that_was_answered_is_called_off_when_risk_opens_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = holding(1, execution={"flatten_within_s": 3.0})
    no_closes(monkeypatch)
    house.world.frozen.clear()
    before = len(house.world.sent)
    assert flatten(house).left
    assert len(house.world.sent) == before, "nothing is opened while it is under way"
    house.run(3)
    assert house.said("no longer closing everything: trading goes on")
    assert not house.position().flattening.under_way
    assert entries(house)
    house.world.frozen = set(house.world.keys)
    house.run(1)
    position_stops(house)


def test_slices_that_risk_refuses_are_proposed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = holding(1)
    gate = house.risk().risk
    place, refused = gate.place, []

    def refuse(order: PlaceOrder, *clocks: int) -> Approved[PlaceOrder] | Refusal:
        if order.purpose is Purpose.CLOSE and len(refused) < 3:
            refused.append(order.client_order_id)
            return Refusal("test", Decimal(0), Decimal(0), "", "not now")
        return place(order, *clocks)

    monkeypatch.setattr(gate, "place", refuse)
    assert flatten(house).left == ()
    assert len(refused) == 3
    assert not held(house)


def test_a_side_with_nobody_to_trade_with_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = holding(1)
    whole, empty = SimVenue.book, []

    def nobody(venue: SimVenue, key: Key, depth: int) -> BookSnapshot:
        book = whole(venue, key, depth)
        if len(empty) < 3:
            empty.append(book)
            return BookSnapshot(key, book.last_id, (), (), book.event_ns)
        return book

    monkeypatch.setattr(SimVenue, "book", nobody)
    before = len(house.world.sent)
    assert flatten(house).left == ()
    assert {order.type for order in closing(house, before)} == {OrderType.LIMIT}


def test_a_position_that_only_the_venue_knows_of_is_closed_too() -> None:
    """Our own count says flat; a fill that no frame told of says otherwise."""
    house = holding(1)
    key = house.world.keys[0]
    side = next(iter(held(house)))
    sides = house.position().book.positions._sides
    sides[side] = evolve(sides[side], quantity=Decimal(0))
    house.runtime.tell(names.position(key), Flatten("an emergency", ASKER))
    house.run(0.1)
    assert held(house) and not told(house)
    house.run(5)
    assert not held(house)
    assert told(house)[-1] == FlattenTold(key, True)


# Reducing


def test_a_part_of_a_side_is_closed_and_the_rest_stays_protected() -> None:
    house = holding(1)
    key = house.world.keys[0]
    (side, quantity), *_ = held(house).items()
    half = abs(quantity) / 2
    order = ReducePosition(key, side, half, "liquidation is near")
    house.runtime.tell(names.position(key), order)
    house.run(3)
    lot = Decimal("0.001")
    assert abs(held(house)[side]) == (abs(quantity) - half) // lot * lot
    position_stops(house)
    assert house.said("reducing the")


def test_a_part_of_unknown_outcome_is_closed_once() -> None:
    house = holding(1)
    key = house.world.keys[0]
    (side, quantity), *_ = held(house).items()
    house.world.faults.script("place", "unknown_late")
    order = ReducePosition(key, side, Decimal("0.001"), "liquidation is near")
    house.runtime.tell(names.position(key), order)
    house.run(25)
    assert abs(held(house)[side]) == abs(quantity) - Decimal("0.001")


def test_a_part_of_a_flat_side_is_nothing() -> None:
    house = holding(1)
    key = house.world.keys[0]
    flat = next(side for side in PositionSide if side not in held(house))
    before = len(house.world.sent)
    house.runtime.tell(names.position(key), ReducePosition(key, flat, Decimal(1), "?"))
    house.run(3)
    assert not closing(house, before)


# Comparing on demand


def test_an_answer_to_compare_now_was_read_after_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = holding(1)
    position, key = house.position(), house.world.keys[0]
    answers: list[object] = []
    tell = position.tell

    def hear(to: str, message: object) -> None:
        if isinstance(message, Compared):
            answers.append((to, message))
        tell(to, message)

    monkeypatch.setattr(position, "tell", hear)
    house.runtime.tell(position.name, CompareNow(7))
    house.run(0.5)
    seven, eight = ((names.RISK, Compared(key, token)) for token in (7, 8))
    assert answers == [seven]
    house.world.faults.unreachable = True
    house.runtime.tell(position.name, CompareNow(8))
    house.run(5)
    assert answers == [seven]
    house.world.faults.unreachable = False
    house.run(5)
    assert answers == [seven, eight]
