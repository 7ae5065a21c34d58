"""The step runtime is deterministic when seeded, to the byte, and in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from actors.runtime import Actor, ChildSpec, Fate, StepRuntime, SupervisorSpec
from tests.actors.runtime import probes
from tests.actors.runtime.probes import MS_NS, SECOND_NS, Journal

ROOT = Path(__file__).resolve().parents[3]


class Gossip(Actor):
    """Tell someone at random, sometimes later, sometimes never again."""

    def starting(self) -> None:
        self.every(10 * MS_NS, "tick")
        self.ready()

    def handle(self, message: object) -> None:
        draw = self.random.random()
        if draw < 0.02:
            raise ValueError("tired")
        to = f"gossip:{self.random.randrange(8)}"
        if draw < 0.5:
            self.tell(to, "news")
        elif draw < 0.7:
            self.tell_latest(to, self.name, draw)
        elif draw < 0.8:
            self.after(self.random.randrange(5 * MS_NS), "later")


def trace_of(seed: int, seconds: int = 2, *, faulty: bool = False) -> bytes:
    """Return the trace of a lively tree."""
    journal = Journal()
    faults = None
    if faulty:
        faults = drop_every_third()
    runtime = probes.step(journal, seed, faults=faults)
    spec = probes.tree(
        *(ChildSpec(f"gossip:{number}", Gossip) for number in range(8)),
        strategy="rest_for_one",
        jitter=0.5,
    )
    runtime.start(spec)
    runtime.run_for(seconds * SECOND_NS)
    return runtime.trace


def drop_every_third() -> object:
    count = 0

    def fate(sender: str, to: str, lane: str, message: object) -> Fate | None:
        nonlocal count
        count += 1
        return Fate(delays_ns=((), (0, MS_NS), (2 * MS_NS,))[count % 3])

    return fate


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    assert trace_of(7) == trace_of(7)
    assert trace_of(7, faulty=True) == trace_of(7, faulty=True)


def test_another_seed_gives_another_order() -> None:
    assert len({trace_of(seed, 1) for seed in range(5)}) == 5


def test_the_trace_does_not_depend_on_the_process() -> None:
    code = (
        "import hashlib; from tests.actors.runtime.test_determinism import trace_of; "
        "print(hashlib.sha256(trace_of(7, 1)).hexdigest())"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_the_order_between_receivers_is_drawn_and_within_one_it_is_kept() -> None:
    orders = set()
    for seed in range(20):
        journal = Journal()
        runtime = probes.step(journal, seed)
        make = partial(probes.Probe, journal)
        with probes.running(runtime, probes.tree(ChildSpec("a", make), ChildSpec("b", make))):
            for number in (1, 2):
                runtime.tell("a", number)
                runtime.tell("b", number)
            runtime.run_until_idle()
        got = [(str(entry[1]), entry[3]) for entry in journal.of("got")]
        for name in "ab":
            assert [number for by, number in got if by == name] == [1, 2]
        orders.add("".join(by for by, _ in got))
    assert len(orders) >= 4, "six are possible"


def test_a_run_without_a_trace_takes_the_same_course() -> None:
    def course(*, record_trace: bool) -> list[probes.Entry]:
        journal = Journal()
        runtime = StepRuntime(seed=3, on_log=journal.log, record_trace=record_trace)
        children = tuple(ChildSpec(f"gossip:{number}", Gossip) for number in range(8))
        runtime.start(SupervisorSpec("root", children, max_restarts=10_000, window_s=1e6))
        runtime.run_for(SECOND_NS)
        assert bool(runtime.trace) is record_trace
        return journal.entries

    assert course(record_trace=True) == course(record_trace=False)


def test_lost_repeated_and_late_messages_are_as_the_faults_say() -> None:
    journal = Journal()
    fates = {
        "lost": Fate(delays_ns=()),
        "twice": Fate(delays_ns=(0, 0)),
        "late": Fate(delays_ns=(5 * MS_NS,)),
    }
    runtime = probes.step(journal, faults=lambda sender, to, lane, message: fates.get(str(message)))
    spec = probes.tree(
        ChildSpec("a", lambda: probes.Probe(journal)), ChildSpec("b", lambda: probes.Probe(journal))
    )
    with probes.running(runtime, spec):
        for message in ("late", "lost", "twice", "plain"):
            runtime.tell("a", lambda actor, message=message: actor.tell("b", message))
        runtime.tell("a", lambda actor: actor.tell_control("b", "late"))
        runtime.tell("a", lambda actor: actor.tell_latest("b", "key", "late"))
        runtime.run_until_idle()
        assert [entry[3] for entry in journal.of("got")] == ["twice", "twice", "plain"]
        runtime.run_for(5 * MS_NS)
        assert [entry[3] for entry in journal.of("got")][3:] == ["late"] * 3
        assert ("dead", "dropped", "b", "lost") in journal.entries


def test_a_fenced_incarnation_gets_nothing_past_its_lease_with_faults_either() -> None:
    journal = Journal()
    runtime = probes.step(journal, faults=lambda sender, to, lane, message: None)

    def work(actor: probes.Probe) -> None:
        actor.tell("b", "exact")
        actor.tell_control("b", "control")
        actor.tell_latest("b", "key", "latest")

    spec = probes.tree(
        ChildSpec("a", lambda: probes.Probe(journal), busy_deadline_s=1.0),
        ChildSpec("b", lambda: probes.Probe(journal)),
    )
    with probes.running(runtime, spec):
        runtime.hang("a")
        runtime.tell("a", work)
        runtime.run_for(3 * SECOND_NS)
        runtime.wake("a")
        runtime.run_for(SECOND_NS)
        assert runtime.dead_letters.counts["fenced"] == 3
        assert journal.of("got") == []
