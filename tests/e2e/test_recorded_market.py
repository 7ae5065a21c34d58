"""Trading on a market that was recorded from the venue, as a person would replay it."""

from __future__ import annotations

import pytest

from tests.e2e.site import DATA, Site, check_in_order

FILES = [DATA / "hftbacktest" / "usdm" / f"btcusdt_2024071{day}.gz" for day in (8, 9)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(90),
    pytest.mark.skipif(
        not all(path.exists() for path in FILES), reason=f"no recorded market at {FILES[0]}"
    ),
]


def test_both_ledgers_agree_after_a_recorded_market(site: Site):
    site.configure(
        {
            "paper": {"market": "recorded", "files": [str(path) for path in FILES], "speed": 20.0},
            "bots": {"spacing_bps": 0.5, "take_profit_bps": 1, "recentre_bps": 1},
        }
    )
    host = site.start("--for", "7")

    truth = check_in_order(site, host.end(30), host)

    assert len(truth["fills"]) >= 2
    assert {row["symbol"] for row in truth["orders"]} == {"BTCUSDT"}
    prices = [float(row["price"]) for row in truth["fills"]]
    assert 60_000 < min(prices) <= max(prices) < 70_000, "prices of July 2024"
