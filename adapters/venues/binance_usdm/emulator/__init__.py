"""The local exchange: Binance USDⓈ-M's dialect over `core.exchange`, for paper mode and tests."""

from __future__ import annotations

from adapters.venues.binance_usdm.emulator.discovery import RunningExchange, discover
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from adapters.venues.binance_usdm.emulator.store import read_ledger

__all__ = ["ExchangeOptions", "RunningExchange", "discover", "read_ledger", "serve"]


def serve(options: ExchangeOptions) -> int:
    """Run the local exchange until SIGTERM or SIGINT; return the exit code (0 orderly, 1 failed).

    Prints one JSON line on stdout once it listens; errors go to stderr as one `error: …` line.
    """
    from adapters.venues.binance_usdm.emulator.server import run

    return run(options)
