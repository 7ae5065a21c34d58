"""The outside world of a simulated host: one exchange, its markets, the wire, and their faults."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from random import Random

from attrs import define

from actors.runtime import StepRuntime
from actors.runtime.timers import Call
from adapters.venues.binance_usdm.emulator.catalogue import brackets, listing
from core.exchange import (
    Exchange,
    ExchangeSettings,
    SyntheticMarket,
    SyntheticSettings,
    account_events,
)
from core.exchange.events import Events
from core.messages import (
    AccountEvent,
    AmendOrder,
    CancelOrder,
    Fill,
    FundingPaid,
    Key,
    MarketEvent,
    MarkPrice,
    OrderUpdated,
    PlaceOrder,
    Quote,
    StreamConnected,
    StreamLost,
)
from core.ports import EventSink
from core.risk.gate import Approved
from tests.sim.faults import Faults

VENUE = "binance"
START_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000
MS_NS = 1_000_000

_MARKS = 240
"""As long as a mark may count in any simulation, and an order wait that it approved."""


@define
class Sent:
    """One placement or amendment as it reached the exchange's door.

    `left_ns` is the venue's time at which its lane let go of it, earlier where the wire was slow.
    """

    at_ns: int
    order: PlaceOrder | AmendOrder
    approved_ns: int
    epoch: int
    left_ns: int


@define(eq=False)
class Parcel:
    """Something on the wire: it arrives at this venue time, whoever lives then."""

    due_ns: int
    arrive: Callable[[], object]


@define(eq=False)
class Pipe:
    """One open stream connection on the venue's side."""

    name: str
    keys: frozenset[Key] | None
    sink: EventSink
    last_due_ns: int = 0
    last_frame_ns: int = 0
    open: bool = False
    closed: bool = False
    silent: bool = False


Frame = tuple[Pipe, MarketEvent | AccountEvent]


class World:
    """The truth outside the host; outlives every host that is attached to it."""

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str] = ("BTCUSDT",),
        *,
        listed: Sequence[str] | None = None,
        deposit: Decimal = Decimal(10_000),
        step_ms: int = 250,
        latency_ms: float = 4.0,
        lively: bool = True,
        funding_interval_ns: int = 30 * SECOND_NS,
    ) -> None:
        self.keys = [Key(VENUE, symbol) for symbol in symbols]
        listings = [listing(VENUE, symbol) for symbol in (listed or symbols)]
        self.now_before_ns = START_NS
        self.offset_ns = 0
        self.runtime: StepRuntime | None = None
        self.latency_ns = int(latency_ms * MS_NS)
        self.random = Random(f"{seed}/world")
        self.faults = Faults(Random(f"{seed}/faults"))
        self.exchange = Exchange(
            VENUE,
            [each.instrument for each in listings],
            {each.instrument.key.symbol: brackets(each.instrument.key.symbol) for each in listings},
            random=Random(f"{seed}/exchange"),
            settings=ExchangeSettings(funding_interval_ns=funding_interval_ns),
        )
        settings = SyntheticSettings(
            step_ns=step_ms * MS_NS,
            mark_every_ns=SECOND_NS,
            levels=12,
            swing_bps=20.0 if lively else 2.0,
            funding_interval_ns=funding_interval_ns,
        )
        self.markets = [
            SyntheticMarket(
                Random(f"{seed}/market/{each.instrument.key.symbol}"),
                each.instrument,
                each.start_price,
                start_ns=START_NS,
                settings=settings,
            )
            for each in listings
        ]
        self.step_ns = settings.step_ns
        self.funding: list[FundingPaid] = []
        self.sent: list[Sent] = []
        self.amended: list[Sent] = []
        self.parcels: list[Parcel] = []
        self.leaving: defaultdict[int, list[Frame]] = defaultdict(list)
        self.marks: dict[str, deque[tuple[int, Decimal]]] = defaultdict(
            lambda: deque(maxlen=_MARKS)
        )
        self.cancels: list[tuple[int, CancelOrder]] = []
        self.door: list[Callable[[Sent], None]] = []
        self.inside: list[Callable[[Sent], None]] = []
        self.account_pipes: list[Pipe] = []
        self.market_pipes: list[Pipe] = []
        self.frozen: set[Key] = set()
        self.streams_down = False
        self.order_first = False
        self._emit(self.exchange.deposit("USDT", deposit, START_NS))
        for market in self.markets:
            for event in market.opening():
                if isinstance(event, MarkPrice):
                    self.marks[event.key.symbol].append((START_NS, event.mark))
                self._emit(self.exchange.on_market(event, START_NS))

    # Time

    def host_ns(self) -> int:
        """Return the host's wall clock."""
        return self.runtime.now_ns() if self.runtime else self.now_before_ns

    def venue_ns(self) -> int:
        """Return the venue's clock."""
        return self.host_ns() + self.offset_ns

    def funding_age_ns(self) -> int:
        """Return how long ago the last settlement was booked; much where there was none."""
        return self.venue_ns() - (self.funding[-1].time_ns if self.funding else 0)

    def attach(self, runtime: StepRuntime) -> None:
        """Let a new host's time be the world's; streams of an earlier host are gone."""
        self.detach()
        self.runtime = runtime
        self._every_step(runtime)
        for parcel in self.parcels:
            self._post(parcel)

    def detach(self) -> None:
        """Leave the host where it is; time stands still until somebody lets it pass."""
        if self.runtime is not None:
            self.now_before_ns = self.runtime.now_ns()
            self.runtime = None
        for pipe in (*self.account_pipes, *self.market_pipes):
            pipe.closed = True
        self.account_pipes.clear()
        self.market_pipes.clear()

    def pass_alone(self, duration_ns: int) -> None:
        """Let the market go on while no host is there."""
        assert self.runtime is None
        self.now_before_ns += duration_ns
        for parcel in [each for each in self.parcels if each.due_ns <= self.venue_ns()]:
            self._land(parcel)
        self._market_to(self.venue_ns())

    def later(self, delay_ns: int, call: Callable[[], object]) -> None:
        """Do something later in the present host's time; at once when none is there."""
        if self.runtime is None:
            call()
        else:
            self.runtime.timers.set(self.runtime.monotonic_ns() + delay_ns, Call(call))

    def on_wire(self, delay_ns: int, arrive: Callable[[], object]) -> None:
        """Let something reach the exchange later, also when its sender has died by then."""
        parcel = Parcel(self.venue_ns() + delay_ns, arrive)
        self.parcels.append(parcel)
        self._post(parcel)

    def _post(self, parcel: Parcel) -> None:
        self.later(max(0, parcel.due_ns - self.venue_ns()), lambda: self._land(parcel))

    def _land(self, parcel: Parcel) -> None:
        if parcel in self.parcels:
            self.parcels.remove(parcel)
            parcel.arrive()

    def jump_host_clock(self, by_ns: int) -> None:
        """Set the host's wall clock; the venue's goes on as before."""
        assert self.runtime is not None
        self.runtime.set_clock(self.runtime.now_ns() + by_ns)
        self.offset_ns -= by_ns

    def shock(self, key: Key, bps: float) -> None:
        """Move a market's price at once, by this much of it."""
        for market in self.markets:
            if market.key == key:
                market.shift(bps)

    def _every_step(self, runtime: StepRuntime) -> None:
        def step() -> None:
            if self.runtime is runtime:
                self._market_to(self.venue_ns())
                self._every_step(runtime)

        runtime.timers.set(runtime.monotonic_ns() + self.step_ns, Call(step))

    def _market_to(self, venue_ns: int) -> None:
        self._tell(self.exchange.on_time(venue_ns))
        for market in self.markets:
            if market.key in self.frozen:
                continue
            if venue_ns - market.now_ns > 100 * self.step_ns:
                market.now_ns = venue_ns - self.step_ns
            for event in market.advance(venue_ns):
                if isinstance(event, MarkPrice):
                    self.marks[event.key.symbol].append((venue_ns, event.mark))
                self._tell(self.exchange.on_market(event, venue_ns))
                self._publish(event)
        self._send()

    # The wire

    def emit(self, events: Events) -> None:
        """Tell the account streams what happened."""
        self._tell(events)
        self._send()

    def _tell(self, events: Events) -> None:
        if not events:
            return
        told = self._emit(events)
        if self.faults.account_silent:  # the connection stays as it is
            return
        for event in told:
            for pipe in self.account_pipes:
                self._carry(pipe, event)

    def _emit(self, events: Events) -> list[AccountEvent]:
        told = list(account_events(VENUE, events))
        if not self.order_first:  # as Binance's client tells it: the fill, then its order
            for at in range(len(told) - 1):
                if isinstance(told[at], OrderUpdated) and isinstance(told[at + 1], Fill):
                    told[at], told[at + 1] = told[at + 1], told[at]
        self.funding += [event for event in told if isinstance(event, FundingPaid)]
        return told

    def _publish(self, event: MarketEvent) -> None:
        for pipe in self.market_pipes:
            if pipe.keys is None or event.key in pipe.keys:
                self._carry(pipe, event)

    def _carry(self, pipe: Pipe, event: MarketEvent | AccountEvent) -> None:
        """Put one frame on its way: in order, unless a fault has it otherwise."""
        if not pipe.open or pipe.silent or self.runtime is None:
            return
        faults, dice = self.faults, self.faults.random
        if faults.frame_loss and dice.random() < faults.frame_loss:
            return
        if isinstance(event, Quote):
            event = event._replace(received_ns=self.host_ns())
        now_ns = self.runtime.monotonic_ns()
        due_ns = max(now_ns + self.latency_ns, pipe.last_due_ns)
        pipe.last_due_ns = due_ns
        self._deliver(pipe, event, due_ns - now_ns)
        if faults.frame_repeat and dice.random() < faults.frame_repeat:
            self._deliver(pipe, event, due_ns - now_ns + dice.randrange(SECOND_NS))

    def _deliver(self, pipe: Pipe, event: MarketEvent | AccountEvent, delay_ns: int) -> None:
        faults = self.faults
        if faults.frame_delay and faults.random.random() < faults.frame_delay:
            delay_ns += faults.random.randrange(SECOND_NS)
        self.leaving[delay_ns].append((pipe, event))

    def _send(self) -> None:
        """Let what left at this instant and arrives together be one timer's work."""
        if self.leaving:
            leaving, self.leaving = self.leaving, defaultdict(list)
            for delay_ns, frames in leaving.items():
                self.later(delay_ns, partial(self._arrive, frames))

    def _arrive(self, frames: list[Frame]) -> None:
        for pipe, event in frames:
            if not pipe.closed and self.runtime is not None:
                pipe.last_frame_ns = self.runtime.monotonic_ns()
                pipe.sink(event)

    def connect(self, pipe: Pipe, to: list[Pipe]) -> None:
        """Let a stream come up, or fail while nobody can be reached."""
        to.append(pipe)

        def up() -> None:
            if pipe.closed:
                return
            if self.faults.unreachable or self.streams_down:
                self.drop(pipe, "connection refused")
                return
            pipe.open = True
            if self.runtime is not None:
                pipe.last_frame_ns = self.runtime.monotonic_ns()
            pipe.sink(StreamConnected(VENUE, pipe.name))

        self.later(10 * MS_NS, up)

    def drop(self, pipe: Pipe, reason: str, retry_after_ns: int = 0) -> None:
        """End one connection and say so, as a stream does."""
        if not pipe.closed:
            pipe.closed, pipe.open = True, False
            self.forget(pipe)
            pipe.sink(StreamLost(VENUE, pipe.name, reason, retry_after_ns))

    def forget(self, pipe: Pipe) -> None:
        """Take a connection off the lists."""
        for pipes in (self.account_pipes, self.market_pipes):
            if pipe in pipes:
                pipes.remove(pipe)

    def lose_streams(
        self, which: Iterable[Pipe], reason: str = "reset by peer", retry_after_ns: int = 0
    ) -> None:
        """End these connections; the venue wants no new one before `retry_after_ns` are over."""
        for pipe in list(which):
            self.drop(pipe, reason, retry_after_ns)

    # What the exchange's door sees

    def arrived(self, approved: Approved[PlaceOrder] | Approved[AmendOrder], left_ns: int) -> Sent:
        """Write down what reached the exchange."""
        order = approved.command
        sent = Sent(self.host_ns(), order, approved.at_ns, approved.epoch, left_ns)
        (self.sent if isinstance(order, PlaceOrder) else self.amended).append(sent)
        for look in self.door:
            look(sent)
        return sent

    def accepted(self, sent: Sent) -> None:
        """Let those look who want to know what the exchange took."""
        for look in self.inside:
            look(sent)
