"""What a host decided can be done again from its journal alone, to the byte."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from actors.messages.operations import Tick
from actors.messages.risk import Propose
from actors.risk import RiskActor
from actors.strategy import StrategyActor
from core.config import Canary
from core.config import Guards as GuardTable
from core.decisions import LossJudged, RiskJudged, RiskState, StrategyDecided
from core.guard_decisions import (
    GUARDED,
    FlashEnded,
    FlashJudged,
    LiquidationJudged,
    ProtectionJudged,
    SizeJudged,
    SliceJudged,
    TightenJudged,
)
from core.messages import MarkPrice
from core.ports import Record
from core.records import HaltChanged, OrderIntended
from core.risk.proposal import refuse
from core.risk.rules import RULES
from core.strategies import grid_ladder
from tests.sim.house import House, config
from tests.sim.replaying import assert_replays, replayed
from tests.sim.test_guards import NO_STOP, against, marked, wild_bars
from tests.sim.test_losses import LITTLE, price_of_ruin
from tests.sim.test_operating import operate
from tests.sim.test_protection import held, still
from tests.sim.test_whole_host import trading
from tests.sim.world import SECOND_NS, World

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def life(seed: int, seconds: float = 20.0, **rates: float) -> House:
    """Let a host live, be killed in the middle, and live on; return the last one."""
    world = World(seed, SYMBOLS)
    house = House(world, config(SYMBOLS))
    house.start()
    house.ready()
    world.faults.rates.update(rates)
    house.run(seconds)
    house.crash()
    house.start()
    house.run(seconds)
    house.shutdown()
    return house


def kinds(house: House, *wanted: type) -> list[Record]:
    return list(house.journal.read(kinds=wanted))


@pytest.mark.parametrize("seed", range(4))
def test_every_decision_of_a_life_with_a_crash_is_made_again(seed: int) -> None:
    house = life(seed)
    replay = assert_replays(house.journal.read())
    assert replay.skipped == 0
    assert replay.compared["StrategyDecided"] == len(kinds(house, StrategyDecided)) > 100
    assert replay.compared["RiskJudged"] == len(kinds(house, RiskJudged)) > 50


@pytest.mark.parametrize("seed", range(4, 8))
def test_decisions_among_faults_are_made_again(seed: int) -> None:
    house = life(seed, place=0.2, cancel=0.2, amend=0.2, order=0.2)
    replay = assert_replays(house.journal.read())
    refusals = [r for r in kinds(house, RiskJudged) if r.payload.refusal]  # type: ignore[attr-defined]
    assert refusals, "risk refused nothing"
    assert replay.skipped == 0


def test_an_order_leaves_no_earlier_than_its_decision_is_written() -> None:
    house = life(1)
    judged: set[str] = set()
    for record in house.journal.read(kinds=(RiskJudged, OrderIntended)):
        if isinstance(record.payload, OrderIntended):
            assert record.client_order_id in judged
        judged.add(record.client_order_id)


def test_a_span_begins_with_the_whole_state_before_it() -> None:
    house = life(2)
    records = list(house.journal.read())
    middle_ns = (records[0].time_ns + records[-1].time_ns) // 2
    replay = replayed(records, from_ns=middle_ns, to_ns=middle_ns + 5 * SECOND_NS)
    within = [
        r
        for r in kinds(house, StrategyDecided, RiskJudged, HaltChanged, *GUARDED)
        if middle_ns <= r.time_ns < middle_ns + 5 * SECOND_NS
    ]
    assert replay.equal == replay.compared.total() == len(within) > 0


def test_whole_states_in_between_let_a_replay_begin_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.strategies.witness._WHOLE_EVERY", 25)
    monkeypatch.setattr("core.risk.witness._WHOLE_EVERY", 25)
    house = life(3)
    records = list(house.journal.read())
    whole = assert_replays(records)
    assert whole.compared["StrategyState"] > 3
    tail = [r.sequence for r in kinds(house, RiskState) if r.payload.number > 1][1]  # type: ignore[attr-defined]
    later = assert_replays(records[tail - 1 :])
    assert 0 < later.skipped < whole.equal
    assert later.compared["RiskJudged"] == sum(r.sequence >= tail for r in kinds(house, RiskJudged))


def test_a_decision_behind_a_lost_record_is_skipped_and_not_guessed() -> None:
    house = life(1)
    records = list(house.journal.read())
    lost = [r.sequence for r in kinds(house, RiskJudged)][10]
    replay = assert_replays(r for r in records if r.sequence != lost)
    assert replay.skipped > 0


def test_another_constant_of_the_strategy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    house = life(1)
    monkeypatch.setattr(grid_ladder, "_BPS", Decimal(9_000))
    replay = replayed(house.journal.read())
    assert replay.first is not None and replay.first.kind == StrategyDecided.__name__
    assert replay.differing > 0


def test_another_rule_of_risk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    house = life(1)
    never = refuse("never", "a rule that refuses all")
    monkeypatch.setattr("core.risk.checks.RULES", (lambda proposal, view: never, *RULES))
    replay = replayed(house.journal.read())
    assert replay.first is not None and replay.first.kind == RiskJudged.__name__
    assert "refuses all" in replay.first.replayed
    assert "refuses all" not in replay.first.recorded


def test_a_record_that_says_something_else_is_named() -> None:
    house = life(1)
    records = list(house.journal.read())
    place = next(
        i
        for i, r in enumerate(records)
        if isinstance(r.payload, StrategyDecided) and r.payload.intents
    )
    changed = evolve(records[place].payload, intents=())  # type: ignore[misc]
    records[place] = evolve(records[place], payload=changed)
    replay = replayed(records)
    assert replay.first is not None and replay.first.sequence == records[place].sequence


CANARY = Canary(enabled=True, max_order_notional=Decimal(250), max_loss=Decimal(20))


@pytest.mark.parametrize(
    ("tables", "name"), [(LITTLE, "daily loss"), ({"canary": CANARY}, "canary loss")]
)
def test_the_loss_that_ended_trading_is_judged_again_from_its_figures(
    tables: dict[str, object], name: str
) -> None:
    house = still(1, risk=tables)
    price = price_of_ruin(house)
    house.risk().handle(MarkPrice(house.world.keys[0], price, price, Decimal(0), 0, 0))
    house.run(1.2)
    (judged,) = (record.payload for record in kinds(house, LossJudged))
    assert isinstance(judged, LossJudged) and judged.loss is not None
    assert (judged.loss.name, judged.held[0].mark) == (name, price)
    assert str(judged.loss) == house.risk().risk.halt.reason
    assert assert_replays(house.journal.read()).compared["LossJudged"] == 1

    milder = evolve(judged, max_daily_loss_percent=Decimal(90), canary_max_loss=None)
    milder = evolve(milder, max_drawdown_percent=Decimal(90))
    found = replayed([Record(milder, 0, sequence=1)])
    assert found.first is not None and '"loss":null' in found.first.replayed
    dearer = evolve(judged, held=(evolve(judged.held[0], mark=price + 1), *judged.held[1:]))
    found = replayed([Record(dearer, 0, sequence=1)])
    assert found.first is not None and f'"equity":"{judged.equity}"' not in found.first.replayed


# What guards, protection and the halt did


def test_a_fast_move_is_judged_again_from_the_marks_that_counted() -> None:
    house = still(1, risk={"guards": GuardTable(flash_pause_s=5.0)})
    side, factor = against(house)
    marked(house, factor)
    house.run(25)
    replay = assert_replays(house.journal.read())
    first = kinds(house, FlashJudged)[0].payload
    assert isinstance(first, FlashJudged) and first.pauses
    assert [answer.side for answer in first.answers] == [side]
    tightened = kinds(house, TightenJudged)[0].payload
    assert isinstance(tightened, TightenJudged) and tightened.seen.held.side is side
    wanted = {FlashJudged, FlashEnded, TightenJudged, ProtectionJudged}
    assert {kind.__name__ for kind in wanted} <= set(replay.compared)


def test_marks_that_change_nothing_write_nothing() -> None:
    house = still(1)
    before = len(kinds(house, *GUARDED))
    for factor in ("1.0001", "0.9999") * 50:
        marked(house, factor)
    house.run(0.5)
    assert len(kinds(house, *GUARDED)) == before


def test_a_reduction_near_liquidation_is_judged_again() -> None:
    guards = GuardTable(flash_move_bps=Decimal(10_000))
    house = still(1, risk={"guards": guards, "losses": NO_STOP})
    _, quantity = next(iter(held(house).items()))
    for down, up in (("0.57", "1.33"), ("0.93", "1.06")):
        marked(house, down if quantity > 0 else up)
        house.risk().handle(Tick("look"))
    house.run(0.9)
    judged = [record.payload for record in kinds(house, LiquidationJudged)]
    assert [each.finding.reduces for each in judged[:2]] == [False, True]  # type: ignore[attr-defined]
    assert assert_replays(house.journal.read()).compared["LiquidationJudged"] == len(judged)


def test_a_size_that_volatility_or_a_throttle_changed_is_judged_again() -> None:
    house = trading(5, 5)
    house.risk().handle(wild_bars(house))
    assert "done" in operate(house, "throttle", percent=50)
    house.run(1)
    scales = [record.payload.scale for record in kinds(house, SizeJudged)]  # type: ignore[attr-defined]
    assert scales == [Decimal("0.25"), Decimal("0.125")]
    assert assert_replays(house.journal.read()).compared["SizeJudged"] == 2


def test_the_slices_of_a_flatten_are_cut_again() -> None:
    house = still(2)
    assert "done" in operate(house, "flatten", within_s=36)
    assert not held(house)
    replay = assert_replays(house.journal.read())
    assert replay.compared["SliceJudged"] == len(kinds(house, SliceJudged)) > 0
    assert replay.compared["HaltChanged"] == len(kinds(house, HaltChanged)) >= 2


def test_another_rule_of_protection_is_found_in_a_hosts_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = life(1)
    assert replayed(house.journal.read()).compared["ProtectionJudged"] > 0
    monkeypatch.setattr("core.protection._BPS", Decimal(9_000))
    replay = replayed(house.journal.read())
    assert replay.first is not None and replay.first.kind == ProtectionJudged.__name__


# The actors themselves, on the step runtime


@pytest.mark.parametrize(
    ("actor", "method", "kind"),
    [(StrategyActor, "_decide", StrategyDecided), (RiskActor, "_propose", RiskJudged)],
)
def test_an_actor_that_does_nothing_any_more_is_found(
    actor: type, method: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = life(1)
    monkeypatch.setattr(actor, method, lambda *_: None)
    replay = replayed(house.journal.read())
    assert replay.first is not None and replay.first.kind == kind.__name__
    assert replay.first.replayed == "{}"
    assert replay.differing == len(kinds(house, kind))


def test_an_actor_that_dies_of_what_it_is_told_differs_and_replay_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = life(1)

    def die(*_: object) -> None:
        raise RuntimeError("a defect of today's program")

    monkeypatch.setattr(StrategyActor, "_decide", die)
    replay = replayed(house.journal.read())
    assert (
        replay.compared["StrategyDecided"] == replay.differing == len(kinds(house, StrategyDecided))
    )
    assert replay.compared["RiskJudged"] == len(kinds(house, RiskJudged))


def test_actors_that_decide_again_see_the_recorded_times(monkeypatch: pytest.MonkeyPatch) -> None:
    house = life(1)
    seen: list[tuple[int, int]] = []
    propose = RiskActor._propose

    def watched(self: RiskActor, proposal: Propose) -> None:
        seen.append((self.now_ns(), self.monotonic_ns()))
        propose(self, proposal)

    monkeypatch.setattr(RiskActor, "_propose", watched)
    assert_replays(house.journal.read())
    judged = [record.payload for record in kinds(house, RiskJudged)]
    assert seen == [(each.now_ns, each.monotonic_ns) for each in judged]  # type: ignore[attr-defined]
