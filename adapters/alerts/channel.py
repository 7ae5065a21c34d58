"""One channel's own thread: tells what waits, tries again, never holds anybody up."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from adapters.logs import printable
from core.alerts import Alert, AlertQueue, Notice
from core.errors import NotTold
from core.ports import Log, Notifier

__all__ = ["Channel", "is_telling"]

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_PAUSE_AT_END_S = 0.2
_MOST_HANGING = 3
_LEAST_GRACE_S = 0.05
_own = threading.local()


def is_telling() -> bool:
    """Say whether this thread tells alerts: what it logs must not become one."""
    return getattr(_own, "telling", False)


class _Attempt:
    """One try, on a thread of its own: whatever the other side does, nobody waits for it for long.

    `done` is set under the channel's lock.
    """

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.done = False
        self.error: NotTold | None = None


class Channel:
    """A queue and the thread that empties it over one `Notifier`.

    A try that is not answered within `timeout_s` counts as failed, and its thread is left to end
    by itself; while three such hang nothing new is tried, but for one last try at the end. After a
    failure the pauses double from 1 s to 60 s, with jitter, or are as long as the other side asks
    for; the message goes on with what came meanwhile. One that was taken and answered too late is
    told twice.
    """

    def __init__(
        self, notifier: Notifier, queue: AlertQueue, log: Log, actor: str, *, timeout_s: float
    ) -> None:
        self._notifier = notifier
        self._queue = queue
        self._log = log
        self._actor = actor
        self._timeout_s = timeout_s
        self._changed = threading.Condition()
        self._hanging: list[_Attempt] = []
        self._sent = self._failed = self._in_row = 0
        self._last_error = ""
        self._pause_until_s = 0.0
        self._closed_s: float | None = None
        self._until_s = 0.0
        self._thread = threading.Thread(
            target=self._work, name=f"alerts.{notifier.name}", daemon=True
        )
        self._thread.start()

    def hear(self, alert: Alert) -> None:
        """Take in an alert; returns at once."""
        with self._changed:
            if self._closed_s is None and self._queue.put(alert, time.monotonic_ns()):
                self._changed.notify_all()  # seldom: each wakes a thread that wants the GIL

    def figures(self) -> dict[str, Any]:
        """Return what was sent, failed and held back, and what waits."""
        with self._changed:
            return {
                "sent": self._sent,
                "failed": self._failed,
                "held_back": self._queue.held_back,
                "waiting": len(self._queue),
                "last_error": self._last_error,
            }

    def close(self, until_s: float) -> None:
        """Begin to send all that waits, at the latest until then (monotonic); returns at once."""
        with self._changed:
            if self._closed_s is None:
                self._closed_s, self._until_s = time.monotonic(), until_s
                self._pause_until_s = 0.0
                self._changed.notify_all()

    def join(self) -> None:
        """Wait for the end of the thread, at most until what `close` said."""
        self._thread.join(max(0.0, self._until_s - time.monotonic()) + _LEAST_GRACE_S)

    def _work(self) -> None:
        _own.telling = True
        while (notice := self._next()) is not None:
            attempt = _Attempt()
            self._try(attempt, notice)
            self._settle(attempt, notice)

    def _next(self) -> Notice | None:
        """Wait for a message that may go out now; None when the channel is closed and empty."""
        with self._changed:
            while True:
                now_ns, now_s = time.monotonic_ns(), time.monotonic()
                closed = self._closed_s is not None
                if closed and now_s >= self._until_s:
                    return None
                if now_s >= self._pause_until_s:
                    notice = self._queue.take(now_ns, at_once=closed)
                    if notice is not None or closed:
                        return notice
                self._changed.wait(self._wait_s(now_ns, now_s))

    def _wait_s(self, now_ns: int, now_s: float) -> float | None:
        due_ns = self._queue.due_ns()
        if due_ns is None and self._closed_s is None:
            return None
        waits_s = max(((due_ns or 0) - now_ns) / 1e9, self._pause_until_s - now_s, 0.001)
        return waits_s if self._closed_s is None else min(waits_s, self._until_s - now_s)

    def _try(self, attempt: _Attempt, notice: Notice) -> None:
        """Try once; the attempt says why it failed."""
        with self._changed:
            self._hanging = [one for one in self._hanging if not one.done]
            if len(self._hanging) >= _MOST_HANGING + (self._closed_s is not None):
                attempt.error = NotTold("earlier tries still hang")
                return
        try:
            self._thread_for(attempt, notice).start()
        except RuntimeError as error:  # no more threads
            attempt.error = NotTold(str(error))
            return
        with self._changed:
            while not attempt.done:
                patience_s = self._patience_until_s(attempt) - time.monotonic()
                if patience_s <= 0:
                    self._hanging.append(attempt)
                    took_s = time.monotonic() - attempt.began_s
                    attempt.error = NotTold(f"no answer within {took_s:.1f} s")
                    return
                self._changed.wait(patience_s)

    def _thread_for(self, attempt: _Attempt, notice: Notice) -> threading.Thread:
        def work() -> None:
            _own.telling = True
            error: NotTold | None = None
            try:
                self._notifier.send(notice)
            except NotTold as problem:
                error = problem
            except Exception as problem:  # noqa: BLE001 (counted and told as a failed try)
                error = NotTold(f"unexpected {type(problem).__name__}")
            with self._changed:
                attempt.error, attempt.done = attempt.error or error, True
                self._changed.notify_all()

        return threading.Thread(target=work, name=f"{self._thread.name}.try", daemon=True)

    def _patience_until_s(self, attempt: _Attempt) -> float:
        """Return until when an answer counts; a try from before the end gets half of that time."""
        until_s = attempt.began_s + self._timeout_s
        if self._closed_s is None:
            return until_s
        if attempt.began_s >= self._closed_s:
            return min(until_s, self._until_s)
        return min(until_s, self._closed_s + (self._until_s - self._closed_s) / 2)

    def _settle(self, attempt: _Attempt, notice: Notice) -> None:
        """Count how a try went, and say in the log when that changes."""
        said, error = "", attempt.error
        with self._changed:
            if error is None:
                if self._in_row:
                    said = f"{self._notifier.name} works again after {self._in_row} failed tries"
                self._sent += 1
                self._in_row, self._last_error, self._pause_until_s = 0, "", 0.0
            else:
                if not self._in_row or error.final:
                    said = f"{self._notifier.name}: nobody was told: {error}"
                self._failed += 1
                self._in_row += 1
                self._last_error = f"{self._notifier.name}: {error}"
                self._pause_until_s = time.monotonic() + self._pause_s(attempt, error)
                if error.final:
                    self._queue.refuse(notice)
                else:
                    self._queue.give_back(notice, time.monotonic_ns())
        if said:
            # Outside the lock: whoever logs an error holds the log's lock and waits for ours.
            self._log("info" if error is None else "warning", self._actor, printable(said))

    def _pause_s(self, attempt: _Attempt, error: NotTold) -> float:
        if self._closed_s is not None:
            return _PAUSE_AT_END_S if attempt.began_s >= self._closed_s else 0.0
        pause_s = min(_FIRST_PAUSE_S * float(2 ** min(self._in_row - 1, 10)), _LONGEST_PAUSE_S)
        pause_s *= 0.75 + random.random() / 2
        return max(pause_s, min(error.retry_after_s, 10 * _LONGEST_PAUSE_S))
