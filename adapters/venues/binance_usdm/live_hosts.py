"""The live hosts. Only the live branch of the composition root imports this module."""

from __future__ import annotations

from adapters.venues.binance_usdm.hosts import Hosts

__all__ = ["LIVE"]

LIVE = Hosts(
    rest="https://fapi.binance.com",
    ws="wss://fstream.binance.com",
    rights="https://api.binance.com",
)
