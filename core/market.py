"""The market as we know it: order book, bars, staleness; for market actors and the exchange."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from attrs import evolve, frozen

from core.errors import BookCrossed, BookGap
from core.messages import Bar, BookDelta, BookSnapshot, Key, Level, Trade
from core.money import ZERO, text

__all__ = ["BarBuilder", "Book", "Freshness"]

_MAX_WAITING_DELTAS = 4_000


class _BookSide:
    """Prices in ascending order with their quantities; the best is last (bids) or first (asks)."""

    __slots__ = ("best_index", "prices", "quantities")

    def __init__(self, best_index: int) -> None:
        self.best_index = best_index
        self.prices: list[Decimal] = []
        self.quantities: dict[Decimal, Decimal] = {}

    def load(self, levels: Iterable[Level]) -> None:
        self.quantities = {price: quantity for price, quantity in levels if quantity}
        self.prices = sorted(self.quantities)

    def apply(self, levels: Iterable[Level]) -> None:
        quantities, prices = self.quantities, self.prices
        for price, quantity in levels:
            if quantity:
                if price not in quantities:
                    insort(prices, price)
                quantities[price] = quantity
            elif price in quantities:
                del quantities[price]
                del prices[bisect_left(prices, price)]

    def best(self) -> Level | None:
        if not self.prices:
            return None
        price = self.prices[self.best_index]
        return price, self.quantities[price]

    def levels(self) -> Iterator[Level]:
        ordered = self.prices if self.best_index == 0 else reversed(self.prices)
        quantities = self.quantities
        return ((price, quantities[price]) for price in ordered)


class Book:
    """One symbol's order book by price level, kept by absolute updates in sequence.

    Until a snapshot comes, deltas wait (the oldest give way past 4,000) and the book is not
    `synced`; after an error it is not either, and needs a new snapshot. Mutable, one owner.
    Source of the sequence rules: venues/binance_usdm.md §4.2.
    """

    __slots__ = ("_asks", "_bids", "_bridged", "_waiting", "event_ns", "key", "last_id", "synced")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.last_id = 0
        self.event_ns = 0
        self.synced = False
        self._bridged = False
        self._bids = _BookSide(-1)
        self._asks = _BookSide(0)
        self._waiting: deque[BookDelta] = deque(maxlen=_MAX_WAITING_DELTAS)

    @property
    def current(self) -> bool:
        """Tell whether an update has followed the snapshot: it alone may have been an old one."""
        return self.synced and self._bridged

    def apply(self, event: BookSnapshot | BookDelta) -> bool:
        """Take a snapshot or a delta; return whether the levels changed.

        Errors: `BookGap` for a missing update, `BookCrossed`; the book is then unsynced and empty,
        and this delta waits for the next snapshot.
        """
        if isinstance(event, BookSnapshot):
            self._load(event)
            return True
        if not self.synced:
            self._waiting.append(event)
            return False
        return self._follow(event)

    def reset(self) -> None:
        """Forget all levels; wait for a snapshot."""
        self.synced = self._bridged = False
        self.last_id = 0
        self._bids.load(())
        self._asks.load(())
        self._waiting.clear()

    def _load(self, snapshot: BookSnapshot) -> None:
        self._bids.load(snapshot.bids)
        self._asks.load(snapshot.asks)
        self.last_id = snapshot.last_id
        self.event_ns = snapshot.event_ns
        self.synced, self._bridged = True, False
        waiting = tuple(self._waiting)
        self._waiting.clear()
        self._check_crossed()
        for place, delta in enumerate(waiting):
            try:
                self._follow(delta)
            except BookGap:
                self._waiting.extend(waiting[place + 1 :])
                raise

    def _follow(self, delta: BookDelta) -> bool:
        if self._bridged:
            if delta.previous_id != self.last_id:
                if delta.last_id <= self.last_id:
                    return False
                self._fail_gap(delta)
        elif delta.last_id < self.last_id:
            return False
        elif delta.first_id > self.last_id and delta.previous_id != self.last_id:
            self._fail_gap(delta)
        self._bids.apply(delta.bids)
        self._asks.apply(delta.asks)
        self.last_id = delta.last_id
        self.event_ns = delta.event_ns
        self._bridged = True
        self._check_crossed()
        return True

    def _fail_gap(self, delta: BookDelta) -> None:
        had = self.last_id
        self.reset()
        self._waiting.append(delta)
        raise BookGap(
            f"{self.key}: had {had}, got {delta.first_id}..{delta.last_id} "
            f"after {delta.previous_id}"
        )

    def _check_crossed(self) -> None:
        bids, asks = self._bids.prices, self._asks.prices
        if bids and asks and bids[-1] >= asks[0]:
            bid, ask = bids[-1], asks[0]
            self.reset()
            raise BookCrossed(f"{self.key}: bid {text(bid)} reached ask {text(ask)}")

    def best_bid(self) -> Level | None:
        """Return the highest bid with its quantity, or None for an empty side."""
        return self._bids.best()

    def best_ask(self) -> Level | None:
        """Return the lowest ask with its quantity, or None for an empty side."""
        return self._asks.best()

    def worst_bid(self) -> Decimal | None:
        """Return the lowest bid we know of: the book says nothing of prices under it."""
        prices = self._bids.prices
        return prices[0] if prices else None

    def worst_ask(self) -> Decimal | None:
        """Return the highest ask we know of."""
        prices = self._asks.prices
        return prices[-1] if prices else None

    def mid(self) -> Decimal | None:
        """Return the middle of best bid and ask, or None where a side is empty."""
        bids, asks = self._bids.prices, self._asks.prices
        return (bids[-1] + asks[0]) / 2 if bids and asks else None

    def bids(self) -> Iterator[Level]:
        """Yield bids, best first."""
        return self._bids.levels()

    def asks(self) -> Iterator[Level]:
        """Yield asks, best first."""
        return self._asks.levels()

    def top(self, count: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return the best `count` bids and asks, best first."""
        return (
            tuple(level for _, level in zip(range(count), self._bids.levels(), strict=False)),
            tuple(level for _, level in zip(range(count), self._asks.levels(), strict=False)),
        )

    def bid_quantity_at(self, price: Decimal) -> Decimal:
        """Return the bid quantity at a price, 0 where there is none."""
        return self._bids.quantities.get(price, ZERO)

    def ask_quantity_at(self, price: Decimal) -> Decimal:
        """Return the ask quantity at a price, 0 where there is none."""
        return self._asks.quantities.get(price, ZERO)

    def snapshot(self, count: int = 0) -> BookSnapshot:
        """Return the book as a snapshot of `count` levels a side, 0 for all."""
        bids, asks = self.top(count or max(len(self._bids.prices), len(self._asks.prices)))
        return BookSnapshot(self.key, self.last_id, bids, asks, self.event_ns)


class BarBuilder:
    """Bars of several intervals from trades; each bar is emitted once, when it is over.

    Intervals in nanoseconds, aligned to the epoch. A trade older than the open bar belongs to a
    bar already emitted: it changes nothing and is counted in `late`. With `flat`, an interval
    without trades gives a bar of the last close and volume 0; without, no bar. Mutable, one owner.
    """

    __slots__ = ("_forming", "flat", "intervals_ns", "key", "late")

    def __init__(self, key: Key, intervals_ns: Sequence[int], *, flat: bool = True) -> None:
        self.key = key
        self.intervals_ns = tuple(sorted(set(intervals_ns)))
        self.flat = flat
        self.late = 0
        self._forming: dict[int, Bar] = {}

    def add(self, trade: Trade) -> tuple[Bar, ...]:
        """Take one trade; return the bars that its time closed, oldest first, short ones first."""
        closed = self.advance(trade.event_ns)
        for interval_ns in self.intervals_ns:
            open_ns = trade.event_ns - trade.event_ns % interval_ns
            bar = self._forming.get(interval_ns)
            if bar is None or bar.open_ns < open_ns:
                self._forming[interval_ns] = _first(self.key, interval_ns, open_ns, trade)
            elif open_ns < bar.open_ns:
                self.late += 1
            else:
                self._forming[interval_ns] = _extended(bar, trade)
        return closed

    def advance(self, now_ns: int) -> tuple[Bar, ...]:
        """Close what is over at `now_ns` (the venue's time); return it."""
        closed: list[Bar] = []
        for interval_ns in self.intervals_ns:
            bar = self._forming.get(interval_ns)
            while bar is not None and bar.open_ns + interval_ns <= now_ns:
                if bar.volume or self.flat:
                    closed.append(evolve(bar, closed=True))
                if not self.flat:
                    bar = None
                    break
                bar = _flat(bar)
            if bar is None:
                self._forming.pop(interval_ns, None)
            else:
                self._forming[interval_ns] = bar
        return tuple(closed)

    def forming(self, interval_ns: int) -> Bar | None:
        """Return the bar that is not over yet."""
        return self._forming.get(interval_ns)


def _first(key: Key, interval_ns: int, open_ns: int, trade: Trade) -> Bar:
    price = trade.price
    return Bar(key, interval_ns, open_ns, price, price, price, price, trade.quantity, False)


def _extended(bar: Bar, trade: Trade) -> Bar:
    price = trade.price
    if not bar.volume:
        return evolve(bar, open=price, high=price, low=price, close=price, volume=trade.quantity)
    return evolve(
        bar,
        high=max(bar.high, price),
        low=min(bar.low, price),
        close=price,
        volume=bar.volume + trade.quantity,
    )


def _flat(bar: Bar) -> Bar:
    close = bar.close
    open_ns = bar.open_ns + bar.interval_ns
    return Bar(bar.key, bar.interval_ns, open_ns, close, close, close, close, ZERO, False)


@frozen(slots=True)
class Freshness:
    """When a feed was last heard of, and how long its word counts (nanoseconds)."""

    limit_ns: int
    seen_ns: int = 0

    def seen(self, at_ns: int) -> Freshness:
        """Note a sign of life; time never goes backwards."""
        return Freshness(self.limit_ns, max(self.seen_ns, at_ns))

    def age_ns(self, now_ns: int) -> int:
        """Return nanoseconds since the last sign; since the epoch where there was none."""
        return max(0, now_ns - self.seen_ns)

    def stale(self, now_ns: int) -> bool:
        """Return whether the feed's word no longer counts."""
        return self.age_ns(now_ns) > self.limit_ns
