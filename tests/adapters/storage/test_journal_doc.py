"""docs/journal.md tells of every column, every kind of our own and every cause of a failure."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from adapters.storage import rows
from adapters.storage.journal import SqliteJournal
from adapters.storage.schema import MIGRATIONS
from core import records
from core.decisions import DECISIONS
from core.ports import Record
from core.records import HostStopped

TEXT = (Path(__file__).parents[3] / "docs" / "journal.md").read_text()


def test_every_column_is_documented(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    columns = [row[1] for row in journal._connection.execute("PRAGMA table_info(journal)")]
    journal.close()
    assert len(columns) == 9
    for column in columns:
        assert f"`{column}`" in TEXT, column


def test_the_newest_version_is_the_documented_one() -> None:
    assert f"## Schema, version {len(MIGRATIONS)}\n" in TEXT


@pytest.mark.parametrize("kind", (*records.__all__, *(kind.__name__ for kind in DECISIONS)))
def test_every_kind_of_the_journals_own_is_named(kind: str) -> None:
    assert f"`{kind}`" in TEXT


@pytest.mark.parametrize("name", sorted(rows._CAUSES))
def test_every_cause_is_in_the_table_of_mending(name: str) -> None:
    cause = rows._CAUSES[name].split(":")[0]
    known = {
        "it may not be written": "may not be written",
        "it may not be opened": "cannot be opened",
        "it cannot be opened": "cannot be opened",
        "it is locked by another program": "locked by another program",
        "another program wrote to it": "another program wrote to it",
        "the disk failed to read or write": "the disk failed",
        "the disk is full": "the disk is full",
        "the file is damaged": "the file is damaged",
        "the file is no database": "is no database",
    }
    assert known[cause] in TEXT.split("## Mending")[1]


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs the sqlite3 program")
def test_the_command_that_saves_a_damaged_file_reads_all_but_the_damaged_page(
    tmp_path: Path,
) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.append([Record(HostStopped(f"{n}"), n, actor="host") for n in range(3_000)])
    journal.close()
    content = bytearray((tmp_path / "journal.db").read_bytes())
    content[40 * 4_096 : 41 * 4_096] = b"\xff" * 4_096
    (tmp_path / "damaged.db").write_bytes(content)
    [command] = re.findall(r"^ +(sqlite3 damaged\.db .*)$", TEXT, re.MULTILINE)

    subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True)

    saved = sqlite3.connect(tmp_path / "recovered.db")
    numbers = [row[0] for row in saved.execute("SELECT sequence FROM journal ORDER BY sequence")]
    saved.close()
    assert (numbers[0], numbers[-1]) == (1, 3_000)
    assert 2_900 < len(numbers) < 3_000
