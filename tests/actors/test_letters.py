"""Which dead letters are kept, what trying them again comes to, and when a symbol is paused."""

from __future__ import annotations

from typing import Any

import pytest

from actors import names
from actors.letters import Office, letter_of, revive
from actors.messages.journal import Unwritten, Write
from actors.messages.operations import Tick
from actors.messages.risk import Operate, Propose
from core.errors import Rejected
from core.letters import UNWRITABLE, Letter
from core.messages import (
    AmendOrder,
    CancelOrder,
    FundingPaid,
    MarkPrice,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderStatus,
    PositionSide,
    Side,
)
from core.ports import Record
from core.records import OperatorCommanded, OrderIntended, TradingPaused
from core.risk.gate import Gate
from tests.core.samples import BTC, D, fill, limit, said

ORDER = limit()
AMENDMENT = AmendOrder(BTC, ORDER.client_order_id, "7", Side.BUY, PositionSide.LONG, D(101), D(1))
MARK = MarkPrice(BTC, D(1), D(1), D(0), 0, 0)
POSITION = names.position(BTC)
FACTS = [
    CancelOrder(BTC, "c"),
    fill("1", Side.BUY, "1", "100"),
    FundingPaid(BTC, D(1), "USDT", "1", 1),
    OrderAcknowledged(said(ORDER, OrderStatus.NEW)),
    OrderRefused(BTC, "c", "place", Rejected("no")),
    OrderOutcomeUnknown(BTC, "c", "place", Rejected("no")),
    said(ORDER, OrderStatus.FILLED),
]


def kept(message: object, reason: str = "closed", to: str = POSITION) -> Letter:
    letter = letter_of(reason, to, message, 5)
    assert letter is not None
    return letter


@pytest.mark.parametrize("message", FACTS, ids=lambda message: type(message).__name__)
def test_what_concerns_an_order_is_kept_and_told_again_to_its_address(message: Any) -> None:
    letter = kept(message)
    assert (letter.to, letter.kind, letter.time_ns) == (POSITION, type(message).__name__, 5)
    assert letter.records[0].key == BTC
    assert revive(letter).told == ((POSITION, message),)


def test_a_record_that_cannot_be_written_is_kept_in_words_to_be_looked_at_only() -> None:
    record = Record(TradingPaused("\udcff", True), 5, BTC, "id-1", "risk")
    letter = kept(record, UNWRITABLE, names.JOURNAL)
    assert (letter.reason, letter.to, letter.kind) == ("unwritable", "journal", "TradingPaused")
    assert letter.records == ()
    for part in ("TradingPaused(symbol='\\udcff'", "BTCUSDT", "id-1", "risk"):
        assert part in letter.words
    letter.words.encode()
    assert revive(letter).told == ()
    assert "has no durable form" in revive(letter).refusal


@pytest.mark.parametrize("command", [ORDER, AMENDMENT], ids=["order", "amendment"])
def test_a_proposal_goes_to_risk_again(command: Any) -> None:
    letter = kept(Propose(command, "strategy:x"), to=names.RISK)
    assert letter.records[0].client_order_id == ORDER.client_order_id
    assert revive(letter).told == ((names.RISK, Propose(command, "strategy:x")),)


@pytest.mark.parametrize("command", [ORDER, AMENDMENT], ids=["order", "amendment"])
def test_an_old_approval_is_never_used_again(command: Any) -> None:
    letter = kept(Gate().approve(command, 1, 2, 3))
    assert letter.records[0].payload == command
    retry = revive(letter)
    assert (retry.told, retry.obsolete) == ((), True)
    assert "proposes anew" in retry.refusal


def test_facts_that_were_to_be_written_are_written_without_what_was_to_follow() -> None:
    fact = Record(fill("1", Side.BUY, "1", "100"), 1, BTC)
    intent = Record(OrderIntended(ORDER), 1, BTC)
    approval = (("connection", Gate().approve(ORDER, 1, 2, 3)),)
    both = kept(Write((intent, fact), then=approval), to=names.JOURNAL)
    assert revive(both).told == ((names.JOURNAL, Write((fact,))),)
    only = kept(Write((intent,), then=approval, failed=((POSITION, Unwritten("c", "place")),)))
    assert revive(only).obsolete
    assert revive(only).told == ()


@pytest.mark.parametrize("message", [MARK, Tick("sweep"), Unwritten("c", "place")])
def test_what_the_next_message_makes_up_for_is_kept_only_when_it_killed(message: object) -> None:
    assert letter_of("closed", POSITION, message, 1) is None
    letter = kept(message, "poison")
    assert type(message).__name__ in letter.words
    retry = revive(letter)
    assert (retry.told, retry.obsolete) == ((), False)
    assert "looked at only" in retry.refusal


class Heard:
    """An office, and what it kept, told and logged."""

    def __init__(self, poison_after: int = 3) -> None:
        self.letters: list[Letter] = []
        self.told: list[tuple[str, Any]] = []
        self.lines: list[tuple[str, str]] = []
        self.office = Office(
            poison_after, 60, self.letters.append, lambda to, m: self.told.append((to, m)), self.log
        )

    def log(self, level: str, actor: str, text: str, **more: object) -> None:
        self.lines.append((level, text))

    def die(self, message: object, at_ns: int = 0, to: str = POSITION) -> None:
        self.office.hear("poison", to, message, 1, at_ns, kept=True)

    def paused(self) -> list[str]:
        found = [message for to, message in self.told if to == names.RISK]
        assert all(isinstance(m, Operate) and m.command == "pause" for m in found)
        return [message.symbol for message in found]


def test_a_symbol_whose_messages_kill_again_and_again_is_paused() -> None:
    heard = Heard()
    heard.die(Propose(ORDER, "strategy"), to=names.RISK)
    heard.die(fill("1", Side.BUY, "1", "100"))
    assert heard.paused() == []
    heard.die(Tick("sweep"))  # about nothing: the reader's own symbol
    assert heard.paused() == ["BTCUSDT"]
    assert any("BTCUSDT is to be paused: 3 messages" in text for _, text in heard.lines)
    assert len(heard.letters) == 3


@pytest.mark.parametrize(
    "message",
    [
        Propose(ORDER, "s"),
        Gate().approve(ORDER, 1, 2, 3),
        Write((Record(OrderIntended(ORDER), 1, BTC),)),
        MARK,
        OrderAcknowledged(said(ORDER, OrderStatus.NEW)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_the_symbol_is_that_of_the_message_whoever_read_it(message: object) -> None:
    heard = Heard(poison_after=1)
    heard.die(message, to=names.JOURNAL)
    assert heard.paused() == ["BTCUSDT"]


def test_deaths_that_are_long_over_do_not_count() -> None:
    heard = Heard()
    for at_ns in (0, 50, 100, 150, 200):
        heard.die(MARK, at_ns)
    assert heard.paused() == []
    heard.die(MARK, 201)
    assert heard.paused() == ["BTCUSDT"]
    heard.die(MARK, 202)
    assert heard.paused() == ["BTCUSDT"], "counted anew after a pause"


def test_a_message_about_no_symbol_pauses_none() -> None:
    heard = Heard(poison_after=1)
    heard.die(Tick("sample"), to=names.timesync("binance"))
    assert heard.told == []
    assert len(heard.letters) == 1


def test_only_what_killed_counts_and_nothing_is_kept_while_the_host_stops() -> None:
    heard = Heard(poison_after=1)
    heard.office.hear("closed", POSITION, FACTS[2], 1, 1, kept=True)
    heard.office.hear("poison", POSITION, FACTS[2], 1, 1, kept=False)
    assert heard.told == []
    assert len(heard.letters) == 1
    assert [level for level, _ in heard.lines] == ["error", "error"]


def test_a_letter_that_concerns_no_order_is_a_warning_in_the_log() -> None:
    heard = Heard()
    heard.office.hear("closed", POSITION, MARK, 1, 1, kept=True)
    assert heard.lines == [("warning", "dead letter (closed): MarkPrice")]
    assert heard.letters == []


@pytest.mark.parametrize(("number", "which"), [(3, "3"), (None, "all")])
def test_what_an_operator_does_to_letters_is_journalled(number: int | None, which: str) -> None:
    heard = Heard()
    heard.office.commanded({"action": "discard", "id": number}, {"error": "why"}, 7)
    heard.office.commanded({"action": "list"}, {"letters": []}, 7)
    heard.office.commanded({"action": "show", "id": 3}, {"letter": {}}, 7)
    ((to, write),) = heard.told
    assert to == names.JOURNAL
    (record,) = write.records
    assert record.payload == OperatorCommanded("deadletters discard", "", which, "why")
    assert (record.time_ns, record.actor) == (7, "operator")


def test_a_pause_that_risk_refuses_is_said() -> None:
    heard = Heard(poison_after=1)
    heard.die(MARK)
    ((_, order),) = heard.told
    order.reply({"done": "paused"})
    order.reply({"error": "the host is stopping"})
    assert heard.lines[-1] == ("error", "the pause was refused: the host is stopping")
