"""The life of incarnations, the same on both runtimes: spawn, begin, end, retire, report."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Final

from .actor import Actor
from .context import Context
from .errors import MailboxOverflow
from .letters import DeadLetters
from .mailbox import Mailbox, ring
from .messages import (
    NOTHING,
    Begin,
    Cause,
    Died,
    Finish,
    Kill,
    Order,
    Outcome,
    Ready,
    Stall,
    Stop,
    Waiting,
)
from .seat import Seat
from .spec import ChildSpec, SupervisorSpec
from .supervisor import Supervisor
from .timers import Timers

OnLog = Callable[[str, str, str, BaseException | None], None]

_STARTING: Final = object()  # in the hands of an actor that builds its state
_FAILURES: Final = frozenset({"crash", "hung", "overflow", "failed_start", "gave_up"})
_log = logging.getLogger("bulkhead.runtime")


def log_to_logging(level: str, actor: str, text: str, error: BaseException | None) -> None:
    """Write to the standard library's log, for who hands in nothing better."""
    _log.log(logging.getLevelNamesMapping()[level], "%s: %s", actor, text, exc_info=error)


def describe(error: BaseException) -> str:
    """Return an error's kind and text in one line."""
    return f"{type(error).__name__}: {error}"


def make_actor(factory: Callable[[], Actor] | SupervisorSpec, host: Host) -> Actor:
    """Make what the specification asks for."""
    return Supervisor(factory, host) if isinstance(factory, SupervisorSpec) else factory()


class Host:
    """All seats of one runtime. `tree` guards who sits where; it is never held while actors run."""

    timers: Timers

    def __init__(self, seed: int, on_log: OnLog | None) -> None:
        self.seed = seed
        self.seats: dict[str, Seat] = {}
        self.mailboxes: dict[str, Mailbox] = {}
        self.tree = RLock()
        self.root = ""
        self.outcome: Outcome | None = None
        self._on_log = on_log or log_to_logging
        self.abandoned: list[str] = []
        self.dead_letters = DeadLetters(
            self.seats, lambda text, error: self.log("ERROR", "", text, error)
        )

    # What a runtime supplies.
    def now_ns(self) -> int:
        """Return the wall clock."""
        raise NotImplementedError

    def monotonic_ns(self) -> int:
        """Return the monotonic clock."""
        raise NotImplementedError

    def make_mailbox(self, bound: int, refuse: Callable[[str, object], None]) -> Mailbox:
        """Make a mailbox of the runtime's kind."""
        raise NotImplementedError

    def make_context(self, seat: Seat) -> Context:
        """Make the lease for the seat's next incarnation."""
        return Context(self, seat, seat.generation, self.monotonic_ns())

    def launch(self, context: Context) -> None:
        """Let the incarnation run. Raises RuntimeError, OSError, MemoryError when it cannot."""
        raise NotImplementedError

    def left(self, context: Context) -> None:
        """Hear that an incarnation has lost its lease."""

    def announced(self) -> None:
        """Hear that the whole tree is ready."""

    def concluded(self) -> None:
        """Hear that the host has ended."""

    def build(self, child: ChildSpec, supervisor: str) -> None:
        """Make the seats of a child and all below it. Raises ValueError for a name used twice."""
        name = child.name
        if name in self.seats:
            raise ValueError(f"two actors are named {name!r}")

        def refuse(reason: str, message: object) -> None:
            if isinstance(message, Order):  # a lapsed order is nobody's loss
                return
            self.dead_letter(reason, name, message)
            if reason == "full":
                self._overflow(seat)

        mailbox = self.make_mailbox(child.mailbox_limit, refuse)
        seat = Seat(name=name, spec=child, supervisor=supervisor, mailbox=mailbox)
        self.seats[name] = seat
        self.mailboxes[name] = mailbox
        if isinstance(child.factory, SupervisorSpec):
            below = tuple(child.factory.child_specs())
            seat.children = tuple(spec.name for spec in below)
            for spec in below:
                self.build(spec, name)

    def spawn(self, by: Context | None, name: str) -> int:
        """Seat the next incarnation and return its generation; 0 if `by` is fenced itself."""
        with self.tree:
            if by is not None and by.fenced:
                return 0
            seat = self.seats[name]
            seat.vacate()
            if seat.mailbox.closed:
                seat.mailbox.reopen()
            seat.generation += 1
            seat.restarts = seat.generation - 1
            seat.state, seat.waiting_for = "starting", ""
            context = self.make_context(seat)
            seat.context = seat.mailbox.reader = context
        try:
            self.launch(context)
        except (RuntimeError, OSError, MemoryError) as error:
            self.retire(context, "failed_start", f"cannot run: {error}", error)
        return context.generation

    def begin(self, context: Context) -> bool:
        """Make the actor and let it build its state; return whether it may go on."""
        context.current = _STARTING
        factory = self.seats[context.name].spec.factory
        try:
            actor = make_actor(factory, self)
            actor.context, actor.name = context, context.name
            actor.generation = context.generation
            context.actor, context.handle = actor, actor.handle
            actor.starting()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor only
            self.crashed(context, error, "failed_start")
            return False
        return True

    def perform(self, context: Context, item: object) -> bool:
        """Do what came on the control lane; return whether the incarnation goes on."""
        if isinstance(item, Order):
            if item.generation != context.generation:  # meant for an earlier incarnation
                return True
            if isinstance(item, Begin):
                return self.begin(context)
            if isinstance(item, Kill):
                raise item.error
            if isinstance(item, Stall):
                item.wait()
                return True
            actor = context.actor
            if actor is not None and not (isinstance(item, Stop) and actor.stops_itself):
                actor.stopping()
                cause: Cause = item.cause if isinstance(item, Finish) else "stopped"
                self.retire(context, cause, item.reason)
                return False
        context.handle(item)
        return True

    def crashed(self, context: Context, error: BaseException, cause: Cause = "crash") -> None:
        """End an incarnation that raised."""
        reason = describe(error)
        if not self.retire(context, cause, reason, error):
            self.log("INFO", context.name, f"a fenced incarnation ended with {reason}", None)

    def retire(
        self,
        context: Context,
        cause: Cause,
        reason: str,
        error: BaseException | None = None,
        *,
        only_at: int | None = None,
    ) -> bool:
        """Revoke the lease, for good, and report; return False if it was revoked already.

        With `only_at`, do so only while the message after that many is still in hand.
        """
        with context.turn:
            in_hand = context.current
            moved_on = only_at is not None and (context.handled != only_at or in_hand is NOTHING)
            if context.fenced or moved_on:
                return False
            context.fenced = True
        seat = self.seats[context.name]
        with self.tree:
            if seat.context is context:
                seat.vacate()
                seat.state = "failed" if cause in _FAILURES else "stopped"
                seat.note_down(self.monotonic_ns(), failed=cause in _FAILURES)
        ring(context.alarm)
        self.left(context)
        self._log_end(context, cause, reason, error)
        self._retire_below(seat)
        poison = in_hand
        if in_hand is _STARTING or seat.is_supervisor or isinstance(in_hand, Order):
            poison = NOTHING
        if poison is not NOTHING:
            self.dead_letter("poison", context.name, poison)
        if cause != "supervisor_died":
            died = Died(context.name, context.generation, cause, reason, error, poison)
            self.report(seat, died)
        return True

    def _retire_below(self, seat: Seat) -> None:
        """Take along all children of a supervisor that ended: nobody is left to mend them."""
        for name in reversed(seat.children):
            below = self.seats[name]
            with self.tree:
                context = below.context
                if context is None and below.state == "backing_off":
                    below.state = "failed"
            if context is not None:
                self.retire(context, "supervisor_died", f"its supervisor {seat.name} ended")

    def retire_child(self, name: str, generation: int, cause: Cause, error: Exception) -> None:
        """Revoke the lease of this generation, if it is still the present one."""
        context = self.seats[name].context
        if context is None or context.generation != generation:
            return
        if self.retire(context, cause, describe(error), error) and cause == "stopped":
            self.abandoned.append(name)

    def order_stop(self, name: str, generation: int, reason: str) -> None:
        """Ask one incarnation to end in order."""
        seat = self.seats[name]
        with self.tree:
            if seat.context is None or seat.context.generation != generation:
                return  # it has ended already, and its report is on the way
            seat.state = "stopping"
        seat.mailbox.put_control(Stop(generation, reason))

    def note_back_off(self, by: Context, name: str) -> None:
        """Show that a child waits for its restart, unless `by` is fenced itself."""
        with self.tree:
            if not by.fenced:
                self.seats[name].state = "backing_off"

    def dismiss(self, by: Context, name: str) -> None:
        """Close a child that is not to come back, unless `by` is fenced itself."""
        with self.tree:
            if by.fenced:
                return
        self.close(name)

    def close(self, name: str) -> None:
        """Refuse what is sent to this address and all below it from now on, and what waits."""
        seat = self.seats[name]
        seat.mailbox.close()
        for child in seat.children:
            self.close(child)

    def report(self, seat: Seat, report: Ready | Waiting | Died) -> None:
        """Hand a report to the supervisor; the root's go to the runtime itself."""
        match report:
            case Ready() if seat.state != "stopping":
                seat.state, seat.waiting_for = "running", ""
                self._log_ready(seat)
            case Waiting() if seat.state != "stopping":
                seat.state, seat.waiting_for = "waiting", report.reason
        if seat.supervisor:
            self.seats[seat.supervisor].mailbox.put_control(report)
        elif isinstance(report, Ready):
            self.announced()
        elif isinstance(report, Died):
            orderly = report.cause in ("normal", "stopped")
            left = tuple(self.abandoned)
            self.conclude(Outcome(report.reason, "orderly" if orderly else "gave_up", left))

    def cut_off(self, outcome: Outcome) -> Outcome:
        """End the host at once, and fence all that still runs; return the outcome that counts."""
        final = self.conclude(outcome)
        context = self.seats[self.root].context
        if context is not None:
            self.retire(context, "stopped", outcome.reason)
        return final

    def conclude(self, outcome: Outcome) -> Outcome:
        """End the host, once; return the outcome that counts: the first."""
        with self.tree:
            if self.outcome is not None:
                return self.outcome
            self.outcome = outcome
        self.close(self.root)
        self.log("INFO", self.root, f"ended ({outcome.exit}): {outcome.reason}", None)
        self.concluded()
        return outcome

    def request_stop(self, reason: str) -> None:
        """Ask the root supervisor to end the host in order."""
        seat = self.seats[self.root]
        self.order_stop(self.root, seat.generation, reason)

    def tell_control(self, to: str, message: object) -> None:
        """Send on the control lane, from anywhere."""
        seat = self.seats.get(to)
        if seat is None:
            self.dead_letter("unknown", to, message)
        else:
            seat.mailbox.put_control(message)

    def tell_latest(self, to: str, key: Hashable, message: object) -> None:
        """Send on the latest lane, from anywhere."""
        seat = self.seats.get(to)
        if seat is None:
            self.dead_letter("unknown", to, message)
        else:
            seat.mailbox.put_latest(key, message)

    def dead_letter(self, reason: str, to: str, message: object) -> None:
        """Count a message that reached nobody, and say so."""
        self.dead_letters.add(reason, to, message)

    def _overflow(self, seat: Seat) -> None:
        """Replace a reader that fell behind, once it had a chance to read what it found."""
        context = seat.context
        if context is not None and context.handled - 1 >= context.backlog:
            error = MailboxOverflow(f"more than {seat.mailbox.bound} messages wait")
            self.retire(context, "overflow", describe(error), error)

    def _log_end(
        self, context: Context, cause: Cause, reason: str, error: BaseException | None
    ) -> None:
        level = "ERROR" if cause in _FAILURES else "INFO"
        text = f"generation {context.generation} ended ({cause}): {reason}"
        self.log(level, context.name, text, error)

    def _log_ready(self, seat: Seat) -> None:
        down_ns = seat.note_ready(self.monotonic_ns())
        if down_ns is not None:
            level = "WARNING" if seat.down_by_failure else "INFO"
            text = f"ready {down_ns / 1e6:.0f} ms after its end, generation {seat.generation}"
            self.log(level, seat.name, text, None)

    def log(self, level: str, actor: str, text: str, error: BaseException | None) -> None:
        """Hand one line to the log hook; should that fail, to stderr."""
        try:
            self._on_log(level, actor, text, error)
        except Exception:  # noqa: BLE001 - a broken log must not stop the supervision
            traceback.print_exc(file=sys.stderr)
            sys.stderr.write(f"{level} {actor}: {text}\n")
