"""Streams that are open and wrong: the real client and the local exchange, in their processes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from attrs import frozen

from tests.e2e.site import Row, Site, check_in_order, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@frozen
class Case:
    """What is set at the exchange, and what the host's log has to say of it.

    What lasts is lifted once it was noticed: a connection that is younger than three seconds is
    not made anew for it, and the next doubt comes later. What `compares` makes the host read its
    orders from the venue: a host that is stopped before that knows them at its next start.
    """

    faults: tuple[dict[str, Any], ...]
    noticed: tuple[str, ...]
    lasts: bool = False
    compares: bool = False


CASES = {
    "the account stream stays open and silent": Case(
        ({"kind": "stall", "stream": "ORDER_TRADE_UPDATE"},),
        ("stream:binance:account: doubted: ",),
        compares=True,
    ),
    "the listen key ends and nobody says so": Case(
        ({"kind": "listen_key_expired", "silent": True},),
        ("stream:binance:account: doubted: ",),
        compares=True,
    ),
    "the account stream is cut and subscriptions are refused": Case(
        (
            {"kind": "subscription_refused", "stream": "private", "count": 2},
            {"kind": "disconnect", "stream": "ORDER_TRADE_UPDATE"},
        ),
        ("closed by the server", "the venue refused the subscription"),
        compares=True,
    ),
    "the book stops, quotes go on": Case(
        ({"kind": "drop", "stream": "*@depth*", "count": 60},),
        ("doubted: book of BTCUSDT stopped",),
    ),
    "quotes stop, the book goes on": Case(
        ({"kind": "drop", "stream": "*@bookTicker", "count": 1_000_000},),
        ("doubted: quotes of BTCUSDT stopped",),
        lasts=True,
    ),
    "depth has a gap, snapshots are old and frames come twice": Case(
        (
            {"kind": "stale_snapshot", "count": 2},
            {"kind": "sequence_gap", "stream": "*@depth*"},
            {"kind": "duplicate", "count": 50},
        ),
        ("new snapshot",),
    ),
}


def goes_on(now: Row, compared_since: float) -> bool:
    """Tell whether it trades, and has compared with the venue since a monotonic time."""
    oldest_s = now["reconciliation"]["oldest_s"]
    compared = oldest_s is not None and oldest_s < time.monotonic() - compared_since
    return now["state"] == "running" and bool(compared)


@pytest.mark.parametrize("what", CASES)
def test_the_host_notices_and_loses_nothing_when(site: Site, what: str) -> None:
    site.configure({"venues": {"binance": {"read_timeout_ms": 1000}}})
    host = site.start()
    before = site.wait_fills()
    site.control("faults", list(CASES[what].faults))
    for words in CASES[what].noticed:
        wait_for(words, lambda words=words: words in site.log(), 30)  # type: ignore[misc]
    if CASES[what].lasts:
        site.control("faults", method="DELETE")
    since = time.monotonic()
    after = site.wait_status(
        "it runs again", lambda now: goes_on(now, since if CASES[what].compares else 0.0), 40
    )
    site.wait_fills(max(before["fills"], after["fills"]), 30)
    site.control("faults", method="DELETE")
    check_in_order(site, host.stop(), host)
