"""A place to hold one drill in: its own folder, host and exchange, and a record of what happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

from attrs import frozen

from adapters.drills.judging import entries
from adapters.operations import read_books
from adapters.operations_socket import HostSilent, ask
from adapters.toml_text import config_text
from adapters.venues.binance_usdm.emulator import RunningExchange, discover, read_ledger
from core.config import Config

__all__ = ["DrillFailed", "Note", "Site"]

Row = dict[str, Any]
T = TypeVar("T")
_POLL_S = 0.05
_START_WITHIN_S = 20.0
_AGAIN_WITHIN_S = 15.0
_STOP_WITHIN_S = 12.0
_STATUS_WITHIN_S = 2.0
_CONTROL_WITHIN_S = 3.0
_STIR_AFTER_S = 3.0
_STIR_EVERY_S = 1.5
_STEADY_S = 1.3
"""Risk reports once a second, so what the status shows may be that old."""
_LOG_LINE = re.compile(r"(?:\d\d:\d\d:\d\d )?(debug|info|warning|error|critical)(?:: | +)(.*)")


class DrillFailed(Exception):
    """The host did not do its duty, or not in time; the text says which."""


@frozen(slots=True)
class Note:
    """What happened when, in seconds since the injection; `who` is drill, or the line's level."""

    at_s: float
    who: str
    text: str


class Site:
    """Everything of one drill; leaving the context ends every process of it.

    `said` hears what is waited for. What the host prints is read as it comes, for `notes`.
    """

    def __init__(
        self, folder: Path, config: Config, program: Path, said: Callable[[str], None]
    ) -> None:
        self.config = config
        self.host: subprocess.Popen[str] | None = None
        self.recovered_s: float | None = None
        self._folder = folder
        self._program = program
        self._said = said
        self._state = Path(config.paths.state)
        self._injected_s: float | None = None
        self._notes: list[tuple[float, str, str]] = []
        self._readers: list[Thread] = []
        folder.mkdir(mode=0o700)
        (folder / "config.toml").write_text(config_text(config))

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self.host is not None and self.host.poll() is None:
            self.host.send_signal(signal.SIGTERM)  # it takes an exchange along that just starts
            try:
                self._ended(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        exchange = self._exchange()
        if exchange is not None:
            with suppress(ProcessLookupError):
                os.kill(exchange.pid, signal.SIGKILL)

    # The record

    def inject(self, text: str) -> None:
        """Note an accident; times count from the first one."""
        now_s = time.monotonic()
        if self._injected_s is None:
            self._injected_s = now_s
        self._notes.append((now_s, "drill", text))
        self._said(text)

    def note(self, text: str) -> None:
        """Note what was seen from outside."""
        self._notes.append((time.monotonic(), "drill", text))

    def recovered(self, what: str, at_s: float | None = None) -> None:
        """Note that the host is where it has to be since then, or now; the last call counts."""
        at_s = time.monotonic() if at_s is None else at_s
        self._notes.append((at_s, "drill", what))
        assert self._injected_s is not None
        self.recovered_s = round(at_s - self._injected_s, 3)

    def notes(self) -> tuple[Note, ...]:
        """Return what was noted since the injection, or all where there was none."""
        begin_s = self._injected_s or 0.0
        rows = sorted(self._notes, key=lambda row: row[0])
        return tuple(
            Note(round(at_s - begin_s, 3), who, text) for at_s, who, text in rows if at_s >= begin_s
        )

    def heard(self, text: str) -> int:
        """Return how many lines of the host's log since the injection hold this text."""
        return sum(text in note.text for note in self.notes() if note.who != "drill")

    # The host

    def start(self) -> None:
        """Start a host; its standard input is the drill's, and closes with it."""
        words = ["drilled-host", "--config", str(self._folder / "config.toml")]
        self.host = subprocess.Popen(
            [sys.executable, str(self._program), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self._folder / "locks")},
            start_new_session=True,  # Ctrl-C is for the drill, which then ends the host
        )
        assert self.host.stdout is not None
        reader = Thread(target=self._read, args=(self.host.stdout,), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            found = _LOG_LINE.fullmatch(line.rstrip())
            if found:
                self._notes.append((time.monotonic(), found[1], found[2]))

    @property
    def pid(self) -> int:
        """Return the process id of the present host."""
        assert self.host is not None
        return self.host.pid

    def order(self, accident: Mapping[str, object]) -> None:
        """Have an accident happen inside the host."""
        assert self.host is not None
        assert self.host.stdin is not None
        try:
            self.host.stdin.write(json.dumps(accident) + "\n")
            self.host.stdin.flush()
        except BrokenPipeError:
            raise DrillFailed("the host has ended") from None

    def kill(self) -> None:
        """Kill the host as kill -9 does."""
        assert self.host is not None
        self.host.kill()
        self._ended(_STOP_WITHIN_S)

    def stop(self) -> None:
        """Stop the host in order, its exchange with it."""
        assert self.host is not None
        self._said("stopping the host")
        self.host.send_signal(signal.SIGTERM)
        try:
            code = self._ended(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise DrillFailed(f"the host did not stop within {_STOP_WITHIN_S:.0f} s") from None
        if code:
            raise DrillFailed(f"the host stopped with exit code {code}")

    def _ended(self, within_s: float) -> int:
        assert self.host is not None
        code = self.host.wait(within_s)
        for reader in self._readers:
            reader.join(1.0)
        if self.host.stdin is not None:
            with suppress(BrokenPipeError):
                self.host.stdin.close()
        return code

    def ask(self, request: Row, within_s: float = _STATUS_WITHIN_S) -> Row:
        """Ask the host over its operator's socket; an empty answer where none comes."""
        with suppress(HostSilent):
            return ask(self._state, request, within_s) or {}
        return {}

    def status(self) -> Row:
        """Return the host's status, empty while it gives none."""
        found = self.ask({"command": "status"})
        return found if "state" in found else {}

    def restarts(self, actor: str) -> int:
        """Return how often an actor was started again, -1 while the host does not say."""
        rows = self.status().get("actors", ())
        return next((int(row["restarts"]) for row in rows if row["name"] == actor), -1)

    # The exchange

    def _exchange(self) -> RunningExchange | None:
        return discover(self._state / "exchange", "binance")

    def exchange(self) -> RunningExchange:
        """Return the exchange that runs. Errors: `DrillFailed` where none answers."""
        found = self._exchange()
        if found is None:
            raise DrillFailed("the local exchange does not answer")
        return found

    def faults(self, *faults: Mapping[str, object]) -> None:
        """Set faults at the exchange."""
        self._control("faults", json.dumps(faults).encode(), "POST")

    def lift(self) -> None:
        """Lift every fault."""
        self._control("faults", None, "DELETE")

    def left(self) -> list[Row]:
        """Return the faults that stand, with how often each has struck."""
        found: list[Row] = self._control("faults", None, "GET")["faults"]
        return found

    def truth(self) -> Row:
        """Return the exchange's ledger, as it stands or as it ended."""
        if self._exchange() is None:
            return read_ledger(self._state / "exchange", "binance")
        return self._control("ledger", None, "GET")

    def books(self) -> Row:
        """Return the ledger of the host's journal."""
        return read_books(self._state)[0].ledger()

    def _control(self, path: str, body: bytes | None, method: str) -> Row:
        url = f"{self.exchange().rest}/_exchange/{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(url, body, method=method)
        try:
            with opener.open(request, timeout=_CONTROL_WITHIN_S) as answer:
                found: Row = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            raise DrillFailed(f"the local exchange did not answer {path}: {error}") from error
        return found

    # Waiting

    def wait(self, what: str, look: Callable[[], T], within_s: float = _AGAIN_WITHIN_S) -> T:
        """Return what `look` finds once it finds something. Errors: `DrillFailed`."""
        self._said(f"waiting: {what}")
        deadline_s = time.monotonic() + within_s
        while True:
            if self.host is not None and self.host.poll() is not None:
                raise DrillFailed(f"{what}: {self._why_it_ended()}")
            found = look()
            if found:
                return found
            if time.monotonic() > deadline_s:
                raise DrillFailed(f"{what}: not within {within_s:.0f} s ({self._shown()})")
            time.sleep(_POLL_S)

    def trades(self) -> bool:
        """Tell whether it trades: nothing paused or unproven, its entries open at the venue."""
        now = self.status()
        return bool(
            now
            and now["state"] == "running"
            and now["halt"] == "running"
            and not now["paused"]
            and not now["unresolved_orders"]
            and all(actor["state"] == "running" for actor in now["actors"])
            and entries(self.truth())
        )

    def wait_active(self, what: str, look: Callable[[], T]) -> T:
        """Wait for what only trading brings; a market too calm for the bots is moved meanwhile."""
        reach_bps = max(bot.spacing_bps for bot in self.config.bots)
        jump_bps = int(reach_bps * 3 / 2 + 1)
        stir_s = time.monotonic() + _STIR_AFTER_S

        def stirred() -> T:
            nonlocal stir_s, jump_bps
            if time.monotonic() > stir_s:
                self.faults({"kind": "jump", "bps": jump_bps})
                stir_s, jump_bps = time.monotonic() + _STIR_EVERY_S, -jump_bps
            return look()

        return self.wait(what, stirred)

    def wait_ready(self) -> None:
        """Wait until the host trades and holds a position."""
        self.wait("it trades", self.trades, _START_WITHIN_S)
        self.wait_active("it holds a position", lambda: self.status().get("positions"))

    def wait_trading_again(self) -> None:
        """Wait until it trades as before, and goes on to for a moment."""
        since_s = 0.0

        def steadily() -> bool:
            nonlocal since_s
            if not self.trades():
                since_s = 0.0
                return False
            since_s = since_s or time.monotonic()
            return time.monotonic() - since_s >= _STEADY_S

        self.wait("it trades again", steadily)
        self.recovered("trades again", since_s)

    def _why_it_ended(self) -> str:
        assert self.host is not None
        for reader in self._readers:
            reader.join(1.0)
        said = [text for _, who, text in self._notes if who in ("error", "critical")]
        code = f"the host ended with exit code {self.host.returncode}"
        return f"{code}: {said[-1]}" if said else code

    def _shown(self) -> str:
        now = self.status()
        if not now:
            return "the host does not answer"
        paused = "; ".join(sorted(set(now["paused"].values())))
        halt = f"{now['halt']} {now['halt_reason'] or ''}".rstrip()
        text = f"state {now['state']}, halt {halt}, {now['open_orders']} open orders"
        return f"{text}, paused: {paused}" if paused else text
