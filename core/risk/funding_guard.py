"""The funding guard: before a costly settlement, nothing is opened on the side that pays."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.messages import MarkPrice, Side

__all__ = ["CostlyFunding", "costly_funding"]

_BPS = Decimal(10_000)


@frozen(slots=True)
class CostlyFunding:
    """A settlement that would cost more than allowed: who pays, how much, how soon."""

    payer: Side
    rate_bps: Decimal
    due_in_ns: int

    def __str__(self) -> str:
        who = "longs" if self.payer is Side.BUY else "shorts"
        return (
            f"{who} pay {self.rate_bps.normalize():f} bps in {max(0, self.due_in_ns) / 1e9:.0f} s"
        )


def costly_funding(
    mark: MarkPrice, now_ns: int, window_ns: int, max_funding_bps: Decimal
) -> CostlyFunding | None:
    """Return the settlement that is too dear and too near, or None.

    `now_ns` is UTC. At a positive rate longs (BUY) pay, at a negative one shorts. A dear rate
    whose settlement is due already, or at a time that nobody told, counts as near: the next word
    of the venue will tell.
    """
    rate_bps = abs(mark.funding_rate) * _BPS
    due_in_ns = mark.next_funding_ns - now_ns
    if rate_bps <= max_funding_bps or due_in_ns > window_ns:
        return None
    payer = Side.BUY if mark.funding_rate > 0 else Side.SELL
    return CostlyFunding(payer, rate_bps, due_in_ns)
