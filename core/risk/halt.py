"""The trading halt: running → reduce_only → halted, and what each lets through."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

__all__ = ["Halt", "Level", "relax", "reset", "tighten"]


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
