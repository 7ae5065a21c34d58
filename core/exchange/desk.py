"""The desk: takes plain orders and matches them, at once or when the market comes to them."""

from __future__ import annotations

from decimal import Decimal

from core.exchange import checks
from core.exchange.booking import Booking
from core.exchange.floor import Floor, Symbol
from core.exchange.refusals import Reason, Refusal
from core.exchange.resting import OwnSide, Working
from core.exchange.rows import End
from core.messages import (
    Level,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Side,
    TimeInForce,
)
from core.money import ZERO

_REMAINDER = {
    TimeInForce.IOC: End.IOC_REMAINDER,
    TimeInForce.FOK: End.FOK_UNFILLED,
}


class Desk:
    """Take plain orders and match them; `booking` keeps the books of what comes of it."""

    def __init__(self, floor: Floor, booking: Booking) -> None:
        self.floor = floor
        self.booking = booking

    # Taking orders

    def check(self, order: PlaceOrder, now_ns: int, *, from_trigger: bool = False) -> Symbol:
        """Check all that can be refused at the door. Errors: `Refusal`."""
        floor = self.floor
        symbol = checks.plain(floor, order, now_ns, from_trigger=from_trigger)
        limit = order.price
        planned = self._plan(symbol, order.side, order.quantity, limit)
        found = sum((quantity for _, quantity in planned), ZERO)
        if limit is None:
            if not planned:
                self._refuse_empty(symbol, order.side)
            expected = planned[-1][0]
        else:
            expected = limit
        post_only = order.time_in_force is TimeInForce.POST_ONLY
        if post_only and limit is not None and self.would_take(symbol, order.side, limit):
            raise Refusal(Reason.POST_ONLY_WOULD_TAKE, "the order would take liquidity")
        if order.time_in_force is TimeInForce.FOK:
            wanted = order.quantity
            if order.closing:
                wanted = min(wanted, symbol.closable(order.position_side, order.side.sign))
            if found < wanted:
                raise Refusal(Reason.FOK_UNFILLED, f"only {found} of {wanted} can be filled")
        checks.margin_for(floor, symbol, order, expected, order.quantity)
        return symbol

    def _refuse_empty(self, symbol: Symbol, side: Side) -> None:
        if symbol.liquidity.best(side) is None:
            raise Refusal(Reason.NO_MARKET, f"no orders on the book of {symbol.key.symbol}")
        raise Refusal(Reason.PERCENT_PRICE_MARKET, "the best price is too far from the mark price")

    def accept(
        self,
        request: PlaceOrder,
        now_ns: int,
        *,
        original_type: OrderType | None = None,
        trigger_price: Decimal = ZERO,
        algo_id: int = 0,
        close_position: bool = False,
        announce: bool = True,
    ) -> Working:
        """Give a checked order its id; it is open from here on but has not been matched."""
        floor = self.floor
        order = Working(
            key=request.key,
            order_id=floor.next_order_id,
            client_order_id=request.client_order_id,
            side=request.side,
            position_side=request.position_side,
            type=request.type,
            original_type=original_type or request.type,
            time_in_force=request.time_in_force,
            price=request.price or ZERO,
            quantity=request.quantity,
            reduce_only=request.reduce_only,
            close_position=close_position,
            good_till_ns=request.good_till_ns,
            trigger_price=trigger_price,
            algo_id=algo_id,
            created_ns=now_ns,
            updated_ns=now_ns,
        )
        floor.next_order_id += 1
        floor.touched.account = True
        self.register(order)
        if order.time_in_force is TimeInForce.GTD:
            floor.schedule(order.good_till_ns, "good_till", order.key.symbol, order.order_id)
        if announce:
            self.booking.announce_new(order, now_ns)
        return order

    def register(self, order: Working) -> None:
        """Put an order on the floor's lists."""
        floor, place = self.floor, (order.key.symbol, order.client_order_id)
        floor.orders[order.order_id] = order
        floor.newest_ids[place] = order.order_id
        if order.status.open:
            floor.open_ids[place] = order

    def arrive(self, order: Working, now_ns: int) -> None:
        """Match an accepted order against the market; what is left rests or expires."""
        if not order.status.open:
            return
        order.arrived = True
        symbol = self.floor.symbols[order.key.symbol]
        limit = order.price if order.type is OrderType.LIMIT else None
        if order.closing and not symbol.closable(order.position_side, order.side.sign):
            self.booking.end(order, OrderStatus.EXPIRED, End.REDUCE_ONLY, now_ns)
            return
        post_only = order.time_in_force is TimeInForce.POST_ONLY
        if post_only and self.would_take(symbol, order.side, order.price):
            self.booking.end(order, OrderStatus.EXPIRED, End.POST_ONLY_WOULD_TAKE, now_ns)
            return
        wanted = order.remaining
        if order.closing:
            wanted = min(wanted, symbol.closable(order.position_side, order.side.sign))
        planned = [] if post_only else self._plan(symbol, order.side, wanted, limit)
        unfilled = sum((quantity for _, quantity in planned), ZERO) < wanted
        if unfilled and order.time_in_force is TimeInForce.FOK:
            self.booking.end(order, OrderStatus.EXPIRED, End.FOK_UNFILLED, now_ns)
            return
        self._expire_own(symbol, order, planned, unfilled, now_ns)
        for price, quantity in planned:
            symbol.liquidity.eat(order.side, price, quantity)
            self.booking.fill(symbol, order, price, quantity, now_ns, maker=False)
        if order.remaining:
            capped = order.closing and not symbol.closable(order.position_side, order.side.sign)
            self._after_taking(symbol, order, capped, now_ns)

    def _after_taking(self, symbol: Symbol, order: Working, capped: bool, now_ns: int) -> None:
        """Rest or expire what a taker left; `capped` says that nothing is left to close."""
        if capped:
            self.booking.end(order, OrderStatus.EXPIRED, End.REDUCE_ONLY, now_ns)
        elif order.type is OrderType.MARKET:
            self.booking.end(order, OrderStatus.EXPIRED, End.MARKET_REMAINDER, now_ns)
        elif order.time_in_force in _REMAINDER:
            self.booking.end(order, OrderStatus.EXPIRED, _REMAINDER[order.time_in_force], now_ns)
        else:
            self.rest(symbol, order, now_ns)

    def affordable(self, symbol: Symbol, order: Working) -> bool:
        """Return whether the account still carries an order that was on its way."""
        request = PlaceOrder(
            key=order.key,
            client_order_id=order.client_order_id,
            side=order.side,
            position_side=order.position_side,
            type=order.type,
            quantity=order.quantity,
            price=order.price or None,
            reduce_only=order.reduce_only,
        )
        expected = order.price or symbol.liquidity.best(order.side) or ZERO
        try:
            checks.margin_for(self.floor, symbol, request, expected, order.quantity)
        except Refusal:
            return False
        return True

    def rest(self, symbol: Symbol, order: Working, now_ns: int) -> None:
        """Queue an order at its price behind what stands there."""
        order.queue_ahead = symbol.liquidity.ahead(order.side, order.price)
        symbol.resting.add(order)
        self.floor.touched.orders[order.order_id] = order
        if order.closing:
            self.booking.trim(symbol, order.position_side, order.side, now_ns)

    def would_take(self, symbol: Symbol, side: Side, price: Decimal) -> bool:
        """Return whether a limit order would meet the market or one of our own orders."""
        own = symbol.resting.of(side.opposite).best()
        for best in (symbol.liquidity.best(side), own):
            if best is not None and side.sign * (price - best) >= 0:
                return True
        return False

    def _plan(
        self, symbol: Symbol, side: Side, wanted: Decimal, limit: Decimal | None
    ) -> list[Level]:
        """Walk the levels a taker reaches; market orders stop at the venue's price bounds."""
        instrument = symbol.instrument
        bound = limit
        if bound is None and symbol.mark:
            factor = instrument.price_up if side is Side.BUY else instrument.price_down
            bound = symbol.mark * factor
        planned: list[Level] = []
        buying = side is Side.BUY
        for price, available in symbol.liquidity.levels(side):
            if bound is not None and ((price > bound) if buying else (price < bound)):
                break
            quantity = min(wanted, instrument.round_quantity(available))
            if quantity:
                planned.append((price, quantity))
                wanted -= quantity
            if not wanted:
                break
        return planned

    def _expire_own(
        self,
        symbol: Symbol,
        order: Working,
        planned: list[Level],
        unfilled: bool,
        now_ns: int,
    ) -> None:
        """Expire our own resting orders that this taker would trade with (maker expires).

        `unfilled` says that the market has less than is wanted: then the taker goes on to its
        limit. Else at the last price it reaches only what stands in the part that it takes.
        """
        last_price, last_quantity = planned[-1] if planned else (ZERO, ZERO)
        worst = order.price if unfilled and order.type is OrderType.LIMIT else last_price
        if not worst:
            return
        own = symbol.resting.of(order.side.opposite)
        for price in own.reached_by(worst):
            for other in tuple(own.by_price.get(price, ())):
                behind = price == last_price and last_quantity <= (other.queue_ahead or ZERO)
                if unfilled or not behind:
                    self.booking.end(other, OrderStatus.EXPIRED, End.SELF_TRADE, now_ns)

    # Passive fills

    def on_print(
        self, symbol: Symbol, price: Decimal, quantity: Decimal, aggressor: Side, now_ns: int
    ) -> None:
        """Let a public trade reach our resting orders.

        At our price it first eats the queue and only from an aggressor of the other side; through
        our price it fills us, at our price. Never more than the print's quantity a side.
        """
        for side in (Side.BUY, Side.SELL):
            own = symbol.resting.of(side)
            left = quantity
            for level in own.reached_by(price):
                if level != price:
                    left -= self.fill_level(symbol, own, level, left, False, now_ns)
                elif aggressor is not side:
                    own.traded[level] += quantity
                    left -= self.fill_level(symbol, own, level, left, True, now_ns)
                if left <= 0:
                    break

    def fill_level(
        self,
        symbol: Symbol,
        own: OwnSide,
        price: Decimal,
        volume: Decimal,
        queued: bool,
        now_ns: int,
    ) -> Decimal:
        """Fill our orders of one level from `volume`; return what they took."""
        taken = ZERO
        for order in tuple(own.by_price.get(price, ())):
            reaching = volume - taken
            if queued and order.queue_ahead:
                eaten = min(order.queue_ahead, reaching)
                order.queue_ahead -= eaten
                reaching -= eaten
            elif queued:
                order.queue_ahead = ZERO
            quantity = symbol.instrument.round_quantity(min(order.remaining, reaching))
            if order.closing:
                closable = symbol.closable(order.position_side, order.side.sign)
                quantity = min(quantity, closable)
            if quantity > 0 and order.resting:
                self.booking.fill(symbol, order, order.price, quantity, now_ns, maker=True)
                taken += quantity
        return taken
