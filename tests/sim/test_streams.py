"""Streams that fail in every way: noticed in time, repaired from REST, nothing twice or skipped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import names
from actors.echoes import Echoes
from actors.messages.lanes import StreamDoubted
from actors.stream import StreamActor
from actors.survey import Survey
from core.messages import AccountEvent, MarketEvent, MarkPrice, Quote, Side
from tests.sim.house import House, Line, config
from tests.sim.test_whole_host import host, trading
from tests.sim.world import MS_NS, SECOND_NS, VENUE, Pipe, World

STREAM = names.stream(VENUE, "account")


def silence_account(house: House) -> None:
    """Keep every event from the account connection that is open now; it stays open."""
    for pipe in house.world.account_pipes:
        pipe.silent = True


def doubts(house: House, since_ns: int = 0) -> list[Line]:
    """Return what the owner of the account connection logged of doubts it heeded."""
    return [
        line
        for line in house.said(f"{STREAM}: doubted: ")
        if line.actor == STREAM and line.at_ns >= since_ns
    ]


def doubted(house: House, since_ns: int, within_s: float) -> Line:
    """Run until the account stream is doubted."""
    for _ in range(int(within_s * 20)):
        if found := doubts(house, since_ns):
            return found[0]
        house.run(0.05)
    raise AssertionError(f"nobody doubted within {within_s} s\n{house.tail()}")


def pauses(house: House) -> list[float]:
    """Return after how long the account stream said it would connect again."""
    said = [line.text for line in house.said("connecting again in") if line.actor == STREAM]
    return [float(text.rpartition(" in ")[2].removesuffix(" s")) for text in said]


def test_an_account_that_cannot_be_read_is_connected_to_less_and_less_often() -> None:
    """Each new connection brings the bad frame again: connecting went well, reading did not."""
    house = trading(3, 5)
    for _ in range(6):
        house.world.lose_streams(house.world.account_pipes, "FrameError: account frame")
        while not (house.world.account_pipes and house.world.account_pipes[0].open):
            house.run(0.05)
        house.run(0.5)
    grown = pauses(house)
    assert len(grown) == 6
    assert all(now > before for before, now in zip(grown[:-2], grown[2:], strict=True))
    assert grown[0] <= 0.7 and grown[5] >= 6.0

    house.run(15)
    house.world.lose_streams(house.world.account_pipes)
    house.run(1)
    assert pauses(house)[-1] <= 0.7, "one that has stood for a while is forgiven"


def test_a_stream_is_not_connected_to_before_the_venue_allows_it() -> None:
    house = trading(4, 5)
    house.world.lose_streams(house.world.account_pipes, "HTTP 429", retry_after_ns=20 * SECOND_NS)
    house.run(19.9)
    assert not house.world.account_pipes
    house.run(1)
    assert house.world.account_pipes


def test_nobody_doubts_a_stream_that_tells_everything() -> None:
    house = trading(1, 90, "BTCUSDT", "ETHUSDT")
    assert house.world.exchange.trades("BTCUSDT")
    assert not house.said("doubted")


def test_orders_without_an_echo_have_the_account_stream_connected_anew_within_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Echoes, "quoted", lambda *_: None)
    monkeypatch.setattr(Survey, "look", lambda _: None)
    house = trading(2)
    silence_account(house)
    began_ns, sent = house.world.host_ns(), len(house.world.sent)
    while len(house.world.sent) == sent:
        house.run(0.05)
    sent_ns = house.world.sent[-1].at_ns
    line = doubted(house, began_ns, 6)
    assert line.at_ns - began_ns >= 3 * SECOND_NS
    assert line.at_ns - sent_ns <= 5 * SECOND_NS
    assert "nothing told of" in line.text
    house.run(10)
    assert len(doubts(house)) == 1, "one new connection was enough"
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_a_fill_that_the_stream_kept_back_is_noticed_by_the_price_that_went_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Survey, "look", lambda _: None)
    house = trading(3)
    key = house.world.keys[0]
    house.run(4)
    silence_account(house)
    bid = max(order.price for order in house.world.exchange.open_orders() if order.side is Side.BUY)
    mark = house.world.marks[key.symbol][-1][1]
    began_ns = house.world.host_ns()
    house.world.shock(key, float((bid / mark - 1) * 10_000) - 5.0)
    line = doubted(house, began_ns, 4.5)
    assert "traded through" in line.text
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_doubts_that_a_new_connection_does_not_settle_are_heeded_less_and_less_often() -> None:
    house = trading(4, 2)
    for _ in range(35):
        house.runtime.tell(STREAM, StreamDoubted("it keeps its peace"))
        house.run(1)
    assert len(doubts(house)) == 3, "at once, and 10 and 20 s later"
    house.run(165)
    house.runtime.tell(STREAM, StreamDoubted("it keeps its peace"))
    house.run(1)
    assert house.actor(STREAM, StreamActor).doubt_pause_ns == 10 * SECOND_NS


@pytest.mark.parametrize("after_s", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("kind", [Quote, MarkPrice])
def test_a_connection_whose_prices_never_come_or_end_while_it_is_young_is_made_anew(
    kind: type, after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = host(1)
    house.start()
    house.ready()
    house.run(after_s)
    world, broken = house.world, set(house.world.market_pipes)
    carry = world._carry

    def carried(pipe: Pipe, event: MarketEvent | AccountEvent) -> None:
        if pipe not in broken or not isinstance(event, kind):
            carry(pipe, event)

    monkeypatch.setattr(world, "_carry", carried)
    house.run(30)
    assert house.status()["paused"] == {}, house.tail()
    owner = names.stream(VENUE, "market")
    heeded = [line for line in house.said(f"{owner}: doubted: ") if line.actor == owner]
    assert len(heeded) == 1


def test_after_an_outage_nobody_doubts_the_new_connections() -> None:
    house = trading(5)
    house.world.streams_down = True
    house.world.lose_streams([*house.world.account_pipes, *house.world.market_pipes])
    house.run(60)
    house.world.streams_down = False
    house.run(60)
    assert house.status()["state"] == "running"
    assert not house.said("doubted")


def lost(house: House) -> None:
    house.world.lose_streams([*house.world.account_pipes, *house.world.market_pipes])


def refused(house: House) -> None:
    pipes = [*house.world.account_pipes, *house.world.market_pipes]
    house.world.streams_down = True
    house.world.lose_streams(pipes, "the venue refused the subscription")
    house.run(20)
    house.world.streams_down = False


def silent(house: House) -> None:
    for pipe in (*house.world.account_pipes, *house.world.market_pipes):
        pipe.silent = True


@pytest.mark.parametrize("fault", [lost, refused, silent, silence_account])
@pytest.mark.parametrize("seed", range(3))
def test_after_a_stream_failed_the_books_are_the_exchanges(
    seed: int, fault: Callable[[House], None]
) -> None:
    house = trading(seed)
    for _ in range(3):
        fault(house)
        house.run(20)
    house.run(20)
    assert house.status()["state"] == "running"
    house.quiesce(45)
    house.assert_books_equal_exchange()
    fills = [fill.fill_id for fill in house.books().wallets.fills()]
    assert len(fills) == len(set(fills)) > 0


class MeddledWorld(World):
    """Lets each account event arrive after so many milliseconds: once, more often or never."""

    def __init__(self, seed: int, fates: Iterable[tuple[int, ...]]) -> None:
        self.fates = deque(fates)
        super().__init__(seed)

    def _carry(self, pipe: Pipe, event: MarketEvent | AccountEvent) -> None:
        if pipe in self.account_pipes and self.fates:
            for delay_ms in self.fates.popleft():
                self._deliver(pipe, event, delay_ms * MS_NS)
        else:
            super()._carry(pipe, event)


DELAYS = st.integers(0, 2_000)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1_000),
    fates=st.lists(
        st.one_of(st.just((4,)), st.just(()), st.tuples(DELAYS), st.tuples(DELAYS, DELAYS)),
        min_size=80,
        max_size=80,
    ),
)
def test_fills_are_counted_once_whatever_happens_to_the_account_streams_events(
    seed: int, fates: list[tuple[int, ...]]
) -> None:
    house = House(MeddledWorld(seed, fates), config(), seed=seed)
    house.start()
    house.ready()
    house.run(40)
    house.quiesce(45)
    house.assert_books_equal_exchange()
    fills = [fill.fill_id for fill in house.books().wallets.fills()]
    assert len(fills) == len(set(fills)) == len(house.world.exchange.trades("BTCUSDT")) > 0
