"""Rows of the journal's table: sealing, chaining, paging and what SQLite's errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.errors import JournalError
from core.messages import Key

__all__ = [
    "COLUMNS",
    "GENESIS",
    "MEND_DAMAGED",
    "Head",
    "Row",
    "explain",
    "link",
    "read_rows",
    "seal",
    "select_head",
    "verify_chain",
]

Row = tuple[int, int, str, str, str, str, str, str, bytes]
"""sequence, time_ns, kind, venue, symbol, client_order_id, actor, payload, hash."""

COLUMNS = "sequence, time_ns, kind, venue, symbol, client_order_id, actor, payload, hash"
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


def select_head(connection: sqlite3.Connection) -> Head:
    """Return the end of the table, `GENESIS` when it is empty."""
    row = connection.execute(
        "SELECT sequence, hash FROM journal ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Head(*row) if row else GENESIS


def link(connection: sqlite3.Connection, sequence: int) -> Head:
    """Return the place after one row. Errors: `JournalError` when it is missing."""
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
    """Yield rows in order up to the end as it is at the first one.

    Pages, so that a slow reader never holds a snapshot that keeps the writer's log growing.
    """
    last = select_head(connection).sequence
    where = ""
    values: list[str] = []
    if kinds:
        where += f" AND kind IN ({', '.join('?' * len(kinds))})"
        values += kinds
    if key is not None:
        where += " AND venue = ? AND symbol = ?"
        values += [key.venue, key.symbol]
    query = (
        f"SELECT {COLUMNS} FROM journal WHERE sequence > ? AND sequence <= ?{where} "
        f"ORDER BY sequence LIMIT {_PAGE}"
    )
    while page := connection.execute(query, (after, last, *values)).fetchall():
        yield from page
        after = page[-1][0]


def verify_chain(connection: sqlite3.Connection, after: Head | None = None) -> Head:
    """Recompute every hash behind `after`; return the end of the chain.

    Errors: `JournalError` naming the first row that is missing, added or changed.
    """
    head = GENESIS if after is None else after
    if head.sequence and link(connection, head.sequence) != head:
        raise JournalError(f"record {head.sequence} is not the one that was noted")
    for row in read_rows(connection, after=head.sequence):
        if row[0] != head.sequence + 1:
            raise JournalError(f"record {head.sequence + 1} is missing")
        if seal(head, *row[1:8]) != row:
            raise JournalError(f"record {row[0]} was changed after it was written")
        head = Head(row[0], row[8])
    return head


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
