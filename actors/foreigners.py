"""Orders and positions on our account in symbols that no bot of this host trades."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import define, field

from actors import names
from actors.messages.risk import ForeignFound
from actors.runtime import Actor
from core.messages import Fill, Key, OrderUpdated, PositionReported, PositionSide
from core.money import text
from core.ports import Log

__all__ = ["Foreigners"]

_REMEMBERED = 10_000


@define(eq=False)
class Foreigners:
    """Tells risk of each order once, and of each side where it grows: somebody is at work there.

    `keys` are our own, whose strangers their positions tell of.
    """

    actor: Actor
    venue: str
    keys: frozenset[Key]
    log: Log
    _orders: dict[str, None] = field(factory=dict, init=False)
    _sides: dict[tuple[Key, PositionSide], Decimal] = field(factory=dict, init=False)

    def positions(self, positions: Sequence[PositionReported]) -> None:
        """Hear of all that is open on the account."""
        stated = {(position.key, position.position_side) for position in positions}
        for side in self._sides.keys() - stated:
            del self._sides[side]
        for position in positions:
            self.position(position)

    def position(self, position: PositionReported) -> None:
        """Hear of one side; a flat one is told of anew when it opens again."""
        side, size = (position.key, position.position_side), abs(position.quantity)
        if not size:
            self._sides.pop(side, None)
        elif position.key not in self.keys and size > self._sides.get(side, Decimal(0)):
            self._sides[side] = size
            words = f"{position.position_side.value} {text(position.quantity)}"
            self._tell(position.key, f"position {words}")

    def order(self, said: OrderUpdated | Fill) -> None:
        """Hear of an order: told of once, whatever becomes of it."""
        name = said.client_order_id
        if said.key in self.keys or name in self._orders:
            return
        self._orders[name] = None
        if len(self._orders) > _REMEMBERED:
            del self._orders[next(iter(self._orders))]
        if isinstance(said, Fill):
            self._tell(said.key, f"order {name}: a fill")
        else:
            self._tell(said.key, f"order {name}: {said.side.value} {said.type.value}")

    def _tell(self, key: Key, what: str) -> None:
        what = f"{what} in {key.symbol}, which no bot of this host trades"
        self.log("warning", self.actor.name, what, symbol=key.symbol)
        self.actor.tell(names.RISK, ForeignFound(self.venue, key.symbol, what))
