"""One symbol's entries taken back: in a halt, and at a shutdown until none can come back."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from actors.deadman import DeadMan
from actors.desk import Desk, words
from actors.messages.operations import Tick
from actors.messages.risk import CancelEntries, EntriesCancelled
from actors.orders import Orders
from actors.protection import Protection
from core.orders import State

__all__ = ["Closing"]

_LOOK_NS = 100_000_000


@define(eq=False)
class Closing:
    """Cancels what may open something; `changed` tells everybody.

    `asked_by` waits to hear that nothing is left whose answer would come too late.
    """

    desk: Desk
    orders: Orders
    protection: Protection
    dead_man: DeadMan
    changed: Callable[[], None]
    asked_by: str = field(default="", init=False)

    def cancel(self, order: CancelEntries) -> None:
        """Cancel the entries; before the first comparison with the venue only for a shutdown."""
        if not order.reply_to and not self.desk.compared:
            return
        took = [
            self.orders.take_back(live.id)
            for live in list(self.desk.book.live.values())
            if not live.command.closing
        ]
        if any(took):
            self.changed()
        if order.reply_to:
            if not self.asked_by:
                self.desk.actor.every(_LOOK_NS, Tick("closing"))
            self.asked_by = order.reply_to
            self.answer()

    def answer(self) -> None:
        """Say that the entries are gone once nothing is left whose answer would come too late."""
        book = self.desk.book
        left = any(
            not order.command.closing
            or order.state in (State.SUBMITTING, State.UNKNOWN)
            or order.amending
            or order.cancel_requested
            for order in book.live.values()
        )
        if self.asked_by and not (left or book.owing or self.protection.under_way()):
            self.dead_man.end()
            self.desk.actor.tell(self.asked_by, EntriesCancelled(self.desk.key))
            self.asked_by = ""

    def name_the_rest(self) -> None:
        """Log what is left: risk only knows which symbol did not answer; a person needs the ids."""
        for order in self.desk.book.live.values() if self.asked_by else ():
            if order.state in (State.SUBMITTING, State.UNKNOWN) or not order.command.closing:
                self.desk.log("error", f"left behind, {words(order)}", order.id)
