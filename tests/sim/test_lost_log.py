"""The journal's log is deleted under a running host: noticed, saved, and nothing of it is lost."""

from __future__ import annotations

from pathlib import Path

from actors import names
from actors.journal import JournalActor
from actors.messages.journal import JournalFailed, JournalRecovered, Write
from actors.runtime import Actor, ChildSpec, StepRuntime, SupervisorSpec
from adapters.storage.journal import JournalReader, SqliteJournal
from core.ports import Record
from core.records import TradingPaused
from tests.sim.world import SECOND_NS


class Risk(Actor):
    """Keeps what the journal tells risk."""

    def __init__(self, heard: list[object]) -> None:
        self.heard = heard

    def handle(self, message: object) -> None:
        self.heard.append(message)


def test_a_log_deleted_under_the_host_halts_it_for_a_second_and_costs_no_record(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    journal, said, heard = SqliteJournal(path), list[tuple[str, str]](), list[object]()

    def log(level: str, actor: str, text: str, **_: object) -> None:
        said.append((level, text))

    runtime = StepRuntime()
    children = (
        ChildSpec(names.RISK, lambda: Risk(heard)),
        ChildSpec(names.JOURNAL, lambda: JournalActor(lambda: journal, log)),
    )
    runtime.start(SupervisorSpec("root", children))
    for symbol in "AB":
        runtime.tell(names.JOURNAL, Write((Record(TradingPaused(symbol, True), 1),)))
    runtime.run_until_idle()
    path.with_name("journal.db-wal").unlink()
    runtime.tell(names.JOURNAL, Write((Record(TradingPaused("C", True), 1),)))
    runtime.run_for(SECOND_NS // 2)
    assert [type(message) for message in heard] == [JournalFailed]
    runtime.run_for(SECOND_NS)
    assert [type(message) for message in heard] == [JournalFailed, JournalRecovered]
    assert [level for level, _ in said] == ["error", "info"]
    assert "deleted or replaced" in said[0][1]
    found = [r.payload.symbol for r in JournalReader(path).read(kinds=(TradingPaused,))]  # type: ignore[attr-defined]
    assert found == ["A", "B", "C"]
    runtime.stop("test over", 1.0)
    assert JournalReader(path).verify().sequence == 3
