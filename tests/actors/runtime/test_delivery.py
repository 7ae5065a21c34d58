"""What becomes of a message, on both runtimes: delivered once, kept, or a counted dead letter."""

from __future__ import annotations

import threading

import pytest

from actors.runtime import Actor, ChildSpec, Runtime, StepRuntime, ThreadsRuntime
from tests.actors.runtime import probes
from tests.actors.runtime.conftest import MakeRuntime
from tests.actors.runtime.probes import SECOND_NS, Entry, Journal, Probe


def settle(runtime: Runtime, journal: Journal, *entry: object) -> None:
    """Let it run until this entry is there."""
    expected: Entry = entry
    if isinstance(runtime, StepRuntime):
        assert runtime.run_until(lambda: expected in journal.entries, 10_000)
    else:
        journal.until_entry(*entry)


def probe(name: str, journal: Journal, **settings: object) -> ChildSpec:
    return ChildSpec(name, lambda: Probe(journal), **settings)  # type: ignore[arg-type]


def test_messages_of_one_sender_arrive_in_order(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    def send(actor: Probe) -> None:
        for number in range(100):
            actor.tell("b", number)

    with probes.running(
        make_runtime(journal), probes.tree(probe("a", journal), probe("b", journal))
    ) as runtime:
        runtime.tell("a", send)
        settle(runtime, journal, "got", "b", 1, 99)
    assert [entry[3] for entry in journal.of("got")] == list(range(100))


def test_a_message_to_nobody_is_a_dead_letter(journal: Journal, make_runtime: MakeRuntime) -> None:
    with probes.running(make_runtime(journal), probes.tree(probe("a", journal))) as runtime:
        runtime.tell("nobody", "from outside")
        runtime.tell_control("nobody", "control")
        runtime.tell_latest("nobody", "key", "latest")
        runtime.tell("a", lambda actor: actor.tell("nobody", "from an actor"))
        settle(runtime, journal, "dead", "unknown", "nobody", "from an actor")
        assert runtime.dead_letters.counts == {"unknown": 4}
        assert runtime.dead_letters.recent[0].message == "from outside"


def test_waiting_messages_survive_their_reader_and_come_after_its_start(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    def crash_with_a_backlog(actor: Probe) -> None:
        for number in range(5):
            actor.tell("a", number)
        raise ValueError("boom")

    with probes.running(make_runtime(journal), probes.tree(probe("a", journal))) as runtime:
        runtime.tell("a", crash_with_a_backlog)
        settle(runtime, journal, "got", "a", 2, 4)
    lived = [entry for entry in journal.of("starting", "got") if entry[2] == 2]
    assert lived == [("starting", "a", 2), *(("got", "a", 2, number) for number in range(5))]


def test_the_message_in_hand_at_a_crash_is_poison_and_not_repeated(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    bad = probes.crash(ValueError("boom"))
    spec = probes.tree(probe("events", journal), probe("a", journal), events_to="events")
    with probes.running(make_runtime(journal), spec) as runtime:
        runtime.tell("a", bad)
        settle(runtime, journal, "starting", "a", 2)
        settle(runtime, journal, "dead", "poison", "a", bad)
        assert runtime.dead_letters.counts["poison"] == 1
        died = journal.died()
    assert died.poison is bad
    assert (died.name, died.generation, died.cause) == ("a", 1, "crash")


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt(), GeneratorExit()])
def test_no_exception_of_any_type_ends_more_than_its_actor(
    error: BaseException, journal: Journal
) -> None:
    with probes.running(
        probes.threads(journal), probes.tree(probe("a", journal), probe("b", journal))
    ) as runtime:
        runtime.tell("a", probes.crash(error))
        journal.until_entry("starting", "a", 2)
        assert runtime.ask("b", probes.who, probes.PATIENCE_S) == ("b", 1)


def test_a_keyboard_interrupt_in_a_step_ends_its_actor_and_reaches_the_caller(
    journal: Journal,
) -> None:
    with probes.running(probes.step(journal), probes.tree(probe("a", journal))) as runtime:
        assert isinstance(runtime, StepRuntime)
        runtime.tell("a", probes.crash(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            runtime.run_until_idle()
        runtime.run_for(SECOND_NS)
        assert ("starting", "a", 2) in journal.entries


def test_overflow_fails_the_reader_and_is_never_silent(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    def flood(actor: Probe) -> None:
        for number in range(5):
            actor.tell("a", number)

    spec = probes.tree(probe("a", journal, mailbox_limit=3))
    with probes.running(make_runtime(journal), spec) as runtime:
        runtime.tell("a", flood)
        settle(runtime, journal, "got", "a", 2, 2)
        settle(runtime, journal, "dead", "fenced", "a", 4)
        assert ("dead", "full", "a", 3) in journal.entries
        assert runtime.dead_letters.counts["full"] == 1
        row = next(row for row in runtime.statistics() if row.name == "a")
        assert row.restarts == 1
        # The overflowing one, the flood that was in hand, and the one it sent once fenced.
        assert row.dead_letters == 3


def test_a_reader_that_inherits_a_full_mailbox_gets_its_chance(journal: Journal) -> None:
    def start(actor: Probe) -> None:
        if actor.generation == 2:
            actor.tell("a", "while it has not read anything")
        actor.ready()

    runtime = probes.step(journal)
    spec = probes.tree(ChildSpec("a", lambda: Probe(journal, start), mailbox_limit=3))
    with probes.running(runtime, spec):
        runtime.hang("a")
        for number in range(5):  # one hangs, three wait, one overflows
            runtime.tell("a", number)
            runtime.run_until_idle()
        runtime.tell("a", "while nobody sits there")
        runtime.run_for(SECOND_NS)
        assert [entry[3] for entry in journal.of("dead") if entry[1] == "full"] == [
            4,
            "while nobody sits there",
            "while it has not read anything",
        ]
        assert [entry[2:] for entry in journal.of("got")] == [(2, 1), (2, 2), (2, 3)]


def test_the_hook_may_tell_a_dead_address_without_end(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.dead_letters.on_dead_letter = lambda reason, to, message: runtime.tell("void", message)
    runtime.start(probes.tree(probe("a", journal)))
    runtime.tell("nobody", "lost")
    assert runtime.dead_letters.counts == {"unknown": 2}


def test_a_failing_hook_is_reported_and_harms_nobody(journal: Journal) -> None:
    def fail(reason: str, to: str, message: object) -> None:
        raise OSError("disk full")

    runtime = probes.step(journal, on_dead_letter=fail)
    runtime.start(probes.tree(probe("a", journal)))
    runtime.tell("nobody", "lost")
    assert ("log", "ERROR", "", "the dead letter hook failed") in journal.entries


def test_latest_messages_reach_a_slow_reader_as_the_newest_only(journal: Journal) -> None:
    entered, release = threading.Event(), threading.Event()

    def block(actor: Probe) -> None:
        entered.set()
        release.wait(probes.PATIENCE_S)

    with probes.running(probes.threads(journal), probes.tree(probe("a", journal))) as runtime:
        runtime.tell("a", block)
        assert entered.wait(probes.PATIENCE_S)
        for price in range(100):
            runtime.tell_latest("a", "BTC", price)
        release.set()
        journal.until_entry("got", "a", 1, 99)
        row = next(row for row in runtime.statistics() if row.name == "a")
        assert row.conflated == 99
    assert [entry[3] for entry in journal.of("got")] == [99]


def test_foreign_threads_may_tell_at_any_time(journal: Journal) -> None:
    writers, each = 4, 500

    class Sum(Actor):
        def __init__(self) -> None:
            self.got: dict[int, list[int]] = {writer: [] for writer in range(writers)}

        def handle(self, message: object) -> None:
            assert isinstance(message, tuple)
            writer, number = message
            self.got[writer].append(number)
            if all(len(numbers) == each for numbers in self.got.values()):
                journal.add("complete", self.got)

    with probes.running(probes.threads(journal), probes.tree(ChildSpec("sum", Sum))) as runtime:
        assert isinstance(runtime, ThreadsRuntime)

        def write(writer: int) -> None:
            for number in range(each):
                runtime.tell("sum", (writer, number))

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
        for thread in threads:
            thread.start()
        journal.until(lambda: bool(journal.of("complete")))
        for thread in threads:
            thread.join(probes.PATIENCE_S)
    expected = {writer: list(range(each)) for writer in range(writers)}
    assert journal.of("complete") == [("complete", expected)]


def test_an_actor_may_tell_itself_while_starting(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    def start(actor: Probe) -> None:
        actor.tell("a", "from my start")
        actor.ready()

    spec = probes.tree(ChildSpec("a", lambda: Probe(journal, start)))
    with probes.running(make_runtime(journal), spec) as runtime:
        settle(runtime, journal, "got", "a", 1, "from my start")


def test_what_waits_at_the_end_of_the_host_is_a_dead_letter(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(probe("a", journal)))
    runtime.wait_ready(1)
    runtime.hang("a")
    runtime.tell("a", "hangs")
    runtime.tell("a", "waits")
    runtime.run_until_idle()
    runtime.stop("enough", 60)
    assert ("dead", "closed", "a", "waits") in journal.entries
    runtime.tell("a", "late")
    assert ("dead", "closed", "a", "late") in journal.entries


def test_a_stray_message_does_not_bring_a_supervisor_down(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    with probes.running(make_runtime(journal), probes.tree(probe("a", journal))) as runtime:
        runtime.tell("root", "hello?")
        settle(runtime, journal, "dead", "unhandled", "root", "hello?")
        assert runtime.ask("a", probes.who, probes.PATIENCE_S) == ("a", 1)
