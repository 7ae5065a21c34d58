"""What guards and protection did is done again from the record; another rule is found."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from actors.replaying import StepStage
from adapters.storage.codec import Codec
from core.account import Unknown
from core.flattening import next_slice
from core.guard_decisions import (
    GUARDED,
    FlashEnded,
    ProtectionJudged,
    SizeJudged,
    SliceJudged,
    TightenJudged,
)
from core.guard_witness import AGAIN
from core.messages import BookSnapshot, Side
from core.orders import State, intend
from core.ports import Record
from core.positions import Position
from core.protecting import SideSeen, from_mark, protect
from core.protection import Stop
from core.replay import Replay
from core.risk.flash import FlashAnswer, FlashRule, FlashWatch
from core.risk.liquidation import Liquidation
from core.risk.liquidation_guard import (
    Beside,
    GuardLevel,
    OpenSide,
    Watched,
    distance,
)
from core.risk.portfolio import Sizing
from tests.core.guard_samples import (
    BRACKETS,
    CLOSE,
    FALL,
    LONG,
    NEAR,
    RULE,
    SHORT,
    TIGHTEN,
    S,
    flash,
    held,
    liquidation,
    seen,
)
from tests.core.samples import BTC, ETH, D, instrument, stop

CODEC = Codec()


def stored(payload: object) -> object:
    """Return what a journal gives back."""
    kind, data = CODEC.encode(payload)
    return CODEC.decode(kind, data, 1)


def data(payload: object) -> bytes:
    return CODEC.encode(payload)[1]


def assert_again(payload: object) -> None:
    """Hold what a journal gives back, done again, against what was written."""
    assert data(AGAIN[type(payload)](stored(payload))) == data(payload)


# Flash moves

PRICES = st.decimals(90, 110, places=1)
MARKS = st.lists(st.tuples(st.integers(0, 3 * S), PRICES), min_size=1, max_size=40)


@given(MARKS, st.sampled_from([TIGHTEN, CLOSE]), st.booleans())
def test_any_row_of_marks_leads_to_the_same_move_and_the_same_answers(
    marks: list[tuple[int, Decimal]], rule: FlashRule, pausing: bool
) -> None:
    assert_again(flash(marks, rule, pausing))


@given(MARKS, MARKS)
def test_a_watch_that_saw_what_still_counts_finds_what_the_first_one_finds(
    before: list[tuple[int, Decimal]], later: list[tuple[int, Decimal]]
) -> None:
    first, now_ns = FlashWatch(10 * S, D(100)), 0
    for later_ns, price in before:
        now_ns += later_ns
        first.look(price, now_ns)
    second = FlashWatch(10 * S, D(100))
    for at_ns, price in first.seen():
        second.look(price, at_ns)
    for later_ns, price in later:
        now_ns += later_ns
        assert second.look(price, now_ns) == first.look(price, now_ns)
        assert second.seen() == first.seen()


def test_the_side_that_a_fall_hurts_has_its_stop_brought_nearer_or_is_closed() -> None:
    assert flash(FALL, TIGHTEN).answers == (FlashAnswer(LONG, D(50)),)
    assert flash(FALL, CLOSE).answers == (FlashAnswer(LONG, D(0), D(2)),)
    rise = [(0, D(100)), (S, D("103.1"))]
    assert flash(rise, CLOSE).answers == (FlashAnswer(SHORT, D(0), D(1)),)


def test_a_direction_is_answered_once_in_a_pause() -> None:
    move = flash(FALL, TIGHTEN).move
    assert move is not None and TIGHTEN.answers(move, (held(),), [Side.BUY]) == ()
    assert TIGHTEN.answers(move, (held(),), [Side.SELL])


def test_a_pause_ends_when_the_last_move_is_as_long_ago_as_configured() -> None:
    for now_ns, over in ((61 * S - 1, False), (61 * S, True)):
        ended = FlashEnded(BTC, TIGHTEN, S, now_ns, over)
        assert_again(ended)


# Liquidation

FIGURES = st.one_of(
    st.decimals("50", "200", places=2), st.sampled_from([Unknown("no mark price of BTC")])
)
QUANTITIES = st.decimals(-20, 20, places=3).filter(bool)


@st.composite
def open_sides(draw: st.DrawFn) -> OpenSide:
    """Draw an open side, isolated or on a cross account with another symbol beside it."""
    quantity = draw(QUANTITIES)
    position = Position(LONG if quantity > 0 else SHORT, quantity, draw(st.decimals(80, 120)))
    leverage, brackets = draw(st.sampled_from([0, 2, 20])), draw(st.sampled_from([(), BRACKETS]))
    side = OpenSide(BTC, position, draw(FIGURES), instrument(), leverage, brackets)
    if draw(st.booleans()):
        return side
    other = Beside(ETH, held("3"), draw(FIGURES), D(1), draw(st.sampled_from([(), BRACKETS])))
    margin = draw(st.one_of(st.decimals(-100, 5_000, places=2), FIGURES))
    legs = (position, held("-1", side=SHORT))
    return evolve(side, margin=margin, legs=legs, beside=draw(st.sampled_from([(), (other,)])))


WATCHED = st.builds(
    Watched,
    st.sampled_from(list(GuardLevel)),
    st.one_of(st.none(), st.integers(0, 60 * S)),
    st.one_of(st.none(), st.integers(0, 60 * S)),
)


@given(open_sides(), WATCHED, st.integers(60 * S, 90 * S))
def test_any_side_is_as_far_from_its_liquidation_again(
    side: OpenSide, before: Watched, now_ns: int
) -> None:
    assert_again(liquidation(side, before, now_ns))


FAR = evolve(NEAR, mark=D(100))
BLIND = evolve(NEAR, mark=Unknown("no mark price of BTC"))


def test_a_side_is_reduced_once_in_ten_seconds_and_told_once() -> None:
    first = liquidation(NEAR, Watched(), 100 * S)
    assert (first.finding.tells, first.finding.reduces) == (True, True)
    soon = liquidation(NEAR, first.after, 110 * S - 1)
    assert not soon.finding.acts and soon.after.reduced_ns == 100 * S
    later = liquidation(NEAR, soon.after, 110 * S)
    assert (later.finding.tells, later.finding.reduces) == (False, True)
    assert later.finding.verdict.quantity == 1


def test_a_side_that_is_far_again_is_told_of_anew_when_it_comes_near() -> None:
    near = liquidation(NEAR, Watched(), 100 * S)
    away = liquidation(FAR, near.after, 111 * S)
    assert not away.finding.acts and away.after.level is GuardLevel.OK
    assert liquidation(NEAR, away.after, 112 * S).finding.tells


def test_a_distance_that_is_not_known_is_told_after_ten_seconds_and_once() -> None:
    first = liquidation(BLIND, Watched(), 100 * S)
    assert not first.finding.acts and first.after.unknown_ns == 100 * S
    late = liquidation(BLIND, first.after, 110 * S)
    assert late.finding.tells and not late.finding.reduces
    assert not liquidation(BLIND, late.after, 111 * S).finding.acts
    seen = liquidation(FAR, late.after, 112 * S)
    assert seen.after == Watched()


def test_what_other_symbols_need_stands_behind_no_side_of_a_cross_account() -> None:
    alone = evolve(NEAR, mark=D(100), margin=D(120), legs=(NEAR.position,))
    other = Beside(ETH, held("10"), D(1000), D(1), BRACKETS)
    without, beside = distance(alone), distance(evolve(alone, beside=(other,)))
    assert isinstance(without, Decimal) and isinstance(beside, Decimal) and beside < without
    unknown = distance(evolve(alone, beside=(evolve(other, brackets=()),)))
    assert isinstance(unknown, Unknown) and "binance:ETHUSDT" in unknown.why


# Sizes


@given(
    st.integers(0, 100),
    st.floats(0.01, 1000),
    st.floats(0.01, 1000),
    st.sampled_from([1.0, 0.75, 0.5, 0.25]),
)
def test_any_size_is_scaled_again(
    throttle: int, target: float, daily: float, present: float
) -> None:
    sizing = Sizing(target, daily, present)
    assert_again(SizeJudged(BTC, throttle, sizing, D(1), sizing.scaled(throttle)))


# Protection

STOPS = st.builds(
    lambda number, quantity, trigger, state, asked: evolve(
        intend(stop(f"s{number}", str(quantity), str(trigger)), 0),
        state=state,
        cancel_requested=asked,
    ),
    st.integers(0, 3),
    st.decimals("0.001", 3, places=3),
    st.decimals(80, 110, places=1),
    st.sampled_from([s for s in State if not s.ended]),
    st.booleans(),
)


TIMES = st.sampled_from([0, 94 * S, 99 * S, 101 * S])
SEEN = st.builds(
    seen,
    held=st.sampled_from([held(), held("0"), held("500")]),
    stops=st.lists(STOPS, max_size=3, unique_by=lambda order: order.id).map(tuple),
    tightened=st.one_of(st.none(), st.decimals(95, 100, places=1)),
    mark=st.sampled_from([D(0), D(101), D(97)]),
    liquidation=st.sampled_from([D(0), D(60), D("98.4"), D(150)]),
    naked_ns=TIMES,
    lost_ns=st.lists(st.integers(30 * S, 100 * S), max_size=3).map(tuple),
    hopeless=st.sampled_from(["", "the venue refused its stop: -2021"]),
    busy=st.booleans(),
    closing=st.booleans(),
    unknown_closes=st.integers(0, 7),
    retry_ns=TIMES,
    close_ns=TIMES,
)


@given(SEEN)
def test_any_side_is_protected_again(side: SideSeen) -> None:
    assert_again(ProtectionJudged(BTC, side, protect(side)))


@given(SEEN, st.decimals(1, 300, places=1))
def test_any_stop_is_tightened_again(side: SideSeen, distance_bps: Decimal) -> None:
    assert_again(TightenJudged(BTC, side, distance_bps, from_mark(side, distance_bps)))


@given(SEEN)
def test_nothing_is_placed_beside_a_close_or_while_an_answer_is_missing(side: SideSeen) -> None:
    steps = protect(side)
    assert not (steps.close and steps.place)
    assert bool(steps.why) is bool(steps.close)
    if side.busy or side.closing:
        assert not steps.close and steps.place is None


WANTED = Stop(Side.SELL, LONG, D(2), D("98.5"))


def test_a_side_without_a_stop_gets_one_and_is_closed_when_that_takes_too_long() -> None:
    assert protect(seen()).place == WANTED
    late = protect(seen(naked_ns=94 * S))
    assert late.close == 2 and late.place is None
    assert late.why == "no working stop of its size in time (execution.protect_within_s)"


def test_a_side_that_may_not_be_closed_yet_goes_on_asking_for_its_stop() -> None:
    waits = protect(seen(naked_ns=94 * S, close_ns=101 * S))
    assert waits.place == WANTED and not waits.close and not waits.why
    assert not protect(seen(hopeless="refused", unknown_closes=6)).close


def test_stops_that_go_again_and_again_end_with_the_side_closed() -> None:
    lost = (50 * S, 60 * S, 70 * S)
    assert protect(seen(lost_ns=lost)).why == "3 stops of it went within a minute"
    assert not protect(seen(lost_ns=(39 * S, *lost[1:]))).close


def test_a_stop_that_liquidation_would_come_before_is_tightened_and_placed_there() -> None:
    steps = protect(seen(liquidation=D("98.4")))
    assert steps.tighten is not None and steps.tighten > D("98.5")
    assert steps.place == evolve(WANTED, trigger_price=steps.tighten)


def test_a_stop_is_brought_nearer_to_the_mark_and_never_further_away() -> None:
    assert from_mark(seen(), D(50)) == D("100.5")
    assert from_mark(seen(tightened=D("100.5")), D(50)) is None
    assert from_mark(seen(), D(300)) is None
    assert from_mark(seen(mark=D(0)), D(50)) is None
    assert from_mark(seen(held=held("0")), D(50)) is None


# Slices

BOOK = BookSnapshot(BTC, 7, ((D(100), D(3)), (D("99.9"), D(50))), ((D("100.1"), D(4)),), 1)


@given(
    st.sampled_from(list(Side)),
    st.decimals("0.001", 500, places=3),
    st.sampled_from([None, BOOK, evolve(BOOK, bids=())]),
)
def test_any_slice_is_cut_again(side: Side, left: Decimal, book: BookSnapshot | None) -> None:
    terms = (left, book, instrument(), D(100), RULE)
    assert_again(SliceJudged(BTC, LONG, side, *terms, next_slice(side, *terms)))


# Sabotage: where a rule is another one now, that is found, whatever kind it is of

SELL_SLICE = (D(9), BOOK, instrument(), D(100), RULE)
SABOTAGE: list[tuple[object, str, object]] = [
    (flash(FALL, TIGHTEN), "core.risk.flash.bps", lambda value, reference: D(0)),
    (FlashEnded(BTC, TIGHTEN, S, 61 * S, True), "core.risk.flash.FlashRule.over", lambda *_: False),
    (
        liquidation(NEAR, Watched(), 100 * S),
        "core.risk.liquidation_guard.isolated",
        lambda *_: Liquidation(D(1), None),
    ),
    (SizeJudged(BTC, 50, Sizing(5, 10, 1), D(1), D("0.25")), "core.risk.portfolio._STEPS", (1.0,)),
    (ProtectionJudged(BTC, seen(), protect(seen())), "core.protection._BPS", D(9_000)),
    (TightenJudged(BTC, seen(), D(50), D("100.5")), "core.protecting._BPS", D(9_000)),
    (
        SliceJudged(BTC, LONG, Side.SELL, *SELL_SLICE, next_slice(Side.SELL, *SELL_SLICE)),
        "core.flattening._depth",
        lambda *_: D(0),
    ),
]


def test_every_kind_is_sabotaged_once() -> None:
    assert {type(record) for record, _, _ in SABOTAGE} == set(GUARDED) == set(AGAIN)


@pytest.mark.parametrize(
    ("record", "rule", "other"), SABOTAGE, ids=lambda found: type(found).__name__
)
def test_another_rule_is_found_and_named(
    record: object, rule: str, other: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(data, StepStage())
    replay.take(Record(record, 0, BTC, sequence=1))
    assert (replay.differing, replay.first) == (0, None)
    monkeypatch.setattr(rule, other)
    replay.take(Record(record, 0, BTC, sequence=2))
    assert replay.first is not None and replay.differing == 1
    assert (replay.first.sequence, replay.first.kind) == (2, type(record).__name__)
    assert replay.first.recorded != replay.first.replayed
