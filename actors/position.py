"""One symbol's position on one venue: the single writer of its orders, fills and protection."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from attrs import evolve

from actors import names
from actors.closing import Closing
from actors.comparison import Comparison
from actors.deadman import DeadMan
from actors.desk import Desk, PositionSettings
from actors.echoes import Echoes
from actors.flattening import Flattening
from actors.inspection import Inspection
from actors.messages.account import CompareAgain
from actors.messages.journal import Unwritten, WrittenLate
from actors.messages.lanes import (
    OrderRead,
    ReadBook,
    ReadFailed,
    ReadOrder,
    ReadStops,
    StopsRead,
    SymbolRead,
    SymbolSetUp,
)
from actors.messages.operations import SymbolReport, Tick
from actors.messages.risk import (
    CancelEntries,
    Compared,
    CompareNow,
    ExposureReport,
    Flatten,
    Mention,
    ReducePosition,
    RefusedByRisk,
    TightenStop,
)
from actors.messages.trading import CancelWanted, PositionWatched, WatchPosition
from actors.orders import Orders
from actors.protection import Protection
from actors.questions import Questions
from actors.runtime import Actor
from core.messages import (
    AmendOrder,
    BookSnapshot,
    Fill,
    FundingPaid,
    Key,
    MarkPrice,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Quote,
    StreamConnected,
    StreamLost,
)
from core.money import text
from core.orders import State
from core.ports import Log, Record, Records
from core.records import BooksOpened
from core.risk.gate import Approved
from core.symbol_book import FOLDED, SymbolBook

__all__ = ["PositionActor", "PositionSettings"]

_REPLAY_PART = 2_000
_SWEEP_NS = 100_000_000
_IDLE_SWEEP_NS = 1_000_000_000
_UNSETTLED = {State.SUBMITTING, State.UNKNOWN}


class PositionActor(Actor):
    """Own the orders and positions of one `Key`.

    State: a `SymbolBook` (signed Decimal quantities in the venue's unit), rebuilt from the journal
    at every start and compared with the venue before the first decision. Until then, and while the
    account stream is down, nothing is opened.
    Fails: an event that an order's state does not allow kills this incarnation; the next one
    compares with the venue, whose word stands. A difference that stays, or a symbol that the venue
    refuses to tell of, pauses the symbol and nobody else.
    Rules: `core.symbol_book`, `core.orders`, `core.protection`, `core.evidence`.
    Parts, which run in this actor's turn, over one `Desk`: `Orders` sends and folds, `Questions`
    settles unknown outcomes, `Echoes` doubts a silent stream, `Comparison` compares with the venue,
    `Protection` looks after stops, `Inspection` has the venue show them, `Flattening` closes,
    `DeadMan` keeps the venue's switch.
    """

    def __init__(self, key: Key, settings: PositionSettings, records: Records, log: Log) -> None:
        self.key = key
        self.settings = settings
        self.records = records
        self.book = SymbolBook(key, settings.host)
        self.desk = Desk(self, key, settings, self.book, log)
        self.log = self.desk.log
        self.protection = Protection(
            self.desk, self._cancel_stop, lambda side: self.comparison.stated.liquidation(side)
        )
        self.questions = Questions(self.desk, self._look_soon)
        self.echoes = Echoes(self.desk, self.questions)
        self.inspection = Inspection(self.desk, self.protection, self.questions)
        self.dead_man = DeadMan(self.desk)
        self.orders = Orders(
            self.desk, self.questions, self.protection, self._changed, self._changed_soon
        )
        self.comparison = Comparison(
            self.desk, self.orders, self._funding, self.handle, self._changed, self._began
        )
        self.flattening = Flattening(
            self.desk,
            self.protection,
            self.orders.take_back,
            self.comparison.when_told,
            self.comparison.stated.holds,
            self._changed,
        )
        self.closing = Closing(
            self.desk, self.orders, self.protection, self.dead_man, self._changed
        )
        self.replaying: Iterator[Record] | None = None
        self.held: list[object] = []
        self.untold: list[str] = []
        self.unsaid = False
        self.sweeping = False
        self.unprotected: tuple[tuple[PositionSide, int], ...] = ()

    @property
    def synced(self) -> bool:
        """Tell whether a comparison with the venue has found no difference."""
        return self.desk.synced

    def starting(self) -> None:
        self.questions.began_ns = self.monotonic_ns()
        self.protection.begin(self.monotonic_ns())
        self.echoes.begin()
        self.book.take_in(self.records.read(kinds=(BooksOpened,)))
        self.replaying = self.records.read(kinds=FOLDED, key=self.key)
        self.waiting("reading the journal")
        self._replay()

    def _replay(self) -> None:
        """Rebuild part by part: a long journal is no reason to take this actor for hung."""
        if self.replaying is None:
            return  # told by the incarnation before
        if self.book.take_in(islice(self.replaying, _REPLAY_PART)) == _REPLAY_PART:
            self.tell(self.name, Tick("replay"))
            return
        self.replaying = None
        self.book.end_replay(self.now_ns())
        self.waiting("reading instrument and settings")
        self.comparison.set_up()
        self.every(_IDLE_SWEEP_NS, Tick("sweep"))
        self.every(self.settings.reconcile_every_ns, Tick("reconcile"))
        held, self.held = self.held, []
        for message in held:
            self.handle(message)

    def stopping(self) -> None:
        self.closing.name_the_rest()

    def handle(self, message: object) -> None:
        match message:
            case Tick("replay"):
                self._replay()
            case _ if self.replaying is not None:
                self.held.append(message)
            case Approved(command=PlaceOrder()):
                self.flattening.approved(message.command)
                self.orders.submit(message)
            case Approved(command=AmendOrder()):
                self.orders.submit_amend(message)
            case CancelWanted():
                if self.orders.take_back(message.client_order_id):
                    self._changed()
            case OrderAcknowledged():
                self.echoes.acknowledged(message.update)
                self.orders.said(message.update)
            case OrderUpdated() | Fill() | FundingPaid() if not self.desk.compared:
                self.comparison.keep_early(message)
            case OrderUpdated():
                self.echoes.told(message)
                self.orders.said(message)
            case Fill():
                self.orders.filled(message)
            case OrderRefused():
                self.orders.refused(message)
            case OrderOutcomeUnknown():
                self.orders.unknown(message)
            case Unwritten():
                self.orders.unwritten(message)
            case WrittenLate():
                self.questions.written_late(message)
                self._changed()
            case OrderRead():
                self.orders.read(message)
                if self.desk.stated:  # without the stream only a comparison tells what is held
                    self.comparison.compare_anew()
            case MarkPrice():
                self.comparison.marked(message)
            case Quote():
                self.echoes.quoted(message)
            case FundingPaid():
                self._funding(message)
            case PositionReported():
                self.comparison.heard(message)
            case SymbolSetUp():
                self.comparison.set_up_done(message)
            case SymbolRead():
                self.comparison.compare(message)
                self._tell_operations()
            case CompareAgain():
                self.comparison.compare_again(message)
            case CompareNow():
                self._compare_now(message)
            case StopsRead():
                if self.inspection.read(message):
                    self._look_soon()
            case BookSnapshot():
                self.flattening.book(message)
            case ReadFailed(request=ReadBook()):
                self.flattening.no_book(message)
            case ReadFailed(request=ReadOrder() as asked, error=error):
                self.questions.failed(asked.client_order_id, error)
            case ReadFailed(request=ReadStops()):
                self.inspection.failed(message)
            case ReadFailed():
                self.comparison.failed(message)
            case Flatten():
                self.flattening.flatten(message)
                self._look_soon()
            case ReducePosition():
                self.flattening.reduce(message)
                self._look_soon()
            case TightenStop():
                side, distance_bps = message.position_side, message.distance_bps
                self.protection.tighten_to(side, distance_bps, message.reason)
                self._look_soon()
            case WatchPosition():
                self._watched(message)
            case RefusedByRisk():
                self._refused_by_risk(message)
            case Mention():
                self._mention(message)
            case CancelEntries():
                self.closing.cancel(message)
            case StreamConnected():
                self.echoes.begin()
                self.comparison.stream_back()
            case StreamLost():
                self.comparison.stream_lost(message)
            case Tick("sweep"):
                self._sweep()
            case Tick("soon"):
                self.sweeping = False
                self._sweep()
            case Tick("closing"):
                self.closing.answer()
            case Tick("flatten"):
                self.flattening.tell()
            case Tick("reconcile") | Tick("again"):
                self.comparison.ask_venue()

    def _began(self) -> None:
        """Hear that the first comparison with the venue found no difference."""
        self.orders.strangers.begin()
        self._changed(reset=True)
        if self.desk.watcher:
            self._welcome(WatchPosition(*self.desk.watcher))
        self.ready()

    def _cancel_stop(self, client_order_id: str) -> None:
        self.unsaid |= self.orders.take_back(client_order_id)
        self._look_soon()

    def _funding(self, paid: FundingPaid) -> None:
        if paid.funding_id in self.book.funding or paid.time_ns <= self.book.opened_ns:
            return
        self.desk.journal(paid)
        self.book.funding[paid.funding_id] = paid.amount
        self.log("info", f"funding {text(paid.amount)} {paid.asset}")
        self._tell_operations()

    # What runs all the time

    def _sweep(self) -> None:
        if not self.desk.compared:
            return
        now_ns = self.monotonic_ns()
        self.questions.look()
        self.echoes.look()
        self.protection.judge(now_ns)
        if self.unsaid or self.protection.unprotected() != self.unprotected:
            self._changed()
        else:
            self.protection.look(now_ns)
            self.flattening.look()
        self.inspection.look(now_ns)
        self.dead_man.look(now_ns)
        self._look_soon()

    def _look_soon(self) -> None:
        """Look again in a moment while anything is held or unsettled; else once a second will do.

        200 symbols looking ten times a second each would be 2,000 wake-ups for nothing.
        """
        if self.sweeping:
            return
        held = any(position.quantity for position in self.desk.holdings)
        unsettled = {order.state for order in self.book.live.values()} & _UNSETTLED
        if held or unsettled or self.unsaid or self.questions.due or self.flattening.under_way:
            self.sweeping = True
            self.after(_SWEEP_NS, Tick("soon"))

    def _changed_soon(self) -> None:
        self.unsaid = True
        self._look_soon()

    def _changed(self, *, reset: bool = False) -> None:
        """Tell everybody who builds on this symbol, and look after its protection."""
        self.unsaid = False
        if self.desk.instrument is None:
            return
        view = evolve(self.book.view(self.now_ns(), reset=reset), positions=self.desk.holdings)
        ended = (*self.orders.unused, *view.ended)
        self.orders.unused.clear()
        working = tuple(self.book.working(self.desk.mark))
        now_ns = self.monotonic_ns()
        self.protection.judge(now_ns)
        bare = self.unprotected = self.protection.unprotected()
        cancels, self.orders.cancels = self.orders.cancels, 0
        let_go = (*ended, *self.orders.unmoved)
        self.orders.unmoved.clear()
        report = ExposureReport(self.key, view.positions, working, let_go, reset, bare, cancels)
        self.tell(names.RISK, report)
        self.untold += ended
        # An order whose fills are not all here yet makes a side look emptier than it is.
        if self.desk.watcher and self.synced and self.desk.watcher[1] in self.book.sequences.jumped:
            self._welcome(WatchPosition(*self.desk.watcher))  # it is to number from there on
        if self.desk.watcher and self.synced and not self.book.owing:
            self.desk.tell_watcher(evolve(view, ended=tuple(self.untold)))
            self.untold.clear()
        self._tell_operations()
        self.desk.tell_account()
        if self.desk.compared:
            self.protection.look(now_ns)
            self.flattening.look()
            self.dead_man.look(now_ns)
        self._look_soon()

    def _tell_operations(self) -> None:
        states = [order.state for order in self.book.live.values()]
        report = SymbolReport(
            self.key,
            self.desk.holdings,
            sum(1 for state in states if state.at_venue),
            sum(1 for state in states if state is State.UNKNOWN),
            self.book.positions.seen.count,
            self.desk.mark,
            self.book.positions.multiplier,
            sum(self.book.funding.values(), Decimal(0)),
            self.comparison.stated.liquidations(),
            self.desk.drift,
        )
        self.tell_latest(names.OPERATIONS, self.name, report)

    def _watched(self, watch: WatchPosition) -> None:
        self.desk.watcher = (watch.watcher, watch.bot)
        if self.synced:
            self._welcome(watch)

    def _welcome(self, watch: WatchPosition) -> None:
        assert self.desk.instrument is not None
        self.book.sequences.jumped.discard(watch.bot)
        watched = PositionWatched(self.desk.instrument, self.book.next_sequence(watch.bot))
        self.tell(watch.watcher, watched)
        self.tell(watch.watcher, self.book.look(self.now_ns()))

    def _mention(self, mention: Mention) -> None:
        """Let go of approvals that were lost with an earlier incarnation."""
        self.orders.unused += [i for i in mention.client_order_ids if i not in self.book.live]
        self._changed()

    def _compare_now(self, question: CompareNow) -> None:
        compared = Compared(self.key, question.token)
        self.comparison.when_equal(lambda: self.tell(names.RISK, compared))

    def _refused_by_risk(self, refused: RefusedByRisk) -> None:
        command = refused.command
        what = f"risk refused a {command.purpose.value} order: {refused.refusal}"
        self.log("warning", what, command.client_order_id)
        if not self.flattening.refused_by_risk(refused) and isinstance(command, PlaceOrder):
            self.protection.refused_by_risk(command, self.monotonic_ns())
