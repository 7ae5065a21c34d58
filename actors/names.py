"""Addresses: who is called what, in one place."""

from __future__ import annotations

from zlib import crc32

from core.messages import Key

__all__ = [
    "JOURNAL",
    "OPERATIONS",
    "RISK",
    "account",
    "cancels_lane",
    "closes_lane",
    "exchange",
    "market",
    "orders_lane",
    "position",
    "reads_lane",
    "strategy",
    "stream",
    "symbol_of",
    "timesync",
    "urgent_lane",
    "venue_of",
]

JOURNAL = "journal"
RISK = "risk"
OPERATIONS = "operations"


def market(key: Key) -> str:
    return f"market:{key}"


def position(key: Key) -> str:
    return f"position:{key}"


def strategy(bot: str, key: Key) -> str:
    return f"strategy:{key}:{bot}"


def symbol(key: Key) -> str:
    """Name the supervisor of one symbol's parts."""
    return f"symbol:{key}"


def symbols(venue: str) -> str:
    """Name the supervisor of all symbols of a venue."""
    return f"symbols:{venue}"


def venue(name: str) -> str:
    """Name the supervisor of a venue's parts."""
    return f"venue:{name}"


def exchange(venue_name: str) -> str:
    return f"exchange:{venue_name}"


def timesync(venue_name: str) -> str:
    return f"timesync:{venue_name}"


def account(venue_name: str) -> str:
    return f"account:{venue_name}"


def stream(venue_name: str, what: str) -> str:
    return f"stream:{venue_name}:{what}"


def reads_lane(venue_name: str) -> str:
    """Name the lane for questions, which never delay an order."""
    return f"connection:{venue_name}:reads"


def urgent_lane(key: Key, groups: int) -> str:
    """Name the lane of the symbol's group for stops, which wait behind nothing else."""
    return f"connection:{key.venue}:urgent{_group(key, groups)}"


def closes_lane(key: Key, groups: int) -> str:
    """Name the lane of the symbol's group for closes: a side whose stops hang is closed beside."""
    return f"connection:{key.venue}:closes{_group(key, groups)}"


def cancels_lane(venue_name: str) -> str:
    """Name the lane for cancels and count-downs: a halt has many at once, and stops go beside."""
    return f"connection:{venue_name}:cancels"


def orders_lane(key: Key, groups: int) -> str:
    """Name the lane of the symbol's group for orders that may open something."""
    return f"connection:{key.venue}:orders{_group(key, groups)}"


def _group(key: Key, groups: int) -> int:
    return crc32(key.symbol.encode()) % groups


def venue_of(name: str) -> str:
    """Return the venue an address belongs to, "" for those of the whole host."""
    parts = name.split(":")
    return parts[1] if len(parts) > 1 else ""


def symbol_of(name: str) -> Key | None:
    """Return the symbol an address belongs to, None for those of a whole venue or host."""
    parts = name.split(":")
    if parts[0] in ("market", "position", "strategy", "symbol") and len(parts) > 2:
        return Key(parts[1], parts[2])
    return None
