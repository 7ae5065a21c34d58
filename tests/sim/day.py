"""One simulated day of a host: calm hours, busy minutes, accidents, an operator, a calm end."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal as D
from random import Random

from attrs import define, evolve, field

from core.config import Config
from core.records import BooksOpened, EquityMarked, IncomeCompared, IncomeDiffered
from tests.sim.accidents import Operator, accident, bad_weather, crash
from tests.sim.agreement import Agreement
from tests.sim.house import House, config
from tests.sim.invariants import Watchman
from tests.sim.replaying import assert_replays
from tests.sim.settling import settle
from tests.sim.world import MS_NS, SECOND_NS, World

__all__ = ["DAY_S", "Day"]

DAY_S = 86_400
SYMBOLS = ("BTCUSDT", "ETHUSDT")
_STRIDE_S = 80, 116
_DEAD_MAN_S = 240.0
_AWAKE_S = 0.06
_REST_S = 120
_SETTLE_S = 45.0
_BUSY_S = 20, 45
_INCOME_LATE_S = 1_800
_CLOSELY = 50
_FUNDING_NS = 8 * 3600 * SECOND_NS


def settings(symbols: tuple[str, ...]) -> Config:
    """Return the configuration of a day; docs/proofs.md says what differs from the one shipped."""
    plain = config(symbols)
    guards = evolve(
        plain.risk.guards, decision_stale_after_ms=190_000, account_stale_after_ms=190_000
    )
    return evolve(
        plain,
        venues=evolve(
            plain.venues, binance=evolve(plain.venues.binance, stream_silence_ms=190_000)
        ),
        market=evolve(plain.market, stale_after_ms=120_000, reconcile_every_s=30.0),
        risk=evolve(plain.risk, guards=guards),
        execution=evolve(plain.execution, dead_man_s=_DEAD_MAN_S),
        console=evolve(plain.console, refresh_ms=60_000),
    )


@define(eq=False)
class Day:
    """Lives through one day of one seed; what is wrong is an `AssertionError`.

    In calm hours a tick comes every minute or two, and the host's own timers are due once in
    between, late: nothing happens that they could find. After each tick, and for as long as
    anything is unsettled, every message and timer has its own time, as in the busy minutes.
    """

    seed: int
    seconds: int = DAY_S
    dice: Random = field(init=False)
    crashes: Random = field(init=False)
    world: World = field(init=False)
    house: House = field(init=False)
    watchman: Watchman = field(init=False)
    agreement: Agreement = field(init=False)
    operator: Operator = field(init=False)
    seen: Counter[str] = field(factory=Counter)
    hosted_ns: int = 0

    def __attrs_post_init__(self) -> None:
        self.dice = Random(f"{self.seed}/day")
        self.crashes = Random(f"{self.seed}/crashes")
        symbols = SYMBOLS[: self.dice.choice((1, 1, 2))]
        self.world = World(self.seed, symbols, funding_interval_ns=_FUNDING_NS)
        chosen = settings(symbols)
        self.house = House(self.world, chosen, seed=self.seed)
        venue = chosen.venues.binance
        call_ms = venue.connect_timeout_ms + venue.read_timeout_ms
        bare_ns = int(chosen.execution.protect_within_s * SECOND_NS) + call_ms * MS_NS
        self.watchman = Watchman(self.house, bare_limit_ns=bare_ns)
        self.agreement = Agreement(self.house)
        self.operator = Operator(self.house, self.dice)

    def live(self) -> None:
        """Live from start to end and compare everything."""
        self.house.start()
        self.house.ready()
        began_ns = self.world.venue_ns()
        end_ns = began_ns + self.seconds * SECOND_NS
        busy = sorted(self.dice.randrange(self.seconds) for _ in range(self._times(4)))
        while self.world.venue_ns() < end_ns:
            if busy and self.world.venue_ns() - began_ns > busy[0] * SECOND_NS:
                busy.pop(0)
                self.busy()
            else:
                self.calm()
        self.operator.takes_back()
        self.settled()
        settle(self.house, self.watchman, _SETTLE_S)
        self.fold()
        self.income()
        replay = assert_replays(self.house.journal.records)
        self.seen["replayed decisions"] += replay.compared.total()
        for kind, count in replay.compared.items():
            self.seen[f"replayed: {kind}"] += count
        self._count()

    def _times(self, a_day: int) -> int:
        return max(1, round(a_day * self.seconds / DAY_S))

    def calm(self) -> None:
        """Let a tick come, and now and then something happen."""
        seconds = self.dice.uniform(*_STRIDE_S)
        match self.dice.randrange(175):
            case 0:
                self.crash(self.dice.choice((1, 30, 90, 600, 3_600)))
            case 1:
                self.operator.commands()
            case 2 | 3 | 4 | 5:
                self.operator.takes_back()
            case 6 | 7 | 8:
                self.world.shock(self.dice.choice(self.world.keys), self.dice.uniform(-150, 150))
                self.seen["price jumped"] += 1
            case 9:
                self.transfer()
        self.house.runtime.advance(int(seconds * SECOND_NS))
        self.run(_AWAKE_S)
        self.settled()

    def busy(self) -> None:
        """Let a minute of a fast market pass in which everything goes wrong, then wait."""
        self.seen["busy minutes"] += 1
        if self.crashes.random() < 0.25:
            fall_bps = self.crashes.choice((-380, -320, 320, 380))
            self.world.shock(self.crashes.choice(self.world.keys), fall_bps)
            self.seen["fast moves"] += 1
        bad_weather(self.house, self.dice)
        until_ns = self.world.venue_ns() + self.dice.randrange(*_BUSY_S) * SECOND_NS
        while self.world.venue_ns() < until_ns:
            what = accident(self.house, self.dice)
            self.seen[what] += 1
            if what == "crash":
                self.watchman.bare_since.clear()  # nobody was there to protect anything
            if self.dice.random() < 0.1:
                self.operator.commands()
            self.run(self.dice.uniform(0.2, 5.0), closely=True)
        self.house.heal()
        self.run(15)
        self.operator.takes_back()
        self.settled()
        self.fold()

    def run(self, seconds: float, *, closely: bool = False) -> None:
        """Let every message have its time, and judge each step of the market behind it.

        `closely`: behind every single message, too, as always in every fiftieth seed.
        """
        left_ns = int(seconds * SECOND_NS)
        each = self.glance if closely or self.seed % _CLOSELY == 0 else None
        while left_ns > 0:
            part_ns = min(left_ns, self.world.step_ns)
            self.house.runtime.run_for(part_ns, each)
            left_ns -= part_ns
            self.look()

    def glance(self) -> None:
        """Judge the state behind one message."""
        self.seen["messages judged one by one"] += 1
        if self.house.runtime.outcome is None:
            self.watchman.look()
            wrong = self.agreement.look()
            assert not wrong, "; ".join(wrong) + "\n" + self.house.tail()

    def settled(self) -> None:
        """Wait until nothing is under way."""
        for _ in range(_REST_S):
            if not self.restless():
                return
            self.seen["seconds of unrest"] += 1
            self.run(1)

    def restless(self) -> bool:
        """Tell whether a part starts, an order is unproven or a side is bare."""
        runtime = self.house.runtime
        if self.watchman.bare_since or runtime.hung():
            return True
        if any(seat.state != "running" for seat in runtime.seats.values()):
            return True
        for key in self.world.keys:
            position = self.house.position(key)
            if not position.synced or position.unsaid or position.questions.due:
                return True
            if position.flattening.under_way:
                return True
        return False

    def look(self) -> None:
        """Judge the present state; start a fresh host where this one has ended, as systemd does."""
        self.watchman.look()
        wrong = self.agreement.look()
        assert not wrong, "; ".join(wrong) + "\n" + self.house.tail()
        if self.house.runtime.outcome is not None:
            self.seen["ends of the host"] += 1
            self.crash(1)

    def crash(self, away_s: int) -> None:
        """Take the host's power."""
        self.seen["crash"] += 1
        self.fold()
        entries = sum(len(self.world.exchange.open_orders(k.symbol)) for k in self.world.keys)
        crash(self.house, away_s)
        self.hosted_ns = self.world.venue_ns()
        left = sum(len(self.world.exchange.open_orders(k.symbol)) for k in self.world.keys)
        self.seen["dead-man's switches"] += bool(entries and not left and away_s > _DEAD_MAN_S)
        self.watchman.bare_since.clear()  # nobody was there to protect anything

    def fold(self) -> None:
        """Hold the journal against those who wrote it."""
        self.agreement.fold()

    def income(self) -> None:
        """Hold what was made of the venue's income: compared all day, and nothing was different."""
        payloads = [record.payload for record in self.house.journal.records]
        differed = [each for each in payloads if isinstance(each, IncomeDiffered)]
        assert not differed, f"{differed}\n{self.house.tail()}"
        spans = [each.until_ns for each in payloads if isinstance(each, IncomeCompared)]
        assert spans == sorted(set(spans)), "a span was judged twice"
        opened_ns = next(each.as_of_ns for each in payloads if isinstance(each, BooksOpened))
        since_ns = max(self.hosted_ns, *spans, opened_ns)  # nobody compares while no host lives
        late_s = (self.world.venue_ns() - since_ns) // SECOND_NS
        assert late_s < _INCOME_LATE_S, f"income was compared {late_s} s ago"
        self.seen["spans of income"] += len(spans)

    def transfer(self) -> None:
        """Move money in or out."""
        exchange, amount = self.world.exchange, self.dice.choice((-500, -100, 100, 500))
        self.world.emit(exchange.deposit("USDT", D(amount), self.world.venue_ns()))
        self.seen["transfers"] += 1

    def _count(self) -> None:
        records = self.house.journal.records
        marked = {r.payload.day for r in records if isinstance(r.payload, EquityMarked)}
        self.seen += self.agreement.done + self.watchman.seen
        self.seen["days"] += 1
        self.seen["day rollovers"] += max(0, len(marked) - 1)
        self.seen["settlements"] += len({paid.time_ns for paid in self.world.funding})
        self.seen["fills"] += sum(
            len(self.world.exchange.trades(k.symbol)) for k in self.world.keys
        )
        self.seen["orders"] += len(self.world.sent)
        self.seen["records"] += len(records)
        for command, count in self.operator.given.items():
            self.seen[f"operator: {command}"] += count
        self.seen["operator's commands"] += self.operator.given.total()
