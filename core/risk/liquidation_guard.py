"""The liquidation guard: how far a side is from its liquidation, and what that asks for."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import evolve, frozen

from core.account import Figure, Unknown
from core.instruments import Instrument, LeverageBracket
from core.messages import Key
from core.money import ZERO, ceil_to_step, text
from core.positions import Position
from core.risk.liquidation import distance_bps, isolated, liquidation, maintenance_margin

__all__ = [
    "Beside",
    "Finding",
    "GuardLevel",
    "GuardVerdict",
    "LiquidationGuard",
    "OpenSide",
    "Watched",
    "distance",
]

_NS_S = 1_000_000_000
_REDUCE_AGAIN_NS = 10 * _NS_S
_BLIND_NS = 10 * _NS_S


@frozen(slots=True)
class Beside:
    """An open side of another symbol on a cross account: the margin that it needs is not ours."""

    key: Key
    position: Position
    mark: Figure
    multiplier: Decimal
    brackets: tuple[LeverageBracket, ...]


@frozen(slots=True)
class OpenSide:
    """One open side, and all that its liquidation follows from.

    On a cross account `margin` is the venue's equity, `legs` are all sides of the symbol and
    `beside` those of the others; isolated, the position stands alone and `margin` is None.
    """

    key: Key
    position: Position
    mark: Figure
    instrument: Instrument
    leverage: int
    brackets: tuple[LeverageBracket, ...]
    margin: Figure | None = None
    legs: tuple[Position, ...] = ()
    beside: tuple[Beside, ...] = ()


def distance(side: OpenSide) -> Figure | None:
    """Return how far the mark may still go against a side, in bps of it; None for ever."""
    mark, brackets, multiplier = side.mark, side.brackets, side.instrument.multiplier
    if isinstance(mark, Unknown):
        return mark
    if not side.leverage or not brackets:
        return Unknown(f"leverage and brackets of {side.key} are not known")
    if side.margin is None:
        found = isolated(side.position, side.leverage, brackets, mark, multiplier)
    else:
        margin = _cross_margin(side.margin, side.beside)
        if isinstance(margin, Unknown):
            return margin
        legs = [each.quantity * multiplier for each in side.legs]
        found = liquidation(margin, legs, brackets, mark)
    return distance_bps(side.position.quantity, mark, found)


def _cross_margin(equity: Figure, beside: tuple[Beside, ...]) -> Figure:
    """Return the equity less what the other symbols need at their marks."""
    if isinstance(equity, Unknown):
        return equity
    for other in beside:
        if isinstance(other.mark, Unknown) or not other.brackets:
            return Unknown(f"what {other.key} needs as margin is not known")
        notional = abs(other.position.quantity) * other.multiplier * other.mark
        equity -= maintenance_margin(other.brackets, notional)
    return equity


class GuardLevel(StrEnum):
    """What a distance asks for: nothing, a warning, a smaller position, or a better figure."""

    OK = "ok"
    WARN = "warn"
    REDUCE = "reduce"
    UNKNOWN = "unknown"


@frozen(slots=True)
class GuardVerdict:
    """What the guard found; `quantity` is how much to close (positive), 0 but for REDUCE."""

    level: GuardLevel
    text: str = ""
    quantity: Decimal = ZERO


@frozen(slots=True)
class LiquidationGuard:
    """Warns of a near liquidation and then makes the position smaller; distances in bps of mark."""

    warning_bps: Decimal
    reduce_bps: Decimal
    reduce_percent: int

    def look(
        self, quantity: Decimal, distance: Figure | None, instrument: Instrument
    ) -> GuardVerdict:
        """Judge one side: its signed quantity (venue's unit) and its distance, None for ever.

        What is to be closed is rounded up to the lot, at least one and at most all of it.
        """
        if not quantity or distance is None:
            return GuardVerdict(GuardLevel.OK)
        if isinstance(distance, Unknown):
            return GuardVerdict(GuardLevel.UNKNOWN, f"liquidation distance: {distance.why}")
        if distance > self.warning_bps:
            return GuardVerdict(GuardLevel.OK)
        where = f"liquidation is {distance:.0f} bps away"
        if distance > self.reduce_bps:
            limit = f"{text(self.warning_bps)} is the warning"
            return GuardVerdict(
                GuardLevel.WARN, f"{where}, {limit} (risk.guards.liquidation_warning_bps)"
            )
        held = abs(quantity)
        part = ceil_to_step(held * self.reduce_percent / 100, instrument.lot_step)
        limit = f"{text(self.reduce_bps)} is the limit (risk.guards.liquidation_reduce_bps)"
        return GuardVerdict(
            GuardLevel.REDUCE, f"{where}, {limit}", min(held, max(part, instrument.min_quantity))
        )

    def judge(
        self, side: OpenSide, away: Figure | None, before: Watched, now_ns: int
    ) -> tuple[Watched, Finding]:
        """Judge a side that is `away` from its liquidation; return what to remember, and do.

        A side that is reduced is left to that for ten seconds. A figure that is not known is told
        after ten seconds: behind a start or a stall the first mark price is still to come.
        """
        verdict = self.look(side.position.quantity, away, side.instrument)
        unknown_ns = None
        if verdict.level is GuardLevel.UNKNOWN:
            unknown_ns = now_ns if before.unknown_ns is None else before.unknown_ns
            if now_ns - unknown_ns < _BLIND_NS:
                return evolve(before, unknown_ns=unknown_ns), Finding(verdict)
        tells = verdict.level is not before.level and verdict.level is not GuardLevel.OK
        reduced_ns = before.reduced_ns
        rests = reduced_ns is not None and now_ns - reduced_ns < _REDUCE_AGAIN_NS
        reduces = verdict.level is GuardLevel.REDUCE and not rests
        after = Watched(verdict.level, unknown_ns, now_ns if reduces else reduced_ns)
        return after, Finding(verdict, tells, reduces)


@frozen(slots=True)
class Watched:
    """What is remembered of a side; monotonic times, None for never.

    `unknown_ns` is since when its distance is not known, `reduced_ns` when it was reduced last.
    """

    level: GuardLevel = GuardLevel.OK
    unknown_ns: int | None = None
    reduced_ns: int | None = None


@frozen(slots=True)
class Finding:
    """A verdict, and whether people are told of it and the side is made smaller."""

    verdict: GuardVerdict
    tells: bool = False
    reduces: bool = False

    @property
    def acts(self) -> bool:
        return self.tells or self.reduces
