"""A record that never can be written costs itself alone: no halt, no other record, no order."""

from __future__ import annotations

from pathlib import Path

from actors import names
from actors.journal import JournalActor
from actors.messages.journal import Note, Write
from actors.messages.risk import Operate
from actors.runtime import ChildSpec, StepRuntime, SupervisorSpec
from adapters.storage.journal import SqliteJournal
from core.letters import UNWRITABLE
from core.ports import Record
from core.records import TradingPaused
from core.risk.halt import Level
from tests.sim.house import House
from tests.sim.test_whole_host import host, trading

HALF = "\udcff"


def paused(symbol: str) -> Record:
    return Record(TradingPaused(symbol, True), 1)


def written(house: House) -> list[str]:
    """Return the symbols of what the tests here had written, in order."""
    payloads = [record.payload for record in house.journal.records]
    return [each.symbol for each in payloads if isinstance(each, TradingPaused)]


def left_out(house: House) -> int:
    """Return how many records are dead letters, and errors in the log."""
    letters = [message for reason, _, message in house.letters if reason == UNWRITABLE]
    assert all(letter == paused(HALF) for letter in letters)
    told = house.said("TradingPaused holds a value that cannot be written: Unicode")
    assert len(told) == len(letters)
    return len(letters)


def test_a_command_that_cannot_be_written_down_halts_nobody() -> None:
    house = trading(3)
    answers: list[object] = []
    house.runtime.tell(names.RISK, Operate("pause", answers.append, HALF))
    house.run(1)
    house.journal.broken = "disk full"
    house.run(2)
    house.journal.broken = ""
    before = len(house.journal.records)
    house.run(5)
    assert len(answers) == 1
    assert house.risk().risk.halt.level is Level.RUNNING
    assert len(house.journal.records) > before
    (said,) = house.said("OperatorCommanded holds a value that cannot be written")
    assert said.level == "error" and "all others are written" in said.text
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_all_others_of_its_batch_are_written_in_order_and_what_follows_is_told() -> None:
    house = host(4)
    house.start()
    house.ready()
    house.runtime.tell(names.JOURNAL, Note((paused("A"), paused(HALF), paused("B"))))
    after = (names.JOURNAL, Write((paused("D"),)))
    house.runtime.tell(names.JOURNAL, Write((paused(HALF), paused("C"), paused(HALF)), (after,)))
    house.run(1)
    assert written(house) == ["A", "B", "C", "D"]
    assert left_out(house) == 3


def test_an_intent_that_cannot_be_written_is_given_back_and_its_order_not_sent() -> None:
    house = host(4)
    house.start()
    house.ready()
    sent = (names.JOURNAL, Write((paused("sent"),)))
    given_back = (names.JOURNAL, Write((paused("given back"),)))
    house.runtime.tell(names.JOURNAL, Note((paused("A"),)))
    house.runtime.tell(names.JOURNAL, Write((paused(HALF),), (sent,), (given_back,)))
    house.run(1)
    assert written(house) == ["A", "given back"]
    assert left_out(house) == 1


def test_what_waited_for_the_disk_is_written_without_it() -> None:
    house = host(5)
    house.start()
    house.ready()
    house.run(5)
    house.journal.broken = "disk full"
    for symbol in ("A", HALF, "B", HALF):
        house.runtime.tell(names.JOURNAL, Write((paused(symbol),)))
    house.run(3)
    house.journal.broken = ""
    house.run(2)
    assert written(house) == ["A", "B"]
    assert left_out(house) == 2
    assert house.risk().risk.halt.level is Level.RUNNING


def test_the_real_journal_goes_on_without_it_too(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    said: list[str] = []

    def log(level: str, actor: str, text: str, **_: object) -> None:
        said.append(text)

    runtime = StepRuntime()
    runtime.start(
        SupervisorSpec(
            "root", (ChildSpec(names.JOURNAL, lambda: JournalActor(lambda: journal, log)),)
        )
    )
    runtime.tell(names.JOURNAL, Write((paused("A"), paused(HALF), paused("B"))))
    runtime.run_for(2_000_000_000)
    found = [r.payload.symbol for r in journal.read() if isinstance(r.payload, TradingPaused)]
    assert found == ["A", "B"]
    assert len(said) == 1
    runtime.stop("test over", 1.0)
