"""Pauses between tries of what does no harm when repeated: questions, connections."""

from __future__ import annotations

from attrs import define, field

from actors.runtime import Actor

__all__ = ["Backoff"]


@define(eq=False)
class Backoff:
    """Each pause is about twice the one before, from `first_ns` to `longest_ns`, then `reset`.

    Drawn by the runtime's random, a quarter more or less, so that those who failed together do not
    come back together; never shorter than what the venue asked for.
    """

    actor: Actor
    first_ns: int
    longest_ns: int
    _failures: int = field(default=0, init=False)

    def pause_ns(self, retry_after_ns: int = 0) -> int:
        """Return how long to wait after one more failure."""
        factor = 0.75 + self.actor.random.random() / 2
        pause_ns = int(min(self.first_ns << self._failures, self.longest_ns) * factor)
        if self.first_ns << self._failures < self.longest_ns:
            self._failures += 1
        if retry_after_ns < pause_ns:
            return pause_ns
        return retry_after_ns + int(self.first_ns * (factor - 0.75))

    def reset(self) -> None:
        """Hear that it went well."""
        self._failures = 0
