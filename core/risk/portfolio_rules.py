"""What an order may cost at worst: value at risk, wild markets, today's loss, funding."""

from __future__ import annotations

from decimal import Decimal

from core.account import Unknown
from core.money import ceil_to_step, text
from core.risk.funding_guard import costly_funding
from core.risk.proposal import Proposal, Refusal, View, refuse

__all__ = ["PORTFOLIO_RULES"]

_BPS = Decimal(10_000)
_SHOWN_STEP = Decimal("0.01")


def volatility(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on a symbol that is wilder than allowed."""
    key, limit = proposal.order.key, view.limits.max_daily_volatility_percent
    present = view.moves.daily_volatility_percent(key)
    if present <= limit:
        return None
    why = f"the daily volatility of {key} is {text(present)} %, {text(limit)} % is allowed"
    config = "risk.portfolio.max_daily_volatility_percent"
    return Refusal("max_daily_volatility_percent", present, limit, config, why)


def value_at_risk(proposal: Proposal, view: View) -> Refusal | None:
    """Bound what the portfolio may lose over the horizon, all that may still fill included."""
    rule, config = "max_var_percent", "risk.portfolio.max_var_percent"
    equity, moves, order = view.facts.equity, view.moves, proposal.order
    if isinstance(equity, Unknown):
        return refuse(rule, f"the equity is unknown: {equity.why}", config)
    limit = equity * view.limits.max_var_percent / 100
    worst = view.exposure.worst()
    sides = worst[order.key]
    after = {**worst, order.key: {**sides, order.side: sides[order.side] + proposal.added}}
    # A cheap figure that it can never exceed settles almost every order.
    if moves.bound(after) <= limit:
        return None
    value = moves.value_at_risk(after)
    if value <= limit:
        return None
    share = f"{text(view.limits.max_var_percent)} % of an equity of {text(equity)}"
    why = f"value at risk would be {text(value)}, {_shown(limit)} is the limit, {share}"
    return Refusal(rule, value, limit, config, why)


def day_headroom(proposal: Proposal, view: View) -> Refusal | None:
    """Let all that is held and may still fill lose no more at its stops than today may still lose.

    Every side of every symbol is stopped out, at the order's own taker fee.
    """
    rule, config = "day_headroom", "risk.losses.max_daily_loss_percent"
    order, left, stops = proposal.order, view.facts.day_headroom, view.limits.stops_bps
    if isinstance(left, Unknown):
        return refuse(rule, f"what may still be lost today is unknown: {left.why}", config)
    if order.key not in stops:
        return refuse(rule, f"the stop distance of {order.key} is not known", config)
    exposure, fee = view.exposure, proposal.instrument.taker_fee
    # As if every stop were as far as the farthest: settles almost every order.
    if (exposure.gross_notional() + proposal.added) * (max(stops.values()) / _BPS + fee) <= left:
        return None
    loss = proposal.added * (stops[order.key] / _BPS + fee)
    for key, sides in exposure.worst().items():
        loss += sum(sides.values()) * (stops[key] / _BPS + fee)
    if loss <= left:
        return None
    why = f"{_shown(loss)} could be lost if every stop is hit, {text(left)} may still be lost today"
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
