"""The journal's schema: versions, and the steps from each to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from time import time_ns

from core.errors import JournalError

__all__ = ["MIGRATIONS", "known_version_of", "migrate", "missing_guards", "version_of"]

MIGRATIONS: tuple[str, ...] = tuple(
    Path(__file__).with_name(name).read_text() for name in ("schema.sql", "schema_2.sql")
)
"""SQL that leads from version i to i + 1. Steps are added, never changed: docs/journal.md."""

_TRIGGERS = (
    frozenset(f"journal_is_never_{what}" for what in ("updated", "deleted", "replaced")),
    frozenset(
        f"{table}_is_{what}"
        for table in ("base", "kept")
        for what in ("never_updated", "never_deleted", "made_once")
    ),
)

_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    INTEGER PRIMARY KEY,
    applied_ns INTEGER NOT NULL
)
"""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema version of a database, 0 for an empty one.

    Errors: `JournalError` for a database of something else.
    """
    tables = {
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
    }
    if "schema_version" not in tables:
        if tables:
            raise JournalError("the file is a database of something else")
        return 0
    (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(version or 0)


def known_version_of(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Return the schema version. Errors: `JournalError` for one that a newer program wrote, too."""
    version = version_of(connection)
    if version > len(migrations):
        raise JournalError(
            f"it has schema version {version}, this program knows {len(migrations)}: "
            "use the version that wrote it, or a newer one"
        )
    return version


def missing_guards(connection: sqlite3.Connection) -> set[str]:
    """Return the triggers that a database of its version should have and has not."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    expected = frozenset[str]().union(*_TRIGGERS[: version_of(connection)])
    return set(expected - {name for (name,) in found})


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Bring a database to the newest version, all steps in one transaction; return the version.

    `connection` is in autocommit mode. Errors: `JournalError` for one that a newer program wrote;
    `sqlite3.Error` from a step, and then nothing has changed.
    """
    version = known_version_of(connection, migrations)
    if version == len(migrations):
        return version
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_VERSIONS)
        for number, script in enumerate(migrations[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (number, time_ns()))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(migrations)


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit the transaction it runs in."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    if pending.strip():
        raise ValueError(f"a migration ends inside a statement: {pending.strip()[:60]!r}")
    return found
