"""Rows of the journal's table: sealing, chaining, paging and what SQLite's errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.errors import JournalError
from core.messages import Key

__all__ = [
    "ARCHIVE",
    "COLUMNS",
    "GENESIS",
    "INSERT",
    "MEND_DAMAGED",
    "Head",
    "Row",
    "base_of",
    "explain",
    "is_archive",
    "kept_digest",
    "link",
    "read_kept",
    "read_rows",
    "seal",
    "select_head",
    "verify_chain",
    "verify_kept",
]

Row = tuple[int, int, str, str, str, str, str, str, bytes]
"""sequence, time_ns, kind, venue, symbol, client_order_id, actor, payload, hash."""

COLUMNS = "sequence, time_ns, kind, venue, symbol, client_order_id, actor, payload, hash"
INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
ARCHIVE = 1
"""The user version of a database that holds archived records, and takes no more."""
_PAGE = 1_000
_encode = msgspec.json.Encoder().encode


class Head(NamedTuple):
    """The place in the chain after one record: its sequence and hash."""

    sequence: int
    hash: bytes


GENESIS = Head(0, bytes(32))


def seal(
    head: Head,
    time_ns: int,
    kind: str,
    venue: str,
    symbol: str,
    client_order_id: str,
    actor: str,
    payload: str,
) -> Row:
    """Make the row that follows `head`: its hash covers the one before it and all its columns."""
    sequence = head.sequence + 1
    columns = (sequence, time_ns, kind, venue, symbol, client_order_id, actor, payload)
    return (*columns, sha256(head.hash + _encode(columns)).digest())


def base_of(connection: sqlite3.Connection) -> Head:
    """Return the end of what was moved into archives, `GENESIS` when nothing was."""
    if not _has_base(connection):
        return GENESIS
    row = connection.execute("SELECT sequence, hash FROM base").fetchone()
    return Head(*row) if row else GENESIS


def is_archive(connection: sqlite3.Connection) -> bool:
    """Tell whether this is no live journal but records that were moved out of one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(version == ARCHIVE)


def select_head(connection: sqlite3.Connection) -> Head:
    """Return the end of the chain, `GENESIS` when there is nothing."""
    row = connection.execute(
        "SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Head(*row) if row else base_of(connection)


def link(connection: sqlite3.Connection, sequence: int) -> Head:
    """Return the place after one record; of an archived one, the end of what was archived.

    Errors: `JournalError` when it is missing.
    """
    base = base_of(connection)
    if sequence <= base.sequence:
        return base
    row = connection.execute(
        "SELECT sequence, hash FROM journal WHERE sequence = ?", (sequence,)
    ).fetchone()
    if row is None:
        raise JournalError(f"record {sequence} is missing")
    return Head(*row)


def read_rows(
    connection: sqlite3.Connection,
    kinds: Sequence[str] = (),
    key: Key | None = None,
    after: int = 0,
) -> Iterator[Row]:
    """Yield rows in order up to the end as it is at the first one; also kept archived ones.

    Pages, so that a slow reader never holds a snapshot that keeps the writer's log growing.
    """
    last = select_head(connection).sequence
    base = base_of(connection).sequence
    where = ""
    values: list[str] = []
    if kinds:
        where += f" AND kind IN ({', '.join('?' * len(kinds))})"
        values += kinds
    if key is not None:
        where += " AND venue = ? AND symbol = ?"
        values += [key.venue, key.symbol]
    for table in ("kept", "journal") if after < base else ("journal",):
        query = (
            f"SELECT {COLUMNS} FROM {table} WHERE sequence > ? AND sequence <= ?{where} "
            f"ORDER BY sequence LIMIT {_PAGE}"
        )
        while page := connection.execute(query, (after, last, *values)).fetchall():
            yield from page
            after = page[-1][0]


def verify_chain(connection: sqlite3.Connection, after: Head | None = None) -> Head:
    """Recompute every hash behind `after`; return the end of the chain.

    Errors: `JournalError` naming the first row that is missing, added or changed.
    """
    base = base_of(connection)
    head = base if after is None else after
    if head.sequence < base.sequence:
        raise JournalError(f"record {head.sequence} was archived: verify the archive that holds it")
    if head.sequence and link(connection, head.sequence) != head:
        raise JournalError(f"record {head.sequence} is not the one that was noted")
    if after is None and base.sequence and not is_archive(connection):
        verify_kept(connection, base)
    for row in read_rows(connection, after=head.sequence):
        if row[0] != head.sequence + 1:
            raise JournalError(f"record {head.sequence + 1} is missing")
        if seal(head, *row[1:8]) != row:
            raise JournalError(f"record {row[0]} was changed after it was written")
        head = Head(row[0], row[8])
    return head


def read_kept(connection: sqlite3.Connection) -> Iterator[tuple[Row, bytes]]:
    """Yield the archived rows that were kept, each with the hash that it follows."""
    if _has_base(connection):
        for row in connection.execute(f"SELECT {COLUMNS}, before FROM kept ORDER BY sequence"):
            yield row[:9], row[9]


def kept_digest(hashes: Iterable[bytes]) -> str:
    """Return what the journal notes of the kept rows: it changes with any one of them."""
    return sha256(b"".join(hashes)).hexdigest()


def verify_kept(connection: sqlite3.Connection, base: Head) -> None:
    """Check the archived rows that were kept. Errors: `JournalError` for any difference."""
    hashes = []
    for row, before in read_kept(connection):
        if seal(Head(row[0] - 1, before), *row[1:8]) != row:
            raise JournalError(f"record {row[0]}, which was kept, was changed")
        hashes.append(row[8])
    said = _note_of(connection, base)
    found = {"head": base.hash.hex(), "kept_digest": kept_digest(hashes)}
    if any(said.get(name) != value for name, value in found.items()):
        raise JournalError(
            "the archived records that were kept are not those that were noted: some were added, "
            "changed or removed"
        )


def _note_of(connection: sqlite3.Connection, base: Head) -> dict[str, object]:
    """Find what was noted when the records up to `base` were archived; the end may be torn."""
    row = connection.execute(
        "SELECT payload FROM journal WHERE kind = 'JournalArchived' "
        "AND json_extract(payload, '$.last') = ? ORDER BY sequence LIMIT 1",
        (base.sequence,),
    ).fetchone()
    return msgspec.json.decode(row[0], type=dict[str, object]) if row else {}


def _has_base(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'base'"
    return connection.execute(query).fetchone() is not None


MEND_DAMAGED = (
    "stop the host, keep a copy of it and its -wal file as evidence, restore the last backup or "
    "move it aside and recover what is left (docs/journal.md, Mending)"
)
_CAUSES = {
    "SQLITE_FULL": "the disk is full: make room; nothing was written",
    "SQLITE_READONLY": "it may not be written: check owner and rights of the file and its folder",
    "SQLITE_PERM": "it may not be opened: check owner and rights of the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened: check that the file and its folder may be read",
    "SQLITE_BUSY": "it is locked by another program: close what holds it",
    "SQLITE_LOCKED": "it is locked by another program: close what holds it",
    "SQLITE_CORRUPT": f"the file is damaged: {MEND_DAMAGED}",
    "SQLITE_NOTADB": f"the file is no database: {MEND_DAMAGED}",
    "SQLITE_IOERR": "the disk failed to read or write: check the disk and its free space",
    "SQLITE_CONSTRAINT": "another program wrote to it: only one host may use a state folder",
}


def explain(error: Exception, path: Path) -> JournalError:
    """Say in words what an error of SQLite means and how to mend it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for known, cause in _CAUSES.items():
        if name.startswith(known):
            return JournalError(f"the journal {path}: {cause} ({name})")
    return JournalError(f"the journal {path}: {error} ({name or type(error).__name__})")
