"""Before a start the journal is put in order, and what was done is logged and journalled."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.storage.journal import JournalReader, SqliteJournal
from adapters.storage.prepare import prepare
from core.config import JournalSettings
from core.errors import JournalError
from core.ports import Record
from core.records import HostStopped, JournalMended

NOW_NS = 1_700_000_000 * 10**9


class Lines:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, level: str, actor: str, text: str, **more: object) -> None:
        self.said.append((level, text))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = SqliteJournal(tmp_path / "journal.db")
    for number in range(100):
        journal.append([Record(HostStopped("x" * 400), number)])
    journal.close()
    return journal.path


def test_a_whole_journal_says_nothing(path: Path) -> None:
    lines = Lines()
    prepare(path, JournalSettings(), "h1", lines, NOW_NS)
    assert lines.said == []
    assert JournalReader(path).verify().sequence == 100


def test_a_torn_journal_is_mended_named_and_journalled(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:40_000])
    lines = Lines()
    prepare(path, JournalSettings(), "h1", lines, NOW_NS)
    *kept, last = JournalReader(path).read()
    assert JournalReader(path).verify().sequence == len(kept) + 1 > 20
    assert isinstance(last.payload, JournalMended)
    assert (last.payload.kept, last.time_ns, last.actor) == (len(kept), NOW_NS, "host")
    (aside,) = last.payload.aside
    assert (path.parent / aside).read_bytes() == whole[:40_000]
    ((level, text),) = lines.said
    assert level == "error"
    for part in (f"{len(kept)} records", last.payload.cut, aside, str(path.parent)):
        assert part in text
    prepare(path, JournalSettings(), "h1", lines, NOW_NS)
    assert len(lines.said) == 1


def test_damage_before_the_end_is_left_to_a_person(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:20_000] + bytes(8_192) + whole[28_192:])
    lines = Lines()
    with pytest.raises(JournalError, match=f"{path} is damaged before its end.*backup"):
        prepare(path, JournalSettings(), "h1", lines, NOW_NS)
    assert lines.said == []
