"""The exchange's clock: whole milliseconds, as the venue writes them, with a skew on demand."""

from __future__ import annotations

import time

__all__ = ["Clock"]

_MS = 1_000_000


class Clock:
    """UTC time. The skew is what callers are told and judged by, never what the matching sees."""

    def __init__(self) -> None:
        self.skew_ms = 0
        self._last_ns = 0
        self.market_stands = False  # then no price moves and nothing falls due; calls are answered

    def now_ns(self) -> int:
        """Return the matching engine's time, in ns, floored to whole milliseconds, never back."""
        self._last_ns = max(self._last_ns, time.time_ns() // _MS * _MS)
        return self._last_ns

    def told_ms(self) -> int:
        """Return the time shown to clients, in ms, skew included."""
        return time.time_ns() // _MS + self.skew_ms
