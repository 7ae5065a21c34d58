"""Status and ledger on the command line: true for a host that runs, is silent or is stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from adapters import operations
from adapters.operations import OperationsServer
from adapters.storage.journal import SqliteJournal
from core.books import Books
from core.config import BinanceVenue, Config, HedgeGridBot, Paper, Paths, Venues
from core.errors import BulkheadError, UsageError
from core.messages import (
    Fill,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Side,
)
from core.ports import Record
from core.records import (
    BooksOpened,
    HaltChanged,
    HostStarted,
    HostStopped,
    OrderIntended,
    ThrottleChanged,
    TradingPaused,
)
from core.risk.halt import Level

D = Decimal
BTC, ETH = Key("binance", "BTCUSDT"), Key("binance", "ETHUSDT")
LEDGER_KEYS = {"orders", "fills", "positions", "balances"}


def history() -> list[object]:
    def order(key: Key, number: int, status: OrderStatus, filled: str) -> OrderUpdated:
        return OrderUpdated(
            key,
            f"h1-grid-{key.symbol}-{number}0",
            str(70 + number),
            Side.BUY,
            PositionSide.LONG,
            OrderType.LIMIT,
            status,
            D("100"),
            D("2"),
            D(filled),
            10,
        )

    placed = PlaceOrder(
        BTC, "h1-grid-BTCUSDT-90", Side.BUY, PositionSide.LONG, OrderType.LIMIT, D(1), price=D(99)
    )
    fill = Fill(
        BTC,
        "1",
        "71",
        "h1-grid-BTCUSDT-10",
        Side.BUY,
        PositionSide.LONG,
        D("100"),
        D("2"),
        D("0.04"),
        "USDT",
        True,
        20_000_000_000,
    )
    return [
        HostStarted("paper", "h1", "0.1.0"),
        BooksOpened("binance", "USDT", D("10000"), (), 5),
        order(BTC, 1, OrderStatus.FILLED, "2"),
        fill,
        order(ETH, 2, OrderStatus.NEW, "0"),
        OrderIntended(placed),
        HaltChanged(Level.REDUCE_ONLY, "daily loss", "risk", 3, latched=True, since_ns=10**9),
        TradingPaused("ETHUSDT", paused=True),
        ThrottleChanged("", 50),
        ThrottleChanged("ETHUSDT", 100),
        HostStopped("signal"),
    ]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        paths=Paths(state=str(tmp_path / "state"), logs=str(tmp_path / "logs")),
        bots=(HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid"),),
    )


@pytest.fixture
def traded(config: Config) -> Config:
    journal = SqliteJournal(Path(config.paths.state) / "journal.db")
    journal.append([Record(payload, 21_000_000_000 + i) for i, payload in enumerate(history())])
    journal.close()
    return config


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_stopped_hosts_status_tells_what_was_last_known_and_no_more(
    traded: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operations.status(traded, json=True) == 0
    status = printed(capsys)
    assert {
        "mode",
        "state",
        "halt",
        "uptime_s",
        "venues",
        "actors",
        "positions",
        "open_orders",
        "fills",
        "equity",
        "unrealised_pnl",
        "realised_pnl",
        "limits",
    } <= set(status)
    assert (status["mode"], status["state"]) == ("paper", "stopped")
    assert (status["halt"], status["halt_reason"]) == ("reduce_only", "daily loss")
    assert status["equity"] is status["unrealised_pnl"] is status["uptime_s"] is None
    assert (status["open_orders"], status["fills"], status["unresolved_orders"]) == (1, 1, 1)
    assert status["realised_pnl"] == "-0.04"
    assert status["stop_reason"] == "signal"
    assert status["positions"] == [
        {
            "venue": "binance",
            "symbol": "BTCUSDT",
            "position_side": "long",
            "quantity": "2",
            "entry_price": "100",
            "mark_price": None,
            "liquidation_price": None,
            "unrealised_pnl": None,
        }
    ]
    assert status["as_of_ns"] == 21_000_000_010
    assert (status["halt_by"], status["halt_latched"], status["halt_since_ns"]) == (
        "risk", True, 10**9,
    )  # fmt: skip
    assert status["paused"] == {"ETHUSDT": "paused by the operator"}
    assert status["throttle"] == {"": 50}


def test_status_of_one_symbol_counts_that_symbol(
    traded: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    operations.status(traded, json=True, symbol="ETHUSDT")
    status = printed(capsys)
    assert (status["open_orders"], status["fills"], status["positions"]) == (1, 0, [])


def test_a_host_that_never_ran_has_a_status_without_figures(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operations.status(config, json=True) == 0
    status = printed(capsys)
    assert status["state"] == "stopped"
    for name in ("mode", "halt", "equity", "realised_pnl", "as_of_ns"):
        assert status[name] is None, name


def test_unknown_figures_are_shown_as_unknown(
    traded: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operations.status(traded, json=False) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["equity", "unknown"] in lines
    assert ["last", "stop", "signal"] in lines
    assert ["halt", "reduce_only", "(daily", "loss)"] in lines
    said = [" ".join(line) for line in lines]
    assert "halted since 1970-01-01 00:00:01 UTC, by risk" in said
    assert "to trade again mend the cause, then python run.py reset-halt" in said
    assert "paused ETHUSDT paused by the operator" in said
    assert "throttle host 50 %" in said
    assert ["as", "of", "1970-01-01", "00:00:21", "UTC,", "from", "the", "journal"] in lines


def test_a_halt_that_nobody_latched_is_not_said_to_need_an_operator(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = SqliteJournal(Path(config.paths.state) / "journal.db")
    journal.append([Record(HaltChanged(Level.REDUCE_ONLY, "signal", "shutdown", 1), 1)])
    journal.close()
    operations.status(config, json=False)
    shown = capsys.readouterr().out
    assert "reset-halt" not in shown
    assert "with the next start" in shown


def test_a_host_that_was_killed_is_said_to_have_been(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = SqliteJournal(Path(config.paths.state) / "journal.db")
    journal.append([Record(HostStopped("signal"), 1)])
    journal.append([Record(HostStarted("paper", "h1", "0.1.0"), 2)])
    journal.close()
    operations.status(config, json=False)
    assert "killed or crashed" in capsys.readouterr().out


def test_a_running_hosts_own_answer_is_shown(
    traded: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return {
            "state": "running",
            "as_of_ns": 10**9,
            "venues": {"binance": {"rest": "http://127.0.0.1:1", "connected": True}},
            "actors": [{"name": "risk", "state": "ready", "restarts": 0}],
            "limits": [{"name": "gross", "value": None, "limit": "6000", "headroom": None}],
        }

    server = OperationsServer(Path(traded.paths.state) / operations.SOCKET, answer)
    try:
        operations.status(traded, json=True, symbol="BTCUSDT")
        assert printed(capsys)["state"] == "running"
        operations.status(traded, json=False)
        shown = capsys.readouterr().out
    finally:
        server.close()
    assert asked[0] == {"command": "status", "symbol": "BTCUSDT"}
    assert "1970-01-01 00:00:01 UTC" in shown
    assert "from the journal" not in shown
    for text in ("http://127.0.0.1:1", "risk", "ready", "gross", "unknown", "yes"):
        assert text in shown


def test_a_running_hosts_refusal_is_an_error(traded: Config) -> None:
    server = OperationsServer(
        Path(traded.paths.state) / operations.SOCKET, lambda request: {"error": "it is stopping"}
    )
    try:
        with pytest.raises(BulkheadError, match="it is stopping"):
            operations.status(traded, json=True)
    finally:
        server.close()


def test_a_silent_host_is_not_called_stopped(
    traded: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_ASK_WITHIN_S", 0.1)
    release = threading.Event()

    def never(request: dict[str, Any]) -> dict[str, Any]:
        release.wait(10)
        return {}

    server = OperationsServer(Path(traded.paths.state) / operations.SOCKET, never)
    try:
        assert operations.status(traded, json=True) == 1
        status = printed(capsys)
    finally:
        release.set()
        server.close()
    assert (status["state"], status["fills"]) == ("silent", 1)


# Ledger


def test_the_ledger_is_the_books_of_the_journal(
    traded: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operations.ledger(traded, exchange=False, json=True) == 0
    ledger = printed(capsys)
    assert ledger == Books(history()).ledger()
    assert set(ledger) == LEDGER_KEYS
    assert ledger["balances"] == {"binance": {"USDT": {"wallet": "9999.96"}}}


def test_the_ledger_is_read_while_the_host_writes(
    traded: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = SqliteJournal(Path(traded.paths.state) / "journal.db")
    gone = OrderUpdated(
        ETH,
        "h1-grid-ETHUSDT-20",
        "72",
        Side.BUY,
        PositionSide.LONG,
        OrderType.LIMIT,
        OrderStatus.CANCELLED,
        D("100"),
        D("2"),
        D(0),
        30,
    )
    journal.append([Record(gone, 1)])
    operations.ledger(traded, exchange=False, json=True)
    journal.close()
    assert [row["status"] for row in printed(capsys)["orders"]] == ["filled", "cancelled"]


def test_the_ledger_is_shown_as_tables(traded: Config, capsys: pytest.CaptureFixture[str]) -> None:
    operations.ledger(traded, exchange=False, json=False)
    shown = capsys.readouterr().out
    for title in ("Orders", "Fills", "Positions", "Balances"):
        assert title in shown
    assert "9999.96" in shown
    assert "h1-grid-BTCUSDT-10" in shown
    assert "1970-01-01 00:00:20" in shown


def test_a_venues_text_cannot_draw_on_the_terminal(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = SqliteJournal(Path(config.paths.state) / "journal.db")
    nasty = HaltChanged(Level.HALTED, "[red]\x1b[2Jgone[/]", "risk", 1)
    journal.append([Record(nasty, 1)])
    journal.close()
    operations.status(config, json=False)
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[red]" in shown


def test_no_journal_is_said_instead_of_an_empty_ledger(config: Config) -> None:
    with pytest.raises(UsageError, match=r"no journal yet.*run the host first"):
        operations.ledger(config, exchange=False, json=True)


def test_the_exchanges_ledger_needs_paper_mode(config: Config) -> None:
    venues = Venues(binance=BinanceVenue(key_env="KEY", secret_env="SECRET"))
    live = evolve(config, mode="testnet", venues=venues)
    with pytest.raises(UsageError, match='no local exchange in mode "testnet"'):
        operations.ledger(live, exchange=True, json=True)


def test_an_exchange_that_never_kept_an_account_is_said(config: Config) -> None:
    with pytest.raises(UsageError, match="no local exchange has kept an account"):
        operations.ledger(config, exchange=True, json=True)


class _Exchange(BaseHTTPRequestHandler):
    answer = json.dumps({"orders": [], "fills": [], "positions": [], "balances": {}})

    def do_GET(self) -> None:
        body = self.answer.encode() if self.path == "/_exchange/ledger" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep stderr for the tests."""


@pytest.fixture
def served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exchange)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_exchange_started_by_hand_is_asked_for_its_ledger(
    config: Config, served: str, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = evolve(config, paper=Paper(exchange=served))
    assert operations.ledger(by_hand, exchange=True, json=True) == 0
    assert set(printed(capsys)) == LEDGER_KEYS


def test_an_exchange_that_is_not_there_is_said(
    config: Config, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Exchange, "answer", '{"hello": "world"}')
    other = evolve(config, paper=Paper(exchange=served))
    with pytest.raises(UsageError, match="this is no local exchange"):
        operations.ledger(other, exchange=True, json=True)
    nowhere = evolve(config, paper=Paper(exchange="http://127.0.0.1:9"))
    with pytest.raises(UsageError, match="gave no ledger: ConnectionError"):
        operations.ledger(nowhere, exchange=True, json=True)


def test_a_symbol_that_nobody_trades_is_named_beside_those_that_are(traded: Config) -> None:
    with pytest.raises(UsageError, match=r"no bot trades FOO.*BTCUSDT"):
        operations.status(traded, json=True, symbol="FOO")
