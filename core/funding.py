"""Funding: what a position pays or receives at a settlement, and when settlements are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from core.money import amount

__all__ = ["DEFAULT_INTERVAL_NS", "next_settlement_ns", "payment", "settlements"]

DEFAULT_INTERVAL_NS = 8 * 3_600 * 1_000_000_000
"""Source: venues' fact sheets; symbols with another interval are listed by the venue."""


def payment(
    quantity: Decimal, mark: Decimal, rate: Decimal, multiplier: Decimal = Decimal(1)
) -> Decimal:
    """Return what a signed position receives (negative: pays) at a settlement, to 8 decimals.

    At a positive rate longs pay shorts. `mark` is the mark price at the settlement.
    """
    return amount(-quantity * multiplier * mark * rate)


def next_settlement_ns(
    now_ns: int, interval_ns: int = DEFAULT_INTERVAL_NS, anchor_ns: int = 0
) -> int:
    """Return the first settlement after `now_ns`.

    Settlements are every `interval_ns` from `anchor_ns`, any settlement that the venue named; the
    epoch for those that keep to whole hours UTC. Errors: `ValueError` for no positive interval.
    """
    if interval_ns <= 0:
        raise ValueError(f"funding interval {interval_ns} ns is not positive")
    passed = (now_ns - anchor_ns) // interval_ns
    return anchor_ns + (passed + 1) * interval_ns


def settlements(
    after_ns: int, until_ns: int, interval_ns: int = DEFAULT_INTERVAL_NS, anchor_ns: int = 0
) -> Iterator[int]:
    """Yield every settlement in (after_ns, until_ns], oldest first."""
    at_ns = next_settlement_ns(after_ns, interval_ns, anchor_ns)
    while at_ns <= until_ns:
        yield at_ns
        at_ns += interval_ns
