"""A due timer is a message to the incarnation that set it, and to no other."""

from __future__ import annotations

import pytest

from actors.runtime import Actor, ChildSpec, StepRuntime, Timer
from actors.runtime.timers import Call, Timers
from tests.actors.runtime import probes
from tests.actors.runtime.probes import MS_NS, SECOND_NS, Journal, Probe


def one(journal: Journal, start: object = None) -> ChildSpec:
    return ChildSpec("a", lambda: Probe(journal, start))  # type: ignore[arg-type]


def ready(runtime: StepRuntime, *children: ChildSpec) -> None:
    runtime.start(probes.tree(*children))
    assert runtime.wait_ready(1)


def got(journal: Journal) -> list[object]:
    return [entry[3] for entry in journal.of("got")]


def test_a_timer_comes_when_it_is_due_and_not_before(journal: Journal) -> None:
    runtime = probes.step(journal)
    ready(runtime, one(journal))
    runtime.tell("a", lambda actor: actor.after(5 * MS_NS, "due"))
    runtime.run_until_idle()
    runtime.run_for(5 * MS_NS - 1)
    assert got(journal) == []
    runtime.run_for(1)
    assert got(journal) == ["due"]


def test_timers_come_in_the_order_they_are_due(journal: Journal) -> None:
    runtime = probes.step(journal)
    ready(runtime, one(journal))

    def set_some(actor: Probe) -> None:
        for delay_ms in (30, 10, 20, 10):
            actor.after(delay_ms * MS_NS, delay_ms)

    runtime.tell("a", set_some)
    runtime.run_for(SECOND_NS)
    assert got(journal) == [10, 10, 20, 30]


def test_a_timer_without_delay_is_due_at_once(journal: Journal) -> None:
    runtime = probes.step(journal)
    ready(runtime, one(journal))
    before_ns = runtime.monotonic_ns()
    runtime.tell("a", lambda actor: actor.after(0, "now"))
    runtime.run_until_idle()
    assert got(journal) == ["now"]
    assert runtime.monotonic_ns() == before_ns


def test_a_repeating_timer_keeps_its_pace_until_cancelled(journal: Journal) -> None:
    runtime = probes.step(journal)
    timers: list[Timer] = []
    ready(runtime, one(journal))
    runtime.tell("a", lambda actor: timers.append(actor.every(10 * MS_NS, "tick")))
    runtime.run_for(35 * MS_NS)
    assert got(journal) == ["tick"] * 3
    timers[0].cancel()
    timers[0].cancel()
    runtime.run_for(SECOND_NS)
    assert got(journal) == ["tick"] * 3


def test_an_interval_must_be_positive(journal: Journal) -> None:
    runtime = probes.step(journal)
    ready(runtime, one(journal))
    runtime.tell("a", lambda actor: actor.every(0, "tick"))
    runtime.run_until_idle()
    died = [entry for entry in journal.of("log") if "interval must be positive" in str(entry[3])]
    assert len(died) == 1


def test_a_repeating_timer_waits_once_for_a_slow_reader(journal: Journal) -> None:
    runtime = probes.step(journal)
    ready(runtime, one(journal))
    runtime.tell("a", lambda actor: actor.every(10 * MS_NS, "tick"))
    runtime.run_until_idle()
    runtime.hang("a", for_ns=95 * MS_NS)
    runtime.run_for(10 * MS_NS)  # the first tick hangs
    runtime.run_for(94 * MS_NS)
    assert got(journal) == []
    runtime.run_for(1 * MS_NS)
    assert got(journal) == ["tick", "tick"]


def test_a_host_that_stood_still_skips_the_ticks_it_missed(journal: Journal) -> None:
    runtime = probes.step(journal)
    ready(runtime, one(journal))
    runtime.tell("a", lambda actor: actor.every(10 * MS_NS, "tick"))
    runtime.run_until_idle()
    runtime.advance(1005 * MS_NS)
    runtime.run_until_idle()
    assert got(journal) == ["tick"]
    runtime.run_for(5 * MS_NS)
    assert got(journal) == ["tick"] * 2


def test_a_timer_that_was_due_but_not_handled_can_still_be_cancelled(journal: Journal) -> None:
    class Canceller(Actor):
        def starting(self) -> None:
            self.timers = [self.after(MS_NS, "first"), self.after(MS_NS, "second")]
            self.ready()

        def handle(self, message: object) -> None:
            journal.add("got", self.name, self.generation, message)
            self.timers[1].cancel()

    runtime = probes.step(journal)
    ready(runtime, ChildSpec("a", Canceller))
    runtime.run_for(SECOND_NS)
    assert got(journal) == ["first"]


def test_a_new_incarnation_never_sees_the_timers_of_an_old_one(journal: Journal) -> None:
    def start(actor: Probe) -> None:
        actor.after(SECOND_NS, f"timer of generation {actor.generation}")
        actor.every(SECOND_NS, f"ticks of generation {actor.generation}")
        actor.ready()

    runtime = probes.step(journal)
    ready(runtime, one(journal, start))
    runtime.tell("a", probes.crash(ValueError("boom")))
    runtime.run_for(5 * SECOND_NS // 2)
    assert set(got(journal)) == {"timer of generation 2", "ticks of generation 2"}


def test_a_timer_that_was_in_line_when_its_actor_died_is_not_handed_on(journal: Journal) -> None:
    def start(actor: Probe) -> None:
        if actor.generation == 1:
            actor.after(SECOND_NS, "of generation 1")
        actor.ready()

    runtime = probes.step(journal)
    ready(runtime, one(journal, start))
    runtime.run_for(SECOND_NS // 2)
    runtime.hang("a")
    runtime.tell("a", "hangs")
    runtime.run_for(SECOND_NS)
    assert runtime.seats["a"].mailbox.depth() == 1  # the timer is in line, behind the hung one
    runtime.run_for(60 * SECOND_NS)
    assert ("starting", "a", 2) in journal.entries
    assert got(journal) == []


def test_timers_of_the_dead_leave_the_heap(journal: Journal) -> None:
    def start(actor: Probe) -> None:
        if actor.generation == 1:
            actor.every(SECOND_NS, "tick")
        actor.ready()

    runtime = probes.step(journal)
    ready(runtime, one(journal, start))
    runtime.tell("a", probes.crash(ValueError("boom")))
    runtime.run_for(60 * SECOND_NS)
    assert runtime.timers.next_due_ns() is None
    assert len(runtime.timers) == 0


def test_timers_come_on_threads_too(journal: Journal) -> None:
    timers: list[Timer] = []

    def start(actor: Probe) -> None:
        actor.after(50 * MS_NS, "later")
        actor.after(MS_NS, "sooner")
        timers.append(actor.every(MS_NS, "tick"))
        actor.ready()

    with probes.running(probes.threads(journal), probes.tree(one(journal, start))):
        journal.until_entry("got", "a", 1, "later")
        journal.until(lambda: got(journal).count("tick") >= 3)
        timers[0].cancel()
    assert got(journal).index("sooner") < got(journal).index("later")


@pytest.mark.parametrize("count", [5_000])
def test_cancelled_timers_do_not_pile_up(count: int, journal: Journal) -> None:
    def set_and_cancel(actor: Probe) -> None:
        for _ in range(count):
            actor.after(3600 * SECOND_NS, "never").cancel()

    runtime = probes.step(journal)
    ready(runtime, one(journal))
    runtime.tell("a", set_and_cancel)
    runtime.run_until_idle()
    assert len(runtime.timers) < count / 2


def test_who_waits_for_the_first_timer_hears_of_a_sooner_one() -> None:
    heard: list[str] = []
    timers = Timers(lambda: heard.append("sooner"))
    timers.set(100, Call(lambda: None))
    timers.set(200, Call(lambda: None))
    timers.set(50, Call(lambda: None))
    assert heard == ["sooner", "sooner"]
    assert timers.next_due_ns() == 50
