"""The gate: an approval is of one command, made once, by the gate alone."""

from __future__ import annotations

import pytest
from attrs import evolve

from core.messages import Side
from core.risk.gate import Approved, Gate
from tests.core.samples import D, limit


def test_nobody_but_the_gate_builds_an_approval() -> None:
    for seal in (None, object(), True):
        with pytest.raises(TypeError, match="after the checks"):
            Approved(limit(), 0, 0, 0, seal)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Approved(limit(), 0, 0, 0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "change",
    [
        {"command": limit(quantity="100")},
        {"command": limit(side=Side.SELL)},
        {"command": limit()},  # equal, but not the one that was checked
        {"epoch": 9},
        {"at_ns": 9},
        {"monotonic_ns": 9},
    ],
)
def test_a_changed_copy_of_an_approval_is_none(change: dict) -> None:
    approved = Gate().approve(limit(), 1, 2, 3)
    with pytest.raises(TypeError):
        evolve(approved, **change)


def test_an_approval_cannot_be_changed_in_place() -> None:
    approved = Gate().approve(limit(), 1, 2, 3)
    with pytest.raises(AttributeError):
        approved.command = limit(quantity="100")  # type: ignore[misc]
    assert approved.command.quantity == D(1)


def test_approvals_of_the_same_command_and_time_are_equal() -> None:
    command = limit()
    assert Gate().approve(command, 1, 2, 3) == Gate().approve(command, 1, 2, 3)
    assert Gate().approve(command, 1, 2, 3) != Gate().approve(command, 2, 2, 3)
