"""One order's life: the table written out once more, and words of the venue in any order."""

from __future__ import annotations

from itertools import product

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.errors import IllegalTransition
from core.messages import AmendOrder, OrderStatus, OrderType, OrderUpdated
from core.orders import Event, Order, State, adopt, advance, intend, update
from tests.core.samples import D, limit, said

# One row a state, one column an event: the state after it, "." where it is refused.
COLUMNS = "accepted partially_filled filled cancelled expired rejected outcome_unknown proven_gone"
TABLE = """
submitting        new  part filled cancelled expired rejected unknown    .
unknown           new  part filled cancelled expired rejected unknown    gone
new               new  part filled cancelled expired rejected new        .
partially_filled  part part filled cancelled expired .        part       .
filled            filled filled filled . . .                  filled     .
cancelled         cancelled cancelled . cancelled . .         cancelled  .
expired           expired expired . . expired .               expired    .
rejected          rejected . . . . rejected                   rejected   .
gone              . . . . . gone                              gone       gone
"""
EXPECTED = {
    (State(row.split()[0]), Event(event)): after
    for row in TABLE.strip().splitlines()
    for event, after in zip(COLUMNS.split(), row.split()[1:], strict=True)
}


def in_state(state: State) -> Order:
    return evolve(intend(limit(), 5), state=state)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_event_in_every_state_is_legal_or_refused(state: State, event: Event) -> None:
    after = EXPECTED[state, event]
    if after == ".":
        with pytest.raises(IllegalTransition) as refusal:
            advance(in_state(state), event, 9)
        assert (refusal.value.state, refusal.value.event) == (state.value, event.value)
        return
    moved = advance(in_state(state), event, 9)
    assert moved.state.value == after.replace("part", "partially_filled")
    assert moved.at_ns == (5 if moved.state is state else 9)


def test_the_table_above_has_every_state_and_event() -> None:
    assert set(EXPECTED) == set(product(State, Event))


@pytest.mark.parametrize("state", State)
def test_an_ended_order_has_nothing_left_to_fill_or_to_cancel(state: State) -> None:
    order = in_state(state)
    ended = state in ("filled", "cancelled", "expired", "rejected", "gone")
    assert order.state.ended == ended
    assert order.remaining == order.exposed == (0 if ended else 1)
    assert order.state.at_venue == (state in ("new", "partially_filled"))


def test_a_reason_is_kept_from_the_word_that_brought_it() -> None:
    order = advance(intend(limit(), 1), Event.OUTCOME_UNKNOWN, 2, "time-out")
    assert order.reason == "time-out"
    assert advance(order, Event.ACCEPTED, 3).reason == "time-out"
    assert advance(order, Event.REJECTED, 3, "no margin").reason == "no margin"


def test_a_market_order_has_no_price_of_its_own() -> None:
    assert intend(limit(type=OrderType.MARKET, price=None), 1).price == 0


def test_an_order_found_at_the_venue_is_taken_over_as_it_stands() -> None:
    word = said(limit(), OrderStatus.PARTIALLY_FILLED, 8, filled=D("0.4"), quantity=D(2))
    order = adopt(limit(), word)
    assert (order.state, order.filled, order.quantity) == (State.PARTIALLY_FILLED, D("0.4"), 2)
    assert (order.order_id, order.remaining) == ("77", D("1.6"))


# Words in any order

ENDS = [None, OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[OrderUpdated], list[OrderUpdated]]:
    """What a venue says of one order as it lives, and the same words shuffled and repeated."""
    words = [said(limit(), OrderStatus.NEW, 1)]
    last, time_ns = words[0], 1
    end = draw(st.sampled_from(ENDS))
    for _ in range(draw(st.integers(0, 6))):
        time_ns += draw(st.integers(1, 3))
        if draw(st.booleans()):
            quantity = last.filled + draw(st.decimals("0.1", 3, places=1))
            price = draw(st.decimals(90, 110, places=1))
            last = evolve(last, price=price, quantity=quantity, amended=True, event_ns=time_ns)
        elif last.quantity - last.filled > D("0.1"):
            filled = last.filled + draw(st.decimals("0.01", "0.09", places=2))
            last = evolve(last, filled=filled, amended=False, event_ns=time_ns)
            last = evolve(last, status=OrderStatus.PARTIALLY_FILLED)
        words.append(last)
    if end is not None:
        filled = last.quantity if end is OrderStatus.FILLED else last.filled
        words.append(evolve(last, status=end, filled=filled, amended=False, event_ns=time_ns + 1))
    repeated = words + draw(st.lists(st.sampled_from(words), max_size=6))
    return words, draw(st.permutations(repeated))


def figures(order: Order) -> tuple[object, ...]:
    return (order.state, order.filled, order.price, order.quantity, order.order_id, order.exposed)


@given(lives())
def test_the_venue_s_words_in_any_order_and_repeated_end_in_the_same_order(
    life: tuple[list[OrderUpdated], list[OrderUpdated]],
) -> None:
    told, shuffled = life
    straight, mixed = intend(limit(), 0), intend(limit(), 0)
    for word in told:
        straight = update(straight, word)
    for word in shuffled:
        before, mixed = mixed.filled, update(mixed, word)
        assert mixed.filled >= before
    assert figures(mixed) == figures(straight)
    assert {update(mixed, word) == mixed for word in told} <= {True}


def amendment(price: str = "101", quantity: str = "2") -> AmendOrder:
    order = limit()
    return AmendOrder(
        order.key, order.client_order_id, "", order.side, order.position_side, D(price), D(quantity)
    )


def open_order() -> Order:
    return update(intend(limit(), 0), said(limit(), OrderStatus.NEW, 10))


def amended_word(event_ns: int, price: str = "101", quantity: str = "2") -> OrderUpdated:
    word = said(limit(), OrderStatus.NEW, event_ns)
    return evolve(word, price=D(price), quantity=D(quantity), amended=True)


def test_an_amendment_on_its_way_counts_with_the_larger_quantity() -> None:
    growing = evolve(open_order(), amending=amendment(quantity="2"), filled=D("0.5"))
    shrinking = evolve(open_order(), amending=amendment(quantity="0.6"), filled=D("0.5"))
    assert (growing.exposed, growing.remaining) == (D("1.5"), D("0.5"))
    assert shrinking.exposed == D("0.5")


def test_an_amendment_has_arrived_with_the_word_that_brings_its_terms() -> None:
    order = update(evolve(open_order(), amending=amendment()), amended_word(11))
    assert (order.amending, order.price, order.quantity) == (None, 101, 2)


def test_a_word_of_before_the_amendment_does_not_put_the_old_terms_back() -> None:
    order = update(update(open_order(), amended_word(11)), said(limit(), OrderStatus.NEW, 10))
    assert (order.price, order.quantity) == (101, 2)


def test_a_late_word_on_the_last_amendment_does_not_end_the_next() -> None:
    first, again = amended_word(11), amendment("102", "3")
    order = evolve(update(open_order(), first), amending=again)
    assert update(order, first).amending == again
    assert update(order, first).exposed == 3


def test_a_fill_while_an_amendment_is_on_its_way_does_not_end_it() -> None:
    order = evolve(open_order(), amending=amendment())
    word = said(limit(), OrderStatus.PARTIALLY_FILLED, 12, filled=D("0.3"))
    assert update(order, word).amending == amendment()


def test_of_two_words_of_one_instant_the_amended_one_stands() -> None:
    plain, amended = said(limit(), OrderStatus.NEW, 11), amended_word(11)
    there = update(update(intend(limit(), 0), plain), amended)
    back = update(update(intend(limit(), 0), amended), plain)
    assert (there.price, there.quantity) == (back.price, back.quantity) == (101, 2)


def test_a_word_that_comes_twice_brings_no_terms_of_its_instant_back() -> None:
    """Day 48 of the simulation."""
    first, second = amended_word(11), amended_word(11, "102", "3")
    order = update(evolve(open_order(), amending=amendment()), first)
    order = update(evolve(order, amending=amendment("102", "3")), second)
    assert (order.amending, order.price, order.quantity) == (None, 102, 3)
    for again in (first, second, first):
        order = update(order, again)
        assert (order.price, order.quantity) == (102, 3)
    later = update(order, amended_word(12))
    assert (later.price, later.quantity, later.replaced) == (101, 2, ())


def test_an_amendment_of_the_instant_of_another_counts_though_none_is_known_on_its_way() -> None:
    order = update(open_order(), amended_word(11))
    order = update(order, amended_word(11, "102", "3"))
    assert (order.price, order.quantity) == (102, 3)


def test_an_amendment_on_its_way_is_not_settled_by_a_word_that_comes_twice() -> None:
    order = open_order()
    for word in (amended_word(11), amended_word(11, "102", "3")):
        order = update(order, word)
    back = evolve(order, amending=amendment())
    assert update(back, amended_word(11)) == back
    assert back.exposed == 3


def test_a_fired_stop_keeps_the_id_of_the_order_it_became() -> None:
    before, after = said(limit(), OrderStatus.NEW, 10), said(limit(), OrderStatus.NEW, 12)
    order = update(adopt(limit(), before), evolve(after, order_id="child"))
    assert update(order, before).order_id == "child"
    assert update(order, evolve(after, order_id="", event_ns=13)).order_id == "child"


def test_what_filled_cannot_have_been_rejected() -> None:
    filled = said(limit(), OrderStatus.PARTIALLY_FILLED, 11, filled=D("0.1"))
    rejected = said(limit(), OrderStatus.REJECTED, 12)
    with pytest.raises(IllegalTransition):
        update(update(open_order(), filled), rejected)
    with pytest.raises(IllegalTransition):
        update(update(open_order(), rejected), filled)


def test_a_word_on_an_order_that_was_proven_gone_is_no_silent_correction() -> None:
    unknown = advance(intend(limit(), 0), Event.OUTCOME_UNKNOWN, 1)
    gone = advance(unknown, Event.PROVEN_GONE, 2)
    with pytest.raises(IllegalTransition, match="gone and cannot take accepted"):
        update(gone, said(limit(), OrderStatus.NEW, 3))
