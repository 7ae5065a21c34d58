"""A folder in which the program runs as people run it, and how to look into it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from adapters.configuration import load
from adapters.drills.judging import differences, entries, live, twice, unprotected
from adapters.operations_socket import HostSilent, ask
from adapters.toml_text import toml
from adapters.venues.binance_usdm.emulator import read_ledger
from core.config import Config
from core.errors import ConfigError
from tests.e2e.scan import read, scan

T = TypeVar("T")
Row = dict[str, Any]
ROOT = Path(__file__).parents[2]
RUN = (sys.executable, str(ROOT / "run.py"))
DATA = ROOT.parent / "shared" / "data"
_POLL_S = 0.05


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, look: Callable[[], T], within_s: float = 20.0) -> T:
    """Return what `look` finds once it finds something."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s:.0f} s")
        time.sleep(_POLL_S)


class Process:
    """A started program; what it prints is read as it comes, so that its pipes never fill."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Row) -> None:
        self.popen = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.popen.stdout, self.lines), (self.popen.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Iterable[str], lines: list[str]) -> None:
        lines.extend(line.rstrip("\n") for line in iter(pipe.readline, ""))  # type: ignore[attr-defined]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def shown(self) -> str:
        return "\n".join([*self.lines, *self.errors])

    def end(self, within_s: float = 30.0) -> int:
        """Wait for the end and return the exit code."""
        code = self.popen.wait(within_s)
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 10.0) -> int:
        """Send a signal; the exit code, which must come within ten seconds."""
        self.popen.send_signal(number)
        return self.end(within_s)

    def kill(self) -> None:
        self.popen.kill()
        self.end()


class Site:
    """State, logs and configuration in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.state_folder = folder / "state"
        self.in_front: tuple[str, ...] = ()
        self.started: list[Process] = []
        self.hosts: list[Config] = []
        self.configure()

    def configure(self, *changes: Mapping[str, Any]) -> None:
        """Write the shipped configuration, one tightly spaced bot, with changes.

        `bots` changes that bot, or as a list makes one of it for each.
        """
        values = tomllib.loads((ROOT / "config.toml").read_text())
        values["bots"][0] |= {
            "symbols": ["BTCUSDT"], "levels": 3, "spacing_bps": 2, "take_profit_bps": 3,
            "recentre_bps": 4, "retry_after_ms": 200,
        }  # fmt: skip
        values["supervision"] |= {
            "max_restarts": 20,
            "backoff_initial_ms": 50,
            "backoff_max_ms": 2000,
        }
        values["console"]["refresh_ms"] = 250
        values["metrics"]["listen"] = ""  # many sites run side by side
        # An order that may not arrive any more is proven gone after the sum of these two.
        values["execution"]["max_order_age_ms"] = 1000
        values["venues"]["binance"]["recv_window_ms"] = 1000
        values["paper"]["speed"] = 10.0
        for change in changes:
            for table, rows in change.items():
                if table == "bots" and isinstance(rows, list):
                    values["bots"] = [values["bots"][0] | row for row in rows]
                elif table == "bots":
                    values["bots"][0] |= rows
                elif isinstance(rows, Mapping):
                    _merge(values[table], rows)
                else:
                    values[table] = rows
        self.config.write_text(toml(values))

    def start(self, *arguments: str) -> Process:
        with contextlib.suppress(ConfigError):
            self.hosts.append(load(self.config))
        return self.run("--config", str(self.config), *arguments)

    def run(self, *arguments: str) -> Process:
        process = Process([*self.in_front, *RUN, *arguments], self.folder, self.environment)
        self.started.append(process)
        return process

    def done(self, *command: str) -> tuple[int, str, str]:
        """Run a command to its end; return exit code, stdout and stderr."""
        process = self.run(*command)
        code = process.end()
        return code, "\n".join(process.lines), "\n".join(process.errors)

    def books(self) -> Row:
        return self._ledger()

    def truth(self) -> Row:
        return self._ledger("--exchange")

    def _ledger(self, *options: str) -> Row:
        code, out, errors = self.done("ledger", "--json", *options, "--config", str(self.config))
        assert code == 0, errors
        found: Row = json.loads(out)
        return found

    def ledger_of_folder(self) -> Row:
        """Return the truth on disk of an exchange that has ended."""
        found: Row = read_ledger(self.state_folder / "exchange", "binance")
        return found

    def status(self) -> Row | None:
        """Ask the running host through its socket; None where none answers."""
        with contextlib.suppress(HostSilent):
            return ask(self.state_folder, {"command": "status"}, 3.0)
        return None

    def wait_status(
        self, what: str, wanted: Callable[[Row], object], within_s: float = 20.0
    ) -> Row:
        def look() -> Row | None:
            status = self.status()
            ended = [one for one in self.started if one.popen.poll() is not None]
            if status is None and ended and ended == self.started:
                raise AssertionError(f"{what}: the host has ended")
            return status if status and "state" in status and wanted(status) else None

        try:
            return wait_for(what, look, within_s)
        except AssertionError as error:
            said = self.started[-1].shown[-3000:] if self.started else ""
            raise AssertionError(f"{error}; status: {self.status()}\n{said}") from None

    def wait_fills(self, more_than: int = 0, within_s: float = 20.0) -> Row:
        return self.wait_status(
            f"more than {more_than} fills", lambda status: status["fills"] > more_than, within_s
        )

    def exchange(self) -> Row:
        """Return the exchange's discovery file, empty where there is none."""
        with contextlib.suppress(OSError, ValueError):
            found: Row = json.loads(
                (self.state_folder / "exchange/binance/exchange.json").read_text()
            )
            return found
        return {}

    def control(
        self, path: str, body: object = None, rest: str = "", method: str | None = None
    ) -> Row:
        """Ask the exchange's control endpoint; with a body, POST it."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{rest or self.exchange()['rest']}/_exchange/{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(url, data, method=method), timeout=5) as answer:
            found: Row = json.loads(answer.read())
            return found

    def log(self) -> str:
        return (self.folder / "logs" / "bulkhead.log").read_text()

    def tear_down(self) -> None:
        """End whatever still runs of what was started here."""
        for process in self.started:
            if process.popen.poll() is None:
                process.kill()
        pid = self.exchange().get("pid")
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.scan()

    def scan(self) -> None:
        """Hold every order that an exchange took here against the caps of the host that sent it."""
        kept = {config.risk for config in self.hosts}
        if len(kept) != 1:  # none that started, or caps that changed on the way
            return
        for state in read(self.folder):
            problems = scan(state, self.hosts[0], self.hosts[0].risk, len(self.hosts))
            assert not problems, problems[:5]


def check_in_order(site: Site, code: int, process: Process) -> Row:
    """Assert what holds after every orderly stop; return the exchange's truth."""
    assert code == 0, process.shown[-3000:]
    assert "Traceback" not in process.shown
    books, truth = site.books(), site.truth()
    check_equal(books, truth)
    check_no_duplicates(truth)
    check_entries_gone(truth)
    check_protected(truth)
    return truth


def check_equal(books: Row, truth: Row) -> None:
    problems = differences(books, truth)
    assert not problems, problems[:20]


def check_no_duplicates(truth: Row) -> None:
    assert not twice(truth)


def check_entries_gone(truth: Row) -> None:
    assert not entries(truth), "entries still at the venue"


def check_protected(truth: Row) -> None:
    """Each open side has one stop of its own size, each closed one none."""
    assert not unprotected(truth), f"stops do not cover the positions: {unprotected(truth)}"
    stops = [row for row in live(truth) if row["type"] == "stop_market"]
    sides = {(row["symbol"], row["position_side"]) for row in stops}
    assert len(stops) == len(sides), "two stops for one side"


def _merge(into: Row, change: Mapping[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
