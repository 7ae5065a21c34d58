"""A host that dies again and again within a minute: its starts leave weight for its stops."""

from __future__ import annotations

import time
import urllib.request

import pytest
from attrs import define, field

from adapters.configuration import load
from adapters.drills.judging import bare, opened_ns
from tests.e2e.site import Site, check_in_order

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

STARTS = 6
LIFE_S = 6.0
USED = 1_900
LOOK_S = 0.1


@define
class BareSides:
    """Measures how long each side that is held lacked stops of its size, by the exchange."""

    site: Site
    since_s: dict[tuple[str, int], float] = field(factory=dict)
    longest_s: float = 0.0
    sides: set[tuple[str, int]] = field(factory=set)

    def watch(self, until_s: float) -> None:
        """Look until then; a side that was flat in between begins anew."""
        while time.monotonic() < until_s:
            if self.site.exchange():
                self.look()
            time.sleep(LOOK_S)

    def look(self) -> None:
        """Look once."""
        truth, now_s = self.site.control("ledger"), time.monotonic()
        opened = opened_ns(truth)
        self.sides |= {
            (side, opened[side])
            for side in (f"{row['symbol']} {row['position_side']}" for row in truth["positions"])
        }
        without = {(side, opened[side]) for side in bare(truth)}
        self.since_s = {side: self.since_s.get(side, now_s) for side in without}
        for since_s in self.since_s.values():
            self.longest_s = max(self.longest_s, now_s - since_s)


def use_up(site: Site) -> None:
    """Leave no more of the venue's weight of this minute than our budget keeps in reserve."""
    used = 0
    while used < USED:
        url = f"{site.exchange()['rest']}/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as answer:
            used = int(answer.headers["X-MBX-USED-WEIGHT-1M"])


def test_six_starts_within_a_minute_leave_no_side_bare_for_longer_than_one(site: Site) -> None:
    # Calm enough to trade all the time: orders have limits of their own.
    grid = {"spacing_bps": 4, "take_profit_bps": 10, "recentre_bps": 12}
    site.configure({"bots": grid | {"symbols": ["BTCUSDT", "ETHUSDT"]}})
    config = load(site.config)
    venue = config.venues.binance
    call_s = (venue.connect_timeout_ms + venue.read_timeout_ms) / 1000
    looks = BareSides(site)
    began_s = time.monotonic()
    for number in range(STARTS):
        if number == STARTS - 2:
            use_up(site)
        host = site.start()
        looks.watch(began_s + (number + 1) * LIFE_S)
        if number < STARTS - 1:
            host.kill()
    assert time.monotonic() - began_s < 60
    assert len(looks.sides) >= STARTS, "they held something all the time"
    allowed_s = config.execution.protect_within_s + call_s
    assert looks.longest_s <= allowed_s, f"{looks.longest_s:.1f} s, {allowed_s:.1f} allowed"
    site.wait_status("it runs", lambda status: status["state"] == "running", 90)
    site.wait_status("every order is proven", lambda now: not now["unresolved_orders"])
    check_in_order(site, host.stop(), host)
