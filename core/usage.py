"""What the host's process uses: when that comes near a limit, and when it grows without end."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any

from attrs import define, field, frozen

__all__ = ["Figure", "Usage", "UsageWatch"]

_WINDOW_NS = 600_000_000_000
_WINDOWS = 7
_NEAR_PERCENT = 80
_GROWN_PERCENT = 10
_MIB = 1 << 20


@frozen(slots=True)
class Figure:
    """How much of something is used and how much may be; None where nobody can tell."""

    used: int | None = None
    limit: int | None = None


@frozen(slots=True)
class Usage:
    """Memory in bytes of RAM, threads, open file descriptors, messages that wait in mailboxes."""

    memory: Figure = Figure()
    threads: Figure = Figure()
    files: Figure = Figure()
    messages: Figure = Figure()

    def row(self) -> dict[str, Any]:
        """Return it for `status --json`; null is unknown."""
        return {
            "memory_bytes": self.memory.used,
            "memory_limit_bytes": self.memory.limit,
            "threads": self.threads.used,
            "open_files": self.files.used,
            "open_files_limit": self.files.limit,
            "waiting_messages": self.messages.used,
        }


@frozen(slots=True)
class _Kind:
    """How a figure is called, what it has to grow by at least to be worth a word, and its unit."""

    name: str
    least: int
    unit: int
    unit_name: str

    def words(self, amount: int) -> str:
        return f"{amount // self.unit} {self.unit_name}".rstrip()


_KINDS = {
    "memory": _Kind("memory", 32 * _MIB, _MIB, "MiB"),
    "threads": _Kind("threads", 8, 1, ""),
    "files": _Kind("open files", 16, 1, ""),
    "messages": _Kind("waiting messages", 1_000, 1, ""),
}


@define
class _Trend:
    """Least and most of each of the last windows, so that what is freed again is no growth."""

    windows: deque[tuple[int, int]] = field(factory=lambda: deque(maxlen=_WINDOWS))
    began_ns: int = 0

    def take(self, used: int, now_ns: int) -> None:
        if not self.windows or now_ns - self.began_ns >= _WINDOW_NS:
            self.began_ns = now_ns
            self.windows.append((used, used))
        least, most = self.windows[-1]
        self.windows[-1] = (min(least, used), max(most, used))

    def grown(self, least: int) -> int:
        """Return by how much it grew while every window lay above the one before; 0 for none.

        What goes up and down by itself as much as it grew is not taken for growth.
        """
        over = list(self.windows)[:-1]  # the last one is not
        lows = [low for low, _ in over]
        if len(over) < _WINDOWS - 1 or any(a >= b for a, b in pairwise(lows)):
            return 0
        first_low, first_high = over[0]
        grown = lows[-1] - first_low
        enough = grown >= max(least, first_low * _GROWN_PERCENT // 100)
        return grown if enough and lows[-1] > first_high else 0


@define
class UsageWatch:
    """Judges each reading by its limits and by the hour before it."""

    _trends: dict[str, _Trend] = field(factory=dict, init=False)

    def look(self, usage: Usage, now_ns: int) -> dict[str, str]:
        """Return what is wrong now, by what it is about. `now_ns` is of the monotonic clock."""
        found = {}
        for place, kind in _KINDS.items():
            figure: Figure = getattr(usage, place)
            if figure.used is None:
                continue
            trend = self._trends.setdefault(place, _Trend())
            trend.take(figure.used, now_ns)
            if figure.limit and figure.used * 100 >= figure.limit * _NEAR_PERCENT:
                found[f"{place} near limit"] = (
                    f"{kind.name}: {kind.words(figure.used)} of {kind.words(figure.limit)} used"
                )
            grown = trend.grown(kind.least)
            if grown:
                minutes = _WINDOW_NS // 60_000_000_000 * (_WINDOWS - 2)
                found[f"{place} grows"] = (
                    f"{kind.name}: {kind.words(figure.used)}, growing without a break for "
                    f"{minutes} minutes, by {kind.words(grown)}"
                )
        return found
