"""How far each limit is from being reached, for the status."""

from __future__ import annotations

from decimal import Decimal

from actors.messages.operations import LimitTold
from actors.risk_desk import RiskDesk
from core.account import Figure, Unknown, combine
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
    """Tell of the caps on what is held and may still fill; unknown of a symbol that is not listed.

    Errors: `KeyError` for another one without a mark.
    """
    limits, exposure = desk.risk.limits, desk.risk.exposure
    rows = [at_most("max_gross_notional", exposure.gross_notional(), limits.max_gross_notional)]
    for side in Side:
        held, net = exposure.direction_notional(side), exposure.net_notional(side)
        rows.append(at_most(f"max_side_notional.{side.value}", held, limits.max_side_notional))
        rows.append(at_most(f"max_net_notional.{side.value}", net, limits.max_net_notional))
        for group in limits.groups:
            held = sum((exposure.known_notional(key, side) for key in group.keys), ZERO)
            rows.append(at_most(f"group.{group.name}.{side.value}", held, group.max_notional))
    for key in desk.keys:
        worst: Figure = Unknown(f"{key} is not listed")
        if key in desk.instruments:
            worst = max(exposure.worst_notional(key, side) for side in Side)
        caps = limits.symbols.get(key)
        own = caps.max_notional if caps and caps.max_notional else limits.max_symbol_notional
        limit = min(own, limits.max_symbol_notional)
        rows.append(at_most(f"max_symbol_notional.{key}", worst, limit))
        most = Decimal(max(exposure.opening_orders(key, side) for side in Side))
        limit = Decimal(limits.max_open_orders_per_side)
        rows.append(at_most(f"max_open_orders_per_side.{key}", most, limit))
    return (*rows, *_paces(desk))


def _paces(desk: RiskDesk) -> tuple[LimitTold, LimitTold]:
    facts, limits, now_ns = desk.risk.facts, desk.risk.limits, desk.actor.monotonic_ns()
    placed, cancelled = (
        Decimal(pace.within_a_minute(now_ns)) for pace in (facts.placed, facts.cancelled)
    )
    return (
        at_most("max_orders_per_minute", placed, Decimal(limits.max_orders_per_minute)),
        at_most("max_cancels_per_minute", cancelled, Decimal(limits.max_cancels_per_minute)),
    )
