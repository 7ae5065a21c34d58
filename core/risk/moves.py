"""How prices moved together: closed one-minute bars on one grid, with sums that follow each bar."""

from __future__ import annotations

from collections import Counter, deque
from math import exp, log

from core.messages import Key

__all__ = ["Moves"]

_SEEN_PART = 0.9


class Moves:
    """The last `window` one-minute returns of every symbol; mutable, one owner, floats.

    All symbols share one grid of minutes. A minute without a bar carries the last price on, so that
    the move over a gap is one large return: the sum of squares stays right. A symbol is `full` when
    its prices cover the window and nine of ten of its minutes had bars. A minute joins the sums
    when each symbol told it, or one told a later minute: O(symbols) for each bar. Bars of minutes
    that joined already (history told after live bars) make the sums be built anew, once, when they
    are next asked for.

    Means are taken as 0, as for any short horizon. Source: RiskMetrics Technical Document (J.P.
    Morgan/Reuters, 4th edition 1996), section 5.3. `falls` and `rises` are the overlapping returns
    over `block` minutes, as fractions, each 0 where the move went the other way.
    """

    def __init__(self, window: int, block: int) -> None:
        self.window = window
        self.block = block
        self.version = 0
        self._closes: dict[Key, dict[int, float]] = {}
        self._newest = 0
        self._stale = False
        self._clear()

    def add(self, key: Key, minute: int, close: float) -> None:
        """Take the closing price (over 0) of a minute since 1970; one before the window is old."""
        if minute < self._newest - self.window:
            return
        self._closes.setdefault(key, {})[minute] = close
        if minute <= self._joined or minute - self._joined > self.window:
            self._stale = True
            self.version += 1
        self._newest = max(self._newest, minute)
        if not self._stale:
            self._join_to_newest()

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every symbol of which a bar came."""
        return tuple(self._closes)

    def full(self, key: Key) -> bool:
        """Tell whether a symbol's moves fill the window."""
        self._refresh()
        prices = self._prices
        if len(prices) <= self.window or key not in prices[0]:
            return False
        return self._seen[key] >= _SEEN_PART * (self.window + 1)

    def returns(self, key: Key) -> int:
        """Count the returns of a symbol in the window."""
        self._refresh()
        return self._returns[key]

    def covariance(self, key: Key, other: Key) -> float:
        """Return the covariance of two symbols' one-minute returns; of one with itself, variance.

        Over the minutes in which both had a price; of symbols that never met, 0.
        """
        self._refresh()
        pair = (key, other) if (key, other) in self._sums else (other, key)
        count = min(self._returns[key], self._returns[other])
        return self._sums[pair] / count if pair in self._sums and count else 0.0

    def falls(self, key: Key) -> deque[float]:
        """Return how far the price fell over each block of the window, oldest first."""
        self._refresh()
        return self._falls[key]

    def rises(self, key: Key) -> deque[float]:
        """Return how far the price rose over each block of the window, oldest first."""
        self._refresh()
        return self._rises[key]

    def _clear(self) -> None:
        self._joined = self._newest - 1
        self._prices: deque[dict[Key, float]] = deque()
        self._sums: dict[tuple[Key, Key], float] = {}
        self._seen: Counter[Key] = Counter()
        self._returns: Counter[Key] = Counter()
        self._falls: dict[Key, deque[float]] = {}
        self._rises: dict[Key, deque[float]] = {}

    def _refresh(self) -> None:
        if not self._stale:
            return
        oldest = self._newest - self.window - 1  # the newest minute may not be able to join yet
        for key, closes in self._closes.items():
            self._closes[key] = {at: close for at, close in closes.items() if at >= oldest}
        self._clear()
        self._joined = oldest - 1
        self._stale = False
        self._join_to_newest()

    def _join_to_newest(self) -> None:
        while self._joined < self._newest - 1:
            self._join(self._joined + 1)
        if all(self._newest in closes for closes in self._closes.values()):
            self._join(self._newest)

    def _join(self, minute: int) -> None:
        before = self._prices[-1] if self._prices else {}
        now: dict[Key, float] = {}
        for key, closes in self._closes.items():
            close = closes.get(minute)
            if close is not None:
                now[key] = log(close)
                self._seen[key] += 1
            elif key in before:
                now[key] = before[key]
            if closes.pop(minute - self.window - 1, None) is not None:
                self._seen[key] -= 1
        self._count(before, now, 1)
        self._prices.append(now)
        if len(self._prices) > self.window + 1:
            self._count(self._prices.popleft(), self._prices[0], -1)
        self._join_blocks(now)
        self._joined = minute
        self.version += 1

    def _count(self, before: dict[Key, float], now: dict[Key, float], sign: int) -> None:
        """Add a minute's products to the sums, or take those of the oldest minute out again."""
        moved = [(key, now[key] - price) for key, price in before.items()]
        for place, (key, move) in enumerate(moved):
            self._returns[key] += sign
            for other, with_it in moved[place:]:
                pair = (key, other)
                self._sums[pair] = self._sums.get(pair, 0.0) + sign * move * with_it

    def _join_blocks(self, now: dict[Key, float]) -> None:
        if len(self._prices) <= self.block:
            return
        kept = self.window + 1 - self.block
        for key, price in self._prices[-1 - self.block].items():
            move = exp(now[key] - price) - 1
            self._falls.setdefault(key, deque(maxlen=kept)).append(max(-move, 0.0))
            self._rises.setdefault(key, deque(maxlen=kept)).append(max(move, 0.0))
