"""Risk: the one way out. Owns every limit, what is reserved, the pauses and the trading halt."""

from __future__ import annotations

from collections import Counter

from actors import names
from actors.flattens import Flattens
from actors.halting import Halting
from actors.messages import (
    CloseForShutdown,
    Compared,
    EntriesCancelled,
    ExposureReport,
    FlattenTold,
    HaltTold,
    HaltWanted,
    InstrumentListed,
    JournalFailed,
    JournalRecovered,
    Mention,
    Operate,
    Pause,
    Propose,
    RefusedByRisk,
    Resume,
    RiskReport,
    ScaleWanted,
    Tick,
)
from actors.operating import Operating
from actors.pauses import Pauses
from actors.risk_desk import RiskDesk, RiskSettings
from actors.risk_limits import notionals
from actors.runtime import Actor, ChildDied, ChildGaveUp, ChildReady, ChildWaiting
from actors.scaling import Scaling
from core.messages import AmendOrder, Key, MarkPrice, PlaceOrder, Quote
from core.money import text
from core.ports import Log, Records
from core.remembered import remember
from core.risk.checks import Risk
from core.risk.facts import NEVER_NS
from core.risk.halt import Level
from core.risk.proposal import Refusal

__all__ = ["RiskActor", "RiskSettings"]

_REPORT_NS = 1_000_000_000
_SAME_REFUSAL_NS = 60_000_000_000


class RiskActor(Actor):
    """Own limits, reservations, pauses and the halt of the whole host.

    State: `core.risk.checks.Risk` (notionals in quote money), why each symbol is paused, by whom.
    What the journal holds of halts, losses, throttles and the operator's pauses outlives it.
    Fails: missing figures refuse; a failed part pauses what depends on it; a part that gave up, or
    a journal that cannot be written, ends new risk for the whole host.
    Rules: `core.risk`.
    Parts, which run in this actor's turn, over one `RiskDesk`: `Halting` owns the halt and the
    shutdown, `Pauses` who may open nothing now, `Scaling` sizes, `Flattens` what is being closed,
    `Operating` the operator's commands.
    """

    def __init__(self, settings: RiskSettings, records: Records, log: Log) -> None:
        self.risk = Risk(settings.limits)
        self.records = records
        self.log = log
        self.keys = tuple(settings.keys)
        self.desk = RiskDesk(self, self.risk, settings, log)
        self.pauses = Pauses(self.desk)
        self.halting = Halting(self.desk, self._halted)
        self.scaling = Scaling(self.desk)
        self.flattens = Flattens(self.desk)
        self.operating = Operating(
            self.desk,
            self.halting,
            self.pauses,
            self.scaling,
            self.flattens,
            self._cause_stands,
            self._begin_anew,
        )
        self.refusals: Counter[str] = Counter()
        self.logged: dict[tuple[Key, str], int] = {}

    def starting(self) -> None:
        before = remember(self.records)
        self.halting.begin(before.halt)
        self.scaling.begin(before.throttles)
        self.operating.begin(before.paused)
        self.pauses.judge()
        self.every(_REPORT_NS, Tick("report"))
        self.ready()

    def handle(self, message: object) -> None:
        match message:
            case Propose():
                self._propose(message)
            case ExposureReport():
                self._reported(message)
            case MarkPrice():
                self.risk.mark(message.key, message.mark, self.monotonic_ns())
                self.risk.facts.funding[message.key] = message
            case Quote(key=key, bid=bid, ask=ask):
                self.risk.facts.quotes[key] = (bid, ask, self.monotonic_ns())
            case InstrumentListed():
                self._listed(message)
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
            case Tick("report"):
                self.flattens.look()
                self.pauses.end_entries()
                self._report()

    # Orders

    def _propose(self, proposal: Propose) -> None:
        command = proposal.command
        now_ns, monotonic_ns = self.now_ns(), self.monotonic_ns()
        answer = (
            self.risk.place(command, now_ns, monotonic_ns)
            if isinstance(command, PlaceOrder)
            else self.risk.amend(command, now_ns, monotonic_ns)
        )
        if isinstance(answer, Refusal):
            self._refuse(proposal, answer)
        else:
            self.tell(names.position(command.key), answer)

    def _refuse(self, proposal: Propose, refusal: Refusal) -> None:
        command = proposal.command
        self.refusals[refusal.rule] += 1
        self.tell(proposal.reply_to, RefusedByRisk(command, refusal))
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
        if report.reset:
            self.pauses.reported(key)
            self.flattens.reported(key)
            self._report()  # the limits can be told from now on: not a second later
            missing = exposure.unmentioned(key)
            if missing:
                self.tell(names.position(key), Mention(missing))

    def _listed(self, listed: InstrumentListed) -> None:
        key, facts = listed.instrument.key, self.risk.facts
        self.risk.list_instrument(listed.instrument)
        self.risk.mark(key, listed.mark, NEVER_NS)
        facts.leverage[key], facts.brackets[key] = listed.leverage, listed.brackets

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
                reason = f"{name} gave up: {event.reason}"
                self.halting.tighten(Level.HALTED, reason, name, latched=True)

    def _halted(self) -> None:
        """Hear that the halt is another one."""
        self.pauses.end_entries()
        self._report()

    def _cause_stands(self) -> str:
        """Say why trading cannot be resumed yet; "" when it can."""
        if self.halting.journal_problem:
            return f"the journal cannot be written: {self.halting.journal_problem}"
        return ""

    def _begin_anew(self) -> None:
        """Count losses from now on."""

    def _report(self) -> None:
        report = RiskReport(
            self.risk.halt,
            notionals(self.desk) if not self.pauses.unreported else (),
            tuple((str(key), reason) for key, reason in self.risk.paused.items()),
            throttles=self.scaling.set_throttles(),
            scales=tuple((str(key), self.scaling.scale(key)) for key in self.keys),
            refusals=tuple(self.refusals.items()),
        )
        self.tell_latest(names.OPERATIONS, self.name, report)


def _words(command: PlaceOrder | AmendOrder) -> str:
    price = f" at {text(command.price)}" if command.price is not None else ""
    return f"{command.side.value} {text(command.quantity)} {command.key.symbol}{price}"
