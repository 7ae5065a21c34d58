"""What is done to the journal at a start of the host, before anybody opens it."""

from __future__ import annotations

from pathlib import Path

from adapters.storage.archive import archive
from adapters.storage.journal import SqliteJournal
from adapters.storage.mending import mend
from core.config import JournalSettings
from core.errors import JournalError
from core.ports import Log, Record
from core.records import JournalMended

__all__ = ["prepare"]

_DAY_NS = 86_400_000_000_000


def prepare(path: Path, settings: JournalSettings, host: str, log: Log, now_ns: int) -> None:
    """Verify the journal, cut a torn end off, and archive what is old; log and journal each.

    The caller holds the state folder's lock. Errors: `JournalError` for damage that a person must
    judge. What cannot be archived stays where it is, and is no reason not to start.
    """
    _mend(path, log, now_ns)
    if settings.keep_days and path.exists():
        _archive(path, settings.keep_days, host, log, now_ns)


def _mend(path: Path, log: Log, now_ns: int) -> None:
    mended = mend(path, now_ns)
    if mended is None:
        return
    aside = tuple(file.name for file in mended.aside)
    kept = mended.kept.sequence
    log(
        "error",
        "host",
        f"the journal's end was torn, as by a loss of power: {kept} records are whole and stay; "
        f"cut off: {mended.cut}; as it was: {', '.join(aside)} in {path.parent}; what happened "
        "since comes from the venue",
    )
    journal = SqliteJournal(path, "power")
    try:
        journal.append([Record(JournalMended(kept, mended.cut, aside), now_ns, actor="host")])
    finally:
        journal.close()


def _archive(path: Path, keep_days: int, host: str, log: Log, now_ns: int) -> None:
    try:
        moved = archive(path, now_ns - keep_days * _DAY_NS, host, now_ns)
    except JournalError as error:
        log("error", "host", f"nothing was archived: {error}")
        return
    if moved is not None:
        log(
            "info",
            "host",
            f"archived the records {moved.first} to {moved.last}, older than {keep_days} days, in "
            f"{moved.file}; {moved.kept} of them stay, because the books need them",
        )
