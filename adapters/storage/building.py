"""A journal's file written anew from rows that exist: after damage, and when some are archived."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from adapters.storage.rows import ARCHIVE, INSERT, Head, Row
from adapters.storage.schema import migrate

__all__ = ["build"]

_PLACES = ", ".join("?" * 10)


def build(
    path: Path,
    base: Head,
    kept: Iterable[tuple[Row, bytes]],
    rows: Iterable[Row],
    *,
    archive: bool = False,
) -> None:
    """Write a database with these rows as they are, durable when this returns.

    `base` is the end of what was archived (sequence 0: nothing), `kept` which of that stays, each
    with the hash it follows. An `archive` takes no more records. Errors: `sqlite3.Error`; then the
    file is of no use.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        if base.sequence:
            connection.execute("INSERT INTO base VALUES (?, ?)", base)
            connection.executemany(
                f"INSERT INTO kept VALUES ({_PLACES})", ((*row, before) for row, before in kept)
            )
        connection.executemany(INSERT, rows)
        if archive:
            connection.execute(f"PRAGMA user_version = {ARCHIVE}")
        connection.execute("COMMIT")
    finally:
        connection.close()
