"""What the rules were told of the portfolio's moves, kept so that a judgement can be done again."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from core.messages import Key
from core.risk.portfolio import Worst

__all__ = ["Measured", "Measures"]


class Measures(Protocol):
    """What rules ask of the portfolio's moves (`core.risk.portfolio.Portfolio`)."""

    def daily_volatility_percent(self, key: Key) -> Decimal: ...
    def bound(self, worst: Worst) -> Decimal: ...
    def value_at_risk(self, worst: Worst) -> Decimal: ...


class Measured:
    """Asks `moves`, and keeps the answers in order; for one judgement."""

    def __init__(self, moves: Measures) -> None:
        self.answers: list[Decimal] = []
        self._moves = moves

    def daily_volatility_percent(self, key: Key) -> Decimal:
        """Ask for a symbol's volatility."""
        return self._keep(self._moves.daily_volatility_percent(key))

    def bound(self, worst: Worst) -> Decimal:
        """Ask for the figure that value at risk is never over."""
        return self._keep(self._moves.bound(worst))

    def value_at_risk(self, worst: Worst) -> Decimal:
        """Ask for the value at risk."""
        return self._keep(self._moves.value_at_risk(worst))

    def _keep(self, figure: Decimal) -> Decimal:
        self.answers.append(figure)
        return figure
