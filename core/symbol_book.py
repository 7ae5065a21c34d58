"""One symbol's orders and positions, as its single writer keeps them; pure, mutable, one owner."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import evolve

from core.bareness import Bareness
from core.errors import IllegalTransition
from core.ids import is_ours
from core.messages import (
    AmendOrder,
    Fill,
    FundingPaid,
    Key,
    OrderRefused,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Purpose,
)
from core.money import ZERO
from core.orders import Event, Order, State, adopt, advance, guess, intend, update
from core.ports import Record
from core.positions import PositionBook
from core.records import (
    AmendIntended,
    BooksOpened,
    OrderGone,
    OrderIntended,
    Reconciled,
    StopTightened,
    SymbolOpened,
)
from core.risk.exposure import Working
from core.sequences import Sequences
from core.strategies.intents import View

__all__ = ["FOLDED", "SymbolBook"]

FOLDED: tuple[type, ...] = (
    AmendIntended,
    Fill,
    FundingPaid,
    OrderGone,
    OrderIntended,
    OrderRefused,
    OrderUpdated,
    Reconciled,
    StopTightened,
    SymbolOpened,
)
"""The payloads of its symbol that a book is made of; a reader may leave the rest on disk."""
_REMEMBERED = 2_000
_NAMELESS_NS = 86_400_000_000_000


class SymbolBook:
    """Orders that have not ended, those that ended lately, positions, and which ids are taken.

    `foreign` holds the last word on orders that another program made. These and orders that ended
    are remembered for late news, the oldest forgotten first. `verified_ns` is the instant up to
    which the journal is known to hold every fill (0 for none). `tightened` holds the nearest
    trigger that a side's stop was brought to, until the side is flat; `bareness` since when which
    side has too small a stop; `terms` what the journal says of the symbol. `nameless` are orders
    of ours that are known by a fill alone, each with its time: a disk was full.
    """

    def __init__(self, key: Key, host: str, multiplier: Decimal = Decimal(1)) -> None:
        self.key = key
        self.host = host
        self.positions = PositionBook(multiplier)
        self.live: dict[str, Order] = {}
        self.ended: dict[str, Order] = {}
        self.foreign: dict[str, OrderUpdated] = {}
        self.sequences = Sequences()
        self.funding: dict[str, Decimal] = {}
        self.last_fill_ns = 0
        self.opened_ns = 0
        self.verified_ns = 0
        self._doubted_ns = 0
        self.tightened: dict[PositionSide, Decimal] = {}
        self.bareness = Bareness()
        self.nameless: dict[str, int] = {}
        self.terms: SymbolOpened | None = None
        self._ended_since: list[str] = []
        self._folded: dict[str, Decimal] = {}
        self._owing: set[str] = set()
        self._workings: dict[str, tuple[Order, Working]] = {}

    def find(self, client_order_id: str) -> Order | None:
        """Return one of our orders, ended or not."""
        return self.live.get(client_order_id) or self.ended.get(client_order_id)

    def intend(self, command: PlaceOrder, now_ns: int) -> Order:
        """Open an order's life. Errors: `IllegalTransition` when the id was used before."""
        known = self.find(command.client_order_id)
        if known is not None or self.sequences.taken(command.client_order_id):
            state = known.state.value if known else "forgotten"
            raise IllegalTransition(command.client_order_id, state, "a second placement")
        order = intend(command, now_ns)
        self._keep(order)
        return order

    def next_sequence(self, bot: str) -> int:
        """Return the first sequence number that this bot has not used on this symbol."""
        return self.sequences.next(bot)

    def ask_amend(self, command: AmendOrder) -> None:
        """Note an amendment on its way; until it is settled the larger quantity counts."""
        order = self.live[command.client_order_id]
        self.live[order.id] = evolve(order, amending=command)

    def settle_amend(self, client_order_id: str) -> None:
        """Note that an amendment was refused."""
        order = self.live.get(client_order_id)
        if order:
            self.live[order.id] = evolve(order, amending=None)

    def ask_cancel(self, client_order_id: str, *, wanted: bool = True) -> None:
        """Note a cancellation on its way, or that it was refused."""
        order = self.live.get(client_order_id)
        if order:
            self.live[order.id] = evolve(order, cancel_requested=wanted)

    def note(self, client_order_id: str, event: Event, now_ns: int, reason: str = "") -> Order:
        """Move one order along the table. Errors: `IllegalTransition`, `KeyError`."""
        order = self.find(client_order_id)
        if order is None:
            raise KeyError(client_order_id)
        after = advance(order, event, now_ns, reason)
        self._keep(after)
        return after

    def missed(self, client_order_id: str) -> int:
        """Count one more "not found" for an order of unknown outcome; return the count."""
        order = self.live[client_order_id]
        self.live[client_order_id] = evolve(order, tries=order.tries + 1)
        return order.tries + 1

    def would_change(self, said: OrderUpdated) -> bool:
        """Tell whether the venue's word is news. Errors: `IllegalTransition`."""
        order = self.find(said.client_order_id)
        if order is None:
            return self.foreign.get(said.client_order_id) != said
        return update(order, said) != order

    def said(self, said: OrderUpdated) -> Order | None:
        """Take the venue's word in; None for another program's order.

        An order under one of our ids that we do not know is taken over.
        Errors: `IllegalTransition`.
        """
        order = self.find(said.client_order_id)
        if order is None:
            if not is_ours(said.client_order_id, self.host, self.key.symbol):
                self.foreign[said.client_order_id] = said
                self._forget_foreign()
                return None
            self.sequences.turned_up(said.client_order_id)
            after = adopt(guess(said), said)
        else:
            after = update(order, said)
        self._keep(after)
        return after

    def force(self, said: OrderUpdated) -> None:
        """Let the venue's word stand against ours: it is right (reconciliation only)."""
        known = self.find(said.client_order_id)
        if known is None:
            self.said(said)
            return
        self.live.pop(known.id, None)
        self.ended.pop(known.id, None)
        self._keep(adopt(known.command, said))

    def fill(self, fill: Fill) -> Decimal | None:
        """Fold a fill in; return the PnL it realised, None when it was known.

        Fills up to the opening of the books are contained in what was opened with.
        """
        before = self.positions.of(fill.position_side).quantity
        realised = self.positions.apply(fill)
        if realised is not None:
            if before * self.positions.of(fill.position_side).quantity <= 0:
                self.tightened.pop(fill.position_side, None)
            self._cover(fill.position_side, fill.time_ns)
            self.last_fill_ns = max(self.last_fill_ns, fill.time_ns)
            if is_ours(fill.client_order_id, self.host, self.key.symbol):
                self.sequences.turned_up(fill.client_order_id)
                if self.find(fill.client_order_id) is None:
                    self.nameless[fill.client_order_id] = fill.time_ns
            order = self.find(fill.client_order_id)
            if order is not None:
                folded = self._folded.get(order.id, ZERO) + fill.quantity
                self._folded[order.id] = folded
                self._note_owing(order)
        return realised

    @property
    def owing(self) -> frozenset[str]:
        """Return the orders of which the venue said that more filled than the fills we have."""
        return frozenset(self._owing)

    def compared(self, as_of_ns: int, since_ns: int = 0) -> None:
        """Hear that journal and venue agreed, in the venue's time, on fills from `since_ns` on."""
        if since_ns <= self._doubted_ns:
            self._doubted_ns = 0
        self.verified_ns = max(self.verified_ns, as_of_ns)
        # The newest fill's own time too: our idea of the venue's clock may be far off.
        self.positions.seen.compared(min(as_of_ns, self.last_fill_ns))

    def doubt(self, since_ns: int) -> None:
        """Hear that a fill from this instant on may be missing, whatever was compared; 0: none."""
        if since_ns:
            since_ns = max(since_ns, self.opened_ns)
            self._doubted_ns = min(self._doubted_ns or since_ns, since_ns)

    def unproven_ns(self, overlap_ns: int) -> int:
        """Return from when on fills are to be read, so long before what is known to be whole."""
        first_ns = self.verified_ns - overlap_ns
        return max(min(first_ns, self._doubted_ns or first_ns), self.opened_ns)

    def settle_owing(self) -> None:
        """Take the filled quantities as complete: fills and positions were just compared."""
        for client_order_id in self._owing:
            order = self.find(client_order_id)
            if order is not None:
                self._folded[client_order_id] = order.filled
        self._owing.clear()

    def protective(self) -> list[Order]:
        """Return the protective stops that have not ended, oldest first."""
        return [o for o in self.live.values() if o.command.purpose is Purpose.PROTECT]

    def working(self, mark: Decimal) -> list[Working]:
        """Return what may still fill, at its worst; what filled without us too."""
        before, self._workings = self._workings, {}
        found = []
        for live in self.live.values():
            known = before.get(live.id)
            if known is None or known[0] is not live or live.id in self._owing:
                known = live, _working(live, mark, self._owed(live))
            priced = bool(live.price or live.command.trigger_price)  # else by the mark
            if priced and live.id not in self._owing:
                self._workings[live.id] = known
            found.append(known[1])
        for client_order_id in self._owing - self.live.keys():
            order = self.ended.get(client_order_id)
            if order is not None:
                found.append(_working(order, mark, self._owed(order)))
        return found

    def view(self, now_ns: int, *, reset: bool = False) -> View:
        """Return what a strategy sees, and forget which orders ended since the last."""
        ended = tuple(self._ended_since)
        self._ended_since.clear()
        return View(tuple(self.positions), tuple(self.live.values()), ended, now_ns, reset)

    def look(self, now_ns: int) -> View:
        """Return the first view of a strategy that begins; nobody else misses anything by it."""
        return View(tuple(self.positions), tuple(self.live.values()), (), now_ns, reset=True)

    def replay(self, records: Iterable[Record], now_ns: int = 0) -> None:
        """Rebuild from journal records: the opening of the books, then this symbol's own."""
        self.take_in(records)
        self.end_replay(now_ns)

    def take_in(self, records: Iterable[Record]) -> int:
        """Fold a part of the journal in; return how many records that were."""
        count = 0
        for record in records:
            count += 1
            self._replay(record)
        return count

    def end_replay(self, now_ns: int) -> None:
        """Judge what was replayed.

        An order whose outcome the journal does not hold is of unknown outcome; numbers of ids
        skip ahead (`Sequences.begin`).
        """
        young_ns = now_ns - _NAMELESS_NS
        self.nameless = {name: at_ns for name, at_ns in self.nameless.items() if at_ns > young_ns}
        for order in list(self.live.values()):
            state = State.UNKNOWN if order.state is State.SUBMITTING else order.state
            self.live[order.id] = evolve(order, state=state, amending=None)
        self._ended_since.clear()
        self.sequences.begin(now_ns)

    def _replay(self, record: Record) -> None:
        payload = record.payload
        match payload:
            case OrderIntended():
                if self.find(payload.order.client_order_id) is None:
                    self._keep(intend(payload.order, record.time_ns))
            case AmendIntended():
                if payload.order.client_order_id in self.live:
                    self.ask_amend(payload.order)
            case OrderGone():
                self._end(payload.client_order_id, State.GONE)
            case OrderRefused(action="place"):
                self._end(payload.client_order_id, State.REJECTED)
            case OrderUpdated():
                try:
                    self.said(payload)
                except IllegalTransition:
                    self.force(payload)
            case Fill():
                self.fill(payload)
            case FundingPaid():
                self.funding[payload.funding_id] = payload.amount
            case StopTightened():
                self.tightened[payload.position_side] = payload.trigger_price
            case SymbolOpened():
                self.terms = self.terms or payload
            case Reconciled() if not payload.differences:
                # In the venue's time, which the record's own may be far from.
                self.verified_ns = self.last_fill_ns
                self.positions.seen.compared(min(self.last_fill_ns, record.time_ns))
            case BooksOpened() if not self.opened_ns and payload.venue == self.key.venue:
                self._open(payload)

    def _end(self, client_order_id: str, state: State) -> None:
        order = self.live.get(client_order_id)
        if order is not None and order.state in (State.SUBMITTING, State.UNKNOWN):
            self._keep(evolve(order, state=state))

    def _open(self, opening: BooksOpened) -> None:
        self.opened_ns = self.last_fill_ns = opening.as_of_ns
        self.positions.seen.since_ns = opening.as_of_ns + 1
        for held in opening.positions:
            if held.key == self.key:
                self.positions.open(held.position_side, held.quantity, held.entry_price)
                self._cover(held.position_side, opening.as_of_ns)

    def _forget_foreign(self) -> None:
        if len(self.foreign) > _REMEMBERED:
            ended = (name for name, said in self.foreign.items() if not said.status.open)
            self.foreign.pop(next(ended, ""), None)

    def _owed(self, order: Order) -> Decimal:
        return max(order.filled - self._folded.get(order.id, ZERO), ZERO)

    def _note_owing(self, order: Order) -> None:
        if self._owed(order):
            self._owing.add(order.id)
        else:
            self._owing.discard(order.id)

    def _cover(self, side: PositionSide, at_ns: int) -> None:
        self.bareness.look(side, self.positions.of(side).quantity, self.protective(), at_ns)

    def _keep(self, order: Order) -> None:
        self._store(order)
        if order.command.purpose is Purpose.PROTECT:
            self._cover(order.command.position_side, order.at_ns)

    def _store(self, order: Order) -> None:
        self.nameless.pop(order.id, None)
        self._note_owing(order)
        if order.id not in self.live:
            self.sequences.use(order.id)
        if not order.state.ended:
            self.live[order.id] = order
            return
        self.live.pop(order.id, None)
        if order.id not in self.ended:
            self._ended_since.append(order.id)
        self.ended[order.id] = order
        if len(self.ended) > _REMEMBERED:
            forgotten = next(iter(self.ended))
            del self.ended[forgotten]
            self._folded.pop(forgotten, None)
            self._owing.discard(forgotten)


def _working(order: Order, mark: Decimal, owed: Decimal) -> Working:
    command = order.command
    price = order.price or command.trigger_price or mark
    if order.amending:
        price = max(price, order.amending.price)
    return Working(
        order.command.key,
        order.id,
        command.side,
        command.position_side,
        command.closing,
        command.type.conditional,
        order.exposed + owed,
        price if price else ZERO,
        order.filled - owed,
        command.type,
        command.purpose,
        command.bot,
        command.size_scale,
        command.may_flip,
    )
