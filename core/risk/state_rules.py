"""Whether anything may be opened at all now: halt, pause, breaker, old figures, open flanks."""

from __future__ import annotations

from decimal import Decimal

from core.account import Unknown
from core.money import ZERO, text
from core.risk.halt import Level
from core.risk.proposal import Proposal, Refusal, View, refuse

__all__ = ["STATE_RULES"]

_MS = 1_000_000


def halted(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing unless trading is running."""
    if view.halt.level is Level.RUNNING:
        return None
    return refuse("halt", f"trading is {view.halt.level.value}: {view.halt.reason}")


def paused(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on a symbol that somebody paused."""
    why = view.paused.get(proposal.order.key)
    return None if why is None else refuse("paused", why)


def breaker(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing at a venue whose calls fail."""
    venue = proposal.order.key.venue
    why = view.facts.breaker_open.get(venue)
    if why is None:
        return None
    return refuse("breaker", f"calls of {venue} fail: {why}", "risk.breaker")


def mark_age(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on an old mark price."""
    key, limit_ns = proposal.order.key, view.limits.stale_after_ns
    age_ns = view.monotonic_ns - view.facts.marks[key][1]
    if age_ns <= limit_ns:
        return None
    what = f"the mark price of {key}"
    return _old("stale_after_ms", what, age_ns, limit_ns, "market.stale_after_ms")


def account_age(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on an account that was not looked at for long."""
    venue, limit_ns = proposal.order.key.venue, view.limits.account_stale_after_ns
    seen_ns = view.facts.accounts_ns.get(venue)
    config = "risk.guards.account_stale_after_ms"
    if seen_ns is None:
        return refuse("account", f"the account at {venue} was not read yet", config)
    age_ns = view.monotonic_ns - seen_ns
    if age_ns <= limit_ns:
        return None
    return _old("account", f"the account at {venue}", age_ns, limit_ns, config)


def unprotected_side(proposal: Proposal, view: View) -> Refusal | None:
    """Add nothing to a side that has had no fitting stop for half of the time it may have none."""
    order = proposal.order
    since_ns = view.facts.unprotected.get(order.key, {}).get(order.position_side)
    if since_ns is None:
        return None
    age_ns, limit_ns = view.monotonic_ns - since_ns, view.limits.unprotected_ns
    if age_ns <= limit_ns:
        return None
    what = f"the lack of a stop on the {order.position_side.value} side of {order.key}"
    return _old("unprotected", what, age_ns, limit_ns, "execution.protect_within_s")


def canary_loss(proposal: Proposal, view: View) -> Refusal | None:
    """End a canary's openings when its loss is used up, or when nobody can tell."""
    if not view.limits.canary_order_notional:
        return None
    config, left = "risk.canary.max_loss", view.facts.canary_headroom
    if isinstance(left, Unknown):
        return refuse("canary_loss", f"what a canary may still lose is unknown: {left.why}", config)
    if left > ZERO:
        return None
    limit = view.limits.canary_max_loss
    why = f"a canary lost {text(limit - left)}, {text(limit)} is allowed"
    return Refusal("canary_loss", limit - left, limit, config, why)


def _old(rule: str, what: str, age_ns: int, limit_ns: int, config: str) -> Refusal:
    age = Decimal(age_ns // _MS)
    return Refusal(rule, age, Decimal(limit_ns // _MS), config, f"{what} is {age} ms old")


STATE_RULES = (
    halted,
    paused,
    breaker,
    mark_age,
    account_age,
    unprotected_side,
    canary_loss,
)
