"""Risk: the one way out. Owns every limit, what is reserved, the pauses and the trading halt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from actors import names
from actors.breakers import Breakers
from actors.flattens import Flattens
from actors.guards import Guards
from actors.halting import Halting
from actors.losses import Losses
from actors.messages.journal import JournalFailed, JournalRecovered, Note, Recall, Recalled
from actors.messages.lanes import BarsRead
from actors.messages.operations import LimitTold, RiskReport, Tick
from actors.messages.risk import (
    CallsTold,
    CloseForShutdown,
    Compared,
    Decided,
    EntriesCancelled,
    ExposureReport,
    FlattenTold,
    ForeignFound,
    HaltTold,
    HaltWanted,
    InstrumentListed,
    Mention,
    Operate,
    Pause,
    Propose,
    RefusedByRisk,
    Resume,
    ScaleWanted,
    WalletTold,
)
from actors.operating import Operating
from actors.pauses import Pauses
from actors.portfolio_limits import portfolio
from actors.risk_desk import RiskDesk, RiskSettings
from actors.risk_limits import notionals
from actors.runtime import Actor, ChildDied, ChildGaveUp, ChildReady, ChildWaiting
from actors.scaling import Scaling
from actors.watches import Watches
from core.messages import AmendOrder, Bar, Key, MarkPrice, PlaceOrder, Quote
from core.money import text
from core.ports import Log, Record, Records
from core.records import OrderIntended
from core.remembered import remember
from core.risk.checks import Risk
from core.risk.facts import NEVER_NS
from core.risk.halt import Cause
from core.risk.proposal import Refusal
from core.risk.witness import Witness, writable

__all__ = ["RiskActor", "RiskSettings"]

_LOOK_NS = 1_000_000_000
_SAME_REFUSAL_NS = 60_000_000_000


class RiskActor(Actor):
    """Own limits, reservations, pauses and the halt of the whole host.

    State: `core.risk.checks.Risk` (notionals in quote money), why each symbol is paused, by whom.
    What the journal holds of halts, losses, throttles and the operator's pauses outlives it.
    Fails: missing figures refuse; a failed part pauses what depends on it; a part that gave up, a
    loss past its limit, or a journal that cannot be written, ends new risk for the whole host.
    Rules: `core.risk`. Losses are looked at on every bar, fill, error and word on the account, and
    once a second.
    Parts, which run in this actor's turn, over one `RiskDesk`: `Halting` owns the halt and the
    shutdown, `Pauses` who may open nothing now, `Losses` the equity stop, `Breakers` the venues'
    calls, `Watches` who is silent, `Guards` what threatens open positions, `Scaling` sizes,
    `Flattens` what is being closed, `Operating` the operator's commands.
    """

    def __init__(self, settings: RiskSettings, records: Records, log: Log) -> None:
        self.risk = Risk(settings.limits)
        self.witness = Witness(self.risk)
        self.records = records
        self.log = log
        self.keys = tuple(settings.keys)
        self.desk = RiskDesk(self, self.risk, settings, log)
        self.pauses = Pauses(self.desk)
        self.halting = Halting(self.desk, self._halted, self._ever_sent)
        self.scaling = Scaling(self.desk)
        self.flattens = Flattens(self.desk)
        self.losses = Losses(self.desk, self.pauses, self.halting, self.flattens)
        self.breakers = Breakers(self.desk)
        self.watches = Watches(self.desk, self.pauses)
        self.guards = Guards(self.desk, self.pauses, self.halting, self.losses)
        self.operating = Operating(
            self.desk,
            self.halting,
            self.pauses,
            self.scaling,
            self.flattens,
            self._cause_stands,
            self.losses.begin_anew,
        )
        self.refusals: Counter[str] = Counter()
        self.logged: dict[tuple[Key, str], int] = {}
        self.held: list[object] = []
        self.begun = False

    def starting(self) -> None:
        self.waiting("asking the journal what it holds")
        self.tell(names.JOURNAL, Recall(self.name))

    def _begin(self, waiting: tuple[Record, ...]) -> None:
        """Go on from the journal, what the incarnation before told it last included."""
        before = remember(self.records, waiting)
        self.halting.begin(before.halt)
        self.losses.begin(before.equities)
        self.breakers.begin(before.breakers)
        self.watches.begin()
        self.scaling.begin(before.throttles)
        self.operating.begin(before.paused)
        self.flattens.resume(before.flattens)
        self.pauses.judge()
        self.every(_LOOK_NS, Tick("look"))
        self.begun = True
        self.ready()
        held, self.held = self.held, []
        for message in held:
            self.handle(message)

    def handle(self, message: object) -> None:
        match message:
            case Recalled():
                if not self.begun:  # else it was for the incarnation before
                    self._begin(message.records)
            case _ if not self.begun:
                self.held.append(message)
            case Propose():
                self._propose(message)
            case ExposureReport():
                self._reported(message)
            case MarkPrice():
                self._marked(message)
            case Quote():
                seen = (message.bid, message.ask, self.monotonic_ns())
                self.risk.facts.quotes[message.key] = seen
            case Bar():
                self._barred((message,))
            case BarsRead():
                self._barred(message.bars)
            case WalletTold():
                self.losses.wallet(message)
                self.losses.look()
            case CallsTold():
                self._called(message)
            case Decided():
                self.watches.decided(message.key)
            case InstrumentListed():
                self._listed(message)
            case ForeignFound():
                self.guards.foreign(message)
            case Pause():
                self.pauses.pause(message)
            case Resume():
                self.pauses.resume(message.source)
            case Compared():
                self.pauses.compared(message.key, message.token)
            case ScaleWanted():
                self.scaling.wanted(message)
            case Operate():
                self.operating.take(message)
                self._report()  # who looks next sees what was ordered
            case FlattenTold():
                self.flattens.told(message)
            case EntriesCancelled():
                self.halting.closed(message)
            case ChildDied() | ChildReady() | ChildGaveUp() | ChildWaiting():
                self._child(message)
            case JournalFailed():
                self.halting.journal_failed(message.text)
            case JournalRecovered():
                self.halting.journal_recovered()
            case HaltWanted():
                self.tell_control(message.reply_to, HaltTold(self.risk.halt))
            case CloseForShutdown():
                self.halting.close(message)
            case Tick("answer", int() as number):
                self.operating.written(number)
            case Tick("closing"):
                self.halting.time_is_up()
            case Tick("look"):
                self._look()

    def _ever_sent(self, key: Key) -> bool:
        return any(True for _ in self.records.read(kinds=(OrderIntended,), key=key))

    # Orders

    def _propose(self, proposal: Propose) -> None:
        command = proposal.command
        now_ns, monotonic_ns = self.now_ns(), self.monotonic_ns()
        witnessed = writable(command)
        if witnessed:
            self.witness.look(monotonic_ns)
        answer = (
            self.risk.place(command, now_ns, monotonic_ns)
            if isinstance(command, PlaceOrder)
            else self.risk.amend(command, now_ns, monotonic_ns)
        )
        if witnessed:
            order_id = command.client_order_id
            written = self.witness.judged(command, answer, now_ns, monotonic_ns)
            records = [Record(each, now_ns, command.key, order_id, self.name) for each in written]
            self.tell(names.JOURNAL, Note(tuple(records)))
        if isinstance(answer, Refusal):
            self._refuse(proposal, answer)
        else:
            self.tell(names.position(command.key), answer)

    def _refuse(self, proposal: Propose, refusal: Refusal) -> None:
        command = proposal.command
        self.refusals[refusal.rule] += 1
        self.tell(proposal.reply_to, RefusedByRisk(command, refusal))
        self.losses.look()
        # The same reason for the same symbol is one line a minute, not one a quote.
        seen = (command.key, refusal.rule)
        now_ns = self.monotonic_ns()
        if now_ns - self.logged.get(seen, -_SAME_REFUSAL_NS) >= _SAME_REFUSAL_NS:
            self.logged[seen] = now_ns
            self.log(
                "info",
                self.name,
                f"refused {_words(command)}: {refusal}",
                symbol=command.key.symbol,
                client_order_id=command.client_order_id,
            )

    def _reported(self, report: ExposureReport) -> None:
        exposure, key = self.risk.exposure, report.key
        exposure.report(key, report.positions, report.working, report.ended)
        self.risk.cancelled(self.monotonic_ns(), report.cancels)
        self.risk.facts.unprotected[key] = dict(report.unprotected)
        self.losses.positions(key, report.positions)
        self.losses.look()
        self.guards.positions(key)
        if report.reset and key in self.desk.instruments:  # else it was told to an earlier risk
            self.pauses.reported(key)
            self.flattens.reported(key)
            self._report()  # the limits can be told from now on: not a second later
            missing = exposure.unmentioned(key)
            if missing:
                self.tell(names.position(key), Mention(missing))

    # Figures

    def _marked(self, mark: MarkPrice) -> None:
        self.risk.mark(mark.key, mark.mark, self.monotonic_ns())
        self.risk.facts.funding[mark.key] = mark
        self.guards.marked(mark.key, mark.mark)

    def _barred(self, bars: Sequence[Bar]) -> None:
        self.risk.facts.portfolio.take(bars)
        self.scaling.look(dict.fromkeys(bar.key for bar in bars))
        self.losses.look()

    def _listed(self, listed: InstrumentListed) -> None:
        key = listed.instrument.key
        self.desk.instruments[key] = listed.instrument
        self.risk.list_instrument(listed.instrument)
        self.risk.facts.leverage[key] = listed.leverage
        self.risk.facts.brackets[key] = listed.brackets
        if key not in self.risk.facts.marks:
            self.risk.mark(key, listed.mark, NEVER_NS)

    def _called(self, calls: CallsTold) -> None:
        self.breakers.told(calls)
        if calls.failed:
            self.losses.look()

    def _look(self) -> None:
        """Look at what time alone changes."""
        self.losses.look()
        self.guards.look()
        self.watches.look()
        self.breakers.look()
        self.flattens.look()
        self.pauses.end_entries()
        self._report()

    # Parts of the host

    def _child(self, event: ChildDied | ChildReady | ChildGaveUp | ChildWaiting) -> None:
        name = event.name
        match event:
            case ChildDied():
                venue, key = names.venue_of(name), names.symbol_of(name)
                self.pauses.pause(Pause(f"child:{name}", f"{name} {event.reason}", venue, key))
            case ChildReady():
                self.pauses.resume(f"child:{name}")
            case ChildGaveUp():
                self.halting.because(Cause.GAVE_UP, event.reason, name)

    def _halted(self) -> None:
        """Hear that the halt is another one."""
        self.pauses.end_entries()
        self._report()

    def _cause_stands(self) -> str:
        """Say why trading cannot be resumed yet; "" when it can."""
        if self.halting.journal_problem:
            return f"the journal cannot be written: {self.halting.journal_problem}"
        why = self.losses.unknown()
        return f"nobody can tell what is lost from now on: {why}" if why else ""

    def _report(self) -> None:
        report = RiskReport(
            self.risk.halt,
            (*self.losses.limits(), *self.guards.limits(), *self._exposed()),
            tuple((str(key), reason) for key, reason in self.risk.paused.items()),
            breakers=self.breakers.states(),
            throttles=self.scaling.set_throttles(),
            scales=tuple((str(key), self.scaling.scale(key)) for key in self.keys),
            refusals=tuple(self.refusals.items()),
            work=self.watches.work(),
        )
        self.tell_latest(names.OPERATIONS, self.name, report)

    def _exposed(self) -> tuple[LimitTold, ...]:
        if not all(map(self.pauses.aside, self.pauses.unreported)):
            return ()
        return (*notionals(self.desk), *portfolio(self.desk))


def _words(command: PlaceOrder | AmendOrder) -> str:
    price = f" at {text(command.price)}" if command.price is not None else ""
    return f"{command.side.value} {text(command.quantity)} {command.key.symbol}{price}"
