"""Records that waited for the disk, folded into a book that was built without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve

from core.messages import Fill
from core.orders import Event, State
from core.ports import Record
from core.records import OrderIntended, StopTightened
from core.symbol_book import FOLDED, SymbolBook

__all__ = ["KEPT", "take_in_late"]

KEPT = OrderIntended, StopTightened
"""What a book knows from the journal alone: the venue cannot tell all of it."""


def take_in_late(book: SymbolBook, records: Iterable[Record], now_ns: int) -> tuple[str, ...]:
    """Fold in the orders that the book does not know, and where stops were brought to.

    Return the orders' ids; of those whose outcome is not among it, the outcome is unknown. An order
    that was taken over from the venue meanwhile is known by its command from now on.
    """
    late = [record for record in records if isinstance(record.payload, FOLDED)]
    intended = [r.payload.order for r in late if isinstance(r.payload, OrderIntended)]
    unknown = tuple(o.client_order_id for o in intended if book.find(o.client_order_id) is None)
    book.take_in(record for record in late if record.client_order_id in unknown)
    for name in unknown:
        if name in book.live and book.live[name].state is State.SUBMITTING:
            book.note(name, Event.OUTCOME_UNKNOWN, now_ns)
    for command in intended:  # what was taken over from the venue had a guessed one
        for orders in (book.live, book.ended):
            known = orders.get(command.client_order_id)
            if known is not None and known.command != command:
                orders[known.id] = evolve(known, command=command)
    _tighten(book, late)
    return unknown


def _tighten(book: SymbolBook, late: Sequence[Record]) -> None:
    """Take over where stops were brought to: backwards, unless their side was flat since."""
    after = {held.side: held.quantity for held in book.positions}
    settled = {side for side, quantity in after.items() if not quantity}
    counted = {r.payload.fill_id: r for r in reversed(late) if isinstance(r.payload, Fill)}
    for record in reversed(late):
        match record.payload:
            case Fill() as fill if counted[fill.fill_id] is record:
                quantity = after[fill.position_side]
                before = quantity - fill.side.sign * fill.quantity
                after[fill.position_side] = before
                if before * quantity <= 0:
                    settled.add(fill.position_side)
            case StopTightened() as stop if stop.position_side not in settled:
                book.tightened.setdefault(stop.position_side, stop.trigger_price)
                settled.add(stop.position_side)
