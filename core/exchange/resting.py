"""Our own orders on one symbol's book: price-time order, queue estimates, what they reserve."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from decimal import Decimal

from attrs import define

from core.exchange.rows import End, VenueOrder
from core.messages import (
    Key,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from core.money import ZERO, ceil_to_step


@define(slots=True, eq=False)
class Working:
    """A plain order as the exchange works on it; `view()` is what others see.

    `queue_ahead` is the estimated quantity of others before it at its price, None while unknown.
    `arrived` says whether it has reached matching.
    """

    key: Key
    order_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    type: OrderType
    original_type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    quantity: Decimal
    reduce_only: bool
    close_position: bool
    good_till_ns: int
    trigger_price: Decimal
    algo_id: int
    created_ns: int
    updated_ns: int
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    amendments: int = 0
    end: End = End.NONE
    queue_ahead: Decimal | None = None
    arrived: bool = False
    resting: bool = False

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def closing(self) -> bool:
        """Whether its fills may only shrink the position."""
        if self.position_side is PositionSide.BOTH:
            return self.reduce_only
        return (self.position_side is PositionSide.LONG) is (self.side is Side.SELL)

    def view(self) -> VenueOrder:
        return VenueOrder(
            self.key,
            self.order_id,
            self.client_order_id,
            self.side,
            self.position_side,
            self.type,
            self.original_type,
            self.time_in_force,
            self.status,
            self.price,
            self.quantity,
            self.filled,
            self.quote_filled,
            self.reduce_only,
            self.close_position,
            self.good_till_ns,
            self.trigger_price,
            self.algo_id,
            self.created_ns,
            self.updated_ns,
            self.amendments,
            self.end,
        )

    @classmethod
    def of(cls, row: VenueOrder) -> Working:
        """Take a kept row up again."""
        return cls(
            key=row.key,
            order_id=row.order_id,
            client_order_id=row.client_order_id,
            side=row.side,
            position_side=row.position_side,
            type=row.type,
            original_type=row.original_type,
            time_in_force=row.time_in_force,
            price=row.price,
            quantity=row.quantity,
            reduce_only=row.reduce_only,
            close_position=row.close_position,
            good_till_ns=row.good_till_ns,
            trigger_price=row.trigger_price,
            algo_id=row.algo_id,
            created_ns=row.created_ns,
            updated_ns=row.updated_ns,
            status=row.status,
            filled=row.filled,
            quote_filled=row.quote_filled,
            amendments=row.amendments,
            end=row.end,
        )


class OwnSide:
    """Our resting orders of one side; prices ascending, orders of one price in time order."""

    __slots__ = ("by_price", "prices", "side", "traded")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.prices: list[Decimal] = []
        self.by_price: dict[Decimal, list[Working]] = {}
        self.traded: dict[Decimal, Decimal] = {}

    def add(self, order: Working) -> None:
        level = self.by_price.get(order.price)
        if level is None:
            insort(self.prices, order.price)
            self.by_price[order.price] = [order]
            self.traded[order.price] = ZERO
        else:
            level.append(order)

    def remove(self, order: Working) -> None:
        level = self.by_price[order.price]
        level.remove(order)
        if not level:
            del self.by_price[order.price]
            del self.traded[order.price]
            del self.prices[bisect_left(self.prices, order.price)]

    def best(self) -> Decimal | None:
        if not self.prices:
            return None
        return self.prices[-1] if self.side is Side.BUY else self.prices[0]

    def reached_by(self, price: Decimal) -> list[Decimal]:
        """Return our prices that a print at `price` reaches (equal or through), best first."""
        prices = self.prices
        if not prices:
            return []
        if self.side is Side.BUY:
            if prices[-1] < price:
                return []
            return prices[bisect_left(prices, price) :][::-1]
        if prices[0] > price:
            return []
        return prices[: bisect_right(prices, price)]

    def orders(self) -> Iterator[Working]:
        """Yield orders in price-time order."""
        ordered = reversed(self.prices) if self.side is Side.BUY else iter(self.prices)
        for price in ordered:
            yield from self.by_price[price]

    def depth_changed(self, price: Decimal, old: Decimal, new: Decimal, step: Decimal) -> None:
        """Advance queues at `price` after its visible quantity went from `old` to `new`.

        What trades took since the last change is known; the rest of a reduction is taken to be
        cancellations spread evenly over the queue (rounded up: never too far ahead).
        """
        level = self.by_price.get(price)
        if level is None:
            return
        before = old - self.traded[price]
        self.traded[price] = ZERO
        gone = before - new
        for order in level:
            queue = order.queue_ahead
            if queue is None:
                order.queue_ahead = new
            elif queue:
                if gone > 0 and before > 0:
                    queue = ceil_to_step(queue * new / before, step)
                order.queue_ahead = min(queue, new)


class Resting:
    """Both sides of our resting orders, and what opening orders reserve (notional at their price).

    `reserved` is by (position side, order side); `closers` counts reduce-only orders likewise.
    """

    __slots__ = ("asks", "bids", "closers", "count", "multiplier", "reserved")

    def __init__(self, multiplier: Decimal) -> None:
        self.multiplier = multiplier
        self.bids = OwnSide(Side.BUY)
        self.asks = OwnSide(Side.SELL)
        self.reserved: dict[tuple[PositionSide, Side], Decimal] = {}
        self.closers: dict[tuple[PositionSide, Side], int] = {}
        self.count = 0

    def of(self, side: Side) -> OwnSide:
        return self.bids if side is Side.BUY else self.asks

    def add(self, order: Working) -> None:
        self.of(order.side).add(order)
        order.resting = True
        self.count += 1
        self._reserve(order, order.remaining)
        if order.closing:
            place = (order.position_side, order.side)
            self.closers[place] = self.closers.get(place, 0) + 1

    def remove(self, order: Working) -> None:
        self.of(order.side).remove(order)
        order.resting = False
        self.count -= 1
        self._reserve(order, -order.remaining)
        if order.closing:
            self.closers[order.position_side, order.side] -= 1

    def filled(self, order: Working, quantity: Decimal) -> None:
        """Release what a fill of a resting order had reserved; call before `filled` grows."""
        self._reserve(order, -quantity)

    def release(self, order: Working) -> None:
        """Take a resting order out of what is reserved, for a what-if; undo with `reserve`."""
        self._reserve(order, -order.remaining)

    def reserve(self, order: Working) -> None:
        self._reserve(order, order.remaining)

    def _reserve(self, order: Working, quantity: Decimal) -> None:
        if not order.closing:
            place = (order.position_side, order.side)
            notional = order.price * quantity * self.multiplier
            self.reserved[place] = self.reserved.get(place, ZERO) + notional

    def reserved_at(self, position_side: PositionSide, side: Side) -> Decimal:
        return self.reserved.get((position_side, side), ZERO)

    def notional(self, side: Side) -> Decimal:
        """Return the notional of all opening orders of one side."""
        return sum((value for place, value in self.reserved.items() if place[1] is side), ZERO)

    def closers_of(self, position_side: PositionSide, side: Side) -> list[Working]:
        """Return reduce-only orders of one position side, best price first, then oldest."""
        if not self.closers.get((position_side, side)):
            return []
        return [
            order
            for order in self.of(side).orders()
            if order.position_side is position_side and order.closing
        ]

    def orders(self) -> Iterator[Working]:
        yield from self.bids.orders()
        yield from self.asks.orders()
