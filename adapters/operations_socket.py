"""The operator's local socket: one JSON line asks a running host, one JSON line answers."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
import threading
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from core.errors import BulkheadError, UsageError, UserError
from core.ports import Log

__all__ = ["HostSilent", "OperationsServer", "ask"]

FILE = "host.sock"
_ELSEWHERE = "host.sock.path"
_MAX_PATH = 100  # bytes that every system's sockaddr_un has room for
_MAX_REQUEST = 64 * 1024
_MAX_ANSWER = 64 * 1024 * 1024
_REQUEST_WITHIN_S = 2.0
_ANSWER_WITHIN_S = 5.0
_REFUSE_WITHIN_S = 0.1
_CLOSE_WITHIN_S = 1.0
_MOST_CALLERS = 32
_MEANWHILE_S = 0.5
_AFTER_TROUBLE_S = 0.05

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class HostSilent(BulkheadError):
    """A host runs and gave no usable answer in time."""


class OperationsServer:
    """Answer operators on `path` (`state/host.sock`), each on a short-lived thread of its own.

    `handler` gets the request and returns the answer, both plain JSON objects; what it raises is
    answered as `{"error": text}`, with the three parts of a `UserError` as `"usage"`, and logged
    where it is a fault. It may block, with a time-out: nobody else waits for it. At most
    `_MOST_CALLERS` are served at once: the oldest who has asked nothing yet makes room.
    """

    def __init__(self, path: Path, handler: Handler, log: Log | None = None) -> None:
        self.path = path
        self._handler = handler
        self._log = log
        self._idle = threading.Condition()
        # Whether each has asked. Who takes a caller out of here is the one to have the last word.
        self._callers: dict[socket.socket, bool] = {}
        self._answering = 0
        self._listener = _listen(path)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="operations-socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and take the socket away; who still waits is told so; idempotent."""
        with suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(_CLOSE_WITHIN_S)
        self._wake.close()
        with self._idle:
            left, self._callers = self._callers, {}
        for caller, asked in left.items():
            if asked:
                _say(caller, {"error": "the host stopped before it had an answer"}, _CLOSE_WITHIN_S)
            _hang_up(caller)
        with self._idle:
            self._idle.wait_for(lambda: not self._answering, _CLOSE_WITHIN_S)

    def _serve(self) -> None:
        from selectors import EVENT_READ, DefaultSelector

        bound = Path(self._listener.getsockname())
        with self._listener, self._woken, DefaultSelector() as waiting:
            waiting.register(self._listener, EVENT_READ)
            waiting.register(self._woken, EVENT_READ)
            while True:
                try:
                    ready = {key.fileobj for key, _ in waiting.select()}
                    if self._woken in ready:
                        break
                    caller, _ = self._listener.accept()
                    self._admit(caller)
                except (OSError, MemoryError):  # the caller left, or files or memory ran out
                    sleep(_AFTER_TROUBLE_S)
        _forget(self.path, bound)

    def _admit(self, caller: socket.socket) -> None:
        with self._idle:
            if len(self._callers) >= _MOST_CALLERS:
                silent = next((one for one, asked in self._callers.items() if not asked), None)
                if silent is not None:
                    del self._callers[silent]
                    _hang_up(silent)
            full = len(self._callers) >= _MOST_CALLERS
            if not full:
                self._callers[caller] = False
        if full:
            text = f"{_MOST_CALLERS} operators wait for their answers already: try again later"
            with caller:
                _say(caller, {"error": text}, _REFUSE_WITHIN_S)
            return
        try:
            # Thread.start() waits until the thread runs: for ever where it then finds no memory.
            start_new_thread(self._attend, (caller,))
        except (RuntimeError, MemoryError):  # this process may start no more threads
            with self._idle:
                self._callers.pop(caller, None)
            caller.close()

    def _attend(self, caller: socket.socket) -> None:
        with self._idle:
            self._answering += 1
        try:
            with caller:
                answer = self._answer(caller)
                with self._idle:
                    ours = self._callers.pop(caller, None) is not None
                if ours:
                    _say(caller, answer, _ANSWER_WITHIN_S)
        finally:
            with self._idle:
                self._callers.pop(caller, None)
                self._answering -= 1
                self._idle.notify_all()

    def _answer(self, caller: socket.socket) -> dict[str, Any]:
        try:
            line = _receive(caller, _MAX_REQUEST, _REQUEST_WITHIN_S)
        except (OSError, ValueError) as error:
            return {"error": str(error)}
        with self._idle:
            if caller not in self._callers:
                return {"error": "asked too late"}  # and nothing is done that nobody hears of
            self._callers[caller] = True
        return self._handle(line)

    def _handle(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "the request is not one line of JSON"}
        if not isinstance(request, dict):
            return {"error": "the request is not a JSON object"}
        try:
            answer = self._handler(request)
            _line(answer)
        except UserError as error:
            return {"error": str(error), "usage": [error.what, error.where, error.mend]}
        except BulkheadError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 (a fault behind one question must not end the others)
            if self._log is not None:
                self._log("error", "operations", "a request failed", exception=error)
            return {"error": f"the host failed to answer: {type(error).__name__}"}
        return answer


def ask(
    state_dir: Path,
    request: dict[str, Any],
    timeout_s: float = 5.0,
    meanwhile: Callable[[], None] | None = None,
) -> dict[str, Any] | None:
    """Ask the host that runs on a state folder; None where none runs.

    `meanwhile` is called twice a second while no answer comes. Errors: `HostSilent` when a host is
    there and gives no usable answer within `timeout_s`.
    """
    path = _find(state_dir)
    if path is None:
        return None
    deadline = monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            _connect(connection, path, deadline)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise HostSilent(f"the host at {path} cannot be asked: {error}") from error
        try:
            with suppress(BrokenPipeError):  # refused before it was asked: the answer says why
                connection.sendall(_line(request))
            left_s = deadline - monotonic()
            answer = json.loads(_receive(connection, _MAX_ANSWER, left_s, meanwhile))
        except (OSError, ValueError, RecursionError) as error:
            raise HostSilent(f"the host at {path} gave no usable answer: {error}") from error
    if not isinstance(answer, dict):
        raise HostSilent(f"the host at {path} answered no JSON object")
    return answer


def _connect(connection: socket.socket, path: Path, deadline: float) -> None:
    """Connect; while more callers knock than the host has let in yet, knock again."""
    while True:
        try:
            return connection.connect(os.fspath(path))
        except BlockingIOError:
            if monotonic() >= deadline:
                raise
            sleep(_AFTER_TROUBLE_S)


def _say(caller: socket.socket, answer: dict[str, Any], within_s: float) -> None:
    with suppress(OSError):  # the caller left: nobody misses the answer
        caller.settimeout(within_s)
        caller.sendall(_line(answer))


def _hang_up(caller: socket.socket) -> None:
    """Wake the thread that reads from a caller; it closes the connection."""
    with suppress(OSError):
        caller.shutdown(socket.SHUT_RDWR)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False).encode() + b"\n"


def _receive(
    connection: socket.socket,
    limit: int,
    within_s: float,
    meanwhile: Callable[[], None] | None = None,
) -> bytes:
    """Read one line. Errors: `TimeoutError`, `ValueError` when it is too long or cut off."""
    deadline = monotonic() + within_s
    parts = bytearray()
    while b"\n" not in parts[-65_536:]:
        left_s = deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError(f"no whole line within {within_s:.1f} s")
        connection.settimeout(min(left_s, _MEANWHILE_S) if meanwhile else left_s)
        try:
            part = connection.recv(65_536)
        except TimeoutError:
            if meanwhile:
                meanwhile()
            continue
        if not part:
            raise ValueError("the line was cut off")
        parts += part
        if len(parts) > limit:
            raise ValueError(f"the line is longer than {limit} bytes")
    return bytes(parts[: parts.index(b"\n")])


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _answers(_find(path.parent)):
        raise UsageError("another host answers on this state folder", str(path), "stop it first")
    _forget(path, _find(path.parent))
    bound = path if len(os.fsencode(path)) <= _MAX_PATH else _elsewhere(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(bound))
        os.chmod(bound, 0o600)
        listener.listen(_MOST_CALLERS)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"the operator's socket cannot be made: {error}",
            str(bound),
            "set paths.state to a local folder that this user may write to",
        ) from error
    listener.setblocking(False)
    return listener


def _elsewhere(path: Path) -> Path:
    """Bind a path that is too long in a private folder instead, and note where."""
    folder = Path(tempfile.mkdtemp(prefix="bulkhead-"))
    bound = folder / FILE
    if len(os.fsencode(bound)) > _MAX_PATH:
        folder.rmdir()
        raise UsageError(
            "the state folder's path is too long for a socket, and so is the temporary folder's",
            str(path),
            "set paths.state, or TMPDIR, to a shorter path",
        )
    note = path.with_name(_ELSEWHERE)
    handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(os.fspath(bound))
    return bound


def _find(state_dir: Path) -> Path | None:
    path = state_dir / FILE
    if _is_our_socket(path):
        return path
    try:
        noted = Path(path.with_name(_ELSEWHERE).read_text())
    except (OSError, ValueError):
        return None
    return noted if _is_our_socket(noted) else None


def _is_our_socket(path: Path) -> bool:
    """Tell whether it is a socket of this user: anybody may write to the temporary folder."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()


def _answers(path: Path | None) -> bool:
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
        return True


def _forget(path: Path, bound: Path | None) -> None:
    """Remove a socket of ours and the note of where it was."""
    path.with_name(_ELSEWHERE).unlink(missing_ok=True)
    if bound is None:
        return
    bound.unlink(missing_ok=True)
    if bound.parent != path.parent:
        with suppress(OSError):  # something else put a file there: leave it
            bound.parent.rmdir()
