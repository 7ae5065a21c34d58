"""What strategies see and what they ask for, the same for every strategy."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.instruments import Instrument
from core.messages import PositionSide, Purpose, Quote, Side
from core.orders import Order
from core.positions import Position

__all__ = ["Amend", "Cancel", "Event", "Intent", "Place", "Refused", "Scaled", "View"]


@frozen(slots=True)
class View:
    """A symbol's positions and orders that have not ended, as their owner knows them.

    `ended` lists the client order ids that ended since the view before. `reset` says that the
    owner started anew: whatever was asked of it before and is not in `orders` is void.
    """

    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    ended: tuple[str, ...]
    at_ns: int
    reset: bool = False

    def held(self, side: PositionSide) -> Position:
        """Return the position of one side."""
        for position in self.positions:
            if position.side is side:
                return position
        return Position(side)


@frozen(slots=True)
class Listed:
    """The instrument that the strategy trades, told once before anything else."""

    instrument: Instrument


@frozen(slots=True)
class Scaled:
    """From now on entries have this part of full size, 0 (none) to 1; open ones too."""

    scale: Decimal


@frozen(slots=True)
class Refused:
    """An intent that risk or the venue refused; `rest_ns` is how long the venue wants a pause."""

    client_order_id: str
    reason: str
    at_ns: int
    rest_ns: int = 0


Event = Listed | Quote | View | Refused | Scaled


@frozen(slots=True)
class Place:
    """Place a limit order under this id."""

    client_order_id: str
    side: Side
    position_side: PositionSide
    purpose: Purpose
    price: Decimal
    quantity: Decimal
    post_only: bool


@frozen(slots=True)
class Amend:
    """Move an open order to a new price and total quantity."""

    client_order_id: str
    price: Decimal
    quantity: Decimal


@frozen(slots=True)
class Cancel:
    client_order_id: str


Intent = Place | Amend | Cancel
