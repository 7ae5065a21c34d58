"""What is held and what may still fill: the figures every limit is measured against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import evolve, frozen

from core.messages import Key, OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.money import ZERO
from core.positions import Position

__all__ = ["Exposure", "Working"]

_FULL = Decimal(1)
_SIDES = tuple(Side)


@frozen(slots=True)
class Working:
    """An order that may still fill `remaining` (venue's unit) at `price` (mark for markets).

    `type`, `purpose`, `bot`, `size_scale` and `may_flip` are the placement's own; one that was
    taken over from the venue has them as far as the venue tells.
    """

    key: Key
    client_order_id: str
    side: Side
    position_side: PositionSide
    closing: bool
    conditional: bool
    remaining: Decimal
    price: Decimal
    filled: Decimal = ZERO
    type: OrderType = OrderType.LIMIT
    purpose: Purpose = Purpose.ENTRY
    bot: str = ""
    size_scale: Decimal = _FULL
    may_flip: bool = False

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
            type=order.type,
            purpose=order.purpose,
            bot=order.bot,
            size_scale=order.size_scale,
            may_flip=order.may_flip,
        )


State = tuple[tuple[Position, ...], dict[str, Working], tuple[Working, ...], tuple[Working, ...]]
"""Positions, working orders by id, approvals and amendments that were not mentioned yet."""


class Exposure:
    """Positions and working orders of every symbol; approved ones count until they end.

    A symbol's owner reports its whole state, which replaces what was known of it. Orders that
    were approved and that the owner has not mentioned yet stay reserved in full. An approved
    amendment reserves the larger of before and after, until a report shows it or the order ended;
    who asks for the next has seen the last one settle, and owners report to risk before they show.
    `touched` are the symbols that changed since its reader cleared it.
    """

    def __init__(self) -> None:
        self.touched: set[Key] = set()
        self._positions: dict[Key, tuple[Position, ...]] = {}
        self._working: dict[Key, dict[str, Working]] = {}
        self._unmentioned: dict[Key, dict[str, Working]] = {}
        self._amended: dict[Key, dict[str, Working]] = {}
        self._marks: dict[Key, Decimal] = {}
        self._multipliers: dict[Key, Decimal] = {}
        self._worst: dict[Key, dict[Side, Decimal]] = {}
        self._totals = dict.fromkeys(Side, ZERO)
        self._held: dict[Key, dict[Side, Decimal]] = {}
        self._held_totals = dict.fromkeys(Side, ZERO)
        self._changed: set[Key] = set()
        self._unpriced: dict[Key, None] = {}

    def list_symbol(self, key: Key, multiplier: Decimal) -> None:
        """Make a symbol known."""
        self._multipliers[key] = multiplier
        self._touch(key)

    def mark(self, key: Key, price: Decimal) -> None:
        """Take a new mark price in."""
        self._marks[key] = price
        self._touch(key)

    def reserve(self, order: Working) -> None:
        """Count an approved order from now on."""
        self._unmentioned.setdefault(order.key, {})[order.client_order_id] = order
        self._touch(order.key)

    def amended(self, order: Working) -> Working:
        """Return what an amendment to `order` would reserve.

        One that was approved before and not seen yet may come true as well: the larger size and
        price of the two.
        """
        before = self._amended.get(order.key, {}).get(order.client_order_id)
        if before is None:
            return order
        size = max(before.remaining + before.filled, order.remaining + order.filled)
        return evolve(order, remaining=size - order.filled, price=max(before.price, order.price))

    def amend(self, order: Working) -> None:
        """Count an approved amendment, given as `amended` returned it."""
        self._amended.setdefault(order.key, {})[order.client_order_id] = order
        self._touch(order.key)

    def release(self, key: Key, client_order_id: str) -> None:
        """Stop counting an approval, of an order or an amendment, that was never used."""
        self._unmentioned.get(key, {}).pop(client_order_id, None)
        self._amended.get(key, {}).pop(client_order_id, None)
        self._touch(key)

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
        reserved, amended = self._unmentioned.get(key, {}), self._amended.get(key, {})
        for client_order_id in ended:
            reserved.pop(client_order_id, None)
            amended.pop(client_order_id, None)
        for client_order_id, order in self._working[key].items():
            reserved.pop(client_order_id, None)
            if client_order_id in amended and _covers(order, amended[client_order_id]):
                del amended[client_order_id]
        self._touch(key)

    def known(self) -> set[Key]:
        """Return every symbol of which anything was told."""
        return self._multipliers.keys() | self._marks.keys() | self._positions.keys()

    def state(self, key: Key) -> State:
        """Return all that is known of a symbol but its mark, for `restore`."""
        return (
            self._positions.get(key, ()),
            self._working.get(key, {}),
            tuple(self._unmentioned.get(key, {}).values()),
            tuple(self._amended.get(key, {}).values()),
        )

    def restore(
        self,
        key: Key,
        positions: tuple[Position, ...],
        working: dict[str, Working],
        unmentioned: Iterable[Working],
        amended: Iterable[Working],
    ) -> None:
        """Make a symbol what `state` returned."""
        self._positions[key], self._working[key] = positions, working
        self._unmentioned[key] = {order.client_order_id: order for order in unmentioned}
        self._amended[key] = {order.client_order_id: order for order in amended}
        self._touch(key)

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

    def order(self, key: Key, client_order_id: str) -> Working | None:
        """Return one order as it is known, amendments on their way apart."""
        known = self._working.get(key, {}).get(client_order_id)
        return known or self._unmentioned.get(key, {}).get(client_order_id)

    def order_notional(self, order: Working) -> Decimal:
        """Worst notional that one order counts with: before or after what amends it.

        Errors: as `worst_notional`.
        """
        mark = self._marks[order.key]
        worst = order.remaining * max(order.price, mark)
        amended = self._amended.get(order.key, {}).get(order.client_order_id)
        if amended is not None:
            worst = max(worst, _left(order, amended) * max(amended.price, mark))
        return worst * self._multipliers[order.key]

    def worst_remaining(self, order: Working) -> Decimal:
        """Return the most that one order may still fill: before or after what amends it."""
        amended = self._amended.get(order.key, {}).get(order.client_order_id)
        return order.remaining if amended is None else max(order.remaining, _left(order, amended))

    def held(self, key: Key) -> tuple[Position, ...]:
        """Return the positions of a symbol."""
        return self._positions.get(key, ())

    def opening_orders(self, key: Key, direction: Side) -> int:
        """Count the orders of one direction that may grow a position."""
        return sum(1 for order in self.orders(key) if not order.closing and order.side is direction)

    def worst_notional(self, key: Key, direction: Side) -> Decimal:
        """Worst notional of one direction of a symbol: held plus all that may still open there.

        Errors: `KeyError` where `unpriced` names the symbol.
        """
        self._count()
        return self._worst[key][direction]

    def worst(self) -> Mapping[Key, Mapping[Side, Decimal]]:
        """Return `worst_notional` of every priced symbol; it changes with the next report."""
        self._count()
        return self._worst

    def held_notionals(self) -> Mapping[Key, Mapping[Side, Decimal]]:
        """Return the notional that each priced symbol holds long (BUY) and short, as `worst`."""
        self._count()
        return self._held

    def direction_notional(self, direction: Side) -> Decimal:
        """Worst notional of one direction over all symbols. Errors: as `worst_notional`."""
        self._count()
        for key in self._unpriced:
            raise KeyError(key)
        return self._totals[direction]

    def known_notional(self, key: Key, direction: Side) -> Decimal:
        """As `worst_notional`, and 0 for a symbol of which nothing was heard."""
        self._count()
        return self._worst[key][direction] if key in self._worst else ZERO

    def net_notional(self, direction: Side) -> Decimal:
        """Worst notional of one direction less what is held of the other, over all symbols.

        Working orders of the other direction count for nothing: they may never fill. Errors: as
        `worst_notional`.
        """
        return self.direction_notional(direction) - self._held_totals[direction.opposite]

    def gross_notional(self) -> Decimal:
        """Worst notional of both directions over all symbols. Errors: as `worst_notional`."""
        return self.direction_notional(Side.BUY) + self.direction_notional(Side.SELL)

    def unpriced(self) -> Key | None:
        """Return a symbol that has something to count but no mark price or contract size."""
        self._count()
        return min(self._unpriced, key=str, default=None)

    def _touch(self, key: Key) -> None:
        self._changed.add(key)
        self.touched.add(key)

    def _count(self) -> None:
        """Count anew what changed; the totals over all symbols follow by the difference."""
        while self._changed:
            key = self._changed.pop()
            for known, totals in ((self._worst, self._totals), (self._held, self._held_totals)):
                before = known.pop(key, None)
                if before is not None:
                    for side in _SIDES:
                        totals[side] -= before[side]
            self._unpriced.pop(key, None)
            if key in self._marks and key in self._multipliers:
                held, worst = self._sums(key)
                self._held[key], self._worst[key] = held, worst
                for side in _SIDES:
                    self._held_totals[side] += held[side]
                    self._totals[side] += worst[side]
            elif self._counts(key):
                self._unpriced[key] = None

    def _counts(self, key: Key) -> bool:
        opening = any(not order.closing for order in self.orders(key))
        return opening or any(held.quantity for held in self.held(key))

    def _sums(self, key: Key) -> tuple[dict[Side, Decimal], dict[Side, Decimal]]:
        """Return what is held in each direction, and that with all that may still open there."""
        held = dict.fromkeys(_SIDES, ZERO)
        unit = self._marks[key] * self._multipliers[key]
        for position in self.held(key):
            if position.quantity:
                side = Side.BUY if position.quantity > ZERO else Side.SELL
                held[side] += abs(position.quantity) * unit
        worst = dict(held)
        for order in self.orders(key):
            if not order.closing:
                worst[order.side] += self.order_notional(order)
        return held, worst


def _left(order: Working, amended: Working) -> Decimal:
    return amended.remaining + amended.filled - max(order.filled, amended.filled)


def _covers(order: Working, amended: Working) -> bool:
    size = amended.remaining + amended.filled
    return order.price >= amended.price and order.remaining + order.filled >= size
