"""One symbol's orders and positions, as its single writer keeps them; pure, mutable, one owner."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import evolve

from core.errors import IllegalTransition
from core.ids import is_ours, parse
from core.messages import (
    AmendOrder,
    Fill,
    FundingPaid,
    Key,
    OrderRefused,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Purpose,
    TimeInForce,
)
from core.money import ZERO
from core.orders import Event, Order, State, adopt, advance, intend, update
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
from core.strategies.intents import View

__all__ = ["SymbolBook"]

_REMEMBERED = 2_000
_PHASE_NS = 100_000_000
_PHASES = 6_000


class SymbolBook:
    """Orders that have not ended, those that ended lately, positions, and which ids are taken.

    `foreign` holds the last word on orders that another program made. Orders that ended are
    remembered for late news, the oldest forgotten first. `verified_ns` is the instant up to which
    the journal is known to hold every fill (0 for none). `tightened` holds the nearest trigger that
    a side's stop was brought to, until the side is flat; `terms` what the journal says of the
    symbol.
    """

    def __init__(self, key: Key, host: str, multiplier: Decimal = Decimal(1)) -> None:
        self.key = key
        self.host = host
        self.positions = PositionBook(multiplier)
        self.live: dict[str, Order] = {}
        self.ended: dict[str, Order] = {}
        self.foreign: dict[str, OrderUpdated] = {}
        self.sequences: dict[str, int] = {}
        self.funding: dict[str, Decimal] = {}
        self.last_fill_ns = 0
        self.opened_ns = 0
        self.verified_ns = 0
        self.tightened: dict[PositionSide, Decimal] = {}
        self.terms: SymbolOpened | None = None
        self._first_sequence = 0
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
        made = parse(command.client_order_id)
        used = made is not None and made.sequence < self.next_sequence(made.bot)
        if known is not None or used:
            state = known.state.value if known else "forgotten"
            raise IllegalTransition(command.client_order_id, state, "a second placement")
        order = intend(command, now_ns)
        self._keep(order)
        return order

    def next_sequence(self, bot: str) -> int:
        """Return the first sequence number that this bot has not used on this symbol."""
        return self.sequences.get(bot, self._first_sequence)

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
                return None
            after = adopt(_as_command(said), said)
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
        if fill.time_ns <= self.opened_ns:
            return None
        before = self.positions.of(fill.position_side).quantity
        realised = self.positions.apply(fill)
        if realised is not None:
            if before * self.positions.of(fill.position_side).quantity <= 0:
                self.tightened.pop(fill.position_side, None)
            self.last_fill_ns = max(self.last_fill_ns, fill.time_ns)
            if is_ours(fill.client_order_id, self.host, self.key.symbol):
                self._used(fill.client_order_id)
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

        An order whose outcome the journal does not hold is of unknown outcome. Sequence numbers
        skip ahead: closing orders leave while the journal cannot be written, so an id that is not
        in it may have been used all the same. How far depends on the time, so that two starts
        under a broken journal do not choose the same ids.
        """
        for order in list(self.live.values()):
            state = State.UNKNOWN if order.state is State.SUBMITTING else order.state
            self.live[order.id] = evolve(order, state=state, amending=None)
        self._ended_since.clear()
        if self.sequences:
            gap = 1 + now_ns // _PHASE_NS % _PHASES
            self._first_sequence = gap
            for bot in self.sequences:
                self.sequences[bot] += gap

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
            case BooksOpened() if not self.opened_ns and payload.venue == self.key.venue:
                self._open(payload)

    def _end(self, client_order_id: str, state: State) -> None:
        order = self.live.get(client_order_id)
        if order is not None and order.state in (State.SUBMITTING, State.UNKNOWN):
            self._keep(evolve(order, state=state))

    def _open(self, opening: BooksOpened) -> None:
        self.opened_ns = self.last_fill_ns = opening.as_of_ns
        for held in opening.positions:
            if held.key == self.key:
                self.positions.open(held.position_side, held.quantity, held.entry_price)

    def _owed(self, order: Order) -> Decimal:
        return max(order.filled - self._folded.get(order.id, ZERO), ZERO)

    def _note_owing(self, order: Order) -> None:
        if self._owed(order):
            self._owing.add(order.id)
        else:
            self._owing.discard(order.id)

    def _used(self, client_order_id: str) -> None:
        made = parse(client_order_id)
        if made is not None:
            self.sequences[made.bot] = max(self.sequences.get(made.bot, 0), made.sequence + 1)

    def _keep(self, order: Order) -> None:
        self._note_owing(order)
        self._used(order.id)
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


def _as_command(said: OrderUpdated) -> PlaceOrder:
    """Guess the command behind an order of ours that the journal does not hold."""
    purpose = Purpose.ENTRY
    if said.type.conditional:
        purpose = Purpose.PROTECT
    command = PlaceOrder(
        said.key,
        said.client_order_id,
        said.side,
        said.position_side,
        said.type,
        said.quantity,
        price=said.price or None,
        trigger_price=said.trigger_price or None,
        time_in_force=TimeInForce.GTC,
        reduce_only=said.reduce_only,
        purpose=purpose,
    )
    if purpose is Purpose.ENTRY and command.closing:
        market = said.type is OrderType.MARKET
        return evolve(command, purpose=Purpose.CLOSE if market else Purpose.TAKE_PROFIT)
    return command


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
