"""What those outside do with a host: start, ask, wait, stop, look."""

from __future__ import annotations

import gc
import sys
import threading

import pykka
import pytest

from actors.runtime import (
    ActorRuntimeError,
    Address,
    AskTimeout,
    ChildSpec,
    Outcome,
    StepRuntime,
    ThreadsRuntime,
    tune_process,
)
from tests.actors.runtime import probes
from tests.actors.runtime.conftest import MakeRuntime
from tests.actors.runtime.probes import Journal, Probe


def child(name: str, journal: Journal, **settings: object) -> ChildSpec:
    return ChildSpec(name, lambda: Probe(journal), **settings)  # type: ignore[arg-type]


def test_ask_returns_the_first_reply(journal: Journal, make_runtime: MakeRuntime) -> None:
    def reply_twice(reply: object) -> object:
        return lambda actor: (reply("first"), reply("second"))  # type: ignore[operator]

    with probes.running(make_runtime(journal), probes.tree(child("a", journal))) as runtime:
        assert runtime.ask("a", reply_twice, probes.PATIENCE_S) == "first"


def test_ask_gives_up_in_time_when_nobody_replies(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    with probes.running(make_runtime(journal), probes.tree(child("a", journal))) as runtime:
        with pytest.raises(AskTimeout, match=r"no reply from 'a' within 0\.05 s"):
            runtime.ask("a", lambda reply: "not a question", 0.05)
        with pytest.raises(ActorRuntimeError):
            runtime.ask("nobody", lambda reply: "anyone?", 0.05)


def test_an_actor_can_ask_for_the_end_of_the_host(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    runtime = make_runtime(journal)
    runtime.start(probes.tree(child("a", journal), child("b", journal)))
    assert runtime.wait_ready(probes.PATIENCE_S)
    runtime.tell("b", lambda actor: actor.stop_host("the operator says so"))
    assert runtime.wait(probes.PATIENCE_S) == Outcome("the operator says so", "orderly")
    assert [entry[1] for entry in journal.of("stopping")] == ["b", "a"]


def test_wait_says_none_while_the_host_runs(journal: Journal, make_runtime: MakeRuntime) -> None:
    with probes.running(make_runtime(journal), probes.tree(child("a", journal))) as runtime:
        assert runtime.wait(0.01) is None


def test_a_tree_that_is_not_ready_in_time_is_said_not_to_be(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    def wait(actor: Probe) -> None:
        actor.waiting("for ever")

    runtime = make_runtime(journal)
    runtime.start(probes.tree(ChildSpec("a", lambda: Probe(journal, wait))))
    assert not runtime.wait_ready(0.05)
    assert runtime.stop("enough", probes.PATIENCE_S).exit == "orderly"


def test_stop_returns_the_same_outcome_twice(journal: Journal, make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(journal)
    runtime.start(probes.tree(child("a", journal)))
    assert runtime.wait_ready(probes.PATIENCE_S)
    first = runtime.stop("enough", probes.PATIENCE_S)
    assert runtime.stop("again", probes.PATIENCE_S) is first


def test_a_stop_that_takes_too_long_leaves_the_rest_behind_and_names_it(journal: Journal) -> None:
    entered, release = threading.Event(), threading.Event()
    runtime = probes.threads(journal)
    runtime.start(probes.tree(child("a", journal), child("b", journal, shutdown_within_s=60.0)))
    assert runtime.wait_ready(probes.PATIENCE_S)

    def block(actor: Probe) -> None:
        entered.set()
        release.wait(probes.PATIENCE_S)

    runtime.tell("b", block)
    assert entered.wait(probes.PATIENCE_S)
    outcome = runtime.stop("enough", 0.1)
    assert outcome.exit == "orderly"
    assert set(outcome.abandoned) == {"root", "a", "b"}
    assert "not stopped within 0.1 s" in outcome.reason
    assert "b#1" in runtime.zombies
    release.set()


def test_a_host_runs_once(journal: Journal, make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(journal)
    with (
        probes.running(runtime, probes.tree(child("a", journal))),
        pytest.raises(RuntimeError, match="started before"),
    ):
        runtime.start(probes.tree())


def test_the_statistics_show_each_address(journal: Journal, make_runtime: MakeRuntime) -> None:
    with probes.running(make_runtime(journal), probes.tree(child("a", journal))) as runtime:
        for number in range(3):
            runtime.tell("a", number)
        runtime.ask("a", probes.who, probes.PATIENCE_S)
        runtime.ask("a", probes.who, probes.PATIENCE_S)  # the ones before are counted by now
        root, a = runtime.statistics()
        assert (root.name, root.state) == ("root", "running")
        assert (a.name, a.state, a.generation, a.restarts) == ("a", "running", 1, 0)
        assert a.handled >= 4
        assert (a.mailbox, a.conflated, a.dead_letters, a.waiting_for) == (0, 0, 0, "")


def test_kill_raises_in_the_actor_itself(journal: Journal, make_runtime: MakeRuntime) -> None:
    runtime = make_runtime(journal)
    with probes.running(runtime, probes.tree(child("a", journal))):
        assert runtime.kill("a", ConnectionError("drill"))
        if isinstance(runtime, StepRuntime):
            runtime.run_for(probes.SECOND_NS)
        else:
            journal.until_entry("starting", "a", 2)
        assert runtime.ask("a", probes.who, probes.PATIENCE_S) == ("a", 2)
        text = "generation 1 ended (crash): ConnectionError: drill"
        assert ("log", "ERROR", "a", text) in journal.entries
        with pytest.raises(KeyError):
            runtime.kill("nobody", ValueError())


def test_a_stalled_actor_is_replaced_past_its_deadline(journal: Journal) -> None:
    runtime, wake = probes.threads(journal), threading.Event()
    with probes.running(runtime, probes.tree(child("a", journal, busy_deadline_s=0.1))):
        assert runtime.stall("a", wake.wait)
        journal.until_entry("starting", "a", 2)
        wake.set()
        assert runtime.ask("a", probes.who, probes.PATIENCE_S) == ("a", 2)
        with pytest.raises(KeyError):
            runtime.stall("nobody", wake.wait)


def test_nobody_can_be_killed_where_nobody_is(journal: Journal) -> None:
    runtime = probes.step(journal)
    spec = probes.tree(child("a", journal, restart="temporary"))
    with probes.running(runtime, spec):
        runtime.kill("a", ValueError("once"))
        runtime.run_until_idle()
        assert not runtime.kill("a", ValueError("twice"))


def test_an_address_is_a_name(journal: Journal, make_runtime: MakeRuntime) -> None:
    with probes.running(make_runtime(journal), probes.tree(child("a", journal))) as runtime:
        assert runtime.ask(Address("a"), probes.who, probes.PATIENCE_S) == ("a", 1)


def test_each_incarnation_draws_from_its_own_seeded_generator(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    def draw(seed: int) -> object:
        runtime = make_runtime(Journal())
        runtime.seed = seed
        with probes.running(runtime, probes.tree(child("a", journal), child("b", journal))):
            return [
                runtime.ask(name, lambda reply: lambda actor: reply(actor.random.random()), 10)
                for name in "ab"
            ]

    first, again, other = draw(1), draw(1), draw(2)
    assert first == again != other
    assert isinstance(first, list)
    assert first[0] != first[1]


def test_a_log_hook_that_fails_does_not_stop_the_supervision(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(level: str, actor: str, text: str, error: BaseException | None) -> None:
        raise OSError("disk full")

    runtime = probes.step(journal, on_log=broken)
    with probes.running(runtime, probes.tree(child("a", journal))):
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_for(probes.SECOND_NS)
        assert ("starting", "a", 2) in journal.entries
    assert "generation 1 ended (crash): ValueError: boom" in capsys.readouterr().err


def test_each_incarnation_is_a_registered_pykka_actor_on_a_daemon_thread(
    journal: Journal,
) -> None:
    before = threading.enumerate()
    with probes.running(probes.threads(journal), probes.tree(child("a", journal))) as runtime:
        assert isinstance(runtime, ThreadsRuntime)
        assert probes.thread_since(before, "a#1").daemon
        ref = runtime.pykka_ref("a")
        assert ref in pykka.ActorRegistry.get_all()
        ref.tell("through Pykka")
        journal.until_entry("got", "a", 1, "through Pykka")
        with pytest.raises(TypeError, match=r"Runtime\.ask"):
            ref.ask("a question", timeout=probes.PATIENCE_S)
        assert ref.actor_inbox.empty()

        assert ref.stop(timeout=probes.PATIENCE_S)
        assert not ref.is_alive()
        assert ref not in pykka.ActorRegistry.get_all()
        assert ("stopping", "a", 1) in journal.entries
        journal.until_entry("starting", "a", 2)


def test_pykka_can_stop_the_root_in_order(journal: Journal) -> None:
    runtime = probes.threads(journal)
    runtime.start(probes.tree(child("a", journal), child("b", journal)))
    assert runtime.wait_ready(probes.PATIENCE_S)
    runtime.pykka_ref("root").stop(timeout=probes.PATIENCE_S)
    outcome = runtime.wait(probes.PATIENCE_S)
    assert outcome is not None
    assert outcome.exit == "orderly"
    assert [entry[1] for entry in journal.of("stopping")] == ["b", "a"]


def test_no_thread_is_left_after_an_orderly_stop(journal: Journal) -> None:
    runtime = probes.threads(journal)
    before = set(threading.enumerate())
    with probes.running(runtime, probes.tree(child("a", journal), child("b", journal))):
        mine = [thread for thread in threading.enumerate() if thread not in before]
        assert {thread.name for thread in mine} >= {"root#1", "a#1", "b#1"}
    for thread in mine:
        thread.join(probes.PATIENCE_S)
        assert not thread.is_alive()


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError("full")])
def test_a_thread_that_cannot_be_started_is_a_failed_start(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    start = threading.Thread.start
    failures = iter([True, False])

    def cannot_at_first(thread: threading.Thread) -> None:
        if thread.name.startswith("a#") and next(failures):
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", cannot_at_first)
    with probes.running(probes.threads(journal), probes.tree(child("a", journal))) as runtime:
        assert runtime.ask("a", probes.who, probes.PATIENCE_S) == ("a", 2)
        text = f"generation 1 ended (failed_start): cannot run: {error}"
        assert ("log", "ERROR", "a", text) in journal.entries
        assert runtime.zombies == ()  # type: ignore[attr-defined]


def test_a_host_that_gets_no_more_threads_gives_up_in_order(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    used_up = threading.Event()

    def cannot(thread: threading.Thread) -> None:
        if used_up.is_set():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", cannot)
    runtime = probes.threads(journal)
    runtime.start(
        probes.tree(child("a", journal), child("b", journal), max_restarts=3, window_s=60.0)
    )
    assert runtime.wait_ready(probes.PATIENCE_S)
    used_up.set()
    runtime.tell("b", probes.crash(ValueError("of something else")))
    outcome = runtime.wait(probes.PATIENCE_S)
    assert outcome is not None
    assert outcome.exit == "gave_up"
    assert "more than 3 restarts" in outcome.reason
    assert "can't start new thread" in outcome.reason
    assert [entry[1] for entry in journal.of("stopping")] == ["a"], "what runs still ends in order"


def test_an_actor_without_memory_is_replaced_like_any_other_that_fails(
    journal: Journal, make_runtime: MakeRuntime
) -> None:
    spec = probes.tree(child("a", journal), child("b", journal))
    with probes.running(make_runtime(journal), spec) as runtime:
        runtime.tell("a", probes.crash(MemoryError("no memory")))
        runtime.tell("a", lambda actor: None)
        assert runtime.ask("a", probes.who, probes.PATIENCE_S) == ("a", 2)
        assert runtime.ask("b", probes.who, probes.PATIENCE_S) == ("b", 1)


def test_a_host_whose_time_has_failed_gives_up(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    runtime = probes.threads(journal)
    fire_due = runtime.timers.fire_due

    def fail(now_ns: int) -> int:
        if broken.is_set():
            raise OSError("no clock")
        return fire_due(now_ns)

    monkeypatch.setattr(runtime.timers, "fire_due", fail)
    before = threading.enumerate()
    runtime.start(probes.tree(child("a", journal)))
    assert runtime.wait_ready(probes.PATIENCE_S)
    mine = [thread for thread in threading.enumerate() if thread not in before]
    broken.set()
    runtime.tell("a", lambda actor: actor.after(0, "asks for the time"))
    outcome = runtime.wait(probes.PATIENCE_S)
    assert outcome is not None
    assert outcome.exit == "gave_up"
    assert "no clock" in outcome.reason
    for thread in mine:
        thread.join(probes.PATIENCE_S)
        assert not thread.is_alive(), "an actor must not outlive the host's time"


def test_the_process_is_tuned_on_request() -> None:
    before_s = sys.getswitchinterval()
    try:
        tune_process(0.0005)
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before_s)
