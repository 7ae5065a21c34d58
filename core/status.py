"""The status: one JSON shape for a host that runs and for one that is stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from core.account import Figure, Unknown
from core.books import Books
from core.ledger import position_row
from core.money import ZERO, text
from core.risk.halt import Halt

__all__ = ["figure", "halt_row", "limit_row", "status", "status_of_stopped"]

Row = dict[str, Any]


def figure(value: Figure) -> str | None:
    """Write a figure; None (null, shown as "unknown") for one that nobody can know."""
    return None if isinstance(value, Unknown) else text(value)


def halt_row(halt: Halt | None) -> Row | None:
    """Write the trading halt; None when nothing is recorded of it."""
    if halt is None:
        return None
    return {
        "level": halt.level.value,
        "reason": halt.reason,
        "by": halt.by,
        "epoch": halt.epoch,
        "latched": halt.latched,
    }


def limit_row(name: str, value: Figure, limit: Decimal) -> Row:
    """Write one limit: what is used, what is allowed, what is left (0 when used up)."""
    left: Figure = value if isinstance(value, Unknown) else max(limit - value, ZERO)
    return {"name": name, "value": figure(value), "limit": text(limit), "headroom": figure(left)}


def status(
    *,
    mode: str | None,
    state: str,
    halt: Halt | None,
    uptime_s: float | None,
    venues: Mapping[str, Row],
    actors: Iterable[Row],
    positions: Iterable[Row],
    open_orders: int | None,
    fills: int | None,
    equity: Figure,
    unrealised_pnl: Figure,
    realised_pnl: Figure,
    limits: Iterable[Row],
    more: Mapping[str, object] = MappingProxyType({}),
) -> Row:
    """Build the whole shape of `status --json`; `more` are further keys at its end."""
    return {
        "mode": mode,
        "state": state,
        "halt": halt_row(halt),
        "uptime_s": uptime_s,
        "venues": dict(venues),
        "actors": list(actors),
        "positions": list(positions),
        "open_orders": open_orders,
        "fills": fills,
        "equity": figure(equity),
        "unrealised_pnl": figure(unrealised_pnl),
        "realised_pnl": figure(realised_pnl),
        "limits": list(limits),
        **more,
    }


def status_of_stopped(books: Books, as_of_ns: int, symbol: str = "", state: str = "stopped") -> Row:
    """Build the status from the books alone: what was last known, as of the last record.

    Nobody can know marks, equity or connections of a host that does not run; an order may have
    been filled since. `symbol` narrows positions and counts, and then money too.
    """
    assets = list(books.wallets())
    realised: Figure = Unknown("the books were never opened")
    if symbol:
        realised = sum((a.realised_pnl for k, a in books.positions() if k.symbol == symbol), ZERO)
    elif len(assets) == 1:
        realised = books.realised(*assets[0])
    elif assets:
        realised = Unknown("sums of different assets do not add up")
    wanted = [key for key in books.symbols() if symbol in ("", key.symbol)]
    return status(
        mode=books.started.mode if books.started else None,
        state=state,
        halt=books.halt.halt if books.halt else None,
        uptime_s=None,
        venues={},
        actors=(),
        positions=[
            position_row(key, held)
            for key in wanted
            for _, held in books.positions(key)
            if held.quantity != ZERO
        ],
        open_orders=sum(1 for key in wanted for _ in books.open_orders(key)),
        fills=sum(1 for key in wanted for _ in books.fills(key)),
        equity=Unknown("no mark prices"),
        unrealised_pnl=Unknown("no mark prices"),
        realised_pnl=realised,
        limits=(),
        more={
            "as_of_ns": as_of_ns or None,
            "unresolved": sum(1 for key in wanted for _ in books.pending(key)),
            "stopped": books.stopped.reason if books.stopped else None,
        },
    )
