"""Since when a side has lacked working stops of its size, as fills and the venue's words tell."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from core.messages import PositionSide
from core.money import ZERO
from core.orders import Order

__all__ = ["Bareness"]


class Bareness:
    """For each side the venue's time of what left it bare; what covers it anew ends that.

    Only size counts here: whether the market has passed a stop is not in the journal.
    """

    def __init__(self) -> None:
        self.since_ns: dict[PositionSide, int] = {}

    def look(
        self, side: PositionSide, quantity: Decimal, stops: Iterable[Order], at_ns: int
    ) -> None:
        """Look at a side behind a change of that time: what it holds, and its protective orders."""
        working = (
            stop.remaining
            for stop in stops
            if stop.state.at_venue
            and stop.command.position_side is side
            and stop.command.side.sign * quantity < 0
        )
        if sum(working, ZERO) >= abs(quantity):
            self.since_ns.pop(side, None)
        else:
            self.since_ns.setdefault(side, at_ns)
