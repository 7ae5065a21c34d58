"""The proof itself: it holds, it is the same every time, and it sees what is taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from attrs import evolve

from core.positions import Position
from core.risk import checks
from core.risk.exposure import Exposure, Working
from core.risk.halt import Halt
from core.risk.order_rules import open_orders, order_pace
from core.risk.rules import RULES, Rule
from core.risk.size_rules import (
    gross_notional,
    group_notional,
    net_notional,
    order_notional,
    order_quantity,
    own_notional,
    side_notional,
    symbol_notional,
)
from tests.soak import machine
from tests.soak.__main__ import live

SEEDS_TO_NOTICE = 12


@pytest.fixture(autouse=True)
def _counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "COUNTS", Counter())


@pytest.mark.parametrize("seed", range(1_000, 1_004))
def test_no_limit_is_exceeded_whatever_happens(seed: int) -> None:
    live(seed, lives=6)
    assert machine.COUNTS["steps"] > 1_000
    assert machine.COUNTS["opening orders"] > 10


def test_a_seed_lives_the_same_lives_again() -> None:
    def counts() -> Counter[str]:
        machine.COUNTS.clear()
        live(7, lives=3)
        return Counter(machine.COUNTS)

    first = counts()
    assert first == counts()
    assert first["looks"] > 100


def noticed(*words: str) -> None:
    """Live until the proof fails with these words."""
    for seed in range(SEEDS_TO_NOTICE):
        try:
            live(seed)
        except AssertionError as error:
            assert any(word in str(error) for word in words), error
            return
    raise AssertionError("nobody noticed")


@pytest.mark.parametrize(
    ("rule", "tight", "words"),
    [
        (order_notional, "order", "over the cap per order"),
        (symbol_notional, "symbol", "notional"),
        (side_notional, "side", "notional"),
        (net_notional, "net", "net "),
        (gross_notional, "gross", "gross notional"),
        (own_notional, "own", "BTCUSDT"),
        (group_notional, "group", "group majors"),
        (order_quantity, "own", "over its symbol's quantity"),
        (open_orders, "count", "orders"),
        (order_pace, "pace", "orders within a minute"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_rule_that_is_taken_out_is_missed(
    rule: Rule, tight: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rule in RULES
    monkeypatch.setattr(machine, "TIGHT", {tight: machine.TIGHT[tight]})
    monkeypatch.setattr(checks, "RULES", tuple(each for each in RULES if each is not rule))
    noticed(words)


def test_an_order_that_is_not_reserved_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exposure, "reserve", lambda self, order: None)
    noticed("risk counts", "notional", "orders")


def test_a_reservation_that_never_ends_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    report: Callable[..., None] = Exposure.report

    def report_without_ends(
        self: Exposure, key: object, positions: object, working: list[Working], ended: object
    ) -> None:
        report(self, key, positions, working, ())

    monkeypatch.setattr(Exposure, "report", report_without_ends)
    noticed("not exactly")


def test_a_position_that_counts_half_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Callable[..., None] = Exposure.report

    def half(self: Exposure, key: object, positions: list[Position], *rest: object) -> None:
        whole(self, key, [evolve(one, quantity=one.quantity / 2) for one in positions], *rest)

    monkeypatch.setattr(Exposure, "report", half)
    noticed("risk counts", "notional")


def test_a_fence_that_lets_entries_through_in_a_halt_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Halt, "lets_open", lambda self, epoch: True)
    noticed("opens in a halt")
