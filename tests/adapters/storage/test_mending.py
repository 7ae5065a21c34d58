"""After a loss of power the whole part of a journal stays and the rest is kept aside, named."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.storage.journal import JournalReader, SqliteJournal
from adapters.storage.mending import Mended, mend
from adapters.storage.swap import replacement, swap_in
from adapters.storage.wal import unfinished
from core.errors import JournalError
from core.ports import Record
from core.records import HostStopped

NOW_NS = 1_700_000_000 * 10**9
STAMP = "torn-20231114T221320Z"
PAGE = 4_096


def note(number: int, size: int = 300) -> Record:
    return Record(HostStopped(f"{number} {'x' * (size + number % 7)}"), number)


def numbers(path: Path) -> list[int]:
    reader = JournalReader(path)
    return [int(r.payload.reason.split()[0]) for r in reader.read()]  # type: ignore[attr-defined]


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a host that stopped in order: one file, 400 records, three levels of pages."""
    path = tmp_path_factory.mktemp("stopped") / "journal.db"
    journal = SqliteJournal(path)
    for start in range(1, 401, 8):
        journal.append([note(number) for number in range(start, start + 8)])
    journal.close()
    return path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of a host that was killed: 100 records in the file, 300 in its log."""
    folder = tmp_path_factory.mktemp("killed")
    journal = SqliteJournal(folder / "live" / "journal.db")
    for number in range(1, 101):
        journal.append([note(number)])
    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(101, 401):
        journal.append([note(number)])
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(folder / "live" / name, folder / name)
    journal.close()
    return folder / "journal.db"


def copied(path: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in (path, wal(path)):
        if file.exists():
            shutil.copy(file, folder / file.name)
    return folder / path.name


def check_mended(path: Path, mended: Mended | None, damaged: dict[str, bytes]) -> int:
    """Assert what holds after every mend; return how many records stayed."""
    found = numbers(path)
    assert found == list(range(1, len(found) + 1))
    if mended is not None:
        assert mended.kept.sequence == len(found)
        assert mended.cut
        aside = {file.name: file.read_bytes() for file in mended.aside}
        expected = {f"journal.db.{STAMP}": damaged["journal.db"]}
        if "journal.db-wal" in damaged:
            expected[f"journal.db.{STAMP}-wal"] = damaged["journal.db-wal"]
        assert aside == expected, "the evidence is not what was found"
    assert mend(path, NOW_NS) is None, "mended twice"
    journal = SqliteJournal(path)
    journal.append([note(len(found) + 1)])
    assert journal.verify().sequence == len(found) + 1
    journal.close()
    return len(found)


def contents(path: Path) -> dict[str, bytes]:
    """Return what the files hold; an empty log, which any reader makes, is none."""
    files = (path, wal(path))
    return {f.name: f.read_bytes() for f in files if f.exists() and f.stat().st_size}


def test_a_whole_journal_is_left_alone(stopped: Path, killed: Path, tmp_path: Path) -> None:
    for source in (stopped, killed):
        path = copied(source, tmp_path)
        before = contents(path)
        assert mend(path, NOW_NS) is None
        assert contents(path) == before
        assert numbers(path) == list(range(1, 401))


def test_no_journal_is_no_damage(tmp_path: Path) -> None:
    assert mend(tmp_path / "journal.db", NOW_NS) is None


def test_a_journal_that_was_never_written_to_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    assert mend(path, NOW_NS) is None
    SqliteJournal(path).close()
    assert mend(path, NOW_NS) is None


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 3_000_000))
def test_a_log_cut_at_any_byte_loses_only_its_last_transactions(
    killed: Path, tmp_path: Path, cut: int
) -> None:
    path = copied(killed, tmp_path / "cut")
    whole = wal(path).read_bytes()
    cut %= len(whole)
    wal(path).write_bytes(whole[:cut])
    damaged = contents(path)
    kept = check_mended(path, mend(path, NOW_NS), damaged)
    frame = PAGE + 24
    frames = max(cut - 32, 0) // frame
    assert 100 + frames // 4 <= kept <= 100 + frames, "more was cut off than was torn"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 3_000_000), length=st.sampled_from([1, 24, 512, PAGE]))
def test_a_log_with_a_hole_ends_before_it_and_what_follows_is_kept_aside(
    killed: Path, tmp_path: Path, at: int, length: int
) -> None:
    path = copied(killed, tmp_path / "hole")
    whole = bytearray(wal(path).read_bytes())
    at %= len(whole)
    before = bytes(whole)
    whole[at : at + length] = bytes(len(whole[at : at + length]))
    wal(path).write_bytes(whole)
    damaged = contents(path)
    mended = mend(path, NOW_NS)
    kept = check_mended(path, mended, damaged)
    if bytes(whole) != before:
        assert kept < 400
        assert mended is not None


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(1, 3_000_000))
def test_a_file_cut_at_any_byte_keeps_what_can_be_read_or_stops_the_start(
    stopped: Path, tmp_path: Path, cut: int
) -> None:
    path = copied(stopped, tmp_path / "cut")
    whole = path.read_bytes()
    cut = cut % (len(whole) - 1) + 1
    path.write_bytes(whole[:cut])
    damaged = contents(path)
    try:
        mended = mend(path, NOW_NS)
    except JournalError as error:
        assert cut < 7 * PAGE, "much was left, and nothing kept"
        assert str(path) in str(error)
        assert "restore the last backup or move it aside" in str(error)
        assert contents(path) == damaged, "it was changed all the same"
        return
    kept = check_mended(path, mended, damaged)
    assert kept < 400
    # Without the last page of the inner ones, the leaves it named are out of reach too.
    if cut > 10 * PAGE:
        assert kept > 0


@pytest.mark.parametrize("part", [slice(0, PAGE), slice(0, 2_048), slice(2_048, PAGE)])
def test_a_last_page_that_was_not_written_whole_is_cut_off(
    stopped: Path, tmp_path: Path, part: slice
) -> None:
    path = copied(stopped, tmp_path / "page")
    whole = bytearray(path.read_bytes())
    last = _last_leaf(path)
    page = whole[last * PAGE : (last + 1) * PAGE]
    page[part] = bytes(len(page[part]))
    whole[last * PAGE : (last + 1) * PAGE] = page
    path.write_bytes(whole)
    damaged = contents(path)
    mended = mend(path, NOW_NS)
    assert mended is not None
    assert 380 < check_mended(path, mended, damaged) < 400


def test_everything_up_to_the_damaged_page_stays(stopped: Path, tmp_path: Path) -> None:
    path = copied(stopped, tmp_path / "page")
    whole = bytearray(path.read_bytes())
    last = _last_leaf(path)
    page = whole[last * PAGE : (last + 1) * PAGE]
    on_it = sum(f"{number} xxx".encode() in page for number in range(380, 401))
    whole[last * PAGE : (last + 1) * PAGE] = bytes(PAGE)
    path.write_bytes(whole)
    mended = mend(path, NOW_NS)
    assert mended is not None
    assert mended.kept.sequence == 400 - on_it


def test_a_page_of_zeros_before_the_end_stops_the_start(stopped: Path, tmp_path: Path) -> None:
    whole = stopped.read_bytes()
    refused = 0
    for page in range(3, len(whole) // PAGE):
        path = copied(stopped, tmp_path / "page")
        path.write_bytes(whole[: page * PAGE] + bytes(PAGE) + whole[(page + 1) * PAGE :])
        damaged = contents(path)
        try:
            mended = mend(path, NOW_NS)
        except JournalError as error:
            refused += 1
            # The first pages lead to all others.
            assert "before its end" in str(error) or ("no record of it" in str(error) and page < 8)
            assert "move it aside" in str(error)
            assert contents(path) == damaged
        else:
            assert check_mended(path, mended, damaged) > 360
    assert refused > len(whole) // PAGE - 8


def _changed(path: Path, sequence: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER journal_is_never_updated")
    connection.execute(
        """UPDATE journal SET payload = '{"reason":"1 forged"}' WHERE sequence = ?""", (sequence,)
    )
    connection.close()


@pytest.mark.parametrize("sequence", [1, 200, 395, 399])
def test_a_changed_record_is_no_torn_end(stopped: Path, tmp_path: Path, sequence: int) -> None:
    path = copied(stopped, tmp_path / "changed")
    _changed(path, sequence)
    damaged = contents(path)
    with pytest.raises(JournalError, match=r"before its end|no record of it") as caught:
        mend(path, NOW_NS)
    assert str(path) in str(caught.value)
    assert contents(path) == damaged


@pytest.mark.parametrize("head", [0, 1, 15, 16, 50, 99, 100])
def test_a_damaged_first_page_stops_the_start(stopped: Path, tmp_path: Path, head: int) -> None:
    path = copied(stopped, tmp_path / "head")
    whole = path.read_bytes()
    path.write_bytes(whole[:head] + bytes(PAGE - head) + whole[PAGE:])
    with pytest.raises(JournalError, match=f"{path}"):
        mend(path, NOW_NS)


def test_a_file_that_cannot_be_opened_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.mkdir()
    with pytest.raises(JournalError, match=f"{path}: (it cannot be opened|the disk failed)"):
        mend(path, NOW_NS)
    assert path.is_dir()


def test_a_journal_of_a_newer_program_is_not_written_anew(stopped: Path, tmp_path: Path) -> None:
    path = copied(stopped, tmp_path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("INSERT INTO schema_version VALUES (99, 1)")
    connection.close()
    path.write_bytes(path.read_bytes()[:-20_000])
    damaged = contents(path)
    with pytest.raises(JournalError, match=f"{path}.*schema version 99, this program knows"):
        mend(path, NOW_NS)
    assert contents(path) == damaged


def test_two_repairs_within_a_second_keep_both_damaged_files(stopped: Path, tmp_path: Path) -> None:
    path = copied(stopped, tmp_path)
    kept = []
    for cut in (60_000, 40_000):
        path.write_bytes(path.read_bytes()[:cut])
        mended = mend(path, NOW_NS)
        assert mended is not None
        kept += mended.aside
    assert [file.name for file in kept] == [f"journal.db.{STAMP}", f"journal.db.{STAMP}.2"]
    assert all(file.exists() for file in kept)


@pytest.mark.parametrize("instant", range(8))
def test_a_kill_in_the_middle_of_a_repair_is_made_good_at_the_next_start(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: int
) -> None:
    path = copied(killed, tmp_path / "kill")
    whole = wal(path).read_bytes()
    wal(path).write_bytes(whole[: len(whole) // 2 + 100])
    calls = 0

    class Killed(BaseException):
        pass

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls > instant:
                raise Killed
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("link", "fsync"):
            patched.setattr(os, name, dying(getattr(os, name)))
        for name in ("rename", "replace", "unlink"):
            patched.setattr(Path, name, dying(getattr(Path, name)))
        with pytest.raises(Killed):
            mend(path, NOW_NS)
    mend(path, NOW_NS)
    found = numbers(path)
    assert 150 < len(found) < 400
    assert found == list(range(1, len(found) + 1))
    assert mend(path, NOW_NS) is None


def test_a_file_that_was_only_begun_counts_for_nothing(stopped: Path, tmp_path: Path) -> None:
    path = copied(stopped, tmp_path)
    with replacement(path) as new:
        new.write_bytes(b"half a journal")
    assert mend(path, NOW_NS) is None
    assert len(numbers(path)) == 400
    with replacement(path) as new:
        shutil.copy(path, new)
    assert [file.name for file in swap_in(path, "old")] == ["journal.db.old"]
    assert len(numbers(path)) == 400


def test_frames_of_an_earlier_round_are_nothing_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    for number in range(1, 200):
        journal.append([note(number)])
    journal._connection.execute("PRAGMA wal_checkpoint(RESTART)")
    journal.append([note(200)])
    assert wal(path).stat().st_size > 100 * PAGE
    assert unfinished(wal(path)) == 0
    journal.close()


def test_bytes_at_random_are_never_a_traceback(stopped: Path, tmp_path: Path) -> None:
    for seed in range(60):
        random = Random(seed)
        path = copied(stopped, tmp_path / "random")
        whole = bytearray(path.read_bytes())
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(whole))
            whole[at : at + random.choice((1, 30, 600))] = random.randbytes(random.choice((1, 30)))
        path.write_bytes(whole)
        damaged = contents(path)
        try:
            mended = mend(path, NOW_NS)
        except JournalError as error:
            assert str(path) in str(error), f"seed {seed}"
            assert contents(path) == damaged, f"seed {seed}"
        else:
            check_mended(path, mended, damaged)


def _last_leaf(path: Path) -> int:
    """Return the page that holds the last record, by looking for its text."""
    return path.read_bytes().index(b"400 xxx") // PAGE
