"""One symbol's orders: on their way by the journal, and what the venue then says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, evolve, field

from actors import names
from actors.desk import Desk, words
from actors.messages.journal import Unwritten, Write
from actors.messages.lanes import OrderRead
from actors.protection import Protection
from actors.questions import Questions
from actors.strangers import Strangers
from core.errors import IllegalTransition
from core.ids import is_ours
from core.messages import (
    AmendOrder,
    CancelOrder,
    Fill,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderStatus,
    OrderUpdated,
    PlaceOrder,
    Purpose,
)
from core.money import ZERO, text
from core.orders import Event, Order, State
from core.records import AmendIntended, CancelIntended, OrderIntended
from core.risk.gate import Approved

__all__ = ["Orders"]

_COMPARING = "its position is being compared with the venue"
_FLATTENING = "everything is being closed"
_AMBIGUOUS = "a word on its arrival could not be told from one that comes twice"


@define(eq=False)
class Orders:
    """Sends what risk approved, and folds orders and fills into the book: journal first.

    `changed` tells everybody at once, `changed_soon` with the next look. `unused` are approvals
    given back and `cancels` of entries sent since everybody was told last.
    """

    desk: Desk
    questions: Questions
    protection: Protection
    changed: Callable[[], None]
    changed_soon: Callable[[], None]
    unused: list[str] = field(factory=list)
    unmoved: list[str] = field(factory=list)
    cancels: int = 0
    strangers: Strangers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.strangers = Strangers(self.desk)

    def submit(self, approved: Approved[PlaceOrder]) -> None:
        """Send an order as soon as its intent is written."""
        desk, command = self.desk, approved.command
        self.protection.settled(command)
        if desk.flattening and command.purpose not in (Purpose.PROTECT, Purpose.CLOSE):
            self._return(command, _FLATTENING)
            return
        if not command.closing and not desk.opening:
            self._return(command, _COMPARING)
            return
        try:
            desk.book.intend(command, approved.at_ns)
        except IllegalTransition as error:
            desk.log("error", str(error), command.client_order_id)
            self._return(command, str(error))
            return
        self.questions.sent(command.client_order_id)
        # What shrinks a position leaves although the journal cannot be written; its record waits.
        unwritten = Unwritten(command.client_order_id, "place")
        failed = () if command.closing else ((desk.actor.name, unwritten),)
        record = desk.record(OrderIntended(command), command.client_order_id)
        then = ((self._lane(command), approved),)
        desk.actor.tell(names.JOURNAL, Write((record,), then, failed))
        # Nobody needs to hear before the venue answers: risk holds the reservation, the strategy
        # knows what it asked for. Telling now would only compete with the order for the processor.
        self.changed_soon()

    def submit_amend(self, approved: Approved[AmendOrder]) -> None:
        """Send an amendment as soon as its intent is written."""
        desk, command = self.desk, approved.command
        order = desk.book.live.get(command.client_order_id)
        if not desk.opening:
            why = _FLATTENING if desk.flattening else _COMPARING
            self._return_amendment(command, why)
            return
        if order is None or not order.state.at_venue or order.cancel_requested or order.amending:
            self._return_amendment(command, "it is not free to move")
            return
        back = (command.price, command.quantity) in order.replaced
        if back and self.questions.just_moved(order.id):
            self._return_amendment(command, _AMBIGUOUS)
            return
        command = evolve(command, order_id=order.order_id)
        desk.book.ask_amend(command)
        self.questions.moved(order.id)
        lane = names.orders_lane(desk.key, desk.settings.groups)
        record = desk.record(AmendIntended(command), order.id)
        failed = ((desk.actor.name, Unwritten(order.id, "amend")),)
        desk.actor.tell(names.JOURNAL, Write((record,), ((lane, approved),), failed))
        self.questions.inquire(order.id, desk.settings.answer_within_ns)
        self.changed()

    def unwritten(self, unwritten: Unwritten) -> None:
        """Hear that an intent is not in the journal: nothing was sent."""
        why = "the journal cannot be written"
        self.refused(self.desk.refusal(unwritten.client_order_id, unwritten.action, why))

    def _return(self, command: PlaceOrder, why: str) -> None:
        """Give an approval back unused."""
        self.unused.append(command.client_order_id)
        self.desk.tell_watcher(self.desk.refusal(command.client_order_id, "place", why))
        self.changed()

    def _return_amendment(self, command: AmendOrder, why: str) -> None:
        """Give an approval back unused; the order itself goes on as it is."""
        self.unmoved.append(command.client_order_id)
        self.desk.tell_watcher(self.desk.refusal(command.client_order_id, "amend", why))
        self.changed()

    def _lane(self, command: PlaceOrder) -> str:
        key, groups = self.desk.key, self.desk.settings.groups
        if command.closing and command.purpose is Purpose.CLOSE:
            return names.closes_lane(key, groups)
        if command.closing and command.purpose is Purpose.PROTECT:
            return names.urgent_lane(key, groups)
        return names.orders_lane(key, groups)

    def take_back(self, client_order_id: str) -> bool:
        """Cancel an order, at once or as soon as it is known to be at the venue."""
        order = self.desk.book.live.get(client_order_id)
        if order is None or order.cancel_requested:
            return False
        self.desk.book.ask_cancel(client_order_id)
        if order.state.at_venue:
            self._send_cancel(order)
        return True

    def _send_cancel(self, order: Order) -> None:
        desk = self.desk
        self.cancels += not order.command.closing
        command = CancelOrder(desk.key, order.id, order.command.type.conditional)
        record = desk.record(CancelIntended(command), order.id)
        lane = names.cancels_lane(desk.key.venue)
        desk.actor.tell(names.JOURNAL, Write((record,), ((lane, command),)))
        self.questions.inquire(order.id, desk.settings.answer_within_ns)

    def said(self, said: OrderUpdated) -> None:
        """Hear the venue's word on an order."""
        if self.take(said):
            self.changed()

    def filled(self, fill: Fill) -> None:
        """Hear of a fill."""
        if self.fold(fill):
            self.changed()

    def look_for_lost(self, orders: Iterable[OrderUpdated]) -> None:
        """Find orders of ours, at a start, that the journal does not know: it has lost its end.

        The ids behind the last one that it knows may be used already, then.
        """
        desk, book = self.desk, self.desk.book
        ids = [said.client_order_id for said in orders]
        ours = [each for each in ids if is_ours(each, desk.settings.host, desk.key.symbol)]
        lost = [each for each in ours if book.find(each) is None]
        if desk.synced or not lost:
            return
        if not book.sequences:
            what = f"the venue has {len(lost)} orders of ours and the journal knows of none"
            mend = "it was lost (docs/journal.md, Mending), or another host has this host_name"
            desk.log("error", f"{what}: {mend}")
        book.sequences.skip(lost, desk.actor.now_ns())

    def take(self, said: OrderUpdated, *, final: bool = False) -> bool:
        """Fold the venue's word on an order in: journal first. Tell whether it was news.

        A `final` word, read to compare, stands even where our table does not allow it.
        Errors: `IllegalTransition` for any other.
        """
        desk = self.desk
        before = desk.book.find(said.client_order_id)
        if before is None:
            what = f"{said.side.value} {text(said.quantity)} {said.type.value}"
            ended = said.status not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
            self.strangers.heard(said.client_order_id, what, ended=ended)
        try:
            news = desk.book.would_change(said)
        except IllegalTransition:
            if desk.synced and not final:
                raise
            desk.log("warning", f"the venue's word stands: {said.status}", said.client_order_id)
            desk.journal(said, said.client_order_id)
            desk.book.force(said)
            return True
        if not news:
            return False
        desk.journal(said, said.client_order_id)
        order = desk.book.said(said)
        if order is None:
            return True
        self.questions.heard(order)
        if before is not None and order.state.ended and not before.state.ended:
            self._ended(order)
        if before is None or before.state is not order.state:
            level = "info" if not order.state.ended or not said.reason else "warning"
            reason = f" ({said.reason})" if said.reason else ""
            desk.log(level, f"{order.state.value}{reason} {words(order)}", order.id)
        submitted = before is not None and before.state in (State.SUBMITTING, State.UNKNOWN)
        if order.cancel_requested and order.state.at_venue and submitted:
            self._send_cancel(order)
        return True

    def vanished(self, order: Order, as_of_ns: int) -> bool:
        """End an order that was open and of which the venue, asked again and again, knows no more.

        `as_of_ns` is the venue's time of the last question. Tell whether that was news.
        """
        command = order.command
        ended = OrderUpdated(
            command.key,
            order.id,
            order.order_id,
            command.side,
            command.position_side,
            command.type,
            OrderStatus.CANCELLED,
            order.price,
            order.quantity,
            order.filled,
            max(as_of_ns, order.terms_ns),
            command.trigger_price or ZERO,
            command.reduce_only,
            reason="unknown to the venue",
        )
        return self.take(ended)

    def _ended(self, order: Order) -> None:
        if order.command.purpose is Purpose.PROTECT:
            self.protection.ended(order, self.desk.actor.monotonic_ns())

    def fold(self, fill: Fill) -> bool:
        """Fold a fill in: journal first. Tell whether it was new."""
        desk = self.desk
        if desk.book.positions.seen.knows(fill):
            return False
        desk.journal(fill, fill.client_order_id)
        if desk.book.find(fill.client_order_id) is None:
            what = f"{fill.side.value} {text(fill.quantity)} filled at {text(fill.price)}"
            self.strangers.heard(fill.client_order_id, what, ended=True)
        desk.book.fill(fill)
        if fill.client_order_id in desk.book.nameless:
            self.questions.inquire(fill.client_order_id, 0)
        held = desk.book.positions.of(fill.position_side)
        desk.log(
            "info",
            f"filled {fill.side.value} {text(fill.quantity)} at {text(fill.price)}, "
            f"{fill.position_side.value} position {text(held.quantity)}",
            fill.client_order_id,
        )
        return True

    def refused(self, refused: OrderRefused) -> None:
        """Hear that an order, an amendment or a cancellation did not get to the venue."""
        desk = self.desk
        order = desk.book.live.get(refused.client_order_id)
        if order is None:
            return
        if refused.action == "place":
            desk.journal(refused, order.id)
            if order.state in (State.SUBMITTING, State.UNKNOWN):
                now_ns = desk.actor.now_ns()
                desk.book.note(order.id, Event.REJECTED, now_ns, refused.error.message)
                self.questions.over(order.id)
            self.protection.refused(order, refused.error, desk.actor.monotonic_ns())
            desk.tell_watcher(refused)
        elif refused.action == "amend":
            desk.book.settle_amend(order.id)
            desk.tell_watcher(refused)
            self.questions.inquire(order.id, desk.settings.first_query_ns)
        else:
            # Refused cancels mostly mean that the order ended a moment ago: ask, then see.
            self.questions.inquire(order.id, desk.settings.first_query_ns)
        self.changed()

    def unknown(self, unknown: OrderOutcomeUnknown) -> None:
        """Hear that nobody knows whether something happened: ask."""
        desk = self.desk
        desk.journal(unknown, unknown.client_order_id)
        if unknown.client_order_id in desk.book.live:
            if unknown.action == "place":
                now_ns = desk.actor.now_ns()
                desk.book.note(unknown.client_order_id, Event.OUTCOME_UNKNOWN, now_ns)
            self.questions.inquire(unknown.client_order_id, desk.settings.first_query_ns)
        self.changed()

    def read(self, read: OrderRead) -> None:
        """Take in what the venue answered to a question for one order."""
        book, questions = self.desk.book, self.questions
        changed = False
        for fill in read.fills:
            changed |= self.fold(fill)
        order = book.live.get(read.client_order_id)
        if order is None:
            changed |= read.found is not None and self.take(read.found)
            known = book.find(read.client_order_id) is not None
            if known and read.client_order_id not in book.owing:
                questions.answered(read.client_order_id)
        elif read.found is not None:
            changed |= self.take(evolve(read.found, amended=True))
            self.protection.shown((order.id,), read.asked_ns)
            changed |= questions.found(order.id, read)
            after = book.live.get(order.id)
            if after is not None and after.cancel_requested and after.state.at_venue:
                self._send_cancel(after)
        elif order.state in (State.SUBMITTING, State.UNKNOWN):
            changed |= questions.missed(order, read)
        else:
            changed |= self.protection.doubt(order.id)
        if changed:
            self.changed()
