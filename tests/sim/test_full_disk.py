"""The journal's disk is full for long: what waits stays little, and holds up no stop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from actors import names
from actors.journal import JournalActor
from actors.messages.journal import Write
from core.decisions import RiskJudged, StrategyDecided
from core.ports import Record
from core.records import TradingPaused
from tests.sim.house import House, MemoryJournal
from tests.sim.replaying import assert_replays
from tests.sim.test_whole_host import host, trading
from tests.sim.world import SECOND_NS, VENUE

MOST_AT_ONCE = 500


def journal(house: House) -> JournalActor:
    """Return the journal's actor."""
    return house.actor(names.JOURNAL, JournalActor)


def test_decisions_are_dropped_while_the_disk_is_full_and_replay_knows_of_the_gap() -> None:
    house = trading(3)
    house.journal.broken = "disk full"
    house.run(120)
    waiting = [record for records in journal(house).unwritten for record in records]
    assert waiting
    assert not [r for r in waiting if isinstance(r.payload, RiskJudged | StrategyDecided)]
    assert len(waiting) < 120, "ten decisions a second were made meanwhile"
    house.journal.broken = ""
    house.run(30)
    (said,) = house.said("decisions of meanwhile are not in it")
    assert said.level == "info"
    replay = assert_replays(house.journal.records)
    assert replay.compared.total() and replay.skipped
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_what_waited_for_the_disk_is_written_in_parts_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    append = MemoryJournal.append

    def counted(self: MemoryJournal, records: Sequence[Record]) -> None:
        sizes.append(len(records))
        append(self, records)

    house = host(4)
    house.start()
    house.ready()
    house.run(5)
    house.journal.broken = "disk full"
    begun = len(house.journal.records)
    for number in range(2_000):
        pair = (
            Record(TradingPaused(f"{number}", True), number),
            Record(TradingPaused(f"{number}", False), number),
        )
        house.runtime.tell(names.JOURNAL, Write(pair))
    monkeypatch.setattr(MemoryJournal, "append", counted)
    house.run(10)
    tried = [size for size in sizes if size > 2]
    assert len(tried) >= 5 and max(sizes) <= MOST_AT_ONCE, "a try encodes but a part"
    house.journal.broken = ""
    house.run(1.5)
    assert not journal(house).unwritten and max(sizes) <= MOST_AT_ONCE
    written = [r.payload for r in house.journal.records[begun:]]
    numbers = [p.symbol for p in written if isinstance(p, TradingPaused)]
    assert numbers == [str(number) for number in range(2_000) for _ in range(2)]


def test_a_host_that_stops_writes_all_that_waits() -> None:
    house = host(5)
    house.start()
    house.ready()
    house.run(5)
    house.journal.broken = "disk full"
    for number in range(2_000):
        house.runtime.tell(names.JOURNAL, Write((Record(TradingPaused(f"{number}", True), 0),)))
    house.run(0.5)
    house.journal.broken = ""
    house.runtime.stop("test over", 20.0)
    written = [r.payload for r in house.journal.records]
    assert sum(isinstance(payload, TradingPaused) for payload in written) == 2_000


def test_a_wallet_is_judged_again_once_nothing_waits_for_the_disk_any_more() -> None:
    house = trading(3)

    def apart() -> object:
        house.run(0.1)  # what the account has told is on its way
        return house.status()["reconciliation"]["wallets_apart"]

    house.run(12)
    assert apart() == {VENUE: "0"}
    house.journal.broken = "disk full"
    filled = len(house.world.exchange.trades("BTCUSDT"))
    for _ in range(10):
        house.run(12)
        assert apart() == {VENUE: None}, "unknown"
    assert len(house.world.exchange.trades("BTCUSDT")) > filled
    assert not house.said("wallet differs")
    house.journal.broken = ""
    house.run(25)
    assert apart() == {VENUE: "0"}
    house.world.exchange._floor.wallets["USDT"] += 7
    house.run(60)
    (line,) = house.said("wallet differs")
    assert line.level == "error"


def test_a_journal_that_does_not_answer_leaves_the_wallet_unjudged() -> None:
    house = host(3)
    house.config = evolve(house.config, market=evolve(house.config.market, reconcile_every_s=4.0))
    house.start()
    house.ready()
    house.run(10)
    house.runtime.hang(names.JOURNAL, 12 * SECOND_NS)
    house.run(10)
    assert house.status()["reconciliation"]["wallets_apart"] == {VENUE: None}
    house.run(10)
    assert house.status()["reconciliation"]["wallets_apart"] == {VENUE: "0"}
    assert house.runtime.seats[names.JOURNAL].generation == 1
