"""A log file that only its owner reads, that rotates by size, for `adapters.logs`."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["RotatingFile"]


class RotatingFile:
    """Append lines to `path`; at `max_bytes` it becomes `path.1`, and so on up to `path.<keep>`.

    A line is one write to the operating system, so nothing waits in a buffer when the process
    dies. Files are 0600 in a 0700 folder. Errors: `OSError`; the next write tries afresh.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor = -1
        self._size = 0

    def write(self, line: str) -> None:
        """Write one line; the line's end is added here."""
        data = (line + "\n").encode("utf-8", "backslashreplace")
        if self._descriptor < 0:
            self._open()
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            self._size += written
            rest = rest[written:]

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1) if number > 1 else self.path
            if newer.exists():
                newer.replace(older)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
