"""The journal keeps every record or none, in order, provably unchanged, whatever breaks."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from attrs import frozen

from adapters.storage.journal import Durability, JournalReader, SqliteJournal
from adapters.storage.rows import Head, link, seal
from adapters.storage.schema import MIGRATIONS, migrate, version_of
from core.errors import JournalError, UnwritableRecord
from core.messages import Key
from core.ports import Journal, Record
from core.records import HostStarted, HostStopped, Reconciled

BTC, ETH = Key("binance", "BTCUSDT"), Key("binance", "ETHUSDT")
ROOT = Path(__file__).parents[3]


def note(text: str, key: Key | None = None, time_ns: int = 1) -> Record:
    return Record(HostStopped(text), time_ns, key)


def texts(reader: JournalReader, **wanted: object) -> list[str]:
    return [record.payload.reason for record in reader.read(**wanted)]  # type: ignore[arg-type, attr-defined]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(path)
    yield opened
    opened.close()


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_it_is_a_journal_as_the_actors_know_it(journal: SqliteJournal) -> None:
    port: Journal = journal
    port.append([note("a")])
    assert [record.payload for record in port.read()] == [HostStopped("a")]


def test_records_come_back_whole_and_in_order(journal: SqliteJournal) -> None:
    first = Record(HostStarted("paper", "h1", "0.1.0"), 5, None, "", "host")
    second = Record(Reconciled(BTC, ("a", "b")), 6, BTC, "h1-b-BTCUSDT-00", "position")
    journal.append([first])
    journal.append([second, note("end")])
    back = list(journal.read())
    assert [record.sequence for record in back] == [1, 2, 3]
    assert back[0] == Record(first.payload, 5, None, "", "host", 1)
    assert back[1] == Record(second.payload, 6, BTC, "h1-b-BTCUSDT-00", "position", 2)


def test_reading_is_narrowed_by_kind_key_and_place(journal: SqliteJournal) -> None:
    journal.append([note("a", BTC), note("b", ETH), note("c", BTC)])
    journal.append([Record(Reconciled(BTC), 1, BTC)])
    assert texts(journal, kinds=[HostStopped], key=BTC) == ["a", "c"]
    assert texts(journal, kinds=[HostStopped], key=BTC, after=1) == ["c"]
    assert len(list(journal.read(kinds=[HostStopped, Reconciled]))) == 4
    assert list(journal.read(after=4)) == []


def test_reading_pages_through_more_than_one_page(journal: SqliteJournal) -> None:
    journal.append([note(str(number)) for number in range(2_500)])
    assert texts(journal) == [str(number) for number in range(2_500)]


def test_a_reader_sees_the_records_there_were_when_it_began(journal: SqliteJournal) -> None:
    journal.append([note("a"), note("b")])
    reading = journal.read()
    assert next(reading).sequence == 1
    journal.append([note("c")])
    assert [record.sequence for record in reading] == [2]


def test_an_empty_append_writes_nothing(journal: SqliteJournal) -> None:
    journal.append([])
    assert list(journal.read()) == []


def test_a_journal_reopened_goes_on_where_it_ended(path: Path) -> None:
    for text in ("a", "b", "c"):
        journal = SqliteJournal(path)
        journal.append([note(text)])
        journal.close()
        journal.close()
    assert texts(JournalReader(path)) == ["a", "b", "c"]
    assert JournalReader(path).verify().sequence == 3


def test_it_may_be_used_by_another_thread_than_the_one_that_made_it(journal: SqliteJournal) -> None:
    worker = threading.Thread(target=journal.append, args=([note("a")],))
    worker.start()
    worker.join()
    assert texts(journal) == ["a"]


def test_file_and_folder_are_for_the_owner_alone(path: Path, journal: SqliteJournal) -> None:
    journal.append([note("a")])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_wider_rights_of_an_existing_file_are_taken_back(path: Path) -> None:
    SqliteJournal(path).close()
    path.chmod(0o644)
    SqliteJournal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("durability", ["process", "power"])
def test_power_durability_syncs_every_append(path: Path, durability: Durability) -> None:
    journal = SqliteJournal(path, durability)
    (level,) = journal._connection.execute("PRAGMA synchronous").fetchone()
    assert level == {"process": 1, "power": 2}[durability]
    journal.close()


# Nothing half written


@pytest.mark.parametrize(
    "bad",
    [
        note("half a character: \udcff"),
        note("in its key", Key("binance", "\udcff")),
        Record(HostStopped("in its order"), 1, BTC, "\udcff"),
    ],
)
def test_the_one_record_that_never_can_be_written_is_named(
    bad: Record, journal: SqliteJournal
) -> None:
    with pytest.raises(UnwritableRecord, match="HostStopped") as caught:
        journal.append([note("a"), bad, note("b")])
    assert caught.value.place == 1
    journal.append([note("a"), note("b")])
    assert texts(journal) == ["a", "b"]


def test_a_batch_with_a_payload_that_cannot_be_written_writes_nothing(
    journal: SqliteJournal,
) -> None:
    with pytest.raises(JournalError, match="int is no journal payload"):
        journal.append([note("a"), Record(1, 1)])
    with pytest.raises(JournalError):
        journal.append([note("a"), note("b", time_ns=2**80)])
    journal.append([note("c")])
    assert texts(journal) == ["c"]
    assert journal.verify().sequence == 1


@pytest.mark.parametrize("count", [1, 400])
def test_a_full_disk_is_said_and_the_next_append_works_once_there_is_room(
    journal: SqliteJournal, count: int
) -> None:
    journal.append([note("a")])
    connection = journal._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    big = [note("x" * 9_000) for _ in range(count)]
    with pytest.raises(JournalError, match="disk is full"):
        journal.append(big)
    assert texts(journal) == ["a"]
    connection.execute("PRAGMA max_page_count = 1000000")
    journal.append([note("b")])
    assert texts(journal) == ["a", "b"]
    assert journal.verify().sequence == 2


def test_a_locked_journal_is_said_and_works_once_released(
    path: Path, journal: SqliteJournal
) -> None:
    journal._connection.execute("PRAGMA busy_timeout = 20")
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    for batch in ([note("a")], [note("a"), note("b")]):
        with pytest.raises(JournalError, match="locked by another program"):
            journal.append(batch)
    other.execute("ROLLBACK")
    journal.append([note("c")])
    assert texts(journal) == ["c"]


def test_a_lock_that_stays_is_hardly_waited_for_again(path: Path, journal: SqliteJournal) -> None:
    def waits_ms() -> int:
        (found,) = journal._connection.execute("PRAGMA busy_timeout").fetchone()
        return int(found)

    patient_ms = waits_ms()
    journal._connection.execute("PRAGMA busy_timeout = 20")
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked by another program"):
        journal.append([note("a")])
    assert waits_ms() <= 50 < patient_ms, "each try holds up what is told to the journal"
    other.execute("ROLLBACK")
    journal.append([note("b")])
    assert waits_ms() == patient_ms


def test_a_failing_disk_is_said_and_the_next_append_works(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
from adapters.storage.journal import SqliteJournal
from core.errors import JournalError
from core.ports import Record
from core.records import HostStopped
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = SqliteJournal(Path(sys.argv[1]))
journal.append([Record(HostStopped("a"), 1)])
wal = Path(sys.argv[1] + "-wal").stat().st_size
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (wal + 100, hard))
try:
    journal.append([Record(HostStopped("x" * 20000), 1)])
    print("written")
except JournalError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.append([Record(HostStopped("b"), 1)])
print([record.payload.reason for record in journal.read()], journal.verify().sequence)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "journal.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    said, after = done.stdout.splitlines()
    assert "disk" in said
    assert after == "['a', 'b'] 2"


def test_a_read_only_database_is_said(path: Path, journal: SqliteJournal) -> None:
    journal._connection.execute("PRAGMA query_only = 1")
    with pytest.raises(JournalError, match="may not be written"):
        journal.append([note("a")])
    journal._connection.execute("PRAGMA query_only = 0")
    journal.append([note("a")])
    assert texts(journal) == ["a"]


def test_a_journal_deleted_under_the_host_is_noticed(path: Path, journal: SqliteJournal) -> None:
    journal.append([note("a")])
    aside = path.with_name("aside.db")
    path.rename(aside)
    with pytest.raises(JournalError, match="deleted or replaced"):
        journal.append([note("b")])
    aside.rename(path)
    journal.append([note("c")])
    assert texts(journal) == ["a", "c"]


@pytest.mark.parametrize("part", [0.5, 0.0])
def test_a_journal_cut_short_under_the_host_is_noticed(path: Path, part: float) -> None:
    with closing(SqliteJournal(path)) as earlier:
        earlier.append([note("x" * 100) for _ in range(200)])
    with closing(SqliteJournal(path)) as journal:
        os.truncate(path, int(path.stat().st_size * part))
        for _ in range(2):
            with pytest.raises(JournalError, match=r"cut short while the host runs.*restore the"):
                journal.append([note("b")])


@pytest.fixture
def log(path: Path) -> Path:
    """SQLite's log beside the journal."""
    return path.with_name(path.name + "-wal")


@pytest.mark.parametrize("how", ["deleted", "with its index", "read meanwhile", "replaced"])
def test_a_log_deleted_under_the_host_is_noticed_and_what_it_held_saved(
    path: Path, log: Path, journal: SqliteJournal, how: str
) -> None:
    journal.append([note("a"), note("b")])
    log.unlink()
    if how == "with its index":
        path.with_name(path.name + "-shm").unlink()
    elif how == "read meanwhile":
        with suppress(JournalError):
            JournalReader(path).verify()
    elif how == "replaced":
        log.touch()
    with pytest.raises(JournalError, match=r"journal.db-wal was deleted or replaced.* saved in"):
        journal.append([note("c")])
    assert texts(JournalReader(path)) == ["a", "b"]
    journal.append([note("d")])
    assert texts(JournalReader(path)) == ["a", "b", "d"]
    assert journal.verify().sequence == 3
    journal.append([note("e"), note("f")])
    assert texts(JournalReader(path)) == ["a", "b", "d", "e", "f"]


def test_a_strange_log_is_not_gone_on_from_until_it_is_moved_away(
    path: Path, log: Path, journal: SqliteJournal
) -> None:
    journal.append([note("a")])
    copy = log.read_bytes()
    journal.append([note("b")])
    log.unlink()
    log.write_bytes(copy)
    for _ in range(2):
        with pytest.raises(JournalError, match="move what stands there away"):
            journal.append([note("c")])
    log.unlink()
    with pytest.raises(JournalError, match="saved in the journal"):
        journal.append([note("c")])
    journal.append([note("d")])
    assert texts(JournalReader(path)) == ["a", "b", "d"]
    assert journal.verify().sequence == 3


def test_a_lost_log_is_saved_once_no_reader_stands_in_it(
    path: Path, log: Path, journal: SqliteJournal
) -> None:
    journal.append([note("a")])
    reader = raw(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM journal").fetchone()
    journal.append([note("b")])
    log.unlink()
    with pytest.raises(JournalError, match="once nobody reads"):
        journal.append([note("c")])
    reader.close()
    with pytest.raises(JournalError, match="saved in the journal"):
        journal.append([note("c")])
    journal.append([note("d")])
    assert texts(JournalReader(path)) == ["a", "b", "d"]


def test_a_log_that_could_not_be_begun_anew_is_tried_again(
    path: Path, log: Path, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append([note("a")])
    log.unlink()
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> sqlite3.Connection:
            raise JournalError("no file can be opened")

        broken.setattr("adapters.storage.journal._connect_writer", refuse)
        for _ in range(2):
            with pytest.raises(JournalError, match="no file can be opened"):
                journal.append([note("b")])
    with pytest.raises(JournalError, match="saved in the journal"):
        journal.append([note("b")])
    journal.append([note("c")])
    assert texts(JournalReader(path)) == ["a", "c"]


def test_a_second_writer_is_noticed_and_forks_nothing(path: Path, journal: SqliteJournal) -> None:
    other = SqliteJournal(path)
    other.append([note("theirs")])
    with pytest.raises(JournalError, match="another program wrote"):
        journal.append([note("ours")])
    other.close()
    assert texts(journal) == ["theirs"]
    journal.append([note("ours")])
    assert texts(journal) == ["theirs", "ours"]
    assert journal.verify().sequence == 2


def test_every_append_that_returned_survives_kill_9(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from adapters.storage.journal import SqliteJournal
from core.ports import Record
from core.records import HostStopped
journal = SqliteJournal(Path(sys.argv[1]))
number = 0
while True:
    batch = [Record(HostStopped(str(number + i)), 1) for i in range(number % 3 + 1)]
    journal.append(batch)
    number += len(batch)
    print(number, flush=True)
"""
    path = tmp_path / "journal.db"
    acknowledged = 0
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.endswith("\n"):
                acknowledged = int(line)
            if acknowledged > 3_000 and child.poll() is None:
                os.kill(child.pid, signal.SIGKILL)
    found = [int(text) for text in texts(JournalReader(path))]
    assert found == list(range(len(found)))
    assert acknowledged <= len(found) <= acknowledged + 3
    reopened = SqliteJournal(path)
    reopened.append([note("after")])
    assert reopened.verify().sequence == len(found) + 1
    reopened.close()


def test_rows_that_break_the_chain_are_never_gone_on_from(
    path: Path, journal: SqliteJournal
) -> None:
    journal.append([note("a")])
    forged = (2, 1, "HostStopped", "", "", "", "", '{"reason":"forged"}', bytes(32))
    raw(path).execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", forged)
    for _ in range(2):
        with pytest.raises(JournalError, match="another program wrote"):
            journal.append([note("b")])
    with pytest.raises(JournalError, match="record 2 was changed"):
        journal.verify()


def test_closing_waits_for_no_reader(path: Path, journal: SqliteJournal) -> None:
    journal.append([note(str(number)) for number in range(10)])
    reader = raw(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM journal").fetchone()
    began = time.monotonic()
    journal.close()
    assert time.monotonic() - began < 1.0
    reader.close()
    assert JournalReader(path).verify().sequence == 10


# Tampering


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET payload = '{}' WHERE sequence = 2",
        "DELETE FROM journal WHERE sequence = 3",
        "INSERT OR REPLACE INTO journal SELECT sequence, time_ns, kind, venue, symbol, "
        "client_order_id, actor, '{}', hash FROM journal WHERE sequence = 2",
    ],
)
def test_sql_can_only_append(path: Path, journal: SqliteJournal, statement: str) -> None:
    journal.append([note("a"), note("b"), note("c")])
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw(path).execute(statement)
    assert journal.verify().sequence == 3


def unguarded(path: Path) -> sqlite3.Connection:
    connection = raw(path)
    for kind in ("updated", "deleted", "replaced"):
        connection.execute(f"DROP TRIGGER journal_is_never_{kind}")
    return connection


def guard_again(connection: sqlite3.Connection) -> None:
    for part in MIGRATIONS[0].split("CREATE TRIGGER")[1:]:
        connection.executescript("CREATE TRIGGER" + part.split("-- ")[0])
    connection.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", '{"reason":"z"}'),
        ("time_ns", 2),
        ("kind", "HostStarted"),
        ("venue", "bybit"),
        ("symbol", "X"),
        ("client_order_id", "x"),
        ("actor", "x"),
        ("hash", bytes(32)),
    ],
)
def test_a_row_that_was_changed_is_named(
    path: Path, journal: SqliteJournal, column: str, value: object
) -> None:
    journal.append([note("a"), note("b"), note("c")])
    connection = unguarded(path)
    connection.execute(f"UPDATE journal SET {column} = ? WHERE sequence = 2", (value,))
    guard_again(connection)
    with pytest.raises(JournalError, match="record 2 was changed"):
        journal.verify()


def test_a_row_forged_with_a_hash_of_its_own_breaks_the_next(
    path: Path, journal: SqliteJournal
) -> None:
    journal.append([note("a"), note("b"), note("c")])
    connection = unguarded(path)
    before = link(connection, 1)
    forged = seal(before, 1, "HostStopped", "", "", "", "", '{"reason":"forged"}')
    connection.execute(
        "UPDATE journal SET payload = ?, hash = ? WHERE sequence = 2", (forged[7], forged[8])
    )
    guard_again(connection)
    with pytest.raises(JournalError, match="record 3 was changed"):
        journal.verify()


def test_a_row_that_was_taken_out_is_named(path: Path, journal: SqliteJournal) -> None:
    journal.append([note("a"), note("b"), note("c")])
    connection = unguarded(path)
    connection.execute("DELETE FROM journal WHERE sequence = 2")
    guard_again(connection)
    with pytest.raises(JournalError, match="record 2 is missing"):
        journal.verify()


def test_a_guard_that_was_taken_away_is_named(path: Path, journal: SqliteJournal) -> None:
    unguarded(path).close()
    with pytest.raises(JournalError, match="trigger journal_is_never_deleted was removed"):
        journal.verify()


def test_a_head_noted_elsewhere_proves_that_the_end_was_not_cut_off(
    path: Path, journal: SqliteJournal
) -> None:
    journal.append([note("a"), note("b"), note("c")])
    noted = journal.head()
    journal.append([note("d")])
    assert journal.verify(after=noted).sequence == 4
    connection = unguarded(path)
    connection.execute("DELETE FROM journal WHERE sequence > 2")
    guard_again(connection)
    assert journal.verify().sequence == 2
    with pytest.raises(JournalError, match="record 3 is missing"):
        journal.verify(after=noted)
    with pytest.raises(JournalError, match="record 2 is not the one"):
        journal.verify(after=Head(2, bytes(32)))


def test_a_changed_last_row_stops_the_host_from_going_on(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([note(str(number)) for number in range(600)])
    journal.close()
    connection = unguarded(path)
    connection.execute("UPDATE journal SET payload = '{}' WHERE sequence = 590")
    guard_again(connection)
    with pytest.raises(JournalError, match=f"{path}.*record 590 was changed"):
        SqliteJournal(path)


# Damage


def test_no_journal_is_said_by_a_reader(path: Path) -> None:
    with pytest.raises(JournalError, match=f"no journal at {path}"):
        list(JournalReader(path).read())


def test_a_file_of_something_else_is_said_with_how_to_mend(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and it is long enough to be read as one" * 100)
    for opener in (SqliteJournal, lambda p: JournalReader(p).verify()):
        with pytest.raises(JournalError, match=f"{path}.*no database.*restore"):
            opener(path)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = raw(path)
    connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(JournalError, match="database of something else"):
        SqliteJournal(path)
    assert [n for (n,) in connection.execute("SELECT name FROM sqlite_master")] == ["theirs"]


def test_a_torn_file_is_said_with_how_to_mend(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([note("x" * 500) for _ in range(600)])
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalError, match=f"{path}.*(damaged|missing|was changed)"):
        SqliteJournal(path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"cannot be opened for writing: Not a dir|File exi"):
        SqliteJournal(tmp_path / "file" / "state" / "journal.db")


def test_a_newer_versions_record_is_named(path: Path) -> None:
    @frozen
    class FromTheFuture:
        number: int

    journal = SqliteJournal(path, extra=[FromTheFuture])
    journal.append([note("a"), Record(FromTheFuture(1), 1)])
    journal.close()
    with pytest.raises(JournalError, match=f"{path}.*record 2 is a FromTheFuture"):
        list(JournalReader(path).read())
    assert texts(JournalReader(path), kinds=[HostStopped]) == ["a"]


# Versions


def test_a_new_journal_has_the_newest_version(path: Path, journal: SqliteJournal) -> None:
    assert version_of(raw(path)) == len(MIGRATIONS)


def test_an_older_journal_is_migrated_with_its_records(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append([note("a")])
    journal.close()
    connection = raw(path)
    newer = (*MIGRATIONS, "CREATE INDEX by_order ON journal (client_order_id);")
    assert migrate(connection, newer) == len(newer)
    assert migrate(connection, newer) == len(newer)
    assert version_of(connection) == len(newer)
    assert JournalReader(path).verify().sequence == 1


def test_a_step_that_fails_leaves_the_version_before_it(path: Path) -> None:
    SqliteJournal(path).close()
    connection = raw(path)
    broken = (*MIGRATIONS, "CREATE TABLE extra (x);\nCREATE TABLE journal (y);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert version_of(connection) == len(MIGRATIONS)
    tables = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "extra" not in tables


def test_a_journal_of_a_newer_program_is_not_opened(path: Path) -> None:
    SqliteJournal(path).close()
    raw(path).execute("INSERT INTO schema_version VALUES (99, 1)")
    with pytest.raises(JournalError, match=f"{path}.*schema version 99, this program knows"):
        SqliteJournal(path)
