"""What is held and what may still fill: the figures every limit is measured against."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import frozen

from core.messages import Key, PlaceOrder, PositionSide, Side
from core.money import ZERO
from core.positions import Position

__all__ = ["Exposure", "Working"]


@frozen(slots=True)
class Working:
    """An order that may still fill `remaining` (venue's unit) at `price` (mark for markets)."""

    key: Key
    client_order_id: str
    side: Side
    position_side: PositionSide
    closing: bool
    conditional: bool
    remaining: Decimal
    price: Decimal
    filled: Decimal = ZERO

    @classmethod
    def from_command(cls, order: PlaceOrder, mark: Decimal) -> Working:
        """Read the reservation that a placement needs."""
        return cls(
            order.key,
            order.client_order_id,
            order.side,
            order.position_side,
            order.closing,
            order.type.conditional,
            order.quantity,
            order.price or order.trigger_price or mark,
        )


class Exposure:
    """Positions and working orders of every symbol; approved ones count until they end.

    A symbol's owner reports its whole state, which replaces what was known of it. Orders that
    were approved and that the owner has not mentioned yet stay reserved in full.
    """

    def __init__(self) -> None:
        self._positions: dict[Key, tuple[Position, ...]] = {}
        self._working: dict[Key, dict[str, Working]] = {}
        self._unmentioned: dict[Key, dict[str, Working]] = {}
        self._marks: dict[Key, Decimal] = {}
        self._multipliers: dict[Key, Decimal] = {}
        self._worst: dict[Key, dict[Side, Decimal]] = {}

    def list_symbol(self, key: Key, multiplier: Decimal) -> None:
        """Make a symbol known."""
        self._multipliers[key] = multiplier
        self._worst.pop(key, None)

    def mark(self, key: Key, price: Decimal) -> None:
        """Take a new mark price in."""
        self._marks[key] = price
        self._worst.pop(key, None)

    def reserve(self, order: Working) -> None:
        """Count an approved order from now on."""
        self._unmentioned.setdefault(order.key, {})[order.client_order_id] = order
        self._worst.pop(order.key, None)

    def release(self, key: Key, client_order_id: str) -> None:
        """Stop counting an approval that never became an order."""
        self._unmentioned.get(key, {}).pop(client_order_id, None)
        self._worst.pop(key, None)

    def report(
        self,
        key: Key,
        positions: Iterable[Position],
        working: Iterable[Working],
        ended: Iterable[str],
    ) -> None:
        """Replace what is known of a symbol by its owner's word."""
        self._positions[key] = tuple(positions)
        self._working[key] = {order.client_order_id: order for order in working}
        reserved = self._unmentioned.get(key, {})
        for client_order_id in (*ended, *self._working[key]):
            reserved.pop(client_order_id, None)
        self._worst.pop(key, None)

    def holds(self, key: Key, client_order_id: str) -> bool:
        """Tell whether an order of this id is counted already."""
        return client_order_id in self._unmentioned.get(key, ()) or client_order_id in (
            self._working.get(key, ())
        )

    def unmentioned(self, key: Key) -> tuple[str, ...]:
        """Return the approvals of a symbol that its owner has not mentioned yet."""
        return tuple(self._unmentioned.get(key, ()))

    def orders(self, key: Key) -> Iterable[Working]:
        """Yield every order of a symbol that may still fill, approvals included."""
        yield from self._working.get(key, {}).values()
        yield from self._unmentioned.get(key, {}).values()

    def held(self, key: Key) -> tuple[Position, ...]:
        """Return the positions of a symbol."""
        return self._positions.get(key, ())

    def opening_orders(self, key: Key, direction: Side) -> int:
        """Count the orders of one direction that may grow a position."""
        return sum(1 for order in self.orders(key) if not order.closing and order.side is direction)

    def worst_notional(self, key: Key, direction: Side) -> Decimal:
        """Worst notional of one direction of a symbol: held plus all that may still open there.

        Errors: `KeyError` without a mark price or instrument: the caller refuses.
        """
        known = self._worst.get(key)
        if known is None:
            known = self._worst[key] = {side: self._sum(key, side) for side in Side}
        return known[direction]

    def direction_notional(self, direction: Side) -> Decimal:
        """Worst notional of one direction over all symbols."""
        return sum((self.worst_notional(key, direction) for key in self._keys()), ZERO)

    def gross_notional(self) -> Decimal:
        """Worst notional of both directions over all symbols."""
        return self.direction_notional(Side.BUY) + self.direction_notional(Side.SELL)

    def _sum(self, key: Key, direction: Side) -> Decimal:
        mark = self._marks[key]
        size = self._multipliers[key]
        total = ZERO
        for held in self._positions.get(key, ()):
            if held.quantity * direction.sign > 0:
                total += abs(held.quantity) * mark
        for order in self.orders(key):
            if order.side is direction and not order.closing:
                total += order.remaining * max(order.price, mark)
        return total * size

    def _keys(self) -> set[Key]:
        return set(self._positions) | {key for key, held in self._unmentioned.items() if held}
