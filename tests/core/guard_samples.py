"""What guards and protection wrote down, as samples for tests of their records."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from core.flattening import SliceRule
from core.guard_decisions import FlashJudged, LiquidationJudged
from core.instruments import LeverageBracket
from core.messages import PositionSide
from core.orders import Order, State, intend
from core.positions import Position
from core.protecting import SideSeen, StopRule
from core.risk.flash import FlashRule, FlashWatch
from core.risk.liquidation_guard import LiquidationGuard, OpenSide, Watched, distance
from tests.core.samples import BTC, D, instrument, stop

S = 1_000_000_000
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
BRACKETS = (
    LeverageBracket(D(0), D(50_000), 125, D("0.004"), D(0)),
    LeverageBracket(D(50_000), D(10**9), 20, D("0.01"), D(300)),
)
GUARD = LiquidationGuard(D(1500), D(700), 50)
RULE = SliceRule(20, D(30))


def held(quantity: str = "2", entry: str = "100", side: PositionSide = LONG) -> Position:
    return Position(side, D(quantity), D(entry))


def flash(marks: list[tuple[int, Decimal]], rule: FlashRule, pausing: bool = False) -> FlashJudged:
    """Write down what a watch finds after these (ns since the one before, price)."""
    watch, move, now_ns = FlashWatch(10 * S, D(300)), None, 0
    for later_ns, price in marks:
        now_ns += later_ns
        move = watch.look(price, now_ns)
    sides = (held(), held("-1", side=SHORT))
    answers = rule.answers(move, sides, ()) if move else ()
    pauses = move is not None and not pausing
    given_ = (watch.window_ns, watch.limit_bps, rule, watch.seen(), sides, pausing, ())
    return FlashJudged(BTC, *given_, move, pauses, answers)


FALL = [(0, D(100)), (S, D("99.5")), (S, D("96.9"))]
TIGHTEN, CLOSE = FlashRule(60 * S, "tighten", D(50)), FlashRule(60 * S, "close", D(50))


NEAR = OpenSide(BTC, held("2"), D(52), instrument(), 2, BRACKETS)


def liquidation(side: OpenSide, before: Watched, now_ns: int) -> LiquidationJudged:
    away = distance(side)
    after, finding = GUARD.judge(side, away, before, now_ns)
    return LiquidationJudged(GUARD, side, before, now_ns, away, after, finding)


def working_stop(name: str) -> Order:
    """Return a stop of the long side that works at the venue."""
    return evolve(intend(stop(name, "2", "98.5"), 0), state=State.NEW)


def seen(**changes: object) -> SideSeen:
    """Return a long side without a stop, unless told otherwise."""
    fields: dict[str, object] = {
        "held": held(),
        "instrument": instrument(),
        "rule": StopRule(D(150), 5 * S),
        "stops": (),
        "tightened": None,
        "mark": D(101),
        "liquidation": D(60),
        "naked_ns": 0,
        "patient_ns": 0,
        "lost_ns": (),
        "hopeless": "",
        "busy": False,
        "closing": False,
        "unknown_closes": 0,
        "retry_ns": 0,
        "close_ns": 0,
        "now_ns": 100 * S,
    }
    return SideSeen(**(fields | changes))  # type: ignore[arg-type]
