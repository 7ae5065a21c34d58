"""One address as the runtime keeps it: the mailbox stays, incarnations come and go."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from .context import Context
from .mailbox import Mailbox
from .messages import NOTHING, ActorStatistics, State
from .spec import ChildSpec, SupervisorSpec


@define(eq=False)
class Seat:
    """Figures of one address. `supervisor` is "" for the root."""

    name: str
    spec: ChildSpec
    supervisor: str
    mailbox: Mailbox
    children: tuple[str, ...] = ()
    context: Context | None = None
    generation: int = 0
    state: State = "stopped"
    waiting_for: str = ""
    restarts: int = 0
    down_since_ns: int | None = None  # no incarnation was ready since
    down_by_failure: bool = False  # or since others were stopped with one that failed
    recovery_ns: int | None = None  # how long the address was not ready, the last time
    handled_before: int = 0  # by earlier incarnations
    taken_before: int = 0
    # The watch's notes (messages ever put in line, since when in ns): how old the head can be.
    marks: deque[tuple[int, int]] = field(factory=deque)
    head_since_ns: int | None = None

    @property
    def is_supervisor(self) -> bool:
        """Return whether a supervisor sits here."""
        return isinstance(self.spec.factory, SupervisorSpec)

    def vacate(self) -> None:
        """Let the present incarnation go; what waits stays."""
        if self.context is not None:
            self.taken_before = self.taken()
            self.handled_before += max(0, self.context.handled - 1)
            self.context = None
        self.mailbox.reader = None
        self.mailbox.idle = self.mailbox.closed

    def note_down(self, now_ns: int, *, failed: bool) -> None:
        """Note the end of an incarnation; one that was never ready prolongs the time before it."""
        if self.down_since_ns is None:
            self.down_since_ns, self.down_by_failure = now_ns, failed

    def note_ready(self, now_ns: int) -> int | None:
        """Note that an incarnation is ready; return how long none was, None at the first start."""
        since_ns, self.down_since_ns = self.down_since_ns, None
        if since_ns is None:
            return None
        self.recovery_ns = now_ns - since_ns
        return self.recovery_ns

    def taken(self) -> int:
        """Return how many messages were ever taken from the exact and latest line."""
        context = self.context
        if context is None:
            return self.taken_before
        in_hand = context.current is not NOTHING
        return self.taken_before + context.handled - context.control_handled + in_hand

    def note_age(self, now_ns: int) -> int:
        """Note how long the line is now; return the age of its oldest message in ns.

        Exact to one call of this, and never more than the truth.
        """
        if not self.marks and not self.mailbox.queue:
            self.head_since_ns = None
            return 0
        marks, taken = self.marks, self.taken()
        while marks and marks[0][0] <= taken:
            marks.popleft()
        put = taken + len(self.mailbox.queue)
        if put > taken and (not marks or marks[-1][0] < put):
            marks.append((put, now_ns))
        self.head_since_ns = marks[0][1] if marks else None
        return now_ns - marks[0][1] if marks else 0

    def statistics(self, now_ns: int, dead_letters: int) -> ActorStatistics:
        """Return the present figures."""
        context, mailbox = self.context, self.mailbox
        handled = self.handled_before
        busy_ns = 0
        since_head_ns = self.head_since_ns
        if since_head_ns is None or not mailbox.queue:
            since_head_ns = now_ns
        if context is not None:
            if context.handled:  # its start is no message
                handled += context.handled - 1
            seen, since_ns = context.busy_seen
            if context.current is not NOTHING and seen == context.handled:
                busy_ns = now_ns - since_ns
        return ActorStatistics(
            name=self.name,
            state=self.state,
            waiting_for=self.waiting_for,
            restarts=self.restarts,
            generation=self.generation,
            mailbox=mailbox.depth(),
            oldest_ms=max(0, now_ns - since_head_ns) / 1e6,
            busy_ms=max(0, busy_ns) / 1e6,
            handled=handled,
            conflated=mailbox.latest.conflated,
            dead_letters=dead_letters,
            recovery_ms=None if self.recovery_ns is None else self.recovery_ns / 1e6,
        )
