"""Follows the machine's log through its rotations, filtered, for `python run.py tail`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from adapters.logs import LEVELS, printable

__all__ = ["Filter", "Line", "Malformed", "lines"]


@frozen(slots=True)
class Line:
    """One record of the log."""

    time: str
    level: str
    actor: str
    symbol: str
    client_order_id: str
    message: str
    exception: str

    def __str__(self) -> str:
        place = "".join(f" [{part}]" for part in (self.symbol, self.client_order_id) if part)
        text = self.message
        if self.exception:
            text += " | " + self.exception.rstrip().rsplit("\n", 1)[-1]
        return printable(f"{self.time} {self.level:<8} {self.actor}{place}  {text}")


@frozen(slots=True)
class Malformed:
    """A line that is no record: where, and why."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}: {self.reason}"


@frozen(slots=True)
class Filter:
    """Which lines are wanted; an empty word wants all.

    `actor` matches its name or the part before a colon, `order` a client order id, also where a
    text mentions it, `level` that level and all above.
    """

    actor: str = ""
    order: str = ""
    level: str = "debug"

    def wants(self, line: Line) -> bool:
        """Tell whether a line passes."""
        return (
            LEVELS.get(line.level, 50) >= LEVELS[self.level]
            and (not self.actor or f"{line.actor}:".startswith(f"{self.actor}:"))
            and (not self.order or self.order in (line.client_order_id, *line.message.split()))
        )


def lines(path: Path, wait: Callable[[], bool] | None) -> Iterator[Line | Malformed]:
    """Yield every line from the oldest kept file to the newest, then what is written next.

    At the end `wait` is called: it returns when it is time to look again, False to stop; without
    one the end is the end. Errors: `OSError` for a file that cannot be read.
    """
    place = _oldest(path)
    while place is None:
        if wait is None or not wait():
            return
        place = _oldest(path)
    stream: BinaryIO = place.open("rb")
    try:
        number = 0
        part = b""
        while True:
            for piece in stream:
                part += piece
                if part.endswith(b"\n"):
                    number += 1
                    yield _read(path.name, number, part)
                    part = b""
            newer = _after(path, stream)
            if newer is None:
                if wait is None or not wait():
                    break
                if os.fstat(stream.fileno()).st_size < stream.tell():
                    stream.seek(0)
                    number, part = 0, b""
                continue
            # What was written between our end and the rotation comes first.
            rest = stream.read()
            for piece in (part + rest).splitlines(keepends=True):
                number += 1
                yield _read(path.name, number, piece)
            stream.close()
            stream, number, part = newer, 0, b""
        if part:
            yield _read(path.name, number + 1, part)
    finally:
        stream.close()


def _kept(path: Path) -> list[Path]:
    """List the files, newest first."""
    files = [path] if path.exists() else []
    number = 1
    while (older := path.with_name(f"{path.name}.{number}")).exists():
        files.append(older)
        number += 1
    return files


def _oldest(path: Path) -> Path | None:
    files = _kept(path)
    return files[-1] if files else None


def _identity(stream: BinaryIO) -> tuple[int, int]:
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino


def _identities(path: Path) -> list[tuple[int, int]]:
    found = []
    for file in _kept(path):
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        found.append((status.st_dev, status.st_ino))
    return found


def _after(path: Path, stream: BinaryIO) -> BinaryIO | None:
    """Open the file written after this one; None when this is the newest, or files are moving."""
    ours = _identity(stream)
    order = _identities(path)
    if not order or order[0] == ours:
        return None
    wanted = order[order.index(ours) - 1] if ours in order else order[-1]
    for file in _kept(path):
        try:
            candidate = file.open("rb")
        except FileNotFoundError:
            continue
        if _identity(candidate) == wanted:
            return candidate
        candidate.close()
    return None


def _read(file: str, number: int, data: bytes) -> Line | Malformed:
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        return Malformed(file, number, "not a JSON record")
    names = ("time", "level", "actor", "symbol", "client_order_id", "message", "exception")
    if not isinstance(row, dict) or not isinstance(row.get("message"), str):
        return Malformed(file, number, "a record without a message")
    return Line(*(str(row.get(name, "")) for name in names))
