"""One host per state folder: a lock that dies with its process, and says who holds it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from types import TracebackType

from attrs import frozen

from core.errors import UsageError

__all__ = ["Holder", "InstanceLock"]

FILE = "host.lock"


@frozen(slots=True)
class Holder:
    """The process that took the lock: its id, the host's name, and when."""

    pid: int
    host: str
    started_ns: int


class InstanceLock:
    """Hold a state folder for this process; a context manager.

    The kernel drops the lock with the process, so one that was killed never blocks the next; then
    `left_by` names it.
    """

    def __init__(self, state_dir: Path, host: str) -> None:
        self.path = state_dir / FILE
        self.host = host
        self.left_by: Holder | None = None
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Errors: `UsageError` naming the holder, or why it cannot be taken."""
        if self._handle is not None:
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = self._lock()
        except OSError as error:
            raise self._refusal(error) from error
        try:
            self.left_by = _read(handle)
            _write(handle, Holder(os.getpid(), self.host, time_ns()))
        except OSError as error:
            os.close(handle)
            raise self._refusal(error) from error
        self._handle = handle

    def release(self) -> None:
        """Give the folder free; idempotent."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            os.ftruncate(handle, 0)
            os.close(handle)

    def holder(self) -> Holder | None:
        """Return who holds the folder now, None when nobody does."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read(handle)
        else:
            return None
        finally:
            os.close(handle)

    def __enter__(self) -> InstanceLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _lock(self) -> int:
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.stat(self.path).st_ino == os.fstat(handle).st_ino:
                    return handle
            except FileNotFoundError:
                pass  # the file was deleted between opening and locking: lock its successor
            except OSError:
                os.close(handle)
                raise
            os.close(handle)

    def _refusal(self, error: OSError) -> UsageError:
        where = str(self.path)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES) or isinstance(
            error, PermissionError
        ):
            text = error.strerror or type(error).__name__
            return UsageError(
                f"the state folder cannot be locked: {text}",
                where,
                "use a local folder that this user may write to (paths.state)",
            )
        holder = self.holder()
        if holder is None:
            who = "another host uses this state folder"
        else:
            at = datetime.fromtimestamp(holder.started_ns / 1e9, UTC)
            who = f"host {holder.host} (process {holder.pid}) runs here since {at:%F %T} UTC"
        return UsageError(who, where, "stop it first, or set another paths.state")


def _read(handle: int) -> Holder | None:
    try:
        found = json.loads(os.pread(handle, 4_096, 0))
        return Holder(int(found["pid"]), str(found["host"]), int(found["started_ns"]))
    except (ValueError, KeyError, TypeError):
        return None  # empty after an orderly end, or cut short by a crash


def _write(handle: int, holder: Holder) -> None:
    text = json.dumps(
        {"pid": holder.pid, "host": holder.host, "started_ns": holder.started_ns}
    ).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
