"""What guards and protection did, done again from their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from core.flattening import next_slice
from core.guard_decisions import (
    FlashEnded,
    FlashJudged,
    LiquidationJudged,
    ProtectionJudged,
    SizeJudged,
    SliceJudged,
    TightenJudged,
)
from core.protecting import from_mark, protect
from core.risk.flash import FlashMove, FlashWatch
from core.risk.liquidation_guard import distance

__all__ = ["AGAIN"]


def _flash(record: FlashJudged) -> FlashJudged:
    watch, move = FlashWatch(record.window_ns, record.limit_bps), None
    for now_ns, price in record.marks:
        move = watch.look(price, now_ns)
    return evolve(record, **_flash_followed(record, move))


def _flash_followed(record: FlashJudged, move: FlashMove | None) -> dict[str, Any]:
    if move is None:
        return {"move": None, "pauses": False, "answers": ()}
    answers = record.rule.answers(move, record.held, record.answered)
    return {"move": move, "pauses": not record.pausing, "answers": answers}


def _flash_ended(record: FlashEnded) -> FlashEnded:
    return evolve(record, over=record.rule.over(record.moved_ns, record.now_ns))


def _liquidation(record: LiquidationJudged) -> LiquidationJudged:
    away = distance(record.side)
    after, finding = record.guard.judge(record.side, away, record.before, record.now_ns)
    return evolve(record, distance=away, after=after, finding=finding)


def _size(record: SizeJudged) -> SizeJudged:
    return evolve(record, scale=record.sizing.scaled(record.throttle_percent))


def _protection(record: ProtectionJudged) -> ProtectionJudged:
    return evolve(record, steps=protect(record.seen))


def _tighten(record: TightenJudged) -> TightenJudged:
    return evolve(record, trigger=from_mark(record.seen, record.distance_bps))


def _slice(record: SliceJudged) -> SliceJudged:
    part = next_slice(
        record.direction, record.left, record.book, record.instrument, record.mark, record.rule
    )
    return evolve(record, slice=part)


AGAIN: dict[type, Callable[[Any], object]] = {
    FlashJudged: _flash,
    FlashEnded: _flash_ended,
    LiquidationJudged: _liquidation,
    SizeJudged: _size,
    ProtectionJudged: _protection,
    TightenJudged: _tighten,
    SliceJudged: _slice,
}
"""Of each kind: a function that returns the record as today's program would write it."""
