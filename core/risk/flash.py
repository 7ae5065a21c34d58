"""The flash-crash watch: how far a mark price ran within a short window, in either direction."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from decimal import Decimal

from attrs import frozen

from core.messages import PositionSide, Side
from core.money import ZERO, bps, text
from core.positions import Position

__all__ = ["FlashAnswer", "FlashMove", "FlashRule", "FlashWatch"]


@frozen(slots=True)
class FlashMove:
    """A move past the limit: `against` is the side of positions that it hurts (BUY for a fall)."""

    against: Side
    moved_bps: Decimal
    start: Decimal
    price: Decimal
    took_ns: int

    def __str__(self) -> str:
        word = "fell" if self.against is Side.BUY else "rose"
        return (
            f"the mark {word} {self.moved_bps:.0f} bps from {text(self.start)} to "
            f"{text(self.price)} within {self.took_ns / 1e9:.1f} s"
        )


class FlashWatch:
    """One symbol's mark prices of the last `window_ns`; mutable, one owner.

    Keeps only prices that can still be the highest or the lowest of the window, so a price costs
    O(1) on average however many there are. Source: the monotonic queue for sliding extrema
    (Lemire, "Streaming maximum-minimum filter", 2006).
    """

    __slots__ = ("_highs", "_lows", "limit_bps", "window_ns")

    def __init__(self, window_ns: int, limit_bps: Decimal) -> None:
        self.window_ns = window_ns
        self.limit_bps = limit_bps
        self._highs: deque[tuple[int, Decimal]] = deque()
        self._lows: deque[tuple[int, Decimal]] = deque()

    def look(self, price: Decimal, now_ns: int) -> FlashMove | None:
        """Take a mark price at a monotonic time; return the move that it ends, if past the limit.

        Measured in basis points of the price where the move began. Goes on being returned while the
        window holds that price.
        """
        highs, lows = self._highs, self._lows
        while highs and highs[-1][1] <= price:
            highs.pop()
        highs.append((now_ns, price))
        while lows and lows[-1][1] >= price:
            lows.pop()
        lows.append((now_ns, price))
        oldest_ns = now_ns - self.window_ns
        while highs[0][0] < oldest_ns:
            highs.popleft()
        while lows[0][0] < oldest_ns:
            lows.popleft()
        (high_ns, high), (low_ns, low) = highs[0], lows[0]
        fallen, risen = bps(high - price, high), bps(price - low, low)
        if max(fallen, risen) < self.limit_bps:
            return None
        if fallen >= risen:
            return FlashMove(Side.BUY, fallen, high, price, now_ns - high_ns)
        return FlashMove(Side.SELL, risen, low, price, now_ns - low_ns)

    def seen(self) -> tuple[tuple[int, Decimal], ...]:
        """Return the marks that still count, the newest last: to another watch they tell as much.

        At least one must have been looked at.
        """
        newest = self._highs[-1]
        return (*sorted({*self._highs, *self._lows} - {newest}), newest)


@frozen(slots=True)
class FlashAnswer:
    """What a side is told: a stop this near to the mark, or, at 0, how much of it to close."""

    side: PositionSide
    stop_bps: Decimal
    close: Decimal = ZERO


@frozen(slots=True)
class FlashRule:
    """What follows a fast move: entries pause for `pause_ns` after it, the side that it hurts acts.

    `action` is "tighten", to `stop_bps` from the mark, or "close".
    """

    pause_ns: int
    action: str
    stop_bps: Decimal

    def answers(
        self, move: FlashMove, held: Iterable[Position], answered: Collection[Side]
    ) -> tuple[FlashAnswer, ...]:
        """Answer a move, once per pause and direction: `answered` are those of before."""
        if move.against in answered:
            return ()
        return tuple(
            FlashAnswer(each.side, self.stop_bps)
            if self.action == "tighten"
            else FlashAnswer(each.side, ZERO, abs(each.quantity))
            for each in held
            if each.quantity * move.against.sign > 0
        )

    def over(self, moved_ns: int, now_ns: int) -> bool:
        """Tell whether the pause after a move at `moved_ns` is over (monotonic)."""
        return now_ns >= moved_ns + self.pause_ns
