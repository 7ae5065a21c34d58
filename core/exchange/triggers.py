"""Conditional orders of one symbol, kept so that a price change looks only at what it fires."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from attrs import evolve

from core.exchange.rows import ConditionalOrder
from core.messages import OrderType, Side, TriggerBy
from core.money import ZERO

_BPS = Decimal(10_000)
_STOPS = (OrderType.STOP, OrderType.STOP_MARKET)


def rises(order: ConditionalOrder) -> bool:
    """Return whether the order waits for a higher price (else a lower one).

    Stops: buys above, sells below. Take profits: the other way round.
    """
    return (order.side is Side.BUY) is (order.type in _STOPS)


def satisfied(order: ConditionalOrder, price: Decimal) -> bool:
    """Return whether `price` fires a stop or take profit."""
    if rises(order):
        return price >= order.trigger_price
    return price <= order.trigger_price


def trail(order: ConditionalOrder, price: Decimal) -> tuple[ConditionalOrder, bool]:
    """Move a trailing stop along with `price`; return it and whether it fires.

    Active from `activation_price` on (0: at once), it fires when the price came back from the
    extreme by the callback rate.
    """
    selling = order.side is Side.SELL
    extreme = order.extreme_price
    if extreme == ZERO:
        start = order.activation_price
        if start and ((price < start) if selling else (price > start)):
            return order, False
        return evolve(order, extreme_price=price), False
    if (price > extreme) if selling else (price < extreme):
        return evolve(order, extreme_price=price), False
    share = order.callback_rate_bps / _BPS
    if selling:
        return order, price <= extreme * (1 - share)
    return order, price >= extreme * (1 + share)


class Triggers:
    """Waiting conditional orders: sorted by trigger price per direction, trailing ones apart."""

    __slots__ = ("_falling", "_rising", "_trailing", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, ConditionalOrder] = {}
        self._rising: dict[TriggerBy, list[tuple[Decimal, int]]] = {by: [] for by in TriggerBy}
        self._falling: dict[TriggerBy, list[tuple[Decimal, int]]] = {by: [] for by in TriggerBy}
        self._trailing: dict[TriggerBy, list[int]] = {by: [] for by in TriggerBy}

    def __len__(self) -> int:
        return len(self.orders)

    def _list(self, order: ConditionalOrder) -> list[tuple[Decimal, int]]:
        return (self._rising if rises(order) else self._falling)[order.trigger_by]

    def add(self, order: ConditionalOrder) -> None:
        self.orders[order.algo_id] = order
        if order.type is OrderType.TRAILING_STOP_MARKET:
            self._trailing[order.trigger_by].append(order.algo_id)
        else:
            insort(self._list(order), (order.trigger_price, order.algo_id))

    def remove(self, algo_id: int) -> ConditionalOrder:
        order = self.orders.pop(algo_id)
        if order.type is OrderType.TRAILING_STOP_MARKET:
            self._trailing[order.trigger_by].remove(algo_id)
        else:
            entries = self._list(order)
            del entries[bisect_left(entries, (order.trigger_price, algo_id))]
        return order

    def fired(self, by: TriggerBy, price: Decimal) -> list[int]:
        """Return the stops and take profits that `price` fires, nearest trigger first."""
        if not self.orders:
            return []
        rising, falling = self._rising[by], self._falling[by]
        result = []
        if rising and rising[0][0] <= price:
            result = [algo_id for trigger, algo_id in rising if trigger <= price]
        if falling and falling[-1][0] >= price:
            result += [algo_id for trigger, algo_id in reversed(falling) if trigger >= price]
        return result

    def prices_between(self, by: TriggerBy, start: Decimal, end: Decimal) -> Iterator[Decimal]:
        """Yield the trigger prices that a move from `start` to `end` passes."""
        if end > start:
            yield from (price for price, _ in self._rising[by] if start < price <= end)
        else:
            yield from (price for price, _ in self._falling[by] if end <= price < start)

    def trailing(self, by: TriggerBy) -> tuple[int, ...]:
        return tuple(self._trailing[by])
