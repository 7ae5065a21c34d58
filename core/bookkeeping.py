"""One order's row in the books: our intent, the venue's words, and fills as evidence."""

from __future__ import annotations

from attrs import evolve

from core.messages import Fill, OrderStatus, OrderUpdated, PlaceOrder
from core.money import ZERO

__all__ = ["OrderRow", "merge"]


def merge(known: OrderUpdated, said: OrderUpdated) -> OrderUpdated:
    """Take a further word on an order in; older news changes nothing that newer news said.

    An ended order never opens again, and of two different ends the later counts. Filled quantities
    never shrink. Price and quantity are those of the latest word; of two words of one instant, the
    one after an amendment. A conditional order keeps its type when the plain order it turned into
    is reported.
    """
    filled = max(known.filled, said.filled)
    later_ns = said.event_ns - known.event_ns
    if not known.status.open and (said.status.open or later_ns <= 0):
        return known if filled == known.filled else evolve(known, filled=filled)
    terms = said if later_ns > 0 or (later_ns == 0 and said.amended >= known.amended) else known
    ended = not said.status.open
    named = said if later_ns > 0 or (later_ns == 0 and said.filled >= known.filled) else known
    conditional = known if known.type.conditional else said
    return evolve(
        said,
        status=said.status if ended or filled == said.filled else known.status,
        price=terms.price,
        quantity=terms.quantity,
        amended=terms.amended,
        filled=filled,
        order_id=named.order_id or known.order_id or said.order_id,
        type=conditional.type,
        trigger_price=conditional.trigger_price,
        reason=said.reason if ended else named.reason,
        event_ns=max(known.event_ns, said.event_ns),
    )


class OrderRow:
    """What is known of one order: our intent, the venue's words, and its fills as evidence."""

    __slots__ = ("_filled", "_ids", "_last_fill", "_said", "_seen", "intended", "refused")

    def __init__(self) -> None:
        self.intended: PlaceOrder | None = None
        self.refused = False
        self._said: OrderUpdated | None = None
        self._seen: set[OrderUpdated] = set()
        self._ids: dict[str, tuple[int, int]] = {}
        self._filled = ZERO
        self._last_fill: Fill | None = None

    def intend(self, command: PlaceOrder) -> None:
        """Note what we meant to place; the first word counts."""
        if self.intended is None:
            self.intended = command

    def take(self, said: OrderUpdated) -> None:
        """Fold one word of the venue in; the same word again changes nothing."""
        if said in self._seen:
            return
        if said.type.conditional and said.order_id:
            at_ns = said.event_ns
            last_ns, first_ns = self._ids.get(said.order_id, (at_ns, at_ns))
            self._ids[said.order_id] = max(last_ns, at_ns), min(first_ns, at_ns)
        self._said = said if self._said is None else merge(self._said, said)
        if self._said.status.open:
            self._seen.add(said)
        else:
            self._seen.clear()

    def executed(self, fill: Fill) -> None:
        """Count one fill, which the caller has not handed in before."""
        self._filled += fill.quantity
        self._last_fill = fill

    @property
    def settled(self) -> bool:
        """Whether no news is expected: ended by the venue's word, or never got there."""
        if self._said is not None:
            return not self._said.status.open
        return self.refused and self._last_fill is None

    @property
    def order(self) -> OrderUpdated | None:
        """The order as the evidence has it; None while the venue was not heard of it.

        Fills are the venue's word too: they raise the filled quantity when the update is late,
        and name the plain order that a conditional one turned into.
        """
        order = self._said if self._said is not None else self._from_fills()
        fill = self._last_fill
        if order is not None and order.type.conditional and len(self._ids) > 1:
            # Both ids may be told of at the instant it fires: the one heard of later is the newer.
            order = evolve(order, order_id=max(self._ids, key=self._ids.__getitem__))
        if order is None or fill is None:
            return order
        if order.type.conditional and fill.order_id != order.order_id:
            order = evolve(order, order_id=fill.order_id)
        filled = max(order.filled, self._filled)
        status = order.status
        if status.open and filled > ZERO:
            full = ZERO < order.quantity <= filled
            status = OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED
        if (filled, status) == (order.filled, order.status):
            return order
        return evolve(order, filled=filled, status=status)

    def _from_fills(self) -> OrderUpdated | None:
        fill, command = self._last_fill, self.intended
        if fill is None or command is None:
            return None
        return OrderUpdated(
            key=command.key,
            client_order_id=command.client_order_id,
            order_id=fill.order_id,
            side=command.side,
            position_side=command.position_side,
            type=command.type,
            status=OrderStatus.NEW,
            price=command.price or ZERO,
            quantity=command.quantity,
            filled=ZERO,
            event_ns=fill.time_ns,
            trigger_price=command.trigger_price or ZERO,
            reduce_only=command.reduce_only,
        )
