"""Pre-trade rules: each one small function that returns a refusal with its figures, or None."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import field, frozen

from core.errors import InvalidOrder
from core.instruments import Instrument
from core.messages import Side
from core.money import ZERO, bps, ceil_to_step, text
from core.risk.exposure import Exposure, Working

__all__ = ["RULES", "Limits", "Proposal", "Refusal"]

_SHOWN_STEP = Decimal("0.01")


@frozen(slots=True)
class Limits:
    """The caps of `[risk]`, in quote money unless a name says otherwise."""

    max_order_notional: Decimal
    max_symbol_notional: Decimal
    max_side_notional: Decimal
    max_gross_notional: Decimal
    max_open_orders_per_side: int
    price_collar_bps: Decimal


@frozen(slots=True)
class Refusal:
    """Why an order may not leave: the rule, the figures, and where the limit is configured.

    `config` is empty where no key sets the limit: the refusal comes from a state or from the order.
    """

    rule: str
    value: Decimal
    limit: Decimal
    config: str
    text: str

    def __str__(self) -> str:
        where = f" ({self.config})" if self.config else ""
        return f"{self.rule}: {self.text}{where}"


@frozen(slots=True)
class Proposal:
    """What a rule looks at: the order as a reservation and its limit price, if any.

    `replaces` is what the same order already counts with (an amendment), 0 for a new one.
    `notional` is at the worse of limit price and mark. `added` is what approval would add to what
    is reserved: 0 where an amendment is no larger than its order, which counts until it changed.
    """

    order: Working
    price: Decimal | None
    mark: Decimal
    instrument: Instrument
    replaces: Decimal = ZERO
    notional: Decimal = field(init=False)
    added: Decimal = field(init=False)

    @notional.default
    def _notional(self) -> Decimal:
        return self.instrument.notional(max(self.order.price, self.mark), self.order.remaining)

    @added.default
    def _added(self) -> Decimal:
        return max(self.notional - self.replaces, ZERO)


Rule = Callable[[Proposal, Exposure, Limits], Refusal | None]


def _over(
    rule: str, value: Decimal, limit: Decimal, what: str, proposal: Proposal
) -> Refusal | None:
    """Refuse over the limit. `what` is put into words then only: approvals are the hot path."""
    if value <= limit:
        return None
    order = proposal.order
    words = what.format(side=order.side.value, symbol=order.key.symbol, proposal=proposal)
    shown, over = (text(ceil_to_step(figure, _SHOWN_STEP)) for figure in (value, value - limit))
    figures = f"{words} would be {shown}, {over} over the limit of {text(limit)}"
    return Refusal(rule, value, limit, f"risk.{rule}", figures)


def order_notional(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound what one order may still open."""
    if proposal.order.closing:
        return None
    limit = limits.max_order_notional
    return _over("max_order_notional", proposal.notional, limit, "order notional", proposal)


def symbol_notional(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound one direction of one symbol, everything that may still fill included."""
    order = proposal.order
    if order.closing or not proposal.added:
        return None
    after = exposure.worst_notional(order.key, order.side) + proposal.added
    what = "{side} notional of {symbol}"
    return _over("max_symbol_notional", after, limits.max_symbol_notional, what, proposal)


def side_notional(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound one direction over all symbols."""
    order = proposal.order
    if order.closing or not proposal.added:
        return None
    after = exposure.direction_notional(order.side) + proposal.added
    limit = limits.max_side_notional
    return _over("max_side_notional", after, limit, "{side} notional", proposal)


def gross_notional(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound both directions over all symbols."""
    if proposal.order.closing or not proposal.added:
        return None
    after = exposure.gross_notional() + proposal.added
    limit = limits.max_gross_notional
    return _over("max_gross_notional", after, limit, "gross notional", proposal)


def open_orders(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound the number of orders of one direction that may grow a position."""
    order = proposal.order
    if order.closing or exposure.holds(order.key, order.client_order_id):
        return None
    after = Decimal(exposure.opening_orders(order.key, order.side) + 1)
    limit = Decimal(limits.max_open_orders_per_side)
    what = "open {side} orders of {symbol}"
    return _over("max_open_orders_per_side", after, limit, what, proposal)


def price_collar(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound how far through the mark an order may be priced: a typing error, a stale price."""
    if proposal.price is None:
        return None
    sign = 1 if proposal.order.side is Side.BUY else -1
    through = bps((proposal.price - proposal.mark) * sign, proposal.mark)
    what = "price {proposal.price:f} through mark {proposal.mark:f} in bps"
    return _over("price_collar_bps", through, limits.price_collar_bps, what, proposal)


def closing_quantity(proposal: Proposal, exposure: Exposure, limits: Limits) -> Refusal | None:
    """Bound a closing order by what it closes: more would flip it or be refused."""
    order = proposal.order
    if not order.closing:
        return None
    held = sum(
        (
            abs(position.quantity)
            for position in exposure.held(order.key)
            if position.side is order.position_side and position.quantity * order.side.sign < 0
        ),
        ZERO,
    )
    if order.remaining <= held:
        return None
    return Refusal(
        "closing_quantity",
        order.remaining,
        held,
        "",
        f"closing {text(order.remaining)} of a position of {text(held)} {order.key.symbol}",
    )


RULES: tuple[Rule, ...] = (
    order_notional,
    symbol_notional,
    side_notional,
    gross_notional,
    open_orders,
    price_collar,
    closing_quantity,
)


def instrument_rule(problem: InvalidOrder) -> Refusal:
    """Turn a broken rule of the venue into a refusal."""
    return Refusal(problem.rule, ZERO, ZERO, "the venue's filter", problem.text)
