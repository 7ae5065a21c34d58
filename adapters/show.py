"""Status and ledger as tables for people; every cell comes from the machines' JSON shape."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.logs import printable

__all__ = ["console", "show_ledger", "show_letter", "show_letters", "show_status", "show_summary"]

Row = dict[str, Any]

_WIDTH_OF_A_FILE = 160
_ORDERS = (
    "client_order_id", "order_id", "symbol", "order", "type", "status", "price", "quantity",
    "filled",
)  # fmt: skip
_FILLS = (
    "time_ns", "client_order_id", "symbol", "order", "price", "quantity", "fee", "maker",
)  # fmt: skip
_POSITIONS = (
    "symbol", "side", "quantity", "entry_price", "mark_price", "liquidation_price",
    "unrealised_pnl",
)  # fmt: skip
_LETTERS = ("id", "time_ns", "reason", "kind", "to", "symbol", "client_order_id")
_NUMBERS = frozenset(
    {"price", "quantity", "filled", "fee", "entry_price", "mark_price", "liquidation_price",
     "unrealised_pnl", "value", "limit", "headroom", "restarts", "mailbox", "oldest_ms",
     "clock_offset_ms", "wallet", "orders", "fills", "volume", "realised_pnl", "fees", "funding",
     "net", "adjustments", "transfers", "max_drawdown"}
)  # fmt: skip
_HEADS = {
    "time_ns": "time (UTC)",
    "client_order_id": "client order id",
    "order_id": "order id",
    "entry_price": "entry",
    "mark_price": "mark",
    "liquidation_price": "liquidation",
    "unrealised_pnl": "unrealised",
    "clock_offset_ms": "clock offset ms",
    "max_drawdown": "max drawdown",
    "oldest_ms": "oldest ms",
    "realised_pnl": "realised",
    "waiting_for": "waiting for",
}


def console() -> Console:
    """Return the console for tables: as wide as the terminal, wide enough for ids in a file."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_FILE)


def show_status(out: Console, status: Row) -> None:
    """Draw the status: state and money first, then what needs a table."""
    facts = {
        "mode": status.get("mode"),
        "state": status.get("state"),
        **_halt(status),
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
        facts[f"paused {source}"] = why
    sizes = [f"{one or 'host'} {part} %" for one, part in status.get("throttle", {}).items()]
    if sizes:
        facts["throttle"] = ", ".join(sizes)
    scaled = [f"{one} {part}" for one, part in status.get("scale", {}).items() if part != "1"]
    if scaled:
        facts["part of full size"] = ", ".join(scaled)
    if status.get("refusals"):
        most = sorted(status["refusals"].items(), key=lambda item: -item[1])[:3]
        facts["refused by risk"] = ", ".join(f"{rule} {count}" for rule, count in most)
    if status.get("metrics"):
        facts["metrics"] = f"{status['metrics']}/metrics"
    alerts = status.get("alerts")
    if alerts:
        error = f" ({alerts['last_error']})" if alerts["last_error"] else ""
        facts["alerts"] = f"{alerts['sent']} sent, {alerts['failed']} failed{error}"
    if status.get("state") == "stopped" and status.get("as_of_ns"):
        facts["last stop"] = status.get("stop_reason") or "not in order: killed or crashed"
    if status.get("as_of_ns"):
        source = ", from the journal" if status.get("state") in ("stopped", "silent") else ""
        facts["as of"] = f"{_time(status['as_of_ns'])} UTC{source}"
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(f"[bold]{escape(printable(name))}[/]", escape(_word(value)))
    out.print(grid)
    venues = [{"venue": name, **row} for name, row in status.get("venues", {}).items()]
    _table(out, "Venues", venues)
    _table(out, "Positions", status.get("positions", ()), _POSITIONS)
    _table(out, "Limits", status.get("limits", ()))
    _table(out, "Actors", status.get("actors", ()))


def _halt(status: Row) -> dict[str, str]:
    """Say whether trading is halted, and then since when, by whom, and what lifts it."""
    reason = f" ({status['halt_reason']})" if status.get("halt_reason") else ""
    facts = {"halt": f"{_word(status.get('halt'))}{reason}"}
    if status.get("halt") in (None, "running"):
        return facts
    since_ns = status.get("halt_since_ns")
    since = f"{_time(since_ns)} UTC" if since_ns else "unknown"
    facts["halted since"] = f"{since}, by {_word(status.get('halt_by'))}"
    facts["to trade again"] = (
        "mend the cause, then python run.py reset-halt"
        if status.get("halt_latched")
        else "it ends with its cause, at the latest with the next start"
    )
    return facts


def show_ledger(out: Console, ledger: Row) -> None:
    """Draw a ledger: orders, fills, positions, balances."""
    _table(out, "Orders", ledger["orders"], _ORDERS, empty="no orders")
    _table(out, "Fills", ledger["fills"], _FILLS, empty="no fills")
    _table(out, "Positions", ledger["positions"], _POSITIONS[:4], empty="no open positions")
    balances = [
        {"venue": venue, "asset": asset, **row}
        for venue, assets in ledger["balances"].items()
        for asset, row in assets.items()
    ]
    _table(out, "Balances", balances, empty="no wallet whose opening balance is known")


def show_summary(out: Console, summary: Row) -> None:
    """Draw a report's sums and say where its files are."""
    _table(out, "Symbols", summary["symbols"], empty="nothing was traded in this span")
    _table(out, "Assets", summary["assets"])
    for path in summary["files"]:
        out.print(escape(printable(path)), soft_wrap=True)


def show_letters(out: Console, letters: Sequence[Row]) -> None:
    """Draw a list of dead letters."""
    _table(out, "Dead letters", letters, _LETTERS, empty="no dead letters")


def show_letter(out: Console, letter: Row) -> None:
    """Draw one dead letter: what is known of it, and the message as it was encoded."""
    grid = Table.grid(padding=(0, 2))
    for name, value in letter.items():
        if name != "encoded":
            text = _time(value) if name == "time_ns" else _word(value)
            grid.add_row(f"[bold]{escape(_HEADS.get(name, name))}[/]", escape(text))
    out.print(grid)
    for record in letter["encoded"]:
        out.print(escape(printable(json.dumps(record["payload"]))), soft_wrap=True)


def _table(
    out: Console, title: str, rows: Sequence[Row], columns: Sequence[str] = (), empty: str = ""
) -> None:
    if not rows:
        if empty:
            out.print(empty)
        return
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(
            _HEADS.get(name, name),
            justify="right" if name in _NUMBERS else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(escape(_cell(name, row)) for name in columns))
    out.print(table)


def _cell(name: str, row: Row) -> str:
    match name:
        case "order":
            return f"{_word(row['side'])} {_word(row['position_side'])}"
        case "side":
            return _word(row["position_side"])
        case "symbol" if row["symbol"]:
            return f"{_word(row['venue'])}:{_word(row['symbol'])}"
        case "time_ns":
            return _time(row["time_ns"])
    return _word(row[name]) if name in row else ""


def _word(value: object) -> str:
    """Write a value for people: what is not known says so."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _time(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%F %T")


def _seconds(uptime_s: float | None) -> str | None:
    if uptime_s is None:
        return None
    minutes, seconds = divmod(int(uptime_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
