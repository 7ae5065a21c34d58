"""The schema of config.toml: every key, its unit in its name, its default and what it may hold."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from attrs import field, frozen

from core import config_rules as rules
from core.config_alerts import Alerts, EmailAlerts, TelegramAlerts, WebhookAlerts
from core.config_conflicts import conflicts
from core.messages import Key
from core.risk.limits import Caps, Group, Limits

__all__ = [
    "Alerts",
    "BinanceVenue",
    "Bot",
    "Breaker",
    "Canary",
    "Config",
    "Console",
    "EmailAlerts",
    "Execution",
    "Guards",
    "HedgeGridBot",
    "JournalSettings",
    "Logs",
    "Losses",
    "Market",
    "Metrics",
    "Paper",
    "Paths",
    "Portfolio",
    "Risk",
    "Supervision",
    "SymbolCaps",
    "SymbolGroup",
    "TelegramAlerts",
    "Venues",
    "WebhookAlerts",
]

D = Decimal
_NS_MS = 1_000_000
_NS_S = 1_000_000_000


@frozen(slots=True, kw_only=True)
class Paths:
    """Folders; relative ones start at the configuration file's own folder."""

    state: str = field(default="state", validator=rules.some_path)
    logs: str = field(default="logs", validator=rules.some_path)


@frozen(slots=True, kw_only=True)
class Paper:
    """The local exchange that paper mode trades on."""

    market: str = field(
        default="synthetic", validator=rules.one_of("synthetic", "recorded", "mirror")
    )
    files: tuple[str, ...] = ()
    speed: float = field(default=1.0, validator=rules.between("0.01", 10_000))
    seed: int = field(default=1, validator=rules.between(0, 2**63 - 1))
    exchange: str = field(default="", validator=rules.loopback_url)
    key_env: str = field(default="", validator=rules.environment_name)
    secret_env: str = field(default="", validator=rules.environment_name)
    balance_usdt: Decimal = field(default=D(10_000), validator=rules.between(1, 10**9))


@frozen(slots=True, kw_only=True)
class BinanceVenue:
    """How to talk to Binance USDⓈ-M and how far to trust its clock, limits and streams."""

    key_env: str = field(default="", validator=rules.environment_name)
    secret_env: str = field(default="", validator=rules.environment_name)
    connect_timeout_ms: int = field(default=3_000, validator=rules.between(50, 60_000))
    read_timeout_ms: int = field(default=5_000, validator=rules.between(50, 60_000))
    recv_window_ms: int = field(default=5_000, validator=rules.between(100, 60_000))
    clock_sample_every_s: float = field(default=60.0, validator=rules.between("0.1", 3_600))
    max_clock_drift_ms: int = field(default=500, validator=rules.between(1, 60_000))
    max_clock_age_s: float = field(default=300.0, validator=rules.between("0.2", 86_400))
    rate_reserve_percent: int = field(default=20, validator=rules.between(1, 90))
    symbol_groups: int = field(default=4, validator=rules.between(1, 64))
    margin: str = field(default="isolated", validator=rules.one_of("isolated", "cross"))
    hedge_mode: bool = True
    stream_silence_ms: int = field(default=10_000, validator=rules.between(100, 600_000))
    allow_unrestricted_key: bool = False


@frozen(slots=True, kw_only=True)
class Venues:
    """One table per venue."""

    binance: BinanceVenue = BinanceVenue()


@frozen(slots=True, kw_only=True)
class HedgeGridBot:
    """One bot that runs a hedge grid on each of its symbols; distances in basis points."""

    name: str = field(validator=rules.bot_name)
    symbols: tuple[str, ...] = field(validator=rules.market_symbols)
    strategy: str = field(validator=rules.one_of("hedge_grid"))
    venue: str = field(default="binance", validator=rules.one_of("binance"))
    leverage: int = field(default=2, validator=rules.between(1, 125))
    order_notional: Decimal = field(default=D(200), validator=rules.between(1, 10**9))
    levels: int = field(default=4, validator=rules.between(1, 50))
    spacing_bps: Decimal = field(default=D(10), validator=rules.between("0.1", 2_000))
    take_profit_bps: Decimal = field(default=D(12), validator=rules.between("0.1", 5_000))
    stop_loss_bps: Decimal = field(default=D(150), validator=rules.between(1, 5_000))
    recentre_bps: Decimal = field(default=D(20), validator=rules.between("0.1", 5_000))
    maker_only: bool = True
    retry_after_ms: int = field(default=1_000, validator=rules.between(10, 600_000))


Bot: TypeAlias = HedgeGridBot


@frozen(slots=True, kw_only=True)
class SymbolCaps:
    """Caps of one symbol beside those of every symbol; 0 leaves the general one alone."""

    symbol: str = field(validator=rules.market_symbol)
    venue: str = field(default="binance", validator=rules.one_of("binance"))
    max_order_quantity: Decimal = field(default=D(0), validator=rules.between(0, 10**12))
    max_notional: Decimal = field(default=D(0), validator=rules.between(0, 10**9))
    max_leverage: int = field(default=0, validator=rules.between(0, 125))


@frozen(slots=True, kw_only=True)
class SymbolGroup:
    """Symbols that move together, with one cap on what they may hold in one direction."""

    name: str = field(validator=rules.bot_name)
    symbols: tuple[str, ...] = field(validator=rules.market_symbols)
    max_notional: Decimal = field(validator=rules.between(1, 10**10))


@frozen(slots=True, kw_only=True)
class Portfolio:
    """Value at risk and volatility, from closed one-minute bars; percent of equity or of price."""

    var_method: str = field(
        default="historical", validator=rules.one_of("historical", "parametric")
    )
    max_var_percent: Decimal = field(default=D(5), validator=rules.between("0.01", 100))
    var_confidence_percent: Decimal = field(default=D(99), validator=rules.between(80, "99.99"))
    var_horizon_minutes: int = field(default=60, validator=rules.between(1, 10_080))
    window_bars: int = field(default=240, validator=rules.between(20, 10_000))
    prior_daily_volatility_percent: Decimal = field(
        default=D(10), validator=rules.between("0.1", 500)
    )
    max_daily_volatility_percent: Decimal = field(default=D(60), validator=rules.between(1, 1_000))
    target_daily_volatility_percent: Decimal = field(
        default=D(20), validator=rules.between("0.1", 1_000)
    )


@frozen(slots=True, kw_only=True)
class Losses:
    """When losses, open ones and funding included, end trading; percent of equity."""

    max_daily_loss_percent: Decimal = field(default=D(3), validator=rules.between("0.01", 100))
    max_drawdown_percent: Decimal = field(default=D(10), validator=rules.between("0.01", 100))
    action: str = field(default="halt", validator=rules.one_of("halt", "flatten"))


@frozen(slots=True, kw_only=True)
class Canary:
    """A first run with real money: small orders, and a halt at a small loss."""

    enabled: bool = False
    max_order_notional: Decimal = field(default=D(50), validator=rules.between(1, 10**9))
    max_loss: Decimal = field(default=D(20), validator=rules.between("0.01", 10**9))


@frozen(slots=True, kw_only=True)
class Guards:
    """What watches positions while they are open: liquidation, crashes, funding, strangers."""

    liquidation_warning_bps: Decimal = field(default=D(1_500), validator=rules.between(1, 10_000))
    liquidation_reduce_bps: Decimal = field(default=D(700), validator=rules.between(1, 10_000))
    liquidation_reduce_percent: int = field(default=50, validator=rules.between(1, 100))
    flash_window_s: float = field(default=10.0, validator=rules.between("0.5", 3_600))
    flash_move_bps: Decimal = field(default=D(300), validator=rules.between(1, 10_000))
    flash_action: str = field(default="tighten", validator=rules.one_of("tighten", "close"))
    flash_stop_bps: Decimal = field(default=D(50), validator=rules.between(1, 5_000))
    flash_pause_s: float = field(default=60.0, validator=rules.between(1, 86_400))
    funding_window_s: float = field(default=600.0, validator=rules.between(0, 28_800))
    max_funding_bps: Decimal = field(default=D(10), validator=rules.between("0.1", 1_000))
    account_stale_after_ms: int = field(default=90_000, validator=rules.between(1_000, 3_600_000))
    decision_stale_after_ms: int = field(default=30_000, validator=rules.between(2_000, 3_600_000))
    slow_mailbox_ms: int = field(default=2_000, validator=rules.between(10, 600_000))
    foreign_activity: str = field(
        default="stop_in_live", validator=rules.one_of("stop_in_live", "stop", "tolerate")
    )


@frozen(slots=True, kw_only=True)
class Breaker:
    """When calls of a venue fail so often that nothing is opened there for a while."""

    window_s: float = field(default=60.0, validator=rules.between(1, 3_600))
    min_calls: int = field(default=10, validator=rules.between(1, 10_000))
    max_error_percent: int = field(default=50, validator=rules.between(1, 100))
    open_s: float = field(default=15.0, validator=rules.between("0.1", 3_600))


@frozen(slots=True, kw_only=True)
class Risk:
    """Caps in quote money, over every bot of the host; what may still fill counts as held."""

    max_order_notional: Decimal = field(default=D(500), validator=rules.between(1, 10**9))
    max_symbol_notional: Decimal = field(default=D(2_000), validator=rules.between(1, 10**9))
    max_side_notional: Decimal = field(default=D(4_000), validator=rules.between(1, 10**10))
    max_net_notional: Decimal = field(default=D(4_000), validator=rules.between(1, 10**10))
    max_gross_notional: Decimal = field(default=D(6_000), validator=rules.between(1, 10**10))
    max_open_orders_per_side: int = field(default=10, validator=rules.between(1, 100))
    max_orders_per_minute: int = field(default=300, validator=rules.between(1, 100_000))
    max_cancels_per_minute: int = field(default=300, validator=rules.between(1, 100_000))
    max_leverage: int = field(default=3, validator=rules.between(1, 125))
    max_account_leverage: Decimal = field(default=D(3), validator=rules.between("0.01", 125))
    min_free_margin_percent: Decimal = field(default=D(10), validator=rules.between(0, 99))
    min_liquidation_distance_bps: Decimal = field(
        default=D(1_000), validator=rules.between(1, 10_000)
    )
    price_collar_bps: Decimal = field(default=D(100), validator=rules.between(1, 1_000))
    book_collar_bps: Decimal = field(default=D(100), validator=rules.between(1, 1_000))
    symbols: tuple[SymbolCaps, ...] = ()
    groups: tuple[SymbolGroup, ...] = ()
    losses: Losses = Losses()
    portfolio: Portfolio = Portfolio()
    guards: Guards = Guards()
    breaker: Breaker = Breaker()
    canary: Canary = Canary()


@frozen(slots=True, kw_only=True)
class Execution:
    """How long an order may stay unproven or a position unprotected before somebody acts."""

    max_order_age_ms: int = field(default=2_000, validator=rules.between(50, 60_000))
    unknown_first_query_ms: int = field(default=200, validator=rules.between(10, 60_000))
    unknown_max_query_ms: int = field(default=5_000, validator=rules.between(10, 600_000))
    unknown_alert_after_s: float = field(default=30.0, validator=rules.between(1, 3_600))
    protect_within_s: float = field(default=5.0, validator=rules.between("0.5", 600))
    entry_cancel_timeout_s: float = field(default=5.0, validator=rules.between("0.5", 60))
    dead_man_s: float = field(default=60.0, validator=rules.between(0, 600))
    slice_depth_percent: int = field(default=25, validator=rules.between(1, 100))
    slice_slippage_bps: Decimal = field(default=D(50), validator=rules.between(1, 5_000))
    flatten_within_s: float = field(default=30.0, validator=rules.between(1, 3_600))


@frozen(slots=True, kw_only=True)
class Supervision:
    """When an actor counts as failed, and how often and how soon it is started again."""

    max_restarts: int = field(default=5, validator=rules.between(0, 1_000))
    window_s: float = field(default=60.0, validator=rules.between(1, 86_400))
    backoff_initial_ms: int = field(default=200, validator=rules.between(1, 60_000))
    backoff_max_ms: int = field(default=10_000, validator=rules.between(1, 600_000))
    jitter: float = field(default=0.2, validator=rules.between(0, 1))
    busy_deadline_s: float = field(default=15.0, validator=rules.between("0.1", 600))
    mailbox_age_s: float = field(default=30.0, validator=rules.between("0.1", 600))
    shutdown_within_s: float = field(default=5.0, validator=rules.between("0.1", 120))
    poison_after: int = field(default=3, validator=rules.between(1, 1_000))
    switch_interval_us: int = field(default=100, validator=rules.between(10, 100_000))


@frozen(slots=True, kw_only=True)
class JournalSettings:
    """How durable a written record is, and how long it stays in the live journal."""

    durability: str = field(default="process", validator=rules.one_of("process", "power"))
    keep_days: int = field(default=0, validator=rules.between(0, 36_500))


@frozen(slots=True, kw_only=True)
class Logs:
    """What is logged and how much of it is kept."""

    level: str = field(default="info", validator=rules.one_of("debug", "info", "warning", "error"))
    rotate_mb: int = field(default=50, validator=rules.between(1, 10_000))
    keep: int = field(default=10, validator=rules.between(1, 1_000))


@frozen(slots=True, kw_only=True)
class Console:
    """How often the host's own screen is drawn again."""

    refresh_ms: int = field(default=1_000, validator=rules.between(100, 60_000))


@frozen(slots=True, kw_only=True)
class Metrics:
    """Where metrics and health are served; no password, so an address of this machine alone."""

    listen: str = field(default="127.0.0.1:9464", validator=rules.listen_address)


@frozen(slots=True, kw_only=True)
class Market:
    """When a figure is too old to trade on, how deep a book is, how often books are compared."""

    stale_after_ms: int = field(default=5_000, validator=rules.between(2_000, 600_000))
    depth: int = field(default=1_000, validator=rules.one_of(5, 10, 20, 50, 100, 500, 1_000))
    reconcile_every_s: float = field(default=30.0, validator=rules.between(1, 86_400))
    income_every_s: float = field(default=300.0, validator=rules.between(10, 86_400))


@frozen(slots=True, kw_only=True)
class Config:
    """All of config.toml. Errors: `ConfigError` carrying every contradiction between keys."""

    mode: str = field(default="paper", validator=rules.one_of("paper", "testnet", "live"))
    host_name: str = field(default="host1", validator=rules.host_name)
    paths: Paths = Paths()
    paper: Paper = Paper()
    venues: Venues = Venues()
    bots: tuple[Bot, ...] = ()
    risk: Risk = Risk()
    execution: Execution = Execution()
    supervision: Supervision = Supervision()
    journal: JournalSettings = JournalSettings()
    logs: Logs = Logs()
    alerts: Alerts = field(factory=Alerts)
    console: Console = Console()
    metrics: Metrics = Metrics()
    market: Market = Market()

    def __attrs_post_init__(self) -> None:
        problems = conflicts(self)
        if problems:
            raise rules.together(problems)

    def limits(self) -> Limits:
        """Return what the rules of `core.risk` read, from every table that says something of it."""
        risk, guards, canary = self.risk, self.risk.guards, self.risk.canary
        keys = [Key(bot.venue, symbol) for bot in self.bots for symbol in bot.symbols]
        return Limits(
            max_order_notional=risk.max_order_notional,
            max_symbol_notional=risk.max_symbol_notional,
            max_side_notional=risk.max_side_notional,
            max_net_notional=risk.max_net_notional,
            max_gross_notional=risk.max_gross_notional,
            max_open_orders_per_side=risk.max_open_orders_per_side,
            max_orders_per_minute=risk.max_orders_per_minute,
            max_cancels_per_minute=risk.max_cancels_per_minute,
            max_leverage=risk.max_leverage,
            max_account_leverage=risk.max_account_leverage,
            min_free_margin_percent=risk.min_free_margin_percent,
            min_liquidation_distance_bps=risk.min_liquidation_distance_bps,
            price_collar_bps=risk.price_collar_bps,
            book_collar_bps=risk.book_collar_bps,
            max_var_percent=risk.portfolio.max_var_percent,
            max_daily_volatility_percent=risk.portfolio.max_daily_volatility_percent,
            max_funding_bps=guards.max_funding_bps,
            funding_window_ns=int(guards.funding_window_s * _NS_S),
            stale_after_ns=self.market.stale_after_ms * _NS_MS,
            account_stale_after_ns=guards.account_stale_after_ms * _NS_MS,
            unprotected_ns=int(self.execution.protect_within_s * _NS_S / 2),
            portfolio=risk.portfolio,
            canary_order_notional=canary.max_order_notional if canary.enabled else D(0),
            canary_max_loss=canary.max_loss,
            symbols={
                Key(caps.venue, caps.symbol): Caps(
                    where=f"risk.symbols[{place}]",
                    max_order_quantity=caps.max_order_quantity,
                    max_notional=caps.max_notional,
                    max_leverage=caps.max_leverage,
                )
                for place, caps in enumerate(risk.symbols)
            },
            groups=tuple(
                Group(
                    where=f"risk.groups[{place}]",
                    name=group.name,
                    keys=tuple(key for key in keys if key.symbol in group.symbols),
                    max_notional=group.max_notional,
                )
                for place, group in enumerate(risk.groups)
            ),
            stops_bps={
                Key(bot.venue, symbol): bot.stop_loss_bps
                for bot in self.bots
                for symbol in bot.symbols
            },
            cross_venues=frozenset({"binance"} if self.venues.binance.margin == "cross" else ()),
        )
