"""A figure that two sources tell of one after the other, believed once both have spoken."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["Settled"]

_QUIET_NS = 1_000_000_000
_LONGEST_NS = 10_000_000_000
_LAGGING_NS = 75_000_000_000


class Settled:
    """Follows a difference of two sources that show the same event at slightly different times.

    A wallet and the fills that change it come by different ways: between the two, their difference
    is wrong by the fill. So a new difference counts once it stood still for a second, at the latest
    ten seconds after it left the one before; until then the one before counts. Where a source is
    known to lag, both begin once it does not any more, or 75 seconds after. Monotonic times.
    """

    def __init__(self) -> None:
        self._settled: Decimal | None = None
        self._newest = Decimal(0)
        self._away_ns = 0
        self._left_ns = 0
        self._moved_ns = 0

    def look(self, figure: Decimal, now_ns: int, *, lagging: bool = False) -> Decimal:
        """Take the present figure in and return the one that counts; the first counts at once."""
        if self._settled is None:
            self._settled = self._newest = figure
        if figure == self._settled:
            self._newest = figure
            return figure
        if self._newest == self._settled:
            self._away_ns = self._left_ns = now_ns
        if figure != self._newest:
            self._newest, self._moved_ns = figure, now_ns
        if lagging and now_ns - self._away_ns < _LAGGING_NS:
            self._left_ns = self._moved_ns = now_ns
        if now_ns - self._moved_ns >= _QUIET_NS or now_ns - self._left_ns >= _LONGEST_NS:
            self._settled = figure
        return self._settled
