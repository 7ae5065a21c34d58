"""Hung actors are found, replaced and fenced; when they wake they can do no harm."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs

from actors.runtime import ChildSpec, Fenced, ThreadsRuntime
from tests.actors.runtime import probes
from tests.actors.runtime.probes import MS_NS, SECOND_NS, Journal, Probe


def spec_of(name: str, journal: Journal, **settings: object) -> ChildSpec:
    return ChildSpec(name, lambda: Probe(journal), **settings)  # type: ignore[arg-type]


def zombie_work(
    journal: Journal, hold: Callable[[], object], done: Callable[[], object]
) -> Callable[[Probe], None]:
    """Return a message that waits, and then tries everything an actor may do."""

    def work(actor: Probe) -> None:
        hold()
        journal.add("woke", actor.generation, actor.context.fenced)
        actor.tell("b", "exact")
        actor.tell_control("b", "control")
        actor.tell_latest("b", "key", "latest")
        actor.after(0, "timer")
        actor.ready()
        actor.stop_host("a zombie's wish")
        try:
            actor.context.check()
        except Fenced:
            journal.add("check", "fenced")
        done()

    return work


def test_a_hung_thread_is_replaced_and_fenced(journal: Journal) -> None:
    release, done = threading.Event(), threading.Event()
    before = threading.enumerate()
    spec = probes.tree(spec_of("a", journal, busy_deadline_s=0.1), spec_of("b", journal))
    with probes.running(probes.threads(journal), spec) as runtime:
        assert isinstance(runtime, ThreadsRuntime)
        runtime.tell("a", zombie_work(journal, lambda: release.wait(30), done.set))
        runtime.tell("a", "for the next one")
        journal.until_entry("got", "a", 2, "for the next one")
        assert list(runtime.zombies) == ["a#1"]
        zombie = probes.thread_since(before, "a#1")

        release.set()
        assert done.wait(probes.PATIENCE_S)
        zombie.join(probes.PATIENCE_S)
        assert list(runtime.zombies) == []
        assert ("woke", 1, True) in journal.entries
        assert ("check", "fenced") in journal.entries
        assert runtime.ask("b", probes.who, probes.PATIENCE_S) == ("b", 1)
        assert runtime.outcome is None
    fenced = [entry[3] for entry in journal.of("dead") if entry[1] == "fenced"]
    assert fenced[:4] == ["exact", "control", "latest", "timer"]
    assert len(fenced) == 5  # and the wish to stop; ready was reported long before
    assert [entry for entry in journal.of("got") if entry[1] == "b"] == []


def test_a_hung_step_is_replaced_and_fenced(journal: Journal) -> None:
    spec = probes.tree(spec_of("a", journal, busy_deadline_s=2.0), spec_of("b", journal))
    runtime = probes.step(journal)
    with probes.running(runtime, spec):
        runtime.hang("a")
        runtime.tell("a", zombie_work(journal, lambda: None, lambda: None))
        runtime.tell("a", "for the next one")
        runtime.run_for(2 * SECOND_NS)
        assert ("starting", "a", 2) not in journal.entries
        runtime.run_for(SECOND_NS // 5)
        assert ("got", "a", 2, "for the next one") in journal.entries

        assert runtime.wake("a") == 1
        runtime.run_for(SECOND_NS)
        assert ("woke", 1, True) in journal.entries
        assert runtime.dead_letters.counts["fenced"] == 5
        assert [entry for entry in journal.of("got") if entry[1] == "b"] == []
        assert runtime.wake("a") == 0


def test_an_actor_that_wakes_before_its_deadline_was_only_slow(journal: Journal) -> None:
    spec = probes.tree(spec_of("a", journal, busy_deadline_s=2.0))
    runtime = probes.step(journal)
    with probes.running(runtime, spec):
        runtime.hang("a", for_ns=SECOND_NS)
        runtime.tell("a", "slow")
        runtime.tell("a", "next")
        runtime.run_for(5 * SECOND_NS)
    assert [entry[2:] for entry in journal.of("got")] == [(1, "slow"), (1, "next")]
    assert runtime.dead_letters.counts == {}


def test_a_start_that_hangs_is_found_by_the_same_deadline(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(spec_of("a", journal, busy_deadline_s=1.0, start_within_s=None)))
    runtime.hang("a")
    assert not runtime.wait_ready(1.0)
    assert runtime.wait_ready(0.2)
    assert journal.of("starting") == [("starting", "a", 2)]

    runtime.wake("a")  # its start goes on, fenced, and its ready counts for nothing
    assert journal.of("starting")[1:] == [("starting", "a", 1)]
    assert runtime.dead_letters.counts == {"fenced": 1}
    assert runtime.ask("a", probes.who, 1) == ("a", 2)


def test_a_start_that_blocks_its_thread_is_replaced(journal: Journal) -> None:
    release = threading.Event()

    def start(actor: Probe) -> None:
        if actor.generation == 1:
            release.wait(probes.PATIENCE_S)
        actor.ready()

    spec = probes.tree(ChildSpec("a", lambda: Probe(journal, start), busy_deadline_s=0.1))
    with probes.running(probes.threads(journal), spec) as runtime:
        assert runtime.ask("a", probes.who, probes.PATIENCE_S) == ("a", 2)
        release.set()


def test_a_message_that_waits_too_long_fails_its_reader(journal: Journal) -> None:
    spec = probes.tree(spec_of("a", journal, busy_deadline_s=60.0, mailbox_age_s=1.0))
    runtime = probes.step(journal)
    with probes.running(runtime, spec):
        runtime.hang("a")
        runtime.tell("a", "hangs")
        runtime.run_for(10 * SECOND_NS)
        assert ("starting", "a", 2) not in journal.entries, "nobody waits behind it"
        runtime.tell("a", "waits")
        runtime.run_for(2 * SECOND_NS)
        assert ("got", "a", 2, "waits") in journal.entries


def test_a_message_that_waits_too_long_on_threads_fails_its_reader(journal: Journal) -> None:
    release = threading.Event()
    spec = probes.tree(spec_of("a", journal, busy_deadline_s=60.0, mailbox_age_s=0.1))
    with probes.running(probes.threads(journal), spec) as runtime:
        runtime.tell("a", lambda actor: release.wait(probes.PATIENCE_S))
        runtime.tell("a", "waits")
        journal.until_entry("got", "a", 2, "waits")
        release.set()


def test_what_waited_while_nobody_sat_there_is_not_held_against_the_next_one(
    journal: Journal,
) -> None:
    spec = probes.tree(
        spec_of("a", journal, mailbox_age_s=1.0), backoff_initial_s=30.0, backoff_max_s=30.0
    )
    runtime = probes.step(journal)
    with probes.running(runtime, spec):
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.tell("a", "waits for half a minute")
        runtime.run_for(31 * SECOND_NS)
        assert [entry[2:] for entry in journal.of("got")] == [(2, "waits for half a minute")]


def test_a_zombie_takes_no_message_of_its_successor(journal: Journal) -> None:
    release = threading.Event()
    spec = probes.tree(spec_of("a", journal, busy_deadline_s=0.1))
    with probes.running(probes.threads(journal), spec) as runtime:
        runtime.tell("a", lambda actor: release.wait(probes.PATIENCE_S))
        journal.until_entry("starting", "a", 2)
        release.set()
        for number in range(200):
            runtime.tell("a", number)
        journal.until_entry("got", "a", 2, 199)
    assert [entry[2:] for entry in journal.of("got")] == [(2, number) for number in range(200)]


def test_an_exception_of_a_zombie_is_logged_and_nothing_else(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(spec_of("a", journal, busy_deadline_s=1.0))):
        runtime.hang("a")
        runtime.tell("a", probes.crash(ValueError("too late")))
        runtime.run_for(3 * SECOND_NS)
        runtime.wake("a")
        runtime.run_for(SECOND_NS)
        assert (
            "log",
            "INFO",
            "a",
            "a fenced incarnation ended with ValueError: too late",
        ) in journal.entries
        assert runtime.ask("a", probes.who, 1) == ("a", 2)


def test_children_of_a_supervisor_that_dies_are_fenced_with_it(journal: Journal) -> None:
    runtime = probes.step(journal)
    inner = attrs.evolve(probes.tree(spec_of("a", journal), spec_of("b", journal)), name="inner")
    with probes.running(runtime, probes.tree(inner)):
        runtime.kill("inner", RuntimeError("a supervisor's own bug"))
        runtime.run_for(SECOND_NS)
        starts = [entry[1:] for entry in journal.of("starting")]
        assert starts == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
        assert journal.of("stopping") == []


def test_the_hung_part_is_busy_in_the_statistics(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(spec_of("a", journal, busy_deadline_s=60.0))):
        runtime.hang("a")
        runtime.tell("a", "hangs")
        runtime.tell("a", "waits")
        runtime.run_for(500 * MS_NS)
        row = next(row for row in runtime.statistics() if row.name == "a")
        assert row.mailbox == 1
        assert 400 <= row.busy_ms <= 500
        assert 400 <= row.oldest_ms <= 500
