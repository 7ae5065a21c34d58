"""A journal whose end a loss of power tore: what is whole stays, the rest is kept aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from attrs import evolve, frozen

from adapters.storage.building import build
from adapters.storage.rows import (
    COLUMNS,
    GENESIS,
    MEND_DAMAGED,
    Head,
    Row,
    base_of,
    explain,
    is_archive,
    read_kept,
    seal,
    verify_kept,
)
from adapters.storage.schema import known_version_of, version_of
from adapters.storage.swap import finish, replacement, swap_in
from adapters.storage.wal import unfinished
from core.errors import JournalError

__all__ = ["Mended", "mend"]

_TORN = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ")
_PAGE = 4_096
_ROW_TYPES = (int, int, str, str, str, str, str, str, bytes)


@frozen(slots=True)
class Mended:
    """What was done: the chain ends at `kept`, `cut` says what followed, `aside` holds it."""

    kept: Head
    cut: str
    aside: tuple[Path, ...]


@frozen(slots=True)
class _Found:
    """A walk along the chain: its last good record, what is wrong behind it ("" for nothing)."""

    head: Head
    trouble: str = ""
    changed: bool = False


def mend(path: Path, now_ns: int) -> Mended | None:
    """Verify a journal that nobody has open; cut a torn end off. None where all is well.

    The damaged files stay beside it under the name of the instant. Errors: `JournalError` for
    damage before the end, or so much that no record is left: then nothing was changed, and a
    person decides. Walks the whole chain (about 3 us a record).
    """
    try:
        finish(path)
        if not path.exists():
            return None
        torn_log = unfinished(path.with_name(path.name + "-wal"))
        found = _inspect(path)
        if not found.trouble and not torn_log:
            return None
        if found.trouble and found.head == GENESIS:
            raise JournalError(
                f"the journal {path}: no record of it can be read: {found.trouble}: {MEND_DAMAGED}"
            )
        cut = found.trouble or "nothing that the chain shows"
        if torn_log:
            cut += f"; {torn_log} bytes of its log, which no transaction had completed"
        with replacement(path) as new:
            _copy(path, new, found.head)
        stamp = datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
        return Mended(found.head, cut, swap_in(path, f"torn-{stamp}"))
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be mended: {error}") from error


def _inspect(path: Path) -> _Found:
    connection = _open(path)
    try:
        if not _version(connection, path):
            return _Found(GENESIS, _structure(path))
        walk = _Walk(connection)
        for _ in walk:
            pass
        if is_archive(connection):
            raise JournalError(f"the journal {path} is an archive: put the live journal back")
        if walk.base.sequence:
            _check_kept(connection, walk.base, path)
        if walk.found.trouble:
            _refuse_middle(connection, walk.found, path)
            return walk.found
    except sqlite3.Error as error:
        if not _says_torn(error):
            raise
        return _Found(GENESIS, f"SQLite says: {error}")
    finally:
        connection.close()
    return evolve(walk.found, trouble=_structure(path))


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of what may be a journal; refuse what is none, or too new."""
    try:
        version = version_of(connection)
    except (JournalError, sqlite3.OperationalError) as error:
        if getattr(error, "sqlite_errorname", "SQLITE_ERROR") != "SQLITE_ERROR":
            raise
        text = f"the journal {path}: {error}: where it was a journal, {MEND_DAMAGED}"
        raise JournalError(text) from error
    try:
        return known_version_of(connection) if version else 0
    except JournalError as error:
        raise JournalError(f"the journal {path}: {error}") from error


def _check_kept(connection: sqlite3.Connection, base: Head, path: Path) -> None:
    """Refuse damage to the archived records that were kept: they stand before everything else."""
    try:
        verify_kept(connection, base)
    except (JournalError, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.Error) and not _says_torn(error):
            raise
        text = f"the journal {path} is damaged before its end: {error}: {MEND_DAMAGED}"
        raise JournalError(text) from error


def _structure(path: Path) -> str:
    """Say what is wrong with the file although every record is whole; "" for nothing."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        version_of(connection)  # a schema that cannot be read is nothing to the check
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        if not _says_torn(error):
            raise
        said = str(error)
    finally:
        connection.close()
    return "" if said == "ok" else f"no record, but SQLite says: {said}"


class _Walk:
    """The good records of a chain one by one; then `found` says where it ends and why."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.base = base_of(connection)
        self.found = _Found(self.base)

    def __iter__(self) -> Iterator[Row]:
        head = self.base
        try:
            for row in _to_the_last(self.connection, head.sequence):
                if row[0] != head.sequence + 1 or not _whole(row):
                    missing = head.sequence + 1
                    self.found = _Found(head, f"record {missing} is not there or not whole")
                    return
                if seal(head, *row[1:8]) != row:
                    trouble = f"record {row[0]} is not as it was written"
                    self.found = _Found(head, trouble, changed=True)
                    return
                head = Head(row[0], row[8])
                self.found = _Found(head)
                yield row
        except sqlite3.Error as error:
            if not _says_torn(error):
                raise
            self.found = _Found(head, f"behind record {head.sequence} SQLite says: {error}")


def _refuse_middle(connection: sqlite3.Connection, found: _Found, path: Path) -> None:
    """Refuse damage that whole records follow: only an end can be torn off by a loss of power.

    A page is written in parts, so the last one may hold whole records behind torn ones: as many
    as fit a page do not count, unless the first bad record was plainly changed.
    """
    following = first = size = 0
    try:
        query = f"WHERE sequence > {found.head.sequence + 1} ORDER BY sequence DESC"
        for row in _rows(connection, query):
            if not _whole(row):
                break
            following += 1
            first = row[0]
            size += sum(map(len, row[2:8]))
    except sqlite3.Error as error:
        if not _says_torn(error):
            raise
    if following and (found.changed or size > _PAGE):
        raise JournalError(
            f"the journal {path} is damaged before its end: {found.trouble}, and {following} whole "
            f"records follow from {first} on: {MEND_DAMAGED}"
        )


def _copy(path: Path, new: Path, head: Head) -> None:
    """Write the records up to `head` into a new file, with the hashes that they have."""
    source = _open(path)
    try:
        if not version_of(source):
            build(new, GENESIS, (), ())
            return
        walk = _Walk(source)
        rows = islice(walk, head.sequence - walk.base.sequence)
        build(new, walk.base, read_kept(source), rows)
    finally:
        source.close()


def _rows(connection: sqlite3.Connection, rest: str) -> Iterator[Row]:
    yield from connection.execute(f"SELECT {COLUMNS} FROM journal {rest}")


def _to_the_last(connection: sqlite3.Connection, after: int) -> Iterator[Row]:
    """Yield the rows behind one, up to the very last that can be read; then raise why."""
    wanted = "WHERE sequence > {} ORDER BY sequence"
    try:
        for row in _rows(connection, wanted.format(after)):
            after = row[0]
            yield row
    except sqlite3.Error as error:
        if not _says_torn(error):
            raise
        # The module looks one row ahead, and drops the one in hand when it meets damage there.
        while rows := list(_rows(connection, f"{wanted.format(after)} LIMIT 1")):
            after = rows[0][0]
            yield rows[0]


def _open(path: Path) -> sqlite3.Connection:
    """Open for reading, also a file that is shorter than it should be; leave its log as it is."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
    )
    connection.text_factory = lambda text: text.decode(errors="replace")
    connection.execute("PRAGMA writable_schema = ON")  # reads what is left of a short file
    return connection


def _whole(row: Row) -> bool:
    """Tell a row that was written whole from one whose page was: parts never written are zeros."""
    typed = all(type(cell) is kind for cell, kind in zip(row, _ROW_TYPES, strict=True))
    return typed and not any("\0" in text for text in row[2:8]) and row[8][-4:] != bytes(4)


def _says_torn(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorname", "") or "").startswith(_TORN)
