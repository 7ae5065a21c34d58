"""One symbol's positions as the venue states them, and where its word stands in for our count."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import define, evolve, field

from actors.desk import Desk
from actors.messages.lanes import SymbolRead
from core.evidence import outweighs
from core.messages import PositionReported, PositionSide
from core.money import ZERO, text

__all__ = ["Stated"]


@define(eq=False)
class Stated:
    """Owns `reported`, what the venue said last of each side, and fills `Desk.stated` from it.

    A side stays stated until a comparison finds it equal: what is closed by the venue's word leaves
    our own count further off.
    """

    desk: Desk
    reported: dict[PositionSide, PositionReported] = field(factory=dict, init=False)
    _told_at: dict[PositionSide, Decimal] = field(factory=dict, init=False)

    def heard(self, said: PositionReported) -> bool:
        """Keep the stream's word on a side; tell whether it is what we act on.

        It may not tell the liquidation price: the one known stays.
        """
        known = self.reported.get(said.position_side)
        if said.liquidation_price:
            self._told_at[said.position_side] = said.quantity
        elif known and known.quantity * said.quantity > 0:
            said = evolve(said, liquidation_price=known.liquidation_price)
        self.reported[said.position_side] = said
        stands = said.position_side in self.desk.stated
        if stands:
            self.desk.stated[said.position_side] = said
        return stands

    def liquidation(self, side: PositionSide) -> Decimal:
        """Return the price at which the venue says that it closes a side; 0 for none."""
        said = self.reported.get(side)
        return said.liquidation_price if said else ZERO

    def liquidations(self) -> tuple[tuple[str, Decimal], ...]:
        """Return the liquidation prices that the venue told of what is held now, to be shown."""
        return tuple(
            (side.value, said.liquidation_price)
            for side, said in self.reported.items()
            if self._told_at.get(side) == self.desk.held(side).quantity
        )

    def holds(self, side: PositionSide) -> Decimal:
        """Return what the venue said last of a side's quantity."""
        said = self.reported.get(side)
        return said.quantity if said else ZERO

    def apart(self, read: SymbolRead) -> tuple[dict[PositionSide, str], Decimal]:
        """Keep what the venue says of the positions; return in words where ours differ, and by
        how much in all.

        What the stream told meanwhile is newer than what was read.
        """
        theirs = {held.position_side: held for held in read.positions}
        apart, distance = {}, ZERO
        for ours in self.desk.book.positions:
            held, known = theirs.get(ours.side), self.reported.get(ours.side)
            quantity = held.quantity if held else ZERO
            if known is None or known.event_ns <= read.as_of_ns:
                self.reported.pop(ours.side, None)
                if held:
                    self.reported[ours.side] = held
                    self._told_at[ours.side] = held.quantity
            distance += abs(quantity - ours.quantity)
            if quantity != ours.quantity:
                apart[ours.side] = (
                    f"{ours.side.value}: ours {text(ours.quantity)}, venue's {text(quantity)}"
                )
        return apart, distance

    def let_stand(self, apart: Iterable[PositionSide], *, lasts: bool) -> bool:
        """Let the venue's word stand for these sides where it outweighs ours; tell if it is news.

        `lasts`: the difference has been there for long.
        """
        desk, before = self.desk, self.desk.stated
        desk.stated = {}
        for side in apart:
            said = self.reported.get(side) or PositionReported(desk.key, side, ZERO, ZERO, 0)
            ours = desk.book.positions.of(side).quantity
            if side in before or outweighs(side, ours, said.quantity, lasts=lasts):
                desk.stated[side] = said
        if desk.stated:
            # Fills that the venue does not list are never read: what they made is stated.
            desk.book.settle_owing()
        return desk.stated != before
