"""Guards of what is open: liquidation too near, prices too fast, strangers on the account."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from attrs import define, evolve, field

from actors import names
from actors.halting import Halting
from actors.losses import Losses
from actors.messages.operations import LimitTold
from actors.messages.risk import ForeignFound, Pause, ReducePosition, TightenStop
from actors.pauses import Pauses
from actors.risk_desk import RiskDesk
from actors.risk_limits import at_least
from core.account import Unknown
from core.guard_decisions import FlashEnded, FlashJudged, LiquidationJudged
from core.messages import Key, PositionSide, Side
from core.positions import Position
from core.risk.flash import FlashAnswer, FlashMove, FlashRule, FlashWatch
from core.risk.halt import Cause
from core.risk.liquidation_guard import Beside, LiquidationGuard, OpenSide, Watched, distance

__all__ = ["Guards"]

_NS_S = 1_000_000_000
_UNWATCHED = Watched()


@define(eq=False)
class Guards:
    """Owns what each guard saw last; positions carry out what it asks for.

    A fast move is answered once per pause and direction. Each act is written down with all that it
    follows from, in front of what comes of it.
    """

    desk: RiskDesk
    pauses: Pauses
    halting: Halting
    losses: Losses
    _flash: dict[Key, FlashWatch] = field(factory=dict, init=False)
    _moved_ns: dict[Key, int] = field(factory=dict, init=False)
    _answered: dict[Key, list[Side]] = field(factory=dict, init=False)
    _rule: FlashRule = field(init=False)
    _guard: LiquidationGuard = field(init=False)
    _watched: dict[tuple[Key, PositionSide], Watched] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        guards = self.desk.settings.tables.guards
        self._guard = LiquidationGuard(
            guards.liquidation_warning_bps,
            guards.liquidation_reduce_bps,
            guards.liquidation_reduce_percent,
        )
        pause_ns = int(guards.flash_pause_s * _NS_S)
        self._rule = FlashRule(pause_ns, guards.flash_action, guards.flash_stop_bps)
        window_ns = int(guards.flash_window_s * _NS_S)
        for key in self.desk.keys:
            self._flash[key] = FlashWatch(window_ns, guards.flash_move_bps)

    def foreign(self, found: ForeignFound) -> None:
        """Reduce only, until an operator looked, where strangers are not tolerated."""
        text = f"foreign activity on {found.venue} {found.symbol}: {found.text}"
        where = "risk.guards.foreign_activity"
        if self.desk.settings.foreign_stops:
            self.halting.because(Cause.STRANGERS, f"{text} ({where})")
        else:
            self.desk.log("warning", f"{text}, tolerated ({where})")

    # Flash crash

    def marked(self, key: Key, price: Decimal) -> None:
        """Look at a new mark price for a move that is too fast."""
        now_ns = self.desk.actor.monotonic_ns()
        watch = self._flash.get(key)
        move = watch.look(price, now_ns) if watch else None
        if watch is None or move is None:
            return
        self._moved_ns[key] = now_ns
        answered = self._answered.setdefault(key, [])
        pausing = self.pauses.stands(f"flash:{key}")
        held = self.desk.risk.exposure.held(key)
        answers = self._rule.answers(move, held, answered)
        if answers or not pausing:
            judged = FlashJudged(
                key,
                watch.window_ns,
                watch.limit_bps,
                self._rule,
                watch.seen(),
                held,
                pausing,
                tuple(answered),
                move,
                not pausing,
                answers,
            )
            self.desk.note(key, judged)
        if not pausing:
            reason = f"{move} (risk.guards.flash_move_bps)"
            self.pauses.pause(Pause(f"flash:{key}", reason, key.venue, key))
            self.pauses.end_entries_of(key)
        if move.against not in answered:
            answered.append(move.against)
            for answer in answers:
                self._answer(key, answer, move)

    def _answer(self, key: Key, answer: FlashAnswer, move: FlashMove) -> None:
        """Bring the stops of the side that the move hurts nearer, or close it."""
        order: TightenStop | ReducePosition = (
            ReducePosition(key, answer.side, answer.close, str(move))
            if answer.close
            else TightenStop(key, answer.side, answer.stop_bps, str(move))
        )
        said = f"{self._rule.action} {answer.side.value}: {move} (risk.guards.flash_action)"
        self.desk.log("error", said, key)
        self.desk.actor.tell(names.position(key), order)

    # Liquidation

    def look(self) -> None:
        """Judge every open side; end the pauses of moves that are over."""
        now_ns = self.desk.actor.monotonic_ns()
        for key, moved_ns in list(self._moved_ns.items()):
            if self._rule.over(moved_ns, now_ns):
                self.desk.note(key, FlashEnded(key, self._rule, moved_ns, now_ns, True))
                del self._moved_ns[key]
                self._answered.pop(key, None)
                self.pauses.resume(f"flash:{key}")
        for key in self.desk.keys:
            self.positions(key)

    def positions(self, key: Key) -> None:
        """Judge how near the liquidation of each side of a symbol is."""
        for held in self.desk.risk.exposure.held(key):
            self._judge(key, held)

    def limits(self) -> list[LimitTold]:
        """Tell how far each open side is from being reduced, in bps of its mark."""
        rows = []
        for key in self.desk.keys:
            for held in self.desk.risk.exposure.held(key):
                if not held.quantity:
                    continue
                side = self._side(key, held)
                away = distance(side) if side else Unknown(f"{key} is not listed yet")
                if away is not None:
                    name = f"liquidation_reduce_bps.{key}.{held.side.value}"
                    rows.append(at_least(name, away, self._guard.reduce_bps))
        return rows

    def _judge(self, key: Key, held: Position) -> None:
        place = (key, held.side)
        before = self._watched.get(place, _UNWATCHED)
        if not held.quantity:
            if before is not _UNWATCHED:
                self._watched[place] = Watched(reduced_ns=before.reduced_ns)
            return
        side = self._side(key, held)
        if side is None:  # told by a position that an earlier risk knew: it will tell again
            return
        now_ns, away = self.desk.actor.monotonic_ns(), distance(side)
        after, finding = self._guard.judge(side, away, before, now_ns)
        self._watched[place] = after
        if not finding.acts:
            return
        judged = LiquidationJudged(self._guard, side, before, now_ns, away, after, finding)
        self.desk.note(key, judged)
        verdict = finding.verdict
        if finding.tells:
            self.desk.log("error", f"{held.side.value}: {verdict.text}", key)
        if finding.reduces:
            order = ReducePosition(key, held.side, verdict.quantity, verdict.text)
            self.desk.actor.tell(names.position(key), order)

    def _side(self, key: Key, held: Position) -> OpenSide | None:
        """Return what a side's liquidation follows from; None before its symbol is listed."""
        facts, instrument = self.desk.risk.facts, self.desk.instruments.get(key)
        if instrument is None:
            return None
        side = OpenSide(
            key, held, self.desk.mark(key), instrument, facts.leverage[key], facts.brackets[key]
        )
        if self.desk.settings.isolated:
            return side
        legs = self.desk.risk.exposure.held(key)
        margin = self.losses.equity(key.venue)
        return evolve(side, margin=margin, legs=legs, beside=tuple(self._beside(key)))

    def _beside(self, key: Key) -> Iterator[Beside]:
        """Yield what the other symbols of a venue hold."""
        facts = self.desk.risk.facts
        for other in self.desk.keys:
            if other == key or other.venue != key.venue:
                continue
            listed = self.desk.instruments.get(other)
            multiplier = listed.multiplier if listed else Decimal(1)
            brackets = facts.brackets.get(other, ())
            for held in self.desk.risk.exposure.held(other):
                if held.quantity:
                    yield Beside(other, held, self.desk.mark(other), multiplier, brackets)
