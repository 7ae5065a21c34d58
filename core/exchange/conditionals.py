"""Conditional orders: wait apart from the book, fire on mark or last, become plain orders."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from core.exchange import checks
from core.exchange.desk import Desk
from core.exchange.events import ConditionalChanged
from core.exchange.floor import MARKET_TYPES, Floor, Symbol
from core.exchange.refusals import Reason, Refusal
from core.exchange.resting import Working
from core.exchange.rows import ConditionalOrder, ConditionalStatus, End
from core.exchange.triggers import trail
from core.messages import (
    OrderType,
    PlaceOrder,
    PositionSide,
    TimeInForce,
    TriggerBy,
)
from core.money import ZERO


class Conditionals:
    """Place, cancel, fire and finish conditional orders; the desk works on what they become."""

    def __init__(self, floor: Floor, desk: Desk) -> None:
        self.floor = floor
        self.desk = desk
        desk.booking.on_end = self.child_ended
        desk.booking.on_flat = self.position_gone

    def check(
        self,
        order: PlaceOrder,
        now_ns: int,
        *,
        close_position: bool,
        activation_price: Decimal | None,
    ) -> ConditionalOrder:
        """Check a conditional order; return it as it would wait. Errors: `Refusal`."""
        symbol = checks.conditional(
            self.floor,
            order,
            now_ns,
            close_position=close_position,
            activation_price=activation_price,
        )
        waiting = ConditionalOrder(
            key=order.key,
            algo_id=self.floor.next_algo_id,
            client_order_id=order.client_order_id,
            side=order.side,
            position_side=order.position_side,
            type=order.type,
            time_in_force=order.time_in_force,
            status=ConditionalStatus.NEW,
            quantity=ZERO if close_position else order.quantity,
            price=order.price or ZERO,
            trigger_price=order.trigger_price or ZERO,
            trigger_by=order.trigger_by,
            reduce_only=order.reduce_only,
            close_position=close_position,
            activation_price=activation_price or ZERO,
            callback_rate_bps=order.callback_rate_bps or ZERO,
            extreme_price=ZERO,
            good_till_ns=order.good_till_ns,
            created_ns=now_ns,
            updated_ns=now_ns,
            triggered_ns=0,
            order_id=0,
            actual_price=ZERO,
            actual_quantity=ZERO,
            refused="",
            end=End.NONE,
        )
        checks.not_yet_triggered(symbol, waiting)
        return waiting

    def place(self, waiting: ConditionalOrder, now_ns: int) -> None:
        """Take a checked order; a trailing stop without activation price follows from now on."""
        floor, symbol = self.floor, self.floor.symbols[waiting.key.symbol]
        if waiting.type is OrderType.TRAILING_STOP_MARKET and not waiting.activation_price:
            latest = checks.latest_price(symbol, waiting.trigger_by)
            waiting = evolve(waiting, extreme_price=latest)
        floor.next_algo_id += 1
        floor.touched.account = True
        self.register(waiting)
        if waiting.time_in_force is TimeInForce.GTD:
            symbol_name = waiting.key.symbol
            floor.schedule(
                waiting.good_till_ns, "conditional_good_till", symbol_name, waiting.algo_id
            )
        self._report(waiting, now_ns)

    def register(self, order: ConditionalOrder) -> None:
        """Put an order on the floor's lists."""
        self.floor.keep_conditional(order)
        self.floor.newest_algo[order.client_order_id] = order.algo_id
        if order.status.waiting:
            self.floor.symbols[order.key.symbol].triggers.add(order)

    def _report(self, order: ConditionalOrder, now_ns: int, child: Working | None = None) -> None:
        self.floor.events.append(
            ConditionalChanged(order, now_ns, None if child is None else child.view())
        )

    def stop_waiting(
        self, algo_id: int, status: ConditionalStatus, end: End, now_ns: int
    ) -> ConditionalOrder:
        """End an order that never fired."""
        order = self.floor.conditionals[algo_id]
        self.floor.symbols[order.key.symbol].triggers.remove(algo_id)
        ended = evolve(order, status=status, end=end, updated_ns=now_ns)
        self.floor.keep_conditional(ended)
        self._report(ended, now_ns)
        return ended

    def cancel_all(self, symbol: Symbol, end: End, now_ns: int) -> None:
        for algo_id in tuple(symbol.triggers.orders):
            self.stop_waiting(algo_id, ConditionalStatus.CANCELLED, end, now_ns)

    # Firing

    def on_price(self, symbol: Symbol, by: TriggerBy, price: Decimal, now_ns: int) -> None:
        """Fire what a new mark or last price fires, nearest trigger first."""
        triggers = symbol.triggers
        for algo_id in triggers.fired(by, price):
            if algo_id in triggers.orders:
                self._fire(symbol, algo_id, now_ns)
        for algo_id in triggers.trailing(by):
            order = triggers.orders.get(algo_id)
            if order is None:
                continue
            moved, fires = trail(order, price)
            if moved is not order:
                triggers.orders[algo_id] = moved
                self.floor.keep_conditional(moved)
            if fires:
                self._fire(symbol, algo_id, now_ns)

    def _fire(self, symbol: Symbol, algo_id: int, now_ns: int) -> None:
        waiting = symbol.triggers.remove(algo_id)
        order = evolve(
            waiting,
            status=ConditionalStatus.TRIGGERING,
            triggered_ns=now_ns,
            updated_ns=now_ns,
        )
        self.floor.keep_conditional(order)
        self._report(order, now_ns)
        request = self._request(symbol, order)
        try:
            if order.close_position and not request.quantity:
                raise Refusal(Reason.REDUCE_ONLY, "there is no position to close")
            self.desk.check(request, now_ns, from_trigger=True)
        except Refusal as refusal:
            rejected = evolve(order, status=ConditionalStatus.REJECTED, refused=refusal.reason)
            self.floor.keep_conditional(rejected)
            self._report(rejected, now_ns)
            return
        child = self.desk.accept(
            request,
            now_ns,
            original_type=order.type,
            trigger_price=order.trigger_price,
            algo_id=algo_id,
            close_position=order.close_position,
            announce=False,
        )
        triggered = evolve(order, status=ConditionalStatus.TRIGGERED, order_id=child.order_id)
        self.floor.keep_conditional(triggered)
        self._report(triggered, now_ns, child)
        self.desk.booking.announce_new(child, now_ns)
        self.desk.arrive(child, now_ns)

    def _request(self, symbol: Symbol, order: ConditionalOrder) -> PlaceOrder:
        market = order.type in MARKET_TYPES
        quantity, side = order.quantity, order.position_side
        reduce_only = order.reduce_only
        if order.close_position:
            quantity = symbol.closable(side, order.side.sign)
            reduce_only = side is PositionSide.BOTH
        return PlaceOrder(
            key=order.key,
            client_order_id=order.client_order_id,
            side=order.side,
            position_side=side,
            type=OrderType.MARKET if market else OrderType.LIMIT,
            quantity=quantity,
            price=None if market else order.price,
            time_in_force=TimeInForce.GTC if market else order.time_in_force,
            reduce_only=reduce_only,
            good_till_ns=order.good_till_ns,
        )

    # What the desk reports

    def child_ended(self, child: Working, now_ns: int) -> None:
        """Finish the conditional order whose plain order is over."""
        if not child.algo_id:
            return
        order = self.floor.conditionals[child.algo_id]
        finished = evolve(
            order,
            status=ConditionalStatus.FINISHED,
            updated_ns=now_ns,
            actual_price=child.quote_filled / child.filled if child.filled else ZERO,
            actual_quantity=child.filled,
        )
        self.floor.keep_conditional(finished)
        self._report(finished, now_ns, child)

    def position_gone(self, symbol: Symbol, side: PositionSide, now_ns: int) -> None:
        """Expire close-position orders of a position that is no more."""
        for order in tuple(symbol.triggers.orders.values()):
            if order.close_position and order.position_side is side:
                self.stop_waiting(
                    order.algo_id, ConditionalStatus.EXPIRED, End.POSITION_GONE, now_ns
                )

    def trigger_prices(self, symbol: Symbol, start: Decimal, end: Decimal) -> set[Decimal]:
        """Return the last-price triggers that a move from `start` to `end` passes."""
        return set(symbol.triggers.prices_between(TriggerBy.LAST, start, end))
