"""The trading halt: what tightens it, what lets it go, and which approvals pass."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from actors.replaying import StepStage
from adapters.storage.codec import Codec
from core.decisions import LossJudged
from core.guard_decisions import HaltCaused
from core.ports import Record
from core.records import EquityMarked, HaltChanged
from core.replay import Replay
from core.risk import halt as rules
from core.risk.equity import Loss
from core.risk.halt import Cause, Halt, Level, follow, relax, reset, tighten
from core.risk.loss_witness import judge

LEVELS = list(Level)


@pytest.mark.parametrize(("now", "wanted"), list(product(LEVELS, LEVELS)))
@pytest.mark.parametrize("latched", [False, True])
@pytest.mark.parametrize("latch", [False, True])
def test_a_halt_only_tightens(now: Level, wanted: Level, latched: bool, latch: bool) -> None:
    before = Halt(now, "first", "a", 3, latched)
    after = tighten(before, wanted, "second", "b", latched=latch)
    assert after.level is max(now, wanted, key=LEVELS.index)
    assert after.latched == (latched or latch)
    changed = (after.level, after.latched) != (now, latched)
    assert after == (Halt(after.level, "second", "b", 4, after.latched) if changed else before)


def test_running_comes_back_by_itself_only_without_a_latch() -> None:
    loose = tighten(Halt(), Level.REDUCE_ONLY, "the journal", "journal")
    latched = tighten(Halt(), Level.HALTED, "loss", "risk", latched=True)
    assert relax(loose, "writes again", "journal") == Halt(
        Level.RUNNING, "writes again", "journal", 2
    )
    assert relax(latched, "time passed", "timer") is latched
    assert relax(Halt(), "nothing", "timer") == Halt()


def test_an_operator_resets_a_latched_halt() -> None:
    latched = tighten(Halt(), Level.HALTED, "loss", "risk", latched=True)
    assert reset(latched, "looked", "operator") == Halt(Level.RUNNING, "looked", "operator", 2)


def test_an_opening_of_before_a_halt_does_not_pass_after_it_either() -> None:
    running = Halt()
    halted = tighten(running, Level.REDUCE_ONLY, "loss", "risk")
    again = relax(halted, "over", "risk")
    assert running.lets_open(0)
    assert not halted.lets_open(0) and not halted.lets_open(halted.epoch)
    assert not again.lets_open(0)
    assert again.lets_open(again.epoch)


# Causes

RUNNING = Halt(epoch=7)
COMMANDS = ("reduce-only", "halt", "flatten", "reset-halt")


@pytest.mark.parametrize(
    ("cause", "what", "who", "wanted"),
    [
        (Cause.START, "", "", Halt(epoch=8)),
        (Cause.LOSS, "daily loss of 9", "", (Level.HALTED, "daily loss of 9", "equity stop", True)),
        (Cause.GAVE_UP, "boom", "lane", (Level.HALTED, "lane gave up: boom", "lane", True)),
        (
            Cause.STRANGERS,
            "an order",
            "",
            (Level.REDUCE_ONLY, "an order", "foreign activity", True),
        ),
        (Cause.JOURNAL_FAILED, "full", "", (Level.REDUCE_ONLY, "journal: full", "journal", False)),
        (Cause.SHUTDOWN, "SIGTERM", "", (Level.REDUCE_ONLY, "SIGTERM", "shutdown", False)),
        (Cause.OPERATOR, "halt", "", (Level.HALTED, "halted by the operator", "operator", True)),
        (
            Cause.OPERATOR,
            "reduce-only",
            "",
            (Level.REDUCE_ONLY, "reduce-only by the operator", "operator", True),
        ),
        (
            Cause.OPERATOR,
            "flatten",
            "",
            (Level.HALTED, "flattened by the operator", "operator", True),
        ),
        (
            Cause.RESET_AWAY,
            "reset-halt",
            "",
            (Level.RUNNING, "reset while no host ran", "operator", False),
        ),
    ],
)
def test_each_cause_leads_to_its_halt(
    cause: Cause, what: str, who: str, wanted: Halt | tuple[Level, str, str, bool]
) -> None:
    if not isinstance(wanted, Halt):
        level, reason, by, latched = wanted
        wanted = Halt(level, reason, by, 8, latched, since_ns=5)
    assert follow(RUNNING, cause, what, who, 5) == wanted


def test_a_start_keeps_a_latched_halt_and_ends_any_other() -> None:
    latched = tighten(RUNNING, Level.HALTED, "loss", "risk", latched=True)
    assert follow(latched, Cause.START, "", "", 5) is latched
    loose = tighten(RUNNING, Level.REDUCE_ONLY, "journal: full", "journal")
    assert follow(loose, Cause.START, "", "", 5) == Halt(epoch=9)


def test_a_journal_that_writes_again_ends_its_own_halt_and_no_other() -> None:
    failed = follow(RUNNING, Cause.JOURNAL_FAILED, "full", "", 1)
    assert follow(failed, Cause.JOURNAL_RECOVERED, "", "", 2).level is Level.RUNNING
    stopping = follow(RUNNING, Cause.SHUTDOWN, "SIGTERM", "", 1)
    assert follow(stopping, Cause.JOURNAL_RECOVERED, "", "", 2) is stopping


def test_what_changes_nothing_is_the_very_same_halt() -> None:
    halted = follow(RUNNING, Cause.OPERATOR, "halt", "", 1)
    assert follow(halted, Cause.LOSS, "daily loss of 9", "", 2) is halted
    assert follow(RUNNING, Cause.OPERATOR, "reset-halt", "", 2) is RUNNING
    assert follow(halted, Cause.OPERATOR, "reset-halt", "", 2).level is Level.RUNNING


CODEC = Codec()


def data(payload: object) -> bytes:
    return CODEC.encode(payload)[1]


def replayed(payloads: list[object]) -> Replay:
    replay = Replay(data, StepStage())
    for sequence, payload in enumerate(payloads, 1):
        kind, written = CODEC.encode(payload)
        replay.take(Record(CODEC.decode(kind, written, sequence), sequence, sequence=sequence))
    return replay


STEPS = st.one_of(
    st.tuples(st.just(Cause.OPERATOR), st.sampled_from(COMMANDS)),
    st.tuples(
        st.sampled_from([cause for cause in Cause if cause is not Cause.OPERATOR]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    ),
)


def changes(steps: list[tuple[Cause, str]]) -> list[object]:
    """Write down what a host would on these causes, one after the other."""
    halt, written = Halt(), list[object]()
    for now_ns, (cause, what) in enumerate(steps, 1):
        caused = HaltCaused(halt, cause, what, "lane", now_ns)
        if caused.after != halt:
            halt = caused.after
            written += [caused, HaltChanged.of(halt)]
    return written


@given(st.lists(STEPS, max_size=12))
def test_any_row_of_causes_leads_to_the_same_halts_again(steps: list[tuple[Cause, str]]) -> None:
    written = changes(steps)
    replay = replayed(written)
    assert (replay.first, replay.skipped) == (None, 0)
    assert replay.compared["HaltChanged"] == len(written) / 2


def test_another_transition_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    written = changes([(Cause.OPERATOR, "halt"), (Cause.OPERATOR, "reset-halt")])
    monkeypatch.setitem(rules._ORDERED, "halt", (Level.REDUCE_ONLY, "halted by the operator"))
    first = replayed(written).first
    assert first is not None and (first.sequence, first.kind) == (2, "HaltChanged")
    assert '"state":"halted"' in first.recorded and '"state":"reduce_only"' in first.replayed


def test_a_change_that_the_halt_before_does_not_lead_to_is_found() -> None:
    written = changes([(Cause.OPERATOR, "halt"), (Cause.OPERATOR, "reset-halt"), (Cause.LOSS, "9")])
    without = [*written[:2], *written[4:]]
    first = replayed(without).first
    assert first is not None and first.sequence == 4 and '"epoch":3' in first.recorded


def test_a_change_without_its_cause_cannot_be_done_again() -> None:
    _, changed = changes([(Cause.OPERATOR, "halt")])
    replay = replayed([changed])
    assert (replay.skipped, replay.compared.total()) == (1, 0)


def lost(limit_percent: int) -> LossJudged:
    """Return the record of a day that lost 60 of 1,000, judged with this limit."""
    marked = EquityMarked("binance", "USDT", 0, Decimal(1_000), Decimal(1_000), Decimal(0))
    limits = Decimal(limit_percent), Decimal(50)
    figures = Decimal(940), Decimal(0), Decimal(0)
    return judge(
        LossJudged("binance", "USDT", *limits, None, marked, 5, *figures, (), Decimal(940))
    )


def test_a_loss_is_followed_as_it_is_found_now() -> None:
    judged = lost(5)
    assert isinstance(judged.loss, Loss)
    caused = HaltCaused(Halt(), Cause.LOSS, str(judged.loss), "", 5)
    changed = HaltChanged.of(caused.after)
    replay = replayed([judged, caused, changed])
    assert (replay.first, replay.compared) == (None, {"LossJudged": 1, "HaltChanged": 1})

    milder = replayed([evolve(judged, max_daily_loss_percent=Decimal(9)), caused, changed])
    assert milder.differing == 2, "the loss, and the halt that came of it"
