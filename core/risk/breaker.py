"""The breaker of a venue's calls: when most fail, open nothing there until a probe goes well."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

from core.errors import OutcomeUnknown, OverBudget, RetryLater, VenueError

if TYPE_CHECKING:
    from core.config import Breaker as Settings

__all__ = ["Breaker", "BreakerState", "speaks_of_venue"]

_NS_S = 1_000_000_000
_MAX_PAUSE_FACTOR = 8


class BreakerState(StrEnum):
    """CLOSED lets everything through, OPEN waits, HALF_OPEN waits for one probe's answer."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def speaks_of_venue(error: VenueError) -> bool:
    """Tell whether a failed call says that the venue is unwell, rather than that one order was bad.

    No connection, no usable answer, the venue's own trouble, rate limits. A refused order, a
    missing one, a bad key or timestamp are an answer: the venue works. What our own budget held
    back says nothing of it.
    """
    if isinstance(error, OverBudget):
        return False
    return isinstance(error, OutcomeUnknown | RetryLater) or error.http_status >= 500


class Breaker:
    """One venue's breaker over a sliding window; mutable, one owner, told the monotonic time.

    Opens when of at least `min_calls` in `window_s` at least `max_error_percent` failed. After
    `open_s` it wants one probe; a failed one, or one without an answer for as long, opens it again
    for twice the time, up to eight times. In half-open any call's outcome counts as the probe's.
    `state` and `reason` say what it is and why; `told` and `tick` answer whether that changed.
    """

    def __init__(self, settings: Settings) -> None:
        self.state = BreakerState.CLOSED
        self.reason = ""
        self._settings = settings
        self._window: deque[tuple[int, int, int]] = deque()
        self._good = 0
        self._failed = 0
        self._factor = 1
        self._wait_until_ns = 0

    def restore(self, reason: str, now_ns: int) -> None:
        """Begin open, as the last start left it; the probe decides."""
        self._open(reason, now_ns)

    def told(self, good: int, failed: int, now_ns: int, text: str = "") -> bool:
        """Count calls; return whether the state changed. `text` is the newest failure's."""
        match self.state:
            case BreakerState.CLOSED:
                return self._count(good, failed, now_ns, text)
            case BreakerState.HALF_OPEN if failed:
                self._open_again(text or "the probe failed", now_ns)
                return True
            case BreakerState.HALF_OPEN if good:
                self.state, self.reason = BreakerState.CLOSED, ""
                self._factor = 1
                return True
        return False

    def tick(self, now_ns: int) -> bool:
        """Go on when a wait is over; return whether the state changed.

        The caller sends one probe whenever the state became half-open.
        """
        if self.state is BreakerState.CLOSED or now_ns < self._wait_until_ns:
            return False
        if self.state is BreakerState.HALF_OPEN:
            self._open_again("the probe got no answer", now_ns)
        else:
            self.state = BreakerState.HALF_OPEN
            self._wait(now_ns)
        return True

    def _count(self, good: int, failed: int, now_ns: int, text: str) -> bool:
        window, settings = self._window, self._settings
        window.append((now_ns, good, failed))
        self._good += good
        self._failed += failed
        oldest_ns = now_ns - int(settings.window_s * _NS_S)
        while window[0][0] <= oldest_ns:
            _, old_good, old_failed = window.popleft()
            self._good -= old_good
            self._failed -= old_failed
        calls = self._good + self._failed
        if calls < settings.min_calls or self._failed * 100 < settings.max_error_percent * calls:
            return False
        if not failed:
            return False
        why = f": {text}" if text else ""
        self._open(
            f"{self._failed} of {calls} calls failed within {settings.window_s:g} s{why}", now_ns
        )
        return True

    def _open_again(self, reason: str, now_ns: int) -> None:
        self._factor = min(self._factor * 2, _MAX_PAUSE_FACTOR)
        self._open(reason, now_ns)

    def _open(self, reason: str, now_ns: int) -> None:
        self.state, self.reason = BreakerState.OPEN, reason
        self._window.clear()
        self._good = self._failed = 0
        self._wait(now_ns)

    def _wait(self, now_ns: int) -> None:
        self._wait_until_ns = now_ns + int(self._settings.open_s * _NS_S) * self._factor
