"""The runtime of backtests and simulations: no threads, virtual time, a seeded choice of who runs.

Time stands still while anything can run. Two runs with the same seed and the same calls from
outside handle the same messages in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from itertools import chain, islice
from random import Random

from .context import Context
from .errors import AskTimeout
from .faults import Faults, FaultyContext, Lane
from .host import OnLog
from .letters import OnDeadLetter
from .mailbox import Mailbox, Ticket
from .messages import NOTHING, ActorStatistics, Begin, Order, Outcome
from .runtime import Reply, Runtime
from .seat import Seat
from .timers import Call, Timers
from .watch import look

_DRAWS = 4096
_ALL = 1 << 40


class _Stuck(BaseException):
    """Stands for a call that does not return."""


class StepMailbox(Mailbox):
    """A mailbox whose reader waits for its turn in the list of those that can run."""

    __slots__ = ("listed", "runnable")

    def __init__(
        self, bound: int, refuse: Callable[[str, object], None], runnable: list[StepMailbox]
    ) -> None:
        super().__init__(bound, refuse)
        self.runnable = runnable
        self.listed = False

    def wake(self) -> None:
        """Put the reader among those that can run."""
        self.idle = False
        if not self.listed:
            self.listed = True
            self.runnable.append(self)


class StepRuntime(Runtime):
    """Actors without threads.

    `start_ns` is the wall clock's first reading; the monotonic clock starts at 0. `record_trace`
    costs time and memory for every message: leave it out of long runs. `faults` decides the fate
    of what actors tell each other, never of the runtime's own reports and timers.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start_ns: int = 0,
        on_log: OnLog | None = None,
        on_dead_letter: OnDeadLetter | None = None,
        record_trace: bool = True,
        faults: Faults | None = None,
        watch_interval_s: float = 0.05,
    ) -> None:
        super().__init__(seed=seed, on_log=on_log, on_dead_letter=on_dead_letter)
        self.timers = Timers(lambda: None)
        self._start_ns = start_ns
        self._clock_ns = 0
        self._runnable: list[StepMailbox] = []
        self._random = Random(f"{seed}/schedule")
        self._draws = chain.from_iterable(self._blocks())
        self._trace: list[str] | None = [] if record_trace else None
        self._faults = faults
        self._watch_interval_ns = round(watch_interval_s * 1e9)
        self._watching = False
        self._stuck: list[Context] = []
        self._hang_at_start: dict[str, int | None] = {}
        self._all_ready = False

    def _blocks(self) -> Iterator[memoryview]:
        while True:
            yield memoryview(self._random.randbytes(2 * _DRAWS)).cast("H")

    @property
    def trace(self) -> bytes:
        """Return one line per message: time in ns, receiver, generation, type of the message."""
        return "".join(self._trace or ()).encode()

    def now_ns(self) -> int:
        """Return the virtual wall clock."""
        return self._start_ns + self._clock_ns

    def set_clock(self, now_ns: int) -> None:
        """Set the wall clock, as an operator or a time service would; the monotonic one goes on."""
        self._start_ns = now_ns - self._clock_ns

    def monotonic_ns(self) -> int:
        """Return the virtual nanoseconds since the start."""
        return self._clock_ns

    def step(self) -> bool:
        """Handle one message, or else let time pass to the next timer; False if neither is left."""
        if self._run(1):
            return True
        due_ns = self.timers.next_due_ns()
        if due_ns is None:
            return False
        self._fire(due_ns)
        return True

    def run_until_idle(self) -> int:
        """Handle all that waits, without letting time pass; return how many turns that took."""
        turns = self._run(_ALL)
        while (due_ns := self.timers.next_due_ns()) is not None and due_ns <= self._clock_ns:
            self._fire(due_ns)
            turns += self._run(_ALL)
        return turns

    def run_for(self, duration_ns: int, each: Callable[[], None] | None = None) -> int:
        """Let so much time pass, timers in their order; return how many turns were taken.

        `each` is called behind every single message; the order of messages is the same with it.
        """
        return self.run_to(self._clock_ns + duration_ns, each)

    def run_to(self, until_ns: int, each: Callable[[], None] | None = None) -> int:
        """Let time pass up to this reading of the monotonic clock; see `run_for`."""
        turns = self._drain(each)
        while (due_ns := self.timers.next_due_ns()) is not None and due_ns <= until_ns:
            self._fire(due_ns)
            turns += self._drain(each)
        self._clock_ns = max(self._clock_ns, until_ns)
        return turns

    def _drain(self, each: Callable[[], None] | None) -> int:
        if each is None:
            return self._run(_ALL)
        turns = 0
        while self._run(1):
            turns += 1
            each()
        return turns

    def run_until(self, predicate: Callable[[], bool], max_steps: int = 1_000_000) -> bool:
        """Step until the predicate holds; return whether it does."""
        for _ in range(max_steps):
            if predicate():
                return True
            if not self.step():
                break
        return predicate()

    def advance(self, duration_ns: int) -> None:
        """Jump, as if the whole host had stood still: what came due meanwhile is late."""
        self._fire(self._clock_ns + duration_ns)

    def ask(
        self, name: str, message_factory: Callable[[Reply], object], timeout_s: float
    ) -> object:
        """Send a message that carries a reply function; run until the first reply."""
        replies: list[object] = []
        self.tell(name, message_factory(replies.append))
        if not self._run_within(lambda: bool(replies), timeout_s):
            raise AskTimeout(f"no reply from {name!r} within {timeout_s} s")
        return replies[0]

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Run until the host has ended; None if it has not in (virtual) time."""
        self._run_within(lambda: self.outcome is not None, timeout_s)
        return self.outcome

    def wait_ready(self, timeout_s: float) -> bool:
        """Run until the whole tree has once been ready; False if it was not in (virtual) time."""
        return self._run_within(lambda: self._all_ready, timeout_s)

    def hang(self, name: str, for_ns: int | None = None) -> None:
        """Let an actor take its next message and not return from it before `wake`, or `for_ns`.

        An actor that has not begun hangs in its start. Raises KeyError for no such name.
        """
        context = self.seats[name].context
        if context is None or context.actor is None:
            self._hang_at_start[name] = for_ns
            return

        def never_return(message: object) -> None:
            if context.actor is not None:
                context.handle = context.actor.handle
            raise self._stuck_for(context, for_ns)

        context.handle = never_return

    def hung(self) -> frozenset[str]:
        """Return the addresses whose present incarnation does not come back from a message."""
        return frozenset(context.name for context in self._stuck if not context.fenced)

    def begin(self, context: Context) -> bool:
        """Let the actor build its state, unless it is to hang in that."""
        if context.name in self._hang_at_start:
            raise self._stuck_for(context, self._hang_at_start.pop(context.name))
        return super().begin(context)

    def _stuck_for(self, context: Context, for_ns: int | None) -> _Stuck:
        if for_ns is not None:
            self._call_after(for_ns, lambda: self._resume(context))
        return _Stuck()

    def wake(self, name: str) -> int:
        """Let every hung incarnation of this name go on; return how many there were."""
        hung = [context for context in self._stuck if context.name == name]
        for context in hung:
            self._resume(context)
        return len(hung)

    def convey(self, sender: str, to: str, lane: Lane, message: object, key: Hashable) -> None:
        """Deliver a message as the faults will have it."""
        fate = None if self._faults is None else self._faults(sender, to, lane, message)
        delays_ns = (0,) if fate is None else fate.delays_ns
        if not delays_ns:
            self.dead_letter("dropped", to, message)
        for delay_ns in delays_ns:
            if delay_ns <= 0:
                self._deliver(to, lane, message, key)
            else:
                self._call_after(delay_ns, lambda: self._deliver(to, lane, message, key))

    def _deliver(self, to: str, lane: Lane, message: object, key: Hashable) -> None:
        match lane:
            case "exact":
                self.tell(to, message)
            case "control":
                self.tell_control(to, message)
            case "latest":
                self.tell_latest(to, key, message)

    def statistics(self) -> tuple[ActorStatistics, ...]:
        """Return the figures of every address; ages count from the last look at them."""
        for seat in self.seats.values():
            seat.note_age(self._clock_ns)
        return super().statistics()

    def make_mailbox(self, bound: int, refuse: Callable[[str, object], None]) -> Mailbox:
        """Make a mailbox that lists its reader among those that can run."""
        return StepMailbox(bound, refuse, self._runnable)

    def make_context(self, seat: Seat) -> Context:
        """Make the lease for the seat's next incarnation, with faults on its way out if asked."""
        kind = Context if self._faults is None else FaultyContext
        return kind(self, seat, seat.generation, self._clock_ns)

    def launch(self, context: Context) -> None:
        """Let the incarnation begin when its turn comes."""
        context.alarm.acquire()  # nobody sleeps on it here
        context.mailbox.control.appendleft(Begin(context.generation))
        context.mailbox.wake()

    def announced(self) -> None:
        """Note that the tree has been ready."""
        self._all_ready = True

    def _run_within(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        until_ns = None if timeout_s is None else self._clock_ns + round(timeout_s * 1e9)
        while not done():
            if self._run(1):
                continue
            due_ns = self.timers.next_due_ns()
            if due_ns is None or (until_ns is not None and due_ns > until_ns):
                self._clock_ns = max(self._clock_ns, until_ns or 0)
                return False
            self._fire(due_ns)
        return True

    def _fire(self, at_ns: int) -> None:
        self._clock_ns = max(self._clock_ns, at_ns)
        self.timers.fire_due(self._clock_ns)

    def _call_after(self, delay_ns: int, call: Callable[[], object]) -> None:
        self.timers.set(self._clock_ns + delay_ns, Call(call))

    def _run(self, budget: int) -> int:
        """Take up to `budget` turns at this instant, one message each; return how many."""
        runnable, trace = self._runnable, self._trace
        turns = 0
        interrupt: KeyboardInterrupt | None = None
        if not runnable:
            return 0
        for draw in islice(self._draws, budget):
            turns += 1
            at = draw * len(runnable) >> 16
            mailbox = runnable[at]
            context = mailbox.reader
            stays = False
            if context is not None:
                try:
                    if mailbox.control:
                        item = context.current = mailbox.control.popleft()
                        context.control_handled += 1
                        if trace is not None:
                            self._note(context, item)
                        self.perform(context, item)
                    else:
                        item = context.current = mailbox.queue.popleft()
                        if item.__class__ is Ticket:
                            item = item.redeem(context)
                            context.current = item
                        if item is not NOTHING:
                            if trace is not None:
                                self._note(context, item)
                            context.handle(item)
                    context.current = NOTHING
                    context.handled += 1
                    if mailbox.queue or mailbox.control:
                        stays = mailbox.reader is not None
                    else:
                        mailbox.idle = mailbox.reader is not None or mailbox.closed
                except _Stuck:
                    self._hold(context)
                except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor
                    self.crashed(context, error)
                    interrupt = error if isinstance(error, KeyboardInterrupt) else None
            if not stays:
                last = runnable.pop()
                if last is not mailbox:
                    runnable[at] = last
                mailbox.listed = False
                if (
                    interrupt is not None
                ):  # it may be the user's: this thread is not the actor's own
                    raise interrupt
                if not runnable:
                    break
        return turns

    def _note(self, context: Context, item: object) -> None:
        if self._trace is not None:
            kind = type(item).__name__
            self._trace.append(f"{self._clock_ns} {context.name} {context.generation} {kind}\n")

    def _hold(self, context: Context) -> None:
        self._stuck.append(context)
        if not self._watching:
            self._watching = True
            self._call_after(0, self._watch)

    def _watch(self) -> None:
        """Look for hung actors, at intervals while any is."""
        look(self, self.seats.values(), self._clock_ns)
        self._watching = any(not context.fenced for context in self._stuck)
        if self._watching:
            self._call_after(self._watch_interval_ns, self._watch)

    def _resume(self, context: Context) -> None:
        if context not in self._stuck:
            return
        self._stuck.remove(context)
        try:
            if isinstance(context.current, Order):
                self.perform(context, context.current)
            else:
                context.handle(context.current)
        except BaseException as error:  # noqa: BLE001 - as in the loop
            self.crashed(context, error)
            return
        context.current = NOTHING
        context.handled += 1
        mailbox = context.mailbox
        if context.fenced:
            return
        if mailbox.queue or mailbox.control:
            mailbox.wake()
        else:
            mailbox.idle = True
