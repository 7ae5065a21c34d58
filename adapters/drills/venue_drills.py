"""What may happen at the venue: streams, lost answers, a crash, stops refused, its own end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping

from adapters.drills.judging import bare, opened_ns
from adapters.drills.site import DrillFailed, Site

__all__ = ["exchange", "flash", "gap", "silence", "stops", "unknown"]

_ORDERS = "/fapi/v1/order"
_STOPS = "/fapi/v1/algoOrder"
_FILLS = "ORDER_TRADE_UPDATE"
_NO_ENTRIES = ("reduce_only", "halted")
_LOST_ANSWERS = 3
_LATE_S = 2.0
"""How much later than promised something may be seen from outside."""


def gap(site: Site) -> None:
    """Lose, repeat and reorder frames of both streams."""
    _strike(
        site,
        "the streams lose, repeat and reorder frames",
        {"kind": "sequence_gap", "stream": "*@depth*", "count": 2},
        {"kind": "drop", "stream": _FILLS, "count": 2},
        {"kind": "duplicate", "stream": _FILLS, "count": 2},
        {"kind": "reorder", "stream": _FILLS, "count": 2},
    )
    site.wait("the gap is noticed", lambda: site.heard("new snapshot"))
    site.wait_trading_again()


def silence(site: Site) -> None:
    """Let the market stream say nothing more, its socket open."""
    _strike(
        site,
        "the market stream falls silent, its socket open",
        {"kind": "stall", "stream": "*@bookTicker"},
    )
    site.wait("the silence is noticed", lambda: site.heard("paused: "))
    site.wait_trading_again()


def unknown(site: Site) -> None:
    """Carry orders out and lose the answers."""
    read_timeout_ms = site.config.venues.binance.read_timeout_ms
    _strike(
        site,
        "orders are carried out, their answers lost: 5xx, a cut connection, a time-out",
        {"kind": "5xx_after_accept", "endpoint": _ORDERS, "method": "POST"},
        {"kind": "cut_response", "endpoint": _ORDERS, "method": "POST"},
        {
            "kind": "timeout_after",
            "endpoint": _ORDERS,
            "method": "POST",
            "ms": read_timeout_ms * 2,
        },
    )
    site.wait("each is taken for unknown", lambda: site.heard("outcome unknown") >= _LOST_ANSWERS)
    site.note("each is taken for unknown")
    site.wait_trading_again()


def flash(site: Site) -> None:
    """Let every price fall by half as much again as the host takes for a crash."""
    fall_bps = int(site.config.risk.guards.flash_move_bps * 3 / 2)
    site.inject(f"every price falls {fall_bps} bps at once")
    site.faults({"kind": "jump", "bps": -min(fall_bps, 5_000)})

    def answered() -> bool:
        now = site.status()
        paused = " ".join(now.get("paused", {}).values())
        return "risk.guards.flash_move_bps" in paused or now.get("halt") in _NO_ENTRIES

    site.wait("it answers the fall", answered)
    site.note("opens nothing new")
    site.wait("every position is protected or closed", lambda: not bare(site.truth()))
    site.recovered("every position is protected or closed")


def stops(site: Site) -> None:
    """Refuse every stop order: what is held beyond the stops there are has to be closed."""
    limit_s = site.config.execution.protect_within_s + _LATE_S
    site.faults(
        {
            "kind": "reject",
            "endpoint": _STOPS,
            "method": "POST",
            "code": -4045,
            "message": "Reach max stop order limit.",
            "count": 0,
        }
    )
    site.inject("the venue refuses every stop order")
    before = _closes(site)
    bare_since: dict[str, float] = {}

    def closed() -> bool:
        truth, now_s, now_ns = site.truth(), time.monotonic(), time.time_ns()
        sides, opened = bare(truth), opened_ns(truth)
        for side in bare_since.keys() - set(sides):
            del bare_since[side]
        for side in sides:
            # It may have been flat between two looks: then it is bare since it was opened again.
            held_s = (now_ns - opened[side]) / 1e9
            if min(now_s - bare_since.setdefault(side, now_s), held_s) > limit_s:
                raise DrillFailed(f"{side} has been without its stop for more than {limit_s:g} s")
        return not sides and _closes(site) > before

    site.wait_active("a side without its stop is closed", closed)
    refused = sum(one["struck"] for one in site.left())
    site.recovered(f"{refused} stops refused, what had none is closed")
    site.lift()


def exchange(site: Site) -> None:
    """Kill the exchange's process; another one takes its account over."""
    before = site.exchange().pid
    site.inject(f"kill -9 of the exchange (process {before})")
    os.kill(before, signal.SIGKILL)
    site.wait_trading_again()


def _closes(site: Site) -> int:
    """Return how many orders at the market there were: nothing else of the host sends them."""
    return sum(row["type"] == "market" for row in site.truth()["orders"])


def _strike(site: Site, text: str, *faults: Mapping[str, object]) -> None:
    """Set faults and wait until each has struck as often as it should."""
    site.inject(text)
    site.faults(*faults)
    site.wait_active("each fault has struck", lambda: not site.left())
    site.note("each fault has struck")
