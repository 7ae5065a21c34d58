"""One symbol's orders of unknown outcome: when to ask the venue, and what proves them gone."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from actors.desk import STOP_BOT, Desk
from actors.messages.journal import WrittenLate
from actors.messages.lanes import OrderRead, ReadOrder
from core.errors import VenueError
from core.ids import parse
from core.late import take_in_late
from core.orders import Event, Order, State
from core.records import OrderGone

__all__ = ["Questions"]

_INSTANT_NS = 1_000_000_000
"""The venue dates what it does to the millisecond; far beyond what an answer takes."""


@define(eq=False)
class Questions:
    """Asks for single orders until the venue has told how they stand; `look_soon` wakes the actor.

    All times are of the monotonic clock, in nanoseconds: `due` holds when to ask for an order next
    and the pause before that, `sent_ns` when an order was handed on in this incarnation, `moved_ns`
    when its last amendment was; for those of an earlier one `began_ns` counts.
    """

    desk: Desk
    look_soon: Callable[[], None]
    began_ns: int = 0
    due: dict[str, tuple[int, int]] = field(factory=dict)
    sent_ns: dict[str, int] = field(factory=dict)
    moved_ns: dict[str, int] = field(factory=dict)
    _alerted: set[str] = field(factory=set, init=False)
    _unremembered: dict[str, bool] = field(factory=dict, init=False)

    def sent(self, client_order_id: str) -> None:
        """Hear that an order leaves now."""
        self.sent_ns[client_order_id] = self.desk.actor.monotonic_ns()

    def moved(self, client_order_id: str) -> None:
        """Hear that an amendment leaves now."""
        self.moved_ns[client_order_id] = self.desk.actor.monotonic_ns()

    def just_moved(self, client_order_id: str) -> bool:
        """Tell whether the venue may date the next amendment as it did the last one."""
        at_ns = self.moved_ns.get(client_order_id, self.began_ns)
        return self.desk.actor.monotonic_ns() - at_ns < _INSTANT_NS

    def inquire(self, client_order_id: str, pause_ns: int) -> None:
        """Ask for an order after a pause, and again and again until it is settled."""
        self.due[client_order_id] = (self.desk.actor.monotonic_ns() + pause_ns, pause_ns)
        self.look_soon()

    def heard(self, order: Order) -> None:
        """Hear that the venue told news of an order: ask on, or no more."""
        if order.id in self.desk.book.owing:
            self.inquire(order.id, self.desk.settings.first_query_ns)
        elif order.state.ended or not (order.cancel_requested or order.amending):
            self.answered(order.id)
        if order.state.ended:
            self.over(order.id)
        self._alerted.discard(order.id)

    def written_late(self, written: WrittenLate) -> None:
        """Ask for orders of an earlier incarnation that we could not read of."""
        late = take_in_late(self.desk.book, written.records, self.desk.actor.now_ns())
        for client_order_id in late:
            self.desk.log("warning", "its intent waited for the disk: asking", client_order_id)
            self.inquire(client_order_id, 0)

    def answered(self, client_order_id: str) -> None:
        """Ask no more."""
        self.due.pop(client_order_id, None)

    def over(self, client_order_id: str) -> None:
        """Forget when an order left: its life is over."""
        self.sent_ns.pop(client_order_id, None)
        self.moved_ns.pop(client_order_id, None)

    def look(self) -> None:
        """Ask what is due; raise the alarm for what stays unknown for too long."""
        desk, settings = self.desk, self.desk.settings
        now_ns = desk.actor.monotonic_ns()
        for client_order_id in [each for each in desk.book.nameless if each not in self.due]:
            self.inquire(client_order_id, 0)
        for order in list(desk.book.live.values()):
            waits = order.state in (State.SUBMITTING, State.UNKNOWN)
            age_ns = now_ns - self.sent_ns.get(order.id, self.began_ns)
            overdue = order.id not in self.sent_ns or age_ns > settings.answer_within_ns
            if order.id not in self.due and waits and overdue:
                self.inquire(order.id, 0)
            late = age_ns > settings.alert_after_ns and order.id not in self._alerted
            if waits and late:
                self._alerted.add(order.id)
                desk.log("error", f"outcome unknown for {age_ns / 1e9:.0f} s", order.id)
        for client_order_id, (due_ns, pause_ns) in list(self.due.items()):
            if due_ns <= now_ns:
                known = desk.book.find(client_order_id)
                owing = client_order_id in desk.book.owing
                if known is not None and known.state.ended and not owing:
                    del self.due[client_order_id]
                    continue
                longer_ns = max(pause_ns * 2, settings.first_query_ns)
                longer_ns = min(longer_ns, settings.longest_query_ns)
                wait_ns = int(longer_ns * (0.75 + desk.actor.random.random() / 2))
                self.due[client_order_id] = (now_ns + wait_ns, longer_ns)
                conditional = self._conditional(client_order_id, known)
                desk.read(ReadOrder(desk.key, client_order_id, conditional, desk.actor.name))

    def failed(self, client_order_id: str, error: VenueError) -> None:
        """Hear that the venue could not be asked: not again before it may be."""
        self.desk.log("warning", f"asking for it: {error}", client_order_id)
        if client_order_id in self.due:
            due_ns, pause_ns = self.due[client_order_id]
            allowed_ns = self.desk.actor.monotonic_ns() + error.retry_after_ns
            self.due[client_order_id] = (max(due_ns, allowed_ns), pause_ns)

    def _conditional(self, client_order_id: str, known: Order | None) -> bool:
        """Tell which service of the venue to ask; for an order nobody remembers, each in turn."""
        if known is not None:
            return known.command.type.conditional
        made = parse(client_order_id)
        asked_before = self._unremembered.get(client_order_id, False)
        self._unremembered[client_order_id] = not asked_before
        return (made is not None and made.bot == STOP_BOT) is not asked_before

    def found(self, client_order_id: str, read: OrderRead) -> bool:
        """Hear how an order stands, once that is folded in; tell whether an amendment is settled.

        One that it does not show counts as on its way until none could arrive any more.
        """
        order = self.desk.book.live.get(client_order_id)
        if order is None or order.amending is None:
            self.answered(client_order_id)
            return False
        proof, left_ns = self.desk.settings.proof, self.moved_ns.get(client_order_id, self.began_ns)
        if not proof.counts(read.asked_ns - left_ns):
            counts_ns, pause_ns = left_ns + proof.closed_after_ns, self.desk.settings.first_query_ns
            due_ns, pause_ns = self.due.get(client_order_id, (counts_ns, pause_ns))
            self.due[client_order_id] = (min(due_ns, counts_ns), pause_ns)
            return False
        self.answered(client_order_id)
        self.desk.book.settle_amend(client_order_id)
        return True

    def missed(self, order: Order, read: OrderRead) -> bool:
        """Count one "not found"; tell whether that proved the order gone, see core.evidence."""
        desk, proof = self.desk, self.desk.settings.proof
        # What an earlier incarnation sent was approved before this one began.
        if not proof.counts(read.asked_ns - self.sent_ns.get(order.id, self.began_ns)):
            return False
        if desk.book.missed(order.id) < proof.misses_needed:
            return False
        evidence = (
            f"not found {proof.misses_needed} times after the last instant at which the venue "
            f"could have accepted it"
        )
        if order.state is State.SUBMITTING:
            desk.book.note(order.id, Event.OUTCOME_UNKNOWN, desk.actor.now_ns())
        desk.journal(OrderGone(desk.key, order.id, evidence), order.id)
        desk.book.note(order.id, Event.PROVEN_GONE, desk.actor.now_ns(), evidence)
        self.answered(order.id)
        self.over(order.id)
        desk.log("warning", f"never reached the venue: {evidence}", order.id)
        return True
