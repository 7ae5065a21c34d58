"""What an order may look like: its price, its sense, its size's scale, and how often orders come.

What only closes is judged by `closing_quantity` alone; no other rule here sees it.
"""

from __future__ import annotations

from decimal import Decimal

from core.messages import OrderType, PositionSide, Purpose, Side
from core.money import ZERO, bps, text
from core.risk.exposure import Working
from core.risk.proposal import Proposal, Refusal, View, over, refuse

__all__ = ["ORDER_RULES", "closing_quantity"]

_FULL = Decimal(1)


def open_orders(proposal: Proposal, view: View) -> Refusal | None:
    """Bound the number of orders of one direction that may grow a position."""
    if proposal.amends:
        return None
    order = proposal.order
    after = view.exposure.opening_orders(order.key, order.side) + 1
    limit = view.limits.max_open_orders_per_side
    what = "open {side} orders of {symbol}"
    return _too_many("max_open_orders_per_side", after, limit, what, proposal)


def order_pace(proposal: Proposal, view: View) -> Refusal | None:
    """Bound placements and amendments of a minute; what closes is counted, never held back."""
    after = view.facts.placed.within_a_minute(view.monotonic_ns) + 1
    limit = view.limits.max_orders_per_minute
    return _too_many("max_orders_per_minute", after, limit, "orders within a minute", proposal)


def cancel_pace(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing while the cancels of a minute are used up: cancels themselves always go."""
    after = view.facts.cancelled.within_a_minute(view.monotonic_ns) + 1
    limit = view.limits.max_cancels_per_minute
    what = "cancels within a minute, with this order's own,"
    return _too_many("max_cancels_per_minute", after, limit, what, proposal)


def price_collar(proposal: Proposal, view: View) -> Refusal | None:
    """Bound how far through the mark an order may be priced: a typing error, a stale price."""
    if proposal.price is None:
        return None
    through = bps((proposal.price - proposal.mark) * proposal.order.side.sign, proposal.mark)
    what = "price {proposal.price:f} through mark {proposal.mark:f} in bps"
    return over("price_collar_bps", through, view.limits.price_collar_bps, what, proposal)


def quote_age(proposal: Proposal, view: View) -> Refusal | None:
    """Open nothing without a fresh quote: nobody knows what the order would meet."""
    key = proposal.order.key
    quote = view.facts.quotes.get(key)
    if quote is None:
        return refuse("quote", f"no quote of {key} yet")
    age_ns = view.monotonic_ns - quote[2]
    if age_ns <= view.limits.stale_after_ns:
        return None
    return Refusal(
        "quote",
        Decimal(age_ns // 1_000_000),
        Decimal(view.limits.stale_after_ns // 1_000_000),
        "market.stale_after_ms",
        f"the quote of {key} is {age_ns // 1_000_000} ms old",
    )


def book_collar(proposal: Proposal, view: View) -> Refusal | None:
    """Bound how far through the best opposite price an order may go.

    Without a quote there is nothing to measure: `quote_age` refuses.
    """
    quote = view.facts.quotes.get(proposal.order.key)
    if proposal.price is None or quote is None:
        return None
    side = proposal.order.side
    best = quote[1] if side is Side.BUY else quote[0]
    through = bps((proposal.price - best) * side.sign, best)
    if through <= view.limits.book_collar_bps:
        return None
    what = f"price {{proposal.price:f}} through the best opposite price {best:f} in bps"
    return over("book_collar_bps", through, view.limits.book_collar_bps, what, proposal)


def sense(proposal: Proposal, view: View) -> Refusal | None:
    """Refuse an order that says that it closes, by mark or by purpose, and could open."""
    order = proposal.order
    if not proposal.reduce_only and order.purpose is Purpose.ENTRY:
        return None
    words = f"a {order.side.value} of the {order.position_side.value} side"
    if proposal.reduce_only:
        return refuse("reduce_only", f"{words} opens, so it cannot be reduce-only")
    return refuse("purpose", f"{words} for {order.purpose.value} could open something")


def flip(proposal: Proposal, view: View) -> Refusal | None:
    """Keep an entry in one-way mode from turning a position round, unless it says that it may."""
    order = proposal.order
    if order.position_side is not PositionSide.BOTH or order.may_flip:
        return None
    held = _closable(order, view)
    after = order.remaining + sum(
        (
            view.exposure.worst_remaining(other)
            for other in view.exposure.orders(order.key)
            if other.side is order.side
            and not other.closing
            and other.client_order_id != order.client_order_id
        ),
        ZERO,
    )
    if not held or after <= held:
        return None
    return Refusal(
        "flip",
        after,
        held,
        "",
        f"{order.side.value} orders of {text(after)} would turn a position of {text(held)} "
        f"{order.key.symbol} round",
    )


def duplicate_intent(proposal: Proposal, view: View) -> Refusal | None:
    """Refuse an entry beside one of the same bot, side, type and price that has not ended.

    An order that was taken over from the venue may be any bot's.
    """
    if proposal.amends:
        return None
    order = proposal.order
    for other in view.exposure.orders(order.key):
        if (
            other.side is order.side
            and other.position_side is order.position_side
            and not other.closing
            and other.type is order.type
            and other.bot in ("", order.bot)
            and (order.type is OrderType.MARKET or other.price == order.price)
        ):
            return refuse(
                "duplicate_intent",
                f"{order.client_order_id} is {other.client_order_id} again, which has not ended",
            )
    return None


def throttle(proposal: Proposal, view: View) -> Refusal | None:
    """Refuse an entry that was sized before less was asked for, every entry at a scale of 0."""
    order = proposal.order
    scale = view.facts.scale.get(order.key, _FULL)
    if scale and order.size_scale <= scale:
        return None
    return Refusal(
        "throttle",
        order.size_scale,
        scale,
        "",
        f"sized with {text(order.size_scale * 100)} % of full size, where {order.key.symbol} may "
        f"have {text(scale * 100)} % now",
    )


def closing_quantity(proposal: Proposal, view: View) -> Refusal | None:
    """Bound a closing order by what it closes: more would flip it or be refused.

    Take-profits rest together, so all of a side count as one. Stops and closes do not: the new
    one is placed before the old one goes, and one of unknown outcome may keep nobody from closing.
    """
    order = proposal.order
    held = _closable(order, view)
    others = ZERO
    if order.purpose is Purpose.TAKE_PROFIT:
        others = sum(
            (
                view.exposure.worst_remaining(other)
                for other in view.exposure.orders(order.key)
                if other.closing
                and other.purpose is Purpose.TAKE_PROFIT
                and other.position_side is order.position_side
                and other.side is order.side
                and other.client_order_id != order.client_order_id
            ),
            ZERO,
        )
    if order.remaining + others <= held:
        return None
    beside = f", beside take-profits of {text(others)}" if others else ""
    return Refusal(
        "closing_quantity",
        order.remaining + others,
        held,
        "",
        f"closing {text(order.remaining)} of a position of {text(held)} {order.key.symbol}{beside}",
    )


def _too_many(rule: str, after: int, limit: int, what: str, proposal: Proposal) -> Refusal | None:
    if after <= limit:
        return None
    return over(rule, Decimal(after), Decimal(limit), what, proposal)


def _closable(order: Working, view: View) -> Decimal:
    """Return what is held on the order's position side against its direction."""
    return sum(
        (
            abs(position.quantity)
            for position in view.exposure.held(order.key)
            if position.side is order.position_side and position.quantity * order.side.sign < 0
        ),
        ZERO,
    )


ORDER_RULES = (
    sense,
    duplicate_intent,
    throttle,
    open_orders,
    order_pace,
    cancel_pace,
    price_collar,
    quote_age,
    book_collar,
    flip,
)
