"""Markets to trade against without a venue: a seeded synthetic one, and bars turned into events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from math import exp, log, sqrt

from attrs import frozen

from core.exchange.settings import Random
from core.instruments import Instrument
from core.messages import (
    Bar,
    BookDelta,
    BookSnapshot,
    Level,
    MarketEvent,
    MarkPrice,
    Quote,
    Trade,
)

_SECOND_NS = 1_000_000_000
_HOUR_NS = 3600 * _SECOND_NS
_PRICE_STEP = Decimal("0.00000001")
_RATE_STEP = Decimal("0.00000001")


@frozen(slots=True)
class SyntheticSettings:
    """How lively a synthetic market is.

    The price swings around a slowly drifting anchor: `swing_bps` is the standard deviation of the
    swing and `swing_s` its time constant; the anchor moves `drift_bps` in the square root of a
    second. Levels are on average `level_gap_bps` apart and hold `level_notional` of quote money.
    """

    step_ns: int = 100_000_000
    mark_every_ns: int = _SECOND_NS
    swing_bps: float = 20.0
    swing_s: float = 5.0
    drift_bps: float = 0.5
    levels: int = 60
    level_gap_bps: float = 1.0
    level_notional: float = 25_000.0
    max_spread_ticks: int = 3
    funding_interval_ns: int = 8 * _HOUR_NS
    funding_rate: Decimal = Decimal("0.0001")


class SyntheticMarket:
    """One symbol's coherent market: trades eat the levels that the price moves through.

    Per step come the trades, one depth delta that follows the last (ids without a gap), the quote
    of the book after it, and at its rhythm the mark price. The same random seed and settings give
    the same events. Mutable, one owner.
    """

    def __init__(
        self,
        random: Random,
        instrument: Instrument,
        start_price: Decimal,
        *,
        start_ns: int,
        settings: SyntheticSettings | None = None,
    ) -> None:
        self.instrument = instrument
        self.key = instrument.key
        self.settings = settings or SyntheticSettings()
        self.now_ns = start_ns
        self._dice = random
        self._anchor = log(float(start_price))
        self._swing = 0.0
        self._tick = float(instrument.tick_size)
        self._lot = float(instrument.lot_step)
        self._set_fair()
        self._mark = float(start_price)
        self._next_mark_ns = start_ns
        self._last_id = self._dice.randrange(1_000_000_000, 2_000_000_000)
        self._trade_id = self._dice.randrange(1_000_000, 2_000_000)
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._changed_bids: dict[int, int] = {}
        self._changed_asks: dict[int, int] = {}
        self._best_bid = self._fair_tick()
        self._best_ask = self._best_bid + 1
        self._fill_up()
        self._changed_bids.clear()
        self._changed_asks.clear()

    def opening(self) -> tuple[MarketEvent, ...]:
        """Return the state a newcomer needs: book, quote and mark price."""
        snapshot = BookSnapshot(
            self.key,
            self._last_id,
            self._levels(sorted(self._bids, reverse=True), self._bids),
            self._levels(sorted(self._asks), self._asks),
            self.now_ns,
        )
        return snapshot, self._quote(), self._mark_price()

    def shift(self, bps: float) -> None:
        """Let the next step begin from a price moved by this much: a jump, a crash."""
        self._anchor += log(1 + bps / 10_000)
        self._set_fair()

    def advance(self, to_ns: int) -> Iterator[MarketEvent]:
        """Yield the events of every step up to and including `to_ns`."""
        while self.now_ns + self.settings.step_ns <= to_ns:
            yield from self.step()

    def step(self) -> list[MarketEvent]:
        """Move one step on; return its events in order."""
        settings = self.settings
        self.now_ns += settings.step_ns
        self._move_price()
        target = self._fair_tick()
        events: list[MarketEvent] = []
        if target < self._best_bid:
            events += self._sweep_bids(target)
        elif target >= self._best_ask:
            events += self._sweep_asks(target + 1)
        events += self._noise_trades()
        self._requote()
        self._fill_up()
        events.append(self._delta())
        events.append(self._quote())
        if self.now_ns >= self._next_mark_ns:
            self._next_mark_ns += settings.mark_every_ns
            events.append(self._mark_price())
        return events

    # Price

    def _move_price(self) -> None:
        settings, dice = self.settings, self._dice
        seconds = settings.step_ns / _SECOND_NS
        keep = exp(-seconds / settings.swing_s)
        spread = settings.swing_bps / 10_000 * sqrt(1 - keep * keep)
        self._swing = self._swing * keep + dice.gauss(0.0, spread)
        self._anchor += dice.gauss(0.0, settings.drift_bps / 10_000 * sqrt(seconds))
        self._set_fair()

    def _set_fair(self) -> None:
        self._fair = exp(self._anchor + self._swing)
        self._unit = self._fair * float(self.instrument.multiplier)
        mean = self._fair * self.settings.level_gap_bps / 10_000 / self._tick
        self._widest_gap = max(2, int(2 * mean))

    def _fair_tick(self) -> int:
        return max(2, int(self._fair / self._tick))

    def _gap_ticks(self) -> int:
        return self._dice.randrange(1, self._widest_gap)

    def _lots(self, share: float = 1.0) -> int:
        """Draw a quantity in lots around the level notional × share."""
        mean = self.settings.level_notional * share / self._unit / self._lot
        return max(1, int(mean * self._dice.uniform(0.2, 1.8)))

    # Book, in ticks and lots

    def _set_bid(self, tick: int, lots: int) -> None:
        self._changed_bids[tick] = lots
        if lots:
            self._bids[tick] = lots
        else:
            self._bids.pop(tick, None)

    def _set_ask(self, tick: int, lots: int) -> None:
        self._changed_asks[tick] = lots
        if lots:
            self._asks[tick] = lots
        else:
            self._asks.pop(tick, None)

    def _sweep_bids(self, target: int) -> list[Trade]:
        """Sell through every bid above `target`, which becomes the best bid; asks follow down."""
        trades = []
        for tick in sorted((tick for tick in self._bids if tick > target), reverse=True):
            trades.append(self._trade(tick, self._bids[tick], buyer_is_maker=True))
            self._set_bid(tick, 0)
        if target not in self._bids:
            self._set_bid(target, self._lots())
        trades.append(self._trade(target, self._lots(0.3), buyer_is_maker=True))
        self._best_bid = target
        tick = target + self._dice.randrange(1, self.settings.max_spread_ticks + 1)
        while tick < self._best_ask:
            self._set_ask(tick, self._lots())
            tick += self._gap_ticks()
        self._best_ask = min(self._asks)
        return trades

    def _sweep_asks(self, target: int) -> list[Trade]:
        """Buy through every ask below `target`, which becomes the best ask; bids follow up."""
        trades = []
        for tick in sorted(tick for tick in self._asks if tick < target):
            trades.append(self._trade(tick, self._asks[tick], buyer_is_maker=False))
            self._set_ask(tick, 0)
        if target not in self._asks:
            self._set_ask(target, self._lots())
        trades.append(self._trade(target, self._lots(0.3), buyer_is_maker=False))
        self._best_ask = target
        tick = target - self._dice.randrange(1, self.settings.max_spread_ticks + 1)
        while tick > self._best_bid:
            self._set_bid(tick, self._lots())
            tick -= self._gap_ticks()
        self._best_bid = max(self._bids)
        return trades

    def _noise_trades(self) -> list[Trade]:
        """Trade a little at the best prices, whoever comes."""
        trades: list[Trade] = []
        for _ in range(self._dice.randrange(0, 3)):
            if self._dice.random() < 0.5:
                lots = min(self._lots(0.2), self._bids[self._best_bid] - 1)
                if lots > 0:
                    trades.append(self._trade(self._best_bid, lots, buyer_is_maker=True))
                    self._set_bid(self._best_bid, self._bids[self._best_bid] - lots)
            else:
                lots = min(self._lots(0.2), self._asks[self._best_ask] - 1)
                if lots > 0:
                    trades.append(self._trade(self._best_ask, lots, buyer_is_maker=False))
                    self._set_ask(self._best_ask, self._asks[self._best_ask] - lots)
        return trades

    def _requote(self) -> None:
        """Let a few levels change their minds about quantity."""
        for tick in (self._best_bid, self._pick(self._bids), self._pick(self._bids)):
            self._set_bid(tick, self._lots())
        for tick in (self._best_ask, self._pick(self._asks), self._pick(self._asks)):
            self._set_ask(tick, self._lots())

    def _pick(self, levels: dict[int, int]) -> int:
        ticks = tuple(levels)
        return ticks[self._dice.randrange(0, len(ticks))]

    def _fill_up(self) -> None:
        """Keep the number of levels: add behind the worst, drop what is too far away."""
        count = self.settings.levels
        self._bids.setdefault(self._best_bid, 0)
        self._asks.setdefault(self._best_ask, 0)
        for tick in (self._best_bid,):
            if not self._bids[tick]:
                self._set_bid(tick, self._lots())
        for tick in (self._best_ask,):
            if not self._asks[tick]:
                self._set_ask(tick, self._lots())
        worst = min(self._bids)
        while len(self._bids) < count and worst > 1:
            worst = max(1, worst - self._gap_ticks())
            self._set_bid(worst, self._lots())
        worst = max(self._asks)
        while len(self._asks) < count:
            worst += self._gap_ticks()
            self._set_ask(worst, self._lots())
        for tick in sorted(self._bids)[: max(0, len(self._bids) - 2 * count)]:
            self._set_bid(tick, 0)
        for tick in sorted(self._asks)[2 * count :]:
            self._set_ask(tick, 0)

    # Events

    def _level(self, tick: int, lots: int) -> Level:
        return tick * self.instrument.tick_size, lots * self.instrument.lot_step

    def _levels(self, ticks: Iterable[int], levels: dict[int, int]) -> tuple[Level, ...]:
        return tuple(self._level(tick, levels[tick]) for tick in ticks)

    def _trade(self, tick: int, lots: int, *, buyer_is_maker: bool) -> Trade:
        self._trade_id += 1
        price, quantity = self._level(tick, lots)
        return Trade(self.key, self._trade_id, price, quantity, buyer_is_maker, self.now_ns)

    def _delta(self) -> BookDelta:
        previous = self._last_id
        self._last_id += self._dice.randrange(1, 6)
        delta = BookDelta(
            self.key,
            previous + 1,
            self._last_id,
            previous,
            self._levels(sorted(self._changed_bids, reverse=True), self._changed_bids),
            self._levels(sorted(self._changed_asks), self._changed_asks),
            self.now_ns,
        )
        self._changed_bids.clear()
        self._changed_asks.clear()
        return delta

    def _quote(self) -> Quote:
        bid, bid_quantity = self._level(self._best_bid, self._bids[self._best_bid])
        ask, ask_quantity = self._level(self._best_ask, self._asks[self._best_ask])
        return Quote(
            self.key,
            bid,
            bid_quantity,
            ask,
            ask_quantity,
            self._last_id,
            self.now_ns,
            self.now_ns,
        )

    def _mark_price(self) -> MarkPrice:
        """A mark that follows the middle over some seconds; the index is the anchor."""
        middle = (self._best_bid + self._best_ask) / 2 * float(self.instrument.tick_size)
        self._mark += (middle - self._mark) * 0.5
        index = exp(self._anchor)
        premium = Decimal((self._mark / index - 1) / 20)
        interval_ns = self.settings.funding_interval_ns
        return MarkPrice(
            self.key,
            Decimal(self._mark).quantize(_PRICE_STEP),
            Decimal(index).quantize(_PRICE_STEP),
            (self.settings.funding_rate + premium).quantize(_RATE_STEP),
            self.now_ns - self.now_ns % interval_ns + interval_ns,
            self.now_ns,
        )


@frozen(slots=True)
class FundingRate:
    """A settlement of a recorded market: when, and the fraction of notional that longs pay."""

    time_ns: int
    rate: Decimal


def bars_market(
    bars: Iterable[Bar],
    instrument: Instrument,
    *,
    points_per_leg: int = 1,
    spread_bps: Decimal = Decimal(1),
    funding: Iterable[FundingRate] = (),
) -> Iterator[MarketEvent]:
    """Turn bars into a path of marks, quotes, trades and, when it is over, the bar itself.

    Each bar goes open, the extreme on the other side of its close, the other extreme, close; each
    of the three legs has `points_per_leg` points (the open apart), which share time and volume
    evenly. Prints on the way down carry a buying aggressor and on the way up a selling one: a
    resting order fills when the path goes through its price and not when it only touches it. Quotes
    stand `spread_bps` apart (full spread, at least a tick). A bar without volume gives no trade and
    no quote, only its mark. `funding`, in time order, sets the running rate and the next
    settlement of the marks.
    """
    schedule = iter(funding)
    upcoming = next(schedule, None)
    trade_id = 0
    for bar in bars:
        while upcoming is not None and upcoming.time_ns <= bar.open_ns:
            upcoming = next(schedule, None)
        rate = upcoming.rate if upcoming is not None else Decimal(0)
        next_ns = upcoming.time_ns if upcoming is not None else 0
        if not bar.volume:
            yield MarkPrice(bar.key, bar.open, bar.open, rate, next_ns, bar.open_ns)
        else:
            points = _path(bar, instrument, points_per_leg)
            share = instrument.round_quantity(bar.volume / len(points))
            share = max(share, instrument.lot_step)
            spacing_ns = bar.interval_ns // (len(points) + 1)
            before = bar.open
            for place, price in enumerate(points):
                at_ns = bar.open_ns + place * spacing_ns
                trade_id += 1
                falling = price < before
                yield MarkPrice(bar.key, price, price, rate, next_ns, at_ns)
                yield _bar_quote(bar, instrument, price, share, spread_bps, trade_id, at_ns)
                yield Trade(bar.key, trade_id, price, share, not falling, at_ns)
                before = price
        yield bar


def _path(bar: Bar, instrument: Instrument, points_per_leg: int) -> list[Decimal]:
    rising = bar.close >= bar.open
    corners = (bar.low, bar.high, bar.close) if rising else (bar.high, bar.low, bar.close)
    points = [bar.open]
    start = bar.open
    for corner in corners:
        for place in range(1, points_per_leg):
            between = start + (corner - start) * place / points_per_leg
            points.append(instrument.nearest_price(between))
        points.append(corner)
        start = corner
    return points


def _bar_quote(
    bar: Bar,
    instrument: Instrument,
    price: Decimal,
    quantity: Decimal,
    spread_bps: Decimal,
    update_id: int,
    at_ns: int,
) -> Quote:
    tick = instrument.tick_size
    half = max(tick / 2, price * spread_bps / 20_000)
    bid = instrument.nearest_price(price - half)
    ask = max(instrument.nearest_price(price + half), bid + tick)
    return Quote(bar.key, bid, quantity, ask, quantity, update_id, at_ns, at_ns)
