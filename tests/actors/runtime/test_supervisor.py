"""What supervisors promise beside the matrix: order, waiting, back-off, giving up, nesting."""

from __future__ import annotations

import attrs
import pytest

from actors.runtime import ChildSpec, Runtime, StepRuntime, SupervisorSpec
from tests.actors.runtime import probes
from tests.actors.runtime.conftest import MakeRuntime
from tests.actors.runtime.probes import SECOND_NS, Journal, Probe


def child(name: str, journal: Journal, start: object = None, **settings: object) -> ChildSpec:
    return ChildSpec(name, lambda: Probe(journal, start), **settings)  # type: ignore[arg-type]


def names(journal: Journal, kind: str) -> list[object]:
    return [entry[1] for entry in journal.of(kind)]


def events(journal: Journal) -> list[tuple[str, str]]:
    """Return (kind, name) of what the actor named events was told."""
    told = [entry[3] for entry in journal.of("got") if entry[1] == "events"]
    return [(type(event).__name__, event.name) for event in told]  # type: ignore[attr-defined]


def state(runtime: Runtime, name: str) -> str:
    return next(row.state for row in runtime.statistics() if row.name == name)


def wait_on_purpose(actor: Probe) -> None:
    actor.waiting("connecting to the venue")


def test_children_start_left_to_right_and_stop_right_to_left(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    inner = attrs.evolve(probes.tree(child("b", journal), child("c", journal)), name="inner")
    spec = probes.tree(child("a", journal), inner, child("d", journal))
    with probes.running(make_runtime(journal), spec):
        assert names(journal, "starting") == ["a", "b", "c", "d"]
    assert names(journal, "stopping") == ["d", "c", "b", "a"]


def test_the_next_child_starts_only_once_the_one_before_is_ready(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(child("a", journal, wait_on_purpose), child("b", journal)))
    runtime.run_for(10 * SECOND_NS)
    assert names(journal, "starting") == ["a"]
    runtime.tell("a", lambda actor: actor.ready())
    runtime.run_until_idle()
    assert names(journal, "starting") == ["a", "b"]


def test_a_start_without_a_limit_may_wait_for_ever_and_says_for_what(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(child("a", journal, wait_on_purpose, start_within_s=None)))
    runtime.run_for(7 * 24 * 3600 * SECOND_NS)
    row = next(row for row in runtime.statistics() if row.name == "a")
    assert (row.state, row.waiting_for) == ("waiting", "connecting to the venue")
    assert row.generation == 1


def test_a_start_that_takes_too_long_counts_as_a_failure(journal: Journal) -> None:
    def silent_at_first(actor: Probe) -> None:
        if actor.generation > 1:
            actor.ready()

    runtime = probes.step(journal)
    spec = probes.tree(
        child("events", journal),
        child("a", journal, silent_at_first, start_within_s=5.0),
        events_to="events",
    )
    with probes.running(runtime, spec):
        runtime.run_until_idle()
        assert ("ChildDied", "a") in events(journal)
        died = journal.died()
        assert (died.cause, died.reason) == (
            "failed_start",
            "StartTimeout: not ready within 5.0 s",
        )


def test_each_sign_of_life_gives_a_start_its_time_anew(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(child("a", journal, wait_on_purpose, start_within_s=5.0)))
    for _ in range(5):
        runtime.run_for(4 * SECOND_NS)
        runtime.tell("a", wait_on_purpose)
    assert names(journal, "starting") == ["a"]
    runtime.run_for(6 * SECOND_NS)
    assert names(journal, "starting") == ["a", "a"]


def test_events_tell_what_became_of_each_child(journal: Journal) -> None:
    runtime = probes.step(journal)
    spec = probes.tree(
        child("events", journal),
        child("a", journal, wait_on_purpose),
        child("b", journal),
        strategy="rest_for_one",
        events_to="events",
    )
    runtime.start(spec)
    runtime.run_until_idle()
    runtime.tell("a", lambda actor: actor.ready())
    runtime.run_until_idle()
    runtime.tell("a", probes.crash(ValueError("boom")))
    runtime.run_for(SECOND_NS)
    assert events(journal) == [
        ("ChildReady", "events"),
        ("ChildWaiting", "a"),
        ("ChildReady", "a"),
        ("ChildReady", "b"),
        ("ChildDied", "a"),
        ("ChildDied", "b"),
        ("ChildWaiting", "a"),
    ]


def test_one_failure_too_many_ends_the_host_as_given_up(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    runtime = make_runtime(journal)
    runtime.start(
        probes.tree(
            child("events", journal),
            child("a", journal, probes.crash(ValueError("never"))),
            max_restarts=3,
            events_to="events",
        )
    )
    outcome = runtime.wait(probes.PATIENCE_S)
    assert outcome is not None
    assert outcome.exit == "gave_up"
    assert "more than 3 restarts" in outcome.reason
    assert "ValueError: never" in outcome.reason
    assert [entry[2] for entry in journal.of("starting") if entry[1] == "a"] == [1, 2, 3, 4]
    assert names(journal, "stopping") == ["events"]
    assert events(journal)[-1] in [("ChildGaveUp", "a"), ("ChildDied", "a")]


def test_a_nested_supervisor_that_gives_up_is_one_failure_of_its_parent(journal: Journal) -> None:
    inner = SupervisorSpec(
        "inner",
        (child("a", journal), child("b", journal)),
        max_restarts=1,
        window_s=1e6,
    )
    runtime = probes.step(journal)
    spec = probes.tree(child("events", journal), inner, max_restarts=1, events_to="events")
    with probes.running(runtime, spec):
        for _ in range(2):
            runtime.tell("b", probes.crash(ValueError("boom")))
            runtime.run_for(SECOND_NS)
        assert ("ChildDied", "inner") in events(journal)
        assert runtime.outcome is None
        assert [entry[2] for entry in journal.of("starting") if entry[1] == "a"] == [1, 2]
        assert [entry[2] for entry in journal.of("starting") if entry[1] == "b"] == [1, 2, 3]

        for _ in range(2):
            runtime.tell("b", probes.crash(ValueError("boom")))
            runtime.run_for(SECOND_NS)
        outcome = runtime.wait(1)
        assert outcome is not None
        assert outcome.exit == "gave_up"


def test_restarts_that_are_long_ago_do_not_count(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(child("a", journal), max_restarts=2, window_s=60.0)):
        for _ in range(10):
            runtime.tell("a", probes.crash(ValueError("boom")))
            runtime.run_for(31 * SECOND_NS)
        assert runtime.outcome is None
        assert state(runtime, "a") == "running"


def test_the_back_off_grows_to_its_limit_and_starts_anew_after_a_quiet_window(
    journal: Journal,
) -> None:
    runtime = probes.step(journal)
    spec = probes.tree(
        child("a", journal),
        backoff_initial_s=1.0,
        backoff_factor=2.0,
        backoff_max_s=5.0,
        window_s=100.0,
        max_restarts=10,
    )

    def fail() -> float:
        """Crash it and return how many seconds it was away."""
        generation = runtime.seats["a"].generation
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_until_idle()
        assert state(runtime, "a") == "backing_off"
        since_ns = runtime.monotonic_ns()
        assert runtime.run_until(lambda: runtime.seats["a"].generation > generation)
        took_s = (runtime.monotonic_ns() - since_ns) / SECOND_NS
        runtime.run_until_idle()
        return took_s

    with probes.running(runtime, spec):
        assert [fail() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
        runtime.run_for(99 * SECOND_NS)
        assert fail() == 5.0
        runtime.run_for(100 * SECOND_NS)
        assert fail() == 1.0


def test_one_for_one_restarts_do_not_wait_for_each_other(journal: Journal) -> None:
    runtime = probes.step(journal)

    def wait_at_restart(actor: Probe) -> None:
        if actor.generation == 1:
            actor.ready()
        else:
            actor.waiting("the venue is down")

    spec = probes.tree(
        child("a", journal, wait_at_restart, start_within_s=None), child("b", journal)
    )
    with probes.running(runtime, spec):
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS)
        runtime.tell("b", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS)
        assert state(runtime, "a") == "waiting"
        assert state(runtime, "b") == "running"


def test_a_failure_further_left_widens_a_restart_that_is_under_way(journal: Journal) -> None:
    runtime = probes.step(journal)

    def wait_at_restart(actor: Probe) -> None:
        if actor.generation == 2:
            actor.waiting("the venue is down")
        else:
            actor.ready()

    spec = probes.tree(
        child("a", journal),
        child("b", journal, wait_at_restart, start_within_s=None),
        child("c", journal),
        strategy="rest_for_one",
    )
    with probes.running(runtime, spec):
        runtime.tell("b", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS)
        assert state(runtime, "b") == "waiting"
        journal.clear()
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS)
        assert journal.of("stopping", "starting") == [
            ("stopping", "b", 2),
            ("starting", "a", 2),
            ("starting", "b", 3),
            ("starting", "c", 2),
        ]


def test_a_second_failure_begins_the_wait_of_the_whole_sequence_anew(journal: Journal) -> None:
    runtime = probes.step(journal)
    spec = probes.tree(
        child("a", journal),
        child("b", journal),
        strategy="rest_for_one",
        backoff_initial_s=1.0,
        backoff_max_s=1.0,
    )
    with probes.running(runtime, spec):
        runtime.tell("b", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS // 2)
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS * 9 // 10)
        assert names(journal, "starting") == ["a", "b"]
        runtime.run_for(SECOND_NS // 10)
        assert names(journal, "starting") == ["a", "b", "a", "b"]


def test_a_report_from_before_its_own_restart_means_nothing_to_a_supervisor(
    journal: Journal,
) -> None:
    runtime = probes.step(journal)
    inner = attrs.evolve(probes.tree(child("a", journal), child("b", journal)), name="inner")
    with probes.running(runtime, probes.tree(inner)):
        runtime.hang("inner")
        runtime.kill("b", ValueError("its end is the message that hangs"))
        runtime.run_until_idle()
        runtime.kill("a", ValueError("its end waits for the next supervisor"))
        runtime.run_for(60 * SECOND_NS)
        assert [row.generation for row in runtime.statistics()] == [1, 2, 2, 2]
        assert {row.state for row in runtime.statistics()} == {"running"}


def test_a_fenced_supervisor_neither_starts_nor_dismisses_anyone(journal: Journal) -> None:
    runtime = probes.step(journal)
    inner = attrs.evolve(
        probes.tree(
            child("a", journal, restart="temporary"),
            child("b", journal),
        ),
        name="inner",
    )
    runtime.start(probes.tree(inner))
    assert runtime.run_until(lambda: runtime.seats["a"].state == "running")
    runtime.hang("inner")  # with the report in hand upon which it would start b
    runtime.run_for(60 * SECOND_NS)
    assert [entry[1:] for entry in journal.of("starting")] == [("a", 1), ("a", 2), ("b", 1)]
    zombie = next(context for context in runtime._stuck if context.name == "inner")
    assert runtime.wake("inner") == 1
    runtime.dismiss(zombie, "a")
    runtime.run_for(60 * SECOND_NS)
    assert [entry[1:] for entry in journal.of("starting")] == [("a", 1), ("a", 2), ("b", 1)]
    assert runtime.ask("a", probes.who, 1) == ("a", 2)


def test_an_order_for_an_earlier_incarnation_does_not_reach_the_next(journal: Journal) -> None:
    runtime = probes.step(journal)
    with probes.running(runtime, probes.tree(child("a", journal, busy_deadline_s=1.0))):
        runtime.hang("a")
        runtime.tell("a", "hangs")
        runtime.run_until_idle()
        runtime.kill("a", ValueError("for generation 1"))
        runtime.run_for(10 * SECOND_NS)
        assert runtime.ask("a", probes.who, 1) == ("a", 2)


def test_a_child_that_does_not_stop_in_time_is_abandoned_and_named(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(child("a", journal), child("b", journal, shutdown_within_s=2.0)))
    assert runtime.wait_ready(1)
    runtime.hang("b")
    runtime.tell("b", "hangs")
    runtime.run_until_idle()
    outcome = runtime.stop("enough", 60)
    assert outcome.exit == "orderly"
    assert outcome.abandoned == ("b",)
    assert names(journal, "stopping") == ["a"]


def test_a_stop_takes_effect_while_children_start_or_back_off(journal: Journal) -> None:
    runtime = probes.step(journal)
    never = child("a", journal, probes.crash(ValueError("never")))
    spec = probes.tree(child("waits", journal), never, backoff_initial_s=100.0, backoff_max_s=100.0)
    runtime.start(spec)
    runtime.run_for(SECOND_NS)
    assert state(runtime, "a") == "backing_off"
    assert runtime.stop("enough", 1).exit == "orderly"
    assert state(runtime, "a") == "failed"
    assert names(journal, "stopping") == ["waits"]


def test_an_exception_while_stopping_does_not_hold_up_the_others(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    class Clumsy(Probe):
        def stopping(self) -> None:
            super().stopping()
            raise OSError("cannot close")

    runtime = make_runtime(journal)
    spec = probes.tree(child("a", journal), ChildSpec("b", lambda: Clumsy(journal)))
    with probes.running(runtime, spec):
        pass
    assert names(journal, "stopping") == ["b", "a"]
    assert runtime.outcome is not None
    assert runtime.outcome.exit == "orderly"


def test_nobody_backs_off_under_a_supervisor_that_is_gone(journal: Journal) -> None:
    runtime = probes.step(journal)
    inner = attrs.evolve(probes.tree(child("a", journal)), name="inner")
    spec = probes.tree(inner, backoff_initial_s=60.0, backoff_max_s=60.0)
    with probes.running(runtime, spec):
        runtime.kill("a", ValueError("boom"))
        assert runtime.run_until(lambda: state(runtime, "a") == "backing_off")
        runtime.kill("inner", ValueError("boom"))
        runtime.run_for(SECOND_NS)
        assert (state(runtime, "inner"), state(runtime, "a")) == ("backing_off", "failed")


@pytest.mark.parametrize("seed", range(20))
def test_a_stop_that_crosses_a_crash_leaves_no_one_stopping(seed: int, journal: Journal) -> None:
    runtime = probes.step(journal, seed)
    runtime.start(probes.tree(child("a", journal), child("b", journal)))
    assert runtime.wait_ready(1)
    runtime.kill("a", ValueError("boom"))
    runtime.kill("b", ValueError("boom"))
    assert runtime.stop("enough", 60).exit == "orderly"
    assert {row.state for row in runtime.statistics()} <= {"stopped", "failed"}


def test_a_factory_that_makes_no_actor_is_a_failed_start(journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(
        probes.tree(
            ChildSpec("a", lambda: None),  # type: ignore[arg-type, return-value]
            max_restarts=1,
        )
    )
    outcome = runtime.wait(60)
    assert outcome is not None
    assert outcome.exit == "gave_up"


@pytest.mark.parametrize("cause", ["crash", "hung"])
def test_the_end_of_the_root_itself_ends_the_host(cause: str, journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(child("a", journal)))
    assert runtime.wait_ready(1)
    if cause == "crash":
        runtime.kill("root", RuntimeError("the root's own bug"))
    else:
        runtime.hang("root")
        runtime.tell("root", "hangs")
    outcome = runtime.wait(60)
    assert outcome is not None
    assert outcome.exit == "gave_up"
    assert all(row.state in ("stopped", "failed") for row in runtime.statistics())
    assert isinstance(runtime, StepRuntime)
