"""A risk with two symbols at a mark of 100, and what its owner reports."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from core.messages import AmendOrder, Key, OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.positions import Position
from core.risk.checks import Risk
from core.risk.exposure import Working
from core.risk.gate import Approved
from core.risk.rules import Limits, Refusal
from tests.core.samples import BTC, ETH, D, instrument, limit

NOW = 1_000_000_000_000
STALE_NS = 5_000_000_000
LIMITS = Limits(
    max_order_notional=D(500),
    max_symbol_notional=D(1000),
    max_side_notional=D(1500),
    max_gross_notional=D(2500),
    max_open_orders_per_side=3,
    price_collar_bps=D(100),
)


def risk_at(mark: str = "100", limits: Limits = LIMITS) -> Risk:
    risk = Risk(limits, STALE_NS)
    for key in (BTC, ETH):
        risk.list_instrument(instrument(key))
        risk.mark(key, D(mark), NOW)
    return risk


def buy(name: str, quantity: str, price: str = "100", key: Key = BTC) -> PlaceOrder:
    return limit(name, Side.BUY, quantity, price, key=key)


def sell(name: str, quantity: str, price: str = "100", key: Key = BTC) -> PlaceOrder:
    return limit(name, Side.SELL, quantity, price, key=key)


def close_long(name: str, quantity: str, key: Key = BTC, price: str | None = None) -> PlaceOrder:
    return limit(
        name,
        Side.SELL,
        quantity,
        price,
        key=key,
        position_side=PositionSide.LONG,
        type=OrderType.LIMIT if price else OrderType.MARKET,
        purpose=Purpose.CLOSE,
    )


def amend(order: PlaceOrder, quantity: str, price: str) -> AmendOrder:
    return AmendOrder(
        order.key,
        order.client_order_id,
        "77",
        order.side,
        order.position_side,
        D(price),
        D(quantity),
        order.reduce_only,
    )


def approved(risk: Risk, *orders: PlaceOrder) -> None:
    for order in orders:
        answer = risk.place(order, NOW)
        assert isinstance(answer, Approved), answer


def refused(risk: Risk, order: PlaceOrder | AmendOrder, now_ns: int = NOW) -> Refusal:
    place = isinstance(order, PlaceOrder)
    answer = risk.place(order, now_ns) if place else risk.amend(order, now_ns)
    assert isinstance(answer, Refusal), f"approved {order}"
    return answer


def report(
    risk: Risk,
    key: Key = BTC,
    long: str = "0",
    short: str = "0",
    working: Iterable[Working] = (),
    ended: Iterable[str] = (),
) -> None:
    held = (
        Position(PositionSide.LONG, D(long), D(100)),
        Position(PositionSide.SHORT, -D(short), D(100)),
    )
    risk.exposure.report(key, held, working, ended)


def working(order: PlaceOrder, remaining: str, filled: str = "0") -> Working:
    return Working(
        order.key,
        order.client_order_id,
        order.side,
        order.position_side,
        order.closing,
        order.type.conditional,
        Decimal(remaining),
        order.price or D(100),
        Decimal(filled),
    )
