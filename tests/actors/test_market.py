"""One symbol's market on virtual time, fed by a depth stream that a network has been at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import names
from actors.market import BookTop, MarketActor, MarketSettings
from actors.messages.lanes import BarsRead, ReadBars, ReadBook, ReadFailed, StreamDoubted
from actors.messages.risk import Pause, Resume
from actors.messages.trading import Watch
from actors.runtime import Actor, ChildSpec, StepRuntime, SupervisorSpec
from adapters.marketdata.recordings import read_recording
from adapters.venues.binance_usdm.emulator.catalogue import listing
from core.errors import RateLimited, VenueError
from core.exchange import SyntheticMarket, SyntheticSettings
from core.market import Book
from core.messages import (
    Bar,
    BookDelta,
    BookSnapshot,
    Key,
    Level,
    MarketEvent,
    MarkPrice,
    Quote,
    StreamConnected,
    Trade,
)

KEY = Key("binance", "BTCUSDT")
FRAME_NS = 100_000_000
STALE_NS = 5_000_000_000
LEVELS = 20
RECORDING = Path(__file__).parents[2].parent / "shared/data/hftbacktest/usdm/btcusdt_20240718.gz"
Top = tuple[tuple[Level, ...], tuple[Level, ...]]


@define
class Moment:
    """The exchange at one frame: what it streams, and its whole book."""

    delta: BookDelta
    quote: Quote
    snapshot: BookSnapshot

    @property
    def top(self) -> Top:
        return self.snapshot.bids[:LEVELS], self.snapshot.asks[:LEVELS]


def moments(events: Iterator[MarketEvent], count: int) -> list[Moment]:
    """Fold a stream of the exchange's events into its true states, one a depth frame."""
    book, quote, found = Book(KEY), None, []
    for event in events:
        if isinstance(event, BookSnapshot):
            book.apply(event)
        elif isinstance(event, BookDelta) and book.apply(event):
            bid, ask = book.best_bid(), book.best_ask()
            assert bid and ask
            quote = Quote(KEY, *bid, *ask, book.last_id, event.event_ns, event.event_ns)
            found.append(Moment(event, quote, book.snapshot()))
            if len(found) == count:
                return found
    raise AssertionError(f"only {len(found)} depth frames")


def synthetic(count: int) -> list[Moment]:
    made = listing("binance", "BTCUSDT")
    step = SyntheticSettings(step_ns=FRAME_NS, levels=40)
    market = SyntheticMarket(
        Random(5), made.instrument, made.start_price, start_ns=0, settings=step
    )

    def events() -> Iterator[MarketEvent]:
        yield from market.opening()
        while True:
            yield from market.step()

    return moments(events(), count)


def recorded(count: int) -> list[Moment]:
    if not RECORDING.exists():
        pytest.skip(f"the recording {RECORDING} is not on this machine")
    return moments((event for _, event in read_recording([RECORDING], KEY.venue)), count)


class Ear(Actor):
    """Keeps everything that is told to an address."""

    def __init__(self, heard: list[object]) -> None:
        self.heard = heard

    def handle(self, message: object) -> None:
        self.heard.append(message)


class Reads(Actor):
    """Answers questions for the book as the exchange does, late and with an older one at will."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def handle(self, message: object) -> None:
        match message:
            case ReadBook() if self.bench.refusals:
                self.tell(names.market(KEY), ReadFailed(message, self.bench.refusals.pop()))
                self.bench.book_questions += 1
            case ReadBook():
                self.bench.book_questions += 1
                self.after(FRAME_NS, self.bench.snapshot())
            case BookSnapshot():
                self.tell(names.market(KEY), message)
            case ReadBars():
                self.bench.bar_questions += 1


@define(eq=False)
class Bench:
    """A market actor and all whom it talks to; `now` is the frame that the exchange is at."""

    moments: Sequence[Moment]
    ages: list[int] = field(factory=list)
    now: int = 0
    book_questions: int = 0
    bar_questions: int = 0
    refusals: list[VenueError] = field(factory=list)
    risk: list[object] = field(factory=list)
    shown: list[object] = field(factory=list)
    stream: list[object] = field(factory=list)
    said: list[str] = field(factory=list)
    runtime: StepRuntime = field(init=False)

    def __attrs_post_init__(self) -> None:
        actor = MarketSettings(STALE_NS, 1000, Decimal(10), 30)

        def child(name: str, heard: list[object]) -> ChildSpec:
            return ChildSpec(name, lambda: Ear(heard))

        self.runtime = StepRuntime(seed=1)
        children = (
            child(names.RISK, self.risk),
            child(names.OPERATIONS, []),
            child(names.position(KEY), []),
            child("watcher", self.shown),
            child(names.stream(KEY.venue, "market"), self.stream),
            ChildSpec(names.reads_lane(KEY.venue), lambda: Reads(self)),
            ChildSpec(names.market(KEY), lambda: MarketActor(KEY, actor, self._log)),
        )
        self.runtime.start(SupervisorSpec("root", children))
        assert self.runtime.wait_ready(1.0)
        self.tell(Watch("watcher", frozenset({"book", "trades", "bars"})))

    def _log(self, level: str, actor: str, text: str, **_: str) -> None:
        if level == "error":
            self.said.append(text)

    def snapshot(self) -> BookSnapshot:
        age = self.ages.pop() if self.ages else 0
        return self.moments[max(0, self.now - age)].snapshot

    def tell(self, event: object) -> None:
        self.runtime.tell(names.market(KEY), event)

    def pass_frame(self) -> None:
        """Let a frame's time pass; mark prices come all the while."""
        self.now += 1
        self.tell(MarkPrice(KEY, Decimal(1), Decimal(1), Decimal(0), 0, self.now))
        self.runtime.run_for(FRAME_NS)

    @property
    def tops(self) -> list[BookTop]:
        return [each for each in self.shown if isinstance(each, BookTop)]

    @property
    def paused(self) -> bool:
        changes = [each for each in self.risk if isinstance(each, Pause | Resume)]
        return isinstance(changes[-1], Pause)


@contextmanager
def bench(found: Sequence[Moment], ages: Sequence[int] = ()) -> Iterator[Bench]:
    made = Bench(found, list(ages))
    yield made
    made.runtime.stop("test over", 1.0)


# The book, whatever the network does

FAULTY, CALM = 60, 40
LATEST = 5

fates = st.lists(
    st.one_of(
        st.just((0,)),
        st.just((0,)),
        st.just(()),
        st.tuples(st.integers(0, LATEST)),
        st.tuples(st.integers(0, LATEST), st.integers(0, LATEST)),
    ),
    min_size=FAULTY,
    max_size=FAULTY,
)
"""For each frame after how many others it arrives, once or twice or not at all."""


@pytest.fixture(scope="module", params=[synthetic, recorded])
def truth(request: pytest.FixtureRequest) -> list[Moment]:
    made: list[Moment] = request.param(FAULTY + CALM)
    return made


@settings(max_examples=40, deadline=None, derandomize=True)
@given(fates=fates, ages=st.lists(st.integers(0, 40), max_size=8))
def test_a_shown_book_is_the_exchanges_of_a_moment_ago_whatever_happens_to_the_frames(
    truth: list[Moment], fates: list[tuple[int, ...]], ages: list[int]
) -> None:
    by_id = {moment.delta.last_id: place for place, moment in enumerate(truth)}
    arrivals: list[list[BookDelta]] = [[] for _ in range(FAULTY + CALM + LATEST + 1)]
    for place, moment in enumerate(truth):
        for later in fates[place] if place < FAULTY else (0,):
            arrivals[place + later].append(moment.delta)
    with bench(truth, ages) as market:
        for place, moment in enumerate(truth):
            market.tell(moment.quote)
            for delta in arrivals[place]:
                market.tell(delta)
            seen = len(market.tops)
            market.pass_frame()
            for top in market.tops[seen:]:
                assert (top.bids, top.asks) == truth[by_id[top.last_id]].top
                assert place - by_id[top.last_id] <= LATEST + 1
        assert market.tops[-1].last_id == truth[-1].delta.last_id, "it is whole again in the end"
        assert not market.paused


def test_a_snapshot_alone_is_not_shown_since_it_may_be_an_old_one() -> None:
    truth = synthetic(60)
    with bench(truth, [40]) as market:
        for moment in truth[:20]:
            market.tell(moment.quote)
            market.pass_frame()
        assert market.book_questions == 1
        assert market.tops == [] and market.paused
        market.tell(truth[0].delta)
        market.tell(truth[1].delta)
        market.pass_frame()
        assert market.tops[-1].last_id == truth[1].delta.last_id


def test_the_first_snapshot_is_read_behind_the_first_update_and_so_fits_it() -> None:
    """It costs the venue's weight 20, and was read twice at each start."""
    truth = synthetic(40)
    with bench(truth) as market:
        market.tell(StreamConnected(KEY.venue, "market"))
        for _ in range(10):
            market.pass_frame()
        assert market.book_questions == 0
        for moment in truth[10:40]:
            market.tell(moment.quote)
            market.tell(moment.delta)
            market.pass_frame()
            assert market.book_questions == 1
        assert market.tops[-1].last_id == truth[39].delta.last_id


def test_a_book_that_cannot_be_read_is_asked_for_as_seldom_as_the_venue_wants() -> None:
    truth = synthetic(60)
    with bench(truth) as market:
        refused = RateLimited("busy", venue=KEY.venue, retry_after_ns=4_000_000_000)
        market.refusals.append(refused)
        whole(market, truth, range(38))
        assert market.book_questions == 1 and market.paused
        whole(market, truth, range(38, 60))
        assert market.book_questions == 2 and not market.paused


# Feeds that stop


def whole(market: Bench, truth: Sequence[Moment], frames: range) -> None:
    for place in frames:
        market.tell(truth[place].quote)
        market.tell(truth[place].delta)
        market.pass_frame()


@pytest.mark.parametrize("stopped", ["book", "quotes"])
def test_a_feed_that_stops_while_the_other_goes_on_is_doubted_within_three_seconds(
    stopped: str,
) -> None:
    truth = synthetic(80)
    with bench(truth) as market:
        whole(market, truth, range(30))
        assert not market.paused and not market.stream
        for moment in truth[30:60]:
            market.tell(moment.delta if stopped == "quotes" else moment.quote)
            market.pass_frame()
        assert market.stream[0] == StreamDoubted(f"{stopped} of BTCUSDT stopped")
        assert market.paused
        whole(market, truth, range(60, 80))
        assert not market.paused


def test_mark_prices_that_stop_while_quotes_come_are_doubted() -> None:
    truth = synthetic(100)
    with bench(truth) as market:
        whole(market, truth, range(10))
        for moment in truth[10:90]:
            market.tell(moment.quote)
            market.tell(moment.delta)
            market.runtime.run_for(FRAME_NS)
        assert market.stream == [StreamDoubted("mark prices of BTCUSDT stopped")]
        assert market.paused


def test_a_symbol_of_which_nothing_comes_is_doubted_after_three_times_as_long_as_it_pauses() -> (
    None
):
    truth = synthetic(20)
    with bench(truth) as market:
        whole(market, truth, range(20))
        market.runtime.run_for(3 * STALE_NS - 2 * FRAME_NS)
        assert market.paused and not market.stream
        market.runtime.run_for(STALE_NS)
        assert market.stream[0] == StreamDoubted("everything of BTCUSDT stopped")


def test_a_symbol_that_two_new_connections_did_not_bring_back_disturbs_the_others_no_more() -> None:
    truth = synthetic(40)
    with bench(truth) as market:
        for _ in range(2):
            whole(market, truth, range(20))
            assert not market.paused
            for number in range(5):
                market.stream.clear()
                market.runtime.run_for(5 * STALE_NS)
                assert bool(market.stream) is (number < 2)
                market.tell(StreamConnected("binance", "market"))
            assert market.paused
            assert len(market.said) == 1 and "2 new connections brought nothing" in market.said[0]
            market.said.clear()
            whole(market, truth, range(20, 40))
            assert not market.paused
            truth = synthetic(80)[40:]


def test_quiet_quotes_and_a_quiet_book_are_nobodys_fault() -> None:
    truth = synthetic(20)
    with bench(truth) as market:
        whole(market, truth, range(20))
        for _ in range(300):
            market.pass_frame()
        assert not market.stream and not market.paused


# Trades and bars


def test_a_trade_that_comes_twice_is_passed_on_once() -> None:
    trade = Trade(KEY, 7, Decimal(1), Decimal(1), buyer_is_maker=True, event_ns=1)
    with bench(synthetic(1)) as market:
        for number in (7, 7, 8, 7, 9):
            market.tell(evolve(trade, trade_id=number))
        market.runtime.run_for(FRAME_NS)
        told = [each.trade_id for each in market.shown if isinstance(each, Trade)]
        assert told == [7, 8, 9]


def test_a_closed_bar_that_was_missed_is_read_from_the_venue() -> None:
    minute_ns = 60_000_000_000
    one = Decimal(1)
    with bench(synthetic(1)) as market:
        for number in (1, 2, 2, 3, 5):
            bar = Bar(KEY, minute_ns, number * minute_ns, one, one, one, one, one, closed=True)
            market.tell(bar)
            market.runtime.run_for(FRAME_NS)
            assert market.bar_questions == 1 + (number == 5), "one is asked at the start"


def test_bars_read_at_a_start_are_not_read_again_when_the_stream_connects_within_a_minute() -> None:
    minute_ns = 60_000_000_000
    one = Decimal(1)
    with bench(synthetic(1)) as market:
        bars = [
            Bar(KEY, minute_ns, number * minute_ns, one, one, one, one, one, closed=number < 4)
            for number in range(1, 5)
        ]
        market.tell(BarsRead(KEY, tuple(bars)))
        market.tell(StreamConnected(KEY.venue, "market"))
        market.tell(evolve(bars[3], closed=True))
        market.runtime.run_for(FRAME_NS)
        assert market.bar_questions == 1
        market.tell(evolve(bars[3], open_ns=6 * minute_ns, closed=True))
        market.runtime.run_for(minute_ns)
        assert market.bar_questions == 2, "one closed between the answer and the stream"
        market.tell(StreamConnected(KEY.venue, "market"))
        market.runtime.run_for(FRAME_NS)
        assert market.bar_questions == 3
