"""How far each limit is from being reached, for the status."""

from __future__ import annotations

from decimal import Decimal

from actors.messages import LimitTold
from actors.risk_desk import RiskDesk
from core.account import Figure, combine
from core.messages import Side
from core.money import ZERO

__all__ = ["at_least", "at_most", "notionals"]


def at_most(name: str, value: Figure, limit: Decimal) -> LimitTold:
    """Tell of a limit that a figure must not pass."""
    return LimitTold(name, value, limit, combine(lambda held: max(limit - held, ZERO), value))


def at_least(name: str, value: Figure, limit: Decimal) -> LimitTold:
    """Tell of a limit that a figure must not fall under."""
    return LimitTold(name, value, limit, combine(lambda held: max(held - limit, ZERO), value))


def notionals(desk: RiskDesk) -> tuple[LimitTold, ...]:
    """Tell of the caps on what is held and may still fill. Errors: `KeyError` without marks."""
    limits, exposure = desk.risk.limits, desk.risk.exposure
    rows = [at_most("max_gross_notional", exposure.gross_notional(), limits.max_gross_notional)]
    for side in Side:
        value = exposure.direction_notional(side)
        rows.append(at_most(f"max_side_notional.{side.value}", value, limits.max_side_notional))
    for key in desk.keys:
        worst = max(exposure.worst_notional(key, side) for side in Side)
        rows.append(at_most(f"max_symbol_notional.{key}", worst, limits.max_symbol_notional))
    return tuple(rows)
