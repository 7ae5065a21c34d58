"""A whole host on virtual time, as `run.py` would compose it, against the simulated world."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from attrs import define, field

from actors import names, supervisor
from actors.messages.operations import StatusWanted
from actors.position import PositionActor
from actors.risk import RiskActor
from actors.runtime import Actor, Outcome, StepRuntime, SupervisorSpec
from actors.shutdown import close
from actors.supervisor import Parts, VenueParts
from adapters.storage.codec import Codec
from core.books import Books
from core.config import (
    BinanceVenue,
    Config,
    Execution,
    HedgeGridBot,
    Market,
    Risk,
    Supervision,
    Venues,
)
from core.errors import JournalError, UnwritableRecord
from core.messages import Key, PositionSide
from core.ports import EventSink, Record, Stream
from core.usage import Usage
from tests.sim.venue import SimStream, SimVenue
from tests.sim.world import SECOND_NS, VENUE, World

A = TypeVar("A", bound=Actor)


_KEYS = {"key_env": "SIM_KEY", "secret_env": "SIM_SECRET"}


def config(
    symbols: Sequence[str] = ("BTCUSDT",),
    *,
    bot: Mapping[str, Any] | None = None,
    execution: Mapping[str, Any] | None = None,
    risk: Mapping[str, Any] | None = None,
    supervision: Mapping[str, Any] | None = None,
    mode: str = "paper",
) -> Config:
    """Return a configuration for a simulated host, near to the one shipped."""
    grid: dict[str, Any] = {"levels": 3, "take_profit_bps": Decimal(8), "spacing_bps": Decimal(8)}
    return Config(
        mode=mode,
        host_name="sim",
        bots=(
            HedgeGridBot(
                **(
                    {"name": "grid", "symbols": tuple(symbols), "strategy": "hedge_grid"}
                    | grid
                    | dict(bot or {})
                )
            ),
        ),
        venues=Venues(binance=BinanceVenue(symbol_groups=2, **({} if mode == "paper" else _KEYS))),
        execution=Execution(**dict(execution or {})),
        risk=Risk(**dict(risk or {})),
        supervision=Supervision(
            **({"max_restarts": 50, "backoff_max_ms": 1000} | dict(supervision or {}))
        ),
        market=Market(depth=100, reconcile_every_s=10.0),
    )


class MemoryJournal:
    """A journal that outlives the hosts that write it, and fails on demand.

    What a host reads at its start comes from the bytes that the ones before it appended.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.places: defaultdict[object, list[int]] = defaultdict(list)
        self.codec = Codec()
        self.stored: list[tuple[str, bytes]] = []
        self.read_back = 0
        self.broken = ""
        self.failures = 0

    def append(self, records: Sequence[Record]) -> None:
        if self.broken:
            self.failures += 1
            raise JournalError(self.broken)
        self.stored += [self._encoded(record, place) for place, record in enumerate(records)]
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        for found_by in (record.key, type(record.payload)):
            self.places[found_by].append(len(self.records))
        self.records.append(_record(record, record.payload, len(self.records) + 1))

    def _encoded(self, record: Record, place: int) -> tuple[str, bytes]:
        try:
            return self.codec.encode(record.payload)
        except UnwritableRecord as error:
            raise UnwritableRecord(str(error), place) from None

    def reopen(self) -> None:
        """Forget the objects that were written: what is left of them is what was stored."""
        for at in range(self.read_back, len(self.records)):
            payload = self.codec.decode(*self.stored[at], at + 1)
            self.records[at] = _record(self.records[at], payload, at + 1)
        self.read_back = len(self.records)

    def lose(self, lost: Callable[[Record], bool]) -> int:
        """Lose records; return how many. The others move up."""
        records, stored = self.records, self.stored
        self.records, self.stored, self.read_back = [], [], 0
        self.places.clear()
        for record, written in zip(records, stored, strict=True):
            if not lost(record):
                self.stored.append(written)
                self._add(record)
        return len(records) - len(self.records)

    def read(
        self, *, kinds: Sequence[type] = (), key: Key | None = None, after: int = 0
    ) -> Iterator[Record]:
        places: Iterable[int] = range(after, len(self.records))
        wanted = frozenset(kinds)
        if key is not None:
            places = self._places(key, after)
        elif kinds:
            places = sorted(at for kind in wanted for at in self._places(kind, after))
        for record in [self.records[at] for at in places]:
            if not wanted or type(record.payload) in wanted:
                yield record

    def _places(self, found_by: object, after: int) -> list[int]:
        places = self.places.get(found_by, [])
        return places[bisect_left(places, after) :]

    def close(self) -> None:
        """Stay readable: the next host opens the same records."""

    @property
    def text(self) -> str:
        """Return every record, one a line, to the byte."""
        return "\n".join(map(repr, self.records))


def _record(of: Record, payload: object, sequence: int) -> Record:
    return Record(payload, of.time_ns, of.key, of.client_order_id, of.actor, sequence)


@define(frozen=True)
class Line:
    """One line of the log, with the virtual time at which it was written."""

    at_ns: int
    level: str
    actor: str
    text: str
    symbol: str = ""
    client_order_id: str = ""

    def __str__(self) -> str:
        seconds = self.at_ns / SECOND_NS % 100_000
        return f"{seconds:12.3f} {self.level:7} {self.actor} {self.client_order_id} {self.text}"


class Silent:
    """A screen that nobody looks at; keeps what it was shown last."""

    def __init__(self) -> None:
        self.status: Mapping[str, Any] = {}

    def show(self, status: Mapping[str, Any]) -> None:
        self.status = status

    def close(self) -> None:
        """Nothing to let go of."""


@define(eq=False)
class House:
    """One host after the other over one world and one journal."""

    world: World
    config: Config
    seed: int = 0
    journal: MemoryJournal = field(factory=MemoryJournal)
    lines: list[Line] = field(factory=list)
    letters: list[tuple[str, str, object]] = field(factory=list)
    hosts: int = 0
    display: Silent = field(factory=Silent)
    usage: Usage = field(factory=Usage)
    adapt: Callable[[SupervisorSpec], SupervisorSpec] = lambda tree: tree

    @property
    def runtime(self) -> StepRuntime:
        """Return the present host's runtime."""
        assert self.world.runtime is not None
        return self.world.runtime

    def start(self) -> None:
        """Compose and start a host."""
        self.hosts += 1
        self.journal.reopen()
        runtime = StepRuntime(
            seed=self.seed * 1000 + self.hosts,
            start_ns=self.world.host_ns(),
            on_log=self._on_log,
            on_dead_letter=lambda reason, to, message: self.letters.append((reason, to, message)),
            record_trace=False,
        )
        self.display = Silent()
        self.world.attach(runtime)
        runtime.start(self.adapt(supervisor.tree(self.config, self._parts(runtime))))

    def _parts(self, runtime: StepRuntime) -> Parts:
        world = self.world

        def market(keys: Sequence[Key]) -> supervisor.OpenStreams:
            def open_streams(sink: EventSink) -> list[Stream]:
                return [SimStream(world, "market", keys, sink)]

            return open_streams

        def account(keys: Sequence[Key]) -> supervisor.OpenStreams:
            def open_streams(sink: EventSink) -> list[Stream]:
                return [SimStream(world, "account", None, sink)]

            return open_streams

        venue = VenueParts(
            name=VENUE,
            endpoints=lambda: ("sim://rest", "sim://ws"),
            margin_asset="USDT",
            make_venue=lambda: SimVenue(world),
            market_streams=market,
            account_streams=account,
        )
        return Parts(
            open_journal=lambda: self.journal,
            records=self.journal,
            venues=(venue,),
            statistics=runtime.statistics,
            usage=lambda: self.usage,
            display=self.display,
            log=self.log,
        )

    def log(
        self,
        level: str,
        actor: str,
        text: str,
        *,
        symbol: str = "",
        client_order_id: str = "",
        exception: BaseException | None = None,
    ) -> None:
        self.lines.append(Line(self.world.host_ns(), level, actor, text, symbol, client_order_id))

    def _on_log(self, level: str, actor: str, text: str, error: BaseException | None) -> None:
        self.log(level.lower(), actor, text, exception=error)

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.runtime.run_for(int(seconds * SECOND_NS))

    def ready(self, within_s: float = 20.0) -> None:
        """Run until the whole tree is ready."""
        assert self.runtime.wait_ready(within_s), self.tail()

    def crash(self) -> None:
        """Take the power from the host: nothing of it runs any more."""
        self.world.detach()

    def shutdown(self, reason: str = "test over", within_s: float = 20.0) -> Outcome:
        """Stop as `run.py` does on a signal."""
        runtime = self.runtime
        patience_s = self.config.execution.entry_cancel_timeout_s + 1.0
        outcome = close(runtime, reason, patience_s) or runtime.stop(reason, within_s)
        self.world.detach()
        return outcome

    def heal(self) -> None:
        """End all faults."""
        self.world.faults.heal()
        self.world.streams_down = False
        self.journal.broken = ""

    def quiesce(self, seconds: float = 130.0) -> None:
        """End all faults, stop the market, and give the host time to hear of everything."""
        self.heal()
        self.world.frozen = {market.key for market in self.world.markets}
        self.run(seconds)
        while self.world.funding_age_ns() < 15 * SECOND_NS:
            self.run(1)

    # Looking inside

    def actor(self, name: str, kind: type[A]) -> A:
        """Return the present incarnation of an address."""
        context = self.runtime.seats[name].context
        assert context is not None and isinstance(context.actor, kind), name
        return context.actor

    def position(self, key: Key | None = None) -> PositionActor:
        return self.actor(names.position(key or self.world.keys[0]), PositionActor)

    def risk(self) -> RiskActor:
        return self.actor(names.RISK, RiskActor)

    def status(self) -> dict[str, Any]:
        """Ask as the operator does."""
        answer = self.runtime.ask(names.OPERATIONS, lambda reply: StatusWanted(reply), 2.0)
        assert isinstance(answer, dict)
        return answer

    def books(self) -> Books:
        """Fold the journal."""
        return Books(record.payload for record in self.journal.records)

    def tail(self, count: int = 40) -> str:
        """Return the last log lines."""
        return "\n".join(map(str, self.lines[-count:]))

    def said(self, text: str) -> list[Line]:
        """Return the log lines that contain a text."""
        return [line for line in self.lines if text in line.text]

    def assert_books_equal_exchange(self, *, but_unwritten: bool = False) -> None:
        """Compare the host's books with the exchange's own ledger, to the digit.

        `but_unwritten`: leave out orders that ended without a fill and that no record names: their
        host died while its journal could not be written, and nobody remembers them.
        """
        ours, truth = self.books().ledger(), self.world.exchange.ledger()
        if but_unwritten:
            named = {row["order_id"] for row in ours["orders"]}
            truth["orders"] = [
                row
                for row in truth["orders"]
                if row["order_id"] in named or row["filled"] != "0" or row["status"] == "new"
            ]
        for part in ("orders", "fills", "positions", "balances"):
            if ours[part] != truth[part]:
                raise AssertionError(f"{part} differ\n{_difference(ours[part], truth[part])}")

    def held(self, side: PositionSide, key: Key | None = None) -> Decimal:
        """Return what the exchange says is held on one side."""
        key = key or self.world.keys[0]
        return self.world.exchange.held(key.symbol).get(side, Decimal(0))

    def stops(self, side: PositionSide, key: Key | None = None) -> list[Decimal]:
        """Return the quantities of the conditional orders that wait at the exchange."""
        key = key or self.world.keys[0]
        waiting = self.world.exchange.open_conditionals(key.symbol)
        return [order.quantity for order in waiting if order.position_side is side]


def _difference(ours: Any, truth: Any) -> str:
    if not isinstance(ours, list):
        return f"ours {ours}\ntruth {truth}"
    mine = [str(row) for row in ours]
    theirs = [str(row) for row in truth]
    lines = [f"- only ours:  {row}" for row in mine if row not in theirs]
    lines += [f"- only truth: {row}" for row in theirs if row not in mine]
    return "\n".join(lines[:12])
