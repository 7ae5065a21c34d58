"""What may happen to the host: killed, stopped, an actor crashed or stalled, its disk full."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping

from adapters.drills.site import Site

__all__ = ["crash", "disk", "hang", "kill", "stall"]

_ORDERS = "/fapi/v1/order"
_PAST_DEADLINE_S = 1.0


def kill(site: Site) -> None:
    """Kill the host between the sending of an order and its answer; start another."""
    site.faults(
        {"kind": "delay", "endpoint": _ORDERS, "method": "POST", "ms": 300, "count": 0},
        {"kind": "delay", "endpoint": _ORDERS, "method": "DELETE", "ms": 300, "count": 0},
    )
    site.wait_active("a call is under way", lambda: any(one["struck"] for one in site.left()))
    site.inject(f"kill -9 of the host (process {site.pid}), calls for orders under way")
    site.kill()
    site.lift()
    site.start()
    site.note(f"another host is started (process {site.pid})")
    site.wait_trading_again()


def hang(site: Site) -> None:
    """Stop the host's process for longer than any deadline in it, then let it go on."""
    for_s = site.config.supervision.busy_deadline_s + _PAST_DEADLINE_S
    site.inject(f"SIGSTOP of the host (process {site.pid}) for {for_s:g} s")
    os.kill(site.pid, signal.SIGSTOP)
    try:
        time.sleep(for_s)
    finally:
        os.kill(site.pid, signal.SIGCONT)
    site.note("SIGCONT: it goes on")
    site.wait_trading_again()


def stall(site: Site) -> None:
    """Let the actor of a position hang; it is replaced, and may do nothing when it wakes."""
    actor = _position(site)
    for_s = site.config.supervision.busy_deadline_s + _PAST_DEADLINE_S
    site.inject(f"{actor} hangs for {for_s:g} s")
    _started_again(site, actor, {"stall": actor, "for_s": for_s})
    site.wait_trading_again()


def crash(site: Site) -> None:
    """Crash the actor of a position, then the one that holds every limit."""
    for actor in (_position(site), "risk"):
        site.inject(f"{actor} crashes")
        _started_again(site, actor, {"crash": actor})
        site.wait_trading_again()


def disk(site: Site) -> None:
    """Let no file of the host grow; new risk ends. Then there is room again."""
    site.inject("no file of the host can be written to")
    site.order({"file_bytes": 0})
    site.wait("new risk ends", lambda: site.status().get("halt") == "reduce_only")
    site.recovered("opens nothing new")
    site.order({"file_bytes": -1})
    site.note("there is room again")
    site.wait_trading_again()


def _started_again(site: Site, actor: str, accident: Mapping[str, object]) -> None:
    before = site.restarts(actor)
    site.order(accident)
    site.wait(f"{actor} is replaced", lambda: site.restarts(actor) > before)
    site.note(f"{actor} is replaced")


def _position(site: Site) -> str:
    bot = site.config.bots[0]
    return f"position:{bot.venue}:{bot.symbols[0]}"
