"""What ends new risk ends it at once, and what lets it go on has looked first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from attrs import evolve

from actors import names
from actors.market import MarketActor
from actors.messages.journal import JournalFailed, JournalRecovered
from actors.messages.lanes import ClockTold
from actors.messages.risk import Pause, Resume
from core.account import Unknown
from core.config import Market
from core.errors import ConfigError
from core.messages import BookDelta, Level, Purpose
from core.ports import Record
from core.records import HaltChanged
from core.risk.halt import Level as HaltLevel
from tests.sim.house import House
from tests.sim.test_whole_host import entries, host, trading
from tests.sim.world import SECOND_NS

D = 1_000_000


def slow_call(house: House, lane: str, seconds: float) -> None:
    """Keep a lane busy with something else: orders queue up behind it."""
    house.runtime.hang(lane, int(seconds * SECOND_NS))
    house.runtime.tell(lane, ClockTold(0, True, 0, "timesync:binance"))


def new_entries(house: House, since: int) -> list[str]:
    sent = house.world.sent[since:]
    return [s.order.client_order_id for s in sent if s.order.purpose is Purpose.ENTRY]


@pytest.mark.parametrize("seed", range(8))
def test_an_order_approved_before_a_halt_never_leaves_after_it(seed: int) -> None:
    house = host(seed)
    house.start()
    house.ready()
    lanes = [name for name in house.runtime.seats if ":orders" in name]
    for lane in lanes:
        slow_call(house, lane, 2)
    house.run(1.5)
    house.runtime.tell_control(names.RISK, JournalFailed("disk full"))
    house.run(0.01)
    before = len(house.world.sent)
    house.run(1)
    assert house.risk().risk.halt.level is HaltLevel.REDUCE_ONLY
    assert not new_entries(house, before)
    assert house.said("the trading halt is reduce_only")
    house.runtime.tell_control(names.RISK, JournalRecovered())
    house.run(5)
    assert new_entries(house, before), "and goes on when the halt is over"


def test_an_order_that_waited_too_long_in_a_lane_is_not_sent() -> None:
    house = host(1)
    house.start()
    house.ready()
    for lane in [name for name in house.runtime.seats if ":orders" in name]:
        slow_call(house, lane, 5)
    house.run(8)
    age_ns = house.config.execution.max_order_age_ms * D
    assert house.said("too old to send (execution.max_order_age_ms)")
    assert all(s.at_ns - s.approved_ns <= age_ns for s in house.world.sent)
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_a_slow_call_for_one_symbol_delays_no_other_symbol() -> None:
    house = host(4, "BTCUSDT", "ETHUSDT")
    slow, other = house.world.keys
    lanes = [names.orders_lane(key, 2) for key in (slow, other)]
    assert lanes[0] != lanes[1]
    house.start()
    house.ready()
    house.run(3)
    slow_call(house, lanes[0], 5)
    before = len(house.world.sent)
    house.run(4)
    entries = [s.order for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
    assert entries and {order.key for order in entries} == {other}
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_a_clock_set_back_makes_no_old_order_young() -> None:
    house = host(2)
    house.start()
    house.ready()
    slow_call(house, names.orders_lane(house.world.keys[0], 2), 6)
    house.run(2)
    house.runtime._start_ns -= 10 * SECOND_NS
    house.run(8)
    assert house.said("too old to send")


def test_a_clock_set_back_by_as_long_as_an_order_waited_makes_it_no_younger() -> None:
    house = host(2)
    house.start()
    house.ready()
    key = house.world.keys[0]
    slow_call(house, names.orders_lane(key, 2), 6)
    while not house.position(key).book.live:
        house.run(0.01)
    before = len(house.world.sent)
    house.run(4)
    house.world.jump_host_clock(-5 * SECOND_NS)
    house.run(1.9)
    assert len(house.world.sent) == before, "the lane is still busy"
    waited = {order.id for order in house.position(key).book.live.values()}
    house.run(2)
    assert house.said("too old to send")
    assert not waited & {sent.order.client_order_id for sent in house.world.sent}


def test_a_lane_that_begins_in_a_halt_opens_nothing_before_it_knows() -> None:
    house = trading(3)
    house.runtime.tell_control(names.RISK, JournalFailed("disk full"))
    house.run(1)
    before = len(house.world.sent)
    for _ in range(3):
        house.runtime.kill(names.orders_lane(house.world.keys[0], 2), RuntimeError("killed"))
        house.run(3)
    assert not new_entries(house, before)


# Market data


def test_silence_pauses_and_data_again_resumes() -> None:
    house = trading(4)
    house.world.frozen = set(house.world.keys)
    house.run(6)
    assert "ms old" in str(house.status()["paused"])
    before = len(house.world.sent)
    house.run(6)
    assert not new_entries(house, before)
    assert not entries(house), "what rests in a market nobody sees is taken back"
    house.world.frozen.clear()
    house.run(8)
    assert not house.status()["paused"]
    assert new_entries(house, before)


def test_quotes_that_come_again_make_no_old_mark_young() -> None:
    house = trading(4)
    key = house.world.keys[0]
    house.world.frozen = set(house.world.keys)
    house.run(8)
    market = house.actor(names.market(key), MarketActor)
    assert market.paused and market.quote and isinstance(house.risk().desk.mark(key), Unknown)
    house.runtime.tell(market.name, market.quote._replace(update_id=market.quote.update_id + 1))
    house.run(0.1)
    assert not market.paused
    assert isinstance(house.risk().desk.mark(key), Unknown)


def test_a_lost_market_stream_pauses_at_once_and_forgets_old_figures() -> None:
    house = trading(5)
    house.world.streams_down = True
    house.world.lose_streams(house.world.market_pipes)
    house.run(1.2)
    market = house.actor(names.market(house.world.keys[0]), MarketActor)
    assert market.quote is None
    assert market.mark is None
    assert not market.book.synced
    assert "market stream lost" in str(house.status()["paused"])
    house.world.streams_down = False
    house.run(10)
    assert house.status()["state"] == "running"


def test_a_lost_account_stream_opens_nothing_until_compared() -> None:
    house = trading(6)
    house.world.streams_down = True
    house.world.lose_streams(house.world.account_pipes)
    house.run(0.5)
    before = len(house.world.sent)
    house.runtime.kill(names.position(house.world.keys[0]), RuntimeError("killed meanwhile"))
    house.run(8)
    assert house.position().synced, "it compared by REST"
    assert not new_entries(house, before), "and opens nothing all the same"
    house.world.streams_down = False
    house.run(40)
    assert new_entries(house, before)
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("seed", range(3))
def test_a_gap_in_the_book_brings_a_new_snapshot_and_no_crossed_book_is_shown(seed: int) -> None:
    house = host(seed)
    shown: list[tuple[Level, Level]] = []
    house.world.faults.frame_loss = 0.1
    house.start()
    house.ready()
    market = house.actor(names.market(house.world.keys[0]), MarketActor)
    for _ in range(300):
        house.run(0.1)
        bids, asks = market.book.top(1)
        if market.book.synced and bids and asks:
            shown.append((bids[0], asks[0]))
    assert len(shown) > 100
    assert all(bid[0] < ask[0] for bid, ask in shown)
    assert len(house.said("new snapshot")) > 5


def test_snapshots_that_never_fit_are_asked_for_at_a_walk() -> None:
    house = trading(7)
    reads = []
    market = house.actor(names.market(house.world.keys[0]), MarketActor)
    ask = market._ask_for_book
    market._ask_for_book = lambda: (reads.append(0), ask())[1]  # type: ignore[method-assign]
    key = house.world.keys[0]
    for number in range(200):
        last = 10**12 + 9 * number
        delta = BookDelta(key, last - 1, last, last - 2, (), (), 0)
        house.runtime.tell(market.name, delta)
        house.run(0.02)
    assert 2 <= len(reads) <= 6


# Clock


def test_a_clock_that_moved_pauses_until_two_samples_agree() -> None:
    house = trading(8)
    house.world.offset_ns += 2 * SECOND_NS
    house.run(61)
    assert house.said("clock moved by 2000 ms")
    assert house.said(
        "resumed after: comparing with the venue after: clock of binance drifted by 2"
    )
    assert not house.status()["paused"]


def test_a_sample_grown_too_old_pauses() -> None:
    house = trading(9)
    house.world.faults.rates["clock"] = 1.0
    house.run(400)
    assert "clock sample of binance is" in str(house.status()["paused"])
    house.world.faults.rates.clear()
    house.run(40)
    assert not house.status()["paused"]


def test_a_refused_timestamp_brings_a_new_sample_at_once_and_one_for_many() -> None:
    house = trading(10)
    house.run(3)
    samples: list[int] = []
    timesync = house.runtime.seats[names.timesync("binance")].context.actor  # type: ignore[union-attr]
    sample = timesync._sample  # type: ignore[union-attr]
    timesync._sample = lambda: (samples.append(house.world.host_ns()), sample())[1]  # type: ignore[union-attr]
    house.world.faults.script("place", *["clock_rejected"] * 5)
    house.run(6)
    assert 1 <= len(samples) <= 4


# Refusals


def test_refused_orders_make_no_hot_loop() -> None:
    house = host(11)
    proposals: Counter[int] = Counter()
    house.start()
    house.ready()
    house.runtime.tell_control(names.RISK, JournalFailed("disk full"))
    risk = house.risk()
    propose = risk._propose

    def counted(proposal: object) -> None:
        proposals[house.world.host_ns() // SECOND_NS] += 1
        propose(proposal)  # type: ignore[arg-type]

    risk._propose = counted  # type: ignore[assignment]
    house.run(30)
    assert risk.refusals["halt"] > 20
    assert max(proposals.values()) <= 20
    assert house.said("refused")


def test_a_pause_by_one_part_is_lifted_by_that_part_alone() -> None:
    house = trading(12)
    key = house.world.keys[0]
    for source in ("one", "other"):
        house.runtime.tell_control(names.RISK, Pause(source, source, key.venue, key))
    house.run(0.1)
    assert house.risk().risk.paused[key] == "one; other", "no reason hides another"
    house.runtime.tell_control(names.RISK, Resume("one"))
    house.run(0.1)
    assert house.risk().risk.paused[key] == "other"


def test_a_lane_uses_the_offset_it_was_told_last() -> None:
    house = trading(13)
    lane = names.cancels_lane("binance")
    house.runtime.tell_control(lane, ClockTold(123 * D, True, 0, "timesync:binance"))
    house.run(0.1)
    actor = house.runtime.seats[lane].context.actor  # type: ignore[union-attr]
    assert actor.venue.offset_ns == 123 * D  # type: ignore[union-attr]


# Shutdown


@pytest.mark.parametrize("seed", range(4))
def test_a_shutdown_that_risk_does_not_live_through_opens_nothing_all_the_same(seed: int) -> None:
    house = trading(seed, 5)
    append, died = house.journal.append, []

    def die_of_the_shutdown(records: Sequence[Record]) -> None:
        payloads = [record.payload for record in records]
        if not died and any(isinstance(p, HaltChanged) and p.by == "shutdown" for p in payloads):
            died.append(names.JOURNAL)
            raise RuntimeError("the journal died, and risk with it")
        append(records)

    house.journal.append = die_of_the_shutdown  # type: ignore[method-assign]
    before = len(house.world.sent)
    outcome = house.shutdown()
    assert died and outcome.exit == "orderly"
    assert not new_entries(house, before)
    assert not entries(house), house.tail()


def test_the_shortest_age_that_may_be_set_takes_no_healthy_stream_for_a_dead_one() -> None:
    """Mark prices come once a second: 500 ms made 24 connections in two minutes."""
    shortest_ms = 2_000
    with pytest.raises(ConfigError, match="stale_after_ms"):
        Market(stale_after_ms=shortest_ms - 1)
    house = host(0, "BTCUSDT", "ETHUSDT")
    market = evolve(house.config.market, stale_after_ms=shortest_ms)
    house.config = evolve(house.config, market=market)
    house.start()
    house.ready()
    house.run(120)
    assert not house.said("doubted:")
