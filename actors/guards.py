"""Guards of what is open: liquidation too near, prices too fast, strangers on the account."""

from __future__ import annotations

from decimal import Decimal

from attrs import define, field

from actors import names
from actors.halting import Halting
from actors.losses import Losses
from actors.messages import ForeignFound, LimitTold, Pause, ReducePosition, TightenStop
from actors.pauses import Pauses
from actors.risk_desk import RiskDesk
from actors.risk_limits import at_least
from core.account import Figure, Unknown
from core.messages import Key, PositionSide, Side
from core.positions import Position
from core.risk.flash import FlashMove, FlashWatch
from core.risk.halt import Level
from core.risk.liquidation import (
    GuardLevel,
    LiquidationGuard,
    distance_bps,
    isolated,
    liquidation,
    maintenance_margin,
)

__all__ = ["Guards"]

_NS_S = 1_000_000_000
_REDUCE_AGAIN_NS = 10 * _NS_S


@define(eq=False)
class Guards:
    """Owns what each guard saw last; positions carry out what it asks for.

    A fast move is answered once per pause and side. A position that is reduced is left to it for
    ten seconds before it is reduced again.
    """

    desk: RiskDesk
    pauses: Pauses
    halting: Halting
    losses: Losses
    _flash: dict[Key, FlashWatch] = field(factory=dict, init=False)
    _flash_until_ns: dict[Key, int] = field(factory=dict, init=False)
    _answered: set[tuple[Key, Side]] = field(factory=set, init=False)
    _guard: LiquidationGuard = field(init=False)
    _levels: dict[tuple[Key, PositionSide], GuardLevel] = field(factory=dict, init=False)
    _reduced_ns: dict[tuple[Key, PositionSide], int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        guards = self.desk.settings.tables.guards
        self._guard = LiquidationGuard(
            guards.liquidation_warning_bps,
            guards.liquidation_reduce_bps,
            guards.liquidation_reduce_percent,
        )
        window_ns = int(guards.flash_window_s * _NS_S)
        for key in self.desk.keys:
            self._flash[key] = FlashWatch(window_ns, guards.flash_move_bps)

    def foreign(self, found: ForeignFound) -> None:
        """Reduce only, until an operator looked, where strangers are not tolerated."""
        text = f"foreign activity on {found.venue} {found.symbol}: {found.text}"
        where = "risk.guards.foreign_activity"
        if self.desk.settings.foreign_stops:
            reason = f"{text} ({where})"
            self.halting.tighten(Level.REDUCE_ONLY, reason, "foreign activity", latched=True)
        else:
            self.desk.log("warning", f"{text}, tolerated ({where})")

    # Flash crash

    def marked(self, key: Key, price: Decimal) -> None:
        """Look at a new mark price for a move that is too fast."""
        now_ns = self.desk.actor.monotonic_ns()
        move = self._flash[key].look(price, now_ns) if key in self._flash else None
        if move is None:
            return
        guards = self.desk.settings.tables.guards
        self._flash_until_ns[key] = now_ns + int(guards.flash_pause_s * _NS_S)
        if not self.pauses.stands(f"flash:{key}"):
            reason = f"{move} (risk.guards.flash_move_bps)"
            self.pauses.pause(Pause(f"flash:{key}", reason, key.venue, key))
            self.pauses.end_entries_of(key)
        if (key, move.against) not in self._answered:
            self._answered.add((key, move.against))
            self._answer(key, move)

    def _answer(self, key: Key, move: FlashMove) -> None:
        """Bring the stops of the side that the move hurts nearer, or close it."""
        guards = self.desk.settings.tables.guards
        for held in self.desk.risk.exposure.held(key):
            if held.quantity * move.against.sign <= 0:
                continue
            order: TightenStop | ReducePosition
            if guards.flash_action == "tighten":
                order = TightenStop(key, held.side, guards.flash_stop_bps, str(move))
            else:
                order = ReducePosition(key, held.side, abs(held.quantity), str(move))
            said = f"{guards.flash_action} {held.side.value}: {move} (risk.guards.flash_action)"
            self.desk.log("error", said, key)
            self.desk.actor.tell(names.position(key), order)

    # Liquidation

    def look(self) -> None:
        """Judge every open side; end the pauses of moves that are over."""
        now_ns = self.desk.actor.monotonic_ns()
        for key, until_ns in list(self._flash_until_ns.items()):
            if now_ns >= until_ns:
                del self._flash_until_ns[key]
                self._answered -= {(key, side) for side in Side}
                self.pauses.resume(f"flash:{key}")
        for key in self.desk.keys:
            self.positions(key)

    def positions(self, key: Key) -> None:
        """Judge how near the liquidation of each side of a symbol is."""
        for held in self.desk.risk.exposure.held(key):
            self._judge(key, held)

    def limits(self) -> list[LimitTold]:
        """Tell how far each open side is from being reduced, in bps of its mark."""
        limit = self.desk.settings.tables.guards.liquidation_reduce_bps
        rows = []
        for key in self.desk.keys:
            for held in self.desk.risk.exposure.held(key):
                distance = self._distance(key, held) if held.quantity else None
                if distance is not None:
                    name = f"liquidation_reduce_bps.{key}.{held.side.value}"
                    rows.append(at_least(name, distance, limit))
        return rows

    def _judge(self, key: Key, held: Position) -> None:
        place = (key, held.side)
        if not held.quantity:
            self._levels.pop(place, None)
            return
        instrument = self.desk.instruments[key]
        verdict = self._guard.look(held.quantity, self._distance(key, held), instrument)
        before = self._levels.get(place, GuardLevel.OK)
        self._levels[place] = verdict.level
        if verdict.level is not before and verdict.level is not GuardLevel.OK:
            self.desk.log("error", f"{held.side.value}: {verdict.text}", key)
        if verdict.level is not GuardLevel.REDUCE:
            return
        now_ns = self.desk.actor.monotonic_ns()
        if now_ns - self._reduced_ns.get(place, -_REDUCE_AGAIN_NS) >= _REDUCE_AGAIN_NS:
            self._reduced_ns[place] = now_ns
            order = ReducePosition(key, held.side, verdict.quantity, verdict.text)
            self.desk.actor.tell(names.position(key), order)

    def _distance(self, key: Key, held: Position) -> Figure | None:
        """Return how far the mark may still go against a side, None for ever."""
        facts, mark = self.desk.risk.facts, self.desk.mark(key)
        if isinstance(mark, Unknown):
            return mark
        leverage, brackets = facts.leverage.get(key), facts.brackets.get(key)
        if not leverage or not brackets:
            return Unknown(f"leverage and brackets of {key} are not known")
        multiplier = self.desk.instruments[key].multiplier
        if self.desk.settings.isolated:
            found = isolated(held, leverage, brackets, mark, multiplier)
        else:
            margin = self._cross_margin(key)
            if isinstance(margin, Unknown):
                return margin
            legs = [each.quantity * multiplier for each in self.desk.risk.exposure.held(key)]
            found = liquidation(margin, legs, brackets, mark)
        return distance_bps(held.quantity, mark, found)

    def _cross_margin(self, key: Key) -> Figure:
        """Return the equity less what the other symbols need at their marks."""
        facts = self.desk.risk.facts
        margin = self.losses.equity(key.venue)
        if isinstance(margin, Unknown):
            return margin
        for other in self.desk.keys:
            if other == key or other.venue != key.venue:
                continue
            mark, brackets = self.desk.mark(other), facts.brackets.get(other)
            for held in self.desk.risk.exposure.held(other):
                if held.quantity and (isinstance(mark, Unknown) or not brackets):
                    return Unknown(f"what {other} needs as margin is not known")
                if held.quantity and brackets and isinstance(mark, Decimal):
                    base = abs(held.quantity) * self.desk.instruments[other].multiplier
                    margin -= maintenance_margin(brackets, base * mark)
        return margin
