"""A risk with two symbols at a mark of 100, and what its owner reports."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from core.config import Portfolio
from core.instruments import LeverageBracket
from core.messages import (
    AmendOrder,
    Key,
    MarkPrice,
    OrderType,
    PlaceOrder,
    PositionSide,
    Purpose,
    Side,
)
from core.positions import Position
from core.risk.checks import Risk
from core.risk.exposure import Working
from core.risk.gate import Approved
from core.risk.limits import Limits
from core.risk.proposal import Refusal
from tests.core.samples import BTC, ETH, D, instrument, limit

NOW = 1_000_000_000_000
STALE_NS = 5_000_000_000
HOUR_NS = 3_600_000_000_000
BRACKETS = (LeverageBracket(D(0), D(10**9), 125, D("0.005"), D(0)),)
LIMITS = Limits(
    max_order_notional=D(500),
    max_symbol_notional=D(1000),
    max_side_notional=D(1500),
    max_net_notional=D(1500),
    max_gross_notional=D(2500),
    max_open_orders_per_side=3,
    max_orders_per_minute=100,
    max_cancels_per_minute=100,
    max_leverage=3,
    max_account_leverage=D(3),
    min_free_margin_percent=D(10),
    min_liquidation_distance_bps=D(1000),
    price_collar_bps=D(100),
    book_collar_bps=D(100),
    max_var_percent=D(10),
    max_daily_volatility_percent=D(60),
    max_funding_bps=D(10),
    funding_window_ns=600_000_000_000,
    stale_after_ns=STALE_NS,
    account_stale_after_ns=90_000_000_000,
    unprotected_ns=2_500_000_000,
    portfolio=Portfolio(prior_daily_volatility_percent=D(8)),
    stops_bps={BTC: D(150), ETH: D(150)},
)


def risk_at(mark: str = "100", limits: Limits = LIMITS) -> Risk:
    """A risk that was told everything just now."""
    risk = Risk(limits)
    for key in (BTC, ETH):
        risk.list_instrument(instrument(key))
    tell_all(risk, mark)
    return risk


def tell_all(risk: Risk, mark: str = "100", monotonic_ns: int = NOW) -> None:
    """Tell everything that an entry needs, at one price."""
    facts, price = risk.facts, D(mark)
    for key in (BTC, ETH):
        risk.mark(key, price, monotonic_ns)
        facts.quotes[key] = (price, price, monotonic_ns)
        facts.leverage[key] = 2
        facts.brackets[key] = BRACKETS
        facts.funding[key] = MarkPrice(key, price, price, D("0.0001"), NOW + HOUR_NS, NOW)
    facts.accounts_ns[BTC.venue] = monotonic_ns
    facts.equity = facts.free_margin = D(10_000)
    facts.day_headroom = D(300)


def buy(name: str, quantity: str, price: str = "100", key: Key = BTC, **changes: Any) -> PlaceOrder:
    """An entry of a bot of its own, so that none of the same price is another one's duplicate."""
    return limit(name, Side.BUY, quantity, price, key=key, **({"bot": name} | changes))


def sell(
    name: str, quantity: str, price: str = "100", key: Key = BTC, **changes: Any
) -> PlaceOrder:
    """An entry, as `buy`."""
    return limit(name, Side.SELL, quantity, price, key=key, **({"bot": name} | changes))


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
        answer = risk.place(order, NOW, NOW)
        assert isinstance(answer, Approved), answer


def refused(risk: Risk, order: PlaceOrder | AmendOrder, now_ns: int = NOW) -> Refusal:
    answer = (
        risk.place(order, NOW, now_ns)
        if isinstance(order, PlaceOrder)
        else risk.amend(order, NOW, now_ns)
    )
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
        order.type,
        order.purpose,
        order.bot,
        order.size_scale,
        order.may_flip,
    )
