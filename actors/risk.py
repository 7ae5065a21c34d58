"""Risk: the one way out. Owns every limit, what is reserved, the pauses and the trading halt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

from attrs import evolve

from actors import names
from actors.messages import (
    CancelEntries,
    CloseForShutdown,
    EntriesCancelled,
    ExposureReport,
    HaltTold,
    HaltWanted,
    InstrumentListed,
    JournalFailed,
    JournalRecovered,
    LimitTold,
    Mention,
    Pause,
    Propose,
    RefusedByRisk,
    Resume,
    RiskReport,
    Tick,
    Write,
)
from actors.runtime import Actor, ChildDied, ChildGaveUp, ChildReady, ChildWaiting
from core.messages import AmendOrder, Key, MarkPrice, PlaceOrder, Side
from core.money import ZERO, text
from core.ports import Log, Record
from core.records import HaltChanged
from core.risk.checks import Risk
from core.risk.facts import NEVER_NS
from core.risk.halt import Halt, Level, relax, tighten
from core.risk.limits import Limits
from core.risk.proposal import Refusal

_REPORT_NS = 1_000_000_000
_NOT_REPORTED = "its position has not been compared with the venue yet"


class RiskActor(Actor):
    """Own limits, reservations, pauses and the halt of the whole host.

    State: `core.risk.checks.Risk` (notionals in quote money), why each symbol is paused, by whom.
    Fails: missing figures refuse; a failed part pauses what depends on it; a part that gave up, or
    a journal that cannot be written, ends new risk for the whole host.
    Rules: `core.risk`.
    """

    def __init__(
        self,
        limits: Limits,
        close_within_ns: int,
        keys: Sequence[Key],
        lanes: Sequence[str],
        last_halt: Callable[[], Halt],
        log: Log,
        *,
        latch_outlives_start: bool = True,
    ) -> None:
        self.risk = Risk(limits)
        self.close_within_ns = close_within_ns
        self.keys = tuple(keys)
        self.lanes = tuple(lanes)
        self.last_halt = last_halt
        self.log = log
        self.latch_outlives_start = latch_outlives_start
        self.pauses: dict[str, Pause] = {}
        self.unreported = set(keys)
        self.refusals: Counter[str] = Counter()
        self.closing = False
        self.why = ""
        self.unclosed: set[Key] = set()
        self.left: dict[Key, tuple[str, ...]] = {}
        self.stopped = False
        self.paused_since: dict[Key, int] = {}
        self.told_to_end: dict[Key, int] = {}
        self.logged: dict[tuple[Key, str], int] = {}

    def starting(self) -> None:
        before = self.last_halt()
        # Only a latched halt outlives a start, on paper not even that, since a person made it;
        # its epoch goes on so that no old approval passes.
        first = self.generation == 1
        if before.latched and (self.latch_outlives_start or not first):
            self.risk.halt = before
        else:
            if before.latched:
                self.log("warning", self.name, f"a halt is lifted by this start: {before.reason}")
            self.risk.halt = Halt(epoch=before.epoch + 1)
            self._write_halt()
        self._judge_pauses()
        self._tell_halt()
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
            case InstrumentListed():
                self.risk.list_instrument(message.instrument)
                self.risk.mark(message.instrument.key, message.mark, NEVER_NS)
            case Pause():
                self._pause(message)
            case Resume():
                self._resume(message.source)
            case ChildDied():
                self._pause(self._pause_for(message.name, f"{message.name} {message.reason}"))
            case ChildReady():
                self._resume(f"child:{message.name}")
            case ChildGaveUp():
                reason = f"{message.name} gave up: {message.reason}"
                self._tighten(Level.HALTED, reason, message.name, latched=True)
            case ChildWaiting():
                pass
            case JournalFailed():
                self._tighten(Level.REDUCE_ONLY, f"journal: {message.text}", names.JOURNAL)
            case JournalRecovered():
                if self.risk.halt.by == names.JOURNAL and not self.closing:
                    self._set_halt(relax(self.risk.halt, "journal writes again", names.JOURNAL))
            case HaltWanted():
                self.tell_control(message.reply_to, HaltTold(self.risk.halt))
            case CloseForShutdown():
                self._close(message)
            case EntriesCancelled():
                self._closed(message)
            case Tick("closing") if not self.stopped:
                self.left |= dict.fromkeys(self.unclosed, ("no answer in time",))
                self.unclosed.clear()
                self._finish_closing()
            case Tick("report"):
                self._end_entries()
                self._report()

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
        if now_ns - self.logged.get(seen, -60_000_000_000) >= 60_000_000_000:
            self.logged[seen] = now_ns
            self.log(
                "info",
                self.name,
                f"refused {_words(command)}: {refusal}",
                symbol=command.key.symbol,
                client_order_id=command.client_order_id,
            )

    def _reported(self, report: ExposureReport) -> None:
        exposure = self.risk.exposure
        exposure.report(report.key, report.positions, report.working, report.ended)
        if report.reset:
            self.unreported.discard(report.key)
            self._judge_pauses()
            self._report()  # the limits can be told from now on: not a second later
            missing = exposure.unmentioned(report.key)
            if missing:
                self.tell(names.position(report.key), Mention(missing))

    # Pauses

    def _pause_for(self, name: str, reason: str) -> Pause:
        return Pause(f"child:{name}", reason, names.venue_of(name), names.symbol_of(name))

    def _pause(self, pause: Pause) -> None:
        if pause.source.startswith("child:position:") and pause.key:
            self.unreported.add(pause.key)
        before = self.pauses.get(pause.source)
        self.pauses[pause.source] = pause
        self._judge_pauses()
        where = pause.key.symbol if pause.key else ""
        if before is None:
            self.log("warning", self.name, f"paused: {pause.reason}", symbol=where)

    def _resume(self, source: str) -> None:
        pause = self.pauses.pop(source, None)
        if pause:
            self._judge_pauses()
            where = pause.key.symbol if pause.key else ""
            self.log("info", self.name, f"resumed after: {pause.reason}", symbol=where)

    def _judge_pauses(self) -> None:
        paused = dict.fromkeys(self.unreported, _NOT_REPORTED)
        for pause in self.pauses.values():
            for key in self.keys:
                if pause.key == key or (not pause.key and pause.venue in ("", key.venue)):
                    paused[key] = pause.reason
        self.risk.paused = paused

    def _end_entries(self) -> None:
        """Have entries cancelled where nothing may be opened: in a halt at once, else in a while.

        A short pause leaves them: most are over before the venue would have answered. Positions
        that have not compared with the venue yet do so first. Said again while it lasts.
        """
        now_ns = self.monotonic_ns()
        halted = self.risk.halt.level is not Level.RUNNING
        patience_ns = self.risk.limits.stale_after_ns
        for key in self.keys:
            paused = key in self.risk.paused and key not in self.unreported
            if not paused:
                self.paused_since.pop(key, None)
            since_ns = self.paused_since.setdefault(key, now_ns) if paused else now_ns
            if not halted and now_ns - since_ns < patience_ns:
                self.told_to_end.pop(key, None)
                continue
            if now_ns - self.told_to_end.get(key, -patience_ns) >= patience_ns:
                self.told_to_end[key] = now_ns
                self.tell(names.position(key), CancelEntries())

    # The halt

    def _tighten(self, level: Level, reason: str, by: str, *, latched: bool = False) -> None:
        self._set_halt(tighten(self.risk.halt, level, reason, by, latched=latched))

    def _set_halt(self, halt: Halt) -> None:
        if halt == self.risk.halt:
            return
        self.risk.halt = evolve(halt, since_ns=self.now_ns())
        self._tell_halt()
        planned = halt.level is Level.RUNNING or self.closing
        level = "info" if planned else "error"
        self.log(level, self.name, f"trading is {halt.level.value}: {halt.reason} ({halt.by})")
        self._write_halt()
        self._end_entries()
        self._report()

    def _write_halt(self) -> None:
        record = Record(HaltChanged.of(self.risk.halt), self.now_ns(), actor=self.name)
        self.tell(names.JOURNAL, Write((record,)))

    def _tell_halt(self) -> None:
        for lane in self.lanes:
            self.tell_control(lane, HaltTold(self.risk.halt))

    # Shutdown

    def _close(self, order: CloseForShutdown) -> None:
        if self.closing:
            return
        self.closing = True
        self.why = order.reason
        self._tighten(Level.REDUCE_ONLY, order.reason, "shutdown")
        self.unclosed = set(self.keys)
        for key in self.keys:
            self.tell(names.position(key), CancelEntries(self.name))
        self.after(self.close_within_ns, Tick("closing"))
        self._finish_closing()

    def _closed(self, message: EntriesCancelled) -> None:
        self.unclosed.discard(message.key)
        if message.left:
            self.left[message.key] = message.left
        self._finish_closing()

    def _finish_closing(self) -> None:
        if self.unclosed or self.stopped:
            return
        self.stopped = True
        if self.left:
            text = "; ".join(f"{key}: {', '.join(ids)}" for key, ids in self.left.items())
            self.log("error", self.name, f"entries that may still be open at the venue: {text}")
        else:
            self.log("info", self.name, "entries cancelled, positions stay protected")
        self.stop_host(self.why)

    def _report(self) -> None:
        limits = self.risk.limits
        exposure = self.risk.exposure
        rows: list[LimitTold] = []
        if not self.unreported:
            gross = exposure.gross_notional()
            rows.append(_line("max_gross_notional", gross, limits.max_gross_notional))
            for side in Side:
                name = f"max_side_notional.{side.value}"
                value = exposure.direction_notional(side)
                rows.append(_line(name, value, limits.max_side_notional))
            for key in self.keys:
                worst = max(exposure.worst_notional(key, side) for side in Side)
                rows.append(_line(f"max_symbol_notional.{key}", worst, limits.max_symbol_notional))
        paused = tuple((str(key), reason) for key, reason in self.risk.paused.items())
        refusals = tuple(self.refusals.items())
        report = RiskReport(self.risk.halt, tuple(rows), paused, refusals=refusals)
        self.tell_latest(names.OPERATIONS, self.name, report)


def _line(name: str, value: Decimal, limit: Decimal) -> LimitTold:
    return LimitTold(name, value, limit, max(limit - value, ZERO))


def _words(command: PlaceOrder | AmendOrder) -> str:
    price = f" at {text(command.price)}" if command.price is not None else ""
    return f"{command.side.value} {text(command.quantity)} {command.key.symbol}{price}"
