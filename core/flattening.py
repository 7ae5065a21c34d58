"""Closing in slices: how much of a position one order may take from a book without moving it."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.instruments import Instrument
from core.messages import BookSnapshot, Level, OrderType, Side
from core.money import ZERO, ceil_to_step, floor_to_step

__all__ = ["Slice", "SliceRule", "next_slice"]

_BPS = Decimal(10_000)


@frozen(slots=True)
class SliceRule:
    """How much of the visible depth one order takes, and how far from the best price at most."""

    depth_percent: int
    slippage_bps: Decimal


@frozen(slots=True)
class Slice:
    """One closing order: an immediate-or-cancel limit, or a market order without a `price`."""

    quantity: Decimal
    price: Decimal | None = None

    @property
    def type(self) -> OrderType:
        return OrderType.MARKET if self.price is None else OrderType.LIMIT


def next_slice(
    side: Side,
    left: Decimal,
    book: BookSnapshot | None,
    instrument: Instrument,
    mark: Decimal,
    rule: SliceRule,
) -> Slice | None:
    """Return the next order of this direction that closes `left` (venue's unit, positive).

    Without a book: a market order. None where nobody is there to trade with. A thin book still
    gives the smallest order that the venue takes, and what would be left under it goes along. The
    limit price is the worst to accept, and one that the venue takes beside this `mark`.
    """
    if book is None:
        return Slice(min(left, instrument.round_quantity(instrument.market_max_quantity)))
    levels = book.bids if side is Side.SELL else book.asks
    if not levels:
        return None
    price = _worst(side, levels[0][0], instrument, mark, rule)
    depth = _depth(side, levels, price)
    least = max(instrument.min_quantity, instrument.lot_step)
    share = instrument.round_quantity(depth * rule.depth_percent / 100)
    quantity = min(left, max(share, least), instrument.round_quantity(instrument.max_quantity))
    if ZERO < left - quantity < least and left <= instrument.max_quantity:
        quantity = left
    return Slice(quantity, price)


def _worst(
    side: Side, best: Decimal, instrument: Instrument, mark: Decimal, rule: SliceRule
) -> Decimal:
    share = rule.slippage_bps / _BPS
    tick = instrument.tick_size
    if side is Side.SELL:
        lowest = max(best * (1 - share), mark * instrument.price_down, instrument.min_price)
        return ceil_to_step(lowest, tick)
    highest = best * (1 + share)
    if mark:
        highest = min(highest, mark * instrument.price_up)
    return floor_to_step(min(highest, instrument.max_price), tick)


def _depth(side: Side, levels: tuple[Level, ...], worst: Decimal) -> Decimal:
    return sum((q for price, q in levels if (worst - price) * side.sign >= 0), ZERO)
