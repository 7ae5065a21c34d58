"""The host's own screen: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["LinesDisplay", "TableDisplay"]

_LINE_EVERY = 10
_LINES_AT_FIRST = 5
_MOST_TROUBLES = 6
_MOST_WAITING = 200
# What a lane says of each call is for the log file: an order's own lines say the same.
_FOR_THE_FILE = " info     connection:"


def figures(status: Mapping[str, Any]) -> str:
    """Write the status as one line; what nobody knows is a dash."""
    shown = {name: "-" if status[name] is None else status[name] for name in _FIGURES}
    halt = "" if status["halt"] in (None, "running") else f" ({status['halt']})"
    restarts = sum(actor["restarts"] for actor in status["actors"])
    return (
        f"{status['mode']} {status['state']}{halt}  up {status['uptime_s']:.0f} s  "
        f"equity {shown['equity']}  realised {shown['realised_pnl']}  "
        f"unrealised {shown['unrealised_pnl']}  open orders {shown['open_orders']}  "
        f"fills {shown['fills']}  restarts {restarts}"
    )


_FIGURES = ("equity", "realised_pnl", "unrealised_pnl", "open_orders", "fills")


def positions_line(status: Mapping[str, Any]) -> str:
    """Write the open positions as one line."""
    held = [
        f"{row['symbol']} {row['position_side']} {row['quantity']} at {row['entry_price']}"
        for row in status["positions"]
    ]
    return "positions: " + ("; ".join(held) if held else "none")


def troubles(status: Mapping[str, Any]) -> list[str]:
    """Say what is wrong and why, the gravest first; empty where all is well."""
    found = list(_troubles(status))
    left = len(found) - _MOST_TROUBLES
    return (
        found if left <= 0 else [*found[:_MOST_TROUBLES], f"and {left} more (python run.py status)"]
    )


def _troubles(status: Mapping[str, Any]) -> Iterator[str]:
    if status["halt"] not in (None, "running"):
        mend = " (python run.py reset-halt lifts it)" if status.get("halt_latched") else ""
        yield f"trading is {status['halt']}: {status['halt_reason'] or 'no reason given'}{mend}"
    reasons: dict[str, list[str]] = {}
    for key, reason in status["paused"].items():
        reasons.setdefault(reason, []).append(key)
    for reason, keys in reasons.items():
        yield f"paused {', '.join(keys)}: {reason}"
    if status["state"] != "stopping":
        for actor in status["actors"]:
            if actor["state"] in ("backing_off", "failed") or actor["waiting_for"]:
                yield f"{actor['name']} {actor['state']} {actor['waiting_for']}".rstrip()
    yield from status.get("process", {}).get("alerts", ())
    if status["unresolved_orders"]:
        yield f"{status['unresolved_orders']} orders of unknown outcome: the venue is being asked"


class _Screen(Console):
    """A console whose reader may leave: what is printed then is lost, and nothing else."""

    gone = False

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def say(self, text: str) -> None:
        """Print one line as it is."""
        self.guard(lambda: self.print(text, markup=False, highlight=False, soft_wrap=True))

    def guard(self, draw: Callable[[], object]) -> None:
        """Draw, unless the reader left. A closed terminal is no reason to stop trading."""
        if self.gone:
            return
        try:
            draw()
        except (OSError, ValueError):
            self.gone = True
            self.quiet = True


class LinesDisplay:
    """For pipes and files: the figures every tenth time, and whenever the state changes."""

    def __init__(self, screen: _Screen | None = None) -> None:
        self._screen = screen or _Screen(highlight=False, soft_wrap=True)
        self._shown = 0
        self._state = ""

    def line(self, text: str) -> None:
        """Print one log line."""
        if _FOR_THE_FILE not in text:
            self._screen.say(text)

    def show(self, status: Mapping[str, Any]) -> None:
        """Print the figures when it is time for them."""
        state = f"{status['state']} {status['halt']}"
        changed, self._state = state != self._state, state
        due = self._shown < _LINES_AT_FIRST or self._shown % _LINE_EVERY == 0
        self._shown += 1
        if changed or due:
            self.line(f"{figures(status)}  {positions_line(status)}")
            for text in troubles(status):
                self.line(f"  {text}")

    def close(self) -> None:
        """Nothing is held."""


class TableDisplay:
    """For a terminal: a compact table that stays at the bottom, log lines above it.

    Lines wait for the next drawing: drawn one by one, they would cost the actor that logs them
    several milliseconds each.
    """

    def __init__(self, screen: _Screen | None = None) -> None:
        self._screen = screen or _Screen(highlight=False)
        self._live = Live(console=self._screen, auto_refresh=False, transient=False)
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._open = False

    def line(self, text: str) -> None:
        """Print one log line above the table, with the next drawing."""
        if _FOR_THE_FILE in text:
            return
        with self._lock:
            self._waiting.append(text)
            grave = text[9:17].strip() in ("error", "critical")
            if grave or not self._open or len(self._waiting) >= _MOST_WAITING:
                self._screen.guard(self._say_waiting)

    def show(self, status: Mapping[str, Any]) -> None:
        """Draw the table anew."""
        with self._lock:
            self._screen.guard(lambda: self._draw(_drawing(status)))

    def _draw(self, drawing: Group) -> None:
        if not self._open:
            self._live.start()
            self._open = True
        self._live.update(drawing)
        self._say_waiting()
        self._live.refresh()

    def _say_waiting(self) -> None:
        text, self._waiting = "\n".join(self._waiting), []
        if text:
            self._screen.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the last table on the screen."""
        with self._lock:
            if self._open:
                self._screen.guard(self._say_waiting)
                self._screen.guard(self._live.stop)
                self._open = False


_COLOURS = {"running": "green", "halted": "red", "reduce_only": "red"}
_HEADS = ("symbol", "side", "quantity", "entry", "mark", "unrealised", "liquidation")


def _drawing(status: Mapping[str, Any]) -> Group:
    parts: list[Any] = [_title(status), _money(status)]
    if status["positions"]:
        parts.append(_positions(status["positions"]))
    else:
        parts.append(Text("no open positions", style="dim"))
    for limit in status["limits"][:1]:
        parts.append(Text(f"{limit['name']} {limit['value']} of {limit['limit']}", style="dim"))
    for name, venue in status["venues"].items():
        offset = venue["clock_offset_ms"]
        clock = "unknown" if offset is None else f"{offset} ms off"
        word = "connected" if venue["connected"] else "not connected"
        parts.append(
            Text.assemble(
                f"{name} ",
                (word, "green" if venue["connected"] else "yellow"),
                f"  {venue['rest'] or 'no address yet'}  clock {clock}",
            )
        )
    grave = "red" if status["halt"] not in (None, "running") else "yellow"
    parts += [Text(text, style=grave) for text in troubles(status)]
    return Group(*parts)


def _title(status: Mapping[str, Any]) -> Text:
    state = status["state"]
    well = sum(actor["state"] == "running" for actor in status["actors"])
    restarts = sum(actor["restarts"] for actor in status["actors"])
    return Text.assemble(
        (f"{status['mode']} ", "bold"),
        (state, f"bold {_COLOURS.get(state, 'yellow')}"),
        f"  up {status['uptime_s']:.0f} s  actors {well} of {len(status['actors'])} running"
        f"  restarts {restarts}",
    )


def _money(status: Mapping[str, Any]) -> Text:
    return Text(
        f"equity {_cents(status['equity'])}  realised {_cents(status['realised_pnl'])}  "
        f"unrealised {_cents(status['unrealised_pnl'])}  open orders {status['open_orders']}  "
        f"fills {status['fills']}"
    )


def _positions(rows: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _HEADS:
        table.add_column(name, justify="left" if name in ("symbol", "side") else "right")
    for row in rows:
        pnl = row["unrealised_pnl"]
        colour = "" if pnl is None else "green" if Decimal(pnl) >= 0 else "red"
        table.add_row(
            row["symbol"],
            row["position_side"],
            _short(row["quantity"]),
            _short(row["entry_price"]),
            _short(row["mark_price"]),
            Text(_cents(pnl), style=colour),
            _short(row["liquidation_price"]),
        )
    return table


def _cents(value: str | None) -> str:
    return "-" if value is None else f"{Decimal(value):.2f}"


def _short(value: str | None) -> str:
    """Round a price or size for the eye: two places, more for what is small."""
    if value is None:
        return "-"
    exact = Decimal(value)
    places = 2 if abs(exact) >= 100 else 4 if abs(exact) >= 1 else 8
    shown = f"{exact:.{places}f}"
    return shown.rstrip("0").rstrip(".") if places > 2 else shown
