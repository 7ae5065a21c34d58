"""The ledger: one JSON shape for the truth, from the host's books and from a local exchange alike.

A plain diff compares the two, so every choice is made here once: numbers are text without a tail
of zeros, times nanoseconds, rows sorted by their ids. An order has a row when the venue gave it an
id; what was refused at the door has none. A conditional order is one row under its client order
id, and its order id becomes that of the plain order it turned into when it fires. Quantities of
positions are signed, flat ones have no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from core.messages import Fill, Key, OrderUpdated
from core.money import ZERO, text
from core.positions import Position

__all__ = ["fill_row", "ledger", "order_row", "position_row"]

Row = dict[str, Any]


def order_row(order: OrderUpdated) -> Row:
    """Write one order; `price` is the limit price, 0 for market types."""
    return {
        "venue": order.key.venue,
        "symbol": order.key.symbol,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "side": order.side.value,
        "position_side": order.position_side.value,
        "type": order.type.value,
        "status": order.status.value,
        "price": text(order.price),
        "quantity": text(order.quantity),
        "filled": text(order.filled),
    }


def fill_row(fill: Fill) -> Row:
    """Write one execution."""
    return {
        "venue": fill.key.venue,
        "symbol": fill.key.symbol,
        "fill_id": fill.fill_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "side": fill.side.value,
        "position_side": fill.position_side.value,
        "price": text(fill.price),
        "quantity": text(fill.quantity),
        "fee": text(fill.fee),
        "maker": fill.maker,
        "time_ns": fill.time_ns,
    }


def position_row(key: Key, position: Position) -> Row:
    """Write one open position, its entry price to 8 decimals."""
    return {
        "venue": key.venue,
        "symbol": key.symbol,
        "position_side": position.side.value,
        "quantity": text(position.quantity),
        "entry_price": text(round(position.entry_price, 8)),
    }


def ledger(
    orders: Iterable[OrderUpdated],
    fills: Iterable[Fill],
    positions: Iterable[tuple[Key, Position]],
    wallets: Mapping[tuple[str, str], Decimal],
) -> Row:
    """Build the whole shape; `wallets` maps (venue, asset) to the wallet balance."""
    balances: dict[str, dict[str, dict[str, str]]] = {}
    for (venue, asset), wallet in sorted(wallets.items()):
        balances.setdefault(venue, {})[asset] = {"wallet": text(wallet)}
    return {
        "orders": sorted(map(order_row, orders), key=_order_place),
        "fills": sorted(map(fill_row, fills), key=_fill_place),
        "positions": sorted(
            (position_row(key, held) for key, held in positions if held.quantity != ZERO),
            key=lambda row: (row["venue"], row["symbol"], row["position_side"]),
        ),
        "balances": balances,
    }


def _order_place(row: Row) -> tuple[str, str, str, str]:
    return row["venue"], row["symbol"], row["client_order_id"], row["order_id"]


def _fill_place(row: Row) -> tuple[str, str, int, int, str]:
    number = row["fill_id"]
    return (
        row["venue"],
        row["symbol"],
        row["time_ns"],
        int(number) if number.isdecimal() else 0,
        number,
    )
