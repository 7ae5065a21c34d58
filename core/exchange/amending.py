"""Amendments of resting limit orders."""

from __future__ import annotations

from core.exchange import checks
from core.exchange.desk import Desk
from core.exchange.floor import Floor
from core.exchange.refusals import Reason, Refusal
from core.exchange.resting import Working
from core.exchange.rows import Amendment, End
from core.messages import AmendOrder, OrderStatus, OrderType, PlaceOrder, TimeInForce


class Amending:
    """Check and carry out amendments. Source of the rules: venues/binance_usdm.md §3.4."""

    def __init__(self, floor: Floor, desk: Desk) -> None:
        self.floor = floor
        self.desk = desk
        self._delayed: dict[int, tuple[Working, AmendOrder]] = {}
        self._next_delayed = 1

    def check(self, order: Working, change: AmendOrder) -> None:
        """Check an amendment of an open order. Errors: `Refusal`; the order stays as it is."""
        symbol = self.floor.symbols[order.key.symbol]
        if order.type is not OrderType.LIMIT:
            raise Refusal(Reason.AMEND_TYPE, f"{order.type.value} orders cannot be amended")
        if change.side is not order.side:
            raise Refusal(Reason.AMEND_SIDE, f"the order is a {order.side.value}")
        if change.reduce_only and not order.closing:
            raise Refusal(Reason.AMEND_REDUCE_ONLY, "the order is not reduce-only")
        limit = self.floor.settings.max_amendments
        if order.amendments >= limit:
            raise Refusal(Reason.AMEND_LIMIT, f"{limit} amendments were made", figure=str(limit))
        if (change.price, change.quantity) == (order.price, order.quantity):
            raise Refusal(Reason.AMEND_UNCHANGED, "price and quantity are those already")
        checks.quantity(symbol, change.quantity, market=False)
        checks.price(symbol, change.price)
        checks.collar(symbol, order.side, change.price)
        if not order.closing:
            checks.min_notional(symbol, change.price, change.quantity)
        if change.quantity > order.filled:
            self._check_margin(order, change)

    def _check_margin(self, order: Working, change: AmendOrder) -> None:
        symbol = self.floor.symbols[order.key.symbol]
        left = change.quantity - order.filled
        request = PlaceOrder(
            key=order.key,
            client_order_id=order.client_order_id,
            side=order.side,
            position_side=order.position_side,
            type=OrderType.LIMIT,
            quantity=left,
            price=change.price,
            reduce_only=order.reduce_only,
        )
        resting = order.resting
        if resting:
            symbol.resting.release(order)
        try:
            checks.margin_for(self.floor, symbol, request, change.price, left)
        finally:
            if resting:
                symbol.resting.reserve(order)

    def delay(self, order: Working, change: AmendOrder) -> int:
        """Keep an amendment that is on its way; return its number for `arrive`."""
        number = self._next_delayed
        self._next_delayed += 1
        self._delayed[number] = (order, change)
        return number

    def arrive(self, number: int, now_ns: int) -> None:
        """Carry out a delayed amendment if the order still allows it."""
        order, change = self._delayed.pop(number)
        if not order.status.open:
            return
        try:
            self.check(order, change)
        except Refusal:
            return  # the venue would answer with an error: the order stays as it was
        self.amend(order, change, now_ns)

    def amend(self, order: Working, change: AmendOrder, now_ns: int) -> None:
        """Carry out a checked amendment; the order matches or queues anew at its new price."""
        symbol = self.floor.symbols[order.key.symbol]
        if change.quantity <= order.filled:
            end = End.AMENDED_BELOW_FILLED
            self.desk.booking.end(order, OrderStatus.CANCELLED, end, now_ns)
            return
        post_only = order.time_in_force is TimeInForce.POST_ONLY
        if post_only and self.desk.would_take(symbol, order.side, change.price):
            self.desk.booking.end(order, OrderStatus.CANCELLED, End.POST_ONLY_WOULD_TAKE, now_ns)
            return
        was_resting = order.resting
        if was_resting:
            symbol.resting.remove(order)
        row = Amendment(
            amendment_id=self.floor.next_amendment_id,
            key=order.key,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            price_before=order.price,
            price_after=change.price,
            quantity_before=order.quantity,
            quantity_after=change.quantity,
            count=order.amendments + 1,
            time_ns=now_ns,
        )
        self.floor.next_amendment_id += 1
        self.floor.touched.account = True
        self.floor.amendments.append(row)
        order.price, order.quantity = change.price, change.quantity
        order.amendments += 1
        order.updated_ns = now_ns
        self.desk.booking.announce_amended(order, now_ns)
        if was_resting:
            self.desk.arrive(order, now_ns)
