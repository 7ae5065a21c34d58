"""Dead letters of a real host: a poisoned symbol is paused, letters are retried through risk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from actors.letters import letter_of
from actors.messages.risk import Propose
from actors.position import PositionActor
from adapters.deadletters import FOLDER, DeadLetterStore
from adapters.operations import JOURNAL
from adapters.storage.journal import JournalReader
from core.ids import make
from core.messages import (
    Fill,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Side,
)
from core.records import OperatorCommanded, TradingPaused
from core.risk.gate import Gate
from tests.e2e.site import Site, check_in_order, wait_for
from tests.e2e.test_actors_fail import Drill, signals

__all__ = ["signals"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

BTC = Key("binance", "BTCUSDT")
POSITION = "position:binance:BTCUSDT"


def order(quantity: str) -> PlaceOrder:
    return PlaceOrder(
        BTC,
        make("host1", "grid", "BTCUSDT", 1_000_000),
        Side.BUY,
        PositionSide.LONG,
        OrderType.LIMIT,
        Decimal(quantity),
        price=Decimal("1000"),
        bot="grid",
    )


@pytest.fixture
def store(site: Site) -> Iterator[DeadLetterStore]:
    opened = DeadLetterStore(site.state_folder / FOLDER)
    yield opened
    opened.close()


@pytest.mark.usefixtures("signals")
def test_a_symbol_whose_messages_kill_their_reader_is_paused_and_the_host_goes_on(
    site: Site, tmp_path: Path, store: DeadLetterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PositionActor.handle
    poison = OrderUpdated(
        BTC, "poison", "1", Side.BUY, PositionSide.LONG, OrderType.LIMIT, OrderStatus.NEW,
        Decimal(1), Decimal(1), Decimal(0), 1,
    )  # fmt: skip

    def dies(self: PositionActor, message: object) -> None:
        if message == poison:
            raise RuntimeError("poisoned by a drill")
        original(self, message)

    monkeypatch.setattr(PositionActor, "handle", dies)
    drill = Drill(site, tmp_path)
    config = ("--config", str(site.config))

    def doing() -> None:
        site.wait_fills()
        for count in (1, 2, 3):
            drill.runtime.tell(POSITION, poison)
            wait_for("replaced", lambda count=count: drill.restarts(POSITION) == count)
            wait_for("all run", drill.all_run, 20)
        site.wait_status("paused", lambda s: "by the operator" in str(s["paused"]))
        status = site.status()
        assert status is not None
        assert status["halt"] == "running"
        wait_for("kept", lambda: len(list(store.letters())) == 3)
        code, out, _ = site.done("deadletters", "list", *config)
        assert code == 0
        assert out.count("poison") >= 3
        code, out, _ = site.done("resume", "--symbol", "BTCUSDT", *config)
        assert code == 0, out
        site.wait_status("resumed", lambda s: not s["paused"])

    assert drill.run(doing) == 0
    records = [record.payload for record in JournalReader(site.state_folder / JOURNAL).read()]
    assert TradingPaused("BTCUSDT", True) in records
    log = site.log()
    assert "binance:BTCUSDT is to be paused: 3 messages about it killed their readers" in log


def test_a_running_host_tries_letters_again_through_risk_and_tells_facts_once_more(
    site: Site, store: DeadLetterStore
) -> None:
    config = ("--config", str(site.config))
    host = site.start()
    site.wait_fills(more_than=2)
    records = JournalReader(site.state_folder / JOURNAL).read(kinds=(Fill,))
    letters = (
        ("risk", Propose(order("0.001"), "strategy:binance:BTCUSDT:grid")),
        (POSITION, Gate().approve(order("0.001"), 0, 1, 1)),
        (POSITION, next(record.payload for record in records)),
    )
    for to, message in letters:
        letter = letter_of("fenced", to, message, 1)
        assert letter is not None
        store.keep(letter)

    code, out, _ = site.done("deadletters", "list", "--json", *config)
    assert code == 0
    assert [row["kind"] for row in json.loads(out)["letters"]] == ["Propose", "Approved", "Fill"]

    code, out, err = site.done("deadletters", "retry", "1", *config)
    assert (code, err) == (0, "")
    # 1,000 USDT is far under the market, and its notional under the venue's smallest.
    wait_for("risk refused it", lambda: "refused buy 0.001 BTCUSDT at 1000" in site.log())
    code, out, err = site.done("deadletters", "retry", "2", *config)
    assert code == 1
    assert "approval is for one moment" in err
    code, out, err = site.done("deadletters", "retry", "3", *config)
    assert (code, err) == (0, "")
    code, _, err = site.done("deadletters", "retry", "3", *config)
    assert code == 2
    assert "no dead letter 3" in err
    assert list(store.letters()) == []

    check_in_order(site, host.stop(), host)
    commands = JournalReader(site.state_folder / JOURNAL).read(kinds=(OperatorCommanded,))
    told = [record.payload for record in commands]
    assert [(each.command, each.argument) for each in told] == [  # type: ignore[attr-defined]
        ("deadletters retry", "1"),
        ("deadletters retry", "2"),
        ("deadletters retry", "3"),
    ]
