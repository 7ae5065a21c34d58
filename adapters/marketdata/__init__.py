"""Recorded markets: stream recordings and bars from files, as events of `core.messages`."""

from __future__ import annotations

from adapters.marketdata.bars import read_bars
from adapters.marketdata.files import MarketDataError, bar_file_name
from adapters.marketdata.recordings import read_recording

__all__ = ["MarketDataError", "bar_file_name", "read_bars", "read_recording"]
