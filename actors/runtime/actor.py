"""The base of every actor: the same class runs on threads and on the step runtime."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import TYPE_CHECKING, ClassVar

from .messages import Finish

if TYPE_CHECKING:
    from .context import Context
    from .timers import Timer


class Address(str):
    """A stable name with a mailbox, across all incarnations behind it."""

    __slots__ = ()


class Actor:
    """One compartment: its own state, its own mailbox, one message at a time.

    Subclasses implement `starting`, `handle` and, if they hold anything, `stopping`. The context
    is there from `starting()` on, not in `__init__`. An exception from any of them, of whatever
    type, ends this incarnation and nothing else; its supervisor decides what follows.
    """

    stops_itself: ClassVar[bool] = False  # true: a Stop order comes to `handle`, as a message
    context: Context
    name: str
    generation: int

    def starting(self) -> None:
        """Build the state, then report ready, now or in a later `handle`."""
        self.ready()

    def handle(self, message: object) -> None:
        """Handle one message."""
        raise NotImplementedError

    def stopping(self) -> None:
        """Let go of what is held. Called for an orderly end only, never after a failure."""

    def tell(self, to: str | Address, message: object) -> None:
        """Send on the exact lane: in order, bounded, never silently lost. Never raises or blocks.

        A message for an unknown, closed or full address becomes a counted dead letter.
        """
        self.context.tell(to, message)

    def tell_control(self, to: str | Address, message: object) -> None:
        """Send on the control lane, which is read before the others."""
        self.context.tell_control(to, message)

    def tell_latest(self, to: str | Address, key: Hashable, message: object) -> None:
        """Send on the latest lane: replaces the message of the same key that still waits."""
        self.context.tell_latest(to, key, message)

    def give_up(self, reason: str, message: object) -> None:
        """Make a dead letter of what came here and can come to nothing."""
        self.context.give_up(reason, message)

    def after(self, delay_ns: int, message: object) -> Timer:
        """Tell myself after so many nanoseconds, unless this incarnation has ended by then."""
        return self.context.timer(delay_ns, message, None)

    def every(self, interval_ns: int, message: object) -> Timer:
        """Tell myself every so many nanoseconds; at most one of them waits at a time.

        Raises ValueError for an interval that is not positive.
        """
        if interval_ns <= 0:
            raise ValueError(f"interval must be positive, not {interval_ns} ns")
        return self.context.timer(interval_ns, message, interval_ns)

    def now_ns(self) -> int:
        """Return the wall clock in nanoseconds UTC; it may jump."""
        return self.context.now_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never run backwards, from an arbitrary origin."""
        return self.context.monotonic_ns()

    @property
    def random(self) -> Random:
        """Return a generator seeded by (runtime seed, name, generation)."""
        return self.context.random

    def ready(self) -> None:
        """Report to the supervisor that the state is rebuilt. Repeating it changes nothing."""
        self.context.ready()

    def waiting(self, reason: str) -> None:
        """While starting: say what for, and begin the time allowed for it anew."""
        self.context.waiting(reason)

    def finish(self, reason: str = "done") -> None:
        """End normally after the message in hand, `stopping()` included."""
        self.context.finish(Finish(self.generation, "normal", reason))

    def stop_host(self, reason: str) -> None:
        """Ask the root for an orderly stop of the whole host."""
        self.context.stop_host(reason)
