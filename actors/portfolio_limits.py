"""How far the account's limits are from being reached, and what a jump of all prices would cost."""

from __future__ import annotations

from decimal import Decimal

from actors.messages.operations import LimitTold
from actors.risk_desk import RiskDesk
from actors.risk_limits import at_least, at_most
from core.account import Figure, Unknown
from core.money import ZERO, text
from core.risk.margin_rules import free_after_reserved
from core.risk.portfolio import stress

__all__ = ["portfolio"]

_SHOCKS_PERCENT = tuple(Decimal(shock) for shock in (-20, -10, 10, 20))


def portfolio(desk: RiskDesk) -> list[LimitTold]:
    """Tell of value at risk, leverage, free margin, volatility and stress. Errors: as `notionals`.

    A stress row is the loss of the worst exposure, in percent of equity, should every price jump at
    once past all stops; its limit is the drawdown that ends trading.
    """
    facts, limits, exposure = desk.risk.facts, desk.risk.limits, desk.risk.exposure
    equity, worst = facts.equity, exposure.worst()
    gross = _part(exposure.gross_notional(), equity)
    value_at_risk = _part(facts.portfolio.value_at_risk(worst) * 100, equity)
    free = free_after_reserved(exposure, facts)
    free_percent = free if isinstance(free, Unknown) else _part(free * 100, equity)
    rows = [
        at_most("max_account_leverage", gross, limits.max_account_leverage),
        at_least("min_free_margin_percent", free_percent, limits.min_free_margin_percent),
        at_most("max_var_percent", value_at_risk, limits.max_var_percent),
    ]
    for key in desk.keys:
        wild = facts.portfolio.daily_volatility_percent(key)
        limit = limits.max_daily_volatility_percent
        rows.append(at_most(f"max_daily_volatility_percent.{key}", wild, limit))
    for shock, loss in stress(worst, _SHOCKS_PERCENT):
        limit = desk.settings.tables.losses.max_drawdown_percent
        name = f"stress.{'+' if shock > ZERO else ''}{text(shock)}_percent"
        rows.append(at_most(name, _part(loss * 100, equity), limit))
    return rows


def _part(value: Decimal, equity: Figure) -> Figure:
    if isinstance(equity, Unknown):
        return equity
    return value / equity if equity > ZERO else Unknown(f"no part of an equity of {text(equity)}")
