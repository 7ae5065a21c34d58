"""What an order may cost at worst: value at risk, wild markets, today's loss, funding."""

from __future__ import annotations

from decimal import Decimal

from core.account import Unknown
from core.messages import Side
from core.money import ceil_to_step, text
from core.risk.funding_guard import costly_funding
from core.risk.proposal import Proposal, Refusal, View, refuse

__all__ = ["PORTFOLIO_RULES"]

_BPS = Decimal(10_000)
_SHOWN_STEP = Decimal("0.01")


def volatility(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on a symbol that is wilder than allowed."""
    key, limit = proposal.order.key, view.limits.max_daily_volatility_percent
    present = view.facts.portfolio.daily_volatility_percent(key)
    if present <= limit:
        return None
    why = f"the daily volatility of {key} is {text(present)} %, {text(limit)} % is allowed"
    config = "risk.portfolio.max_daily_volatility_percent"
    return Refusal("max_daily_volatility_percent", present, limit, config, why)


def value_at_risk(proposal: Proposal, view: View) -> Refusal | None:
    """Bound what the portfolio may lose over the horizon, all that may still fill included."""
    rule, config = "max_var_percent", "risk.portfolio.max_var_percent"
    equity, portfolio, order = view.facts.equity, view.facts.portfolio, proposal.order
    if isinstance(equity, Unknown):
        return refuse(rule, f"the equity is unknown: {equity.why}", config)
    limit = equity * view.limits.max_var_percent / 100
    worst = view.exposure.worst()
    sides = worst[order.key]
    after = {**worst, order.key: {**sides, order.side: sides[order.side] + proposal.added}}
    # A cheap figure that it can never exceed settles almost every order.
    if portfolio.bound(after) <= limit:
        return None
    value = portfolio.value_at_risk(after)
    if value <= limit:
        return None
    share = f"{text(view.limits.max_var_percent)} % of an equity of {text(equity)}"
    why = f"value at risk would be {text(value)}, {_shown(limit)} is the limit, {share}"
    return Refusal(rule, value, limit, config, why)


def day_headroom(proposal: Proposal, view: View) -> Refusal | None:
    """Let a side lose no more at its stop, fee included, than may still be lost today."""
    rule, config = "day_headroom", "risk.losses.max_daily_loss_percent"
    order, left = proposal.order, view.facts.day_headroom
    if isinstance(left, Unknown):
        return refuse(rule, f"what may still be lost today is unknown: {left.why}", config)
    stop_bps = view.limits.stops_bps.get(order.key)
    if stop_bps is None:
        return refuse(rule, f"the stop distance of {order.key} is not known", config)
    after = view.exposure.worst_notional(order.key, order.side) + proposal.added
    loss = after * (stop_bps / _BPS + proposal.instrument.taker_fee)
    if loss <= left:
        return None
    side = "long" if order.side is Side.BUY else "short"
    why = (
        f"the {side} side of {order.key.symbol} could lose {_shown(loss)} at its stop, "
        f"{text(left)} may still be lost today"
    )
    return Refusal(rule, loss, left, config, why)


def funding(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on the side that pays a costly settlement soon."""
    rule, config = "max_funding_bps", "risk.guards.max_funding_bps"
    key, limits = proposal.order.key, view.limits
    mark = view.facts.funding.get(key)
    if mark is None:
        return refuse(rule, f"no funding rate of {key} yet", config)
    costly = costly_funding(mark, view.now_ns, limits.funding_window_ns, limits.max_funding_bps)
    if costly is None or costly.payer is not proposal.order.side:
        return None
    why = f"{key.symbol}: {costly}, {text(limits.max_funding_bps)} bps are allowed"
    return Refusal(rule, costly.rate_bps, limits.max_funding_bps, config, why)


def _shown(value: Decimal) -> str:
    return text(ceil_to_step(value, _SHOWN_STEP))


PORTFOLIO_RULES = (volatility, value_at_risk, day_headroom, funding)
