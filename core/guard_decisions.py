"""Records of what guards, protection and the halt did, each with all that it was given.

Written when one acts, not when it looks: of a price that changes nothing there is no record. None
builds on another. Ages are by monotonic times. `core.replay` does them again.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.account import Figure
from core.flattening import Slice, SliceRule
from core.instruments import Instrument
from core.messages import BookSnapshot, Key, PositionSide, Side
from core.positions import Position
from core.protecting import SideSeen, Steps
from core.risk.flash import FlashAnswer, FlashMove, FlashRule
from core.risk.halt import Cause, Halt, follow
from core.risk.liquidation_guard import Finding, LiquidationGuard, OpenSide, Watched
from core.risk.portfolio import Sizing

__all__ = [
    "GUARDED",
    "FlashEnded",
    "FlashJudged",
    "HaltCaused",
    "LiquidationJudged",
    "ProtectionJudged",
    "SizeJudged",
    "SliceJudged",
    "TightenJudged",
]


@frozen(slots=True)
class HaltCaused:
    """Why the halt is another one, which the `HaltChanged` behind it tells (UTC)."""

    before: Halt
    cause: Cause
    what: str
    who: str
    now_ns: int

    @property
    def after(self) -> Halt:
        """The halt that follows."""
        return follow(self.before, self.cause, self.what, self.who, self.now_ns)


@frozen(slots=True)
class FlashJudged:
    """A mark moved too fast: a pause began, or sides are told to act (`answers`).

    `marks` are those of the window that count, the newest last. `pausing`: it was paused for a move
    before; `answered` are the directions that were answered in that pause.
    """

    key: Key
    window_ns: int
    limit_bps: Decimal
    rule: FlashRule
    marks: tuple[tuple[int, Decimal], ...]
    held: tuple[Position, ...]
    pausing: bool
    answered: tuple[Side, ...]
    move: FlashMove | None
    pauses: bool
    answers: tuple[FlashAnswer, ...]


@frozen(slots=True)
class FlashEnded:
    """The pause after fast moves ended: the last of them was at `moved_ns`."""

    key: Key
    rule: FlashRule
    moved_ns: int
    now_ns: int
    over: bool


@frozen(slots=True)
class LiquidationJudged:
    """A side came nearer to its liquidation than it may: people are told, or it is made smaller."""

    guard: LiquidationGuard
    side: OpenSide
    before: Watched
    now_ns: int
    distance: Figure | None
    after: Watched
    finding: Finding


@frozen(slots=True)
class SizeJudged:
    """Entries of a symbol have another part of full size: `scale` from now on."""

    key: Key
    throttle_percent: int
    sizing: Sizing
    before: Decimal
    scale: Decimal


@frozen(slots=True)
class ProtectionJudged:
    """A side's stops were tightened, placed or taken back, or it is closed for want of them."""

    key: Key
    seen: SideSeen
    steps: Steps


@frozen(slots=True)
class TightenJudged:
    """A side was told to bring its stops this near to the mark: to `trigger`."""

    key: Key
    seen: SideSeen
    distance_bps: Decimal
    trigger: Decimal | None


@frozen(slots=True)
class SliceJudged:
    """A slice of what is being closed: what of `left` goes into this book, None without one."""

    key: Key
    position_side: PositionSide
    direction: Side
    left: Decimal
    book: BookSnapshot | None
    instrument: Instrument
    mark: Decimal
    rule: SliceRule
    slice: Slice | None


GUARDED: tuple[type, ...] = (
    FlashJudged,
    FlashEnded,
    LiquidationJudged,
    SizeJudged,
    ProtectionJudged,
    TightenJudged,
    SliceJudged,
)
"""The kinds that stand for themselves; `HaltCaused` belongs to the record behind it."""
