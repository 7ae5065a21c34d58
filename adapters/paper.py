"""The local exchange as a process: found or started by the host in paper mode, stopped with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters.venues.binance_usdm.emulator.discovery import (
    RunningExchange,
    answers,
    discover,
    market_stands,
)
from core.errors import Unreachable, UsageError, VenueError
from core.ports import Endpoints
from core.secrets import Secret

__all__ = ["OTHER_KEY", "AttachedExchange", "PaperExchange"]

OTHER_KEY = (
    "put the pair in binance/credentials.json of its --state into two variables, and name these in "
    "paper.key_env and paper.secret_env"
)

_GONE = "the local exchange is gone"
_START_WITHIN_S = 30.0
_STOP_WITHIN_S = 3.0
_SILENT_FOR_S = 15.0
_CLOSE_WITHIN_S = 1.5
_WRONG_USE = 2
_ERROR = re.compile(r"error: (?P<what>.+) \((?P<where>[^()]*)\): (?P<mend>.+)")
_POLL_S = 0.05


class PaperExchange:
    """An exchange of our own: one account under `state_dir`, one process at a time.

    It runs in a session of its own and writes to `log_path`, so that it outlives a host that is
    killed; the next host finds it through its discovery file and attaches. One that a person
    started on this account is used as well, and left as it is. `command(port)` is the command line
    that starts it; port 0 asks for a free one.
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
        self._heard_s = 0.0
        self.gone = _GONE

    def ensure(self) -> Endpoints:
        """Attach to the running exchange, else start one. Errors: `VenueError`."""
        last_port = int(self._running.rest.rsplit(":", 1)[1]) if self._running else 0
        self._running = discover(self._state_dir, self._venue)
        if self._running is None:
            self._running = self._start(last_port)
        else:
            market_stands(self._running.rest, False, _CLOSE_WITHIN_S)
        self._heard_s, self.gone = time.monotonic(), _GONE
        return Endpoints(self._running.rest, self._running.ws, self._running.pid)

    def find(self) -> bool:
        """Use the exchange that runs already, as it is; tell whether one does."""
        self._running = discover(self._state_dir, self._venue)
        return self._running is not None

    def endpoints(self) -> tuple[str, str]:
        """Return the REST and WebSocket addresses, empty before one was found."""
        return (self._running.rest, self._running.ws) if self._running else ("", "")

    def alive(self) -> bool:
        """Tell whether the process lives and answers; one that is silent for long is killed."""
        if not self._lives() or self._running is None:
            return False
        if answers(self._running.rest).get("pid") == self._running.pid:
            self._heard_s = time.monotonic()
        elif self._running.by_host and time.monotonic() - self._heard_s > _SILENT_FOR_S:
            silent = f"the local exchange was silent for {_SILENT_FOR_S:.0f} s"
            self.gone = f"{silent}: killed (process {self._running.pid})"
            os.kill(self._running.pid, signal.SIGKILL)
            self._wait_for_end(_STOP_WITHIN_S)
            return False
        return True

    def close_market(self) -> bool:
        """Let prices stand still, so that nothing fills while the host leaves; False: they move.

        Otherwise what fills after a position looked for the last time is missing in its books
        until the next start.
        """
        if self._running is None or not self._running.by_host or not self._lives():
            return True
        return market_stands(self._running.rest, True, _CLOSE_WITHIN_S)

    def stop(self, within_s: float = _STOP_WITHIN_S) -> None:
        """Ask the process to end in order; kill it if it does not: its account is on disk.

        One that a person started runs on.
        """
        if self._running is None or not self._running.by_host or not self._lives():
            return
        pid = self._running.pid
        os.kill(pid, signal.SIGTERM)
        if not self._wait_for_end(within_s):
            os.kill(pid, signal.SIGKILL)
            self._wait_for_end(_STOP_WITHIN_S)

    def _lives(self) -> bool:
        """Tell whether the process is there; one that we started is reaped when it ended."""
        if self._process is not None and self._process.poll() is not None:
            return False
        return self._running is not None and _lives(self._running.pid)

    def _wait_for_end(self, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while self._lives():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

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
        try:
            return self._listening(port, begin)
        except BaseException:
            # Nobody would find one that was started and not heard, least of all after Ctrl-C.
            self._process.kill()
            self._process.wait()
            raise

    def _listening(self, port: int, begin: int) -> RunningExchange:
        """Wait until the process that was just started listens, at `port` unless it is taken."""
        assert self._process is not None
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline:
            found = discover(self._state_dir, self._venue)
            if found is not None:
                return found
            if self._process.poll() is not None:
                said = self._said_since(begin)
                if port and "in use" in said:
                    return self._start(0)
                self._refuse_wrong_use(said)
                raise VenueError(
                    f"the local exchange ended with exit code {self._process.returncode}: {said}",
                    venue=self._venue,
                )
            time.sleep(_POLL_S)
        raise VenueError(
            f"the local exchange did not listen within {_START_WITHIN_S:.0f} s; "
            f"see {self._log_path}",
            venue=self._venue,
        )

    def _refuse_wrong_use(self, said: str) -> None:
        """Pass on what the exchange found wrong with its options: they are the configuration's."""
        assert self._process is not None
        found = _ERROR.fullmatch(said)
        if self._process.returncode == _WRONG_USE and found:
            raise UsageError(found["what"], f"[paper], {found['where']}", found["mend"])

    def _said_since(self, begin: int) -> str:
        with self._log_path.open("rb") as output:
            output.seek(begin)
            lines = output.read(65_536).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"nothing said; see {self._log_path}"


class AttachedExchange:
    """An exchange that a person started: used, never stopped."""

    def __init__(self, venue: str, rest: str, key: Secret) -> None:
        self.gone = _GONE
        self._venue = venue
        self._rest = rest.rstrip("/")
        self._key = key

    def ensure(self) -> Endpoints:
        """Return its addresses once it answers. Errors: `Unreachable`."""
        health = answers(self._rest)
        if not health:
            raise Unreachable(f"no local exchange answers at {self._rest}", venue=self._venue)
        if health.get("key", self._key.reveal()) != self._key.reveal():
            raise Unreachable(f"{self._rest} has another key: {OTHER_KEY}", venue=self._venue)
        rest, ws = self.endpoints()
        return Endpoints(rest, ws, int(health.get("pid", 0)))

    def endpoints(self) -> tuple[str, str]:
        """Return the REST and WebSocket addresses."""
        return self._rest, "ws" + self._rest.removeprefix("http")

    def find(self) -> bool:
        """Tell whether it answers."""
        return self.alive()

    def alive(self) -> bool:
        """Tell whether it answers."""
        return bool(answers(self._rest))

    def close_market(self) -> bool:
        """Leave the market alone: it is not ours."""
        return True

    def stop(self, within_s: float = 0.0) -> None:
        """Leave it running: it is not ours."""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
