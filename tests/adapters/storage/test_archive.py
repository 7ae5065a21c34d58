"""Old records move into archives; the chain, the books and every record there ever was remain."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.storage import archive as archiving
from adapters.storage.archive import FOLDER, archive, archives, whole
from adapters.storage.journal import JournalReader, SqliteJournal
from adapters.storage.mending import mend
from adapters.storage.prepare import prepare
from adapters.storage.rows import Head
from adapters.storage.schema import MIGRATIONS, migrate, version_of
from core.books import Books
from core.config import JournalSettings
from core.errors import JournalError
from core.ids import make
from core.messages import BalanceUpdated, OrderStatus, Side
from core.ports import Record
from core.records import BooksOpened, HostStarted, JournalArchived, OrderIntended
from core.retention import missed
from tests.core.samples import BTC, D, fill, limit, said

DAY_NS = 86_400_000_000_000
OPENED = BooksOpened("binance", "USDT", D(1_000), (), 1)


def day(number: int, orders: int = 40) -> list[Record]:
    """A day's trading: orders that ended unfilled, one that filled, what the wallet came to."""
    records: list[Record] = []
    for count in range(orders):
        order = limit(make("h", "b", "BTCUSDT", number * 100 + count))
        payloads: list[object] = [OrderIntended(order), said(order, OrderStatus.NEW)]
        if count:
            payloads.append(said(order, OrderStatus.CANCELLED, 5))
        else:
            fee = {"fee": D("0.1"), "time_ns": number * DAY_NS + 5}
            name = {"client_order_id": order.client_order_id}
            payloads.append(fill(str(number), Side.BUY, "1", "100", **fee, **name))
            payloads.append(said(order, OrderStatus.FILLED, 5, filled=D(1)))
        payloads.append(BalanceUpdated("binance", "USDT", D(number), "", number * DAY_NS + count))
        for payload in payloads:
            at_ns = number * DAY_NS + len(records)
            name = order.client_order_id
            records.append(Record(payload, at_ns, BTC, name, "position"))
    return records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = SqliteJournal(tmp_path / "state" / "journal.db")
    journal.append([Record(OPENED, DAY_NS), Record(HostStarted("paper", "h", "1"), DAY_NS)])
    for number in range(1, 11):
        journal.append(day(number))
    journal.close()
    return journal.path


def contents(path: Path) -> list[tuple[object, int]]:
    return [(record.payload, record.sequence) for record in JournalReader(path).read()]


def plain(path: Path) -> list[object]:
    return [record.payload for record in whole(path)]


def test_what_is_old_moves_and_the_books_are_as_before(path: Path) -> None:
    before, ledger = plain(path), Books(plain(path)).ledger()
    size = path.stat().st_size
    note = archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert note is not None
    assert (note.first, note.last) == (1, len(before) - 4 * len(day(1)))
    assert path.stat().st_size < size * 2 // 3
    reader = JournalReader(path)
    assert reader.verify().sequence == len(before) + 1
    left = Books(record.payload for record in reader.read()).ledger()
    for part in ("fills", "positions", "balances"):
        assert left[part] == ledger[part]
    assert [row for row in left["orders"] if row["filled"] != "0"] == [
        row for row in ledger["orders"] if row["filled"] != "0"
    ]
    assert plain(path) == [*before, note]
    left_over = [file.name for file in path.parent.rglob("*.new*")]
    assert left_over == []


def test_archive_and_journal_note_the_same_place_in_the_chain(path: Path) -> None:
    note = archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert note is not None
    (file,) = archives(path)
    assert note.file == f"{FOLDER}/{file.name}"
    head = JournalReader(file).verify()
    assert head == JournalReader(path).base() == Head(note.last, bytes.fromhex(note.head))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_it_goes_on_from_archive_to_archive(path: Path) -> None:
    everything = plain(path)
    for limit_day in (4, 7, 9):
        note = archive(path, limit_day * DAY_NS, "h", 20 * DAY_NS)
        assert note is not None
        everything.append(note)
        journal = SqliteJournal(path)
        journal.append([Record(HostStarted("paper", "h", str(limit_day)), 20 * DAY_NS)])
        everything.append(HostStarted("paper", "h", str(limit_day)))
        journal.close()
        assert JournalReader(path).verify().sequence == len(everything)
        for file in archives(path):
            JournalReader(file).verify()
    assert len(archives(path)) == 3
    assert plain(path) == everything
    assert (
        Books(plain(path)).ledger()["fills"]
        == Books(record.payload for record in JournalReader(path).read()).ledger()["fills"]
    )


@pytest.mark.parametrize("before_day", [0, 1, 2])
def test_less_than_a_day_is_not_worth_a_file(path: Path, before_day: int) -> None:
    before = contents(path)
    assert archive(path, before_day * DAY_NS, "h", 20 * DAY_NS) is None
    assert contents(path) == before
    assert archives(path) == []


def test_a_journal_that_is_old_as_a_whole_keeps_its_place_in_the_chain(path: Path) -> None:
    count = len(contents(path))
    note = archive(path, 100 * DAY_NS, "h", 120 * DAY_NS)
    assert note is not None
    assert note.last == count
    assert JournalReader(path).verify().sequence == count + 1
    assert archive(path, 101 * DAY_NS, "h", 120 * DAY_NS) is None


def test_readers_page_over_the_border_and_by_kind_key_and_place(path: Path) -> None:
    note = archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert note is not None
    reader = JournalReader(path)
    sequences = [sequence for _, sequence in contents(path)]
    assert sequences == sorted(sequences)
    for after in (0, note.last // 2, note.last - 1, note.last, note.last + 1):
        found = [record.sequence for record in reader.read(after=after)]
        assert found == [sequence for sequence in sequences if sequence > after]
    assert len(list(reader.read(kinds=(BooksOpened,)))) == 1
    assert {record.key for record in reader.read(key=BTC)} == {BTC}


def test_a_place_that_was_archived_is_verified_in_the_archive(path: Path) -> None:
    noted = JournalReader(path).place(50)
    note = archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert note is not None
    reader = JournalReader(path)
    with pytest.raises(JournalError, match="record 50 was archived"):
        reader.verify(after=noted)
    assert JournalReader(archives(path)[0]).verify(after=noted).sequence == note.last
    assert reader.place(50) == reader.base()
    assert reader.verify(after=reader.place(50)).sequence == reader.head().sequence


def test_a_difference_in_the_books_leaves_everything_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(path)
    monkeypatch.setattr(archiving, "needed", lambda old, later: set())
    with pytest.raises(JournalError, match="these would differ: fills"):
        archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert contents(path) == before
    assert mend(path, 1) is None
    monkeypatch.undo()
    assert archive(path, 7 * DAY_NS, "h", 20 * DAY_NS) is not None


class Killed(BaseException):
    pass


@pytest.mark.parametrize("instant", range(14))
def test_a_kill_at_any_instant_leaves_the_whole_past(
    path: Path, monkeypatch: pytest.MonkeyPatch, instant: int
) -> None:
    before = plain(path)
    calls = 0

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls > instant:
                raise Killed
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", dying(os.fsync))
        for name in ("rename", "replace", "unlink"):
            patched.setattr(Path, name, dying(getattr(Path, name)))
        with suppress(Killed):
            archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert mend(path, 1) is None
    assert plain(path)[: len(before)] == before
    archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert plain(path)[: len(before)] == before
    assert len(plain(path)) == len(before) + 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE kept SET payload = replace(payload, '100', '101') WHERE kind = 'Fill'",
        "DELETE FROM kept WHERE kind = 'Fill'",
        "UPDATE base SET hash = zeroblob(32)",
        "UPDATE kept SET before = zeroblob(32), hash = zeroblob(32) WHERE kind = 'Fill'",
    ],
)
def test_what_was_kept_cannot_be_changed_unnoticed(path: Path, change: str) -> None:
    archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("INSERT INTO kept SELECT *, hash FROM journal LIMIT 1")
    names = [f"{t}_is_never_{w}" for t in ("base", "kept") for w in ("updated", "deleted")]
    sql = {
        name: connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        for name in names
    }
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    with pytest.raises(JournalError, match="trigger base_is_never_deleted was removed"):
        JournalReader(path).verify()
    connection.execute(change)
    for (text,) in sql.values():
        connection.execute(text)
    connection.close()
    with pytest.raises(JournalError, match=r"changed|noted"):
        JournalReader(path).verify()
    with pytest.raises(JournalError, match=r"before its end"):
        mend(path, 1)


def test_a_torn_end_behind_an_archive_is_mended_like_any_other(path: Path) -> None:
    archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    journal = SqliteJournal(path)
    for number in range(20, 30):
        journal.append(day(number))
    journal.close()
    count = JournalReader(path).head().sequence
    before = contents(path)
    whole_file = path.read_bytes()
    path.write_bytes(whole_file[: len(whole_file) - 20_000])
    mended = mend(path, 1)
    assert mended is not None
    assert 0 < count - mended.kept.sequence < 200
    assert JournalReader(path).verify() == mended.kept
    after = contents(path)
    assert after == before[: len(after)]


def test_an_archive_that_is_missing_is_named(path: Path) -> None:
    for limit_day in (4, 7):
        archive(path, limit_day * DAY_NS, "h", 20 * DAY_NS)
    first, second = archives(path)
    aside = path.with_name("aside")
    second.rename(aside)
    with pytest.raises(JournalError, match="put the missing archives back"):
        plain(path)
    aside.rename(second)
    first.unlink()
    with pytest.raises(JournalError, match="put the missing archives back"):
        plain(path)


def test_an_archive_is_no_journal_to_go_on_with(path: Path) -> None:
    archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    (file,) = archives(path)
    with pytest.raises(JournalError, match="takes no more records"):
        SqliteJournal(file)
    with pytest.raises(JournalError, match="put the live journal back"):
        mend(file, 1)


class Lines:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, level: str, actor: str, text: str, **more: object) -> None:
        self.said.append((level, text))


@pytest.mark.parametrize(("keep_days", "files"), [(0, 0), (15, 0), (14, 1), (1, 1)])
def test_a_start_archives_what_is_older_than_configured(
    path: Path, keep_days: int, files: int
) -> None:
    lines = Lines()
    settings = JournalSettings(keep_days=keep_days)
    prepare(path, settings, "h", lines, 17 * DAY_NS)
    assert len(archives(path)) == files
    assert [level for level, _ in lines.said] == ["info"] * files
    for _, text in lines.said:
        assert f"older than {keep_days} days" in text
        assert archives(path)[0].name in text


def test_what_cannot_be_archived_is_said_and_the_start_goes_on(path: Path) -> None:
    (path.parent / FOLDER).write_text("in the way")
    before = contents(path)
    lines = Lines()
    prepare(path, JournalSettings(keep_days=3), "h", lines, 17 * DAY_NS)
    ((level, text),) = lines.said
    assert level == "error"
    assert text.startswith("nothing was archived: ")
    assert contents(path) == before


# A journal of version 1


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A journal as the first version of this program left it."""
    journal = SqliteJournal(tmp_path / "new.db")
    for number in range(1, 4):
        journal.append(day(number))
    rows = journal._connection.execute("SELECT * FROM journal").fetchall()
    journal.close()
    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.close()
    return path


def test_a_journal_of_the_first_version_is_read_and_verified_as_it_is(old: Path) -> None:
    count = 3 * len(day(1))
    reader = JournalReader(old)
    assert reader.verify().sequence == len(contents(old)) == count
    assert reader.base().sequence == 0
    assert mend(old, 1) is None
    with sqlite3.connect(old) as connection:
        assert version_of(connection) == 1


def test_a_journal_of_the_first_version_is_migrated_and_then_archived(old: Path) -> None:
    before = plain(old)
    SqliteJournal(old).close()
    with sqlite3.connect(old) as connection:
        assert version_of(connection) == len(MIGRATIONS) == 2
    assert plain(old) == before
    note = archive(old, 3 * DAY_NS, "h", 20 * DAY_NS)
    assert isinstance(note, JournalArchived)
    assert plain(old) == [*before, note]


def test_a_torn_journal_of_the_first_version_is_mended_at_the_newest(old: Path) -> None:
    data = old.read_bytes()
    old.write_bytes(data[: len(data) * 3 // 4])
    mended = mend(old, 1)
    assert mended is not None
    assert JournalReader(old).verify() == mended.kept
    with sqlite3.connect(old) as connection:
        assert version_of(connection) == 2


def test_the_books_of_all_records_and_of_the_kept_ones_are_the_same(path: Path) -> None:
    class All:
        def read(self, **wanted: object) -> object:
            key, kinds = wanted.get("key"), wanted.get("kinds", ())
            for record in whole(path):
                if key in (None, record.key) and (not kinds or type(record.payload) in kinds):  # type: ignore[operator]
                    yield record

    archive(path, 7 * DAY_NS, "h", 20 * DAY_NS)
    assert missed(All(), JournalReader(path), "h") == ""  # type: ignore[arg-type]
