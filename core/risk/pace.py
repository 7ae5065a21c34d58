"""How many requests of a kind left within the last minute."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

_MINUTE_NS = 60_000_000_000


class Pace:
    """A sliding minute of counted moments; monotonic nanoseconds, never backwards."""

    def __init__(self) -> None:
        self._moments: deque[int] = deque()

    def count(self, monotonic_ns: int) -> None:
        """Count one now."""
        self._forget(monotonic_ns)
        self._moments.append(monotonic_ns)

    def within_a_minute(self, monotonic_ns: int) -> int:
        """Return how many were counted in the minute that ends now; each costs O(1) over time."""
        self._forget(monotonic_ns)
        return len(self._moments)

    def _forget(self, monotonic_ns: int) -> None:
        moments = self._moments
        while moments and monotonic_ns - moments[0] >= _MINUTE_NS:
            moments.popleft()
