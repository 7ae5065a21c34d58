"""The trading halt: running → reduce_only → halted, what each lets through, and what changes it."""

from __future__ import annotations

from enum import StrEnum

from attrs import evolve, frozen

__all__ = [
    "EQUITY_STOP",
    "JOURNAL",
    "OPERATOR",
    "Cause",
    "Halt",
    "Level",
    "follow",
    "relax",
    "reset",
    "tighten",
]

OPERATOR = "operator"
"""Who halts, pauses and resets by hand, in `Halt.by`."""
EQUITY_STOP = "equity stop"
JOURNAL = "journal"
_STRANGERS = "foreign activity"


class Level(StrEnum):
    """RUNNING: everything may go. REDUCE_ONLY and HALTED: only what shrinks a position.

    HALTED is the end of trading until somebody looks; REDUCE_ONLY may pass by itself.
    """

    RUNNING = "running"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


@frozen(slots=True)
class Halt:
    """The present level, why, by whom and since when (0: unknown). `epoch` grows with every change.

    A latched halt outlives restarts and only an operator resets it.
    """

    level: Level = Level.RUNNING
    reason: str = ""
    by: str = ""
    epoch: int = 0
    latched: bool = False
    since_ns: int = 0

    @property
    def why(self) -> str:
        """Return the reason for what is not let through, "" while everything is."""
        return "" if self.level is Level.RUNNING else self.reason

    def lets_open(self, epoch: int) -> bool:
        """Tell whether an order that may grow a position, approved at `epoch`, may still go."""
        return self.level is Level.RUNNING and epoch >= self.epoch


def tighten(halt: Halt, level: Level, reason: str, by: str, *, latched: bool = False) -> Halt:
    """Go to a stricter level; an equal or laxer one only adds the latch."""
    if level.rank < halt.level.rank:
        level = halt.level
    if level is halt.level and latched <= halt.latched:
        return halt
    return Halt(level, reason, by, halt.epoch + 1, halt.latched or latched)


def relax(halt: Halt, reason: str, by: str) -> Halt:
    """Go back to running; a latched halt stays."""
    return halt if halt.latched else reset(halt, reason, by)


def reset(halt: Halt, reason: str, by: str) -> Halt:
    """Go back to running, latched or not: an operator's word."""
    if halt.level is Level.RUNNING:
        return halt
    return Halt(Level.RUNNING, reason, by, halt.epoch + 1)


class Cause(StrEnum):
    """What may change the halt.

    START: a host begins. LOSS: too much is lost. GAVE_UP: a part used its restarts up. STRANGERS:
    somebody else trades on the account. JOURNAL_FAILED and JOURNAL_RECOVERED: nothing can be
    written down, or all is again. OPERATOR: a command; RESET_AWAY: the one that an operator may
    give while no host runs. SHUTDOWN: the host stops.
    """

    START = "start"
    LOSS = "loss"
    GAVE_UP = "gave_up"
    STRANGERS = "strangers"
    JOURNAL_FAILED = "journal_failed"
    JOURNAL_RECOVERED = "journal_recovered"
    OPERATOR = "operator"
    RESET_AWAY = "reset_away"
    SHUTDOWN = "shutdown"


def follow(before: Halt, cause: Cause, what: str, who: str, now_ns: int) -> Halt:
    """Return the halt that a cause leads to: the very same where it changes nothing.

    `what` is the loss in words, why a part gave up, what strangers did and where, the journal's
    problem, the operator's command, why the host stops; `who` the part that gave up.
    """
    if cause is Cause.START:
        # The epoch grows so that no approval of before passes.
        return before if before.latched else Halt(epoch=before.epoch + 1)
    after = _after(before, cause, what, who)
    return before if after == before else evolve(after, since_ns=now_ns)


def _after(before: Halt, cause: Cause, what: str, who: str) -> Halt:
    match cause:
        case Cause.LOSS:
            return tighten(before, Level.HALTED, what, EQUITY_STOP, latched=True)
        case Cause.GAVE_UP:
            return tighten(before, Level.HALTED, f"{who} gave up: {what}", who, latched=True)
        case Cause.STRANGERS:
            return tighten(before, Level.REDUCE_ONLY, what, _STRANGERS, latched=True)
        case Cause.JOURNAL_FAILED:
            return tighten(before, Level.REDUCE_ONLY, f"journal: {what}", JOURNAL)
        case Cause.JOURNAL_RECOVERED:
            ours = before.by == JOURNAL
            return relax(before, "journal writes again", JOURNAL) if ours else before
        case Cause.SHUTDOWN:
            return tighten(before, Level.REDUCE_ONLY, what, "shutdown")
        case Cause.RESET_AWAY:
            # A stop may be past its limit and nothing halted yet: losses of while no host ran.
            told = evolve(before, level=Level.HALTED)
            return reset(told, "reset while no host ran", OPERATOR)
    if what == "reset-halt":
        return reset(before, "reset by the operator", OPERATOR)
    level, reason = _ORDERED[what]
    return tighten(before, level, reason, OPERATOR, latched=True)


_ORDERED = {
    "reduce-only": (Level.REDUCE_ONLY, "reduce-only by the operator"),
    "halt": (Level.HALTED, "halted by the operator"),
    "flatten": (Level.HALTED, "flattened by the operator"),
}
