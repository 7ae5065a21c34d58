"""Instruments, orders and words of a venue for the tests of the pure core."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.instruments import Instrument
from core.messages import (
    Fill,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Purpose,
    Side,
)

D = Decimal
BTC = Key("binance", "BTCUSDT")
ETH = Key("binance", "ETHUSDT")


def instrument(key: Key = BTC, **changes: Any) -> Instrument:
    """A symbol like BTCUSDT: tick 0.1, lot 0.001, notional from 5 USDT."""
    fields: dict[str, Any] = {
        "key": key,
        "base": key.symbol.removesuffix("USDT"),
        "quote": "USDT",
        "margin_asset": "USDT",
        "tick_size": D("0.1"),
        "lot_step": D("0.001"),
        "min_quantity": D("0.001"),
        "max_quantity": D(1000),
        "market_max_quantity": D(120),
        "min_notional": D(5),
        "min_price": D("0.1"),
        "max_price": D(1_000_000),
        "price_up": D("1.05"),
        "price_down": D("0.95"),
        "max_open_orders": 200,
        "max_conditional_orders": 200,
    }
    return Instrument(**(fields | changes))


def limit(
    client_order_id: str = "h-b-BTCUSDT-00",
    side: Side = Side.BUY,
    quantity: str = "1",
    price: str | None = "100",
    **changes: Any,
) -> PlaceOrder:
    """An entry of the long side unless told otherwise."""
    fields: dict[str, Any] = {
        "key": BTC,
        "client_order_id": client_order_id,
        "side": side,
        "position_side": PositionSide.LONG if side is Side.BUY else PositionSide.SHORT,
        "type": OrderType.LIMIT,
        "quantity": D(quantity),
        "price": D(price) if price is not None else None,
    }
    return PlaceOrder(**(fields | changes))


def stop(
    client_order_id: str, quantity: str = "1", trigger: str = "90", **changes: Any
) -> PlaceOrder:
    """A protective stop of a long position."""
    return limit(
        client_order_id,
        **{
            "side": Side.SELL,
            "quantity": quantity,
            "price": None,
            "position_side": PositionSide.LONG,
            "type": OrderType.STOP_MARKET,
            "trigger_price": D(trigger),
            "reduce_only": True,
            "purpose": Purpose.PROTECT,
            **changes,
        },
    )


def said(order: PlaceOrder, status: OrderStatus, event_ns: int = 1, **changes: Any) -> OrderUpdated:
    """The venue's word on an order."""
    fields: dict[str, Any] = {
        "key": order.key,
        "client_order_id": order.client_order_id,
        "order_id": "77",
        "side": order.side,
        "position_side": order.position_side,
        "type": order.type,
        "status": status,
        "price": order.price or D(0),
        "quantity": order.quantity,
        "filled": D(0),
        "event_ns": event_ns,
        "trigger_price": order.trigger_price or D(0),
        "reduce_only": order.reduce_only,
    }
    return OrderUpdated(**(fields | changes))


def fill(fill_id: str, side: Side, quantity: str, price: str, **changes: Any) -> Fill:
    """One execution in one-way mode, without a fee."""
    fields: dict[str, Any] = {
        "key": BTC,
        "fill_id": fill_id,
        "order_id": "77",
        "client_order_id": "h-b-BTCUSDT-00",
        "side": side,
        "position_side": PositionSide.BOTH,
        "price": D(price),
        "quantity": D(quantity),
        "fee": D(0),
        "fee_asset": "USDT",
        "maker": True,
        "time_ns": 1,
    }
    return Fill(**(fields | changes))
