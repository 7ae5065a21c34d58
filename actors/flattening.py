"""One symbol's exits: everything closed until the venue says flat, or a part of a side."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import define, field

from actors.desk import Desk, words
from actors.messages.lanes import ReadBook, ReadFailed
from actors.messages.operations import Tick
from actors.messages.risk import Flatten, FlattenTold, ReducePosition, RefusedByRisk
from actors.protection import Protection
from actors.runtime import Timer
from core.flattening import next_slice
from core.guard_decisions import SliceJudged
from core.messages import BookSnapshot, PlaceOrder, PositionSide, Purpose, Side
from core.money import ZERO, ceil_to_step, text
from core.orders import State

__all__ = ["Flattening"]

_DEPTH = 50
_BOOK_NS = 1_000_000_000
_ANSWER_NS = 5_000_000_000
_PAUSE_NS = 500_000_000
_PROGRESS_NS = 1_000_000_000
_OURS = (Purpose.PROTECT, Purpose.CLOSE)


@define
class _Exit:
    """One side on its way to `keep` (positive); monotonic times in nanoseconds."""

    keep: Decimal
    until_ns: int
    proposed: str = ""
    proposed_ns: int = 0
    retry_ns: int = 0


@define(eq=False)
class Flattening:
    """Closes in slices: one order at a time per side, its size from a book that was just read.

    A slice that fills in part or is refused is followed by the next one as soon as it has ended,
    in a flatten also one of unknown outcome. `take_back` cancels an order; `when_told` calls back
    once the venue was read from now on and its word is ours, or stands in for ours; `changed` tells
    everybody.
    """

    desk: Desk
    protection: Protection
    take_back: Callable[[str], bool]
    when_told: Callable[[Callable[[], None]], None]
    venue_holds: Callable[[PositionSide], Decimal]
    changed: Callable[[], None]
    _order: Flatten | None = field(default=None, init=False)
    _answered: bool = field(default=False, init=False)
    _until_ns: int = field(default=0, init=False)
    _confirming: bool = field(default=False, init=False)
    _flat: bool = field(default=False, init=False)
    _progress: Timer | None = field(default=None, init=False)
    _exits: dict[PositionSide, _Exit] = field(factory=dict, init=False)
    _book: BookSnapshot | None = field(default=None, init=False)
    _bookless: bool = field(default=False, init=False)
    _book_asked_ns: int = field(default=0, init=False)

    @property
    def under_way(self) -> bool:
        """Tell whether anything is being closed."""
        return bool(self._order or self._exits)

    def flatten(self, order: Flatten) -> None:
        """Begin, or begin anew; answers go to whom asked last."""
        desk = self.desk
        desk.log("warning", f"closing everything: {order.reason}")
        self._order, self._answered = order, False
        self._confirming = self._flat = False
        self._until_ns = desk.actor.monotonic_ns() + desk.settings.flatten_within_ns
        desk.flattening = self.protection.kept = True
        for side in PositionSide:
            self._exits[side] = _Exit(ZERO, 0)
        if self._progress is None:
            self._progress = desk.actor.every(_PROGRESS_NS, Tick("flatten"))
        self.look()

    def reduce(self, order: ReducePosition) -> None:
        """Close a part of a side; one that is closed as a whole stays so."""
        desk = self.desk
        held = abs(desk.held(order.position_side).quantity)
        if desk.instrument is None or not held or self._order:
            return
        quantity = ceil_to_step(order.quantity, desk.instrument.lot_step)
        keep = max(held - quantity, ZERO)
        known = self._exits.get(order.position_side)
        until_ns = desk.actor.monotonic_ns() + desk.settings.flatten_within_ns
        desk.log(
            "warning",
            f"reducing the {order.position_side.value} position from {text(held)} to {text(keep)}: "
            f"{order.reason}",
        )
        if known is None:
            self._exits[order.position_side] = _Exit(keep, until_ns)
        else:
            known.keep, known.until_ns = min(keep, known.keep), until_ns
        self.look()

    def approved(self, command: PlaceOrder) -> None:
        """Hear that risk lets something open again: a flatten that was answered is called off."""
        if self._order and self._answered and not command.closing:
            self.desk.log("warning", "no longer closing everything: trading goes on")
            self._end()

    def refused_by_risk(self, refused: RefusedByRisk) -> bool:
        """Hear that risk refused; tell whether it was one of these orders."""
        for each in self._exits.values():
            if each.proposed == refused.command.client_order_id:
                each.proposed = ""
                each.retry_ns = self.desk.actor.monotonic_ns() + _PAUSE_NS
                return True
        return False

    def book(self, book: BookSnapshot) -> None:
        """Take in the book that was asked for, and use it at once: the next slice asks anew."""
        self._book = book
        self.look()
        self._forget_book()

    def no_book(self, failed: ReadFailed) -> None:
        """Hear that there is no book: what is to go goes at the market."""
        self.desk.log("warning", f"closing without a book: {failed.error}")
        self._bookless = True
        self.look()
        self._forget_book()

    def look(self) -> None:
        """Do what is to be done now."""
        if not self.under_way or not self.desk.compared:
            return
        if self._order:
            for order in list(self.desk.book.live.values()):
                if order.command.purpose not in _OURS:
                    self.take_back(order.id)
        now_ns = self.desk.actor.monotonic_ns()
        due = [side for side in list(self._exits) if self._due(side, now_ns)]
        if due and self._book_ready(now_ns):
            for side in due:
                self._send(side, now_ns)
            self._forget_book()
        if self._order:
            self._confirm()

    def tell(self) -> None:
        """Say how far it is, at last with what is left when the time is up."""
        order = self._order
        if order is None or self._answered:
            return
        late = self.desk.actor.monotonic_ns() >= self._until_ns
        left = self._left()
        if late:
            self._answered = True
            self.desk.log("error", f"not flat in time (execution.flatten_within_s): {left}")
        self.desk.actor.tell(order.reply_to, FlattenTold(self.desk.key, late, left))

    # One side

    def _due(self, side: PositionSide, now_ns: int) -> bool:
        """Tell whether a slice of this side may go now; end what has come to its end."""
        desk, each = self.desk, self._exits[side]
        left = abs(desk.held(side).quantity) - each.keep
        over = bool(each.until_ns) and now_ns > each.until_ns
        if left <= 0 or over:
            if not self._order:
                del self._exits[side]
            if left > 0:
                desk.log("error", f"{text(left)} too much is left of the {side.value} position")
            return False
        return not self._waits(each, now_ns) and desk.may_close(side) and not desk.book.owing

    def _waits(self, each: _Exit, now_ns: int) -> bool:
        if each.proposed:
            order = self.desk.book.find(each.proposed)
            unanswered = order is None and now_ns - each.proposed_ns < _ANSWER_NS
            # To be flat matters more than to know; a part of a side is closed once, and no more.
            lost = order is not None and order.state is State.UNKNOWN and self._order is not None
            if unanswered or (order is not None and not order.state.ended and not lost):
                return True
            each.proposed = ""
            if order is None or not order.filled:
                each.retry_ns = now_ns + _PAUSE_NS
        return now_ns < each.retry_ns

    def _book_ready(self, now_ns: int) -> bool:
        """Tell whether a slice can be sized: with a book, or without when none comes."""
        if self._book is not None or self._bookless:
            return True
        if not self._book_asked_ns:
            self._book_asked_ns = now_ns
            self.desk.read(ReadBook(self.desk.key, _DEPTH, self.desk.actor.name))
        late = now_ns - self._book_asked_ns >= _BOOK_NS
        if late:
            self.desk.log("warning", "closing without a book: none came in time")
        return late

    def _forget_book(self) -> None:
        self._book, self._bookless, self._book_asked_ns = None, False, 0

    def _send(self, side: PositionSide, now_ns: int) -> None:
        desk, each = self.desk, self._exits[side]
        if desk.instrument is None:
            return
        held = desk.held(side).quantity
        direction = Side.SELL if held > 0 else Side.BUY
        left, rule = abs(held) - each.keep, desk.settings.slices
        part = next_slice(direction, left, self._book, desk.instrument, desk.mark, rule)
        if part is None:
            each.retry_ns = now_ns + _PAUSE_NS
            return
        terms = (left, self._book, desk.instrument, desk.mark, rule, part)
        desk.note(SliceJudged(desk.key, side, direction, *terms))
        each.proposed_ns = now_ns
        each.proposed = desk.close(
            direction, side, part.type, part.quantity, Purpose.CLOSE, price=part.price
        )

    # The end of a flatten

    def _confirm(self) -> None:
        """Once nothing is held by our own count, have the venue say so; then stops go too."""
        book = self.desk.book
        held = any(position.quantity for position in self.desk.holdings)
        open_orders = [o for o in book.live.values() if o.command.purpose is not Purpose.PROTECT]
        if held or open_orders or book.owing:
            self._flat = False
            return
        if not self._flat:
            if not self._confirming:
                self._confirming = True
                self.when_told(self._compared)
            return
        if not book.live:
            self._finish()

    def _compared(self) -> None:
        """Hear that what we act on is what the venue said when it was asked for this."""
        self._confirming = False
        if self._order is None or any(self.venue_holds(side) for side in PositionSide):
            return
        self._flat = not any(position.quantity for position in self.desk.holdings)
        self.protection.kept = not self._flat
        self.changed()

    def _finish(self) -> None:
        order = self._order
        assert order is not None
        self.desk.log("warning", f"flat, as the venue says: {order.reason}")
        self.desk.actor.tell(order.reply_to, FlattenTold(self.desk.key, True))
        self._end()

    def _end(self) -> None:
        self._order = None
        self._exits.clear()
        self.desk.flattening = self.protection.kept = False
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None

    def _left(self) -> tuple[str, ...]:
        book = self.desk.book
        left = [
            f"{position.side.value} {text(position.quantity)}"
            for position in self.desk.holdings
            if position.quantity
        ]
        left += [
            f"{side.value} {text(self.venue_holds(side))} as the venue says"
            for side in PositionSide
            if self.venue_holds(side) and not self.desk.held(side).quantity
        ]
        left += [f"order {order.id}: {words(order)}" for order in book.live.values()]
        return tuple(left) or ("the venue has not confirmed yet",)
