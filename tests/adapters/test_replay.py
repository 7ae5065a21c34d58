"""`run.py replay` finds what today's program would decide otherwise, on journals and archives."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

import run
from adapters.operations import JOURNAL
from adapters.storage.archive import archive, archives
from adapters.storage.journal import SqliteJournal
from core.decisions import RiskJudged, RiskState, StrategyState
from core.guard_decisions import GUARDED, HaltCaused
from core.ports import Record
from core.records import HaltChanged
from core.replay import READ
from core.strategies import grid_ladder
from tests.core.samples import D
from tests.sim.house import House, config
from tests.sim.world import SECOND_NS, World

DAY_NS = 86_400 * SECOND_NS


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Return the journal of a short simulated life."""
    house = House(World(1), config())
    house.start()
    house.ready()
    house.run(20)
    house.shutdown()
    return list(house.journal.read())


@pytest.fixture
def journal(tmp_path: Path, records: list[Record]) -> Path:
    return written(tmp_path / JOURNAL, records)


def written(path: Path, records: list[Record]) -> Path:
    journal = SqliteJournal(path)
    journal.append(records)
    journal.close()
    return path


def replay(*arguments: object) -> int:
    return run.main(["replay", *map(str, arguments)])


def shape(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_journal_replays_equal(
    journal: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(journal, "--json") == 0
    found = shape(capsys)
    given = StrategyState | RiskState | HaltCaused  # what decisions build on
    decisions = [r for r in records if isinstance(r.payload, READ)]
    decisions = [r for r in decisions if not isinstance(r.payload, given)]
    assert found["decisions"] == found["equal"] == len(decisions)
    assert (found["differing"], found["skipped"], found["first_difference"]) == (0, 0, None)
    assert found["problem"] == ""
    assert replay(journal) == 0
    assert f"{len(decisions)} decisions" in capsys.readouterr().out


def test_a_span_replays_from_the_whole_state_before_it(
    journal: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    middle = datetime.fromtimestamp(records[0].time_ns // SECOND_NS + 10, UTC)
    span = ("--from", middle.isoformat(), "--to", (middle + timedelta(seconds=5)).isoformat())
    assert replay(journal, *span, "--json") == 0
    found = shape(capsys)
    assert found["skipped"] == 0
    total = sum(isinstance(r.payload, READ) for r in records)
    assert isinstance(found["decisions"], int) and 0 < found["decisions"] < total


def test_a_changed_constant_ends_with_1_and_the_first_difference(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_ladder, "_BPS", D(9_000))
    assert replay(journal, "--json") == 1
    found = shape(capsys)
    first = found["first_difference"]
    assert isinstance(first, dict) and first["kind"] == "StrategyDecided"
    assert first["recorded"] != first["replayed"]
    assert replay(journal) == 1
    assert f"first difference: record {first['sequence']}" in capsys.readouterr().out


def test_a_journal_in_which_nothing_can_be_compared_is_no_success(
    tmp_path: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    without = (StrategyState, RiskState, HaltCaused, *GUARDED)
    headless = [r for r in records if not isinstance(r.payload, without)]
    path = written(tmp_path / "headless.db", headless)
    assert replay(path, "--json") == 1
    found = shape(capsys)
    assert found["decisions"] == 0 and isinstance(found["skipped"], int) and found["skipped"] > 0
    assert "with its archives beside it" in str(found["problem"])
    assert replay(path) == 1
    assert "nothing was compared" in capsys.readouterr().out

    silent = [r for r in records if not isinstance(r.payload, READ)]
    assert replay(written(tmp_path / "silent.db", silent), "--json") == 1
    assert "no decision is recorded here" in str(shape(capsys)["problem"])


def test_a_file_that_is_no_journal_is_one_line_and_nothing_in_the_hosts_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.cli.HERE", tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text("# Not a journal\n" * 10)
    assert replay(readme) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: this file is no journal ({readme}): name a journal")
    assert said.count("\n") == 1
    assert not (tmp_path / "logs").exists()


def test_a_journal_without_its_archives_says_which_records_were_not_looked_at(
    tmp_path: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / JOURNAL
    old = [evolve(record, time_ns=record.time_ns - 3 * DAY_NS) for record in records]
    written(path, [*old, *records])
    assert archive(path, records[0].time_ns - DAY_NS, "sim", records[-1].time_ns)
    for file in archives(path):
        file.unlink()

    assert replay(path, "--json") == 0
    assert shape(capsys)["missing_up_to"] == len(old)
    replay(path)
    said = capsys.readouterr().out
    assert f"not looked at: records 1 to {len(old)}," in said
    assert str(tmp_path / "archive") in said

    since = datetime.fromtimestamp(records[0].time_ns // SECOND_NS + 5, UTC).isoformat()
    replay(path, "--from", since, "--json")
    assert shape(capsys)["missing_up_to"] == 0, "the span is all here"


def test_a_changed_record_is_damage(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(journal)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("UPDATE journal SET payload = replace(payload, 'buy', 'sell')")
    connection.commit()
    connection.close()
    assert replay(journal) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [("nowhere.db",), ("{journal}", "--from", "tomorrow"),
     ("{journal}", "--from", "2026-01-02", "--to", "2026-01-01")],
)  # fmt: skip
def test_wrong_usage_ends_with_2(
    journal: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(*(word.format(journal=journal) for word in arguments)) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_archived_decisions_replay_from_the_archive_and_from_the_whole(
    tmp_path: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    halts = HaltCaused | HaltChanged  # a second life would not begin at the first one's epoch
    later = [
        evolve(r, time_ns=r.time_ns + 3 * DAY_NS)
        for r in records
        if not isinstance(r.payload, halts)
    ]
    path = written(tmp_path / JOURNAL, [*records, *later])
    before_ns = records[-1].time_ns + DAY_NS
    assert archive(path, before_ns, "sim", records[-1].time_ns + 4 * DAY_NS) is not None
    (file,) = archives(path)
    assert replay(file, "--json") == 0
    moved = shape(capsys)
    assert moved["decisions"] == moved["equal"] and moved["skipped"] == 0
    assert replay(path, "--json") == 0
    both = shape(capsys)
    assert isinstance(moved["decisions"], int)
    changes = sum(isinstance(r.payload, HaltChanged) for r in records)
    assert both["decisions"] == both["equal"] == 2 * moved["decisions"] - changes > 0
    kept = SqliteJournal(path)
    live = sum(isinstance(r.payload, RiskJudged | StrategyState) for r in kept.read())
    kept.close()
    assert live == sum(isinstance(r.payload, RiskJudged | StrategyState) for r in later)
