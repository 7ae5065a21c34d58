"""Order diff: from the orders that are there to the orders that should be, with the fewest calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from attrs import frozen

from core.messages import PositionSide, Purpose, Side
from core.orders import Order

__all__ = ["Difference", "Slot", "diff"]


@frozen(slots=True)
class Slot:
    """An order that should be there."""

    side: Side
    position_side: PositionSide
    purpose: Purpose
    price: Decimal
    quantity: Decimal


@frozen(slots=True)
class Difference:
    """What to place, move and cancel; `waiting` when something asked for is still on its way."""

    place: tuple[Slot, ...]
    amend: tuple[tuple[Order, Slot], ...]
    cancel: tuple[Order, ...]
    waiting: bool


def diff(
    orders: Sequence[Order],
    sent: Iterable[Slot],
    amended: Mapping[str, Slot],
    cancelled: Collection[str],
    wanted: Sequence[Slot],
    keep: Callable[[Decimal, Decimal], bool],
    *,
    may_place: Callable[[Slot], bool],
    single: bool,
) -> Difference:
    """Compare one group of orders with the slots wanted for it.

    `keep(price, remaining)` tells whether an order may stay. What was asked for counts as done, so
    nothing is asked twice. `single`: the group holds one order, so nothing new while one is there
    or on its way.
    """
    on_the_way = list(sent)
    taken = {slot.price for slot in on_the_way}
    waiting = bool(on_the_way)
    movable: list[Order] = []
    for order in orders:
        target = amended.get(order.id)
        price = target.price if target else order.price
        remaining = target.quantity if target else order.remaining
        if order.cancel_requested or order.id in cancelled:
            waiting = True
            taken.add(price)
        elif keep(price, remaining):
            taken.add(price)
        elif target or order.amending or not order.state.at_venue:
            waiting = True
            taken.add(price)
        else:
            movable.append(order)
    missing = [slot for slot in wanted if slot.price not in taken]
    if single and taken:
        missing = []
    placeable = [slot for slot in missing if may_place(slot)]
    amend = tuple(zip(movable, placeable, strict=False))
    return Difference(
        place=tuple(placeable[len(movable) :]),
        amend=amend,
        # An order whose new place is blocked for now stays where it is.
        cancel=tuple(movable[len(missing) :]),
        waiting=waiting or len(placeable) < len(missing),
    )
