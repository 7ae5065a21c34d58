"""Retention: older records move out of the live journal into archives; the chain goes on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path

from attrs import frozen

from adapters.storage.building import build
from adapters.storage.journal import JournalReader, SqliteJournal
from adapters.storage.rows import (
    COLUMNS,
    GENESIS,
    Head,
    Row,
    base_of,
    explain,
    kept_digest,
    link,
    read_kept,
    seal,
    select_head,
)
from adapters.storage.swap import replacement, swap_in
from core.errors import JournalError
from core.ports import Record
from core.records import JournalArchived
from core.retention import missed, needed

__all__ = ["FOLDER", "archive", "archives", "whole"]

FOLDER = "archive"
_NAME = re.compile(r"journal-(\d{12})-(\d{12})\.db")
_DAY_NS = 86_400_000_000_000


@frozen(slots=True)
class _Part:
    """The records `first` to `last.sequence`, which are to be moved; `base` is before them."""

    base: Head
    last: Head

    @property
    def first(self) -> int:
        return self.base.sequence + 1


def archive(path: Path, before_ns: int, host: str, now_ns: int) -> JournalArchived | None:
    """Move the records written before `before_ns` into a file of their own.

    A day's worth at least, else nothing happens; None then. What the books still need of them stays
    (`core.retention`), and that nothing is missed is proven by folding both before the swap. Nobody
    has the journal open. Errors: `JournalError`; then the journal is as it was.
    """
    try:
        with closing(_open(path)) as connection:
            part = _part(connection, before_ns)
            if part is None:
                return None
            return _move(path, connection, part, host, now_ns)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be archived: {error}") from error


def archives(path: Path) -> list[Path]:
    """Return the archives of a journal, the oldest first."""
    found = (path.parent / FOLDER).glob("journal-*.db")
    return sorted(file for file in found if _NAME.fullmatch(file.name))


def whole(path: Path, kinds: Sequence[type] = (), after: int = 0) -> Iterator[Record]:
    """Yield every record (of those kinds) there ever was, from archives and live journal.

    Errors: `JournalError` naming an archive that is not there or does not fit.
    """
    base = JournalReader(path).base()
    end = GENESIS
    for file in archives(path):
        reader = JournalReader(file)
        if end.sequence < base.sequence and reader.base() == end:
            yield from reader.read(kinds=kinds, after=max(end.sequence, after))
            end = reader.head()
    if end != base:
        raise JournalError(
            f"the journal {path} goes on behind record {base.sequence}, and "
            f"{path.parent / FOLDER} holds those up to {end.sequence} only: "
            "put the missing archives back"
        )
    yield from JournalReader(path).read(kinds=kinds, after=max(base.sequence, after))


def _part(connection: sqlite3.Connection, before_ns: int) -> _Part | None:
    base, head = base_of(connection), select_head(connection)
    oldest = connection.execute("SELECT min(time_ns) FROM journal").fetchone()[0]
    if oldest is None or oldest >= before_ns - _DAY_NS:
        return None
    query = "SELECT min(sequence) FROM journal WHERE time_ns >= ?"
    first_kept = connection.execute(query, (before_ns,)).fetchone()[0]
    last = head.sequence if first_kept is None else first_kept - 1
    if last <= base.sequence:
        return None
    return _Part(base, link(connection, last))


def _move(
    path: Path, connection: sqlite3.Connection, part: _Part, host: str, now_ns: int
) -> JournalArchived:
    reader = JournalReader(path)
    last = part.last.sequence
    old = (record for record in reader.read() if record.sequence <= last)
    stays = needed(old, reader.read(after=last))
    kept = [
        (row, before)
        for row, before in chain(read_kept(connection), _chained(connection, part))
        if row[0] in stays
    ]
    file = path.parent / FOLDER / f"journal-{part.first:012}-{last:012}.db"
    note = JournalArchived(
        f"{FOLDER}/{file.name}",
        part.first,
        last,
        part.last.hash.hex(),
        len(kept),
        kept_digest(row[8] for row, _ in kept),
    )
    _write_archive(file, connection, part)
    with replacement(path) as new:
        build(new, part.last, kept, _rows(connection, last))
        journal = SqliteJournal(new, "power")
        try:
            journal.append([Record(note, now_ns, actor="host")])
            journal.verify()
        finally:
            journal.close()
        difference = missed(reader, JournalReader(new), host)
        if difference:
            raise JournalError(f"without what would be archived these would differ: {difference}")
    connection.close()
    swap_in(path)
    return note


def _write_archive(file: Path, connection: sqlite3.Connection, part: _Part) -> None:
    """Write the moved records, a journal in itself; it gets its name once it is whole."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    for other in file.parent.glob(f"journal-{part.first:012}-*.db"):
        # Written before a swap that never came, or before a backup was put back: all of it is in
        # the live journal, or of another past.
        other.replace(other.with_name(f"{other.name}.unused"))
    with replacement(file) as new:
        build(new, part.base, (), (row for row, _ in _chained(connection, part)), archive=True)
        if _end(new) != part.last:
            raise JournalError(f"the archive {file} does not hold what it should")
    swap_in(file)


def _end(file: Path) -> Head:
    with closing(_open(file)) as connection:
        head = base_of(connection)
        for row in _rows(connection, head.sequence):
            if seal(head, *row[1:8]) != row:
                break
            head = Head(row[0], row[8])
        return head


def _chained(connection: sqlite3.Connection, part: _Part) -> Iterator[tuple[Row, bytes]]:
    before = part.base.hash
    for row in _rows(connection, part.base.sequence):
        if row[0] > part.last.sequence:
            return
        yield row, before
        before = row[8]


def _rows(connection: sqlite3.Connection, after: int) -> Iterator[Row]:
    yield from connection.execute(
        f"SELECT {COLUMNS} FROM journal WHERE sequence > ? ORDER BY sequence", (after,)
    )


def _open(path: Path) -> sqlite3.Connection:
    options = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(options, uri=True, isolation_level=None)
