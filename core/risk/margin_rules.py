"""Whether the account carries an order: leverage, free margin, how far liquidation would be."""

from __future__ import annotations

from decimal import Decimal

from core.account import Figure, Unknown, combine
from core.messages import Key, Side
from core.money import ZERO, ceil_to_step, text
from core.positions import Position
from core.risk.exposure import Exposure
from core.risk.facts import Facts
from core.risk.liquidation import (
    Liquidation,
    distance_bps,
    filled,
    isolated,
    liquidation,
    maintenance_margin,
)
from core.risk.proposal import Proposal, Refusal, View, refuse

__all__ = ["MARGIN_RULES", "free_after_reserved"]

_SHOWN_STEP = Decimal("0.01")


def leverage(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing on a symbol whose leverage at the venue is over its cap, or not known."""
    key, limits = proposal.order.key, view.limits
    caps = limits.symbols.get(key)
    limit, config = limits.max_leverage, "risk.max_leverage"
    if caps is not None and caps.max_leverage:
        limit, config = caps.max_leverage, f"{caps.where}.max_leverage"
    present = view.facts.leverage.get(key)
    if present is None:
        return refuse("max_leverage", f"the leverage of {key} was not read yet", config)
    if present <= limit:
        return None
    why = f"the leverage of {key} is {present}, {limit} is allowed"
    return Refusal("max_leverage", Decimal(present), Decimal(limit), config, why)


def account_leverage(proposal: Proposal, view: View) -> Refusal | None:
    """Bound all that is held and may still fill, both directions, by the equity."""
    equity, limit = view.facts.equity, view.limits.max_account_leverage
    config = "risk.max_account_leverage"
    if isinstance(equity, Unknown):
        return refuse("max_account_leverage", f"the equity is unknown: {equity.why}", config)
    after = view.exposure.gross_notional() + proposal.added
    if after <= limit * equity:
        return None
    held = f"{_shown(after)} held and ordered on an equity of {text(equity)}"
    if equity <= ZERO:
        return refuse("max_account_leverage", held, config)
    times = after / equity
    why = f"{held} would be {_shown(times)} times, {text(limit)} are allowed"
    return Refusal("max_account_leverage", times, limit, config, why)


def free_margin(proposal: Proposal, view: View) -> Refusal | None:
    """Keep a part of the equity free after the order's initial margin and a taker's fee.

    What the venue said was free may be a reading old: what is reserved since counts as well.
    """
    rule, config = "min_free_margin_percent", "risk.min_free_margin_percent"
    facts, fee = view.facts, proposal.added * proposal.instrument.taker_fee
    if isinstance(facts.equity, Unknown):
        return refuse(rule, f"the equity is unknown: {facts.equity.why}", config)
    left = combine(
        lambda free, needed: free - needed - fee,
        free_after_reserved(view.exposure, facts),
        _initial(proposal.order.key, proposal.added, facts),
    )
    if isinstance(left, Unknown):
        return refuse(rule, f"the free margin is unknown: {left.why}", config)
    limit = facts.equity * view.limits.min_free_margin_percent / 100
    if left >= limit:
        return None
    why = f"{text(round(left, 2))} of margin would stay free, {_shown(limit)} has to"
    return Refusal(rule, left, limit, config, why)


def liquidation_distance(proposal: Proposal, view: View) -> Refusal | None:
    """Keep a position away from its liquidation price when this order has filled.

    It fills where the market is then: a bid at its price or at a mark below it.
    """
    order, limit = proposal.order, view.limits.min_liquidation_distance_bps
    rule, config = "min_liquidation_distance_bps", "risk.min_liquidation_distance_bps"
    position = _held(proposal, view)
    after = filled(position, order.side, order.remaining, order.price)
    mark = (min if order.side is Side.BUY else max)(order.price, proposal.mark)
    if order.key.venue in view.limits.cross_venues:
        found = _cross(proposal, view, mark)
    else:
        found = _isolated(after, proposal, view, mark)
    if isinstance(found, Unknown):
        return refuse(rule, f"the liquidation price is unknown: {found.why}", config)
    distance = distance_bps(after.quantity, mark, found)
    if distance is None or distance >= limit:
        return None
    why = (
        f"{order.side.value} {text(order.remaining)} {order.key.symbol} at {text(order.price)} "
        f"would be {distance:.0f} bps from liquidation, {text(limit)} are needed"
    )
    return Refusal(rule, distance, limit, config, why)


def _isolated(
    after: Position, proposal: Proposal, view: View, mark: Decimal
) -> Liquidation | Unknown:
    key = proposal.order.key
    times, brackets = view.facts.leverage.get(key), view.facts.brackets.get(key)
    if times is None or not brackets:
        return Unknown(f"leverage and brackets of {key} were not read yet")
    return isolated(after, times, brackets, mark, proposal.instrument.multiplier)


def _cross(proposal: Proposal, view: View, mark: Decimal) -> Liquidation | Unknown:
    """Take the account as it would be at the fill, other symbols at their present marks."""
    order, facts, exposure = proposal.order, view.facts, view.exposure
    own, brackets = order.key, facts.brackets.get(order.key)
    if not brackets:
        return Unknown(f"the brackets of {own} were not read yet")
    if isinstance(facts.equity, Unknown):
        return facts.equity
    multiplier = proposal.instrument.multiplier
    legs = [position.quantity * multiplier for position in exposure.held(own)]
    change = order.side.sign * order.remaining * multiplier
    fee = proposal.notional * proposal.instrument.taker_fee
    margin = facts.equity + sum(legs, ZERO) * (mark - proposal.mark)
    margin += change * (mark - order.price) - fee
    for key, sides in exposure.held_notionals().items():
        for notional in sides.values():
            if key == own or key.venue != own.venue or not notional:
                continue
            if not facts.brackets.get(key):
                return Unknown(f"the brackets of {key} were not read yet")
            margin -= maintenance_margin(facts.brackets[key], notional)
    return liquidation(margin, _filled_legs(proposal, view, legs, change), brackets, mark)


def _filled_legs(
    proposal: Proposal, view: View, legs: list[Decimal], change: Decimal
) -> list[Decimal]:
    """Add the order to the side that it belongs to, or as a side of its own."""
    for place, position in enumerate(view.exposure.held(proposal.order.key)):
        if position.side is proposal.order.position_side:
            return [leg + change if at == place else leg for at, leg in enumerate(legs)]
    return [*legs, change]


def _held(proposal: Proposal, view: View) -> Position:
    order = proposal.order
    for position in view.exposure.held(order.key):
        if position.side is order.position_side:
            return position
    return Position(order.position_side)


def free_after_reserved(exposure: Exposure, facts: Facts) -> Figure:
    """Return the margin that is free: the venue's last word, or less where more is reserved.

    Reserved is the initial margin of all that is held and may still fill, in both directions.
    """
    reserved = ZERO
    for key, sides in exposure.worst().items():
        notional = sides[Side.BUY] + sides[Side.SELL]
        if notional:
            margin = _initial(key, notional, facts)
            if isinstance(margin, Unknown):
                return margin
            reserved += margin
    return combine(
        lambda told, equity: min(told, equity - reserved), facts.free_margin, facts.equity
    )


def _initial(key: Key, notional: Decimal, facts: Facts) -> Figure:
    times = facts.leverage.get(key)
    return Unknown(f"the leverage of {key} was not read yet") if times is None else notional / times


def _shown(value: Decimal) -> str:
    return text(ceil_to_step(value, _SHOWN_STEP))


MARGIN_RULES = (leverage, account_leverage, free_margin, liquidation_distance)
