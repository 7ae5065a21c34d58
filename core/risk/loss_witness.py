"""A loss that ended trading, judged again from its record."""

from __future__ import annotations

from attrs import evolve

from core.config import Canary, Losses
from core.decisions import LossJudged
from core.risk.equity import EquityStop, equity

__all__ = ["judge"]


def judge(record: LossJudged) -> LossJudged:
    """Return what the same figures lead to now."""
    canary = Canary()
    if record.canary_max_loss is not None:
        canary = Canary(enabled=True, max_loss=record.canary_max_loss)
    losses = Losses(
        max_daily_loss_percent=record.max_daily_loss_percent,
        max_drawdown_percent=record.max_drawdown_percent,
    )
    now = equity(record.settled, record.transfers, record.booked, record.held)
    stop = EquityStop(record.venue, record.asset, losses, canary, record.before)
    stop, verdict = stop.look(now, record.transfers, record.now_ns)
    return evolve(record, equity=now, after=stop.marked, loss=verdict.tripped)
