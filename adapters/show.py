"""Status and ledger as tables for people; every cell comes from the machines' JSON shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.logs import printable

__all__ = ["show_ledger", "show_status"]

Row = dict[str, Any]

_ORDERS = (
    "client_order_id", "order_id", "symbol", "side", "position_side", "type", "status", "price",
    "quantity", "filled",
)  # fmt: skip
_FILLS = (
    "time_ns", "symbol", "fill_id", "client_order_id", "side", "position_side", "price",
    "quantity", "fee", "maker",
)  # fmt: skip
_POSITIONS = ("venue", "symbol", "position_side", "quantity", "entry_price")
_NUMBERS = frozenset(
    {"price", "quantity", "filled", "fee", "entry_price", "mark_price", "liquidation_price",
     "unrealised_pnl", "value", "limit", "headroom", "restarts", "mailbox", "oldest_ms",
     "clock_offset_ms", "wallet"}
)  # fmt: skip


def show_status(console: Console, status: Row) -> None:
    """Draw the status: state and money first, then what needs a table."""
    reason = f" ({status['halt_reason']})" if status.get("halt_reason") else ""
    facts = {
        "mode": status.get("mode"),
        "state": status.get("state"),
        "halt": f"{word(status.get('halt'))}{reason}",
        "up": _seconds(status.get("uptime_s")),
        "equity": status.get("equity"),
        "unrealised PnL": status.get("unrealised_pnl"),
        "realised PnL": status.get("realised_pnl"),
        "open orders": status.get("open_orders"),
        "fills": status.get("fills"),
    }
    if status.get("unresolved_orders"):
        facts["orders of unknown outcome"] = status["unresolved_orders"]
    for source, why in status.get("paused", {}).items():
        facts[f"paused by {source}"] = why
    if status.get("as_of_ns"):
        facts["as of"] = _time(status["as_of_ns"])
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(f"[bold]{escape(name)}[/]", escape(word(value)))
    console.print(grid)
    venues = [{"venue": name, **row} for name, row in status.get("venues", {}).items()]
    _table(console, "Venues", venues)
    _table(console, "Positions", status.get("positions", ()))
    _table(console, "Limits", status.get("limits", ()))
    _table(console, "Actors", status.get("actors", ()))


def show_ledger(console: Console, ledger: Row) -> None:
    """Draw a ledger: orders, fills, positions, balances."""
    _table(console, "Orders", ledger["orders"], _ORDERS, empty="no orders")
    _table(console, "Fills", ledger["fills"], _FILLS, empty="no fills")
    _table(console, "Positions", ledger["positions"], _POSITIONS, empty="no open positions")
    balances = [
        {"venue": venue, "asset": asset, **row}
        for venue, assets in ledger["balances"].items()
        for asset, row in assets.items()
    ]
    _table(console, "Balances", balances, empty="no wallet whose opening balance is known")


def word(value: object) -> str:
    """Write a value for people: what is not known says so."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _table(
    console: Console,
    title: str,
    rows: Sequence[Row],
    columns: Sequence[str] = (),
    empty: str = "",
) -> None:
    if not rows:
        if empty:
            console.print(empty)
        return
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=title, title_justify="left")
    for name in columns:
        right = name in _NUMBERS
        table.add_column(
            name.removesuffix("_ns").replace("_", " "),
            justify="right" if right else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(escape(_cell(name, row)) for name in columns))
    console.print(table)


def _cell(name: str, row: Row) -> str:
    if name not in row:
        return ""
    value = row[name]
    return _time(value) if name.endswith("_ns") and isinstance(value, int) else word(value)


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%F %T UTC")


def _seconds(uptime_s: float | None) -> str | None:
    if uptime_s is None:
        return None
    minutes, seconds = divmod(int(uptime_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
