"""One symbol's position on one venue: the single writer of its orders, fills and protection."""

from __future__ import annotations

from decimal import Decimal

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
from actors.runtime import Actor
from core.errors import IllegalTransition, Rejected
from core.evidence import ProofRule
from core.ids import make
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
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Purpose,
    Side,
    StreamConnected,
    StreamLost,
)
from core.money import text
from core.orders import Event, Order, State
from core.ports import Log, Record, Records
from core.protection import Stop, plan, wanted_stop
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
# core.symbol_book, core.protection and core.evidence.

STOP_BOT = "stop"
"""The name in the client order ids of protective stops and emergency closes."""

_SWEEP_NS = 100_000_000
_RETRY_NS = 1_000_000_000
_OVERLAP_NS = 60_000_000_000
_READS_TO_AGREE = 3
_READ_LOST_NS = 30_000_000_000
_STOP_TRIES = 3


@frozen(slots=True)
class PositionSettings:
    """What one symbol's position is configured with; times in nanoseconds."""

    host: str
    bot: str
    leverage: int
    isolated: bool
    hedge_mode: bool
    groups: int
    stop_loss_bps: Decimal
    proof: ProofRule
    answer_within_ns: int
    first_query_ns: int
    longest_query_ns: int
    alert_after_ns: int
    protect_within_ns: int
    reconcile_every_ns: int


class PositionActor(Actor):
    """Own the orders and positions of one `Key`.

    State: a `SymbolBook` (signed Decimal quantities in the venue's unit), rebuilt from the journal
    at every start and compared with the venue before the first decision.
    Fails: an event that an order's state does not allow kills this incarnation; the next one
    compares with the venue, whose word stands. A difference that stays pauses the symbol.
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
        self.reads_differing = 0
        self.synced = False
        self.early: list[object] = []
        self.ended: list[str] = []
        self.queries: dict[str, tuple[int, int]] = {}
        self.alerted: set[str] = set()
        self.proposed_stop: dict[PositionSide, str] = {}
        self.stop_refusals: dict[PositionSide, int] = {}
        self.naked_since: dict[PositionSide, int] = {}
        self.closing_for = ""
        self.unsaid = False
        self.next_stop = 0
        self.stop_retry_ns: dict[PositionSide, int] = {}
        self.reported: dict[PositionSide, PositionReported] = {}

    def starting(self) -> None:
        self.book = SymbolBook(self.key, self.settings.host)
        self.book.replay(self.records.read(kinds=(BooksOpened,)))
        self.book.replay(self.records.read(key=self.key))
        self.waiting("reading instrument and settings")
        self._set_up()
        self.every(_SWEEP_NS, Tick("sweep"))
        self.every(self.settings.reconcile_every_ns, Tick("reconcile"))

    def handle(self, message: object) -> None:
        match message:
            case Approved(command=PlaceOrder()):
                self._submit(message)
            case Approved(command=AmendOrder()):
                self._submit_amend(message)
            case CancelWanted():
                self._cancel(message.client_order_id)
            case OrderAcknowledged():
                self._said(message.update)
            case OrderUpdated() | Fill() | FundingPaid() if not self.synced:
                self.early.append(message)
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
                self.mark = message.mark
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
                self._stop_refused_by_risk(message)
            case Mention():
                self._mention(message)
            case CancelEntries():
                self._cancel_entries(message)
            case StreamConnected() | Tick("reconcile"):
                if self.instrument is None:
                    self._set_up()
                else:
                    self._read()
            case StreamLost():
                self._pause(f"account stream lost: {message.reason}")
            case Tick("sweep"):
                self._sweep()
            case Tick("closing"):
                self._answer_closing()
            case Tick("set up"):
                self._set_up()
            case Tick("read"):
                self._read()

    # Start: instrument and settings, then the venue's word

    def _set_up(self) -> None:
        settings = self.settings
        request = SetUpSymbol(self.key, settings.leverage, settings.isolated, self.name)
        self.tell(names.reads_lane(self.key.venue), request)

    def _set_up_done(self, done: SymbolSetUp) -> None:
        self.instrument = done.instrument
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
        since_ns = max(self.book.last_fill_ns - _OVERLAP_NS, self.book.opened_ns)
        request = ReadSymbol(self.key, since_ns, asked, self.name)
        self.tell(names.reads_lane(self.key.venue), request)

    def _read_failed(self, failed: ReadFailed) -> None:
        self.log("warning", f"reading {self.key}: {failed.error}")
        if isinstance(failed.request, SetUpSymbol):
            self.waiting(f"{failed.error.message}")
            pause_ns = 30 * _RETRY_NS if isinstance(failed.error, Rejected) else _RETRY_NS
            self.after(pause_ns, Tick("set up"))
        elif isinstance(failed.request, ReadSymbol):
            self.reading_until_ns = 0
            if not self.synced:
                self.after(_RETRY_NS, Tick("read"))

    def _compare(self, read: SymbolRead) -> None:
        """Take the venue's word in; its fills and orders stand, what stays different is told."""
        self.reading_until_ns = 0
        differences: list[str] = []
        for fill in read.fills:
            if self._fold(fill):
                differences.append(f"fill {fill.fill_id} of {fill.client_order_id} was missing")
        for funding in read.funding:
            self._funding(funding)
        for said in read.orders:
            known = self.book.find(said.client_order_id)
            if self._take(said) and known is None:
                differences.append(f"order {said.client_order_id} was not in the journal")
        for missing in read.missing:
            order = self.book.live.get(missing)
            if order is not None and not order.state.at_venue:
                continue  # settled by asking for that order alone, see core.evidence
            if order is not None:
                differences.append(f"order {missing} is unknown to the venue")
        self._compare_positions(read, differences)

    def _compare_positions(self, read: SymbolRead, differences: list[str]) -> None:
        theirs = {held.position_side: held for held in read.positions}
        apart = []
        for ours in self.book.positions:
            held = theirs.get(ours.side)
            quantity = held.quantity if held else Decimal(0)
            if held:
                self.reported[ours.side] = held
            if quantity != ours.quantity:
                apart.append(
                    f"{ours.side.value}: ours {text(ours.quantity)}, venue's {text(quantity)}"
                )
        first = not self.synced
        if not apart:
            self.reads_differing = 0
            self._synced(differences, first)
            return
        self.reads_differing += 1
        if self.reads_differing < _READS_TO_AGREE:
            # A fill between two reads looks like a difference and is gone in the next.
            self.after(_RETRY_NS // 10, Tick("read"))
            return
        self._journal(Reconciled(self.key, tuple(differences + apart)))
        self.log("error", f"position differs from the venue's: {'; '.join(apart)}")
        self._pause(f"position differs from the venue's: {'; '.join(apart)}")
        if first:
            self.waiting(f"position differs from the venue's: {'; '.join(apart)}")

    def _synced(self, differences: list[str], first: bool) -> None:
        if differences:
            self.log("warning", f"compared with the venue: {'; '.join(differences)}")
        if differences or first:
            self._journal(Reconciled(self.key, tuple(differences)))
        self.synced = True
        early, self.early = self.early, []
        for event in early:
            self.handle(event)
        self.tell_control(names.RISK, Resume(self.name))
        self._changed(reset=first)
        if first:
            if self.watcher:
                self._welcome(WatchPosition(*self.watcher))
            self.ready()

    # Orders

    def _submit(self, approved: Approved[PlaceOrder]) -> None:
        command = approved.command
        try:
            self.book.intend(command, approved.at_ns)
        except IllegalTransition as error:
            self.log("error", str(error), command.client_order_id)
            self.ended.append(command.client_order_id)
            self._changed()
            return
        lane = self._lane(command)
        refusal = OrderRefused(
            self.key,
            command.client_order_id,
            "place",
            Rejected("the journal cannot be written", venue=self.key.venue),
        )
        record = self._record(OrderIntended(command), command.client_order_id)
        failed = ((lane, approved),) if command.closing else ((self.name, refusal),)
        self.tell(names.JOURNAL, Write((record,), ((lane, approved),), failed))
        self._settle_proposal(command)
        # Nobody needs to hear before the venue answers: risk holds the reservation, the strategy
        # knows what it asked for. Telling now would only compete with the order for the processor.
        self.unsaid = True

    def _submit_amend(self, approved: Approved[AmendOrder]) -> None:
        command = approved.command
        order = self.book.live.get(command.client_order_id)
        if order is None or not order.state.at_venue or order.cancel_requested or order.amending:
            self._tell_watcher_refused(command.client_order_id, "amend", "it is not free to move")
            return
        command = evolve(command, order_id=order.order_id)
        self.book.ask_amend(command)
        lane = names.orders_lane(self.key, self.settings.groups)
        record = self._record(AmendIntended(command), order.id)
        refusal = OrderRefused(
            self.key,
            order.id,
            "amend",
            Rejected("the journal cannot be written", venue=self.key.venue),
        )
        self.tell(names.JOURNAL, Write((record,), ((lane, approved),), ((self.name, refusal),)))
        self._ask(order.id, self.settings.answer_within_ns)
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
        order = self.book.live.get(client_order_id)
        if order is None:
            return
        self.book.ask_cancel(client_order_id)
        if order.state.at_venue and not order.cancel_requested:
            self._send_cancel(order)
        self._changed()

    def _send_cancel(self, order: Order) -> None:
        command = CancelOrder(self.key, order.id, order.command.type.conditional)
        record = self._record(CancelIntended(command), order.id)
        lane = names.urgent_lane(self.key.venue)
        self.tell(names.JOURNAL, Write((record,), ((lane, command),), ((lane, command),)))
        self._ask(order.id, self.settings.answer_within_ns)

    def _said(self, said: OrderUpdated) -> None:
        if self._take(said):
            self._changed()

    def _take(self, said: OrderUpdated) -> bool:
        """Fold the venue's word on an order in: journal first. Tell whether it was news."""
        before = self.book.find(said.client_order_id)
        try:
            news = self.book.would_change(said)
        except IllegalTransition:
            if self.synced:
                raise
            self._journal(said, said.client_order_id)
            self.book.force(said)
            return True
        if not news:
            return False
        self._journal(said, said.client_order_id)
        order = self.book.said(said)
        if order is None:
            return True
        if order.state.ended or not (order.cancel_requested or order.amending):
            self.queries.pop(order.id, None)
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
        held = self.book.positions.of(fill.position_side)
        self.log(
            "info",
            f"filled {fill.side.value} {text(fill.quantity)} at {text(fill.price)}, "
            f"{fill.position_side.value} position {text(held.quantity)}",
            fill.client_order_id,
        )
        return True

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
            self._stop_refused(order)
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

    def _order_read(self, read: OrderRead) -> None:
        order = self.book.live.get(read.client_order_id)
        if order is None:
            self.queries.pop(read.client_order_id, None)
            return
        changed = False
        for fill in read.fills:
            changed |= self._fold(fill)
        if read.found is not None:
            self.queries.pop(order.id, None)
            changed |= self._take(evolve(read.found, amended=True))
            # Asked for because its outcome was unknown: what was read is the outcome.
            changed |= order.amending is not None
            self.book.settle_amend(order.id)
            after = self.book.live.get(order.id)
            if after is not None and after.cancel_requested and after.state.at_venue:
                self._send_cancel(after)
        elif order.state in (State.SUBMITTING, State.UNKNOWN):
            changed |= self._missed(order, read.venue_now_ns)
        if changed:
            self._changed()

    def _missed(self, order: Order, venue_now_ns: int) -> bool:
        proof = self.settings.proof
        approved_ns = order.at_ns
        if not proof.counts(approved_ns, venue_now_ns):
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
                known = self.book.live.get(client_order_id)
                if known is None:
                    del self.queries[client_order_id]
                    continue
                longer_ns = min(max(pause_ns, 1) * 2, self.settings.longest_query_ns)
                self.queries[client_order_id] = (now_ns + longer_ns, longer_ns)
                conditional = known.command.type.conditional
                request = ReadOrder(self.key, client_order_id, conditional, self.name)
                self.tell(names.reads_lane(self.key.venue), request)
        if self.unsaid:
            self._changed()
        else:
            self._protect()

    def _changed(self, *, reset: bool = False) -> None:
        """Tell everybody who builds on this symbol, and look after its protection."""
        self.unsaid = False
        view = self.book.view(self.now_ns(), reset=reset)
        ended = (*view.ended, *self.ended)
        self.ended.clear()
        working = tuple(self.book.working(self.mark))
        report = ExposureReport(self.key, view.positions, working, ended, reset)
        if self.instrument is not None:
            self.tell(names.RISK, report)
        if self.watcher and self.synced:
            self.tell(self.watcher[0], evolve(view, ended=ended))
        self._tell_operations()
        if self.synced:
            self._protect()

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
        self.tell(watch.watcher, self.book.view(self.now_ns(), reset=True))

    def _mention(self, mention: Mention) -> None:
        """Let go of approvals that were lost with an earlier incarnation."""
        self.ended += [i for i in mention.client_order_ids if i not in self.book.live]
        self._changed()

    # Protection

    def _protect(self) -> None:
        if self.instrument is None:
            return
        stops = self.book.protective()
        for held in self.book.positions:
            mine = [stop for stop in stops if stop.command.position_side is held.side]
            wanted = wanted_stop(held, self.instrument, self.settings.stop_loss_bps)
            todo = plan(wanted, mine)
            for client_order_id in todo.cancel:
                self._cancel(client_order_id)
            covered = any(stop.state.at_venue for stop in mine)
            self._watch_naked(held.side, naked=bool(wanted) and not covered)
            if todo.place is not None:
                self._propose_stop(todo.place)

    def _watch_naked(self, side: PositionSide, *, naked: bool) -> None:
        """Close a side at the market that could not be protected in time."""
        if not naked:
            self.naked_since.pop(side, None)
            self.stop_refusals.pop(side, None)
            return
        since_ns = self.naked_since.setdefault(side, self.now_ns())
        if self.now_ns() - since_ns > self.settings.protect_within_ns:
            self._close_side(side, "no working stop in time (execution.protect_within_s)")

    def _propose_stop(self, stop: Stop) -> None:
        side = stop.position_side
        waits = self.now_ns() < self.stop_retry_ns.get(side, 0)
        if side in self.proposed_stop or waits:
            return
        command = PlaceOrder(
            self.key,
            self._stop_id(),
            stop.side,
            side,
            OrderType.STOP_MARKET,
            stop.quantity,
            trigger_price=stop.trigger_price,
            reduce_only=True,
            purpose=Purpose.PROTECT,
            bot=self.settings.bot,
        )
        self.proposed_stop[side] = command.client_order_id
        self.tell(names.RISK, Propose(command, self.name))

    def _close_side(self, side: PositionSide, reason: str) -> None:
        held = self.book.positions.of(side)
        assert self.instrument is not None
        closes = any(
            o.command.purpose is Purpose.CLOSE and o.command.position_side is side
            for o in self.book.live.values()
        )
        waits = self.now_ns() < self.stop_retry_ns.get(side, 0)
        if not held.quantity or closes or waits or side in self.proposed_stop:
            return
        self.log("error", f"closing the {side.value} position at the market: {reason}")
        command = PlaceOrder(
            self.key,
            self._stop_id(),
            Side.SELL if held.quantity > 0 else Side.BUY,
            side,
            OrderType.MARKET,
            min(abs(held.quantity), self.instrument.market_max_quantity),
            reduce_only=True,
            purpose=Purpose.CLOSE,
            bot=self.settings.bot,
        )
        self.proposed_stop[side] = command.client_order_id
        self.tell(names.RISK, Propose(command, self.name))

    def _stop_id(self) -> str:
        sequence = max(self.next_stop, self.book.next_sequence(STOP_BOT))
        self.next_stop = sequence + 1
        return make(self.settings.host, STOP_BOT, self.key.symbol, sequence)

    def _settle_proposal(self, command: PlaceOrder) -> None:
        if self.proposed_stop.get(command.position_side) == command.client_order_id:
            del self.proposed_stop[command.position_side]

    def _stop_refused_by_risk(self, refused: RefusedByRisk) -> None:
        command = refused.command
        self.log("warning", f"risk refused a stop: {refused.refusal}", command.client_order_id)
        if isinstance(command, PlaceOrder):
            self._settle_proposal(command)
            self.stop_retry_ns[command.position_side] = self.now_ns() + _RETRY_NS

    def _stop_refused(self, order: Order) -> None:
        """Try a refused stop again; one that the market has passed already closes the side."""
        if order.command.purpose is not Purpose.PROTECT:
            return
        side = order.command.position_side
        self.stop_refusals[side] = self.stop_refusals.get(side, 0) + 1
        self.stop_retry_ns[side] = self.now_ns() + _RETRY_NS
        trigger = order.command.trigger_price or Decimal(0)
        passed = (trigger - self.mark) * order.command.side.sign < 0
        if passed or self.stop_refusals[side] >= _STOP_TRIES:
            self.stop_retry_ns.pop(side)
            self._close_side(side, "the venue refused its stop")

    # Shutdown

    def _cancel_entries(self, order: CancelEntries) -> None:
        self.closing_for = order.reply_to
        for live in list(self.book.live.values()):
            if not live.command.closing:
                self._cancel(live.id)
        self._answer_closing()
        self.every(_SWEEP_NS, Tick("closing"))

    def _answer_closing(self) -> None:
        left = tuple(o.id for o in self.book.live.values() if not o.command.closing)
        if self.closing_for and (not left or not self.synced):
            self.tell(self.closing_for, EntriesCancelled(self.key, left))
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
