"""One incarnation's lease and its way out: what an actor sends goes through here or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from threading import Lock, RLock
from typing import TYPE_CHECKING

from .errors import Fenced
from .messages import NOTHING, Finish, Ready, Waiting
from .timers import Timer

if TYPE_CHECKING:
    from .actor import Actor
    from .host import Host
    from .seat import Seat


class Context:
    """The lease of incarnation `generation` of address `name`.

    `fenced` turns true once, under `turn`, when the incarnation ends or is replaced. The reader
    takes messages under `turn` too, so a revoked reader can never take its successor's messages
    and the message in its hands is known exactly.
    """

    __slots__ = (
        "_announced",
        "_host",
        "_mailboxes",
        "_random",
        "_seat",
        "actor",
        "alarm",
        "backlog",
        "busy_seen",
        "control_handled",
        "current",
        "fenced",
        "generation",
        "handle",
        "handled",
        "launched_ns",
        "mailbox",
        "name",
        "turn",
    )

    def __init__(self, host: Host, seat: Seat, generation: int, launched_ns: int) -> None:
        self._host = host
        self._seat = seat
        self._mailboxes = host.mailboxes
        self._random: Random | None = None
        self._announced = False
        self.name = seat.name
        self.generation = generation
        self.launched_ns = launched_ns
        self.mailbox = seat.mailbox
        self.fenced = False
        self.turn = RLock()
        self.alarm = Lock()
        self.actor: Actor | None = None
        self.handle: Callable[[object], None] = _not_begun
        self.current: object = NOTHING  # the message in hand
        self.handled = 0  # what it has done: its start, then messages from all lanes
        self.control_handled = 0  # those of them, and in hand, that did not come from the line
        self.backlog = len(seat.mailbox.queue)  # what earlier incarnations left waiting
        self.busy_seen = (-1, 0)  # the watch's note: (handled, since when it stands there, in ns)

    def check(self) -> None:
        """Raise `Fenced` unless this incarnation still holds its lease: call it before the wire."""
        if self.fenced:
            raise Fenced(f"{self.name} generation {self.generation}")

    def tell(self, to: str, message: object) -> None:
        """Send on the exact lane."""
        if self.fenced:
            self._host.dead_letter("fenced", to, message)
            return
        try:
            mailbox = self._mailboxes[to]
        except KeyError:
            self._host.dead_letter("unknown", to, message)
            return
        # Mailbox.put, written out: one call less for every message between actors.
        queue = mailbox.queue
        if len(queue) < mailbox.limit:
            queue.append(message)
            if mailbox.idle:
                mailbox.rouse()
        else:
            mailbox.put(message)

    def tell_control(self, to: str, message: object) -> None:
        """Send on the control lane."""
        if self.fenced:
            self._host.dead_letter("fenced", to, message)
        else:
            self._host.tell_control(to, message)

    def tell_latest(self, to: str, key: Hashable, message: object) -> None:
        """Send on the latest lane."""
        if self.fenced:
            self._host.dead_letter("fenced", to, message)
        else:
            self._host.tell_latest(to, key, message)

    def give_up(self, reason: str, message: object) -> None:
        """Count a message of its own as a dead letter."""
        self._host.dead_letter(reason, self.name, message)

    def timer(self, delay_ns: int, message: object, interval_ns: int | None) -> Timer:
        """Set a timer for this incarnation."""
        host = self._host
        timer = Timer(self, message, interval_ns, host.timers.note_cancel)
        if self.fenced:
            timer.cancelled = True
            host.dead_letter("fenced", self.name, message)
        else:
            host.timers.set(host.monotonic_ns() + max(0, delay_ns), timer)
        return timer

    def now_ns(self) -> int:
        """Return the wall clock."""
        return self._host.now_ns()

    def monotonic_ns(self) -> int:
        """Return the monotonic clock."""
        return self._host.monotonic_ns()

    @property
    def random(self) -> Random:
        """Return this incarnation's own generator."""
        if self._random is None:
            self._random = Random(f"{self._host.seed}/{self.name}/{self.generation}")
        return self._random

    def ready(self) -> None:
        """Report ready, once."""
        if self._announced:
            return
        self._announced = True
        self._report(Ready(self.name, self.generation))

    def waiting(self, reason: str) -> None:
        """Report what the start waits for."""
        if not self._announced:
            self._report(Waiting(self.name, self.generation, reason))

    def _report(self, report: Ready | Waiting) -> None:
        if self.fenced:
            self._host.dead_letter("fenced", self._seat.supervisor, report)
        else:
            self._host.report(self._seat, report)

    def finish(self, order: Finish) -> None:
        """End this incarnation once the message in hand is done."""
        if not self.fenced:
            self.mailbox.control.appendleft(order)
            if self.mailbox.idle:
                self.mailbox.rouse()

    def stop_host(self, reason: str) -> None:
        """Ask the root supervisor for an orderly stop."""
        if self.fenced:
            self._host.dead_letter("fenced", "", reason)
        else:
            self._host.request_stop(reason)


def _not_begun(message: object) -> None:
    raise RuntimeError("a message came before the actor began")
