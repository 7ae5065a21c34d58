"""A tree that cannot work is refused when it is written down."""

from __future__ import annotations

import pytest

from actors.runtime import Actor, ChildSpec, SupervisorSpec
from actors.runtime.restarts import Intensity, backoff_ns
from tests.actors.runtime import probes
from tests.actors.runtime.probes import SECOND_NS, Journal


@pytest.mark.parametrize(
    "settings",
    [
        {"name": ""},
        {"restart": "always"},
        {"start_within_s": 0.0},
        {"mailbox_age_s": -1.0},
        {"shutdown_within_s": 0.0},
        {"busy_deadline_s": 0.0},
        {"mailbox_limit": 0},
    ],
    ids=str,
)
def test_a_child_that_makes_no_sense_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ChildSpec(**({"name": "a", "factory": Actor} | settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "one_for_two"},
        {"max_restarts": -1},
        {"window_s": 0.0},
        {"backoff_initial_s": -0.1},
        {"backoff_factor": 0.5},
        {"jitter": 1.5},
    ],
    ids=str,
)
def test_a_supervisor_that_makes_no_sense_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        SupervisorSpec("root", **settings)  # type: ignore[arg-type]


def test_a_supervisor_that_could_never_give_up_is_refused() -> None:
    with pytest.raises(ValueError, match="never give up: 5 back-offs last 50 s"):
        SupervisorSpec("root", max_restarts=5, window_s=30.0, backoff_initial_s=10.0, jitter=0.0)


def test_a_nested_supervisor_has_one_name() -> None:
    with pytest.raises(ValueError, match="'a' holds a supervisor named 'b'"):
        ChildSpec("a", SupervisorSpec("b"))


def test_two_actors_cannot_have_one_name(journal: Journal) -> None:
    twin = ChildSpec("a", Actor)
    with pytest.raises(ValueError, match="two actors are named 'a'"):
        probes.step(journal).start(probes.tree(twin, SupervisorSpec("inner", (twin,))))


def test_a_nested_supervisor_may_take_its_childrens_time_to_stop() -> None:
    spec = SupervisorSpec(
        "root",
        (
            ChildSpec("a", Actor, shutdown_within_s=3.0),
            SupervisorSpec("inner", (ChildSpec("b", Actor, shutdown_within_s=4.0),)),
        ),
    )
    assert spec.as_child().shutdown_within_s == 3.0 + (4.0 + 1.0) + 1.0
    assert spec.as_child().start_within_s is None


def test_the_last_restart_that_is_allowed_is_allowed() -> None:
    intensity = Intensity(2, window_s=10.0)
    assert [intensity.allows(at * SECOND_NS) for at in (0, 1, 2)] == [True, True, False]


def test_a_restart_leaves_the_window_when_it_is_over() -> None:
    intensity = Intensity(1, window_s=10.0)
    assert intensity.allows(0)
    assert not intensity.allows(10 * SECOND_NS)
    assert intensity.allows(10 * SECOND_NS + 10 * SECOND_NS + 1)


def test_jitter_only_shortens_a_back_off() -> None:
    spec = SupervisorSpec("root", backoff_initial_s=1.0, backoff_max_s=4.0, jitter=0.5)
    assert backoff_ns(spec, 0, draw=0.0) == SECOND_NS
    assert backoff_ns(spec, 0, draw=1.0) == SECOND_NS // 2
    assert backoff_ns(spec, 1_000_000, draw=0.0) == 4 * SECOND_NS


def test_any_number_of_restarts_may_be_allowed() -> None:
    SupervisorSpec("root", max_restarts=100_000, window_s=1e7, backoff_factor=3.0)
