"""The runtime of the trading process: one Pykka thread per incarnation, wall clock."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pykka
from pykka.messages import _ActorStop

from .context import Context
from .errors import AskTimeout
from .host import OnLog
from .letters import OnDeadLetter
from .mailbox import Mailbox, ThreadsMailbox, Ticket
from .messages import NOTHING, Finish, Outcome, Stop
from .runtime import Reply, Runtime
from .spec import SupervisorSpec
from .timers import Timers
from .watch import look


class Inbox:
    """What Pykka's own reference writes to: our mailbox, and a way to stop."""

    def __init__(self) -> None:
        self.context: Context | None = None
        self._stops: list[pykka.Future[Any]] = []

    def put(self, envelope: Any, /) -> None:
        """Take a message from `ref.tell`, or the order from `ref.stop`."""
        context, reply_to = self.context, envelope.reply_to
        if context is None:
            raise RuntimeError("a message came before the actor was hosted")
        if isinstance(envelope.message, _ActorStop):
            if reply_to is not None:
                self._stops.append(reply_to)
            self._stop(context, "stopped through its Pykka reference")
            if context.fenced:
                self.stopped()
        elif reply_to is None:
            context.mailbox.put(envelope.message)
        else:
            error = TypeError("an actor of this runtime is asked through Runtime.ask")
            reply_to.set_exception((TypeError, error, None))

    def _stop(self, context: Context, reason: str) -> None:
        actor, generation = context.actor, context.generation
        if actor is not None and actor.stops_itself:
            context.mailbox.put_control(Stop(generation, reason))
        else:
            context.finish(Finish(generation, "normal", reason))

    def get(self) -> Any:
        """Refuse: Pykka's own loop does not run here."""
        raise RuntimeError("the mailbox is read by the runtime alone")

    def empty(self) -> bool:
        """Return whether nothing waits."""
        return self.context is None or self.context.mailbox.depth() == 0

    def stopped(self) -> None:
        """Answer those who wait for the stop."""
        while self._stops:
            self._stops.pop().set(None)


class Shell(pykka.ThreadingActor):
    """The Pykka actor that hosts one incarnation; its reference stands in Pykka's registry."""

    use_daemon_thread = True  # a hung thread must not keep the process alive

    def __init__(self, runtime: ThreadsRuntime, context: Context) -> None:
        super().__init__()
        self._runtime = runtime
        self._context = context
        self._inbox: Inbox = self.actor_inbox  # type: ignore[assignment]
        self._inbox.context = context
        runtime.hosted(context, self)

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    def _start_actor_loop(self) -> None:
        # Not Pykka's loop: there a SystemExit in one actor stops all of them.
        name = f"{self._context.name}#{self._context.generation}"
        threading.Thread(target=self._live, name=name, daemon=True).start()

    def leave(self) -> None:
        """Be dead to Pykka, whatever the thread still does."""
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        self._inbox.stopped()

    def _live(self) -> None:
        runtime, context = self._runtime, self._context
        try:
            context.control_handled = 1
            if runtime.begin(context):
                context.current = NOTHING
                context.handled = 1
                self._read(context)
        except BaseException as error:  # noqa: BLE001 - a SystemExit too ends this actor only
            runtime.crashed(context, error)
        finally:
            runtime.gone(context)

    def _read(self, context: Context) -> None:
        mailbox, perform = context.mailbox, self._runtime.perform
        control, queue = mailbox.control, mailbox.queue
        acquire, release = context.turn.acquire, context.turn.release
        sleep, handle = context.alarm.acquire, context.handle
        while True:
            acquire()
            if context.fenced:
                release()
                return
            if control:
                item = context.current = control.popleft()
                context.control_handled += 1
                release()
                if not perform(context, item):
                    return
            elif queue:
                item = context.current = queue.popleft()
                release()
                if item.__class__ is Ticket:
                    item = item.redeem(context)
                    context.current = item
                if item is not NOTHING:
                    handle(item)
            else:
                mailbox.idle = True
                release()
                if not control and not queue:  # a writer may have missed that we are idle
                    sleep()
                continue
            context.current = NOTHING
            context.handled += 1


class ThreadsRuntime(Runtime):
    """Actors on threads. Service threads: one for timers, one that watches the deadlines.

    `switch_interval_s` is the interpreter's, for the whole process, None to leave it alone:
    the number of GIL hand-offs times this decides latency beside CPU-bound threads.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        on_log: OnLog | None = None,
        on_dead_letter: OnDeadLetter | None = None,
        switch_interval_s: float | None = None,
        watch_interval_s: float = 0.05,
    ) -> None:
        super().__init__(seed=seed, on_log=on_log, on_dead_letter=on_dead_letter)
        self._watch_interval_s = watch_interval_s
        self._shells: dict[Context, Shell] = {}
        self._sooner = threading.Event()
        self._ready = threading.Event()
        self._ended = threading.Event()
        self.timers = Timers(self._sooner.set)
        if switch_interval_s is not None:
            sys.setswitchinterval(switch_interval_s)

    def start(self, spec: SupervisorSpec) -> None:
        """Seat the whole tree and start its root; returns before the children are ready."""
        super().start(spec)
        for target in (self._keep_time, self._watch):
            name = f"runtime:{target.__name__.strip('_')}"
            threading.Thread(target=self._serve, args=(target,), name=name, daemon=True).start()

    def now_ns(self) -> int:
        """Return the system's wall clock."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return the system's monotonic clock."""
        return time.monotonic_ns()

    @property
    def zombies(self) -> tuple[str, ...]:
        """Name the fenced incarnations whose threads have not ended yet."""
        hosted = list(self._shells)
        return tuple(f"{each.name}#{each.generation}" for each in hosted if each.fenced)

    def pykka_ref(self, name: str) -> pykka.ActorRef[Shell]:
        """Return Pykka's reference to the present incarnation. Raises KeyError if there is none."""
        context = self.seats[name].context
        if context is None:
            raise KeyError(name)
        return self._shells[context].actor_ref

    def ask(
        self, name: str, message_factory: Callable[[Reply], object], timeout_s: float
    ) -> object:
        """Send a message that carries a reply function, and wait for the first reply."""
        replied = threading.Event()
        replies: list[object] = []

        def reply(answer: object) -> None:
            replies.append(answer)
            replied.set()

        self.tell(name, message_factory(reply))
        if not replied.wait(timeout_s):
            raise AskTimeout(f"no reply from {name!r} within {timeout_s} s")
        return replies[0]

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait until the host has ended; None if it has not in time."""
        self._ended.wait(timeout_s)
        return self.outcome

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the whole tree has once been ready; False if it was not in time."""
        return self._ready.wait(timeout_s)

    def make_mailbox(self, bound: int, refuse: Callable[[str, object], None]) -> Mailbox:
        """Make a mailbox whose reader sleeps on a lock."""
        return ThreadsMailbox(bound, refuse)

    def launch(self, context: Context) -> None:
        """Start the Pykka actor that hosts this incarnation."""
        context.alarm.acquire()
        mailbox = context.mailbox
        if isinstance(mailbox, ThreadsMailbox):
            mailbox.alarm = context.alarm
        try:
            Shell.start(self, context)
        except BaseException:
            self.left(context)
            self.gone(context)  # there is no thread that will say so
            raise

    def hosted(self, context: Context, shell: Shell) -> None:
        """Hear which shell hosts an incarnation, before it begins."""
        self._shells[context] = shell

    def left(self, context: Context) -> None:
        """Let Pykka forget it; while its thread goes on it is a zombie."""
        shell = self._shells.get(context)
        if shell is not None:
            shell.leave()

    def gone(self, context: Context) -> None:
        """Hear from a thread that it ends."""
        self._shells.pop(context, None)

    def announced(self) -> None:
        """Release those who wait for the tree."""
        self._ready.set()

    def concluded(self) -> None:
        """Release those who wait for the end, and let the service threads go."""
        self._ended.set()
        self._sooner.set()

    def _serve(self, service: Callable[[], None]) -> None:
        try:
            service()
        except BaseException as error:  # noqa: BLE001 - a host without time or watch must not go on
            self.log("CRITICAL", "", f"the runtime's {service.__name__} failed", error)
            self.cut_off(Outcome(f"{service.__name__} failed: {error}", "gave_up"))

    def _keep_time(self) -> None:
        while not self._ended.is_set():
            self._sooner.clear()
            self.timers.fire_due(time.monotonic_ns())
            due_ns = self.timers.next_due_ns()
            if due_ns is None:
                self._sooner.wait()
            else:
                self._sooner.wait(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))

    def _watch(self) -> None:
        while not self._ended.wait(self._watch_interval_s):
            look(self, list(self.seats.values()), time.monotonic_ns())
