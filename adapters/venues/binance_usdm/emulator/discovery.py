"""Where a local exchange runs, with which key: written by it, found by the hosts after it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from attrs import field, frozen

__all__ = [
    "RunningExchange",
    "answers",
    "credentials",
    "discover",
    "forget",
    "is_held",
    "make_private",
    "market_stands",
    "publish",
]

_TIMEOUT_S = 2.0


@frozen(slots=True)
class RunningExchange:
    """A local exchange that answers; `key` and `secret` open its account.

    `by_host` tells one that a host started from one that a person did.
    """

    venue: str
    pid: int
    rest: str
    ws: str
    started_ns: int
    key: str
    secret: str = field(repr=False)
    by_host: bool


def credentials(folder: Path, key: str, secret: str) -> tuple[str, str]:
    """Return the API key pair of this exchange and keep it in `credentials.json` (0600).

    A given pair replaces the kept one; without either a new one is made.
    """
    path = folder / "credentials.json"
    kept = _read(path)
    if not (key and secret):
        key = key or str(kept.get("key", "")) or secrets.token_hex(32)
        same = key == kept.get("key")
        secret = secret or (str(kept.get("secret", "")) if same else "") or secrets.token_hex(32)
    if (key, secret) != (kept.get("key"), kept.get("secret")):
        _write(path, {"key": key, "secret": secret})
    return key, secret


def make_private(folder: Path) -> None:
    """Make a folder and those missing above it, for the owner alone (0700)."""
    for one in (*reversed(folder.parents), folder):
        if not one.is_dir():
            one.mkdir(mode=0o700, exist_ok=True)


def publish(
    folder: Path, venue: str, rest: str, ws: str, started_ns: int, *, by_host: bool = False
) -> None:
    """Write the discovery file of this process."""
    _write(
        folder / "exchange.json",
        {
            "venue": venue,
            "pid": os.getpid(),
            "rest": rest,
            "ws": ws,
            "started_ns": started_ns,
            "by_host": by_host,
        },
    )


def forget(folder: Path) -> None:
    """Remove the discovery file of this process, if it is this process's."""
    path = folder / "exchange.json"
    if _read(path).get("pid") == os.getpid():
        path.unlink(missing_ok=True)


def discover(state_dir: Path, venue: str) -> RunningExchange | None:
    """Find the exchange that keeps its account under `state_dir`, None where none runs.

    Its process must live and its health endpoint must answer with the start time of the file, so
    that neither a recycled process id nor another server on the port is taken for it.
    """
    folder = state_dir / venue
    found = _read(folder / "exchange.json")
    kept = _read(folder / "credentials.json")
    try:
        running = RunningExchange(
            venue,
            int(found["pid"]),
            str(found["rest"]),
            str(found["ws"]),
            int(found["started_ns"]),
            str(kept["key"]),
            str(kept["secret"]),
            found.get("by_host") is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not _alive(running.pid):
        return None
    health = answers(running.rest)
    if (health.get("started_ns"), health.get("pid")) != (running.started_ns, running.pid):
        return None
    return running


def is_held(state_dir: Path, venue: str) -> bool:
    """Tell whether a process holds the account under `state_dir`, whether it answers or not."""
    try:
        with (state_dir / venue / "exchange.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def answers(rest: str) -> dict[str, Any]:
    """Return what the health endpoint at this address says, empty when none answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{rest}/_exchange/health", timeout=_TIMEOUT_S) as answer:
            found = json.loads(answer.read(65_536))
    except (urllib.error.URLError, HTTPException, OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def market_stands(rest: str, stands: bool, timeout_s: float) -> bool:
    """Let the market at this address stand still, or go on; tell whether it said yes in time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = json.dumps({"stands": stands}).encode()
    request = urllib.request.Request(f"{rest}/_exchange/market", body)
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, HTTPException, OSError):
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, values: dict[str, Any]) -> None:
    make_private(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
