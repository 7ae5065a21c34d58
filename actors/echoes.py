"""What the account stream owes us of one symbol's orders, and when its silence is doubt."""

from __future__ import annotations

from attrs import define, field

from actors import names
from actors.desk import Desk
from actors.messages.lanes import StreamDoubted
from actors.questions import Questions
from core.messages import OrderType, OrderUpdated, Quote, Side
from core.orders import Order

__all__ = ["Echoes"]

_ECHO_NS = 3_000_000_000
"""The venue tells an order's news within 0.1 s; a stream 3 s behind is of no more use than none."""

_APART_NS = 900_000_000


@define(eq=False)
class Echoes:
    """Doubts an account stream that is open and tells nothing of us: its owner connects anew.

    What the venue acknowledged by REST has to come by the stream too, and an order of ours cannot
    rest where the market trades through it. Monotonic nanoseconds: `up_ns` since when the stream is
    up, `_awaited` when something was acknowledged that the stream has not told yet.
    """

    desk: Desk
    questions: Questions
    up_ns: int = 0
    _told: dict[str, OrderUpdated] = field(factory=dict, init=False)
    _awaited: dict[str, tuple[int, OrderUpdated]] = field(factory=dict, init=False)
    _passed: dict[str, tuple[int, Order]] = field(factory=dict, init=False)

    def begin(self) -> None:
        """Begin anew: what was on its way while nobody listened is told to nobody."""
        self.up_ns = self.desk.actor.monotonic_ns()
        self._told.clear()
        self._awaited.clear()
        self._passed.clear()

    def told(self, said: OrderUpdated) -> None:
        """Hear the stream's word on an order."""
        name = said.client_order_id
        if name in self.desk.book.live:
            self._told[name] = said
        waits = self._awaited.get(name)
        if waits is not None and _covers(said, waits[1]):
            del self._awaited[name]

    def acknowledged(self, said: OrderUpdated) -> None:
        """Hear what the venue answered, before it is folded in: the stream has to tell it too."""
        name, now_ns = said.client_order_id, self.desk.actor.monotonic_ns()
        if name not in self.desk.book.live or now_ns - self.up_ns < _ECHO_NS:
            return
        told = self._told.get(name)
        if told is None or not _covers(told, said):
            self._awaited[name] = (now_ns, said)

    def quoted(self, quote: Quote) -> None:
        """Look for orders that rest where they cannot: the market was beyond them twice."""
        now_ns, passed = self.desk.actor.monotonic_ns(), {}
        for order in self.desk.book.live.values():
            if not order.state.at_venue or order.command.type is not OrderType.LIMIT:
                continue
            buys = order.command.side is Side.BUY
            if not (quote.ask < order.price if buys else quote.bid > order.price):
                continue
            since_ns, before = self._passed.get(order.id, (now_ns, order))
            if (before.price, before.filled) != (order.price, order.filled):
                since_ns, before = now_ns, order
            passed[order.id] = (since_ns, before)
            if now_ns - since_ns >= _APART_NS:
                self._doubt(f"the market traded through {order.id} and no fill was told")
                self.questions.inquire(order.id, 0)
                passed[order.id] = (now_ns, order)
        self._passed = passed

    def look(self) -> None:
        """Doubt the stream where it keeps back what the venue acknowledged."""
        live = self.desk.book.live
        for name in self._told.keys() - live.keys():
            del self._told[name]
        if not self._awaited:
            return
        overdue_ns = self.desk.actor.monotonic_ns() - _ECHO_NS
        late = [name for name, (at_ns, _) in self._awaited.items() if at_ns <= overdue_ns]
        for name in late:
            del self._awaited[name]
        if late and self.desk.stream_up:
            self._doubt(f"nothing told of {late[0]} for {_ECHO_NS // 1_000_000_000} s")

    def _doubt(self, reason: str) -> None:
        stream = names.stream(self.desk.key.venue, "account")
        self.desk.actor.tell(stream, StreamDoubted(reason))


def _covers(told: OrderUpdated, answered: OrderUpdated) -> bool:
    """Tell whether the stream's word on an order is at least as new as the venue's answer."""
    if told.status.open and not answered.status.open:
        return False
    if answered.amended and told.status.open:
        return (told.price, told.quantity) == (answered.price, answered.quantity)
    return True
