"""One symbol's position on one venue: the single writer of its orders, fills and protection."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from attrs import evolve, frozen

from actors import names
from actors.messages import (
    CancelEntries,
    CancelWanted,
    EntriesCancelled,
    ExposureReport,
    InstrumentListed,
    Mention,
    OrderRead,
    Pause,
    PositionWatched,
    Propose,
    Read,
    ReadFailed,
    ReadOrder,
    ReadSymbol,
    RefusedByRisk,
    Resume,
    SetUpSymbol,
    SymbolRead,
    SymbolReport,
    SymbolSetUp,
    Tick,
    WatchPosition,
    Write,
)
from actors.protection import STOP_BOT, Protection, ProtectionSettings
from actors.runtime import Actor, Timer
from core.errors import IllegalTransition, RateLimited, Rejected, Unreachable
from core.evidence import ProofRule
from core.ids import is_ours, parse
from core.instruments import Instrument
from core.messages import (
    AmendOrder,
    CancelOrder,
    Fill,
    FundingPaid,
    Key,
    MarkPrice,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderStatus,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Purpose,
    StreamConnected,
    StreamLost,
)
from core.money import text
from core.orders import Event, Order, State
from core.ports import Log, Record, Records
from core.records import (
    AmendIntended,
    BooksOpened,
    CancelIntended,
    OrderGone,
    OrderIntended,
    Reconciled,
)
from core.risk.gate import Approved
from core.symbol_book import SymbolBook

# Over 400 lines on purpose: one symbol's orders have one writer, and what it does with each
# message is read best in one place. What can be decided without an actor is in
# core.symbol_book, core.protection and core.evidence; stops are looked after by
# actors.protection.

_REPLAY_PART = 2_000
_SWEEP_NS = 100_000_000
_IDLE_SWEEP_NS = 1_000_000_000
_RETRY_NS = 1_000_000_000
_OVERLAP_NS = 60_000_000_000
_FUNDING_LATE_NS = 50_000_000_000
_READS_TO_AGREE = 3
_READ_LOST_NS = 30_000_000_000
_UNLISTED_RETRY_NS = 30_000_000_000
_VERIFIED_EVERY_NS = 600_000_000_000
_EARLY_MOST = 10_000
_TOKENS = 1_000_000_000


@frozen(slots=True)
class PositionSettings:
    """What one symbol's position is configured with; times in nanoseconds."""

    host: str
    bot: str
    leverage: int
    isolated: bool
    hedge_mode: bool
    groups: int
    protection: ProtectionSettings
    proof: ProofRule
    answer_within_ns: int
    first_query_ns: int
    longest_query_ns: int
    alert_after_ns: int
    reconcile_every_ns: int


class PositionActor(Actor):
    """Own the orders and positions of one `Key`.

    State: a `SymbolBook` (signed Decimal quantities in the venue's unit), rebuilt from the journal
    at every start and compared with the venue before the first decision. Until then, and while the
    account stream is down, nothing is opened.
    Fails: an event that an order's state does not allow kills this incarnation; the next one
    compares with the venue, whose word stands. A difference that stays, or a symbol that the venue
    refuses to tell of, pauses the symbol and nobody else.
    Rules: `core.symbol_book`, `core.orders`, `core.protection`, `core.evidence`.
    """

    def __init__(self, key: Key, settings: PositionSettings, records: Records, log: Log) -> None:
        self.key = key
        self.settings = settings
        self.records = records
        self._log = log
        self.instrument: Instrument | None = None
        self.mark = Decimal(0)
        self.watcher: tuple[str, str] | None = None
        self.reading_until_ns = 0
        self.setting_up_until_ns = 0
        self.retry: Timer | None = None
        self.token = 0
        self.answer_counts_from = 0
        self.reads_differing = 0
        self.recorded_ns = 0
        self.synced = False
        self.stream_up = True
        self.replaying: Iterator[Record] | None = None
        self.held: list[object] = []
        self.early: list[object] = []
        self.ended: list[str] = []
        self.untold: list[str] = []
        self.queries: dict[str, tuple[int, int]] = {}
        self.alerted: set[str] = set()
        self.known_ns: dict[str, int] = {}
        self.vanished: dict[str, int] = {}
        self.unremembered: dict[str, bool] = {}
        self.closing_for = ""
        self.unsaid = False
        self.sweeping = False
        self.next_funding_ns = 0
        self.settled_ns = 0
        self.funding_read_ns = 0
        self.asked_funding = False
        self.reported: dict[PositionSide, PositionReported] = {}

    def starting(self) -> None:
        self.began_ns = self.monotonic_ns()
        self.book = SymbolBook(self.key, self.settings.host)
        self.protection = Protection(
            self.book, self.settings.protection, self._propose, self._cancel_stop, self.log
        )
        self.book.take_in(self.records.read(kinds=(BooksOpened,)))
        self.replaying = self.records.read(key=self.key)
        self.waiting("reading the journal")
        self._replay()

    def _replay(self) -> None:
        """Rebuild part by part: a long journal is no reason to take this actor for hung."""
        assert self.replaying is not None
        if self.book.take_in(islice(self.replaying, _REPLAY_PART)) == _REPLAY_PART:
            self.tell(self.name, Tick("replay"))
            return
        self.replaying = None
        self.book.end_replay(self.now_ns())
        self.waiting("reading instrument and settings")
        self._set_up()
        self.every(_IDLE_SWEEP_NS, Tick("sweep"))
        self.every(self.settings.reconcile_every_ns, Tick("reconcile"))
        held, self.held = self.held, []
        for message in held:
            self.handle(message)

    def stopping(self) -> None:
        # Risk only knows which symbol did not answer a shutdown in time; a person needs the ids.
        for order in self.book.live.values() if self.closing_for else ():
            if order.state in (State.SUBMITTING, State.UNKNOWN) or not order.command.closing:
                self.log("error", f"left behind, {_words(order)}", order.id)

    def handle(self, message: object) -> None:
        match message:
            case Tick("replay"):
                self._replay()
            case _ if self.replaying is not None:
                self.held.append(message)
            case Approved(command=PlaceOrder()):
                self._submit(message)
            case Approved(command=AmendOrder()):
                self._submit_amend(message)
            case CancelWanted():
                self._cancel(message.client_order_id)
            case OrderAcknowledged():
                self._said(message.update)
            case OrderUpdated() | Fill() | FundingPaid() if not self.synced:
                self._keep_early(message)
            case OrderUpdated():
                self._said(message)
            case Fill():
                self._fill(message)
            case OrderRefused():
                self._refused(message)
            case OrderOutcomeUnknown():
                self._unknown(message)
            case OrderRead():
                self._order_read(message)
            case MarkPrice():
                self._marked(message)
            case FundingPaid():
                self._funding(message)
            case PositionReported():
                self.reported[message.position_side] = message
            case SymbolSetUp():
                self._set_up_done(message)
            case SymbolRead():
                self._compare(message)
            case ReadFailed():
                self._read_failed(message)
            case WatchPosition():
                self._watched(message)
            case RefusedByRisk():
                self._refused_by_risk(message)
            case Mention():
                self._mention(message)
            case CancelEntries():
                self._cancel_entries(message)
            case StreamConnected():
                self._stream_back()
            case StreamLost():
                self.stream_up = False
                self._pause(f"account stream lost: {message.reason}")
            case Tick("sweep"):
                self._sweep()
            case Tick("soon"):
                self.sweeping = False
                self._sweep()
            case Tick("closing"):
                self._answer_closing()
            case Tick("reconcile") | Tick("again"):
                self._ask_venue()

    # Start: instrument and settings, then the venue's word

    def _ask_venue(self) -> None:
        if self.instrument is None:
            self._set_up()
        else:
            self._read()

    def _ask_again(self, pause_ns: int) -> None:
        """Ask after a pause; however often this is called, one question is to come."""
        if self.retry is not None:
            self.retry.cancel()
        self.retry = self.after(pause_ns, Tick("again"))

    def _set_up(self) -> None:
        now_ns = self.monotonic_ns()
        if now_ns < self.setting_up_until_ns:
            return
        self.setting_up_until_ns = now_ns + _READ_LOST_NS
        settings = self.settings
        request = SetUpSymbol(self.key, settings.leverage, settings.isolated, self.name)
        self.tell(names.reads_lane(self.key.venue), request)

    def _set_up_done(self, done: SymbolSetUp) -> None:
        self.instrument = self.protection.instrument = done.instrument
        self.book.positions.multiplier = done.instrument.multiplier
        self.mark = self.mark or done.mark
        self.tell(names.RISK, InstrumentListed(done.instrument, self.mark))
        self.waiting("comparing with the venue")
        self._read()

    def _read(self) -> None:
        now_ns = self.monotonic_ns()
        if self.instrument is None or now_ns < self.reading_until_ns:
            return
        self.reading_until_ns = now_ns + _READ_LOST_NS
        asked = tuple(
            (order.id, order.command.type.conditional)
            for order in self.book.live.values()
            if order.state is not State.SUBMITTING
        )
        since_ns = max(self.book.verified_ns - _OVERLAP_NS, self.book.opened_ns)
        self.token += 1
        token = self.generation * _TOKENS + self.token
        self.asked_funding = not self.synced or self._funding_due()
        funding_since_ns = min(since_ns, self.funding_read_ns - 2 * _OVERLAP_NS)
        funding_since_ns = max(funding_since_ns, self.book.opened_ns)
        request = ReadSymbol(
            self.key, since_ns, asked, self.name, token, self.asked_funding, funding_since_ns
        )
        self.tell(names.reads_lane(self.key.venue), request)

    def _read_failed(self, failed: ReadFailed) -> None:
        self.log("warning", f"reading {self.key}: {failed.error}")
        pause_ns = _RETRY_NS
        if isinstance(failed.request, SetUpSymbol):
            self.setting_up_until_ns = 0
            if isinstance(failed.error, Rejected):
                pause_ns = _UNLISTED_RETRY_NS
        elif isinstance(failed.request, ReadSymbol) and self._asked(failed.request):
            self.reading_until_ns = 0
        else:
            return
        self._ask_again(pause_ns)
        if self.synced:
            return
        self.waiting(failed.error.message)
        if not isinstance(failed.error, (Unreachable, RateLimited)):
            self._stand_aside(f"the venue refuses to tell of it: {failed.error.message}")

    def _asked(self, request: Read | SymbolRead) -> bool:
        """Tell whether this is the present question, not one of an earlier incarnation."""
        return getattr(request, "token", 0) == self.generation * _TOKENS + self.token

    def _stand_aside(self, reason: str) -> None:
        """Stay paused without holding up the start of the other symbols."""
        self._pause(reason)
        self.ready()

    def _stream_back(self) -> None:
        """Compare by what is read from now on: what was asked before may lack what was missed."""
        self.stream_up = True
        self.answer_counts_from = self.token + 1
        if self.monotonic_ns() >= self.reading_until_ns:
            self._ask_venue()

    def _keep_early(self, event: OrderUpdated | Fill | FundingPaid) -> None:
        """Keep what comes before the venue's snapshot; what is too much is read from it instead."""
        if len(self.early) >= _EARLY_MOST:
            self.early.clear()
            self.answer_counts_from = self.token + 1
            self.log("warning", f"more than {_EARLY_MOST} events before the first comparison")
        self.early.append(event)

    def _compare(self, read: SymbolRead) -> None:
        """Take the venue's word in; its fills and orders stand, what stays different is told."""
        if not self._asked(read):
            return
        self.reading_until_ns = 0
        differences: list[str] = []
        changed = False
        for fill in read.fills:
            if self._fold(fill):
                differences.append(f"fill {fill.fill_id} of {fill.client_order_id} was missing")
        for funding in read.funding:
            self._funding(funding)
        for said in read.orders:
            known = self.book.find(said.client_order_id)
            self.vanished.pop(said.client_order_id, None)
            if self._take(said, final=True):
                changed = True
                if known is None:
                    differences.append(f"order {said.client_order_id} was not in the journal")
        for missing in read.missing:
            changed |= self._vanish(missing, read.as_of_ns, differences)
        self._compare_positions(read, differences, changed=changed or bool(differences))

    def _vanish(self, client_order_id: str, as_of_ns: int, differences: list[str]) -> bool:
        """End an order that was open and that the venue, asked several times, knows no more.

        Venues forget orders that ended without a fill. Those that were never acknowledged are
        settled by asking for them alone, see core.evidence.
        """
        order = self.book.live.get(client_order_id)
        if order is None or not order.state.at_venue:
            return False
        count = self.vanished[order.id] = self.vanished.get(order.id, 0) + 1
        if count < self.settings.proof.misses_needed:
            return False
        del self.vanished[order.id]
        differences.append(f"order {order.id} is unknown to the venue")
        command = order.command
        ended = OrderUpdated(
            self.key,
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
            command.trigger_price or Decimal(0),
            command.reduce_only,
            reason="unknown to the venue",
        )
        return self._take(ended)

    def _compare_positions(
        self, read: SymbolRead, differences: list[str], *, changed: bool
    ) -> None:
        theirs = {held.position_side: held for held in read.positions}
        apart = []
        for ours in self.book.positions:
            held = theirs.get(ours.side)
            quantity = held.quantity if held else Decimal(0)
            if held:
                self.reported[ours.side] = held
            else:
                self.reported.pop(ours.side, None)
            if quantity != ours.quantity:
                apart.append(
                    f"{ours.side.value}: ours {text(ours.quantity)}, venue's {text(quantity)}"
                )
        if not apart:
            self.reads_differing = 0
            self.book.verified_ns = max(self.book.verified_ns, read.as_of_ns)
            if self.asked_funding:
                self.funding_read_ns = read.as_of_ns
            self.book.settle_owing()
            self._synced(differences, changed=changed)
            return
        if changed and self.synced:
            self._changed()
        self.reads_differing += 1
        if self.reads_differing < _READS_TO_AGREE:
            # A fill between two reads looks like a difference and is gone in the next.
            self._ask_again(_RETRY_NS // 10)
            return
        what = f"position differs from the venue's: {'; '.join(apart)}"
        self._journal(Reconciled(self.key, tuple(differences + apart)))
        self.log("error", what)
        if self.synced:
            self._pause(what)
        else:
            self.waiting(what)
            self._stand_aside(what)

    def _synced(self, differences: list[str], *, changed: bool) -> None:
        first = not self.synced
        now_ns = self.monotonic_ns()
        if differences:
            self.log("warning", f"compared with the venue: {'; '.join(differences)}")
        if differences or first or now_ns - self.recorded_ns > _VERIFIED_EVERY_NS:
            self.recorded_ns = now_ns
            self._journal(Reconciled(self.key, tuple(differences)))
        self.synced = True
        early, self.early = self.early, []
        for event in early:
            self.handle(event)
        if self.token < self.answer_counts_from:
            self._ask_again(0)
        elif self.stream_up:
            self.tell_control(names.RISK, Resume(self.name))
        if first or changed:
            self._changed(reset=first)
        if first:
            if self.watcher:
                self._welcome(WatchPosition(*self.watcher))
            self.ready()

    # Orders

    def _submit(self, approved: Approved[PlaceOrder]) -> None:
        command = approved.command
        self.protection.settled(command)
        if not command.closing and not (self.synced and self.stream_up):
            self._return(command, "its position is being compared with the venue")
            return
        try:
            self.book.intend(command, approved.at_ns)
        except IllegalTransition as error:
            self.log("error", str(error), command.client_order_id)
            self._return(command, str(error))
            return
        self.known_ns[command.client_order_id] = self.monotonic_ns()
        lane = self._lane(command)
        # What shrinks a position leaves although the journal cannot be written; its record waits.
        failed = () if command.closing else ((self.name, self._unwritten(command, "place")),)
        record = self._record(OrderIntended(command), command.client_order_id)
        self.tell(names.JOURNAL, Write((record,), ((lane, approved),), failed))
        # Nobody needs to hear before the venue answers: risk holds the reservation, the strategy
        # knows what it asked for. Telling now would only compete with the order for the processor.
        self.unsaid = True
        self._look_soon()

    def _submit_amend(self, approved: Approved[AmendOrder]) -> None:
        command = approved.command
        order = self.book.live.get(command.client_order_id)
        if not (self.synced and self.stream_up):
            why = "its position is being compared with the venue"
            self._tell_watcher_refused(command.client_order_id, "amend", why)
            return
        if order is None or not order.state.at_venue or order.cancel_requested or order.amending:
            self._tell_watcher_refused(command.client_order_id, "amend", "it is not free to move")
            return
        command = evolve(command, order_id=order.order_id)
        self.book.ask_amend(command)
        lane = names.orders_lane(self.key, self.settings.groups)
        record = self._record(AmendIntended(command), order.id)
        failed = ((self.name, self._unwritten(command, "amend")),)
        self.tell(names.JOURNAL, Write((record,), ((lane, approved),), failed))
        self._ask(order.id, self.settings.answer_within_ns)
        self._changed()

    def _unwritten(self, command: PlaceOrder | AmendOrder, action: str) -> OrderRefused:
        error = Rejected("the journal cannot be written", venue=self.key.venue)
        return OrderRefused(self.key, command.client_order_id, action, error)

    def _return(self, command: PlaceOrder, why: str) -> None:
        """Give an approval back unused."""
        self.ended.append(command.client_order_id)
        self._tell_watcher_refused(command.client_order_id, "place", why)
        self._changed()

    def _tell_watcher_refused(self, client_order_id: str, action: str, why: str) -> None:
        if self.watcher:
            error = Rejected(why, venue=self.key.venue)
            self.tell(self.watcher[0], OrderRefused(self.key, client_order_id, action, error))

    def _lane(self, command: PlaceOrder) -> str:
        if command.closing and command.purpose in (Purpose.PROTECT, Purpose.CLOSE):
            return names.urgent_lane(self.key.venue)
        return names.orders_lane(self.key, self.settings.groups)

    def _cancel(self, client_order_id: str) -> None:
        if self._take_back(client_order_id):
            self._changed()

    def _cancel_stop(self, client_order_id: str) -> None:
        self.unsaid |= self._take_back(client_order_id)
        self._look_soon()

    def _take_back(self, client_order_id: str) -> bool:
        """Cancel an order, at once or as soon as it is known to be at the venue."""
        order = self.book.live.get(client_order_id)
        if order is None or order.cancel_requested:
            return False
        self.book.ask_cancel(client_order_id)
        if order.state.at_venue:
            self._send_cancel(order)
        return True

    def _send_cancel(self, order: Order) -> None:
        command = CancelOrder(self.key, order.id, order.command.type.conditional)
        record = self._record(CancelIntended(command), order.id)
        lane = names.urgent_lane(self.key.venue)
        self.tell(names.JOURNAL, Write((record,), ((lane, command),)))
        self._ask(order.id, self.settings.answer_within_ns)

    def _said(self, said: OrderUpdated) -> None:
        if self._take(said):
            self._changed()

    def _take(self, said: OrderUpdated, *, final: bool = False) -> bool:
        """Fold the venue's word on an order in: journal first. Tell whether it was news.

        A `final` word, read to compare, stands even where our table does not allow it.
        """
        before = self.book.find(said.client_order_id)
        try:
            news = self.book.would_change(said)
        except IllegalTransition:
            if self.synced and not final:
                raise
            self.log("warning", f"the venue's word stands: {said.status}", said.client_order_id)
            self._journal(said, said.client_order_id)
            self.book.force(said)
            return True
        if not news:
            return False
        self._journal(said, said.client_order_id)
        order = self.book.said(said)
        if order is None:
            return True
        if order.id in self.book.owing:
            self._ask(order.id, self.settings.first_query_ns)
        elif order.state.ended or not (order.cancel_requested or order.amending):
            self.queries.pop(order.id, None)
        if order.state.ended:
            self.known_ns.pop(order.id, None)
        self.alerted.discard(order.id)
        if before is None or before.state is not order.state:
            level = "info" if not order.state.ended or not said.reason else "warning"
            reason = f" ({said.reason})" if said.reason else ""
            self.log(level, f"{order.state.value}{reason} {_words(order)}", order.id)
        submitted = before is not None and before.state in (State.SUBMITTING, State.UNKNOWN)
        if order.cancel_requested and order.state.at_venue and submitted:
            self._send_cancel(order)
        return True

    def _fill(self, fill: Fill) -> None:
        if self._fold(fill):
            self._changed()

    def _fold(self, fill: Fill) -> bool:
        if fill.fill_id in self.book.positions.seen or fill.time_ns <= self.book.opened_ns:
            return False
        self._journal(fill, fill.client_order_id)
        self.book.fill(fill)
        self._know_order_of(fill)
        held = self.book.positions.of(fill.position_side)
        self.log(
            "info",
            f"filled {fill.side.value} {text(fill.quantity)} at {text(fill.price)}, "
            f"{fill.position_side.value} position {text(held.quantity)}",
            fill.client_order_id,
        )
        return True

    def _marked(self, mark: MarkPrice) -> None:
        self.mark = mark.mark
        before_ns, self.next_funding_ns = self.next_funding_ns, mark.next_funding_ns
        if before_ns and mark.next_funding_ns > before_ns:
            self.settled_ns = before_ns
            self._ask_again(2 * _RETRY_NS)

    def _funding_due(self) -> bool:
        """Tell whether a settlement may lack in what was read: it is booked some seconds late."""
        if self.next_funding_ns and self.now_ns() > self.next_funding_ns:
            self.settled_ns = self.next_funding_ns
        return self.funding_read_ns < self.settled_ns + _FUNDING_LATE_NS

    def _know_order_of(self, fill: Fill) -> None:
        """Ask for an order of ours that the journal does not hold: it was lost with a disk."""
        name = fill.client_order_id
        if self.book.find(name) is None and is_ours(name, self.settings.host, self.key.symbol):
            self._ask(name, 0)

    def _conditional(self, client_order_id: str, known: Order | None) -> bool:
        """Tell which service of the venue to ask; for an order nobody remembers, each in turn."""
        if known is not None:
            return known.command.type.conditional
        made = parse(client_order_id)
        asked_before = self.unremembered.get(client_order_id, False)
        self.unremembered[client_order_id] = not asked_before
        return (made is not None and made.bot == STOP_BOT) is not asked_before

    def _funding(self, paid: FundingPaid) -> None:
        if paid.funding_id in self.book.funding or paid.time_ns <= self.book.opened_ns:
            return
        self._journal(paid)
        self.book.funding[paid.funding_id] = paid.amount
        self.log("info", f"funding {text(paid.amount)} {paid.asset}")
        self._tell_operations()

    def _refused(self, refused: OrderRefused) -> None:
        order = self.book.live.get(refused.client_order_id)
        if order is None:
            return
        if refused.action == "place":
            self._journal(refused, order.id)
            if order.state in (State.SUBMITTING, State.UNKNOWN):
                self.book.note(order.id, Event.REJECTED, self.now_ns(), refused.error.message)
                self.known_ns.pop(order.id, None)
            self.protection.refused(order, refused.error, self.mark, self.monotonic_ns())
            if self.watcher:
                self.tell(self.watcher[0], refused)
        elif refused.action == "amend":
            self.book.settle_amend(order.id)
            if self.watcher:
                self.tell(self.watcher[0], refused)
            self._ask(order.id, self.settings.first_query_ns)
        else:
            # Refused cancels mostly mean that the order ended a moment ago: ask, then see.
            self._ask(order.id, self.settings.first_query_ns)
        self._changed()

    # Unknown outcomes

    def _unknown(self, unknown: OrderOutcomeUnknown) -> None:
        self._journal(unknown, unknown.client_order_id)
        if unknown.client_order_id in self.book.live:
            if unknown.action == "place":
                self.book.note(unknown.client_order_id, Event.OUTCOME_UNKNOWN, self.now_ns())
            self._ask(unknown.client_order_id, self.settings.first_query_ns)
        self._changed()

    def _ask(self, client_order_id: str, pause_ns: int) -> None:
        self.queries[client_order_id] = (self.now_ns() + pause_ns, pause_ns)
        self._look_soon()

    def _order_read(self, read: OrderRead) -> None:
        changed = False
        for fill in read.fills:
            changed |= self._fold(fill)
        order = self.book.live.get(read.client_order_id)
        if order is None:
            changed |= read.found is not None and self._take(read.found)
            known = self.book.find(read.client_order_id) is not None
            if known and read.client_order_id not in self.book.owing:
                self.queries.pop(read.client_order_id, None)
        elif read.found is not None:
            self.queries.pop(order.id, None)
            changed |= self._take(evolve(read.found, amended=True))
            # Asked for because its outcome was unknown: what was read is the outcome.
            changed |= order.amending is not None
            self.book.settle_amend(order.id)
            after = self.book.live.get(order.id)
            if after is not None and after.cancel_requested and after.state.at_venue:
                self._send_cancel(after)
        elif order.state in (State.SUBMITTING, State.UNKNOWN):
            changed |= self._missed(order, read)
        if changed:
            self._changed()

    def _missed(self, order: Order, read: OrderRead) -> bool:
        proof = self.settings.proof
        known_for_ns = read.asked_monotonic_ns - self.known_ns.get(order.id, self.began_ns)
        if not proof.counts(known_for_ns, read.asked_ns - order.at_ns):
            return False
        if self.book.missed(order.id) < proof.misses_needed:
            return False
        evidence = (
            f"not found {proof.misses_needed} times after the last instant at which the venue "
            f"could have accepted it"
        )
        if order.state is State.SUBMITTING:
            self.book.note(order.id, Event.OUTCOME_UNKNOWN, self.now_ns())
        self._journal(OrderGone(self.key, order.id, evidence), order.id)
        self.book.note(order.id, Event.PROVEN_GONE, self.now_ns(), evidence)
        self.queries.pop(order.id, None)
        self.known_ns.pop(order.id, None)
        self.log("warning", f"never reached the venue: {evidence}", order.id)
        return True

    # What runs all the time

    def _sweep(self) -> None:
        if not self.synced:
            return
        now_ns = self.now_ns()
        for order in list(self.book.live.values()):
            waits = order.state in (State.SUBMITTING, State.UNKNOWN)
            age_ns = now_ns - order.at_ns
            if order.id not in self.queries and waits and age_ns > self.settings.answer_within_ns:
                self._ask(order.id, 0)
            late = age_ns > self.settings.alert_after_ns and order.id not in self.alerted
            if waits and late:
                self.alerted.add(order.id)
                self.log("error", f"outcome unknown for {age_ns / 1e9:.0f} s", order.id)
        for client_order_id, (due_ns, pause_ns) in list(self.queries.items()):
            if due_ns <= now_ns:
                known = self.book.find(client_order_id)
                owing = client_order_id in self.book.owing
                if known is not None and known.state.ended and not owing:
                    del self.queries[client_order_id]
                    continue
                longer_ns = min(max(pause_ns, 1) * 2, self.settings.longest_query_ns)
                self.queries[client_order_id] = (now_ns + longer_ns, longer_ns)
                conditional = self._conditional(client_order_id, known)
                request = ReadOrder(self.key, client_order_id, conditional, self.name)
                self.tell(names.reads_lane(self.key.venue), request)
        if self.unsaid:
            self._changed()
        else:
            self.protection.look(self.monotonic_ns())
        self._look_soon()

    def _look_soon(self) -> None:
        """Look again in a moment while anything is held or unsettled; else once a second will do.

        200 symbols looking ten times a second each would be 2,000 wake-ups for nothing.
        """
        if self.sweeping:
            return
        held = any(position.quantity for position in self.book.positions)
        unsettled = any(
            order.state in (State.SUBMITTING, State.UNKNOWN) for order in self.book.live.values()
        )
        if held or unsettled or self.unsaid or self.queries:
            self.sweeping = True
            self.after(_SWEEP_NS, Tick("soon"))

    def _changed(self, *, reset: bool = False) -> None:
        """Tell everybody who builds on this symbol, and look after its protection."""
        self.unsaid = False
        if self.instrument is None:
            return
        view = self.book.view(self.now_ns(), reset=reset)
        ended = (*self.ended, *view.ended)
        self.ended.clear()
        working = tuple(self.book.working(self.mark))
        self.tell(names.RISK, ExposureReport(self.key, view.positions, working, ended, reset))
        self.untold += ended
        # An order whose fills are not all here yet makes a side look emptier than it is.
        if self.watcher and self.synced and not self.book.owing:
            self.tell(self.watcher[0], evolve(view, ended=tuple(self.untold)))
            self.untold.clear()
        self._tell_operations()
        if self.synced:
            self.protection.look(self.monotonic_ns())
        self._look_soon()

    def _tell_operations(self) -> None:
        states = [order.state for order in self.book.live.values()]
        report = SymbolReport(
            self.key,
            tuple(self.book.positions),
            sum(1 for state in states if state.at_venue),
            sum(1 for state in states if state is State.UNKNOWN),
            len(self.book.positions.seen),
            self.mark,
            self.book.positions.multiplier,
            sum(self.book.funding.values(), Decimal(0)),
            tuple((side.value, said.liquidation_price) for side, said in self.reported.items()),
        )
        self.tell_latest(names.OPERATIONS, self.name, report)

    def _watched(self, watch: WatchPosition) -> None:
        self.watcher = (watch.watcher, watch.bot)
        if self.synced:
            self._welcome(watch)

    def _welcome(self, watch: WatchPosition) -> None:
        assert self.instrument is not None
        watched = PositionWatched(self.instrument, self.book.next_sequence(watch.bot))
        self.tell(watch.watcher, watched)
        self.tell(watch.watcher, self.book.look(self.now_ns()))

    def _mention(self, mention: Mention) -> None:
        """Let go of approvals that were lost with an earlier incarnation."""
        self.ended += [i for i in mention.client_order_ids if i not in self.book.live]
        self._changed()

    # Protection

    def _propose(self, command: PlaceOrder) -> None:
        self.tell(names.RISK, Propose(command, self.name))

    def _refused_by_risk(self, refused: RefusedByRisk) -> None:
        command = refused.command
        self.log("warning", f"risk refused a stop: {refused.refusal}", command.client_order_id)
        if isinstance(command, PlaceOrder):
            self.protection.refused_by_risk(command, self.monotonic_ns())

    # Shutdown

    def _cancel_entries(self, order: CancelEntries) -> None:
        if not order.reply_to and not self.synced:
            return
        took = [
            self._take_back(live.id)
            for live in list(self.book.live.values())
            if not live.command.closing
        ]
        if any(took):
            self._changed()
        if order.reply_to:
            if not self.closing_for:
                self.every(_SWEEP_NS, Tick("closing"))
            self.closing_for = order.reply_to
            self._answer_closing()

    def _answer_closing(self) -> None:
        """Say that the entries are gone once nothing is left whose answer would come too late."""
        left = any(
            not order.command.closing
            or order.state in (State.SUBMITTING, State.UNKNOWN)
            or order.amending
            or order.cancel_requested
            for order in self.book.live.values()
        )
        if self.closing_for and not (left or self.book.owing or self.protection.under_way()):
            self.tell(self.closing_for, EntriesCancelled(self.key))
            self.closing_for = ""

    # Small things

    def _pause(self, reason: str) -> None:
        self.tell_control(names.RISK, Pause(self.name, reason, self.key.venue, self.key))

    def _journal(self, payload: object, client_order_id: str = "") -> None:
        self.tell(names.JOURNAL, Write((self._record(payload, client_order_id),)))

    def _record(self, payload: object, client_order_id: str = "") -> Record:
        return Record(payload, self.now_ns(), self.key, client_order_id, self.name)

    def log(self, level: str, text: str, client_order_id: str = "") -> None:
        self._log(level, self.name, text, symbol=self.key.symbol, client_order_id=client_order_id)


def _words(order: Order) -> str:
    command = order.command
    price = text(order.price or command.trigger_price or Decimal(0))
    return (
        f"{command.purpose.value} {command.side.value} {text(order.quantity)} "
        f"{command.type.value} at {price}"
    )
