"""What the watch and the figures see from outside, and the races they must survive."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import attrs

from actors.runtime import ChildSpec
from actors.runtime.mailbox import Mailbox, ThreadsMailbox
from actors.runtime.seat import Seat
from actors.runtime.watch import look
from tests.actors.runtime import probes
from tests.actors.runtime.probes import MS_NS, SECOND_NS, Journal, Probe


def child(name: str, journal: Journal, **settings: object) -> ChildSpec:
    return ChildSpec(name, lambda: Probe(journal), **settings)  # type: ignore[arg-type]


def lone_seat(journal: Journal) -> Seat:
    """Return the seat of an actor that was never started."""
    runtime = probes.step(journal)
    runtime.build(child("a", journal), supervisor="")
    return runtime.seats["a"]


def test_the_age_is_that_of_the_oldest_message_that_waits(journal: Journal) -> None:
    seat = lone_seat(journal)
    mailbox = seat.mailbox
    assert seat.note_age(100) == 0
    mailbox.put("first")
    assert seat.note_age(200) == 0
    mailbox.put("second")
    assert seat.note_age(300) == 100
    mailbox.queue.popleft()
    seat.taken_before += 1
    assert seat.note_age(400) == 100, "the second was first seen at 300"
    mailbox.queue.popleft()
    seat.taken_before += 1
    assert seat.note_age(500) == 0


def test_the_age_of_a_line_that_moves_is_not_that_of_what_has_left(journal: Journal) -> None:
    seat = lone_seat(journal)
    for now_ns in range(0, 1000, 10):
        seat.mailbox.put(now_ns)
        seat.note_age(now_ns)
        if now_ns >= 50:
            seat.mailbox.queue.popleft()
            seat.taken_before += 1
            assert seat.note_age(now_ns) <= 50


def test_only_an_actor_that_is_still_at_the_same_message_is_retired(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(child("a", journal))):
        context = runtime.seats["a"].context
        assert context is not None
        assert not runtime.retire(context, "hung", "it was", only_at=context.handled - 1)
        assert not runtime.retire(context, "hung", "between messages", only_at=context.handled)
        assert not context.fenced


def test_time_spent_waiting_for_an_incarnation_is_not_held_against_it(journal: Journal) -> None:
    runtime = probes.step(journal)
    spec = probes.tree(
        child("a", journal, mailbox_age_s=1.0),
        child("b", journal, busy_deadline_s=1e6),
        backoff_initial_s=30.0,
        backoff_max_s=30.0,
    )
    with probes.running(runtime, spec):
        runtime.hang("b")
        runtime.tell("b", "keeps the watch awake")
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_until_idle()
        runtime.tell("a", "waits for the next incarnation")
        runtime.hang("a", for_ns=500 * MS_NS)  # the next one starts slowly
        runtime.run_for(40 * SECOND_NS)
        assert runtime.seats["a"].generation == 2
        assert journal.of("got") == [("got", "a", 2, "waits for the next incarnation")]
        runtime.wake("b")


def test_the_time_from_an_end_to_ready_is_a_figure_and_a_line(journal: Journal) -> None:
    lines: list[tuple[str, str, str]] = []
    runtime = probes.step(
        journal, on_log=lambda level, actor, text, error: lines.append((level, actor, text))
    )
    spec = probes.tree(
        child("a", journal),
        child("b", journal),
        strategy="rest_for_one",
        backoff_initial_s=2.0,
        backoff_max_s=2.0,
        jitter=0.0,
    )
    with probes.running(runtime, spec):

        def recoveries() -> dict[str, float | None]:
            return {row.name: row.recovery_ms for row in runtime.statistics()}

        assert set(recoveries().values()) == {None}, "a first start is no recovery"
        runtime.kill("a", ValueError("boom"))
        runtime.run_for(3 * SECOND_NS)
        assert recoveries() == {"root": None, "a": 2000.0, "b": 2000.0}
        said = [line for line in lines if "ready 2000 ms after its end, generation 2" in line[2]]
        assert [line[:2] for line in said] == [("WARNING", "a"), ("INFO", "b")]


def test_the_figures_of_an_address_go_on_across_incarnations(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(child("a", journal))):
        for number in range(5):
            runtime.tell("a", number)
        runtime.run_until_idle()
        runtime.spawn(None, "a")  # over one that was not seen to leave
        runtime.tell("a", 5)
        runtime.run_until_idle()
        row = next(row for row in runtime.statistics() if row.name == "a")
        assert (row.generation, row.handled) == (2, 6)
        assert row.oldest_ms == 0.0


def test_a_busy_actor_that_moves_on_is_left_alone(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(child("a", journal, busy_deadline_s=1.0))):
        context = runtime.seats["a"].context
        assert context is not None
        for now_ns in range(0, 10 * SECOND_NS, SECOND_NS // 2):
            context.current = "in hand"
            context.handled += 1
            look(runtime, runtime.seats.values(), now_ns)
        assert not context.fenced
        for now_ns in range(10 * SECOND_NS, 12 * SECOND_NS, SECOND_NS // 2):
            look(runtime, runtime.seats.values(), now_ns)
        assert context.fenced


class Trap(deque[object]):
    """A line into which a writer slips a message just as the reader finds it empty."""

    def __init__(self, reader: str) -> None:
        super().__init__()
        self.reader = reader
        self.armed = False

    def __len__(self) -> int:
        length = super().__len__()
        if not length and self.armed and threading.current_thread().name == self.reader:
            self.armed = False
            self.append("slipped in")  # the writer saw that the reader was not idle yet
        return length


def test_a_message_that_slips_in_before_its_reader_sleeps_wakes_it(journal: Journal) -> None:
    runtime = probes.threads(journal)
    traps: list[Trap] = []
    make = runtime.make_mailbox

    def make_with_trap(bound: int, refuse: Callable[[str, object], None]) -> Mailbox:
        mailbox = make(bound, refuse)
        mailbox.queue = Trap("a#1")
        traps.append(mailbox.queue)
        return mailbox

    runtime.make_mailbox = make_with_trap  # type: ignore[method-assign]

    def arm(actor: Probe) -> None:
        traps[-1].armed = True

    with probes.running(runtime, probes.tree(child("a", journal))):
        runtime.tell("a", arm)
        journal.until_entry("got", "a", 1, "slipped in")


class GuardedLine(deque[object]):
    """A line that notes, at each take, whether someone else could have revoked the lease."""

    def __init__(self, could_revoke: Callable[[], bool]) -> None:
        super().__init__()
        self.could_revoke = could_revoke

    def popleft(self) -> object:
        free: list[bool] = []
        other = threading.Thread(target=lambda: free.append(self.could_revoke()))
        other.start()
        other.join()
        assert free == [False], "a message was taken outside the lease's lock"
        return super().popleft()


def test_a_reader_takes_each_message_under_the_lock_of_its_lease(journal: Journal) -> None:
    runtime = probes.threads(journal)
    make = runtime.make_mailbox

    def could_revoke() -> bool:
        context = runtime.seats["a"].context
        assert context is not None
        taken = context.turn.acquire(blocking=False)
        if taken:
            context.turn.release()
        return taken

    def make_guarded(bound: int, refuse: Callable[[str, object], None]) -> Mailbox:
        mailbox = make(bound, refuse)
        mailbox.queue = GuardedLine(could_revoke)
        return mailbox

    runtime.make_mailbox = make_guarded  # type: ignore[method-assign]
    with probes.running(runtime, probes.tree(child("a", journal))):
        for number in range(5):
            runtime.tell("a", number)
        journal.until_entry("got", "a", 1, 4)


def test_a_writer_wakes_the_reader_of_the_moment(journal: Journal) -> None:
    idle_when_read: list[bool] = []

    class Spy(ThreadsMailbox):
        @property
        def alarm(self) -> threading.Lock:
            idle_when_read.append(self.idle)
            return threading.Lock()

        @alarm.setter
        def alarm(self, alarm: threading.Lock) -> None: ...

    mailbox = Spy(1, journal.dead_letter)  # type: ignore[arg-type]
    mailbox.idle = True
    mailbox.put("wake up")
    assert idle_when_read == [False], "else a reader that took over in between sleeps on"


def test_the_thread_of_an_idle_actor_ends_with_its_supervisor(journal: Journal) -> None:
    inner = attrs.evolve(probes.tree(child("a", journal)), name="inner")
    before = threading.enumerate()
    with probes.running(probes.threads(journal), probes.tree(inner)) as runtime:
        idle = probes.thread_since(before, "a#1")
        runtime.kill("inner", RuntimeError("a supervisor's own bug"))
        idle.join(probes.PATIENCE_S)
        assert not idle.is_alive()
        journal.until_entry("starting", "a", 2)


def test_many_threads_that_sleep_and_wake_lose_no_token(journal: Journal) -> None:
    hops = 20_000

    class Pass(Probe):
        def handle(self, message: object) -> None:
            assert isinstance(message, int)
            if message == hops:
                self.journal.add("round")
            else:
                self.tell(f"ring:{(message + 1) % 3}", message + 1)

    ring = [ChildSpec(f"ring:{number}", lambda: Pass(journal)) for number in range(3)]
    with probes.running(probes.threads(journal), probes.tree(*ring)) as runtime:
        runtime.tell("ring:0", 0)
        journal.until_entry("round")
