"""What a local exchange can be told at its start, for the command line and for paper mode."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from attrs import field, frozen

__all__ = ["DEFAULT_SYMBOLS", "ExchangeOptions"]

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "DOGEUSDT")


@frozen(slots=True, kw_only=True)
class ExchangeOptions:
    """Options of `python run.py exchange`.

    `market` is "synthetic" or one or more paths joined with commas (recordings of one session in
    order, or bars). `port` 0 takes a free one. `speed` multiplies the pace of a recording, and of
    the synthetic market. `key` and `secret` empty mean the pair kept under `state_dir`. `balance`
    is USDT, paid in when the account is new. `host` must be a loopback address. `by_host` says that
    a host started it, which may then stop it.
    """

    venue: str = "binance"
    port: int = 0
    seed: int = 0
    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    market: str = "synthetic"
    speed: float = 1.0
    faults: Path | None = None
    key: str = ""
    secret: str = field(default="", repr=False)
    state_dir: Path = Path("state/exchange")
    balance: Decimal = Decimal(10_000)
    host: str = "127.0.0.1"
    latency_ms: int = 0
    by_host: bool = False
