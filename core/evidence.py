"""Evidence for unknown outcomes: when an order is proven never to have reached the venue.

"Not found" alone proves nothing: a venue may lag behind itself. But an order can only be accepted
until `sent_by_ns + recv_window_ns` of the venue's clock: our lane sends nothing later than
`sent_by_ns`, and the venue refuses what arrives after the window. Asked after that instant, and
several times, "not found" without any fill is proof. See docs/unknown-outcomes.md.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["ProofRule"]


@frozen(slots=True)
class ProofRule:
    """`misses_needed` answers of "not found", all of them later than the last instant + margin."""

    max_order_age_ns: int
    recv_window_ns: int
    margin_ns: int = 1_000_000_000
    misses_needed: int = 3

    def closed_at_ns(self, approved_ns: int) -> int:
        """Return the instant after which the venue can no longer accept the order (its clock)."""
        return approved_ns + self.max_order_age_ns + self.recv_window_ns + self.margin_ns

    def counts(self, approved_ns: int, venue_now_ns: int) -> bool:
        """Tell whether a "not found" of that instant counts as a miss."""
        return venue_now_ns >= self.closed_at_ns(approved_ns)
