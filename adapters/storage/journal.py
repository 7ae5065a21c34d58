"""The journal on SQLite: append-only, hash-chained records for the host, readers and auditors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from adapters.storage.codec import Codec
from adapters.storage.rows import (
    INSERT,
    MEND_DAMAGED,
    Head,
    Row,
    base_of,
    explain,
    is_archive,
    link,
    read_rows,
    seal,
    select_head,
    verify_chain,
)
from adapters.storage.schema import migrate, missing_guards, version_of
from core.errors import JournalError, UnwritableRecord
from core.messages import Key
from core.ports import Record

__all__ = ["Durability", "JournalReader", "SqliteJournal"]

Durability = Literal["process", "power"]
_SYNCHRONOUS = {"process": "NORMAL", "power": "FULL"}
_BUSY_MS = 2_000
_BUSY_AGAIN_MS = 50
_CHECKED_AT_OPEN = 256


class JournalReader:
    """Read a journal, of a host that runs or one that stopped, without disturbing its writer.

    Opens a connection of its own for each call, read-only. Errors of all methods: `JournalError`
    naming the file and how to mend it.
    """

    def __init__(self, path: Path, extra: Iterable[type] = ()) -> None:
        self.path = path
        self._codec = Codec(extra)

    def read(
        self, *, kinds: Sequence[type] = (), key: Key | None = None, after: int = 0
    ) -> Iterator[Record]:
        """Yield the records there are now, in order, only of those kinds and that key."""
        names = tuple(self._codec.kind_of(kind) for kind in kinds)
        try:
            connection = _connect_reader(self.path)
            try:
                for row in read_rows(connection, names, key, after):
                    yield self._record(row)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        except JournalError as error:
            raise _named(error, self.path) from error

    def head(self) -> Head:
        """Return sequence and hash of the last record: noted elsewhere, they prove the rest."""
        try:
            connection = _connect_reader(self.path)
            try:
                return select_head(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def base(self) -> Head:
        """Return the end of what was moved into archives, sequence 0 when nothing was."""
        try:
            connection = _connect_reader(self.path)
            try:
                return base_of(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def place(self, sequence: int) -> Head:
        """Return the place in the chain after one record, to verify what follows it."""
        try:
            connection = _connect_reader(self.path)
            try:
                return link(connection, sequence)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        except JournalError as error:
            raise _named(error, self.path) from error

    def verify(self, after: Head | None = None) -> Head:
        """Walk the whole chain; return its head.

        `after` is a head noted earlier: the chain must still contain it.
        Errors: `JournalError` naming the first bad row, or a guard that was taken away.
        """
        try:
            connection = _connect_reader(self.path)
            try:
                missing = missing_guards(connection)
                if missing:
                    raise JournalError(f"its trigger {min(missing)} was removed")
                return verify_chain(connection, after=after)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        except JournalError as error:
            raise _named(error, self.path) from error

    def _record(self, row: Row) -> Record:
        sequence, time_ns, kind, venue, symbol, client_order_id, actor, payload, _ = row
        return Record(
            self._codec.decode(kind, payload, sequence),
            time_ns,
            Key(venue, symbol) if venue or symbol else None,
            client_order_id,
            actor,
            sequence,
        )


class SqliteJournal(JournalReader):
    """The one writer of a journal; implements `core.ports.Journal`.

    "process" durability survives a kill -9 of the program, "power" a loss of power too (an fsync
    for every append). Used by one thread at a time, not always the one that made it.
    """

    def __init__(
        self, path: Path, durability: Durability = "process", extra: Iterable[type] = ()
    ) -> None:
        super().__init__(path, extra)
        self._durability = durability
        self._log = path.with_name(path.name + "-wal")
        self._connection = _connect_writer(path, durability)
        self._failing = False
        try:
            self._head = _last_link(self._connection)
            found = os.stat(path)
            self._inode, self._size = found.st_ino, found.st_size
            self._log_inode = _inode(self._log)
        except sqlite3.Error as error:
            self._connection.close()
            raise explain(error, path) from error
        except JournalError as error:
            self._connection.close()
            raise _named(error, path) from error

    def append(self, records: Sequence[Record]) -> None:
        """Make the records durable in one transaction before returning.

        Errors: `UnwritableRecord` for the first that never can be written, and `JournalError` with
        the cause in words; then none was written, and the next append
        works again once the cause is gone. Behind one that failed a lock is hardly waited for.
        """
        if not records:
            return
        rows, head = self._rows(records)
        connection = self._connection
        try:
            self._check_file()
            if len(rows) == 1:
                connection.execute(INSERT, rows[0])
            else:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(INSERT, rows)
                connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            self._recover(error)
            self._wait_for_locks(_BUSY_AGAIN_MS)
            self._failing = True
            raise explain(error, self.path) from error
        self._head = head
        if self._failing:
            self._failing = False
            self._wait_for_locks(_BUSY_MS)

    def close(self) -> None:
        """Move everything into the one file and close it; idempotent."""
        with suppress(sqlite3.Error):  # a checkpoint is tidiness: the records are safe in the log
            self._connection.execute("PRAGMA busy_timeout = 0")  # a reader need not be waited for
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _wait_for_locks(self, most_ms: int) -> None:
        with suppress(sqlite3.Error):  # it says nothing that the append has not said
            self._connection.execute(f"PRAGMA busy_timeout = {most_ms}")

    def _rows(self, records: Sequence[Record]) -> tuple[list[Row], Head]:
        head = self._head
        rows: list[Row] = []
        for place, record in enumerate(records):
            key = record.key
            try:
                kind, payload = self._codec.encode(record.payload)
                row = seal(
                    head,
                    record.time_ns,
                    kind,
                    key.venue if key else "",
                    key.symbol if key else "",
                    record.client_order_id,
                    record.actor,
                    payload.decode(),
                )
            except UnwritableRecord as error:
                raise UnwritableRecord(str(error), place) from None
            except (ValueError, OverflowError) as error:
                kind = type(record.payload).__name__
                text = f"{kind} stands in a row that cannot be written: {type(error).__name__}"
                raise UnwritableRecord(text, place) from None
            head = Head(row[0], row[8])
            rows.append(row)
        return rows, head

    def _recover(self, error: Exception) -> None:
        """Leave nothing half written, and go on behind what another writer appended.

        A hung journal actor that wakes after its successor opened the file is such a writer. Rows
        that do not follow ours in the chain are not gone on from: every append fails then.
        """
        with suppress(sqlite3.Error, JournalError):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.IntegrityError):
                self._head = verify_chain(self._connection, after=self._head)

    def _check_file(self) -> None:
        """Refuse to write into a file deleted, replaced or cut short: SQLite would not notice."""
        try:
            found = os.stat(self.path)
            same = found.st_ino == self._inode
        except OSError:
            same = False
        if not same:
            raise JournalError(
                f"the journal {self.path} was deleted or replaced while the host runs: "
                "put the file back, or stop the host"
            )
        if found.st_size < self._size:
            raise JournalError(
                f"the journal {self.path} was cut short while the host runs, from {self._size} "
                f"to {found.st_size} bytes: {MEND_DAMAGED}"
            )
        self._size = found.st_size
        if _inode(self._log) != self._log_inode:
            self._begin_log_anew()

    def _begin_log_anew(self) -> None:
        """Save what the lost log holds, which our open handle still reads, and begin another.

        Errors: `JournalError`, always: people are to hear of it. The next append works if it says
        that all is saved, else it tries again.
        """
        lost = f"{self._log} was deleted or replaced while the host runs"
        if _size(self._log):
            # A copy of an older log would be read as what follows the journal's file.
            raise JournalError(f"{lost}: move what stands there away, the host saves its own")
        self._failing = True
        self._wait_for_locks(_BUSY_AGAIN_MS)
        with suppress(sqlite3.ProgrammingError):  # closed by an earlier try: all was moved then
            (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise JournalError(f"{lost}: what it held is saved once nobody reads the journal")
        self._connection.close()
        self._connection = _connect_writer(self.path, self._durability)
        if _last_link(self._connection) != self._head:
            raise JournalError(f"{lost}, and the journal ends elsewhere: {MEND_DAMAGED}")
        self._log_inode = _inode(self._log)
        raise JournalError(f"{lost}: all that it held is saved in the journal")


def _connect_writer(path: Path, durability: Durability) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.chmod(path, 0o600)
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be opened for writing: {error.strerror}"
        ) from error
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        if is_archive(connection):
            raise JournalError("this is an archive of a journal: it takes no more records")
        migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except JournalError as error:
        connection.close()
        raise _named(error, path) from error
    return connection


def _connect_reader(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise JournalError(f"there is no journal at {path}")
    connection = _open_read_only(path, "mode=ro")
    try:
        version_of(connection)
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        # A folder that we may not write to, and nobody writes: the file alone is all there is.
        connection = _open_read_only(path, "mode=ro&immutable=1")
    return connection


def _open_read_only(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=_BUSY_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )


def _last_link(connection: sqlite3.Connection) -> Head:
    """Check the last part of the chain, where a torn file shows, and return its end."""
    head = select_head(connection)
    start = max(head.sequence - _CHECKED_AT_OPEN, base_of(connection).sequence)
    if start <= 0:
        return verify_chain(connection)
    return verify_chain(connection, after=link(connection, start))


def _inode(path: Path) -> int:
    """Return the number of a file, 0 where there is none."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _named(error: JournalError, path: Path) -> JournalError:
    text = str(error)
    return error if str(path) in text else JournalError(f"the journal {path}: {text}")
