"""Emergency flatten on a trading host: done when the exchange is flat, and says what is left."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapters.drills.judging import bare
from tests.e2e.site import Row, Site, check_entries_gone, check_in_order, live, wait_for
from tests.e2e.test_operator import check_opens_nothing, check_trades, command, done, truth

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def held(site: Site) -> list[Row]:
    return [row for row in truth(site)["positions"] if Decimal(row["quantity"])]


def test_a_flatten_ends_when_the_exchange_is_flat_and_halts_the_host(site: Site):
    site.configure({"bots": {"take_profit_bps": 500}})
    host = site.start()
    site.wait_status("a position", lambda now: now["positions"])

    answer = done(site, "flatten")
    ledger = truth(site)
    assert not held(site)
    assert live(ledger) == [], "nothing is open, no entry, exit or stop"
    assert "flat" in answer["done"]
    site.wait_status("halted", lambda now: now["halt"] == "halted" and not now["positions"])
    host.kill()
    second = site.start()
    site.wait_status("still halted", lambda now: now["halt"] == "halted")
    check_opens_nothing(site)

    done(site, "reset-halt")
    check_trades(site)
    check_in_order(site, second.stop(), second)


def test_a_flatten_that_cannot_close_says_what_is_left_and_the_stops_stay(site: Site):
    site.configure({"execution": {"flatten_within_s": 3.0}, "bots": {"take_profit_bps": 500}})
    host = site.start()
    site.wait_status("a position", lambda now: now["positions"])
    closes = {"kind": "503_not_executed", "endpoint": "/fapi/v1/order", "method": "POST"}
    site.control("faults", [closes | {"count": 10_000}])

    process = site.run("flatten", "--config", str(site.config))
    assert site.status() is not None, "others are answered meanwhile"
    assert process.end(30) == 1

    [error] = [line for line in process.errors if line.startswith("error: ")]
    assert "not flat" in error
    assert "BTCUSDT" in error
    check_entries_gone(truth(site))
    # One that was being replaced when the flatten began stays beside the new one until it is flat.
    wait_for("stops cover each side", lambda: not bare(truth(site)))
    site.control("faults", method="DELETE")
    assert command(site, "flatten")[0] == 0
    assert not held(site)
    assert host.stop() == 0
