"""What a venue checks before it takes an order: each cause its own `Reason`."""

from __future__ import annotations

import re
from decimal import Decimal

from core.exchange import margin
from core.exchange.floor import MARKET_TYPES, Floor, Symbol
from core.exchange.refusals import Reason, Refusal
from core.exchange.rows import ConditionalOrder
from core.exchange.triggers import satisfied
from core.messages import OrderType, PlaceOrder, PositionSide, Side, TimeInForce, TriggerBy
from core.money import ZERO, text

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_MIN_CALLBACK_BPS, _MAX_CALLBACK_BPS = Decimal(10), Decimal(1000)
_LAST_GOOD_TILL_NS = 253_402_300_799_000 * 1_000_000


def client_id(value: str) -> None:
    """Check an order id of the client's making."""
    if not _CLIENT_ID.fullmatch(value):
        raise Refusal(Reason.CLIENT_ID_MALFORMED, f"{value!r} is not 1 to 36 of [.A-Z:/a-z0-9_-]")


def open_for_trading(symbol: Symbol) -> None:
    """Check that the symbol trades."""
    if not symbol.instrument.trading:
        raise Refusal(Reason.SYMBOL_CLOSED, f"{symbol.key.symbol} does not trade")


def position_side(floor: Floor, order: PlaceOrder) -> None:
    """Check position side and reduce-only against the account's mode."""
    if floor.hedge_mode is (order.position_side is PositionSide.BOTH):
        mode = "hedge" if floor.hedge_mode else "one-way"
        raise Refusal(
            Reason.POSITION_SIDE_MISMATCH,
            f"position side {order.position_side.value} in {mode} mode",
        )
    if floor.hedge_mode and order.reduce_only:
        raise Refusal(Reason.REDUCE_ONLY_IN_HEDGE, "reduce-only is implied in hedge mode")


def quantity(symbol: Symbol, value: Decimal, *, market: bool) -> None:
    """Check a quantity against step and limits."""
    instrument = symbol.instrument
    if value <= ZERO:
        raise Refusal(Reason.QUANTITY_ZERO, f"{text(value)} is not positive")
    if value < instrument.min_quantity:
        least = text(instrument.min_quantity)
        raise Refusal(Reason.QUANTITY_TOO_SMALL, f"{text(value)} is under {least}", figure=least)
    limit = instrument.market_max_quantity if market else instrument.max_quantity
    if value > limit:
        most = text(limit)
        raise Refusal(Reason.QUANTITY_TOO_LARGE, f"{text(value)} is over {most}", figure=most)
    if value % instrument.lot_step:
        step = text(instrument.lot_step)
        raise Refusal(Reason.QUANTITY_STEP, f"{text(value)} is no multiple of {step}", figure=step)


def price(symbol: Symbol, value: Decimal) -> None:
    """Check a price against tick and limits."""
    instrument = symbol.instrument
    if value <= ZERO:
        raise Refusal(Reason.PRICE_ZERO, f"{text(value)} is not positive")
    if value < instrument.min_price:
        least = text(instrument.min_price)
        raise Refusal(Reason.PRICE_TOO_LOW, f"{text(value)} is under {least}", figure=least)
    if value > instrument.max_price:
        most = text(instrument.max_price)
        raise Refusal(Reason.PRICE_TOO_HIGH, f"{text(value)} is over {most}", figure=most)
    if value % instrument.tick_size:
        tick = text(instrument.tick_size)
        raise Refusal(Reason.PRICE_TICK, f"{text(value)} is no multiple of {tick}", figure=tick)


def collar(symbol: Symbol, side: Side, value: Decimal) -> None:
    """Check a limit price against the mark; where no mark is known, nothing can be said."""
    mark = symbol.reference()
    if not mark:
        return
    instrument = symbol.instrument
    if side is Side.BUY and value > mark * instrument.price_up:
        most = text(mark * instrument.price_up)
        raise Refusal(Reason.PERCENT_PRICE_HIGH, f"{text(value)} is over {most}", figure=most)
    if side is Side.SELL and value < mark * instrument.price_down:
        least = text(mark * instrument.price_down)
        raise Refusal(Reason.PERCENT_PRICE_LOW, f"{text(value)} is under {least}", figure=least)


def min_notional(symbol: Symbol, value: Decimal, count: Decimal) -> None:
    """Check the notional of an opening order."""
    notional = symbol.instrument.notional(value, count)
    if value and notional < symbol.instrument.min_notional:
        least = text(symbol.instrument.min_notional)
        raise Refusal(
            Reason.MIN_NOTIONAL, f"notional {text(notional)} is under {least}", figure=least
        )


def time_in_force(floor: Floor, order: PlaceOrder, now_ns: int) -> None:
    """Check time in force and good-till date."""
    if order.time_in_force is not TimeInForce.GTD:
        return
    earliest = now_ns + floor.settings.min_good_till_ns
    if not earliest < order.good_till_ns < _LAST_GOOD_TILL_NS:
        raise Refusal(
            Reason.GOOD_TILL, f"good till {order.good_till_ns} ns must be after {earliest} ns"
        )


def plain(floor: Floor, order: PlaceOrder, now_ns: int, *, from_trigger: bool = False) -> Symbol:
    """Check everything of a plain order that does not depend on matching; return its symbol.

    `from_trigger` leaves out what was checked when the conditional order came.
    """
    symbol = floor.symbol(order.key.symbol)
    open_for_trading(symbol)
    client_id(order.client_order_id)
    if (order.key.symbol, order.client_order_id) in floor.open_ids:
        raise Refusal(Reason.CLIENT_ID_DUPLICATE, f"{order.client_order_id} is open")
    position_side(floor, order)
    market = order.type is OrderType.MARKET
    if order.trigger_price is not None:
        raise Refusal(Reason.TRIGGER_NOT_ALLOWED, "plain orders have no trigger price")
    quantity(symbol, order.quantity, market=market)
    if market:
        if order.price is not None:
            raise Refusal(Reason.PRICE_NOT_ALLOWED, "market orders have no price")
    else:
        if order.price is None:
            raise Refusal(Reason.PRICE_MISSING, "limit orders need a price")
        price(symbol, order.price)
        collar(symbol, order.side, order.price)
        if not from_trigger:
            time_in_force(floor, order, now_ns)
    if not order.closing:
        min_notional(symbol, order.price or symbol.reference(), order.quantity)
    limit = symbol.instrument.max_open_orders
    if limit and symbol.resting.count >= limit:
        raise Refusal(Reason.MAX_OPEN_ORDERS, f"{limit} orders are open", figure=str(limit))
    if order.closing:
        _closing(floor, symbol, order, from_trigger=from_trigger)
    return symbol


def _closing(floor: Floor, symbol: Symbol, order: PlaceOrder, *, from_trigger: bool) -> None:
    closable = symbol.closable(order.position_side, order.side.sign)
    if not closable:
        raise Refusal(Reason.REDUCE_ONLY, "there is no position that this order would close")
    if floor.hedge_mode and not from_trigger and order.quantity > closable:
        raise Refusal(
            Reason.REDUCE_ONLY, f"{text(order.quantity)} is more than the {text(closable)} held"
        )
    if order.price is None:
        return
    sign = order.side.sign
    ahead = sum(
        (
            other.remaining
            for other in symbol.resting.closers_of(order.position_side, order.side)
            if sign * (other.price - order.price) >= 0
        ),
        ZERO,
    )
    if ahead >= closable:
        raise Refusal(
            Reason.REDUCE_ONLY,
            f"open closing orders of {text(ahead)} already cover the {text(closable)} held",
        )


def margin_for(
    floor: Floor, symbol: Symbol, order: PlaceOrder, expected: Decimal, count: Decimal
) -> None:
    """Check that the account can carry `count` of an order at its `expected` price.

    Needed is the growth of the symbol's initial margin and, for a price worse than the mark, the
    loss it opens with. Orders that need nothing more always pass.
    """
    if order.closing or not expected:
        return
    side, instrument = order.position_side, symbol.instrument
    notional = instrument.notional(expected, count)
    bid = notional if order.side is Side.BUY else ZERO
    ask = notional - bid
    before = sum(margin.initial(symbol, side))
    position, orders = margin.initial(symbol, side, bid, ask)
    opening = max(ZERO, count - symbol.closable(side, order.side.sign))
    worse = order.side.sign * (expected - (symbol.reference() or expected))
    needed = position + orders - before + max(ZERO, worse) * opening * instrument.multiplier
    if needed > 0:
        available = margin.account(floor, instrument.margin_asset).available
        if needed > available:
            raise Refusal(
                Reason.MARGIN_INSUFFICIENT,
                f"{text(needed)} {instrument.margin_asset} is needed, {text(available)} available",
                figure=text(available),
            )
    _leverage_cap(symbol, side, order.side, notional)


def _leverage_cap(symbol: Symbol, side: PositionSide, direction: Side, notional: Decimal) -> None:
    held = margin.signed_notional(symbol, side)
    reserved = symbol.resting.reserved_at(side, direction)
    after = abs(held + direction.sign * (notional + reserved))
    limit = margin.max_notional(symbol, symbol.leverage)
    if after > limit and after > abs(held):
        raise Refusal(
            Reason.LEVERAGE_NOTIONAL,
            f"notional {text(after)} is over {text(limit)} at {symbol.leverage}x",
            figure=text(limit),
        )


def conditional(
    floor: Floor,
    order: PlaceOrder,
    now_ns: int,
    *,
    close_position: bool,
    activation_price: Decimal | None,
) -> Symbol:
    """Check a conditional order as it comes; margin and position are checked when it fires."""
    symbol = floor.symbol(order.key.symbol)
    open_for_trading(symbol)
    client_id(order.client_order_id)
    newest = floor.newest_algo.get(order.client_order_id)
    if newest is not None and floor.conditionals[newest].status.waiting:
        raise Refusal(Reason.CLIENT_ID_DUPLICATE, f"{order.client_order_id} is open")
    position_side(floor, order)
    market = order.type in MARKET_TYPES
    if close_position:
        _close_position(floor, symbol, order, market=market)
    else:
        quantity(symbol, order.quantity, market=market)
    if market:
        if order.price is not None:
            raise Refusal(Reason.PRICE_NOT_ALLOWED, f"{order.type.value} orders have no price")
    else:
        if order.price is None:
            raise Refusal(Reason.PRICE_MISSING, f"{order.type.value} orders need a price")
        price(symbol, order.price)
    if order.type is OrderType.TRAILING_STOP_MARKET:
        _trailing(symbol, order, activation_price)
    elif order.trigger_price is None:
        raise Refusal(Reason.TRIGGER_MISSING, f"{order.type.value} orders need a trigger price")
    else:
        price(symbol, order.trigger_price)
    time_in_force(floor, order, now_ns)
    if not order.closing and not close_position:
        priced = order.price or order.trigger_price or symbol.reference()
        min_notional(symbol, priced, order.quantity)
    limit = symbol.instrument.max_conditional_orders
    if limit and floor.waiting_conditionals() >= limit:
        raise Refusal(
            Reason.MAX_CONDITIONAL_ORDERS, f"{limit} conditional orders wait", figure=str(limit)
        )
    return symbol


def _close_position(floor: Floor, symbol: Symbol, order: PlaceOrder, *, market: bool) -> None:
    opening = floor.hedge_mode and not order.closing
    if not market or order.reduce_only or opening or order.quantity:
        raise Refusal(
            Reason.CLOSE_POSITION_COMBINATION,
            "close-position takes a market type, no quantity, no reduce-only, the closing side",
        )
    for other in symbol.triggers.orders.values():
        same = (other.side, other.position_side) == (order.side, order.position_side)
        if other.close_position and same and other.type is order.type:
            raise Refusal(Reason.CLOSE_POSITION_EXISTS, f"{other.client_order_id} does it already")


def _trailing(symbol: Symbol, order: PlaceOrder, activation_price: Decimal | None) -> None:
    rate = order.callback_rate_bps
    if rate is None or not _MIN_CALLBACK_BPS <= rate <= _MAX_CALLBACK_BPS:
        raise Refusal(Reason.CALLBACK_RATE, "a trailing stop needs 10 to 1000 bps")
    if order.trigger_price is not None:
        raise Refusal(Reason.TRIGGER_NOT_ALLOWED, "a trailing stop has no trigger price")
    if activation_price is None:
        return
    price(symbol, activation_price)
    latest = latest_price(symbol, order.trigger_by)
    if latest and order.side.sign * (activation_price - latest) >= 0:
        raise Refusal(
            Reason.WOULD_TRIGGER,
            f"activation {text(activation_price)} against {text(latest)}",
        )


def latest_price(symbol: Symbol, by: TriggerBy) -> Decimal:
    """Return the price that conditional orders watch, 0 while unknown."""
    return symbol.reference() if by is TriggerBy.MARK else symbol.liquidity.reference()


def not_yet_triggered(symbol: Symbol, order: ConditionalOrder) -> None:
    """Check that an order's trigger is not reached already."""
    latest = latest_price(symbol, order.trigger_by)
    if order.type is OrderType.TRAILING_STOP_MARKET or not latest:
        return
    if satisfied(order, latest):
        raise Refusal(
            Reason.WOULD_TRIGGER,
            f"trigger {text(order.trigger_price)} is reached by {text(latest)}",
        )
