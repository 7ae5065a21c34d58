"""Whether host and exchange know the same, within the lag that is allowed, and the journal too."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from actors import names
from actors.journal import JournalActor
from actors.position import PositionActor
from core.ids import is_ours
from core.messages import Key
from core.orders import Order
from core.records import AmendIntended, BooksOpened, OrderIntended
from core.remembered import remember
from core.symbol_book import SymbolBook
from tests.sim.house import House
from tests.sim.world import SECOND_NS, Sent

__all__ = ["Agreement"]


@define(eq=False)
class Agreement:
    """Compares what the host believes with what the exchange has, and with its own journal.

    A difference is allowed for `lag_ns`, counted from when it appeared or from when the venue, the
    wire or a part of the host last was in trouble, whichever is later. No difference is allowed in
    the first place where the host made it up: an order or a fill that never was.
    """

    house: House
    lag_ns: int = field(init=False)
    since_ns: dict[tuple[str, str, str], int] = field(factory=dict)
    troubled_ns: int = 0
    fills_seen: Counter[str] = field(factory=Counter)
    intended: set[str] = field(factory=set)
    records_seen: int = 0
    unintended: list[str] = field(factory=list)
    done: Counter[str] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.lag_ns = int(2 * self.house.config.market.reconcile_every_s + 15) * SECOND_NS
        self.house.world.door.append(self.at_the_door)

    def at_the_door(self, sent: Sent) -> None:
        """Hold an order that arrives against the journal: its intent was written before."""
        order, journal = sent.order, self.house.journal
        for record in journal.records[self.records_seen :]:
            if isinstance(record.payload, OrderIntended | AmendIntended):
                self.intended.add(record.client_order_id)
        self.records_seen = len(journal.records)
        # What shrinks a position leaves although the disk is full.
        if order.client_order_id not in self.intended and not (order.closing and journal.failures):
            self.unintended.append(order.client_order_id)

    def look(self) -> list[str]:
        """Compare; return what is wrong."""
        house = self.house
        now_ns = house.world.venue_ns()
        if self._troubled():
            self.troubled_ns = now_ns
        different = {
            difference for key in house.world.keys for difference in self._differences(key)
        }
        self.since_ns = {each: self.since_ns.get(each, now_ns) for each in sorted(different)}
        return [f"{name} arrived before its intent was written" for name in self.unintended] + [
            f"{symbol}: {what} {which} for {(now_ns - since_ns) / SECOND_NS:.1f} s"
            for (symbol, what, which), since_ns in self.since_ns.items()
            if now_ns - max(since_ns, self.troubled_ns) > self.lag_ns
        ]

    def _troubled(self) -> bool:
        """Tell whether somebody cannot hear, speak or act just now."""
        world, runtime = self.house.world, self.house.runtime
        faults = world.faults
        return bool(
            faults.unreachable
            or any(faults.rates.values())
            or faults.frame_loss
            or faults.frame_delay
            or self.house.journal.broken
            or world.streams_down
            or runtime.hung()
            or any(seat.state != "running" for seat in runtime.seats.values())
        )

    def _differences(self, key: Key) -> list[tuple[str, str, str]]:
        position = self._position(key)
        if position is None or not position.desk.compared:
            return []
        self.done["compared"] += 1
        exchange, book = self.house.world.exchange, position.book
        plain = {order.client_order_id for order in exchange.open_orders(key.symbol)}
        waiting = {order.client_order_id for order in exchange.open_conditionals(key.symbol)}
        there = plain | waiting
        believed = {order.id for order in book.live.values() if order.state.at_venue}
        host = self.house.config.host_name
        unknown = {name for name in there - book.live.keys() if is_ours(name, host, key.symbol)}
        found = [(key.symbol, "the host believes in", name) for name in believed - there]
        found += [(key.symbol, "the host does not know", name) for name in unknown]
        found += [(key.symbol, "the host lacks fill", number) for number in self._lacks(key, book)]
        return found

    def _lacks(self, key: Key, book: SymbolBook) -> list[str]:
        """Return the newest fills that the host has not folded; older ones were once all there."""
        begin = self.fills_seen[key.symbol]
        trades = self.house.world.exchange.trades(key.symbol)[begin:]
        seen = book.positions.seen
        lacking = [trade.fill.fill_id for trade in trades if not seen.knows(trade.fill)]
        if not lacking:
            self.fills_seen[key.symbol] += len(trades)
        return lacking

    def _position(self, key: Key) -> PositionActor | None:
        context = self.house.runtime.seats[names.position(key)].context
        actor = context.actor if context else None
        return actor if isinstance(actor, PositionActor) else None

    # The journal

    def fold(self) -> None:
        """Fold the journal anew: it must give what the running parts hold."""
        if self._journal_is_behind():
            return
        self.fills_seen.clear()  # whoever starts from it must know them all again
        for key in self.house.world.keys:
            position = self._position(key)
            if position is not None and position.replaying is None and position.desk.compared:
                self._fold_symbol(key, position.book)
        risk = self.house.runtime.seats[names.RISK].context
        if risk is not None and risk.actor is not None and not risk.mailbox.queue:
            self._fold_risk()

    def _journal_is_behind(self) -> bool:
        runtime, journal = self.house.runtime, self.house.journal
        seat = runtime.seats[names.JOURNAL]
        actor = seat.context.actor if seat.context else None
        written = isinstance(actor, JournalActor) and not actor.unwritten
        return (
            bool(journal.broken) or not written or bool(seat.mailbox.queue) or bool(runtime.hung())
        )

    def _fold_symbol(self, key: Key, book: SymbolBook) -> None:
        journal = self.house.journal
        anew = SymbolBook(key, self.house.config.host_name, book.positions.multiplier)
        anew.take_in(journal.read(kinds=(BooksOpened,)))
        anew.take_in(journal.read(key=key))
        assert list(anew.positions) == list(book.positions), f"{key}: positions differ"
        anew.positions.seen.forget(book.positions.seen.since_ns)
        assert anew.positions.seen == book.positions.seen, f"{key}: fills differ"
        assert anew.funding == book.funding, f"{key}: funding differs"
        assert anew.tightened == book.tightened, f"{key}: tightened stops differ"
        mine = {order.id: _said(order) for order in anew.live.values()}
        its = {order.id: _said(order) for order in book.live.values()}
        assert mine == its, f"{key}: orders differ\nfolded {mine}\nheld   {its}"
        self.done["folded"] += 1

    def _fold_risk(self) -> None:
        before, actor = remember(self.house.journal), self.house.risk()
        assert before.halt == actor.risk.halt, f"halt is {actor.risk.halt}, folded {before.halt}"
        throttles = {symbol: part for symbol, part in before.throttles.items() if part != 100}
        assert throttles == dict(actor.scaling.set_throttles()), "throttles differ"
        self.done["folded risk"] += 1


def _said(order: Order) -> tuple[object, ...]:
    return order.command, order.price, order.quantity, order.filled, order.state.at_venue
