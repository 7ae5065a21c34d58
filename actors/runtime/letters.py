"""Dead letters: what could not be delivered, counted by reason and never silent."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container
from threading import RLock, local

from attrs import frozen

OnDeadLetter = Callable[[str, str, object], None]


@frozen
class DeadLetter:
    """One undelivered message and why.

    Reasons: unknown, closed, full, fenced (sent by a replaced incarnation), poison (in the hands
    of one that died), unhandled (a supervisor cannot use it), dropped (by a simulated fault); an
    actor that gives a message up names its own.
    """

    reason: str
    to: str
    message: object


class DeadLetters:
    """Counts by reason, the most recent ones, and a hook that hears of each."""

    def __init__(
        self,
        known: Container[str],
        on_failure: Callable[[str, BaseException], None],
        keep: int = 1000,
    ) -> None:
        self.on_dead_letter: OnDeadLetter | None = None
        self._known = known
        self._on_failure = on_failure
        self._guard = RLock()
        self._counts: Counter[str] = Counter()
        self._counts_to: Counter[str] = Counter()
        self._recent: deque[DeadLetter] = deque(maxlen=keep)
        self._inside = local()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many there were, by reason."""
        with self._guard:
            return dict(self._counts)

    @property
    def recent(self) -> tuple[DeadLetter, ...]:
        """Return the latest ones, oldest first."""
        with self._guard:
            return tuple(self._recent)

    def counts_to(self) -> dict[str, int]:
        """Return how many were addressed to each known name that had any."""
        with self._guard:
            return dict(self._counts_to)

    def add(self, reason: str, to: str, message: object) -> None:
        """Count one and tell the hook; a hook that makes dead letters of its own hears none."""
        with self._guard:
            self._counts[reason] += 1
            if to in self._known:  # names that nobody has must not grow without bound
                self._counts_to[to] += 1
            self._recent.append(DeadLetter(reason, to, message))
        hook = self.on_dead_letter
        if hook is None or getattr(self._inside, "hook", False):
            return
        self._inside.hook = True
        try:
            hook(reason, to, message)
        except Exception as error:  # noqa: BLE001 - the sender must not die of an observer
            self._on_failure("the dead letter hook failed", error)
        finally:
            self._inside.hook = False
