"""The journal's one writer: records first on disk, then told on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar

from attrs import evolve, frozen

from actors import names
from actors.messages.journal import (
    JournalFailed,
    JournalRecovered,
    Note,
    Recall,
    Recalled,
    Write,
    WrittenLate,
)
from actors.messages.operations import Tick
from actors.runtime import Actor
from actors.runtime.messages import Stop
from core.decisions import RiskJudged, StrategyDecided
from core.errors import JournalError, UnwritableRecord
from core.guard_decisions import GUARDED
from core.late import KEPT
from core.letters import UNWRITABLE
from core.ports import Journal, Log, Record

_RETRY_NS = 1_000_000_000
_NOTES_NS = 100_000_000
_PART = 500
_DROPPED = RiskJudged, StrategyDecided, *GUARDED
"""Decisions: no start needs them, and where one builds on another replay knows of a gap."""


@frozen(slots=True)
class _Last:
    """Stands behind everything that was to be written when the host stopped."""

    reason: str


class JournalActor(Actor):
    """Own the journal's file.

    State: notes that wait for company, at most a tenth of a second; what could not be written yet,
    oldest first, tried again every second, and what of it is `late` on disk by now; whether the
    last try failed, which risk believes until all is written; how many decisions were dropped.
    Fails: a journal that cannot be opened is a crash, so the host gives up in the end. A full or
    read-only disk halts new risk and is no crash; what shrinks a position goes out all the same,
    its record waits here. A try writes a part of what waits, so that a stop on its way through here
    is not held up. A record that never can be written is a dead letter, and an intent given back.
    An order to stop comes after all that was told before it.
    Rules: none.
    """

    stops_itself: ClassVar[bool] = True

    def __init__(self, open_journal: Callable[[], Journal], log: Log) -> None:
        self.open_journal = open_journal
        self.log = log
        self.unwritten: deque[tuple[Record, ...]] = deque()
        self.late: list[Record] = []
        self.notes: list[Record] = []
        self.noting = False
        self.dropped = 0
        self.failing = False
        self.retrying = False

    def starting(self) -> None:
        self.journal = self.open_journal()
        self.ready()

    def handle(self, message: object) -> None:
        match message:
            case Write():
                self._write(message)
            case Note():
                if not self.noting:  # one timer, not one for each order
                    self.noting = True
                    self.after(_NOTES_NS, Tick("notes"))
                self.notes += message.records
            case Recall():
                waiting = tuple(record for records in self.unwritten for record in records)
                self.tell(message.reply_to, Recalled(waiting, message.about))
            case Tick("notes"):
                self.noting = False
                if self.notes:
                    self._write(Write(()))
            case Tick():
                self._again()
            case Stop():
                self.tell(self.name, _Last(message.reason))
            case _Last():
                self.finish(message.reason)

    def stopping(self) -> None:
        if self.notes:
            self._write(Write(()))
        while self.unwritten and self._write_part():
            pass
        self.journal.close()

    def _write(self, write: Write) -> None:
        notes, self.notes = tuple(self.notes), []
        if self.unwritten:
            self._keep(notes, write)
            return
        try:
            self.context.check()  # a reader that was hung and replaced writes nothing more
            self.journal.append(notes + write.records)
        except UnwritableRecord as error:
            self._leave_out(error, (notes + write.records)[error.place])
            self.notes = _without(notes, error.place)
            self._write(_rest(write, error.place - len(notes)))
            return
        except JournalError as error:
            if not self.failing:
                self.log("error", self.name, f"journal: {error}; nothing new is opened")
            self.failing = True
            if not self.retrying:
                self._retry()
            self.tell_control(names.RISK, JournalFailed(str(error)))
            self._keep(notes, write)
            return
        self._recovered()
        for to, message in write.then:
            self.tell(to, message)

    def _keep(self, notes: tuple[Record, ...], write: Write) -> None:
        """Hold a write back: an intent is given back unwritten, a fact waits for the disk."""
        kept = tuple(record for record in notes if not isinstance(record.payload, _DROPPED))
        self.dropped += len(notes) - len(kept)
        if write.failed:
            told = write.failed
        else:
            told = write.then
            kept += write.records
        if kept:
            self.unwritten.append(kept)
        for to, message in told:
            self.tell(to, message)

    def _leave_out(self, error: UnwritableRecord, record: Record) -> None:
        self.log("error", self.name, f"journal: {error}; it is left out, all others are written")
        self.give_up(UNWRITABLE, record)

    def _retry(self) -> None:
        self.retrying = True
        self.after(_RETRY_NS, Tick())

    def _again(self) -> None:
        self.retrying = False
        if not self.unwritten:  # nothing to try it with: the next record will tell
            return
        if not self._write_part():
            self._retry()
        elif self.unwritten:
            self.retrying = True
            self.tell(self.name, Tick())
        else:
            self._recovered()
            self._tell_late()

    def _write_part(self) -> bool:
        """Write the oldest of what waits, what was told together in one; return whether it went."""
        part: list[Record] = []
        count = 0
        for records in self.unwritten:
            part += records
            count += 1
            if len(part) >= _PART:
                break
        try:
            self.context.check()
            self.journal.append(part)
        except UnwritableRecord as error:
            self._leave_out(error, part[error.place])
            for _ in range(count):
                self.unwritten.popleft()
            rest = _without(part, error.place)
            if rest:
                self.unwritten.appendleft(tuple(rest))
            return not self.unwritten or self._write_part()
        except JournalError as error:
            waits = sum(map(len, self.unwritten))
            self.log("error", self.name, f"journal: {error}; {waits} records wait in memory")
            # Risk may have started anew since it was told.
            self.tell_control(names.RISK, JournalFailed(str(error)))
            return False
        for _ in range(count):
            self.unwritten.popleft()
        self.late += part
        return True

    def _tell_late(self) -> None:
        """Tell all of it at once: what a record means may depend on those behind it."""
        late, self.late = self.late, []
        for key in dict.fromkeys(r.key for r in late if isinstance(r.payload, KEPT)):
            if key is not None:
                told = WrittenLate(tuple(record for record in late if record.key == key))
                self.tell(names.position(key), told)

    def _recovered(self) -> None:
        if self.failing:
            self.failing = False
            left_out = f"; {self.dropped} decisions of meanwhile are not in it"
            text = f"journal: writing again{left_out if self.dropped else ''}"
            self.log("info", self.name, text)
            self.dropped = 0
            self.tell_control(names.RISK, JournalRecovered())


def _without(records: Sequence[Record], place: int) -> list[Record]:
    """Return them but for the one at `place`, or all where there is none."""
    return [record for at, record in enumerate(records) if at != place]


def _rest(write: Write, place: int) -> Write:
    """Return what is left of a write without one of its records: of an intent only the news."""
    if place < 0:
        return write
    if write.failed:
        return Write((), write.failed)
    return evolve(write, records=tuple(_without(write.records, place)))
