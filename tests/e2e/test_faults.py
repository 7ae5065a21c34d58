"""What goes wrong at the venue while the host trades, set through its control endpoint."""

from __future__ import annotations

import pytest

from tests.e2e.site import Site, check_in_order, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

ORDERS = "/fapi/v1/order"
FAULTS = {
    "answers to orders are lost": [
        {"kind": "5xx_after_accept", "endpoint": ORDERS, "method": "POST", "count": 2},
        {"kind": "5xx_after_accept", "endpoint": ORDERS, "method": "DELETE"},
        {"kind": "cut_response", "endpoint": ORDERS, "method": "POST", "count": 2},
        {"kind": "timeout_after", "endpoint": ORDERS, "method": "POST", "ms": 1500},
        {"kind": "timeout_before", "endpoint": ORDERS, "method": "POST", "ms": 1500},
        {"kind": "5xx_after_accept", "endpoint": "/fapi/v1/algoOrder", "method": "POST"},
    ],
    "the venue turns callers away": [
        {"kind": "429", "endpoint": ORDERS, "method": "POST", "ms": 1000, "count": 2},
        {"kind": "503_not_executed", "endpoint": ORDERS, "method": "POST", "count": 2},
        {"kind": "drop", "endpoint": ORDERS, "method": "POST", "count": 2},
        {"kind": "503_not_executed", "endpoint": "/fapi/v1/algoOrder", "method": "POST"},
    ],
    "streams break": [
        {"kind": "drop", "stream": "ORDER_TRADE_UPDATE", "count": 2},
        {"kind": "duplicate", "stream": "ORDER_TRADE_UPDATE", "count": 2},
        {"kind": "reorder", "stream": "ORDER_TRADE_UPDATE", "count": 2},
        {"kind": "disconnect", "stream": "ORDER_TRADE_UPDATE"},
        {"kind": "sequence_gap", "stream": "*@depth*", "count": 2},
        {"kind": "disconnect", "stream": "*@bookTicker"},
    ],
}


@pytest.mark.parametrize("what", FAULTS)
def test_nothing_is_lost_or_doubled_while(site: Site, what: str):
    site.configure(
        {
            "venues": {"binance": {"read_timeout_ms": 1000, "recv_window_ms": 1000}},
            "market": {"reconcile_every_s": 2.0},
            "execution": {
                "max_order_age_ms": 500,
                "unknown_first_query_ms": 50,
                "unknown_max_query_ms": 500,
            },
        }
    )
    host = site.start()
    before = site.wait_fills()
    site.control("faults", FAULTS[what])

    def struck() -> bool:
        left = site.control("faults")["faults"]
        # Cancels come with the stop at the latest.
        return not [one for one in left if not one["struck"] and one["method"] != "DELETE"]

    wait_for("every fault has struck", struck, 30)
    after = site.wait_fills(before["fills"], within_s=30)
    site.wait_status(
        "it runs on", lambda now: now["state"] == "running" and now["fills"] > after["fills"], 30
    )

    check_in_order(site, host.stop(), host)
