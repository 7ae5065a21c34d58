"""One symbol's orders of unknown outcome: when to ask the venue, and what proves them gone."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from actors.desk import STOP_BOT, Desk
from actors.messages import OrderRead, ReadOrder
from core.ids import parse
from core.orders import Event, Order, State
from core.records import OrderGone

__all__ = ["Questions"]


@define(eq=False)
class Questions:
    """Asks for single orders until the venue has told how they stand; `look_soon` wakes the actor.

    All times are of the monotonic clock, in nanoseconds: `due` holds when to ask for an order next
    and the pause before that, `sent_ns` when an order was handed on in this incarnation; for those
    of an earlier one `began_ns` counts.
    """

    desk: Desk
    look_soon: Callable[[], None]
    began_ns: int = 0
    due: dict[str, tuple[int, int]] = field(factory=dict)
    sent_ns: dict[str, int] = field(factory=dict)
    _left: set[str] = field(factory=set, init=False)
    _alerted: set[str] = field(factory=set, init=False)
    _unremembered: dict[str, bool] = field(factory=dict, init=False)

    def sent(self, client_order_id: str) -> None:
        """Hear that an order leaves now."""
        self.sent_ns[client_order_id] = self.desk.actor.monotonic_ns()

    def left(self, client_order_id: str) -> None:
        """Hear that an order's lane is done with it: it will not leave any more."""
        self._left.add(client_order_id)

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

    def answered(self, client_order_id: str) -> None:
        """Ask no more."""
        self.due.pop(client_order_id, None)

    def over(self, client_order_id: str) -> None:
        """Forget when an order left: its life is over."""
        self.sent_ns.pop(client_order_id, None)
        self._left.discard(client_order_id)

    def look(self) -> None:
        """Ask what is due; raise the alarm for what stays unknown for too long."""
        desk, settings = self.desk, self.desk.settings
        now_ns = desk.actor.monotonic_ns()
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
                self.due[client_order_id] = (now_ns + longer_ns, longer_ns)
                conditional = self._conditional(client_order_id, known)
                desk.read(ReadOrder(desk.key, client_order_id, conditional, desk.actor.name))

    def _conditional(self, client_order_id: str, known: Order | None) -> bool:
        """Tell which service of the venue to ask; for an order nobody remembers, each in turn."""
        if known is not None:
            return known.command.type.conditional
        made = parse(client_order_id)
        asked_before = self._unremembered.get(client_order_id, False)
        self._unremembered[client_order_id] = not asked_before
        return (made is not None and made.bot == STOP_BOT) is not asked_before

    def missed(self, order: Order, read: OrderRead) -> bool:
        """Count one "not found"; tell whether that proved the order gone, see core.evidence."""
        desk, proof = self.desk, self.desk.settings.proof
        known_for_ns = read.asked_monotonic_ns - self.sent_ns.get(order.id, self.began_ns)
        # What may still wait in a lane is held back by its age on the wall clock: that counts too.
        gone = order.id in self._left
        if not proof.counts(known_for_ns, known_for_ns if gone else read.asked_ns - order.at_ns):
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
