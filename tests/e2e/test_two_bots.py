"""Two bots in one host: each its own symbol and settings, one account, one rate budget."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

import run
from adapters.configuration import load
from adapters.venues.binance_usdm.limits import Cost
from adapters.venues.binance_usdm.rest import BinanceVenue
from core.ids import parse
from tests.e2e.site import ROOT, Site, check_in_order

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

BOTS: list[Mapping[str, object]] = [
    {"name": "tight", "symbols": ["BTCUSDT"]},
    {"name": "wide", "symbols": ["ETHUSDT"], "levels": 2, "spacing_bps": 3},
]


def test_both_trade_and_a_killed_host_is_followed_by_one_that_knows_whose_orders_are_whose(
    site: Site,
):
    site.configure({"bots": BOTS})
    first = site.start()

    def both_filled(_: object) -> bool:
        fills = site.control("ledger")["fills"]
        return {fill["symbol"] for fill in fills} == {"BTCUSDT", "ETHUSDT"}

    site.wait_status("both trade", both_filled, 40)
    first.kill()
    second = site.start()
    before = site.wait_status("it trades", lambda now: now["state"] == "running")
    site.wait_fills(before["fills"])

    truth = check_in_order(site, second.stop(), second)
    parsed = [(row["symbol"], parse(row["client_order_id"])) for row in truth["orders"]]
    whose = {(symbol, made.bot) for symbol, made in parsed if made}
    assert whose == {
        ("BTCUSDT", "tight"),
        ("BTCUSDT", "stop"),
        ("ETHUSDT", "wide"),
        ("ETHUSDT", "stop"),
    }


def test_all_lanes_of_a_venue_take_from_one_budget(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_KEY", "k" * 64)
    monkeypatch.setenv("A_SECRET", "s" * 64)
    plain = load(ROOT / "config.toml")
    binance = evolve(plain.venues.binance, key_env="A_KEY", secret_env="A_SECRET")
    venues = evolve(plain.venues, binance=binance)
    parts = run._binance(evolve(plain, mode="testnet", venues=venues), lambda _: None)

    one, other = parts.make_venue(), parts.make_venue()

    assert isinstance(one, BinanceVenue)
    one._budget.take(Cost(weight=7))
    [weight] = [used.used for used in other.usage() if used.name == "weight_1m"]
    assert weight == 7
