"""Compares a host's books with the exchange's truth, and judges how the truth leaves positions.

Both are ledgers of the one shape of `core.ledger`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from core.money import ZERO

__all__ = ["bare", "differences", "entries", "live", "opened_ns", "twice", "unprotected"]

Row = dict[str, Any]
_Side = tuple[str, str]
_OPENING = {("buy", "long"), ("sell", "short")}
_LIVE = ("new", "partially_filled")
_NAMES = {
    "orders": ("order", ("venue", "symbol", "client_order_id")),
    "fills": ("fill", ("venue", "symbol", "fill_id")),
    "positions": ("position", ("venue", "symbol", "position_side")),
}


def differences(books: Row, truth: Row) -> list[str]:
    """Name everything in which the books differ from the exchange's truth; empty: equal."""
    found: list[str] = []
    for part, (what, fields) in _NAMES.items():
        ours = {tuple(row[name] for name in fields): row for row in books[part]}
        theirs = {tuple(row[name] for name in fields): row for row in truth[part]}
        for key in sorted(ours.keys() | theirs.keys()):
            head = f"{what} {' '.join(key[1:])}"
            found += _row_differences(head, ours.get(key), theirs.get(key))
        if not found and books[part] != truth[part]:
            found.append(f"{part}: rows twice, or in another order")
    if books["balances"] != truth["balances"]:
        found.append(f"balances: the books have {books['balances']}, not {truth['balances']}")
    return found


def _row_differences(head: str, ours: Row | None, theirs: Row | None) -> Iterator[str]:
    if ours is None:
        yield f"{head}: missing in the books"
    elif theirs is None:
        yield f"{head}: unknown to the exchange"
    else:
        for name in theirs:
            if ours.get(name) != theirs[name]:
                yield f"{head}: the books have {name} {ours.get(name)}, not {theirs[name]}"


def twice(truth: Row) -> list[str]:
    """Name what the exchange has more than once: an order sent twice, a fill told twice."""
    return [
        f"{what} {' '.join(key[1:])}: {count} times at the exchange"
        for what, fields, rows in ((*_NAMES[part], truth[part]) for part in ("orders", "fills"))
        for key, count in Counter(tuple(row[name] for name in fields) for row in rows).items()
        if count > 1
    ]


def live(truth: Row) -> list[Row]:
    """Return the orders that are open at the exchange."""
    return [row for row in truth["orders"] if row["status"] in _LIVE]


def entries(truth: Row) -> list[Row]:
    """Return the open orders that would add to a position."""
    return [row for row in live(truth) if (row["side"], row["position_side"]) in _OPENING]


def bare(truth: Row) -> list[str]:
    """Name each side that is held and not all covered by stops."""
    held, stops = _sides(truth)
    return [" ".join(side) for side in sorted(held) if stops.get(side, ZERO) < held[side]]


def opened_ns(truth: Row) -> dict[str, int]:
    """Return when each side was last opened from flat, by the fills; named as in `bare`."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    found: dict[str, int] = {}
    for fill in sorted(truth["fills"], key=lambda row: (row["time_ns"], int(row["fill_id"]))):
        side = f"{fill['symbol']} {fill['position_side']}"
        if not held[side]:
            found[side] = fill["time_ns"]
        opens = (fill["side"], fill["position_side"]) in _OPENING
        held[side] += Decimal(fill["quantity"]) * (1 if opens else -1)
    return found


def unprotected(truth: Row) -> list[str]:
    """Name each side whose stops do not have exactly its size: too few, too many, none."""
    held, stops = _sides(truth)
    return [
        f"{' '.join(side)}: {held.get(side, ZERO)} held, stops for {stops.get(side, ZERO)}"
        for side in sorted(held.keys() | stops.keys())
        if held.get(side, ZERO) != stops.get(side, ZERO)
    ]


def _sides(truth: Row) -> tuple[dict[_Side, Decimal], dict[_Side, Decimal]]:
    """Return what is held of each side, and the size of its working stops."""
    stops: dict[_Side, Decimal] = defaultdict(Decimal)
    for row in live(truth):
        if row["type"] == "stop_market":
            stops[row["symbol"], row["position_side"]] += Decimal(row["quantity"])
    held = {
        (row["symbol"], row["position_side"]): abs(Decimal(row["quantity"]))
        for row in truth["positions"]
    }
    return held, stops
