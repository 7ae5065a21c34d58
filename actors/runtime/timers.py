"""One heap of due times; a due timer is a message to the incarnation that asked for it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from .mailbox import Ticket
from .messages import NOTHING

if TYPE_CHECKING:
    from .context import Context

_COMPACT_AT = 1024


class Due(Protocol):
    """What can stand in the heap."""

    cancelled: bool

    def fire(self) -> int | None:
        """Do it; return after how many nanoseconds again, or None."""


class Timer:
    """A message to come. Once cancelled it is never delivered, even if it was due already."""

    __slots__ = ("_context", "_interval_ns", "_message", "_on_cancel", "_queued", "cancelled")

    def __init__(
        self,
        context: Context,
        message: object,
        interval_ns: int | None,
        on_cancel: Callable[[], None],
    ) -> None:
        self._context = context
        self._message = message
        self._interval_ns = interval_ns
        self._on_cancel = on_cancel
        self._queued = False
        self.cancelled = False

    def cancel(self) -> None:
        """Take it back; doing so twice changes nothing."""
        if not self.cancelled:
            self.cancelled = True
            self._on_cancel()

    def fire(self) -> int | None:
        """Put the message in line; a repeating one waits there once, however slow the reader."""
        context = self._context
        if self.cancelled or context.fenced:
            return None
        if not self._queued:
            self._queued = True
            context.mailbox.put_ticket(Ticket(self))
        return self._interval_ns

    def redeem(self, key: Any, context: Context | None) -> object:
        """Return the message, for the incarnation that set the timer and no other."""
        self._queued = False
        if self.cancelled or context is not self._context:
            return NOTHING
        return self._message


class Call:
    """An entry that calls a function of the runtime, once."""

    __slots__ = ("_call", "cancelled")

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.cancelled = False

    def fire(self) -> int | None:
        """Call it."""
        self._call()
        return None


class Timers:
    """The heap. Due times are in the runtime's monotonic nanoseconds."""

    def __init__(self, on_sooner: Callable[[], None]) -> None:
        self._heap: list[tuple[int, int, Due]] = []
        self._order = count()
        self._guard = RLock()
        self._cancelled = 0
        self._on_sooner = on_sooner

    def __len__(self) -> int:
        """Return how many entries stand in the heap, cancelled ones included."""
        return len(self._heap)

    def set(self, due_ns: int, timer: Due) -> None:
        """Add one; whoever waits for the first due time is told when it comes sooner."""
        with self._guard:
            heapq.heappush(self._heap, (due_ns, next(self._order), timer))
            sooner = self._heap[0][2] is timer
        if sooner:
            self._on_sooner()

    def note_cancel(self) -> None:
        """Count a cancelled entry, and sweep them out when they are most of the heap."""
        with self._guard:
            self._cancelled += 1
            if self._cancelled > _COMPACT_AT and self._cancelled * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if not entry[2].cancelled]
                heapq.heapify(self._heap)
                self._cancelled = 0

    def next_due_ns(self) -> int | None:
        """Return when the first one that still counts is due."""
        with self._guard:
            while self._heap and self._heap[0][2].cancelled:
                heapq.heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    def fire_due(self, now_ns: int) -> int:
        """Fire all that is due, in order; a repeating timer that is late skips what it missed."""
        fired = 0
        while True:
            with self._guard:
                if not self._heap or self._heap[0][0] > now_ns:
                    return fired
                due_ns, _, timer = heapq.heappop(self._heap)
            if timer.cancelled:
                continue
            fired += 1
            interval_ns = timer.fire()
            if interval_ns is not None:
                missed = (now_ns - due_ns) // interval_ns
                self.set(due_ns + (missed + 1) * interval_ns, timer)
