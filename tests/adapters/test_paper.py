"""The local exchange as a process of the host: found, started, watched, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from adapters import paper
from adapters.paper import AttachedExchange, PaperExchange
from adapters.paper_setup import check_account
from adapters.readiness_venue import VenueAccess
from adapters.storage.journal import SqliteJournal
from adapters.venues.binance_usdm.emulator.discovery import answers
from core.config import Config, HedgeGridBot, Paths
from core.errors import Unreachable, UsageError
from core.ports import Record
from core.records import BooksOpened
from core.secrets import Secret

ROOT = Path(__file__).parents[2]
BOT = HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid")
pytestmark = pytest.mark.timeout(60)


def command(state: Path, port: int, *, by: str = "--by-host") -> list[str]:
    return [
        sys.executable, str(ROOT / "run.py"), "exchange", "--venue", "binance",
        "--port", str(port), "--symbols", "BTCUSDT", "--state", str(state), *by.split(),
    ]  # fmt: skip


class Made:
    """Makes exchanges over one state folder and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "exchange"
        self.log = folder / "exchange.log"
        self.ports: list[int] = []
        self.all: list[PaperExchange] = []

    def one(self) -> PaperExchange:
        def remember(port: int) -> list[str]:
            self.ports.append(port)
            return command(self.state, port)

        made = PaperExchange("binance", self.state, self.log, remember)
        self.all.append(made)
        return made


@pytest.fixture
def exchanges(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    for one in made.all:
        one.stop(0.0)


def test_it_is_started_found_by_the_next_one_and_ends_for_both(exchanges: Made):
    first, second = exchanges.one(), exchanges.one()
    assert first.endpoints() == ("", "")
    assert not first.alive()

    started, found = first.ensure(), second.ensure()

    assert started == found
    assert exchanges.ports == [0], "the second one attached"
    assert second.alive()
    assert first.endpoints() == (started.rest, started.ws)
    assert exchanges.log.stat().st_mode & 0o777 == 0o600
    first.stop()
    assert not first.alive()
    assert not second.alive()
    second.stop()


def test_one_that_died_is_started_again_at_its_address(exchanges: Made):
    one = exchanges.one()
    before = one.ensure()
    os.kill(before.pid, signal.SIGKILL)
    while one.alive():  # bounded by the test's time-out
        pass

    after = one.ensure()

    assert (after.rest, after.ws) == (before.rest, before.ws)
    assert after.pid != before.pid


def test_where_its_old_port_was_taken_meanwhile_it_takes_another(exchanges: Made, tmp_path: Path):
    one = exchanges.one()
    before = one.ensure()
    port = int(before.rest.rsplit(":", 1)[1])
    one.stop()
    squatter = subprocess.Popen(
        command(tmp_path / "another", port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert squatter.stdout is not None
        assert squatter.stdout.readline()
        after = one.ensure()
    finally:
        squatter.kill()
        squatter.communicate()

    assert exchanges.ports == [0, port, 0]
    assert after.rest != before.rest


def test_one_that_cannot_start_is_told_with_its_own_words(tmp_path: Path):
    def command_with_a_fault(port: int) -> list[str]:
        return [*command(tmp_path, port), "--market", "gone.gz"]

    one = PaperExchange("binance", tmp_path, tmp_path / "log", command_with_a_fault)
    with pytest.raises(UsageError, match="no such market data") as told:
        one.ensure()
    assert not isinstance(told.value, Unreachable), "waiting for it would be of no use"
    assert not one.alive()


def test_one_that_is_silent_for_long_is_killed_and_replaced(
    exchanges: Made, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(paper, "_SILENT_FOR_S", 0.0)
    one = exchanges.one()
    pid = one.ensure().pid
    os.kill(pid, signal.SIGSTOP)

    assert not one.alive()

    assert one.ensure().pid != pid


def test_a_stop_does_not_wait_for_one_that_hangs(exchanges: Made):
    one = exchanges.one()
    pid = one.ensure().pid
    os.kill(pid, signal.SIGSTOP)
    one.stop(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_its_market_stands_still_when_closed_and_moves_for_the_next_host(exchanges: Made):
    one = exchanges.one()
    rest = one.ensure().rest

    def trades() -> int:
        market = answers(rest)["market"]["BTCUSDT"]
        found: int = market["trades"]
        return found

    before = trades()
    while trades() == before:  # bounded by the test's time-out
        pass
    assert one.close_market()
    stood = trades()
    for _ in range(50):
        assert trades() == stood
    exchanges.one().ensure()
    while trades() == stood:
        pass


def test_a_market_that_does_not_answer_in_time_is_told_of(
    exchanges: Made, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.paper._CLOSE_WITHIN_S", 0.1)
    one = exchanges.one()
    pid = one.ensure().pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert not one.close_market()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_persons_exchange_is_waited_for_and_never_stopped(exchanges: Made):
    endpoints = exchanges.one().ensure()
    key = Secret(str(answers(endpoints.rest)["key"]))
    attached = AttachedExchange("binance", endpoints.rest + "/", key)
    assert attached.ensure() == endpoints
    attached.close_market()
    attached.stop()
    assert attached.alive()
    exchanges.all[0].stop()
    assert not attached.alive()
    with pytest.raises(Unreachable, match=endpoints.rest):
        attached.ensure()


def test_a_persons_exchange_of_another_key_is_told_with_the_settings_that_it_needs(
    exchanges: Made,
):
    rest = exchanges.one().ensure().rest
    with pytest.raises(Unreachable, match=r"another key.*credentials.json.*paper.key_env"):
        AttachedExchange("binance", rest, Secret("k" * 64)).ensure()


@pytest.mark.parametrize(
    "created_ns", [None, "soon", 10**40, 0, 1_600_000_000_000_000_000], ids=str
)
def test_an_account_of_no_known_age_is_not_refused(
    created_ns: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "adapters.venues.binance_usdm.emulator.discovery.answers",
        lambda _: {"created_ns": created_ns},
    )
    journal = SqliteJournal(tmp_path / "journal.db")
    opened = BooksOpened("binance", "USDT", Decimal(1), (), 1)
    journal.append([Record(opened, 1_700_000_000_000_000_000)])
    journal.close()
    config = Config(paths=Paths(state=str(tmp_path), logs=str(tmp_path)), bots=(BOT,))

    check_account(config, cast("VenueAccess", Venue()))


class Venue:
    """Says where an exchange is."""

    account = "ours"

    def endpoints(self) -> tuple[str, str]:
        return "http://127.0.0.1:1", "ws://127.0.0.1:1"


def test_one_that_a_person_started_on_the_hosts_account_is_used_and_left_running(exchanges: Made):
    by_hand = subprocess.Popen(
        command(exchanges.state, 0, by=""), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert by_hand.stdout is not None
        assert by_hand.stdout.readline()
        one = exchanges.one()
        assert one.ensure().pid == by_hand.pid
        assert exchanges.ports == []
        one.close_market()
        one.stop()
        assert one.alive()
        assert by_hand.poll() is None
    finally:
        by_hand.kill()
        by_hand.communicate()
