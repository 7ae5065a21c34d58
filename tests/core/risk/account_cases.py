"""Cases of the rules that look at the account and the market: see `tests.core.risk.cases`."""

from __future__ import annotations

from core.instruments import LeverageBracket
from core.messages import Bar, MarkPrice
from tests.core.risk.cases import Case, state
from tests.core.risk.samples import HOUR_NS, NOW
from tests.core.samples import BTC, D

__all__ = ["ACCOUNT_CASES"]

DEAR = (LeverageBracket(D(0), D(10**9), 10, D("0.2"), D(0)),)
MINUTE_NS = 60_000_000_000


def bars(*closes: str) -> list[Bar]:
    """Closed minutes that go from one price to the next and back, wild for longer than a few."""
    prices = [D(close) for close in closes * 11]
    return [
        Bar(BTC, MINUTE_NS, minute * MINUTE_NS, price, price, price, price, D(1), True)
        for minute, price in enumerate(prices)
    ]


def rate(funding_rate: str, due_ns: int) -> MarkPrice:
    """A mark price with its funding."""
    return MarkPrice(BTC, D(100), D(100), D(funding_rate), due_ns, NOW)


ACCOUNT_CASES: dict[str, Case] = {
    "leverage": state(
        lambda risk: risk.facts.leverage.update({BTC: 4}),
        "max_leverage: the leverage of binance:BTCUSDT is 4, 3 is allowed (risk.max_leverage)",
        4,
        3,
        given=lambda risk: risk.facts.leverage.update({BTC: 3}),
    ),
    "liquidation_distance": state(
        lambda risk: risk.facts.leverage.update({BTC: 4}),
        "min_liquidation_distance_bps: buy 0.4 BTCUSDT at 100 would be 625 bps from liquidation, "
        "1000 are needed (risk.min_liquidation_distance_bps)",
        625,
        1000,
        given=lambda risk: risk.facts.brackets.update({BTC: DEAR}),
        limits={"max_leverage": 4},
    ),
    "volatility": state(
        lambda risk: risk.facts.portfolio.take(bars("100", "102")),
        "max_daily_volatility_percent: the daily volatility of binance:BTCUSDT is 75.15 %, 60 % "
        "is allowed (risk.portfolio.max_daily_volatility_percent)",
        "75.15",
        60,
        given=lambda risk: risk.facts.portfolio.take(bars("100", "101.5")),
    ),
    "funding": state(
        lambda risk: risk.facts.funding.update({BTC: rate("0.0012", NOW + HOUR_NS // 10)}),
        "max_funding_bps: BTCUSDT: longs pay 12 bps in 360 s, 10 bps are allowed "
        "(risk.guards.max_funding_bps)",
        12,
        10,
        given=lambda risk: risk.facts.funding.update({BTC: rate("0.0012", NOW + HOUR_NS)}),
    ),
}
