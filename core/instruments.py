"""Instruments: what a venue allows for one symbol, and rounding that keeps to it."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.errors import InvalidOrder
from core.messages import Key, OrderType, PlaceOrder, Side
from core.money import ZERO, ceil_to_step, floor_to_step, text

__all__ = ["Instrument", "LeverageBracket", "bracket_for", "quantity_for_risk"]


@frozen(slots=True)
class Instrument:
    """One perpetual future. Steps and limits are in price units, base units and quote money.

    Quantities are in the venue's own unit; `multiplier` is base units per such unit (1 where the
    venue counts base units, else the contract size). Notional is price × quantity × multiplier.
    `price_up` and `price_down` bound a limit price against the mark.
    """

    key: Key
    base: str
    quote: str
    margin_asset: str
    tick_size: Decimal
    lot_step: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    min_price: Decimal
    max_price: Decimal
    price_up: Decimal
    price_down: Decimal
    max_open_orders: int
    max_conditional_orders: int
    multiplier: Decimal = Decimal(1)
    trading: bool = True
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")
    liquidation_fee: Decimal = Decimal("0.0125")

    def notional(self, price: Decimal, quantity: Decimal) -> Decimal:
        """Quote money of `quantity` (absolute) at `price`."""
        return price * abs(quantity) * self.multiplier

    def passive_price(self, price: Decimal, side: Side) -> Decimal:
        """Round to the tick away from the market: bids down, asks up."""
        if side is Side.BUY:
            return floor_to_step(price, self.tick_size)
        return ceil_to_step(price, self.tick_size)

    def nearest_price(self, price: Decimal) -> Decimal:
        """Round to the nearest tick, half up: for trigger prices."""
        return floor_to_step(price + self.tick_size / 2, self.tick_size)

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Round down to the lot step."""
        return floor_to_step(quantity, self.lot_step)

    def check(self, order: PlaceOrder, mark: Decimal) -> None:
        """Check every rule of the venue that can be checked before a request.

        `mark` prices the notional of market orders and bounds limit prices. Closing orders are
        exempt from the minimum notional.
        Errors: `InvalidOrder` naming the rule and the figures.
        """
        if not self.trading:
            raise InvalidOrder("symbol_status", f"{self.key.symbol} is not open for trading")
        self._check_quantity(order)
        if order.price is not None:
            self._check_price("price", order.price)
            self._check_collar(order.side, order.price, mark)
        elif order.type in (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT):
            raise InvalidOrder("price", f"{order.type.value} orders need a price")
        if order.trigger_price is not None:
            self._check_price("trigger_price", order.trigger_price)
        elif order.type.conditional and order.type is not OrderType.TRAILING_STOP_MARKET:
            raise InvalidOrder("trigger_price", f"{order.type.value} orders need a trigger price")
        if not order.closing:
            priced = order.price or order.trigger_price or mark
            notional = self.notional(priced, order.quantity)
            if notional < self.min_notional:
                raise InvalidOrder(
                    "min_notional",
                    f"{text(notional)} {self.quote} is under the venue's {text(self.min_notional)}",
                )

    def _check_quantity(self, order: PlaceOrder) -> None:
        quantity = order.quantity
        limit = self.market_max_quantity if order.price is None else self.max_quantity
        if not quantity.is_finite() or quantity <= ZERO:
            raise InvalidOrder("quantity", f"{text(quantity)} is not a positive number")
        if quantity > limit:
            raise InvalidOrder("max_quantity", f"{text(quantity)} is over {text(limit)}")
        if quantity < self.min_quantity:
            raise InvalidOrder(
                "min_quantity", f"{text(quantity)} is under {text(self.min_quantity)} {self.base}"
            )
        if quantity % self.lot_step:
            raise InvalidOrder(
                "lot_step", f"{text(quantity)} is no multiple of {text(self.lot_step)}"
            )

    def _check_price(self, rule: str, price: Decimal) -> None:
        if not price.is_finite() or price <= ZERO:
            raise InvalidOrder(rule, f"{text(price)} is not a positive number")
        if not self.min_price <= price <= self.max_price:
            raise InvalidOrder(
                rule, f"{text(price)} is outside {text(self.min_price)}..{text(self.max_price)}"
            )
        if price % self.tick_size:
            raise InvalidOrder(
                "tick_size", f"{text(price)} is no multiple of {text(self.tick_size)}"
            )

    def _check_collar(self, side: Side, price: Decimal, mark: Decimal) -> None:
        if side is Side.BUY and price > mark * self.price_up:
            raise InvalidOrder(
                "percent_price", f"buy at {text(price)} is over mark {text(mark)} × {self.price_up}"
            )
        if side is Side.SELL and price < mark * self.price_down:
            raise InvalidOrder(
                "percent_price",
                f"sell at {text(price)} is under mark {text(mark)} × {self.price_down}",
            )


@frozen(slots=True)
class LeverageBracket:
    """Leverage and maintenance margin for notionals in [floor, cap).

    Maintenance margin = notional × `maintenance_rate` − `deduction`.
    """

    floor: Decimal
    cap: Decimal
    max_leverage: int
    maintenance_rate: Decimal
    deduction: Decimal


def bracket_for(brackets: tuple[LeverageBracket, ...], notional: Decimal) -> LeverageBracket:
    """Pick the bracket (of at least one) that holds `notional`; past the last cap, the last."""
    for bracket in brackets:
        if notional < bracket.cap:
            return bracket
    return brackets[-1]


def quantity_for_risk(
    instrument: Instrument, risk_budget: Decimal, price: Decimal, *, closing: bool = False
) -> Decimal:
    """Size an order: risk budget ÷ (price × contract multiplier), down to the lot step.

    `risk_budget` is quote money; the result is at most the venue's largest limit order. Errors:
    `InvalidOrder` with the figures where the result is under the venue's minimum quantity or
    notional. Source: AUDIT A05.
    """
    if price <= ZERO:
        raise InvalidOrder("price", f"{text(price)} is not positive")
    # Whole lots by one exact division: a rounded quotient could buy more than the budget pays.
    lots = risk_budget // (price * instrument.multiplier * instrument.lot_step)
    quantity = lots * instrument.lot_step
    if quantity > instrument.max_quantity:
        quantity = instrument.round_quantity(instrument.max_quantity)
    if quantity <= ZERO or quantity < instrument.min_quantity:
        raise InvalidOrder(
            "min_quantity",
            f"{text(risk_budget)} {instrument.quote} at {text(price)} buys {text(quantity)} "
            f"{instrument.base}, under the venue's {text(instrument.min_quantity)}",
        )
    notional = instrument.notional(price, quantity)
    if not closing and notional < instrument.min_notional:
        raise InvalidOrder(
            "min_notional",
            f"{text(risk_budget)} {instrument.quote} makes a notional of {text(notional)}, "
            f"under the venue's {text(instrument.min_notional)}",
        )
    return quantity
