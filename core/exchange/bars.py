"""Bars as a market: walk a closed bar's path so that orders and triggers meet it in order."""

from __future__ import annotations

from decimal import Decimal

from core.exchange.conditionals import Conditionals
from core.exchange.desk import Desk
from core.exchange.floor import Symbol
from core.messages import Bar, Side, TriggerBy
from core.money import ZERO


class BarWalk:
    """Let a bar reach resting orders and triggers.

    The path is open, the nearer-to-open extreme first for a bar that closes on the other side
    (low first in a rising bar, high first in a falling one), then close. A resting order fills
    when the path goes through its price, at its price; a touch is not enough. All fills together
    take at most the bar's volume × `bar_participation`; a bar without volume fills nothing.
    """

    def __init__(self, desk: Desk, conditionals: Conditionals) -> None:
        self.desk = desk
        self.conditionals = conditionals

    def on_bar(self, symbol: Symbol, bar: Bar, now_ns: int) -> None:
        """Take one closed bar; a bar that is not newer than the last changes nothing."""
        over_ns = bar.open_ns + bar.interval_ns
        if over_ns <= symbol.bar_ns:
            return
        symbol.bar_ns = over_ns
        participation = self.desk.floor.settings.bar_participation
        left = bar.volume * participation
        if not left:
            symbol.liquidity.on_price(bar.close)
            return
        rising = bar.close >= bar.open
        extremes = (bar.low, bar.high) if rising else (bar.high, bar.low)
        at = symbol.liquidity.last_price or bar.open
        for target in (bar.open, *extremes, bar.close):
            left = self._walk(symbol, at, target, left, now_ns)
            at = target

    def _walk(
        self, symbol: Symbol, start: Decimal, end: Decimal, left: Decimal, now_ns: int
    ) -> Decimal:
        if start == end:
            symbol.liquidity.on_price(end)
            return left
        stops = self.conditionals.trigger_prices(symbol, start, end)
        stops |= set(symbol.triggers.prices_between(TriggerBy.MARK, start, end))
        for price in sorted(stops | {end}, reverse=end < start):
            symbol.liquidity.on_price(price)
            left = self._fill_through(symbol, price, left, end < start, now_ns)
            self.conditionals.on_price(symbol, TriggerBy.LAST, price, now_ns)
            if symbol.mark_event is None:
                self.conditionals.on_price(symbol, TriggerBy.MARK, price, now_ns)
        return left

    def _fill_through(
        self, symbol: Symbol, price: Decimal, left: Decimal, falling: bool, now_ns: int
    ) -> Decimal:
        own = symbol.resting.of(Side.BUY if falling else Side.SELL)
        for level in own.reached_by(price):
            if level != price and left > ZERO:
                left -= self.desk.fill_level(symbol, own, level, left, False, now_ns)
        return left
