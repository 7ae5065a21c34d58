"""A new file in the journal's place, so that a crash at any instant leaves one whole journal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["finish", "replacement", "swap_in"]

_BEGUN, _READY = ".new", ".ready"
_LOGS = ("-wal", "-shm")


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Give the place where the new file is built; it counts for nothing before `swap_in`."""
    new = _beside(path, _BEGUN)
    _remove(new)
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield new
    except BaseException:
        _remove(new)
        raise


def swap_in(path: Path, name: str = "") -> tuple[Path, ...]:
    """Put the new file in place of the present one and its log, which stay aside under a `name`.

    Without a name nothing of them stays. Returns what is kept aside. Should the program die in
    between, `finish` does the rest.
    """
    new = _beside(path, _BEGUN)
    for end in _LOGS:  # left by who read it last; all of it is in the file
        _beside(new, end).unlink(missing_ok=True)
    _sync(new)
    aside = []
    for end in ("", "-wal") if name else ():
        old = path.with_name(path.name + end)
        if old.exists() and old.stat().st_size:
            kept = _free(path.with_name(f"{path.name}.{name}{end}"))
            os.link(old, kept)
            aside.append(kept)
    new.rename(_beside(path, _READY))
    _sync(path.parent)
    finish(path)
    return tuple(aside)


def finish(path: Path) -> None:
    """Complete a swap that was decided before the program died; without one, do nothing."""
    ready = _beside(path, _READY)
    if not ready.exists():
        return
    for end in _LOGS:  # first: a log beside another file than its own would be played into it
        path.with_name(path.name + end).unlink(missing_ok=True)
    _sync(path.parent)
    ready.replace(path)
    _sync(path.parent)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _free(path: Path) -> Path:
    """Return a name that nothing has: what was kept aside earlier is never overwritten."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found


def _remove(new: Path) -> None:
    for end in ("", "-journal", *_LOGS):
        new.with_name(new.name + end).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
