"""Random trees under random failures: what the tree alone predicts happens, and nothing is lost."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import ChildSpec, SupervisorSpec
from actors.runtime.spec import Restart, Strategy
from tests.actors.runtime import probes
from tests.actors.runtime.probes import SECOND_NS, Journal
from tests.actors.runtime.tree_model import (
    Branch,
    Leaf,
    Model,
    leaves_below,
    names_below,
    spec_of,
)

RESTARTS: list[Restart] = ["permanent", "permanent", "transient", "temporary"]
STRATEGIES: list[Strategy] = ["one_for_one", "rest_for_one", "one_for_all"]
HOURS_NS = 3600 * SECOND_NS


@st.composite
def trees(draw: st.DrawFn, max_restarts: int | None = None, *, steady: bool = False) -> Branch:
    """Draw a tree of up to three levels of supervisors; steady ones are permanent throughout."""
    numbers = count()
    restarts: list[Restart] = ["permanent"] if steady else RESTARTS

    def branch(depth: int) -> Branch:
        name = f"supervisor:{next(numbers)}"
        children: list[Leaf | Branch] = []
        for _ in range(draw(st.integers(1, 4))):
            if depth < 3 and draw(st.booleans()):
                children.append(branch(depth + 1))
            else:
                restart = draw(st.sampled_from(restarts))
                children.append(Leaf(f"leaf:{next(numbers)}", restart))
        limit = draw(st.integers(0, 3)) if max_restarts is None else max_restarts
        restart = "permanent" if depth == 1 else draw(st.sampled_from(restarts))
        return Branch(name, restart, draw(st.sampled_from(STRATEGIES)), limit, tuple(children))

    return branch(1)


def root_of(tree: Branch, journal: Journal) -> SupervisorSpec:
    factory = spec_of(tree, journal).factory
    assert isinstance(factory, SupervisorSpec)
    return factory


@settings(max_examples=300, deadline=None, derandomize=True)
@given(tree=trees(), seed=st.integers(0, 1000), data=st.data())
def test_exactly_those_die_and_start_whom_the_tree_says(
    tree: Branch, seed: int, data: st.DataObject
) -> None:
    journal = Journal()
    runtime = probes.step(journal, seed, record_trace=False)
    model = Model(tree)
    runtime.start(root_of(tree, journal))
    assert runtime.wait_ready(3600)
    model.start(tree)
    leaves = {leaf.name for leaf in leaves_below(tree)}
    for _ in range(data.draw(st.integers(1, 8))):
        if model.ended:
            break
        victim = data.draw(st.sampled_from(sorted(model.alive)))
        way = data.draw(st.sampled_from(["crash", "normal", "hung", "kill"]))
        if victim not in leaves:
            way = "kill"
        match way:
            case "crash":
                runtime.tell(victim, probes.crash(ValueError("boom")))
            case "normal":
                runtime.tell(victim, lambda probe: probe.finish())
            case "hung":
                runtime.hang(victim)
                runtime.tell(victim, "hangs")
            case "kill":
                runtime.kill(victim, RuntimeError("killed"))
        model.end(victim, normally=way == "normal")
        runtime.run_for(HOURS_NS)

        assert [entry[:2] for entry in journal.of("starting", "stopping")] == model.events
        running = {row.name for row in runtime.statistics() if row.state == "running"}
        assert running == model.alive
        assert (runtime.outcome is not None) is model.ended


@settings(max_examples=150, deadline=None, derandomize=True)
@given(tree=trees(max_restarts=10_000, steady=True), seed=st.integers(0, 1000), data=st.data())
def test_failures_on_top_of_each_other_lose_and_repeat_no_message(
    tree: Branch, seed: int, data: st.DataObject
) -> None:
    journal = Journal()
    runtime = probes.step(journal, seed, record_trace=False)
    runtime.start(root_of(tree, journal))
    assert runtime.wait_ready(3600)
    names = names_below(tree)[1:]
    leaves = [leaf.name for leaf in leaves_below(tree)]
    sent: dict[str, list[int]] = {name: [] for name in leaves}
    for number in range(data.draw(st.integers(1, 30))):
        name = data.draw(st.sampled_from(leaves))
        runtime.tell(name, number)
        sent[name].append(number)
        match data.draw(st.sampled_from(["kill", "hang", "run a bit", "pass time"])):
            case "kill":
                runtime.kill(data.draw(st.sampled_from(names)), RuntimeError("killed"))
            case "hang":
                runtime.hang(data.draw(st.sampled_from(leaves)))
            case "run a bit":
                for _ in range(data.draw(st.integers(1, 10))):
                    runtime.step()
            case "pass time":
                runtime.run_for(data.draw(st.integers(0, 2 * SECOND_NS)))
    runtime.run_for(HOURS_NS)

    assert {row.name for row in runtime.statistics() if row.state == "running"} == {
        tree.name,
        *names,
    }
    for name in leaves:
        handled = journal.numbers("got", name)
        poison = journal.numbers("dead", name)
        assert handled == sorted(handled), "in the order they were sent"
        assert sorted([*handled, *poison]) == sent[name], "each exactly once"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(tree=trees(max_restarts=10_000, steady=True), seed=st.integers(0, 1000), data=st.data())
def test_a_stop_at_any_moment_ends_everyone(tree: Branch, seed: int, data: st.DataObject) -> None:
    journal = Journal()
    runtime = probes.step(journal, seed, record_trace=False)
    runtime.start(root_of(tree, journal))
    names = names_below(tree)[1:]
    for _ in range(data.draw(st.integers(0, 5))):
        runtime.kill(data.draw(st.sampled_from(names)), RuntimeError("killed"))
        for _ in range(data.draw(st.integers(0, 20))):
            runtime.step()
    outcome = runtime.stop("enough", 3600)
    assert (outcome.exit, outcome.abandoned) == ("orderly", ())
    assert {row.state for row in runtime.statistics()} <= {"stopped", "failed"}
    starts = {entry[1:] for entry in journal.of("starting")}
    stops = [entry[1:] for entry in journal.of("stopping")]
    assert len(stops) == len(set(stops)), "nobody is stopped twice"
    assert set(stops) <= starts


@pytest.mark.parametrize("seed", range(3))
def test_a_tree_on_threads_survives_random_kills(seed: int) -> None:
    """The same on real threads: nothing is lost or repeated, and all are back in the end."""
    import random

    draw = random.Random(seed)
    journal = Journal()
    runtime = probes.threads(journal, seed)
    names = [f"leaf:{number}" for number in range(6)]
    inner = SupervisorSpec(
        "inner",
        tuple(ChildSpec(name, lambda: probes.Probe(journal)) for name in names[3:]),
        strategy="rest_for_one",
        max_restarts=1000,
        window_s=1e6,
        backoff_initial_s=0.001,
        backoff_max_s=0.002,
    )
    outer = tuple(ChildSpec(name, lambda: probes.Probe(journal)) for name in names[:3])
    sent: dict[str, list[int]] = {name: [] for name in names}
    with probes.running(runtime, probes.tree(*outer, inner, strategy="one_for_all")):
        for number in range(300):
            name = draw.choice(names)
            runtime.tell(name, number)
            sent[name].append(number)
            if draw.random() < 0.1:
                runtime.kill(draw.choice([*names, "inner"]), RuntimeError("killed"))
        for name in names:
            runtime.tell(name, lambda probe: probe.journal.add("last", probe.name))
        journal.until(lambda: len(journal.of("last")) == len(names))
    for name in names:
        handled = journal.numbers("got", name)
        dead = journal.numbers("dead", name)
        assert handled == sorted(handled)
        assert sorted([*handled, *dead]) == sent[name]
