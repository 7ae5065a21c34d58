"""One host per state folder, and per bot of an account: locks that die with their process."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from time import time_ns
from types import TracebackType
from urllib.parse import urlsplit

from attrs import frozen

from core.config import Config
from core.errors import UsageError

__all__ = [
    "Holder",
    "InstanceLock",
    "account_holders",
    "account_lock",
    "account_locks",
    "account_name",
    "fingerprint",
]

FILE = "host.lock"
_STATE = Path(".local") / "state"
_PORTS = {"http": 80, "https": 443}

Accounts = Mapping[str, tuple[Callable[[], tuple[str, str]], str]]


@frozen(slots=True)
class Holder:
    """The process that took the lock: its id, the host's name, and when."""

    pid: int
    host: str
    started_ns: int


class InstanceLock:
    """Hold a state folder, or what another `file` stands for, for this process; a context manager.

    `doing` says what its holder does, `other` what to do when somebody holds it and `mend` what
    when the file cannot be used. The kernel drops the lock with the process, so one that was killed
    never blocks the next; then `left_by` names it.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        *,
        file: str = FILE,
        doing: str = "runs here",
        other: str = "stop it first, or set another paths.state",
        mend: str = "use a local folder that this user may write to (paths.state)",
    ) -> None:
        self.path = folder / file
        self.host = host
        self.doing = doing
        self.other = other
        self.mend = mend
        self.left_by: Holder | None = None
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Errors: `UsageError` naming the holder, or why it cannot be taken."""
        if self._handle is not None:
            return
        try:
            for each in reversed(self.path.parents):
                if not each.exists():  # parents=True would give those above other rights
                    each.mkdir(mode=0o700, exist_ok=True)
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
        """Give the folder free and take the file away; idempotent."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            os.ftruncate(handle, 0)
            with suppress(OSError):  # in a folder that is read-only by now it stays, empty
                if self.path.stat().st_ino == os.fstat(handle).st_ino:
                    self.path.unlink()
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
            return UsageError(f"the folder cannot be locked: {text}", where, self.mend)
        return UsageError(self.words(self.holder()), where, self.other)

    def words(self, holder: Holder | None) -> str:
        """Say who holds it and does what."""
        if holder is None:
            return f"another host {self.doing}"
        at = datetime.fromtimestamp(holder.started_ns // 10**9, UTC)
        return f"host {holder.host} (process {holder.pid}) {self.doing} since {at:%F %T} UTC"


def fingerprint(*words: str) -> str:
    """Return what tells an account from another and gives nothing of its key away."""
    return sha256("\0".join(words).encode()).hexdigest()[:16]


def account_name(address: str, key: str) -> str:
    """Return what tells an account at a venue from all others, however its address is spelled."""
    url = urlsplit(address)
    host = (url.hostname or "").rstrip(".")
    with suppress(ValueError):  # a name, not a number
        number = ip_address(host)
        host = "localhost" if number.is_loopback or number.is_unspecified else str(number)
    port = url.port or _PORTS.get(url.scheme)
    return fingerprint(f"{url.scheme}://{host}:{port}{url.path.rstrip('/')}", key)


def account_lock(
    venue: str, account: str, bot: str, host: str, environment: Mapping[str, str]
) -> InstanceLock:
    """Make the lock of one bot on one account, the same for all state folders of this user.

    Hosts of other users and machines show at the venue alone. Errors: `UsageError`.
    """
    return InstanceLock(
        _state_home(environment) / "bulkhead" / "accounts",
        host,
        file=f"{venue}-{account}-{bot}.lock",
        doing=f"runs bot {bot} on this account of {venue}",
        other="stop it first: two hosts of the same names would take over each other's orders",
        mend="set XDG_STATE_HOME to a local folder that this user may write to",
    )


def _state_home(environment: Mapping[str, str]) -> Path:
    """Return this user's folder for state; a relative path in the environment does not count.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    named = Path(environment.get("XDG_STATE_HOME", ""))
    home = Path(environment.get("HOME", ""))
    if named.is_absolute():
        return named
    try:
        return (home if home.is_absolute() else Path(pwd.getpwuid(os.getuid()).pw_dir)) / _STATE
    except KeyError:
        what, mend = "this user has no home folder", "set it to a local folder of this user"
        raise UsageError(what, "XDG_STATE_HOME", mend) from None


def account_locks(config: Config, accounts: Accounts, environment: Mapping[str, str]) -> ExitStack:
    """Take the lock of every bot on its venue's account. Errors: `UsageError`; then none is held.

    `accounts` are the venues' addresses and what tells one account from another there.
    """
    with ExitStack() as locks:
        for lock in _of_bots(config, accounts, environment):
            locks.enter_context(lock)
        return locks.pop_all()


def account_holders(
    config: Config, accounts: Accounts, environment: Mapping[str, str]
) -> dict[str, int]:
    """Return in words who runs our bots on their accounts now, each with its process."""
    found = ((lock, lock.holder()) for lock in _of_bots(config, accounts, environment))
    return {lock.words(holder): holder.pid for lock, holder in found if holder is not None}


def _of_bots(
    config: Config, accounts: Accounts, environment: Mapping[str, str]
) -> Iterator[InstanceLock]:
    for bot in config.bots:
        endpoints, name = accounts[bot.venue]
        account = account_name(endpoints()[0], name)
        yield account_lock(bot.venue, account, bot.name, config.host_name, environment)


def _read(handle: int) -> Holder | None:
    try:
        found = json.loads(os.pread(handle, 4_096, 0))
        started_ns = int(found["started_ns"])
        datetime.fromtimestamp(started_ns // 10**9, UTC)
        return Holder(int(found["pid"]), str(found["host"]), started_ns)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None  # empty after an orderly end, or cut short by a crash


def _write(handle: int, holder: Holder) -> None:
    text = json.dumps(
        {"pid": holder.pid, "host": holder.host, "started_ns": holder.started_ns}
    ).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
