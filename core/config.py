"""The schema of config.toml: every key, its unit in its name, its default and what it may hold."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from attrs import field, frozen

from core import config_rules as rules
from core.config_conflicts import conflicts
from core.risk.rules import Limits

__all__ = [
    "BinanceVenue",
    "Bot",
    "Config",
    "Console",
    "Execution",
    "HedgeGridBot",
    "JournalSettings",
    "Logs",
    "Market",
    "Paper",
    "Paths",
    "Risk",
    "Supervision",
    "Venues",
]

D = Decimal


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
class Risk:
    """Caps in quote money, over every bot of the host; what may still fill counts as held."""

    max_order_notional: Decimal = field(default=D(500), validator=rules.between(1, 10**9))
    max_symbol_notional: Decimal = field(default=D(2_000), validator=rules.between(1, 10**9))
    max_side_notional: Decimal = field(default=D(4_000), validator=rules.between(1, 10**10))
    max_gross_notional: Decimal = field(default=D(6_000), validator=rules.between(1, 10**10))
    max_open_orders_per_side: int = field(default=10, validator=rules.between(1, 100))
    max_leverage: int = field(default=3, validator=rules.between(1, 125))
    price_collar_bps: Decimal = field(default=D(100), validator=rules.between(1, 1_000))

    def limits(self) -> Limits:
        """Return the caps that the pre-trade rules read."""
        return Limits(
            self.max_order_notional,
            self.max_symbol_notional,
            self.max_side_notional,
            self.max_gross_notional,
            self.max_open_orders_per_side,
            self.price_collar_bps,
        )


@frozen(slots=True, kw_only=True)
class Execution:
    """How long an order may stay unproven or a position unprotected before somebody acts."""

    max_order_age_ms: int = field(default=2_000, validator=rules.between(50, 60_000))
    unknown_first_query_ms: int = field(default=200, validator=rules.between(10, 60_000))
    unknown_max_query_ms: int = field(default=5_000, validator=rules.between(10, 600_000))
    unknown_alert_after_s: float = field(default=30.0, validator=rules.between(1, 3_600))
    protect_within_s: float = field(default=5.0, validator=rules.between("0.5", 600))
    entry_cancel_timeout_s: float = field(default=5.0, validator=rules.between("0.5", 60))


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
    switch_interval_us: int = field(default=100, validator=rules.between(10, 100_000))


@frozen(slots=True, kw_only=True)
class JournalSettings:
    """How durable a written record is."""

    durability: str = field(default="process", validator=rules.one_of("process", "power"))


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
class Market:
    """When a figure is too old to trade on, how deep a book is, how often books are compared."""

    stale_after_ms: int = field(default=5_000, validator=rules.between(100, 600_000))
    depth: int = field(default=1_000, validator=rules.one_of(5, 10, 20, 50, 100, 500, 1_000))
    reconcile_every_s: float = field(default=30.0, validator=rules.between(1, 86_400))


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
    console: Console = Console()
    market: Market = Market()

    def __attrs_post_init__(self) -> None:
        problems = conflicts(self)
        if problems:
            raise rules.together(problems)
