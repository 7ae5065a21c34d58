"""When to restart and when to give up: the back-off and the intensity, as plain arithmetic."""

from __future__ import annotations

from collections import deque
from itertools import islice

from .spec import SupervisorSpec


class Intensity:
    """Counts restarts within the last window."""

    def __init__(self, max_restarts: int, window_s: float) -> None:
        self._max_restarts = max_restarts
        self._window_ns = round(window_s * 1e9)
        self._times_ns: deque[int] = deque()

    def allows(self, now_ns: int) -> bool:
        """Count one more restart; return whether it is still within what is allowed."""
        times_ns = self._times_ns
        while times_ns and now_ns - times_ns[0] > self._window_ns:
            times_ns.popleft()
        times_ns.append(now_ns)
        return len(times_ns) <= self._max_restarts


def backoff_ns(spec: SupervisorSpec, attempt: int, draw: float) -> int:
    """Return the wait before restart number `attempt` (from 0); `draw` is in [0, 1)."""
    wait_s = next(islice(spec.backoffs_s(), attempt, None))
    return round(wait_s * (1 - spec.jitter * draw) * 1e9)
