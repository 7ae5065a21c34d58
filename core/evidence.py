"""Evidence: when an order is proven never to have reached the venue, and whose position counts.

"Not found" alone proves nothing: a venue may lag behind itself. But a lane sends nothing later
than `max_order_age_ns` after the approval, and the venue refuses what arrives later than
`recv_window_ns` after it was signed. Asked after that, and several times, "not found" without any
fill is proof. See docs/unknown-outcomes.md.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.messages import PositionSide

__all__ = ["ProofRule", "outweighs"]


@frozen(slots=True)
class ProofRule:
    """`misses_needed` answers of "not found", all asked for after the last instant + margin.

    All of it is measured by our monotonic clock, by which lanes tell what is too old to send too:
    neither the venue's clock nor ours being set makes an order look older than it is. `margin_ns`
    covers the error of the offset that orders are signed with.
    """

    max_order_age_ns: int
    recv_window_ns: int
    margin_ns: int = 1_000_000_000
    misses_needed: int = 3

    @property
    def closed_after_ns(self) -> int:
        """How long after its approval an order may still be accepted."""
        return self.max_order_age_ns + self.recv_window_ns + self.margin_ns

    def counts(self, asked_after_ns: int) -> bool:
        """Tell whether a "not found" counts that was asked for this long after the approval."""
        return asked_after_ns >= self.closed_after_ns


def outweighs(side: PositionSide, ours: Decimal, theirs: Decimal, *, lasts: bool) -> bool:
    """Tell whether the venue's quantity of a side stands in for ours, which differs from it.

    Once the difference `lasts` it does. Before that, less held than we count may be a venue that
    lags behind itself, and stops that go for it would be missed; more held, or what ours cannot be,
    is protected at once.
    """
    impossible = ours < 0 if side is PositionSide.LONG else ours > 0
    if side is PositionSide.BOTH:
        impossible = ours * theirs < 0
    return lasts or impossible or abs(theirs) > abs(ours)
