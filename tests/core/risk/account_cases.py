"""Cases of the rules that look at the account and the market: see `tests.core.risk.cases`."""

from __future__ import annotations

from core.instruments import LeverageBracket
from core.messages import Bar, MarkPrice
from tests.core.risk.cases import Case, state
from tests.core.risk.samples import HOUR_NS, NOW, buy
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
    "account_leverage": Case(
        given=lambda risk: setattr(risk.facts, "equity", D(100)),
        limits={"max_account_leverage": D("0.5")},
        fits=buy("a", "0.5"),
        breaks=buy("a", "0.6"),
        value=D("0.6"),
        limit=D("0.5"),
        says="max_account_leverage: 60 held and ordered on an equity of 100 would be 0.6 times, "
        "0.5 are allowed (risk.max_account_leverage)",
    ),
    "free_margin": Case(
        given=lambda risk: setattr(risk.facts, "free_margin", D("1050.05")),
        fits=buy("a", "1"),
        spoilt=lambda risk: setattr(risk.facts, "free_margin", D(1050)),
        breaks=buy("a", "1"),
        value=D("999.95"),
        limit=D(1000),
        says="min_free_margin_percent: 999.95 of margin would stay free, 1000 has to "
        "(risk.min_free_margin_percent)",
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
    "value_at_risk": Case(
        given=lambda risk: setattr(risk.facts, "equity", D(380)),
        limits={"max_var_percent": D(1)},
        fits=buy("a", "1"),
        breaks=buy("a", "1.05"),
        value=D("3.99"),
        limit=D("3.8"),
        says="max_var_percent: value at risk would be 3.99, 3.8 is the limit, 1 % of an equity of "
        "380 (risk.portfolio.max_var_percent)",
    ),
    "day_headroom": Case(
        given=lambda risk: setattr(risk.facts, "day_headroom", D("1.55")),
        fits=buy("a", "1"),
        breaks=buy("a", "1.1"),
        value=D("1.705"),
        limit=D("1.55"),
        says="day_headroom: 1.71 could be lost if every stop is hit, 1.55 may still be lost today "
        "(risk.losses.max_daily_loss_percent)",
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
