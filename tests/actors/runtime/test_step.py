"""How virtual time passes and how a run is driven."""

from __future__ import annotations

from actors.runtime import ChildSpec, StepRuntime
from tests.actors.runtime import probes
from tests.actors.runtime.probes import MS_NS, SECOND_NS, Journal, Probe

NOON_NS = 1_767_268_800 * SECOND_NS  # 2026-01-01T12:00:00Z


def ready(journal: Journal, **settings: object) -> StepRuntime:
    runtime = probes.step(journal, **settings)  # type: ignore[arg-type]
    runtime.start(probes.tree(ChildSpec("a", lambda: Probe(journal))))
    assert runtime.wait_ready(1)
    return runtime


def test_time_stands_still_while_anything_can_run(journal: Journal) -> None:
    runtime = ready(journal, start_ns=NOON_NS)
    for number in range(1000):
        runtime.tell("a", number)
    assert runtime.run_until_idle() == 1000
    assert runtime.now_ns() == NOON_NS


def test_actors_read_the_virtual_clocks(journal: Journal) -> None:
    runtime = ready(journal, start_ns=NOON_NS)
    runtime.run_for(3 * SECOND_NS)
    clocks = runtime.ask("a", lambda reply: lambda me: reply((me.now_ns(), me.monotonic_ns())), 1)
    assert clocks == (NOON_NS + 3 * SECOND_NS, 3 * SECOND_NS)


def test_a_step_handles_one_message_or_lets_time_pass(journal: Journal) -> None:
    runtime = ready(journal)
    runtime.tell("a", lambda actor: actor.after(MS_NS, "due"))
    assert runtime.step()
    assert runtime.monotonic_ns() == 0
    assert runtime.step()
    assert runtime.monotonic_ns() == MS_NS
    assert journal.of("got") == []
    assert runtime.step()
    assert journal.of("got") == [("got", "a", 1, "due")]


def test_a_step_says_when_nothing_is_left(journal: Journal) -> None:
    runtime = ready(journal)
    runtime.run_for(3600 * SECOND_NS)
    assert not runtime.step()


def test_run_until_stops_at_the_message_that_makes_it_true(journal: Journal) -> None:
    runtime = ready(journal)
    for number in range(10):
        runtime.tell("a", number)
    assert runtime.run_until(lambda: ("got", "a", 1, 4) in journal.entries)
    assert len(journal.of("got")) == 5
    assert not runtime.run_until(lambda: False, max_steps=2)
    assert len(journal.of("got")) == 7


def test_run_to_ends_exactly_there(journal: Journal) -> None:
    runtime = ready(journal)
    runtime.tell("a", lambda actor: actor.every(MS_NS, "tick"))
    runtime.run_to(10 * MS_NS)
    assert runtime.monotonic_ns() == 10 * MS_NS
    assert len(journal.of("got")) == 10
    runtime.run_to(5 * MS_NS)
    assert runtime.monotonic_ns() == 10 * MS_NS


def test_a_jump_makes_everything_late_at_once(journal: Journal) -> None:
    runtime = ready(journal)
    runtime.tell("a", lambda actor: [actor.after(ms * MS_NS, ms) for ms in (1, 5, 20)])
    runtime.run_until_idle()
    runtime.advance(10 * MS_NS)
    assert journal.of("got") == []
    runtime.run_until_idle()
    assert [entry[3] for entry in journal.of("got")] == [1, 5]


def test_the_trace_names_time_receiver_generation_and_message(journal: Journal) -> None:
    runtime = ready(journal)
    runtime.run_for(MS_NS)
    runtime.tell("a", "hello")
    runtime.run_until_idle()
    assert runtime.trace.splitlines()[-1] == b"1000000 a 1 str"


def test_a_crash_leaves_the_others_in_the_running(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(*(ChildSpec(name, lambda: Probe(journal)) for name in "abcdef")))
    assert runtime.wait_ready(1)
    for name in "abcdef":
        runtime.tell(name, "before")
        runtime.tell(name, probes.crash(ValueError("boom")))
        runtime.tell(name, "after")
    runtime.run_for(SECOND_NS)
    for name in "abcdef":
        assert [entry[2:] for entry in journal.of("got") if entry[1] == name] == [
            (1, "before"),
            (2, "after"),
        ]


def test_a_clock_that_is_set_leaves_the_monotonic_one_and_every_timer_alone(
    journal: Journal,
) -> None:
    runtime = ready(journal)
    runtime.run_for(SECOND_NS)
    runtime.set_clock(5)
    assert (runtime.now_ns(), runtime.monotonic_ns()) == (5, SECOND_NS)
    runtime.run_for(10)
    assert (runtime.now_ns(), runtime.monotonic_ns()) == (15, SECOND_NS + 10)


def test_who_hangs_is_known_until_it_is_woken_or_replaced(journal: Journal) -> None:
    runtime = ready(journal)
    runtime.hang("a")
    runtime.tell("a", "hello")
    runtime.run_until_idle()
    assert runtime.hung() == {"a"}
    runtime.wake("a")
    assert runtime.hung() == frozenset()


def test_a_hung_actor_that_wakes_with_nothing_to_do_waits_for_the_next_message(
    journal: Journal,
) -> None:
    runtime = ready(journal)
    runtime.hang("a", for_ns=SECOND_NS // 2)
    runtime.tell("a", 1)
    runtime.run_for(SECOND_NS)
    runtime.tell("a", 2)
    runtime.run_for(SECOND_NS)
    assert journal.numbers("got", "a") == [1, 2]
    assert runtime.seats["a"].generation == 1
