"""Takes entries back at the venue when no actor is left to do it: a host's last act, given up."""

from __future__ import annotations

import time
from collections.abc import Sequence

from core.errors import NotFound, VenueError
from core.ids import is_ours
from core.messages import CancelOrder, Key, OrderUpdated
from core.ports import Log, Venue

__all__ = ["take_back_entries"]

_PAUSE_S = 0.2


def take_back_entries(
    venue: Venue, keys: Sequence[Key], host: str, log: Log, within_s: float
) -> bool:
    """Cancel what may still open something, until a reading of each symbol shows none; tell so.

    Only orders that `host` made: those that close, stops among them, and strangers' stay. A symbol
    or an order that fails keeps no other one open. What is left after `within_s` (and the time-out
    of one call) is an error in the log; False then.
    """
    until_s = time.monotonic() + within_s
    open_keys, problem = list(keys), ""
    names: dict[Key, list[str]] = {}
    while True:
        try:
            venue.set_clock_offset_ns(venue.sample_clock().offset_ns)
            readable = list(open_keys)
        except VenueError as error:
            readable, problem = [], f": {error.message}"
        for key in readable:
            if time.monotonic() >= until_s:
                break
            try:
                found = _entries(venue, key, host)
            except VenueError as error:
                problem = f": {error.message}"
                continue
            names[key] = [order.client_order_id for order in found]
            if not found:
                open_keys.remove(key)
            for order in found:
                if time.monotonic() >= until_s:
                    break
                try:
                    _cancel(venue, order)
                except VenueError as error:
                    problem = f": {error.message}"
        if not open_keys:
            log("info", "host", "no entry of this host is open; stops stay where they are")
            return True
        if time.monotonic() >= until_s:
            break
        time.sleep(_PAUSE_S)
    shown = ", ".join(name for key in open_keys for name in names.get(key) or [key.symbol])
    log("error", "host", f"entries that may still be open at the venue: {shown}{problem}")
    return False


def _entries(venue: Venue, key: Key, host: str) -> list[OrderUpdated]:
    return [
        order
        for order in venue.open_orders(key)
        if not order.closing
        and not order.type.conditional
        and is_ours(order.client_order_id, host, key.symbol)
    ]


def _cancel(venue: Venue, order: OrderUpdated) -> None:
    try:
        venue.cancel(CancelOrder(order.key, order.client_order_id))
    except NotFound:
        return  # it has ended meanwhile; the next reading shows whether that is so
