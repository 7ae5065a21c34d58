"""What both runtimes offer to those outside: start, stop, tell, ask, statistics, outcome."""

from __future__ import annotations

from collections.abc import Callable

from .host import Host, OnLog
from .letters import OnDeadLetter
from .messages import ActorStatistics, Kill, Order, Outcome, Stall
from .spec import SupervisorSpec

Reply = Callable[[object], None]


class Runtime(Host):
    """A tree of actors. Use `ThreadsRuntime` or `StepRuntime`; one instance runs once."""

    def __init__(
        self, *, seed: int, on_log: OnLog | None, on_dead_letter: OnDeadLetter | None
    ) -> None:
        super().__init__(seed, on_log)
        self.dead_letters.on_dead_letter = on_dead_letter

    def start(self, spec: SupervisorSpec) -> None:
        """Seat the whole tree and start its root; returns before the children are ready.

        Raises ValueError for a name used twice and RuntimeError for a second start.
        """
        if self.root:
            raise RuntimeError("this runtime was started before")
        self.build(spec.as_child(), supervisor="")
        self.root = spec.name
        self.spawn(None, spec.name)

    def stop(self, reason: str, timeout_s: float) -> Outcome:
        """End the host in order, right to left, and wait for it; not for use by actors.

        What has not ended after `timeout_s` is fenced, abandoned and named in the outcome.
        """
        if self.outcome is None:
            self.request_stop(reason)
            self.wait(timeout_s)
        return self.outcome or self._abandon(reason, timeout_s)

    def _abandon(self, reason: str, timeout_s: float) -> Outcome:
        held = [name for name, seat in self.seats.items() if seat.context is not None]
        left = tuple(self.abandoned + held)
        text = f"{reason}; not stopped within {timeout_s} s: {', '.join(left)}"
        return self.cut_off(Outcome(text, "orderly", left))

    def tell(self, name: str, message: object) -> None:
        """Send on the exact lane from any thread. Never raises, never blocks."""
        mailbox = self.mailboxes.get(name)
        if mailbox is None:
            self.dead_letter("unknown", name, message)
        else:
            mailbox.put(message)

    def ask(
        self, name: str, message_factory: Callable[[Reply], object], timeout_s: float
    ) -> object:
        """Send a message that carries a reply function, and wait for the first reply.

        For the composition root, the operator and tests. Raises AskTimeout; the question may
        still be answered later, to nobody.
        """
        raise NotImplementedError

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait until the host has ended; None if it has not in time."""
        raise NotImplementedError

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the whole tree has once been ready; False if it was not in time."""
        raise NotImplementedError

    def kill(self, name: str, error: BaseException) -> bool:
        """Let an actor raise this instead of handling its next message, for tests and drills.

        Returns False when no incarnation is there to be killed. Raises KeyError for no such name.
        """
        return self._order(name, lambda generation: Kill(generation, error))

    def stall(self, name: str, wait: Callable[[], object]) -> bool:
        """Let an actor hang on this instead of handling its next message, for drills.

        Returns False when no incarnation is there to hang. Raises KeyError for no such name.
        """
        return self._order(name, lambda generation: Stall(generation, wait))

    def _order(self, name: str, order: Callable[[int], Order]) -> bool:
        seat = self.seats[name]
        context = seat.context
        if context is None:
            return False
        seat.mailbox.put_control(order(context.generation))
        return True

    def statistics(self) -> tuple[ActorStatistics, ...]:
        """Return the figures of every address, in the order of the tree."""
        now_ns = self.monotonic_ns()
        dead = self.dead_letters.counts_to()
        return tuple(
            [seat.statistics(now_ns, dead.get(name, 0)) for name, seat in self.seats.items()]
        )
