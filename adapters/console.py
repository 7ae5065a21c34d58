"""The host's own screen: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["LinesDisplay", "TableDisplay"]

_LINE_EVERY = 10
_LINES_AT_FIRST = 5


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
        self._screen.say(text)

    def show(self, status: Mapping[str, Any]) -> None:
        """Print the figures when it is time for them."""
        changed = status["state"] != self._state
        self._state = status["state"]
        due = self._shown < _LINES_AT_FIRST or self._shown % _LINE_EVERY == 0
        self._shown += 1
        if changed or due:
            self.line(f"{figures(status)}  {positions_line(status)}")

    def close(self) -> None:
        """Nothing is held."""


class TableDisplay:
    """For a terminal: a compact table that stays at the bottom, log lines above it."""

    def __init__(self, screen: _Screen | None = None) -> None:
        self._screen = screen or _Screen(highlight=False)
        self._live = Live(console=self._screen, auto_refresh=False, transient=False)
        self._lock = threading.Lock()
        self._open = False

    def line(self, text: str) -> None:
        """Print one log line above the table."""
        self._screen.say(text)

    def show(self, status: Mapping[str, Any]) -> None:
        """Draw the table anew."""
        with self._lock:
            self._screen.guard(lambda: self._draw(_drawing(status)))

    def _draw(self, drawing: Group) -> None:
        if not self._open:
            self._live.start()
            self._open = True
        self._live.update(drawing, refresh=True)

    def close(self) -> None:
        """Leave the last table on the screen."""
        with self._lock:
            if self._open:
                self._screen.guard(self._live.stop)
                self._open = False


def _drawing(status: Mapping[str, Any]) -> Group:
    parts: list[Any] = [Text(figures(status), style="bold")]
    positions = Table(box=None, pad_edge=False)
    for name in ("symbol", "side", "quantity", "entry", "mark", "liquidation", "unrealised"):
        positions.add_column(name, justify="left" if name in ("symbol", "side") else "right")
    for row in status["positions"]:
        positions.add_row(
            row["symbol"],
            row["position_side"],
            *(
                "-" if row[name] is None else str(row[name])
                for name in (
                    "quantity",
                    "entry_price",
                    "mark_price",
                    "liquidation_price",
                    "unrealised_pnl",
                )
            ),
        )
    parts.append(positions if status["positions"] else Text("no open positions", style="dim"))
    for name, venue in status["venues"].items():
        offset = venue["clock_offset_ms"]
        clock = "-" if offset is None else f"{offset} ms"
        word = "connected" if venue["connected"] else "not connected"
        parts.append(Text(f"{name}: {word}, {venue['rest'] or 'no address yet'}, clock {clock}"))
    troubled = [
        f"{actor['name']} {actor['state']} {actor['waiting_for']}".rstrip()
        for actor in status["actors"]
        if actor["state"] not in ("running", "stopped")
    ]
    paused = [f"{key}: {reason}" for key, reason in status["paused"].items()]
    for words in (*troubled[:5], *paused[:5]):
        parts.append(Text(words, style="yellow"))
    return Group(*parts)
