"""The tree as data: who is started in which order, and who goes when somebody dies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from attrs import frozen

from actors import names
from actors.account import AccountActor
from actors.connection import ConnectionActor
from actors.desk import ProtectionSettings
from actors.exchange import ExchangeActor
from actors.journal import JournalActor
from actors.market import MarketActor, MarketSettings
from actors.operations import OperationsActor
from actors.position import PositionActor, PositionSettings
from actors.risk import RiskActor
from actors.risk_desk import RiskSettings
from actors.runtime import Actor, ActorStatistics, ChildSpec, SupervisorSpec
from actors.strategy import StrategyActor
from actors.stream import OpenStreams, StreamActor
from actors.timesync import ClockSettings, TimesyncActor
from core.config import Bot, Config
from core.evidence import ProofRule
from core.flattening import SliceRule
from core.messages import Key
from core.ports import Display, EventSink, ExchangeProcess, Journal, Log, Records, Stream, Venue
from core.protecting import StopRule
from core.strategies.hedge_grid import GridSettings
from core.usage import Usage

_NS_S = 1_000_000_000
_NS_MS = 1_000_000


@frozen
class VenueParts:
    """What one venue's actors need from outside.

    `endpoints` answers the REST and WebSocket addresses, `process` is the local exchange in paper
    mode. `account` tells one account at these addresses from another, and is no secret.
    """

    name: str
    endpoints: Callable[[], tuple[str, str]]
    margin_asset: str
    make_venue: Callable[[], Venue]
    market_streams: Callable[[Sequence[Key]], OpenStreams]
    account_streams: Callable[[Sequence[Key]], OpenStreams]
    process: ExchangeProcess | None = None
    account: str = ""


@frozen
class Parts:
    """What the host's actors need from outside; `run.py` makes one."""

    open_journal: Callable[[], Journal]
    records: Records
    venues: tuple[VenueParts, ...]
    statistics: Callable[[], Iterable[ActorStatistics]]
    usage: Callable[[], Usage]
    display: Display
    log: Log
    alerts: Callable[[], Mapping[str, Any] | None] = lambda: None


def tree(config: Config, parts: Parts) -> SupervisorSpec:
    """Build the host: what people see beside what trades, so that neither takes the other along.

    What trades is rest-for-one, journal and risk first, then each venue, its symbols last: what
    stands further right builds on what stands left of it, so it goes down and comes up with it.
    The parts of one symbol are a tree of their own: what happens to it does not touch another.
    """
    operations = _child(
        config,
        names.OPERATIONS,
        lambda: OperationsActor(
            config.mode,
            {venue.name: venue.endpoints for venue in parts.venues},
            parts.statistics,
            parts.usage,
            parts.display,
            config.console.refresh_ms * _NS_MS,
            parts.log,
            parts.alerts,
        ),
    )
    journal = _child(config, names.JOURNAL, lambda: JournalActor(parts.open_journal, parts.log))
    risk = _child(
        config,
        names.RISK,
        lambda: RiskActor(risk_settings(config, parts), parts.records, parts.log),
    )
    venues = [_venue(config, parts, venue) for venue in parts.venues]
    trading = _supervisor(config, "trading", [journal, risk, *venues], "rest_for_one", outer=True)
    return _supervisor(config, "host", [operations, trading], "one_for_one", outer=True)


def risk_settings(config: Config, parts: Parts) -> RiskSettings:
    """Gather what the risk actor is configured with."""
    strategies: dict[Key, list[str]] = {}
    for bot in config.bots:
        for key in _keys(bot):
            strategies.setdefault(key, []).append(names.strategy(bot.name, key))
    foreign = config.risk.guards.foreign_activity
    return RiskSettings(
        config.limits(),
        config.risk,
        tuple(strategies),
        [lane for venue in parts.venues for lane in _lanes(config, venue)],
        strategies,
        {venue.name: venue.margin_asset for venue in parts.venues},
        config.venues.binance.symbol_groups,
        config.venues.binance.margin == "isolated",
        foreign == "stop" or (foreign == "stop_in_live" and config.mode == "live"),
        int(config.execution.entry_cancel_timeout_s * _NS_S),
        int(config.execution.flatten_within_s * _NS_S),
        parts.statistics,
    )


def _venue(config: Config, parts: Parts, venue: VenueParts) -> SupervisorSpec:
    settings = config.venues.binance
    bots = [bot for bot in config.bots if bot.venue == venue.name]
    keys = [key for bot in bots for key in _keys(bot)]
    lanes = _lanes(config, venue)
    clock = ClockSettings(
        int(settings.clock_sample_every_s * _NS_S),
        settings.max_clock_drift_ms * _NS_MS,
        int(settings.max_clock_age_s * _NS_S),
        config.market.stale_after_ms * _NS_MS,
    )
    children: list[ChildSpec | SupervisorSpec] = []
    process = venue.process
    if process is not None:
        children.append(
            _child(
                config,
                names.exchange(venue.name),
                lambda: ExchangeActor(process, parts.log),
                waits=True,
                busy_s=60.0,
            )
        )
    children.append(
        _child(
            config,
            names.timesync(venue.name),
            lambda: TimesyncActor(venue.make_venue, clock, lanes, parts.log),
            waits=True,
            busy_s=_call_s(config) * 6,
        )
    )
    children += [_lane(config, parts, venue, lane) for lane in lanes]
    account = names.account(venue.name)
    positions = [names.position(key) for key in keys]
    markets = [names.market(key) for key in keys]
    children += [
        _stream(config, parts, venue, "account", keys, [account, *positions], None),
        _child(
            config,
            account,
            lambda: AccountActor(
                venue.name,
                venue.margin_asset,
                settings.hedge_mode,
                int(config.market.reconcile_every_s * _NS_S),
                max(int(config.execution.protect_within_s * _NS_S / 2), _NS_S),
                int(config.market.income_every_s * _NS_S),
                keys,
                parts.records,
                parts.log,
            ),
            waits=True,
        ),
        _supervisor(
            config,
            names.symbols(venue.name),
            [_symbol(config, parts, bot, key) for bot in bots for key in _keys(bot)],
            "one_for_one",
        ),
        _stream(config, parts, venue, "market", keys, markets, settings.stream_silence_ms * _NS_MS),
    ]
    return _supervisor(config, names.venue(venue.name), children, "rest_for_one")


def _symbol(config: Config, parts: Parts, bot: Bot, key: Key) -> SupervisorSpec:
    market = MarketSettings(
        config.market.stale_after_ms * _NS_MS,
        config.market.depth,
        config.risk.book_collar_bps / 4,
        config.risk.portfolio.window_bars + 2,  # one more than returns, and one not closed
    )
    position = position_settings(config, bot)
    grid = GridSettings(
        bot.levels,
        bot.spacing_bps,
        bot.order_notional,
        bot.take_profit_bps,
        bot.recentre_bps,
        bot.maker_only,
        bot.retry_after_ms * _NS_MS,
    )
    return _supervisor(
        config,
        names.symbol(key),
        [
            _child(config, names.market(key), lambda: MarketActor(key, market, parts.log)),
            _child(
                config,
                names.position(key),
                lambda: PositionActor(key, position, parts.records, parts.log),
                waits=True,
            ),
            _child(
                config,
                names.strategy(bot.name, key),
                lambda: StrategyActor(key, config.host_name, bot.name, grid, parts.log),
                waits=True,
            ),
        ],
        "rest_for_one",
    )


def position_settings(config: Config, bot: Bot) -> PositionSettings:
    """Gather what a bot's positions are configured with.

    A comparison costs the venue's weight 12 and the count-down 10 for each symbol, asking for stops
    1 each up to 40 for all: with many of them each is done less often, so that it takes a quarter
    of the weight at most.
    """
    venue, execution = config.venues.binance, config.execution
    symbols = sum(len(each.symbols) for each in config.bots)
    protect_within_ns = int(execution.protect_within_s * _NS_S)
    dead_man_ns = int(execution.dead_man_s * _NS_S)
    dead_man_every_ns = max(dead_man_ns // 3, symbols * _NS_S)
    proof = ProofRule(execution.max_order_age_ms * _NS_MS, venue.recv_window_ms * _NS_MS)
    return PositionSettings(
        host=config.host_name,
        bot=bot.name,
        leverage=bot.leverage,
        isolated=venue.margin == "isolated",
        hedge_mode=venue.hedge_mode,
        groups=venue.symbol_groups,
        protection=ProtectionSettings(
            StopRule(Decimal(bot.stop_loss_bps), protect_within_ns),
            max(protect_within_ns // 2, min(symbols, 40) * _NS_S // 10),
        ),
        proof=proof,
        answer_within_ns=proof.max_order_age_ns + int(_call_s(config) * _NS_S),
        first_query_ns=execution.unknown_first_query_ms * _NS_MS,
        longest_query_ns=execution.unknown_max_query_ms * _NS_MS,
        alert_after_ns=int(execution.unknown_alert_after_s * _NS_S),
        reconcile_every_ns=max(
            int(config.market.reconcile_every_s * _NS_S), symbols * 6 * _NS_S // 5
        ),
        slices=SliceRule(execution.slice_depth_percent, execution.slice_slippage_bps),
        flatten_within_ns=int(execution.flatten_within_s * _NS_S),
        dead_man_ns=max(dead_man_ns, 3 * dead_man_every_ns) if dead_man_ns else 0,
        dead_man_every_ns=dead_man_every_ns,
    )


def _lanes(config: Config, venue: VenueParts) -> list[str]:
    groups = config.venues.binance.symbol_groups
    by_group = [
        f"connection:{venue.name}:{what}{group}"
        for what in ("urgent", "closes", "orders")
        for group in range(groups)
    ]
    return [names.reads_lane(venue.name), names.cancels_lane(venue.name), *by_group]


def _lane(config: Config, parts: Parts, venue: VenueParts, lane: str) -> ChildSpec:
    max_age_ns = config.execution.max_order_age_ms * _NS_MS
    return _child(
        config,
        lane,
        lambda: ConnectionActor(venue.name, venue.make_venue, max_age_ns, parts.log),
        waits=True,
        # The lane for questions reads a symbol's whole state in one go, page by page.
        busy_s=_call_s(config) * (12 if lane == names.reads_lane(venue.name) else 2),
    )


def _stream(
    config: Config,
    parts: Parts,
    venue: VenueParts,
    what: str,
    keys: Sequence[Key],
    listeners: Sequence[str],
    silence_ns: int | None,
) -> ChildSpec:
    streams = venue.market_streams(keys) if what == "market" else venue.account_streams(keys)
    streams = _one_set(streams)
    return _child(
        config,
        names.stream(venue.name, what),
        lambda: StreamActor(
            venue.name, venue.endpoints, streams, keys, listeners, silence_ns, parts.log
        ),
        waits=True,
    )


def _one_set(open_streams: OpenStreams) -> OpenStreams:
    """Close what an incarnation that crashed left open before the next one opens its own."""
    held: list[Stream] = []

    def open_anew(sink: EventSink) -> Sequence[Stream]:
        for stream in held:
            stream.close()
        held[:] = open_streams(sink)
        return tuple(held)

    return open_anew


def _call_s(config: Config) -> float:
    venue = config.venues.binance
    return (venue.connect_timeout_ms + venue.read_timeout_ms) / 1000


def _child(
    config: Config,
    name: str,
    factory: Callable[[], Actor],
    *,
    waits: bool = False,
    busy_s: float = 0.0,
) -> ChildSpec:
    settings = config.supervision
    return ChildSpec(
        name,
        factory,
        start_within_s=None if waits else 30.0,
        shutdown_within_s=settings.shutdown_within_s,
        busy_deadline_s=max(settings.busy_deadline_s, busy_s),
        mailbox_age_s=max(settings.mailbox_age_s, busy_s * 2),
    )


def _supervisor(
    config: Config,
    name: str,
    children: Sequence[ChildSpec | SupervisorSpec],
    strategy: Literal["one_for_one", "rest_for_one"],
    *,
    outer: bool = False,
) -> SupervisorSpec:
    """Build a supervisor.

    A failure of an `outer` one's child is a whole series of failures further in, which takes its
    time: fewer of them count, over a longer window. Otherwise a part that never starts would be
    tried for ever, and the host would never end with exit code 4.
    """
    settings = config.supervision
    restarts, window_s = settings.max_restarts, settings.window_s
    if outer:
        restarts, window_s = min(restarts, max(2, restarts // 2)), window_s * 10
    return SupervisorSpec(
        name,
        tuple(children),
        strategy,
        max_restarts=restarts,
        window_s=window_s,
        backoff_initial_s=settings.backoff_initial_ms / 1000,
        backoff_max_s=settings.backoff_max_ms / 1000,
        jitter=settings.jitter,
        events_to=names.RISK,
    )


def _keys(bot: Bot) -> list[Key]:
    return [Key(bot.venue, symbol) for symbol in bot.symbols]
