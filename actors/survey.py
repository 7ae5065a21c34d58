"""All positions of an account in one reading, ever again: finds what no stream has told."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import define, field

from actors import names
from actors.messages.account import CompareAgain, Holding
from actors.messages.lanes import PositionsRead, ReadPositions
from actors.messages.operations import Tick
from actors.runtime import Actor
from core.messages import Key, PositionSide
from core.money import text

__all__ = ["Survey"]

_GRACE_NS = 500_000_000
_LOST_NS = 10_000_000_000

Sides = frozenset[tuple[PositionSide, Decimal]]


@define(eq=False)
class Survey:
    """Reads all positions while anything of ours is open, and has a symbol compare that differs.

    One reading costs the venue's weight 5, however many symbols there are. A fill that was on its
    way when it was made shows in the symbol's own count within the grace; a symbol whose count
    changed since the question is judged by the next reading. What was told stays told: the same
    difference is left to that comparison, and to the periodic one. Monotonic times.
    """

    actor: Actor
    venue: str
    _holdings: dict[Key, Holding] = field(factory=dict, init=False)
    _changed_ns: dict[Key, int] = field(factory=dict, init=False)
    _doubtful: dict[Key, Sides] = field(factory=dict, init=False)
    _moving: set[Key] = field(factory=set, init=False)
    _told: dict[Key, Sides] = field(factory=dict, init=False)
    _asked_ns: int = field(default=0, init=False)
    _answered: bool = field(default=True, init=False)
    _failing: bool = field(default=False, init=False)
    _not_before_ns: int = field(default=0, init=False)

    def hold(self, holding: Holding) -> None:
        """Hear what a symbol's position acts on from now on."""
        self._holdings[holding.key] = holding
        self._changed_ns[holding.key] = self.actor.monotonic_ns()
        self._told.pop(holding.key, None)

    def look(self) -> None:
        """Ask, unless nothing is open or an answer is still to come."""
        now_ns = self.actor.monotonic_ns()
        waits = not self._answered and now_ns < self._asked_ns + _LOST_NS
        if (
            waits
            or now_ns < self._not_before_ns
            or not any(holding.at_work for holding in self._holdings.values())
        ):
            return
        self._asked_ns, self._answered = now_ns, False
        self.actor.tell(names.reads_lane(self.venue), ReadPositions(self.actor.name))

    def failed(self, retry_after_ns: int) -> bool:
        """Hear that the venue could not be asked; tell if it is news.

        The next look asks again, not before the venue allows it.
        """
        self._answered = True
        self._not_before_ns = self.actor.monotonic_ns() + retry_after_ns
        news, self._failing = not self._failing, True
        return news

    def read(self, read: PositionsRead) -> None:
        """Take a reading in; what differs is judged after the grace."""
        self._answered, self._failing = True, False
        stated: dict[Key, set[tuple[PositionSide, Decimal]]] = {}
        for held in read.positions:
            if held.quantity:
                stated.setdefault(held.key, set()).add((held.position_side, held.quantity))
        self._doubtful.clear()
        for key, holding in self._holdings.items():
            theirs = frozenset(stated.get(key, ()))
            if theirs == holding.sides:
                self._moving.discard(key)
                self._told.pop(key, None)
            else:
                self._doubtful[key] = theirs
        if self._doubtful:
            self.actor.after(_GRACE_NS, Tick("judge"))

    def judge(self) -> None:
        """Have those compare that still differ."""
        for key, theirs in self._doubtful.items():
            ours = self._holdings[key].sides
            if ours == theirs:
                continue
            if self._changed_ns[key] > self._asked_ns and key not in self._moving:
                self._moving.add(key)
            elif self._told.get(key) != theirs:
                self._told[key] = theirs
                why = f"position differs: ours {_words(ours)}, venue's {_words(theirs)}"
                self.actor.tell(names.position(key), CompareAgain(key, why))
        self._doubtful.clear()


def _words(sides: Iterable[tuple[PositionSide, Decimal]]) -> str:
    return " ".join(f"{side.value} {text(held)}" for side, held in sorted(sides)) or "nothing"
