"""One order's row and one symbol's account, for `core.books`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import evolve

from core.messages import (
    Fill,
    OrderStatus,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
)
from core.money import ZERO
from core.positions import Position, apply_fill
from core.records import SymbolOpened

__all__ = ["OrderRow", "SymbolAccount", "merge"]


def merge(known: OrderUpdated, said: OrderUpdated) -> OrderUpdated:
    """Take a further word on an order in; older news changes nothing that newer news said.

    An ended order never opens again, and of two different ends the later counts. Filled quantities
    never shrink. Price and quantity are those of the latest word; of two words of one instant, the
    one after an amendment. A conditional order keeps its type when the plain order it turned into
    is reported.
    """
    filled = max(known.filled, said.filled)
    later_ns = said.event_ns - known.event_ns
    if not known.status.open and (said.status.open or later_ns <= 0):
        return known if filled == known.filled else evolve(known, filled=filled)
    terms = said if later_ns > 0 or (later_ns == 0 and said.amended >= known.amended) else known
    ended = not said.status.open
    named = said if later_ns > 0 or (later_ns == 0 and said.filled >= known.filled) else known
    conditional = known if known.type.conditional else said
    return evolve(
        said,
        status=said.status if ended or filled == said.filled else known.status,
        price=terms.price,
        quantity=terms.quantity,
        amended=terms.amended,
        filled=filled,
        order_id=named.order_id or known.order_id or said.order_id,
        type=conditional.type,
        trigger_price=conditional.trigger_price,
        reason=said.reason if ended else named.reason,
        event_ns=max(known.event_ns, said.event_ns),
    )


class OrderRow:
    """What is known of one order: our intent, the venue's words, and its fills as evidence."""

    __slots__ = ("_filled", "_ids", "_last_fill", "_said", "_seen", "intended", "refused")

    def __init__(self) -> None:
        self.intended: PlaceOrder | None = None
        self.refused = False
        self._said: OrderUpdated | None = None
        self._seen: set[OrderUpdated] = set()
        self._ids: dict[str, tuple[int, int]] = {}
        self._filled = ZERO
        self._last_fill: Fill | None = None

    def intend(self, command: PlaceOrder) -> None:
        """Note what we meant to place; the first word counts."""
        if self.intended is None:
            self.intended = command

    def take(self, said: OrderUpdated) -> None:
        """Fold one word of the venue in; the same word again changes nothing."""
        if said in self._seen:
            return
        if said.type.conditional and said.order_id:
            at_ns = said.event_ns
            last_ns, first_ns = self._ids.get(said.order_id, (at_ns, at_ns))
            self._ids[said.order_id] = max(last_ns, at_ns), min(first_ns, at_ns)
        self._said = said if self._said is None else merge(self._said, said)
        if self._said.status.open:
            self._seen.add(said)
        else:
            self._seen.clear()

    def executed(self, fill: Fill) -> None:
        """Count one fill, which the caller has not handed in before."""
        self._filled += fill.quantity
        self._last_fill = fill

    @property
    def settled(self) -> bool:
        """Whether no news is expected: ended by the venue's word, or never got there."""
        if self._said is not None:
            return not self._said.status.open
        return self.refused and self._last_fill is None

    @property
    def order(self) -> OrderUpdated | None:
        """The order as the evidence has it; None while the venue was not heard of it.

        Fills are the venue's word too: they raise the filled quantity when the update is late,
        and name the plain order that a conditional one turned into.
        """
        order = self._said if self._said is not None else self._from_fills()
        fill = self._last_fill
        if order is not None and order.type.conditional and len(self._ids) > 1:
            # Both ids may be told of at the instant it fires: the one heard of later is the newer.
            order = evolve(order, order_id=max(self._ids, key=self._ids.__getitem__))
        if order is None or fill is None:
            return order
        if order.type.conditional and fill.order_id != order.order_id:
            order = evolve(order, order_id=fill.order_id)
        filled = max(order.filled, self._filled)
        status = order.status
        if status.open and filled > ZERO:
            full = ZERO < order.quantity <= filled
            status = OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED
        if (filled, status) == (order.filled, order.status):
            return order
        return evolve(order, filled=filled, status=status)

    def _from_fills(self) -> OrderUpdated | None:
        fill, command = self._last_fill, self.intended
        if fill is None or command is None:
            return None
        return OrderUpdated(
            key=command.key,
            client_order_id=command.client_order_id,
            order_id=fill.order_id,
            side=command.side,
            position_side=command.position_side,
            type=command.type,
            status=OrderStatus.NEW,
            price=command.price or ZERO,
            quantity=command.quantity,
            filled=ZERO,
            event_ns=fill.time_ns,
            trigger_price=command.trigger_price or ZERO,
            reduce_only=command.reduce_only,
        )


class SymbolAccount:
    """Fills of one symbol in the venue's order, and the positions and money they make.

    A fill that comes late (out of its place) folds the symbol anew, because an average entry
    price depends on the order of fills. Fills up to the opening are kept but not folded.
    """

    __slots__ = (
        "_held",
        "_margin_asset",
        "_places",
        "_since",
        "fees",
        "fills",
        "realised",
        "seen",
        "sides",
        "terms",
    )

    def __init__(self) -> None:
        self.terms: SymbolOpened | None = None
        self.fills: list[Fill] = []
        self.seen: set[str] = set()
        self.sides: dict[PositionSide, Position] = {}
        self.realised = ZERO
        self.fees: dict[str, Decimal] = {}
        self._places: list[tuple[int, int]] = []
        self._held: tuple[PositionReported, ...] = ()
        self._since: Mapping[str, int] = {}
        self._margin_asset = ""

    def know(self, terms: SymbolOpened) -> None:
        """Learn what the symbol settles in; the first word counts."""
        if self.terms is None:
            self.terms = terms
            self._fold_all()

    def reopen(
        self, held: Iterable[PositionReported], since: Mapping[str, int], margin_asset: str
    ) -> None:
        """Start from `held`; per asset, what happened up to `since` ns is contained in it."""
        self._held = tuple(held)
        self._since = since
        self._margin_asset = margin_asset
        self._fold_all()

    def take(self, fill: Fill) -> bool:
        """Fold one fill in; False when it was known."""
        if fill.fill_id in self.seen:
            return False
        self.seen.add(fill.fill_id)
        place = (fill.time_ns, int(fill.fill_id) if fill.fill_id.isdecimal() else 0)
        at = bisect_right(self._places, place)
        self._places.insert(at, place)
        self.fills.insert(at, fill)
        if at == len(self.fills) - 1:
            self._fold(fill)
        else:
            self._fold_all()
        return True

    def _fold_all(self) -> None:
        self.realised = ZERO
        self.fees = {}
        self.sides = {
            held.position_side: Position(held.position_side, held.quantity, held.entry_price)
            for held in self._held
        }
        for fill in self.fills:
            self._fold(fill)

    def _fold(self, fill: Fill) -> None:
        if fill.time_ns > self._since.get(fill.fee_asset, 0):
            self.fees[fill.fee_asset] = self.fees.get(fill.fee_asset, ZERO) + fill.fee
        margin_asset = self.terms.margin_asset if self.terms else self._margin_asset
        if fill.time_ns > self._since.get(margin_asset, 0):
            multiplier = self.terms.multiplier if self.terms else Decimal(1)
            side = fill.position_side
            before = self.sides.get(side, Position(side))
            self.sides[side], realised = apply_fill(before, fill, multiplier)
            self.realised += realised
