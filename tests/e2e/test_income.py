"""After real trading the local exchange's income, read by the venue's client, equals the books."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from adapters.operations import JOURNAL
from adapters.storage.journal import JournalReader
from adapters.venues.binance_usdm.hosts import local
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.rest import BinanceVenue
from core.income import Earned, Earning
from core.income_differences import EDGE_NS, differences
from core.messages import Fill, Key
from core.money import ZERO
from core.records import BooksOpened, SymbolOpened
from core.secrets import Secret
from core.wallets import Wallets
from tests.e2e.site import Site, free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

BTC = Key("binance", "BTCUSDT")


def income(address: tuple[str, str], until_ns: int) -> tuple[Earned, ...]:
    """Read all that the account earned, as the host does."""
    venue = BinanceVenue(
        local(*address),
        Secret("k" * 64),
        Secret("s" * 64),
        Budget(),
        connect_timeout_s=2.0,
        read_timeout_s=5.0,
    )
    try:
        return venue.earned(0, until_ns).rows
    finally:
        venue.close()


def test_what_the_local_exchange_lists_as_income_is_what_the_books_have_row_by_row(
    site: Site,
) -> None:
    port = free_port()
    site.environment |= {"PAPER_KEY": "k" * 64, "PAPER_SECRET": "s" * 64}
    site.configure(
        {"paper": {"exchange": f"http://127.0.0.1:{port}", "key_env": "PAPER_KEY",
                   "secret_env": "PAPER_SECRET"}}
    )  # fmt: skip
    exchange = site.run(
        "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
        "--key", "k" * 64, "--secret", "s" * 64, "--speed", "10",
        "--state", str(site.state_folder / "exchange"),
    )  # fmt: skip
    hello = json.loads(wait_for("it listens", lambda: exchange.lines)[0])
    host = site.start()
    site.wait_fills(more_than=12)
    assert host.stop() == 0, host.shown

    wallets, last_ns, opened_ns = Wallets(), 0, 0
    for record in JournalReader(site.state_folder / JOURNAL).read():
        match record.payload:
            case BooksOpened():
                wallets.open(record.payload)
                opened_ns = opened_ns or record.payload.as_of_ns
            case SymbolOpened():
                wallets.know(record.payload)
            case Fill():
                wallets.take(record.payload)
                last_ns = max(last_ns, record.payload.time_ns)
    # Its market goes on: what filled after the host left is not in the host's books.
    stated = income((hello["rest"], hello["ws"]), last_ns + EDGE_NS)
    stated = tuple(row for row in stated if row.time_ns <= last_ns)
    assert exchange.stop() == 0

    ours = tuple(wallets.earned("binance", 0, last_ns))
    assert differences(stated, ours, {BTC}, opened_ns, last_ns) == ()
    listed = {(row.kind, row.row_id): (row.amount, row.asset, row.time_ns) for row in stated}
    assert listed == {
        (row.kind, row.row_id): (row.amount, row.asset, row.time_ns) for row in ours if row.amount
    }
    assert {kind for kind, _ in listed} == {Earning.REALISED_PNL, Earning.COMMISSION}
    assert sum((row.amount for row in stated), ZERO) != ZERO
    wrong = (evolve(stated[0], amount=stated[0].amount + 1), *stated[1:])
    (found,) = differences(wrong, ours, {BTC}, opened_ns, last_ns)
    assert (found.row_id, found.apart) == (stated[0].row_id, 1)
