"""No dead configuration: change each key, and a part of the host is built otherwise. AUDIT B02.

The host is put together by the real `run.run_host` and the real tree; only what would reach for
threads, the network or the disk is replaced by a recorder that writes down what it was given.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

import run
from actors.runtime import Actor, ChildSpec, Outcome, SupervisorSpec
from core.config import (
    Alerts,
    Canary,
    Config,
    EmailAlerts,
    HedgeGridBot,
    Risk,
    SymbolCaps,
    SymbolGroup,
    TelegramAlerts,
    WebhookAlerts,
)
from core.errors import ConfigError
from core.secrets import Secret

Change = Callable[[Config], Config]

KEYS = {
    "K1": "first key",
    "S1": "first secret",
    "K2": "second key",
    "S2": "second secret",
    "U1": "https://example.org/first",
    "U2": "https://example.org/second",
    "T1": "123456:AAH9x7Lw2kQ9Zb3kQ9x7Lw2kQ9Zb3kQ9x7L",
    "T2": "123456:BBH9x7Lw2kQ9Zb3kQ9x7Lw2kQ9Zb3kQ9x7L",
}
BY_HAND = {"exchange": "http://127.0.0.1:9001", "key_env": "K1", "secret_env": "S1"}
AT_VENUE = {"key_env": "K1", "secret_env": "S1"}


def schema(kind: Any = Config, path: str = "") -> dict[str, attrs.Attribute[Any]]:
    """Map the path of every key of the schema to its attribute."""
    found = {}
    for field in attrs.fields(attrs.resolve_types(kind)):
        inner = field.type
        if getattr(inner, "__args__", None) and attrs.has(inner.__args__[0]):
            inner = inner.__args__[0]
        if attrs.has(inner):
            found |= schema(inner, f"{path}{field.name}.")
        else:
            found[path + field.name] = field
    return found


def put(config: Config, path: str, value: object) -> Config:
    """Return the configuration with one key changed."""
    head, _, rest = path.partition(".")
    if not rest:
        return attrs.evolve(config, **{head: value})
    inner = getattr(config, head)
    if isinstance(inner, tuple):
        return attrs.evolve(config, **{head: (put(inner[0], rest, value), *inner[1:])})
    return attrs.evolve(config, **{head: put(inner, rest, value)})


def put_all(config: Config, values: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return the configuration with several keys of several tables changed at once."""
    changes: dict[str, Any] = {}
    for table, fields in values.items():
        if table == "venues.binance":
            binance = attrs.evolve(config.venues.binance, **fields)
            changes["venues"] = attrs.evolve(config.venues, binance=binance)
        elif table:
            changes[table] = attrs.evolve(getattr(config, table), **fields)
        else:
            changes |= fields
    return attrs.evolve(config, **changes)


OTHERS: dict[str, object] = {
    "host_name": "host2",
    "venues.binance.margin": "cross",
    "bots.name": "other",
    "journal.durability": "power",
    "logs.level": "debug",
    "market.depth": 500,
    "metrics.listen": "127.0.0.1:9465",
    "paths.logs": "elsewhere",
    "paths.state": "elsewhere",
    "risk.groups.name": "other",
    "risk.guards.flash_action": "close",
    "risk.guards.foreign_activity": "stop",
    "risk.losses.action": "flatten",
    "risk.portfolio.var_confidence_percent": Decimal(95),
    "risk.portfolio.var_method": "parametric",
    "risk.symbols.max_leverage": 2,
}
"""Another legal value for keys where adding one makes none."""

BOT = HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid")
TWO = {"bots": (attrs.evolve(BOT, symbols=("BTCUSDT", "ETHUSDT")),)}
SMALL = {"bots": (attrs.evolve(BOT, order_notional=Decimal(40)),)}
CAPS = SymbolCaps(
    symbol="BTCUSDT",
    max_order_quantity=Decimal(1),
    max_notional=Decimal(1_500),
    max_leverage=3,
)
GROUP = SymbolGroup(name="all", symbols=("BTCUSDT",), max_notional=Decimal(4_000))

TELEGRAM = {"token_env": "T1", "chat": "1"}
EMAIL = {
    "server": "localhost",
    "sender": "a@example.org",
    "recipients": ("b@example.org",),
    "user_env": "K1",
    "password_env": "S1",
}


def alerting(**fields: Any) -> Mapping[str, Any]:
    """Return the change that has people told over a webhook."""
    return {"": {"alerts": Alerts(**({"webhook": WebhookAlerts(url_env="U1")} | fields))}}


def by_telegram(**fields: Any) -> Mapping[str, Any]:
    return alerting(telegram=TelegramAlerts(**(TELEGRAM | fields)))


def by_email(**fields: Any) -> Mapping[str, Any]:
    return alerting(email=EmailAlerts(**(EMAIL | fields)))


PAIRS: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "bots.symbols": (
        {"risk": {"symbols": (), "groups": ()}},
        {
            "": {"bots": (attrs.evolve(BOT, symbols=("SOLUSDT",)),)},
            "risk": {"symbols": (), "groups": ()},
        },
    ),
    "risk.symbols.symbol": (
        {"": TWO},
        {"": TWO, "risk": {"symbols": (attrs.evolve(CAPS, symbol="ETHUSDT"),)}},
    ),
    "risk.groups.symbols": (
        {"": TWO},
        {"": TWO, "risk": {"groups": (attrs.evolve(GROUP, symbols=("ETHUSDT",)),)}},
    ),
    "risk.canary.enabled": ({"": SMALL}, {"": SMALL, "risk": {"canary": Canary(enabled=True)}}),
    "risk.canary.max_order_notional": (
        {"": SMALL, "risk": {"canary": Canary(enabled=True)}},
        {"": SMALL, "risk": {"canary": Canary(enabled=True, max_order_notional=Decimal(60))}},
    ),
    "mode": (
        {"": {"mode": "testnet"}, "venues.binance": AT_VENUE},
        {"": {"mode": "live"}, "venues.binance": AT_VENUE},
    ),
    "paper.market": (
        {"paper": {"files": ("a.csv",)}},
        {"paper": {"files": ("a.csv",), "market": "recorded"}},
    ),
    "paper.files": (
        {"paper": {"files": ("a.csv",), "market": "recorded"}},
        {"paper": {"files": ("b.csv",), "market": "recorded"}},
    ),
    "alerts.level": (alerting(), alerting(level="critical")),
    "alerts.repeat_after_s": (alerting(), alerting(repeat_after_s=5.0)),
    "alerts.max_per_minute": (alerting(), alerting(max_per_minute=1)),
    "alerts.give_up_after_s": (alerting(), alerting(give_up_after_s=5.0)),
    "alerts.timeout_ms": (alerting(), alerting(timeout_ms=100)),
    "alerts.webhook.url_env": (alerting(), alerting(webhook=WebhookAlerts(url_env="U2"))),
    "alerts.telegram.token_env": (by_telegram(), by_telegram(token_env="T2")),
    "alerts.telegram.chat": (by_telegram(), by_telegram(chat="2")),
    "alerts.email.server": (by_email(), by_email(server="127.0.0.1")),
    "alerts.email.port": (by_email(), by_email(port=25)),
    "alerts.email.security": (by_email(), by_email(security="none")),
    "alerts.email.sender": (by_email(), by_email(sender="c@example.org")),
    "alerts.email.recipients": (by_email(), by_email(recipients=("c@example.org",))),
    "alerts.email.user_env": (by_email(), by_email(user_env="K2")),
    "alerts.email.password_env": (by_email(), by_email(password_env="S2")),
    "paper.exchange": (
        {"paper": BY_HAND},
        {"paper": BY_HAND | {"exchange": "http://127.0.0.1:9002"}},
    ),
    "paper.key_env": ({"paper": BY_HAND}, {"paper": BY_HAND | {"key_env": "K2"}}),
    "paper.secret_env": ({"paper": BY_HAND}, {"paper": BY_HAND | {"secret_env": "S2"}}),
    "venues.binance.key_env": (
        {"": {"mode": "testnet"}, "venues.binance": AT_VENUE},
        {"": {"mode": "testnet"}, "venues.binance": AT_VENUE | {"key_env": "K2"}},
    ),
    "venues.binance.secret_env": (
        {"": {"mode": "testnet"}, "venues.binance": AT_VENUE},
        {"": {"mode": "testnet"}, "venues.binance": AT_VENUE | {"secret_env": "S2"}},
    ),
}
"""Two configurations that differ in one key, for keys that mean something only beside others."""

REFUSED: dict[str, object] = {
    "bots.strategy": "martingale",
    "bots.venue": "nowhere",
    "risk.max_leverage": 1,
    "risk.symbols.venue": "nowhere",
    "venues.binance.hedge_mode": False,
}
"""Keys that decide what may start at all, and a value under which this host may not."""


JUDGED: dict[str, str] = {
    "venues.binance.allow_unrestricted_key": (
        "tests/core/test_readiness.py::test_live_takes_a_key_of_any_address_only_where_it_is_allowed"
    ),
}
"""Keys that build nothing: they decide whether a start is allowed, as these tests show."""


class Recorder:
    """Stands for a class or a function of the outside world; notes every call."""

    def __init__(self, notes: list[str], name: str) -> None:
        self.notes = notes
        self.name = name

    def __call__(self, *arguments: Any, **named: Any) -> Recorder:
        words = [describe(one, self.notes) for one in arguments]
        words += [f"{key}={describe(value, self.notes)}" for key, value in sorted(named.items())]
        self.notes.append(f"{self.name}({', '.join(words)})")
        return Recorder(self.notes, self.name)

    def __getattr__(self, name: str) -> Any:
        return Recorder(self.notes, f"{self.name}.{name}")

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __iter__(self) -> Iterator[str]:
        return iter((f"{self.name} rest", f"{self.name} ws"))

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorder) and self.name == other.name


class Runtime(Recorder):
    """Takes the tree, writes it down with every actor in it, and ends at once."""

    def start(self, spec: SupervisorSpec) -> None:
        self.notes.append(describe_tree(spec, self.notes))

    def wait(self, timeout_s: float) -> Outcome:
        return Outcome(reason="done", exit="orderly")


def describe(value: Any, notes: list[str]) -> str:
    """Write a value down so that two that behave alike read alike."""
    match value:
        case Secret():
            return value.reveal()
        case Recorder():
            return value.name
        case str() | int() | float() | bool() | Decimal() | Path() | Enum() | None:
            return repr(value)
        case tuple() | list() | set() | frozenset():
            return f"[{', '.join(describe(one, notes) for one in value)}]"
        case dict():
            return (
                f"{{{', '.join(f'{key}: {describe(one, notes)}' for key, one in value.items())}}}"
            )
        case partial():
            return describe((value.args, value.keywords), notes)
    if attrs.has(type(value)):
        return describe(attrs.asdict(value, recurse=False), notes)
    if type(value).__module__.startswith("core.") and hasattr(value, "__dict__"):
        return f"{type(value).__name__} {describe(vars(value), notes)}"
    return type(value).__name__


def describe_tree(spec: ChildSpec | SupervisorSpec, notes: list[str]) -> str:
    """Write a tree down: every number of every supervisor and child, every actor's own values."""
    plain = {
        name: value
        for name, value in attrs.asdict(spec, recurse=False).items()
        if name not in ("children", "factory")
    }
    text = describe(plain, notes)
    if isinstance(spec, SupervisorSpec):
        return f"{text}: [{', '.join(describe_tree(child, notes) for child in spec.children)}]"
    actor = spec.factory()
    assert isinstance(actor, Actor)
    own = vars(actor)
    for opens in ("make_venue", "open_journal"):
        if opens in own:
            own[opens]()
    if "open_streams" in own:
        own["open_streams"](print)
    return f"{text} {type(actor).__name__} {describe(own, notes)}"


class Host:
    """Puts the host together from a configuration and returns what was built, as text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.notes: list[str] = []
        self.folder = folder
        for name in (
            "actors.letters.Office",
            "adapters.alerts.opening.Alarm",
            "adapters.alerts.opening.AlertQueue",
            "adapters.alerts.opening.Channel",
            "adapters.alerts.opening.Mail",
            "adapters.alerts.opening.Telegram",
            "adapters.alerts.opening.Webhook",
            "adapters.lock.InstanceLock",
            "adapters.lock.account_locks",
            "adapters.logs.configure",
            "adapters.metrics.serving.MetricsServer",
            "adapters.operations.OperationsServer",
            "adapters.operations.SqliteJournal",
            "adapters.paper.AttachedExchange",
            "adapters.storage.journal.JournalReader",
            "adapters.storage.journal.SqliteJournal",
            "adapters.venues.binance_usdm.history.OrderIds",
            "adapters.venues.binance_usdm.limits.Budget",
            "adapters.venues.binance_usdm.rest.BinanceVenue",
            "adapters.venues.binance_usdm.stream.BinanceStreams",
            "adapters.venues.binance_usdm.hosts.local",
            "actors.runtime.tune_process",
        ):
            monkeypatch.setattr(name, Recorder(self.notes, name.rsplit(".", 1)[1]))
        monkeypatch.setattr("actors.runtime.ThreadsRuntime", self._runtime)
        monkeypatch.setattr("adapters.paper.PaperExchange", self._exchange)
        monkeypatch.setattr(
            "adapters.venues.binance_usdm.emulator.discovery.credentials",
            lambda *_: ("own key", "own secret"),
        )
        monkeypatch.setattr("adapters.paper_setup.check_account", lambda *_: None)
        monkeypatch.setattr("adapters.storage.prepare.prepare", self._prepare)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        monkeypatch.setattr(run._Host, "_write_down", lambda *_: None)
        monkeypatch.setattr(run._Host, "_check_readiness", lambda *_: True)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)

    def _runtime(self, **options: Any) -> Runtime:
        self.notes.append(f"runtime seed {options['seed']}")
        return Runtime(self.notes, "runtime")

    def _prepare(self, path: Path, settings: object, host: str, *_: object) -> None:
        self.notes.append(f"prepare {path} {describe(settings, self.notes)} {host}")

    def _exchange(
        self, venue: str, state: Path, log: Path, command: Callable[[int], list[str]]
    ) -> Recorder:
        self.notes.append(f"exchange {venue} {state} {log} {command(1)}")
        return Recorder(self.notes, "exchange")

    def build(self, config: Config) -> str:
        self.notes.clear()
        assert run.run_host(config, for_s=None) == 0
        return "\n".join(self.notes)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    monkeypatch.chdir(tmp_path)  # folders of the configuration are made
    return Host(monkeypatch, tmp_path)


def base() -> Config:
    return Config(bots=(BOT,), risk=Risk(symbols=(CAPS,), groups=(GROUP,)))


def two(path: str) -> tuple[Config, Config]:
    """Return two legal configurations that differ in this key alone."""
    plain = base()
    if path in PAIRS:
        first, second = PAIRS[path]
        return put_all(plain, first), put_all(plain, second)
    value: Any = plain
    for name in path.split("."):
        value = value[0] if isinstance(value, tuple) else value
        value = getattr(value, name)
    if path in OTHERS:
        return plain, put(plain, path, OTHERS[path])
    if isinstance(value, bool):
        return plain, put(plain, path, not value)
    if isinstance(value, float) and value < 1:
        return plain, put(plain, path, value / 2)
    return plain, put(plain, path, value + 1)


@pytest.mark.parametrize("path", [path for path in schema() if path not in (*REFUSED, *JUDGED)])
def test_changing_a_key_changes_what_is_built(path: str, host: Host):
    first, second = two(path)

    built = host.build(first)

    assert built == host.build(first), "the same configuration must build the same host"
    assert built != host.build(second)


@pytest.mark.parametrize("path", REFUSED)
def test_changing_a_key_that_decides_what_may_start_stops_the_start(path: str):
    assert base()
    with pytest.raises(ConfigError):
        put(base(), path, REFUSED[path])


@pytest.mark.parametrize("path", JUDGED)
def test_a_key_that_builds_nothing_names_the_test_of_what_it_decides(path: str):
    file, _, test = JUDGED[path].partition("::")

    assert path in schema()
    assert f"def {test}(" in (Path(__file__).parents[1] / file).read_text()
