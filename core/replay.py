"""Replay: every recorded decision done again by today's program, and compared to the byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import define, evolve, field, frozen

from core.decisions import (
    DECISIONS,
    LossJudged,
    RiskJudged,
    RiskState,
    StrategyDecided,
    StrategyState,
)
from core.guard_decisions import HaltCaused
from core.guard_witness import AGAIN
from core.ports import Record
from core.records import HaltChanged
from core.risk import loss_witness
from core.risk.halt import Cause

__all__ = ["READ", "Difference", "Replay", "Stage"]

READ = (*DECISIONS, HaltChanged)
"""The kinds that a replay reads."""

Encode = Callable[[object], bytes]


@frozen(slots=True)
class Difference:
    """A record that says something else than what the program does now; JSON of both.

    `replayed` is "{}" where it does nothing now that it would write down.
    """

    sequence: int
    time_ns: int
    actor: str
    kind: str
    recorded: str
    replayed: str


class Stage(Protocol):
    """Who decides again: told what a record says that it was told, returns what it writes down."""

    def strategy_at(self, actor: str, state: StrategyState) -> None:
        """Let a strategy go on from a whole state, anew from its first."""

    def strategy_decides(
        self, actor: str, decided: StrategyDecided, time_ns: int
    ) -> Sequence[object]: ...

    def risk_at(self, state: RiskState) -> None:
        """Let risk begin with these limits."""

    def risk_judges(self, judged: RiskJudged) -> Sequence[object]: ...


@define(eq=False)
class Replay:
    """Takes the records of decisions in their order; those of [`from_ns`, `to_ns`) are compared.

    Nothing but the records is used: no clock, no chance, no venue. What the records before the
    span say is taken in only to begin rightly, so begin with a whole state at or before it. A
    decision whose state before it is not known is `skipped`: it was made before the first whole
    state there is, or records in front of it were never written; so is a change of the halt whose
    cause an earlier version did not write down. A strategy that decides otherwise
    goes on from what it decides now, until its next whole state.
    """

    encode: Encode
    stage: Stage
    from_ns: int = 0
    to_ns: int = 2**63
    compared: Counter[str] = field(factory=Counter)
    equal: int = 0
    skipped: int = 0
    first: Difference | None = None
    _numbers: dict[str, int] = field(factory=dict, init=False)
    _behind: dict[str, Sequence[object]] = field(factory=dict, init=False)
    _judged: int | None = field(default=None, init=False)
    _halt: HaltChanged | None = field(default=None, init=False)
    _follows: HaltChanged | None = field(default=None, init=False)
    _judged_loss: LossJudged | None = field(default=None, init=False)

    def take(self, record: Record) -> None:
        """Take the next record in; of other kinds nothing is made."""
        match record.payload:
            case StrategyState() as state:
                self._state(record, state)
            case StrategyDecided() as decided:
                self._decided(record, decided)
            case RiskState() as state:
                self.stage.risk_at(state)
                self._judged = state.number - 1
            case RiskJudged() as judged:
                self._judged_again(record, judged)
            case LossJudged() as loss:
                again = loss_witness.judge(loss)
                self._judged_loss = again
                self._compare(record, loss, again)
            case HaltCaused() as caused:
                self._caused(caused)
            case HaltChanged() as changed:
                self._changed(record, changed)
            case payload if type(payload) in AGAIN:
                self._compare(record, payload, AGAIN[type(payload)](payload))

    def _state(self, record: Record, state: StrategyState) -> None:
        again = _same(state, self._behind.pop(record.actor, ()))
        if state.number and again is not None:
            self._compare(record, state, again)
        self.stage.strategy_at(record.actor, state)
        self._numbers[record.actor] = state.number

    def _decided(self, record: Record, decided: StrategyDecided) -> None:
        if self._numbers.pop(record.actor, None) != decided.number - 1:
            self._skip(record)
            return
        self._numbers[record.actor] = decided.number
        written = self.stage.strategy_decides(record.actor, decided, record.time_ns)
        self._behind[record.actor] = written
        self._compare(record, decided, _same(decided, written))

    def _judged_again(self, record: Record, judged: RiskJudged) -> None:
        if self._judged != judged.number - 1:
            self._judged = None
            self._skip(record)
            return
        self._judged = judged.number
        self._compare(record, judged, _same(judged, self.stage.risk_judges(judged)))

    def _caused(self, caused: HaltCaused) -> None:
        """Follow a cause from the halt that was, a loss from what was found of it now."""
        if self._halt is not None:
            caused = evolve(caused, before=self._halt.halt)
        after = caused.after
        if caused.cause is Cause.LOSS and self._judged_loss is not None:
            loss = self._judged_loss.loss
            after = evolve(caused, what=str(loss)).after if loss else caused.before
        self._follows = HaltChanged.of(after)

    def _changed(self, record: Record, changed: HaltChanged) -> None:
        if self._follows is None:
            self._skip(record)
        else:
            self._compare(record, changed, self._follows)
        self._halt, self._follows, self._judged_loss = changed, None, None

    def _skip(self, record: Record) -> None:
        if self.from_ns <= record.time_ns < self.to_ns:
            self.skipped += 1

    def _compare(self, record: Record, recorded: object, replayed: object | None) -> None:
        if not self.from_ns <= record.time_ns < self.to_ns:
            return
        kind = type(recorded).__name__
        self.compared[kind] += 1
        ours, theirs = self.encode(recorded), b"{}"
        if replayed is not None:
            theirs = self.encode(replayed)
        if ours == theirs:
            self.equal += 1
        elif self.first is None:
            self.first = Difference(
                record.sequence, record.time_ns, record.actor, kind, ours.decode(), theirs.decode()
            )

    @property
    def differing(self) -> int:
        """Count the decisions that are others now."""
        return self.compared.total() - self.equal


def _same(wanted: object, written: Sequence[object]) -> object | None:
    """Return the one of this kind, None where there is none."""
    return next((each for each in written if type(each) is type(wanted)), None)
