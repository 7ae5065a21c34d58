"""The readiness check against this machine and a local exchange of its own process."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal as D
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import define, evolve

from adapters import readiness, readiness_host
from adapters.lock import InstanceLock, account_lock, account_name
from adapters.metrics.server import listen
from adapters.operations_socket import OperationsServer
from adapters.readiness_venue import OpenStreams, VenueLook, set_up
from adapters.storage.journal import SqliteJournal
from adapters.venues.binance_usdm.hosts import local
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.rest import BinanceVenue
from adapters.venues.binance_usdm.stream import BinanceStreams
from core.addresses import Address
from core.books import Books
from core.config import (
    Alerts,
    Config,
    HedgeGridBot,
    Metrics,
    Paper,
    Paths,
    Venues,
    WebhookAlerts,
)
from core.config import BinanceVenue as Settings
from core.messages import (
    BalanceUpdated,
    Key,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Side,
)
from core.ports import Record, Venue
from core.readiness import Item, Report, State, warn
from core.records import BooksOpened, EquityMarked, HaltChanged, HostStarted, Transferred
from core.risk.halt import Level
from core.secrets import Secret
from core.transfers import Transfers
from tests.adapters.venues.binance_usdm.local_exchange import (
    BTC,
    Exchange,
    Host,
    approved,
    buying,
    tidy,
)

TIMES = {"connect_timeout_s": 1.0, "read_timeout_s": 2.0}


def config(folder: Path, mode: str = "paper", **settings: Any) -> Config:
    if mode != "paper":
        settings = {"key_env": "K", "secret_env": "S"} | settings
    return Config(
        mode=mode,
        host_name="host1",
        paths=Paths(state=str(folder / "state"), logs=str(folder / "logs")),
        metrics=Metrics(listen="127.0.0.1:0"),
        venues=Venues(binance=Settings(**settings)),
        bots=(HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid", leverage=2),),
    )


def named(items: Sequence[Item]) -> dict[str, Item]:
    found = {item.name: item for item in items}
    assert len(found) == len(items), "an item told twice"
    return found


# This machine


def write(folder: Path, *payloads: object) -> Path:
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    path = folder / "state" / "journal.db"
    journal = SqliteJournal(path)
    journal.append([Record(payload, 10**9 * (n + 1)) for n, payload in enumerate(payloads)])
    journal.close()
    return path


def look(folder: Path, mode: str = "paper", **options: Any) -> dict[str, Item]:
    return named(readiness_host.look_at_host(config(folder, mode), {"K": "k", "S": "s"}, **options))


def test_a_machine_that_never_ran_a_host_is_ready_and_nothing_is_made_on_it(tmp_path: Path):
    items = look(tmp_path)

    assert {item.state for item in items.values()} == {State.OK}
    assert list(tmp_path.iterdir()) == []


def test_every_library_of_the_package_is_compared_with_its_bounds(monkeypatch, tmp_path: Path):
    assert look(tmp_path)["libraries"].state is State.OK

    monkeypatch.setattr(readiness_host, "version", lambda name: "0.1")
    wrong = look(tmp_path)["libraries"]
    assert wrong.state is State.FAIL
    assert "pykka 0.1, needs " in wrong.figure


def test_a_library_that_is_not_there_is_named(monkeypatch, tmp_path: Path):
    def version(name: str) -> str:
        if name == "msgspec":
            raise PackageNotFoundError(name)
        return "99"

    monkeypatch.setattr(readiness_host, "version", version)
    assert "msgspec is missing" in look(tmp_path)["libraries"].figure


def test_an_exchange_started_by_hand_has_keys_of_its_own(tmp_path: Path):
    paper = Paper(exchange="http://127.0.0.1:9", key_env="PK", secret_env="PS")
    settings = evolve(config(tmp_path), paper=paper)

    for environment, wanted in (({"PK": "k", "PS": "s"}, State.OK), ({}, State.FAIL)):
        items = named(readiness_host.look_at_host(settings, environment))
        assert items["keys"].state is wanted


def test_keys_are_looked_for_in_the_environment_where_the_mode_needs_them(tmp_path: Path):
    assert look(tmp_path, "testnet")["keys"].state is State.OK
    missing = readiness_host.look_at_host(config(tmp_path, "testnet"), {"K": "k", "S": " "})
    item = named(missing)["keys"]
    assert item.state is State.FAIL
    assert "variable S" in item.figure
    assert "variable K" not in item.figure


def test_a_channel_of_alerts_is_looked_at_and_nothing_is_sent(tmp_path: Path):
    alerts = Alerts(webhook=WebhookAlerts(url_env="U"))
    settings = evolve(config(tmp_path), alerts=alerts)

    for environment, wanted in (
        ({"U": "https://example.invalid/Zb3kQ9x7"}, State.OK),
        ({"U": "http://example.invalid/Zb3kQ9x7"}, State.FAIL),
        ({}, State.FAIL),
    ):
        item = named(readiness_host.look_at_host(settings, environment))["alerts"]
        assert item.state is wanted
        assert "Zb3kQ9x7" not in str(item)


@pytest.mark.parametrize(
    ("bits", "wanted"), [(0o600, State.OK), (0o640, State.WARN), (0o620, State.FAIL)]
)
def test_files_that_others_may_open_are_named(tmp_path: Path, bits: int, wanted: State):
    path = write(tmp_path, HostStarted("paper", "host1", "1"))
    path.chmod(bits)

    item = look(tmp_path)["state_folder"]

    assert item.state is wanted
    assert ("journal.db" in item.figure) is (wanted is not State.OK)


def test_a_state_folder_that_is_a_file_stops_the_start(tmp_path: Path):
    (tmp_path / "state").write_text("")
    assert look(tmp_path)["state_folder"].unsafe


def test_a_changed_record_stops_the_start_and_is_named(tmp_path: Path):
    path = write(tmp_path, *(HostStarted("paper", "host1", str(n)) for n in range(5)))
    assert look(tmp_path)["journal"].state is State.OK
    connection = sqlite3.connect(path)
    guards = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE journal SET time_ns = 7 WHERE sequence = 2")
    for _, sql in guards:
        connection.execute(sql)
    connection.commit()
    connection.close()

    item = look(tmp_path)["journal"]

    assert (item.state, item.unsafe) == (State.FAIL, True)
    assert "record 2" in item.figure
    # The start reads the newest part only: `check` reads all of it.
    assert look(tmp_path, newest_records=2)["journal"].state is State.OK
    assert look(tmp_path, newest_records=4)["journal"].state is State.FAIL


def test_a_latched_halt_is_told_with_the_time_it_began(tmp_path: Path):
    halted = HaltChanged(Level.HALTED, "drawdown", "equity", 1, latched=True)
    write(tmp_path, HostStarted("paper", "host1", "1"), halted, evolve(halted, epoch=2))

    item = look(tmp_path)["halt"]

    assert item.state is State.WARN
    assert "since 1970-01-01 00:00:02 UTC, by equity: drawdown" in item.figure


def test_a_halt_that_was_reset_is_over(tmp_path: Path):
    halted = HaltChanged(Level.HALTED, "drawdown", "equity", 1, latched=True)
    write(tmp_path, halted, HaltChanged(Level.RUNNING, "reset", "operator", 2))
    assert look(tmp_path)["halt"].state is State.OK


def test_a_host_that_answers_is_told_with_its_state_and_one_that_does_not_as_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with InstanceLock(tmp_path / "state", "host1"):
        monkeypatch.setattr(readiness_host, "_STATUS_WITHIN_S", 0.1)
        reply: Any = {"state": "running"}
        server = OperationsServer(tmp_path / "state" / "host.sock", lambda _: reply)
        try:
            told = readiness_host.look_at_instance(config(tmp_path)).figure
            answer = Event()
            monkeypatch.setattr(server, "_handler", lambda _: {"late": answer.wait(5)})
            silent = readiness_host.look_at_instance(config(tmp_path)).figure
        finally:
            answer.set()
            server.close()

    assert told.endswith(": running")
    assert "gave no usable answer" in silent


def test_a_host_that_holds_the_folder_is_told_with_its_process(tmp_path: Path):
    assert readiness_host.look_at_instance(config(tmp_path)).state is State.OK
    with InstanceLock(tmp_path / "state", "host1"):
        item = readiness_host.look_at_instance(config(tmp_path))
    assert item.state is State.FAIL
    assert f"process {os.getpid()}" in item.figure
    assert "does not answer yet" in item.figure


def test_a_port_that_another_program_has_is_to_be_mended_and_one_of_our_host_is_not(tmp_path: Path):
    with listen(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = evolve(config(tmp_path), metrics=Metrics(listen=f"127.0.0.1:{port}"))

        def item() -> Item:
            return named(readiness_host.look_at_host(settings, {}))["metrics"]

        alone = item()
        assert (alone.state, "metrics.listen" in alone.mend) == (State.WARN, True)
        assert alone.figure == f"127.0.0.1:{port}: address already in use"
        for told, wanted in (
            ({"metrics": f"http://127.0.0.1:{port}"}, State.OK),
            ({"metrics": None}, State.WARN),
        ):
            server = OperationsServer(tmp_path / "state" / "host.sock", lambda _, told=told: told)
            assert item().state is wanted
            server.close()
    assert item().figure == f"http://127.0.0.1:{port} is free"
    listen(Address("127.0.0.1", port)).close()  # a look leaves no port open


# A venue


@define
class Access:
    """What `run.py` hands over for a venue, here for one local exchange."""

    endpoints: Callable[[], tuple[str, str]]
    hedge_mode: bool = True
    name: str = "binance"
    margin_asset: str = "USDT"
    account: str = "main"

    def make_venue(self) -> Venue:
        hosts = local(*self.endpoints())
        return BinanceVenue(hosts, KEY, SECRET, Budget(), hedge_mode=self.hedge_mode, **TIMES)

    def market_streams(self, keys: Sequence[Key]) -> OpenStreams:
        return lambda sink: self._streams().market("market", keys, sink)

    def account_streams(self, keys: Sequence[Key]) -> OpenStreams:
        return lambda sink: [self._streams().account("account", keys, sink)]

    def _streams(self) -> BinanceStreams:
        return BinanceStreams(local(*self.endpoints()), KEY, SECRET, Budget(), **TIMES)


KEY, SECRET = Secret(Exchange.key), Secret(Exchange.secret)


class Exchanges:
    """Local exchanges, one after the other: a few looks use up the weight of a minute."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self.factory = factory
        self.running: list[Exchange] = []
        self.uses = 0

    def get(self) -> Exchange:
        if self.uses % 3 == 0:
            self.running.append(Exchange(self.factory.mktemp("exchange")))
        self.uses += 1
        return self.running[-1]


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchanges]:
    made = Exchanges(tmp_path_factory)
    yield made
    for running in made.running:
        running.stop()


@pytest.fixture
def exchange(exchanges: Exchanges) -> Exchange:
    return exchanges.get()


@pytest.fixture
def access(exchange: Exchange) -> Iterator[Access]:
    """A way to a tidy account whose settings are as configured."""
    tidy(exchange)
    made = Access(lambda: (exchange.rest, exchange.ws))
    set_up(CONFIG, made)
    yield made
    tidy(exchange)


CONFIG = config(Path("/nowhere"))


def ask(access: Access, settings: Config = CONFIG, **options: Any) -> dict[str, Item]:
    wanted: dict[str, Any] = {"transfers": Transfers(1), "marked": None, "streams_within_s": 5.0}
    return named(VenueLook(settings, access, **(wanted | options)).look())


def test_a_venue_that_is_as_configured_is_ready_in_every_item_and_left_as_it_was(
    access: Access, exchange: Exchange
):
    before = exchange.ledger()

    items = ask(access)

    assert {name: str(item) for name, item in items.items() if item.state is not State.OK} == {}
    assert exchange.ledger() == before
    assert {"clock", "fees", "test_order", "market_stream", "account_stream"} < set(items)


def test_settings_that_differ_are_set_by_the_start_and_read_back(access: Access):
    host = access.make_venue()
    host.set_leverage(BTC, 7)
    host.set_isolated(BTC, False)
    host.set_hedge_mode(False)
    host.close()
    names = ("position_mode", "margin_mode", "leverage", "test_order")

    before = ask(access)
    set_up(CONFIG, access)
    after = ask(access, was_set=True)

    assert all(before[name].by_start for name in names)
    assert {after[name].state for name in names} == {State.OK}


def test_live_sets_what_differs_only_when_nothing_else_is_in_the_way(
    access: Access, exchange: Exchange, tmp_path: Path
):
    host = access.make_venue()
    host.set_leverage(BTC, 7)
    live = config(tmp_path, "live")
    environment = {"K": "k", "S": "s"}
    exchange.fault(kind="key_rights", variant="no_addresses", count=0)

    refused = readiness.at_start(live, environment, [access], bool)

    assert {item.name for item in refused.stopping} == {"key_addresses"}
    assert host.symbol_settings(BTC).leverage == 7
    exchange.heal()
    allowed = readiness.at_start(live, environment, [access], bool)
    assert [str(item) for item in allowed.stopping] == []
    assert named(allowed.items)["leverage"].state is State.OK
    assert host.symbol_settings(BTC).leverage == 2
    host.close()


def test_live_stops_where_the_venue_refuses_a_setting(
    access: Access, exchange: Exchange, tmp_path: Path
):
    host = Host(exchange)
    host.venue.set_isolated(BTC, False)
    order = PlaceOrder(BTC, "held", Side.BUY, PositionSide.LONG, OrderType.MARKET, D("0.02"))
    host.venue.place(approved(order))
    host.close()

    report = readiness.at_start(config(tmp_path, "live"), {"K": "k", "S": "s"}, [access], bool)

    [item] = report.stopping
    assert item.name == "settings"
    assert "marginType" in item.figure


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        ({"kind": "429", "ms": 1_000}, "wait until"),
        ({"kind": "reject", "code": -1021}, "NTP"),
        ({"kind": "503_not_executed"}, "status page"),
        ({"kind": "reject", "code": -1121}, "what the venue names"),
    ],
)
def test_an_answer_that_is_none_says_what_to_do(
    access: Access, exchange: Exchange, fault: dict[str, Any], mend: str
):
    exchange.fault(endpoint="/fapi/v1/commissionRate", **fault)

    item = ask(access, streams_within_s=0.1)["fees"]

    assert item.state is State.FAIL
    assert mend in item.mend


@pytest.mark.parametrize(
    ("variant", "name"),
    [("withdraw", "key_withdrawal"), ("no_trading", "key_trading"),
     ("no_addresses", "key_addresses")],
)  # fmt: skip
def test_the_venue_is_asked_what_the_key_may_do(
    access: Access, exchange: Exchange, variant: str, name: str
):
    exchange.fault(kind="key_rights", variant=variant, count=0)

    items = ask(access)

    assert {name for name, item in items.items() if item.state is not State.OK} == {name}
    assert items[name].unsafe is (variant != "no_addresses")


def test_a_revoked_key_fails_what_needs_it_and_says_how_to_mend(access: Access, exchange: Exchange):
    exchange.fault(kind="key_revoked", count=0)

    items = ask(access, streams_within_s=2.0)

    assert items["rest"].state is State.OK
    assert items["market_stream"].state is State.OK
    for name in ("account", "margin_mode", "orphan_orders", "account_stream"):
        assert items[name].state is State.FAIL, name
    assert "rights" in items["account"].mend
    assert items["equity"].figure == "not asked: the account was not read"


def test_a_venue_that_is_not_there_is_one_failure_and_nothing_else_is_asked():
    items = ask(Access(lambda: ("http://127.0.0.1:9", "ws://127.0.0.1:9")))

    assert {item.state for item in items.values()} == {State.FAIL}
    assert "127.0.0.1:9" in items["rest"].figure
    assert not any(item.unsafe for item in items.values())
    assert len(items) > 15


def test_an_exchange_without_an_address_is_not_even_tried():
    items = ask(Access(lambda: ("", "")))
    assert "not there" in items["rest"].figure


def test_a_market_that_sends_nothing_is_noticed(access: Access, exchange: Exchange):
    exchange.fault(kind="stall", stream="*@*", count=0)

    items = ask(access, streams_within_s=1.0)

    assert items["market_stream"].state is State.FAIL
    assert "no data" in items["market_stream"].figure
    assert items["account_stream"].state is State.OK


def test_a_call_that_fails_is_one_item_and_the_rest_is_asked(access: Access, exchange: Exchange):
    exchange.fault(kind="reject", endpoint="/fapi/v1/commissionRate", code=-1121, count=0)
    exchange.fault(kind="503_not_executed", endpoint="/fapi/v1/order/test", count=0)

    items = ask(access)

    failed = {name for name, item in items.items() if item.state is not State.OK}
    assert failed == {"fees", "test_order"}


def test_a_question_that_fails_leaves_none_of_its_items_out(access: Access, exchange: Exchange):
    exchange.fault(kind="503_not_executed", endpoint="/fapi/v1/openOrders", count=0)
    exchange.fault(kind="503_not_executed", endpoint="/sapi/*", count=0)

    items = ask(access)

    failed = {name for name, item in items.items() if item.state is not State.OK}
    assert failed == {
        "key_trading", "key_withdrawal", "key_addresses", "orphan_orders", "foreign_orders",
        "foreign_positions", "unprotected_positions",
    }  # fmt: skip
    assert items["key_withdrawal"].figure == "not known: key_trading failed"


def test_a_clock_that_is_off_is_told(access: Access, exchange: Exchange):
    exchange.fault(kind="clock_skew", ms=1_500)
    item = ask(access)["clock"]
    assert item.state is State.WARN
    assert item.figure.startswith("+1")


def test_strangers_and_bare_positions_are_found(access: Access, exchange: Exchange):
    host = Host(exchange)
    bid = host.venue.book(BTC, 5).bids[0][0]
    price = (bid * D("0.98")).quantize(D("0.1"))
    resting = PlaceOrder(
        BTC, "web-1", Side.BUY, PositionSide.LONG, OrderType.LIMIT, D("0.01"), price=price
    )
    orphan = evolve(resting, client_order_id="host1-grid-BTCUSDT-10")
    for order in (resting, orphan, buying(evolve(resting, client_order_id="web-2"))):
        host.venue.place(approved(order))
    host.close()

    items = ask(access, books=Books())

    assert "web-1" in items["foreign_orders"].figure
    assert items["orphan_orders"].figure == "not in the journal: host1-grid-BTCUSDT-10"
    assert "long 0.02, stops for 0" in items["unprotected_positions"].figure
    assert items["positions"].figure == "BTCUSDT long 0.02, journal 0"
    elsewhere = evolve(CONFIG, bots=(evolve(CONFIG.bots[0], symbols=("ETHUSDT",)),))
    items = ask(access, elsewhere, streams_within_s=0.1)
    assert "BTCUSDT long 0.02" in items["foreign_positions"].figure
    assert "ETHUSDT is not listed" in items["instruments"].figure


def test_the_equity_stop_is_measured_from_what_the_journal_remembers(access: Access):
    marked = EquityMarked("binance", "USDT", 1, D(20_000), D(20_000), D(0))

    item = ask(access, marked=marked)["equity"]

    assert item.state is State.FAIL
    assert "would trip now: drawdown" in item.figure
    opened_ns = time.time_ns()
    known = Transfers(opened_ns)
    known.book(Transferred("binance", "USDT", D(-10_000), "t-1", opened_ns + 1))
    assert ask(access, marked=marked, transfers=known)["equity"].state is State.OK


@pytest.mark.parametrize("known", [False, True])
def test_what_was_taken_out_while_no_host_ran_is_no_loss(
    access: Access, monkeypatch: pytest.MonkeyPatch, known: bool
):
    taken = Transferred("binance", "USDT", D(-10_000), "t-1", 2)
    other = evolve(taken, asset="BNB", transfer_id="t-2")
    monkeypatch.setattr(BinanceVenue, "bookings", lambda venue, since_ns: (taken, other))
    transfers = Transfers(1)
    if known:
        transfers.book(taken)
    marked = EquityMarked("binance", "USDT", 1, D(20_000), D(20_000), D(0))

    item = ask(access, marked=marked, transfers=transfers)["equity"]

    assert item.state is State.OK
    limit = D(item.figure.rsplit(" of ", 1)[1])
    assert abs(limit - 1_000) < 5, "a tenth of what is left, so it counted once"


def test_an_interrupted_look_ends_with_what_it_has(access: Access):
    items = ask(access, interrupted=lambda: True)
    assert "account" not in items
    assert {"rest", "clock"} <= set(items)


def test_the_hosts_own_stream_outlives_a_check(access: Access, exchange: Exchange):
    host = Host(exchange)
    host.listen()
    ask(access)
    bid = host.venue.book(BTC, 5).bids[0][0]
    price = (bid * D("0.98")).quantize(D("0.1"))
    order = PlaceOrder(
        BTC, "after", Side.BUY, PositionSide.LONG, OrderType.LIMIT, D("0.01"), price=price
    )
    host.venue.place(approved(order))
    assert host.wait(OrderUpdated).client_order_id == "after"
    host.close()


# The report


def examine(
    settings: Config, accesses: Callable[[], Sequence[Access]], environment: Mapping[str, str] = {}
) -> readiness.Report:
    return readiness.examine(settings, environment, accesses)


def test_without_keys_no_venue_is_asked(tmp_path: Path):
    def never() -> Sequence[Access]:
        raise AssertionError("a venue was asked without a key")

    report = examine(config(tmp_path, "testnet"), never)

    items = named(report.items)
    assert not report.ready
    assert items["keys"].state is State.FAIL
    assert items["rest"].figure == "not asked: there is no key"


def test_a_host_that_runs_our_bot_on_this_account_is_named_wherever_its_state_is(
    access: Access, tmp_path: Path
):
    settings, environment = config(tmp_path), {"XDG_STATE_HOME": str(tmp_path / "user")}
    free = named(examine(settings, lambda: [access], environment).items)["account_lock"]
    account, bot = account_name(access.endpoints()[0], access.account), settings.bots[0].name
    with account_lock(access.name, account, bot, "elsewhere", environment):
        held = named(examine(settings, lambda: [access], environment).items)["account_lock"]
    assert (free.state, held.state) == (State.OK, State.FAIL)
    assert held.figure.startswith(f"host elsewhere (process {os.getpid()}) runs bot {bot} on this")


def test_the_journal_gives_references_transfers_and_books(access: Access, tmp_path: Path):
    wallet = access.make_venue().account().margin_balance
    opening = BooksOpened("binance", "USDT", wallet, (), 1)
    marked = EquityMarked("binance", "USDT", 1, wallet * 2, wallet * 2, D(0))
    stated = BalanceUpdated("binance", "USDT", wallet, "read", 1)
    write(tmp_path, HostStarted("paper", "host1", "1"), opening, stated, marked)

    report = examine(config(tmp_path), lambda: [access])

    items = named(report.items)
    assert "drawdown" in items["equity"].figure
    assert items["equity"].state is State.FAIL
    assert items["positions"].state is State.OK
    assert not report.ready


def test_money_taken_out_is_no_loss(access: Access, tmp_path: Path):
    wallet = access.make_venue().account().margin_balance
    opened_ns = time.time_ns()
    opening = BooksOpened("binance", "USDT", wallet * 2, (), opened_ns)
    marked = EquityMarked("binance", "USDT", 1, wallet * 2, wallet * 2, D(0))
    taken = Transferred("binance", "USDT", -wallet, "t-1", opened_ns + 1)
    write(tmp_path, HostStarted("paper", "host1", "1"), opening, marked, taken)

    items = named(examine(config(tmp_path), lambda: [access]).items)

    assert items["equity"].state is State.OK


def test_a_journal_that_is_none_is_told_once_and_the_venue_is_asked_all_the_same(
    access: Access, tmp_path: Path
):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "journal.db").write_bytes(b"no database" * 1_000)
    (tmp_path / "state" / "journal.db").chmod(0o600)

    items = named(examine(config(tmp_path), lambda: [access]).items)

    assert {name for name, item in items.items() if item.state is not State.OK} == {"journal"}
    assert "no database" in items["journal"].figure


def test_a_start_stops_at_a_broken_machine_before_any_venue_is_asked(tmp_path: Path):
    (tmp_path / "state").write_text("")
    report = readiness.at_start(config(tmp_path), {}, [Access(lambda: ("", ""))], bool)
    assert "rest" not in named(report.items)
    assert {item.name for item in report.stopping} == {"state_folder"}


def test_a_start_outside_live_does_not_wait_for_a_venue_that_hardly_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readiness, "_VENUES_AT_START_S", 0.2)
    answer = Event()

    class Slow(Access):
        def make_venue(self) -> Venue:
            answer.wait(20)
            return super().make_venue()

    slow = Slow(lambda: ("http://127.0.0.1:9", "ws://127.0.0.1:9"))
    report = readiness.at_start(config(tmp_path), {}, [slow], bool)
    answer.set()

    assert report.stopping == ()
    assert "not heard within 0.2 s" in named(report.items)["rest"].figure


def test_a_defect_of_the_check_is_told_where_the_host_starts(tmp_path: Path):
    class Broken(Access):
        def make_venue(self) -> Venue:
            raise ZeroDivisionError("in the depths")

    with pytest.raises(ZeroDivisionError, match="in the depths"):
        readiness.at_start(
            config(tmp_path), {}, [Broken(lambda: ("http://127.0.0.1:9", "ws"))], bool
        )


def test_items_with_the_same_words_share_a_line_of_the_log_and_good_ones_have_none(
    tmp_path: Path,
):
    report = readiness.at_start(config(tmp_path), {}, [Access(lambda: ("", ""))], bool)

    (info, counted), *warnings = readiness.summary(report)

    assert info == "info"
    good, bad = counted.split("; not yet: ")
    assert good == f"9 of {len(report.items)} items are ok"
    assert bad.split(", ") == [i.name for i in report.items if i.state is not State.OK]
    assert warnings[0][1].startswith("rest: ")
    assert len(warnings) == 2
    assert warnings[1][1].startswith("clock, key_trading, ")


def test_a_bare_position_is_in_the_log_of_a_start_that_is_refused():
    bare = warn("unprotected_positions", "BTCUSDT long 1", "start the host", by_start=True)
    line = ("warning", "unprotected_positions: BTCUSDT long 1 (start the host)")
    busy = warn("rate_limits", "60 %", "stop what else uses the address")

    assert line in readiness.summary(Report("live", (bare, busy)))
    assert line not in readiness.summary(Report("live", (bare,)))


def test_a_refusal_names_every_item_that_stops_the_start(tmp_path: Path):
    (tmp_path / "state").write_text("")
    report = readiness.at_start(config(tmp_path, "testnet"), {}, [], bool)

    error = readiness.refusal(report)

    lines = [str(one) for one in (error, *error.others)]
    assert lines[0].endswith("set it before the start, in the shell or the service's own file")
    assert "(readiness: keys)" in lines[0]
    assert "(readiness: state_folder)" in lines[1]


def test_the_report_for_people_is_one_line_an_item(tmp_path: Path, capsys):
    readiness.show(examine(config(tmp_path, "testnet"), list), json=False)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["ok", "instance"], ["ok", "config"]]
    assert lines[-1].strip() == "not ready"
    assert any("→" in line for line in lines)
