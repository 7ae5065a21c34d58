"""What a venue's account and its symbols' positions tell each other."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.messages import Key, PositionSide


@frozen(slots=True)
class Holding:
    """What a symbol's position acts on: quantity of each side that is not flat, by our own count.

    `at_work` while anything is held or any order may be open at the venue.
    """

    key: Key
    sides: frozenset[tuple[PositionSide, Decimal]]
    at_work: bool


@frozen(slots=True)
class CompareAgain:
    """A reading of the whole account says otherwise of this symbol than its own count: compare now.

    `fills_since_ns`: a fill may be missing from this instant of the venue's time on; 0 for none.
    """

    key: Key
    why: str
    fills_since_ns: int = 0
