"""One order's life: every legal transition in one table; the rest is refused."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import evolve, frozen

from core.errors import IllegalTransition
from core.messages import (
    AmendOrder,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    Purpose,
    TimeInForce,
)
from core.money import ZERO

__all__ = ["LEGAL", "Event", "Order", "State", "adopt", "advance", "guess", "intend", "update"]


class State(StrEnum):
    """What we have evidence for.

    SUBMITTING: on its way, no answer yet. UNKNOWN: an answer is missing; the order may be open.
    GONE: proven never to have reached the venue.
    """

    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    GONE = "gone"

    @property
    def ended(self) -> bool:
        return self in _ENDED

    @property
    def at_venue(self) -> bool:
        """Whether the venue said that it is open."""
        return self in (State.NEW, State.PARTIALLY_FILLED)


class Event(StrEnum):
    """What can be learnt of an order."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    OUTCOME_UNKNOWN = "outcome_unknown"
    PROVEN_GONE = "proven_gone"


_ENDED = (State.FILLED, State.CANCELLED, State.EXPIRED, State.REJECTED, State.GONE)


def _table() -> dict[tuple[State, Event], State]:
    said = {
        Event.PARTIALLY_FILLED: State.PARTIALLY_FILLED,
        Event.FILLED: State.FILLED,
        Event.CANCELLED: State.CANCELLED,
        Event.EXPIRED: State.EXPIRED,
        Event.REJECTED: State.REJECTED,
    }
    table: dict[tuple[State, Event], State] = {}
    for state in (State.SUBMITTING, State.UNKNOWN, State.NEW, State.PARTIALLY_FILLED):
        table |= {(state, event): after for event, after in said.items()}
        table[state, Event.ACCEPTED] = State.NEW
        table[state, Event.OUTCOME_UNKNOWN] = state
    table[State.SUBMITTING, Event.OUTCOME_UNKNOWN] = State.UNKNOWN
    table[State.UNKNOWN, Event.PROVEN_GONE] = State.GONE
    # Streams and answers overtake each other: older news changes nothing.
    table[State.PARTIALLY_FILLED, Event.ACCEPTED] = State.PARTIALLY_FILLED
    for state in (State.FILLED, State.CANCELLED, State.EXPIRED, State.REJECTED):
        for event in (Event.ACCEPTED, Event.PARTIALLY_FILLED, Event.OUTCOME_UNKNOWN):
            table[state, event] = state
        table[state, Event(state.value)] = state
    for event in (Event.PROVEN_GONE, Event.REJECTED, Event.OUTCOME_UNKNOWN):
        table[State.GONE, event] = State.GONE
    # What filled was not rejected: one of the two words is wrong, and the venue has to be asked.
    del table[State.PARTIALLY_FILLED, Event.REJECTED]
    del table[State.REJECTED, Event.PARTIALLY_FILLED]
    return table


LEGAL = _table()
"""(state, event) → state after it. What is not here is illegal."""

_SAID = {
    OrderStatus.NEW: Event.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED: Event.PARTIALLY_FILLED,
    OrderStatus.FILLED: Event.FILLED,
    OrderStatus.CANCELLED: Event.CANCELLED,
    OrderStatus.REJECTED: Event.REJECTED,
    OrderStatus.EXPIRED: Event.EXPIRED,
}


@frozen(slots=True)
class Order:
    """One of our orders.

    `quantity` and `price` are the present ones (amendments change them), `filled` cumulative.
    `at_ns` is when the state last changed, `tries` how often an unknown outcome was asked about.
    `terms_ns` is the venue's time of the word that price and quantity were taken from, `replaced`
    are the terms, price and quantity, that others of that same instant took the place of.
    """

    command: PlaceOrder
    state: State
    price: Decimal
    quantity: Decimal
    filled: Decimal = ZERO
    order_id: str = ""
    at_ns: int = 0
    cancel_requested: bool = False
    amending: AmendOrder | None = None
    tries: int = 0
    reason: str = ""
    terms_ns: int = 0
    replaced: tuple[tuple[Decimal, Decimal], ...] = ()

    @property
    def id(self) -> str:
        return self.command.client_order_id

    @property
    def remaining(self) -> Decimal:
        """What can still fill, 0 once ended."""
        return ZERO if self.state.ended else max(self.quantity - self.filled, ZERO)

    @property
    def exposed(self) -> Decimal:
        """What may still fill at worst: during an amendment the larger of the two quantities."""
        if self.state.ended:
            return ZERO
        most = max(self.quantity, self.amending.quantity) if self.amending else self.quantity
        return max(most - self.filled, ZERO)


def intend(command: PlaceOrder, now_ns: int) -> Order:
    """Open the life of an order that is about to be sent."""
    price = command.price if command.price is not None else ZERO
    return Order(command, State.SUBMITTING, price, command.quantity, at_ns=now_ns)


def adopt(command: PlaceOrder, said: OrderUpdated) -> Order:
    """Take over an order found at the venue under one of our ids."""
    return update(intend(command, said.event_ns), said)


def guess(said: OrderUpdated) -> PlaceOrder:
    """Guess the command behind an order of ours that the journal does not hold."""
    purpose = Purpose.ENTRY
    if said.type.conditional:
        purpose = Purpose.PROTECT
    command = PlaceOrder(
        said.key,
        said.client_order_id,
        said.side,
        said.position_side,
        said.type,
        said.quantity,
        price=said.price or None,
        trigger_price=said.trigger_price or None,
        time_in_force=TimeInForce.GTC,
        reduce_only=said.reduce_only,
        purpose=purpose,
    )
    if purpose is Purpose.ENTRY and command.closing:
        market = said.type is OrderType.MARKET
        return evolve(command, purpose=Purpose.CLOSE if market else Purpose.TAKE_PROFIT)
    return command


def advance(order: Order, event: Event, now_ns: int, reason: str = "") -> Order:
    """Move the order along the table. Errors: `IllegalTransition`."""
    state = _after(order, event)
    if state is order.state:
        return order
    return evolve(order, state=state, at_ns=now_ns, reason=reason or order.reason)


def _after(order: Order, event: Event) -> State:
    try:
        return LEGAL[order.state, event]
    except KeyError:
        raise IllegalTransition(order.id, order.state.value, event.value) from None


def update(order: Order, said: OrderUpdated) -> Order:
    """Take the venue's word in. Filled quantities never shrink; older news changes nothing.

    Price and quantity are those of the latest word by the venue's time; of two words of one
    instant, the one after an amendment, unless its terms were replaced within that instant: it is
    one that came twice. An amendment on its way has arrived when a word brings its terms.
    Errors: `IllegalTransition`.
    """
    state = _after(order, _SAID[said.status])
    later = said.event_ns - order.terms_ns
    before, terms = (order.price, order.quantity), (said.price, said.quantity)
    amends = later == 0 and said.amended and terms not in order.replaced
    latest = later > 0 or amends or not order.terms_ns
    amending, replaced = order.amending, order.replaced
    order_id = order.order_id
    if said.order_id and (later > 0 or (later == 0 and said.filled >= order.filled)):
        order_id = said.order_id
    if latest and amending and terms == (amending.price, amending.quantity):
        amending = None
    if later:
        replaced = () if latest else replaced
    elif latest and terms != before:
        replaced = (*replaced, before)
    moved = state is not order.state
    return evolve(
        order,
        state=state,
        at_ns=said.event_ns if moved else order.at_ns,
        reason=said.reason or order.reason if moved else order.reason,
        price=said.price if latest else order.price,
        quantity=said.quantity if latest else order.quantity,
        terms_ns=said.event_ns if latest else order.terms_ns,
        filled=max(order.filled, said.filled),
        order_id=order_id or said.order_id,
        amending=amending,
        replaced=replaced,
    )
