"""Dead letters on disk come back whole, with a host or without, and a bad disk is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import run
from actors.letters import letter_of, revive
from actors.messages.journal import Write
from actors.messages.operations import Tick
from actors.messages.risk import Propose
from adapters import deadletters
from adapters.deadletters import FOLDER, DeadLetterStore, Keeper, answer, answer_from
from core.errors import StoreError, UsageError
from core.letters import UNWRITABLE, Letter
from core.messages import Side
from core.ports import Record
from core.records import TradingPaused
from core.risk.gate import Gate
from tests.core.samples import BTC, fill, limit

FILL = fill("1", Side.BUY, "1", "100")


def made(message: object, reason: str = "closed", to: str = "position:x") -> Letter:
    letter = letter_of(reason, to, message, 5)
    assert letter is not None
    return letter


LETTERS = [
    made(FILL),
    made(Propose(limit(), "strategy:x"), to="risk"),
    made(Gate().approve(limit(), 1, 2, 3)),
    made(Write((Record(FILL, 1, BTC, "c", "a"), Record(FILL, 2)))),
    made(Tick("sweep"), "poison"),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeadLetterStore]:
    opened = DeadLetterStore(tmp_path / "state" / FOLDER)
    yield opened
    opened.close()


def test_letters_come_back_whole_in_order_and_from_another_process(store: DeadLetterStore) -> None:
    assert [store.keep(letter) for letter in LETTERS] == [1, 2, 3, 4, 5]
    other = DeadLetterStore(store.folder)
    found = list(other.letters())
    other.close()
    for number, (letter, kept) in enumerate(zip(found, LETTERS, strict=True), start=1):
        assert letter.number == number
        assert letter.records == kept.records
        assert (letter.reason, letter.to, letter.kind) == (kept.reason, kept.to, kept.kind)
        assert (letter.words, letter.time_ns) == (kept.words, kept.time_ns)
        assert letter.reply_to == kept.reply_to


def test_a_record_that_cannot_be_written_is_kept_in_words(store: DeadLetterStore) -> None:
    letter = made(Record(TradingPaused("\udcff", True), 5, BTC), UNWRITABLE, "journal")
    assert store.keep(letter) == 1
    shown = answer(store, {"action": "show", "id": 1})["letter"]
    assert (shown["reason"], shown["kind"], shown["encoded"]) == ("unwritable", "TradingPaused", [])
    assert "symbol='\\udcff'" in shown["message"] and "BTCUSDT" in shown["message"]
    again = answer(store, {"action": "retry", "id": 1}, revive, lambda to, message: None)
    assert "looked at only" in again["error"]


@pytest.mark.parametrize("reason", ["fenced", UNWRITABLE])
def test_while_a_host_stops_only_records_that_cannot_be_written_are_kept(reason: str) -> None:
    heard: list[bool] = []

    def hear(*_: object, kept: bool) -> None:
        heard.append(kept)

    host = SimpleNamespace(
        stop=SimpleNamespace(reason="a signal"), office=SimpleNamespace(hear=hear)
    )
    run._Host._dead_letter(cast("run._Host", host), reason, "journal", FILL)
    assert heard == [reason == UNWRITABLE]


def test_a_discarded_number_is_never_given_again(store: DeadLetterStore) -> None:
    store.keep(LETTERS[0])
    assert store.discard(1)
    assert not store.discard(1)
    assert store.find(1) is None
    assert store.keep(LETTERS[0]) == 2


def test_nobody_else_may_read_them(store: DeadLetterStore) -> None:
    store.keep(LETTERS[0])
    for path in (store.folder, *store.folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_too_many_letters_are_refused_and_none_is_thrown_away(
    store: DeadLetterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadletters, "_MOST", 3)
    for _ in range(3):
        store.keep(LETTERS[0])
    with pytest.raises(StoreError, match="discard some"):
        store.keep(LETTERS[0])
    assert [letter.number for letter in store.letters()] == [1, 2, 3]


@pytest.mark.parametrize("damage", ["garbage", "folder"])
def test_a_store_that_cannot_be_used_is_said_with_how_to_mend(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "letters"
    if damage == "folder":
        folder.write_text("no folder")
    else:
        DeadLetterStore(folder).close()
        for file in folder.glob("cache.db*"):
            file.write_bytes(b"garbage" * 1_000)
    with pytest.raises(StoreError, match=f"{folder}.*move the folder away"):
        DeadLetterStore(folder).keep(LETTERS[0])


def test_a_letter_of_a_newer_version_is_said(store: DeadLetterStore) -> None:
    store.keep(LETTERS[0])
    row = store._cache.get(1)
    row["records"][0]["kind"] = "FromTheFuture"
    store._cache.set(1, row)
    with pytest.raises(StoreError, match="FromTheFuture"):
        store.find(1)
    assert store.discard(1)


class Lines:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, level: str, actor: str, text: str, **more: object) -> None:
        self.said.append((level, text))


def test_a_keeper_writes_everything_before_it_closes(tmp_path: Path) -> None:
    lines = Lines()
    keeper = Keeper(tmp_path / "letters", lines)
    for letter in LETTERS * 5:
        keeper.keep(letter)
    keeper.close()
    keeper.close()
    store = DeadLetterStore(tmp_path / "letters")
    assert len(list(store.letters())) == 25
    store.close()
    assert lines.said[0] == (
        "warning",
        "kept as dead letter 1 (python run.py deadletters show 1)",
    )


def test_a_keeper_that_heard_of_none_makes_no_folder(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "letters", Lines())
    keeper.close()
    assert list(tmp_path.iterdir()) == []


def test_a_letter_that_cannot_be_written_is_in_the_log_at_least(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("no folder")
    lines = Lines()
    keeper = Keeper(tmp_path / "letters", lines)
    keeper.keep(LETTERS[0])
    keeper.keep(LETTERS[1])
    keeper.close()
    assert [level for level, _ in lines.said] == ["error", "error"]
    assert "a dead Fill was not kept" in lines.said[0][1]
    assert LETTERS[0].words in lines.said[0][1]


# What an operator asks


class Host:
    def __init__(self, store: DeadLetterStore) -> None:
        self.store = store
        self.told: list[tuple[str, object]] = []

    def asked(self, action: str, number: object = None) -> dict[str, Any]:
        request = {"action": action, "id": number}
        return answer(self.store, request, revive, lambda *told: self.told.append(told))


@pytest.fixture
def host(store: DeadLetterStore) -> Host:
    for letter in LETTERS:
        store.keep(letter)
    return Host(store)


def test_the_list_says_what_each_is_about(host: Host) -> None:
    rows = host.asked("list")["letters"]
    assert [row["kind"] for row in rows] == ["Fill", "Propose", "Approved", "Write", "Tick"]
    assert rows[0] == {
        "id": 1, "time_ns": 5, "reason": "closed", "to": "position:x", "kind": "Fill",
        "venue": "binance", "symbol": "BTCUSDT", "client_order_id": FILL.client_order_id,
    }  # fmt: skip
    assert rows[4]["symbol"] == ""


def test_one_letter_is_shown_in_words_and_encoded(host: Host) -> None:
    letter = host.asked("show", 2)["letter"]
    assert "PlaceOrder" in letter["message"]
    assert letter["reply_to"] == "strategy:x"
    (record,) = letter["encoded"]
    assert record["payload"]["quantity"] == "1"
    json.dumps(letter, allow_nan=False)


def test_a_retried_letter_is_told_once_and_gone(host: Host) -> None:
    assert host.asked("retry", 2) == {"done": "dead letter 2, a Propose, is told to risk"}
    assert host.told == [("risk", Propose(limit(), "strategy:x"))]
    with pytest.raises(UsageError, match="no dead letter 2"):
        host.asked("retry", 2)
    assert len(host.told) == 1


def test_an_old_approval_is_discarded_with_the_reason(host: Host) -> None:
    assert "approval is for one moment" in host.asked("retry", 3)["error"]
    assert host.told == []
    assert host.store.find(3) is None


def test_what_cannot_be_told_again_stays_to_be_looked_at(host: Host) -> None:
    assert "cannot be tried again" in host.asked("retry", 5)["error"]
    assert host.store.find(5) is not None


def test_one_or_all_are_discarded(host: Host) -> None:
    assert "1 is discarded" in host.asked("discard", 1)["done"]
    assert host.asked("discard") == {"done": "4 dead letters are discarded"}
    assert host.asked("list") == {"letters": []}


@pytest.mark.parametrize(
    ("action", "number"),
    [("show", 99), ("show", "1"), ("show", None), ("show", True), ("burn", 1), (None, 1)],
)
def test_what_makes_no_sense_is_refused(host: Host, action: Any, number: object) -> None:
    with pytest.raises(UsageError):
        host.asked(action, number)


# The command line, while no host runs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text('[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n')
    return file


def test_without_a_host_letters_are_listed_shown_and_discarded_but_not_retried(
    host: Host, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str, code: int = 0) -> str:
        arguments = ["deadletters", *words, "--config", str(config)]
        assert run.main(arguments) == code
        out, err = capsys.readouterr()
        return out if code == 0 else err

    assert "Approved" in said("list")
    assert [row["id"] for row in json.loads(said("list", "--json"))["letters"]] == [1, 2, 3, 4, 5]
    assert "BTCUSDT" in said("show", "2")
    assert json.loads(said("show", "2", "--json"))["letter"]["kind"] == "Propose"
    assert "no host runs" in said("retry", "2", code=2)
    assert "discarded" in said("discard", "2")
    assert "no dead letter 2" in said("show", "2", code=2)
    assert "which letter?" in said("discard", code=2)
    assert "which letter?" in said("discard", "1", "--all", code=2)
    assert "4 dead letters are discarded" in said("discard", "--all")
    assert "no dead letters" in said("list")


def test_looking_for_letters_makes_no_folder_and_keeping_one_makes_them_private(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "state" / "store" / "deadletters"

    assert answer_from(folder, {"action": "list"}) == {"letters": []}
    assert not (tmp_path / "state").exists()

    DeadLetterStore(folder).close()
    for each in (folder, folder.parent, tmp_path / "state"):
        assert each.stat().st_mode & 0o777 == 0o700, each
