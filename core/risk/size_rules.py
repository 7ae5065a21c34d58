"""How much may be open: caps per order, symbol, group, side, net and gross, and the canary's.

What only closes never comes here: each rule judges an order that may grow a position.
"""

from __future__ import annotations

from decimal import Decimal

from core.money import ZERO, text
from core.risk.proposal import Proposal, Refusal, View, over

__all__ = ["SIZE_RULES"]


def order_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound what one order may still open."""
    limit = view.limits.max_order_notional
    return over("max_order_notional", proposal.notional, limit, "order notional", proposal)


def canary_order(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one order of a canary, whatever larger orders are allowed without one."""
    limit = view.limits.canary_order_notional
    if not limit:
        return None
    config = "risk.canary.max_order_notional"
    return over("canary", proposal.notional, limit, "a canary's order notional", proposal, config)


def order_quantity(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one order of a symbol in the venue's own unit, what filled of it included."""
    order = proposal.order
    caps = view.limits.symbols.get(order.key)
    if caps is None or not caps.max_order_quantity:
        return None
    size, limit = order.remaining + order.filled, caps.max_order_quantity
    if size <= limit:
        return None
    words = f"{text(size)} of {order.key.symbol} in one order, {text(limit)} are allowed"
    where = f"{caps.where}.max_order_quantity"
    return Refusal("max_order_quantity", size, limit, where, words)


def symbol_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one direction of one symbol, everything that may still fill included."""
    if not proposal.added:
        return None
    after = _symbol_after(proposal, view)
    limit = view.limits.max_symbol_notional
    return over("max_symbol_notional", after, limit, "{side} notional of {symbol}", proposal)


def own_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one direction of a symbol that has a cap of its own."""
    caps = view.limits.symbols.get(proposal.order.key)
    if caps is None or not caps.max_notional or not proposal.added:
        return None
    after = _symbol_after(proposal, view)
    config = f"{caps.where}.max_notional"
    what = "{side} notional of {symbol}"
    return over("max_notional", after, caps.max_notional, what, proposal, config)


def group_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one direction of symbols that move together, each group that this one is in."""
    key, side = proposal.order.key, proposal.order.side
    if not proposal.added:
        return None
    for group in view.limits.groups:
        if key not in group.keys:
            continue
        held = (view.exposure.known_notional(each, side) for each in group.keys)
        after = sum(held, ZERO) + proposal.added
        what = f"{{side}} notional of the group {group.name}"
        config = f"{group.where}.max_notional"
        refusal = over("group_notional", after, group.max_notional, what, proposal, config)
        if refusal:
            return refusal
    return None


def side_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one direction over all symbols."""
    if not proposal.added:
        return None
    after = view.exposure.direction_notional(proposal.order.side) + proposal.added
    limit = view.limits.max_side_notional
    return over("max_side_notional", after, limit, "{side} notional", proposal)


def net_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound one direction less what is held of the other: what a move of all markets hits."""
    if not proposal.added:
        return None
    after = view.exposure.net_notional(proposal.order.side) + proposal.added
    limit = view.limits.max_net_notional
    return over("max_net_notional", after, limit, "net {side} notional", proposal)


def gross_notional(proposal: Proposal, view: View) -> Refusal | None:
    """Bound both directions over all symbols."""
    if not proposal.added:
        return None
    after = view.exposure.gross_notional() + proposal.added
    limit = view.limits.max_gross_notional
    return over("max_gross_notional", after, limit, "gross notional", proposal)


def _symbol_after(proposal: Proposal, view: View) -> Decimal:
    order = proposal.order
    return view.exposure.worst_notional(order.key, order.side) + proposal.added


SIZE_RULES = (
    order_notional,
    canary_order,
    order_quantity,
    symbol_notional,
    own_notional,
    group_notional,
    side_notional,
    net_notional,
    gross_notional,
)
