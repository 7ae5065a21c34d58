"""Readiness of what an account holds already: orders, positions, protection, losses so far."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from core.account import Unknown
from core.books import Books
from core.config import Config
from core.ids import is_ours
from core.messages import Key, OrderType, OrderUpdated, PositionReported, PositionSide
from core.money import ZERO, text
from core.readiness import Item, fail, ok, warn
from core.risk.equity import Verdict

__all__ = [
    "equity",
    "foreign_orders",
    "foreign_positions",
    "orphan_orders",
    "positions",
    "unprotected_positions",
]

_CENT = Decimal("0.01")
_SHOWN = 5
_BY_START = "nothing: the start compares with the venue and goes on from its word"
_STOPS = (OrderType.STOP, OrderType.STOP_MARKET)


def orphan_orders(orders: Sequence[OrderUpdated], books: Books | None, host: str) -> Item:
    """Name our open orders that the journal does not hold; None for books leaves it to the host.

    Ours are known by their client order id.
    """
    name = "orphan_orders"
    ours = [order for order in orders if is_ours(order.client_order_id, host, order.key.symbol)]
    if books is None:
        return ok(name, f"{len(ours)} open orders of ours, which the host compares itself")
    lost = [
        order.client_order_id
        for order in ours
        if books.intended(order.key, order.client_order_id) is None
    ]
    if lost:
        return warn(name, f"not in the journal: {_some(lost)}", _BY_START, by_start=True)
    return ok(name, f"{len(ours)} open orders of ours, all in the journal")


def foreign_orders(orders: Sequence[OrderUpdated], config: Config) -> Item:
    """Name open orders that another program made."""
    found = [
        f"{order.client_order_id} on {order.key.symbol}"
        for order in orders
        if not is_ours(order.client_order_id, config.host_name, order.key.symbol)
    ]
    if not found:
        return ok("foreign_orders", "none")
    figure = f"{len(found)} by another program: {_some(found)}"
    return _foreign("foreign_orders", figure, "cancel them", config)


def foreign_positions(
    held: Sequence[PositionReported], wanted: Collection[Key], config: Config
) -> Item:
    """Name positions on symbols that no bot of this host trades."""
    found = [_words(one) for one in held if one.quantity and one.key not in wanted]
    if not found:
        return ok("foreign_positions", "none")
    figure = f"{len(found)} that no bot trades: {_some(found)}"
    return _foreign("foreign_positions", figure, "close them", config)


def _foreign(name: str, figure: str, mend: str, config: Config) -> Item:
    policy, path = config.risk.guards.foreign_activity, "risk.guards.foreign_activity"
    if policy == "stop" or (policy == "stop_in_live" and config.mode == "live"):
        return fail(name, f'{figure}; {path} = "{policy}"', f"{mend}, or give the host an account")
    if policy == "tolerate":
        return ok(name, f"{figure}; tolerated ({path})")
    return warn(name, figure, f"{mend}: live does not start beside them")


def positions(held: Sequence[PositionReported], books: Books, wanted: Collection[Key]) -> Item:
    """Compare the positions of our symbols with the journal's."""
    stated = {(one.key, one.position_side): one.quantity for one in held if one.key in wanted}
    booked = {
        (key, position.side): position.quantity
        for key in wanted
        for _, position in books.wallets.positions(key)
    }
    other = [
        f"{key.symbol} {side.value} {text(stated.get((key, side), ZERO))}, "
        f"journal {text(booked.get((key, side), ZERO))}"
        for key, side in sorted({*stated, *booked}, key=_place)
        if stated.get((key, side), ZERO) != booked.get((key, side), ZERO)
    ]
    if other:
        return warn("positions", "; ".join(other), _BY_START, by_start=True)
    open_ = [_words(one) for one in held if one.quantity and one.key in wanted]
    return ok("positions", f"as in the journal: {_some(open_) if open_ else 'flat'}")


def unprotected_positions(
    held: Sequence[PositionReported],
    orders: Sequence[OrderUpdated],
    wanted: Collection[Key],
    protect_within_s: float,
) -> Item:
    """Name open sides of our symbols whose stops at the venue do not cover them."""
    name = "unprotected_positions"
    ours = [one for one in held if one.quantity and one.key in wanted]
    bare = [
        f"{_words(one)}, stops for {text(_stopped(one, orders))}"
        for one in ours
        if _stopped(one, orders) < abs(one.quantity)
    ]
    if not bare:
        return ok(name, f"{len(ours)} open sides, each with a stop of its size at the venue")
    mend = f"start the host: it places the stop, or flattens within {protect_within_s:g} s"
    return warn(name, _some(bare), mend, by_start=True)


def _stopped(held: PositionReported, orders: Sequence[OrderUpdated]) -> Decimal:
    """Sum what working stops would close of one side."""
    return sum(
        (
            order.quantity - order.filled
            for order in orders
            if order.key == held.key
            and order.type in _STOPS
            and order.status.open
            and order.position_side is held.position_side
            and order.side.sign * held.quantity < 0
            and (order.reduce_only or held.position_side is not PositionSide.BOTH)
        ),
        ZERO,
    )


def equity(verdict: Verdict) -> Item:
    """Say whether the equity stop would trip now, and how far it is from that."""
    if isinstance(verdict.equity, Unknown):
        mend = "mend what keeps the account from being read"
        return fail("equity", f"unknown: {verdict.equity.why}", mend)
    tripped = verdict.tripped
    if tripped is not None:
        mend = "look at what was lost; python run.py reset-halt measures anew from today's equity"
        return fail("equity", f"the stop would trip now: {tripped}", mend)
    left = ", ".join(
        f"{loss.name} {text(loss.value.quantize(_CENT))} of {text(loss.limit.quantize(_CENT))}"
        for loss in verdict.losses
    )
    return ok("equity", f"{text(verdict.equity.quantize(_CENT))}; would not trip now: {left}")


def _words(held: PositionReported) -> str:
    return f"{held.key.symbol} {held.position_side.value} {text(held.quantity)}"


def _place(where: tuple[Key, PositionSide]) -> tuple[str, str, str]:
    return where[0].venue, where[0].symbol, where[1].value


def _some(found: Sequence[str]) -> str:
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
