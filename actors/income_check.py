"""The venue's income against the books', row by row: realised PnL, commission and funding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Set

from attrs import define, field

from actors import names
from actors.messages.account import CompareAgain
from actors.messages.journal import Recall, Recalled, Write
from actors.messages.lanes import IncomeRead, ReadIncome
from actors.messages.operations import IncomeDrift, Tick
from actors.runtime import Actor, Timer
from actors.wallet_check import WalletCheck
from core.errors import VenueError
from core.income import Earned, Earning
from core.income_differences import EDGE_NS, LATE_NS, differences
from core.messages import FundingPaid, Key
from core.money import text
from core.ports import Log, Record
from core.records import IncomeCompared, IncomeDiffered

__all__ = ["IncomeCheck"]

_READINGS = 4
_AGAIN_NS = 60_000_000_000
_RECENT_NS = 3_600_000_000_000
_NAMED = 5


@define(eq=False)
class IncomeCheck:
    """Reads the account's income span by span, all symbols in one question, and judges each row.

    A span begins where the journal says that the one before ended. What differs is read again a
    minute later, three times: meanwhile a symbol that lacks a fill compares with the venue, and a
    settlement that it lacks is handed to it. What differs by the same in four readings is written,
    logged once and counted. Nothing is judged while records wait for the disk.
    """

    actor: Actor
    venue: str
    keys: Set[Key]
    every_ns: int
    check: WalletCheck
    changed: Callable[[], None]
    log: Log
    _timer: Timer | None = field(default=None, init=False)
    _answer: IncomeRead | None = field(default=None, init=False)
    _doubted_until_ns: int = field(default=0, init=False)
    _found: tuple[IncomeDiffered, ...] = field(default=(), init=False)
    _readings: int = field(default=0, init=False)
    _told: Counter[Earning] = field(factory=Counter, init=False)
    _read_ns: int = field(default=0, init=False)
    _failing: bool = field(default=False, init=False)

    def begin(self) -> None:
        """Let the first look come soon: what was booked since the last host is waiting."""
        self._next(self._again_ns)

    @property
    def _again_ns(self) -> int:
        return min(_AGAIN_NS, self.every_ns)

    def _next(self, pause_ns: int) -> None:
        """Look after a pause; however often this is called, one look is to come."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.actor.after(pause_ns, Tick("income"))

    def look(self) -> None:
        """Ask for the next span if it is time, or for the one in doubt; again if none answers."""
        after_ns = self.check.income.after_ns
        early_ns = after_ns + LATE_NS + self.every_ns - self.actor.now_ns()
        if not after_ns or (early_ns > 0 and not self._doubted_until_ns):
            # By our clock, which may be wrong by far.
            self._next(max(self._again_ns, min(early_ns, self.every_ns)))
            return
        lane, me = names.reads_lane(self.venue), self.actor.name
        self.actor.tell(lane, ReadIncome(after_ns, self._doubted_until_ns, me))
        self._next(_AGAIN_NS)

    def failed(self, error: VenueError) -> bool:
        """Hear that the venue could not be asked; tell if it is news."""
        self._next(max(self._again_ns, error.retry_after_ns))
        news, self._failing = not self._failing, True
        return news

    def read(self, read: IncomeRead) -> None:
        """Take an answer in; it is judged once all that was told before is in the journal."""
        self._failing = False
        self._answer = read
        self.actor.tell(names.JOURNAL, Recall(self.actor.name, "income"))

    def recalled(self, recalled: Recalled) -> None:
        """Hear what waits for the disk: the answer is of no use before all is there."""
        if recalled.records:
            self._answer = None
        self.judge()

    def judge(self) -> None:
        """Compare; a long journal is folded part by part before."""
        read = self._answer
        if read is None:
            return
        if self.check.fold():
            self.actor.tell(self.actor.name, Tick("judge income"))
            return
        self._answer = None
        income = self.check.income
        after_ns = max(read.after_ns, income.after_ns)
        span = after_ns - _RECENT_NS, read.until_ns + EDGE_NS
        ours = tuple(self.check.wallets.earned(self.venue, *span))
        self._write(income.changed(ours))
        found = differences(read.rows, ours, self.keys, after_ns, read.until_ns)
        self._readings = self._readings + 1 if found and found == self._found else int(bool(found))
        self._found = found
        if read.until_ns > after_ns:
            self._read_ns = self.actor.monotonic_ns()
        if found and self._readings < _READINGS:
            self._doubted_until_ns = read.until_ns
            self._doubt(read.rows)
        else:
            self._doubted_until_ns = 0
            if read.until_ns > after_ns:
                self._close(read.until_ns)
        self._next(self._again_ns)
        self.changed()

    def _doubt(self, rows: Iterable[Earned]) -> None:
        """Have done what may explain a difference."""
        since_ns: dict[Key, int] = {}
        for differed in self._found:
            if differed.ours is None and differed.kind is not Earning.FUNDING:
                key = differed.key
                since_ns[key] = min(since_ns.get(key, differed.time_ns), differed.time_ns)
        for key, at_ns in since_ns.items():
            why = "the venue booked a fill that the books lack"
            self.actor.tell(names.position(key), CompareAgain(key, why, at_ns - EDGE_NS))
        lacking = {d.row_id for d in self._found if d.ours is None and d.kind is Earning.FUNDING}
        for row in rows:
            if row.kind is Earning.FUNDING and row.row_id in lacking:
                paid = FundingPaid(row.key, row.amount, row.asset, row.row_id, row.time_ns)
                self.actor.tell(names.position(row.key), paid)

    def _close(self, until_ns: int) -> None:
        """Write down that a span was judged, with what stayed different in it."""
        found, self._found, self._readings = self._found, (), 0
        self._write(found, IncomeCompared(self.venue, until_ns))
        if not found:
            return
        self._told.update(differed.kind for differed in found)
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        what = "; ".join(map(_words, found[:_NAMED]))
        self.log("error", self.actor.name, f"income differs: {what}{more}")

    def _write(self, found: Iterable[IncomeDiffered], *others: IncomeCompared) -> None:
        now_ns, me = self.actor.now_ns(), self.actor.name
        records = [Record(differed, now_ns, differed.key, actor=me) for differed in found]
        records += [Record(other, now_ns, actor=me) for other in others]
        for record in records:
            self.check.income.take(record.payload)
        if records:
            self.actor.tell(names.JOURNAL, Write(tuple(records)))

    def drift(self) -> IncomeDrift:
        """Tell how comparing went; nothing is known before the first reading."""
        found = tuple((kind.value, count) for kind, count in self._told.items())
        if not self._read_ns:
            return IncomeDrift(found)
        return IncomeDrift(found, self.check.income.apart(self._found), self._read_ns)


def _words(differed: IncomeDiffered) -> str:
    ours, stated = (
        "nothing" if side is None else text(side) for side in (differed.ours, differed.stated)
    )
    what = f"{differed.key.symbol} {differed.kind.value} of {differed.row_id}"
    return f"{what}: the books' {ours}, the venue's {stated} {differed.asset}"
