"""What is done to the journal at a start of the host, before anybody opens it."""

from __future__ import annotations

from pathlib import Path

from adapters.storage.journal import Durability, SqliteJournal
from adapters.storage.mending import mend
from core.ports import Log, Record
from core.records import JournalMended

__all__ = ["prepare"]


def prepare(path: Path, durability: Durability, log: Log, now_ns: int) -> None:
    """Verify the journal and cut a torn end off, with a line in the log and a record of it.

    The caller holds the state folder's lock. Errors: `JournalError` for damage that a person must
    judge.
    """
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
    journal = SqliteJournal(path, durability)
    try:
        journal.append([Record(JournalMended(kept, mended.cut, aside), now_ns, actor="host")])
    finally:
        journal.close()
