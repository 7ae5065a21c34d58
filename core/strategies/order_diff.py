"""Order diff: from the orders that are there to those that should be, with the fewest calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from attrs import evolve, frozen

from core.messages import PositionSide, Purpose, Side
from core.money import ZERO
from core.orders import Order

__all__ = ["Asked", "Difference", "Slot", "diff"]


@frozen(slots=True)
class Slot:
    """An order that should be there."""

    side: Side
    position_side: PositionSide
    purpose: Purpose
    price: Decimal
    quantity: Decimal


@frozen(slots=True)
class Asked:
    """An amendment that was asked for: the slot it fills and the order's new total quantity."""

    slot: Slot
    quantity: Decimal


@frozen(slots=True)
class Difference:
    """What to place, move and cancel; `waiting` when a later look may find more to do."""

    place: tuple[Slot, ...]
    amend: tuple[tuple[Order, Slot], ...]
    cancel: tuple[Order, ...]
    waiting: bool


def diff(
    orders: Sequence[Order],
    sent: Iterable[Slot],
    amended: Mapping[str, Asked],
    cancelled: Collection[str],
    wanted: Sequence[Slot],
    *,
    keep: Callable[[Decimal, Decimal], bool],
    may_place: Callable[[Slot], bool],
    room: Decimal,
    single: bool,
    sizes: Mapping[Decimal, Decimal] | None = None,
) -> Difference:
    """Compare one group of orders with the slots wanted for it, each price at most once.

    `keep(price, remaining)` tells whether an order may stay. What was asked for counts as done, so
    nothing is asked twice. New orders take up `room` (quantity): one is left out when more than
    half of it would not fit, and one that is moved grows only into what is left. `single`: the
    group holds one order, so nothing new while one is there or on its way. `sizes` are what may be
    left of an order at each price, and no more orders than prices there are: one with more left is
    cancelled (at once and whatever else holds), an unfilled one with less grows into the room.
    """
    sizes = sizes or {}
    free = len(sizes) - len(orders) if sizes else len(wanted)
    taken = {slot.price for slot in sent}
    free -= len(taken)
    waiting = bool(taken)
    movable: list[Order] = []
    large: list[Order] = []
    small: list[tuple[Order, Decimal]] = []
    for order in orders:
        price, remaining, moving = _expected(order, amended.get(order.id))
        leaving = order.cancel_requested or order.id in cancelled
        first = not taken if single else price not in taken
        size = sizes.get(price, remaining)
        if not leaving and not moving and remaining > size:
            large.append(order)
            taken.add(price)
        elif not leaving and first and remaining <= size and keep(price, remaining):
            taken.add(price)
            if remaining < size and not moving and not order.filled:
                small.append((order, size))
        elif leaving or moving:
            waiting = True
            taken.add(price)
        else:
            movable.append(order)
    missing = [slot for slot in wanted if slot.price not in taken]
    if single and taken:
        missing = []
    placeable = [slot for slot in missing if may_place(slot)]
    amend = []
    for order, slot in zip(movable, placeable, strict=False):
        growth = slot.quantity - order.remaining
        if growth > max(room, ZERO):
            slot, growth = evolve(slot, quantity=order.remaining), ZERO
        amend.append((order, slot))
        room -= max(growth, ZERO)
    place = []
    for slot in placeable[len(movable) :]:
        if free > 0 and room * 2 >= slot.quantity:
            free -= 1
            place.append(slot)
            room -= slot.quantity
    blocked = len(placeable) < len(missing)
    for order, size in small:
        command = order.command
        slot = Slot(command.side, command.position_side, command.purpose, order.price, size)
        if size - order.remaining > room:
            continue
        if may_place(slot):
            amend.append((order, slot))
            room -= size - order.remaining
        else:
            blocked = True
    return Difference(
        place=tuple(place),
        amend=tuple(amend),
        # An order whose new place is blocked for now stays where it is.
        cancel=(*large, *movable[len(missing) :]),
        waiting=waiting or blocked,
    )


def _expected(order: Order, asked: Asked | None) -> tuple[Decimal, Decimal, bool]:
    """Return price and remaining quantity as they will be, and whether the order is on its way."""
    if asked is not None:
        return asked.slot.price, asked.quantity - order.filled, True
    if order.amending is not None:
        return order.amending.price, order.amending.quantity - order.filled, True
    return order.price, order.remaining, not order.state.at_venue
