"""Health is work that is done; a host that obeys a pause or a halt is well."""

from __future__ import annotations

from typing import Any

import pytest

from core.health import problems
from tests.adapters.metrics.status import actor, status

SLOW_MS = 2_000
VENUE: dict[str, Any] = {"connected": True, "breaker": "closed"}


def found(**changes: Any) -> tuple[str, ...]:
    return problems(status(**changes), SLOW_MS)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"state": "paused", "paused": {"binance:BTCUSDT": "paused by the operator"}},
        {"state": "halted", "halt": "halted", "halt_latched": True, "halt_by": "operator"},
        {"state": "halted", "halt": "halted", "halt_latched": True, "halt_by": "equity stop"},
        {"state": "reduce_only", "halt": "reduce_only", "halt_latched": True},
        {"throttle": {"": 0}},
        {"positions": [], "symbols": {}, "work": []},
    ],
    ids=str,
)
def test_a_host_that_works_or_does_what_it_was_told_is_well(changes: dict[str, Any]):
    assert found(**changes) == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"state": "stopping"}, "the host is stopping"),
        ({"halt": None, "halt_latched": None}, "risk has told nothing of itself yet"),
        (
            {"halt": "reduce_only", "halt_by": "journal", "halt_latched": False},
            "the host itself holds trading reduce_only, by journal",
        ),
        ({"actors": [actor("risk", state="backing_off")]}, "risk is backing off"),
        ({"actors": [actor("risk", state="failed")]}, "risk is failed"),
        ({"actors": [actor("account:binance", state="waiting")]}, "account:binance is waiting"),
        ({"actors": [actor("journal", state="stopped")]}, "journal is stopped"),
        (
            {"actors": [actor("market:binance:BTCUSDT", oldest_ms=2_001.0)]},
            "a message to market:binance:BTCUSDT has waited for 2.0 s",
        ),
        ({"venues": {"binance": VENUE | {"connected": False}}}, "binance is not connected"),
        (
            {"venues": {"binance": VENUE | {"breaker": "half_open"}}},
            "calls to binance fail: its breaker is half open",
        ),
        (
            {"work": [{"kind": "market", "of": "binance:X", "age_s": 6.1, "limit_s": 5.0}]},
            "market of binance:X: nothing for 6.1 s, 5 s are allowed",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_not_done_is_named(changes: dict[str, Any], problem: str):
    assert found(**changes) == (problem,)


@pytest.mark.parametrize(
    "name", ["timesync:binance", "exchange:binance", "connection:binance:reads"]
)
def test_a_part_whose_messages_are_slow_calls_may_have_some_waiting(name: str):
    assert found(actors=[actor(name, oldest_ms=10_000.0)]) == ()
    assert found(actors=[actor(name, state="failed")]) == (f"{name} is failed",)


def test_work_as_old_as_a_look_in_time_may_show_it_and_of_unknown_age_is_no_problem():
    at_limit = {"kind": "market", "of": "binance:X", "age_s": 6.0, "limit_s": 5.0}
    assert found(work=[at_limit, at_limit | {"age_s": None}]) == ()


def test_everything_that_is_wrong_is_told():
    assert len(found(state="stopping", actors=[actor(n, state="failed") for n in "abc"])) == 4
