"""Settings of the simulated exchange, and the randomness it is handed."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from attrs import frozen

_HOUR_NS = 3_600_000_000_000


class Random(Protocol):
    """The part of `random.Random` that the exchange and its markets use."""

    def random(self) -> float: ...
    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def randrange(self, start: int, stop: int) -> int: ...


@frozen(slots=True)
class ExchangeSettings:
    """What a venue would fix.

    An order reaches matching `latency_ns` plus up to `latency_jitter_ns` after it was placed; with
    both 0, at once. Where no book is known, liquidity is `synthetic_levels` levels one tick apart,
    each worth `synthetic_level_notional`, behind the quote or around the last price at
    `synthetic_spread_bps` (full spread). Fill times are cut to `time_step_ns`, what the venue's
    wire can carry, so that both ends of it write the same ledger. Countdowns cancel conditional
    orders only where asked.
    """

    latency_ns: int = 0
    latency_jitter_ns: int = 0
    synthetic_levels: int = 20
    synthetic_level_notional: Decimal = Decimal(50_000)
    synthetic_spread_bps: Decimal = Decimal(1)
    bar_participation: Decimal = Decimal(1)
    default_leverage: int = 20
    hedge_mode: bool = False
    funding_interval_ns: int = 8 * _HOUR_NS
    min_good_till_ns: int = 600 * 1_000_000_000
    max_amendments: int = 10_000
    margin_call_ratio: Decimal = Decimal("0.8")
    countdown_cancels_conditionals: bool = False
    time_step_ns: int = 1_000_000
    first_order_id: int = 8_389_765_000_000_000_001
    first_algo_id: int = 3_000_000_000_000_001
    first_fill_id: int = 1
