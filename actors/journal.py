"""The journal's one writer: records first on disk, then told on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from attrs import frozen

from actors import names
from actors.messages import JournalFailed, JournalRecovered, Tick, Write
from actors.runtime import Actor
from actors.runtime.messages import Stop
from core.errors import JournalError
from core.ports import Journal, Log, Record

_RETRY_NS = 1_000_000_000


@frozen(slots=True)
class _Last:
    """Stands behind everything that was to be written when the host stopped."""

    reason: str


class JournalActor(Actor):
    """Own the journal's file.

    State: records that could not be written yet, oldest first, written again every second; whether
    the last try failed, which risk believes until one succeeds.
    Fails: a journal that cannot be opened is a crash, so the host gives up in the end. A full or
    read-only disk halts new risk and is no crash; what shrinks a position goes out all the same,
    its record waits here. An order to stop comes after all that was told before it.
    Rules: none.
    """

    stops_itself: ClassVar[bool] = True

    def __init__(self, open_journal: Callable[[], Journal], log: Log) -> None:
        self.open_journal = open_journal
        self.log = log
        self.waiting_records: deque[Record] = deque()
        self.failing = False
        self.retrying = False

    def starting(self) -> None:
        self.journal = self.open_journal()
        self.ready()

    def handle(self, message: object) -> None:
        match message:
            case Write():
                self._write(message)
            case Tick():
                self._again()
            case Stop():
                self.tell(self.name, _Last(message.reason))
            case _Last():
                self.finish(message.reason)

    def stopping(self) -> None:
        if self.waiting_records:
            self._again()
        self.journal.close()

    def _write(self, write: Write) -> None:
        if self.waiting_records:
            self._keep(write)
            return
        try:
            self.context.check()  # a reader that was hung and replaced writes nothing more
            self.journal.append(write.records)
        except JournalError as error:
            self.failing = True
            if not self.retrying:
                self._retry()
            self.log("error", self.name, f"journal: {error}; nothing new is opened")
            self.tell_control(names.RISK, JournalFailed(str(error)))
            self._keep(write)
            return
        self._recovered()
        for to, message in write.then:
            self.tell(to, message)

    def _keep(self, write: Write) -> None:
        """Hold a write back: an intent is given back unwritten, a fact waits for the disk."""
        if write.failed:
            for to, message in write.failed:
                self.tell(to, message)
            return
        self.waiting_records.extend(write.records)
        for to, message in write.then:
            self.tell(to, message)

    def _retry(self) -> None:
        self.retrying = True
        self.after(_RETRY_NS, Tick())

    def _again(self) -> None:
        self.retrying = False
        if not self.waiting_records:  # nothing to try it with: the next record will tell
            return
        try:
            self.context.check()
            self.journal.append(tuple(self.waiting_records))
        except JournalError as error:
            count = len(self.waiting_records)
            self.log("error", self.name, f"journal: {error}; {count} records wait in memory")
            # Risk may have started anew since it was told.
            self.tell_control(names.RISK, JournalFailed(str(error)))
            self._retry()
            return
        self.waiting_records.clear()
        self._recovered()

    def _recovered(self) -> None:
        if self.failing:
            self.failing = False
            self.log("info", self.name, "journal: writing again")
            self.tell_control(names.RISK, JournalRecovered())
