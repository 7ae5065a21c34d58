"""The local exchange as a process: found or started by the host in paper mode, stopped with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters.venues.binance_usdm.emulator.discovery import RunningExchange, answers, discover
from core.errors import Unreachable
from core.ports import Endpoints

__all__ = ["AttachedExchange", "PaperExchange"]

_START_WITHIN_S = 30.0
_STOP_WITHIN_S = 5.0
_POLL_S = 0.05


class PaperExchange:
    """An exchange of our own: one account under `state_dir`, one process at a time.

    It runs in a session of its own and writes to `log_path`, so that it outlives a host that is
    killed; the next host finds it through its discovery file and attaches. `command(port)` is the
    command line that starts it; port 0 asks for a free one.
    """

    def __init__(
        self,
        venue: str,
        state_dir: Path,
        log_path: Path,
        command: Callable[[int], Sequence[str]],
    ) -> None:
        self._venue = venue
        self._state_dir = state_dir
        self._log_path = log_path
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._running: RunningExchange | None = None

    def ensure(self) -> Endpoints:
        """Attach to the running exchange, else start one. Errors: `Unreachable`."""
        last_port = int(self._running.rest.rsplit(":", 1)[1]) if self._running else 0
        self._running = discover(self._state_dir, self._venue)
        if self._running is None:
            self._running = self._start(last_port)
        return Endpoints(self._running.rest, self._running.ws, self._running.pid)

    def endpoints(self) -> tuple[str, str]:
        """Return the REST and WebSocket addresses, empty before the first `ensure`."""
        return (self._running.rest, self._running.ws) if self._running else ("", "")

    def alive(self) -> bool:
        """Tell whether the process lives; one that we started is reaped when it ended."""
        if self._process is not None and self._process.poll() is not None:
            return False
        return self._running is not None and _lives(self._running.pid)

    def stop(self) -> None:
        """Ask the process to end in order; kill it if it does not."""
        if self._running is None or not self.alive():
            return
        pid = self._running.pid
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_WITHIN_S
        while self.alive():
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                deadline += _STOP_WITHIN_S
            time.sleep(_POLL_S)

    def _start(self, port: int) -> RunningExchange:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as output:
            begin = output.tell()
            self._process = subprocess.Popen(
                list(self._command(port)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline:
            found = discover(self._state_dir, self._venue)
            if found is not None:
                return found
            if self._process.poll() is not None:
                said = self._said_since(begin)
                if port and "in use" in said:
                    return self._start(0)
                raise Unreachable(
                    f"the local exchange ended with exit code {self._process.returncode}: {said}",
                    venue=self._venue,
                )
            time.sleep(_POLL_S)
        self._process.kill()
        self._process.wait()
        raise Unreachable(
            f"the local exchange did not listen within {_START_WITHIN_S:.0f} s; "
            f"see {self._log_path}",
            venue=self._venue,
        )

    def _said_since(self, begin: int) -> str:
        with self._log_path.open("rb") as output:
            output.seek(begin)
            lines = output.read(65_536).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"nothing said; see {self._log_path}"


class AttachedExchange:
    """An exchange that a person started: used, never stopped."""

    def __init__(self, venue: str, rest: str) -> None:
        self._venue = venue
        self._rest = rest.rstrip("/")

    def ensure(self) -> Endpoints:
        """Return its addresses once it answers. Errors: `Unreachable`."""
        health = answers(self._rest)
        if not health:
            raise Unreachable(f"no local exchange answers at {self._rest}", venue=self._venue)
        rest, ws = self.endpoints()
        return Endpoints(rest, ws, int(health.get("pid", 0)))

    def endpoints(self) -> tuple[str, str]:
        """Return the REST and WebSocket addresses."""
        return self._rest, "ws" + self._rest.removeprefix("http")

    def alive(self) -> bool:
        """Tell whether it answers."""
        return bool(answers(self._rest))

    def stop(self) -> None:
        """Leave it running: it is not ours."""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
