"""Portfolio risk: volatility, value at risk, stress, and the size that a wild market leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from heapq import nlargest
from math import sqrt
from operator import mul
from statistics import NormalDist
from typing import TYPE_CHECKING

from attrs import frozen

from core.messages import Bar, Key, Side
from core.money import ZERO
from core.risk.moves import Moves

if TYPE_CHECKING:
    from core.config import Portfolio as Settings

__all__ = ["Portfolio", "Sizing", "Worst", "stress"]

_MINUTE_NS = 60 * 1_000_000_000
_MINUTES_A_DAY = 1_440
_CENT = Decimal("0.01")
_FEWEST_RETURNS = 20
_STEPS = (1.0, 0.75, 0.5, 0.25)
_STEP_BACK = 1.1
"""How much calmer than a step needs it a market must be before sizes grow to it again."""

Worst = Mapping[Key, Mapping[Side, Decimal]]
"""Worst notional of each direction of each symbol, held and what may still open, quote money."""


@frozen(slots=True)
class Sizing:
    """A symbol's daily volatility against the target, in percent, and the part it had before.

    Floats, as all that comes from moves.
    """

    target_percent: float
    daily_percent: float
    present: float

    @property
    def part(self) -> float:
        """The part of full size from now on, one of the steps.

        Falls at once; rises when the market is a tenth calmer than the larger size needs.
        """
        allowed = self.target_percent / self.daily_percent
        steps = [step for step in _STEPS if step <= allowed] or [_STEPS[-1]]
        calm = [step for step in _STEPS if step * _STEP_BACK <= allowed]
        return steps[0] if steps[0] <= self.present else max(self.present, *calm)

    def scaled(self, throttle_percent: int) -> Decimal:
        """Return the part of full size that the operator's throttle leaves of it."""
        return Decimal(throttle_percent) / 100 * Decimal(self.part)


class Portfolio:
    """Moves of all symbols as risk figures; mutable, one owner. Floats inside, Decimal outside.

    Value at risk is of the worst that may be held: when prices fall, every bid fills and nothing
    that would close a long does, so in a falling scenario a symbol loses with its whole buy side,
    in a rising one with its whole sell side. A hedge inside one symbol counts for nothing, one
    between symbols only as far as they move apart.

    A symbol whose window is not full yet has the prior volatility, or what its bars so far say if
    that is more, and is taken to fall together with everything: its own value at risk is added.

    Historical: the loss that is exceeded in no more than the given part of the window's overlapping
    returns over the horizon; where the horizon is longer than a quarter of the window, over that
    quarter, and stretched by the square root of time. Overlapping returns hang together, so the
    tail has fewer independent cases than returns. Parametric: normal quantile × the standard
    deviation of the worst combination of directions, which is looked for by turning one symbol at a
    time, from all long and from all short. Source: P. Jorion, "Value at Risk", 3rd edition 2007,
    chapters 5 and 10; square root of time: RiskMetrics Technical Document, 4th edition 1996.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        horizon, window = settings.var_horizon_minutes, settings.window_bars
        block = min(horizon, window // 4)
        self._moves = Moves(window, block)
        self._stretch = sqrt(horizon / block)
        self._horizon = horizon
        self._tail = 1 - float(settings.var_confidence_percent) / 100
        self._quantile = NormalDist().inv_cdf(1 - self._tail)
        self._parametric = settings.var_method == "parametric"
        self._prior = float(settings.prior_daily_volatility_percent)
        self._target = float(settings.target_daily_volatility_percent)
        self._scales: dict[Key, float] = {}
        self._version = -1
        self._full: tuple[Key, ...] = ()
        self._extremes: dict[Key, tuple[float, float]] = {}
        self._matrix: list[list[float]] = []
        self._weights: dict[Key, tuple[float, float]] = {}
        self._scenarios: list[float] = []

    def take(self, bars: Iterable[Bar]) -> None:
        """Take closed one-minute bars, one or a history of them; others are passed over."""
        for bar in bars:
            if bar.closed and bar.interval_ns == _MINUTE_NS and bar.close > ZERO:
                self._moves.add(bar.key, bar.open_ns // _MINUTE_NS, float(bar.close))

    def daily_volatility_percent(self, key: Key) -> Decimal:
        """Return the standard deviation of a day's return, in percent of price."""
        return Decimal(self._daily(key)).quantize(_CENT, ROUND_CEILING)

    def size(self, key: Key) -> Sizing:
        """Go to the part of full size that the target volatility leaves, and return it with why."""
        sizing = Sizing(self._target, self._daily(key), self._scales.get(key, 1.0))
        self._scales[key] = sizing.part
        return sizing

    def bound(self, worst: Worst) -> Decimal:
        """Return a figure that value at risk is never over, for a tenth of its cost.

        Each symbol at its own worst move of the window, all at the same time.
        """
        self._refresh()
        total = 0.0
        for key, sides in worst.items():
            fall, rise = self._extremes.get(key) or self._unmeasured(key)
            total += max(float(sides[Side.BUY]) * fall, float(sides[Side.SELL]) * rise)
        return Decimal(total).quantize(_CENT, ROUND_CEILING)

    def value_at_risk(self, worst: Worst) -> Decimal:
        """Return the loss over the horizon that the given confidence leaves, in quote money."""
        self._refresh()
        apart = 0.0
        for key, sides in worst.items():
            if key not in self._extremes:
                apart += float(max(sides.values())) * self._unmeasured(key)[0]
        together = self._deviation(worst) if self._parametric else self._tail_loss(worst)
        return Decimal(apart + together).quantize(_CENT, ROUND_CEILING)

    def _daily(self, key: Key) -> float:
        moves = self._moves
        measured = 0.0
        if moves.returns(key) >= _FEWEST_RETURNS:
            measured = sqrt(max(0.0, moves.covariance(key, key)) * _MINUTES_A_DAY) * 100
        # Prices that never moved would make any size right: no market is that calm.
        return max(measured, 0.01) if moves.full(key) else max(measured, self._prior)

    def _unmeasured(self, key: Key) -> tuple[float, float]:
        part = self._quantile * self._daily(key) / 100 * sqrt(self._horizon / _MINUTES_A_DAY)
        return part, part

    def _refresh(self) -> None:
        """Read the moves anew after a bar: who is measured, the extremes, the covariances."""
        moves = self._moves
        if self._version == moves.version:
            return
        self._full = tuple(key for key in moves.keys if moves.full(key))
        self._version = moves.version
        if self._parametric:
            self._matrix = [
                [moves.covariance(key, other) * self._horizon for other in self._full]
                for key in self._full
            ]
            for place, key in enumerate(self._full):
                own = self._quantile * sqrt(max(0.0, self._matrix[place][place]))
                self._extremes[key] = own, own
        else:
            for key in self._full:
                extremes = max(moves.falls(key)), max(moves.rises(key))
                self._extremes[key] = extremes[0] * self._stretch, extremes[1] * self._stretch
        for key in self._extremes.keys() - set(self._full):
            del self._extremes[key]
        self._weights.clear()
        self._scenarios = []

    def _tail_loss(self, worst: Worst) -> float:
        """Historical: the loss of each block of the window, and of these the quantile."""
        if not self._full:
            return 0.0
        losses = self._scenarios or [0.0] * len(self._moves.falls(self._full[0]))
        for key in self._full:
            sides = worst.get(key)
            now = (float(sides[Side.BUY]), float(sides[Side.SELL])) if sides else (0.0, 0.0)
            before = self._weights.get(key, (0.0, 0.0))
            if now == before:
                continue
            # Only what changed since the last question costs time: mostly one side of one symbol.
            self._weights[key] = now
            long, short = now[0] - before[0], now[1] - before[1]
            pairs = zip(losses, self._moves.falls(key), self._moves.rises(key), strict=True)
            losses = [loss + long * fall + short * rise for loss, fall, rise in pairs]
        self._scenarios = losses
        exceeded = int(self._tail * len(losses))
        return max(0.0, nlargest(exceeded + 1, losses)[-1]) * self._stretch

    def _deviation(self, worst: Worst) -> float:
        """Parametric: the quantile of the worst combination of directions."""
        ends = []
        for key in self._full:
            sides = worst.get(key)
            ends.append((float(sides[Side.BUY]), -float(sides[Side.SELL])) if sides else (0.0, 0.0))
        variance = max(_worst_variance(self._matrix, ends, start) for start in (0, 1))
        return self._quantile * sqrt(max(0.0, variance))


def _worst_variance(
    matrix: list[list[float]], ends: list[tuple[float, float]], start: int
) -> float:
    """Turn the symbol that raises the variance most, until none does; `ends` are (long, short)."""
    held = [end[start] for end in ends]
    pulls: list[float] = [sum(map(mul, row, held)) for row in matrix]
    for _ in range(2 * len(ends)):
        most, turned = 0.0, -1
        for place, end in enumerate(ends):
            change = end[0] + end[1] - 2 * held[place]
            gain = change * (2 * pulls[place] + change * matrix[place][place])
            if gain > most:
                most, turned = gain, place
        if turned < 0:
            break
        change = sum(ends[turned]) - 2 * held[turned]
        held[turned] += change
        pulls = [pull + change * row[turned] for pull, row in zip(pulls, matrix, strict=True)]
    variance: float = sum(map(mul, held, pulls))
    return variance


def stress(worst: Worst, shocks_percent: Iterable[Decimal]) -> tuple[tuple[Decimal, Decimal], ...]:
    """Return (shock, loss) for each: every price jumps by that many percent at the same time.

    What may still open has opened the wrong way and no stop helps: a gap goes through them.
    """
    totals = {side: sum((sides[side] for sides in worst.values()), ZERO) for side in Side}
    return tuple(
        (shock, abs(shock) * totals[Side.BUY if shock < 0 else Side.SELL] / 100)
        for shock in shocks_percent
    )
