"""Where the local exchange's market comes from: a seeded synthetic one, or files played anew."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice, pairwise
from math import sqrt
from pathlib import Path
from random import Random
from typing import Protocol

from attrs import evolve

from adapters.marketdata import MarketDataError, bar_file_name, read_bars, read_recording
from adapters.venues.binance_usdm.emulator import catalogue
from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from core.errors import UsageError
from core.exchange.markets import SyntheticMarket, SyntheticSettings, bars_market
from core.messages import (
    Bar,
    BookDelta,
    BookSnapshot,
    Key,
    MarketEvent,
    MarkPrice,
    Quote,
    Trade,
)

__all__ = ["MarketSource", "ReplaySource", "SyntheticSource", "open_source"]

Timed = tuple[int, MarketEvent]
_SECOND_NS = 1_000_000_000
_MS = 1_000_000
_FUNDING_NS = 8 * 3_600 * _SECOND_NS
_BASE_RATE = Decimal("0.0001")
_MAX_BATCH = 2_000
_MAX_STEPS = 100
_MAX_BEFORE_BOOK = 5_000
_MAX_PAST_BARS = 1_500
_LEGS = 3
_MAX_POINTS = 600
_LEVELS = 20
_LEVEL_NOTIONAL = Decimal(50_000)


class MarketSource(Protocol):
    """A market that tells what has happened by now; times and ids are those of the present."""

    def past(self) -> Mapping[str, Sequence[Bar]]:
        """Return bars from before the start, by symbol, where the source has any."""
        ...

    def opening(self, now_ns: int) -> list[MarketEvent]:
        """Start; return what a newcomer needs."""
        ...

    def due(self, now_ns: int) -> list[MarketEvent]:
        """Return what has happened since the last call, a bounded number of events."""
        ...


class SyntheticSource:
    """`core.exchange.markets.SyntheticMarket` of each symbol, its time compressed by `speed`."""

    def __init__(
        self,
        listings: Mapping[str, Listing],
        prices: Mapping[str, Decimal],
        seed: int,
        speed: float,
    ) -> None:
        self._listings = listings
        self._prices = prices
        self._seed = seed
        self._speed = speed
        self._markets: list[SyntheticMarket] = []
        self._first_id = 0
        self._book_shifts: dict[Key, int] = {}
        self._trade_shifts: dict[Key, int] = {}

    def past(self) -> Mapping[str, Sequence[Bar]]:
        return {}

    def opening(self, now_ns: int) -> list[MarketEvent]:
        self._first_id = now_ns // _MS * 1_000
        usual = SyntheticSettings()
        settings = SyntheticSettings(
            step_ns=max(_MS, int(usual.step_ns / self._speed)),
            swing_s=usual.swing_s / self._speed,
            drift_bps=usual.drift_bps * sqrt(self._speed),
        )
        self._markets = [
            SyntheticMarket(
                Random(f"{self._seed}/{symbol}"),
                listing.instrument,
                self._prices[symbol],
                start_ns=now_ns,
                settings=settings,
            )
            for symbol, listing in self._listings.items()
        ]
        return [self._moved(event) for market in self._markets for event in market.opening()]

    def due(self, now_ns: int) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        for market in self._markets:
            lag = now_ns - market.now_ns
            if lag > _MAX_STEPS * market.settings.step_ns:  # asleep: the time between is lost
                market.now_ns += lag - market.settings.step_ns
            events.extend(self._moved(event) for event in market.advance(now_ns))
        return events

    def shift(self, symbol: str, bps: int) -> None:
        """Let the next step of a symbol begin from a price moved by this much."""
        for market in self._markets:
            if market.key.symbol == symbol:
                market.shift(bps)

    def _moved(self, event: MarketEvent) -> MarketEvent:
        """Let ids go on rising over restarts of the process, as a venue's do."""
        match event:
            case BookDelta():
                shift = self._book_shift(event.key, event.last_id)
                return evolve(
                    event,
                    first_id=event.first_id + shift,
                    last_id=event.last_id + shift,
                    previous_id=event.previous_id + shift,
                )
            case BookSnapshot():
                return evolve(
                    event, last_id=event.last_id + self._book_shift(event.key, event.last_id)
                )
            case Quote():
                shift = self._book_shift(event.key, event.update_id)
                return event._replace(update_id=event.update_id + shift)
            case Trade():
                shift = self._trade_shifts.setdefault(event.key, self._first_id - event.trade_id)
                return evolve(event, trade_id=event.trade_id + shift)
        return event

    def _book_shift(self, key: Key, update_id: int) -> int:
        return self._book_shifts.setdefault(key, self._first_id - update_id)


class ReplaySource:
    """Timed events of the past, played from now on at `speed`; silent once they are over."""

    def __init__(
        self, events: Iterator[Timed], speed: float, past: Mapping[str, Sequence[Bar]]
    ) -> None:
        self._events = events
        self._speed = speed
        self._past = past
        self._next: Timed | None = None
        self._first_ns = 0
        self._start_ns = 0
        self._failure: MarketDataError | None = None
        self.over = False

    def past(self) -> Mapping[str, Sequence[Bar]]:
        return self._past

    def opening(self, now_ns: int) -> list[MarketEvent]:
        """Start at the first book, so that nobody sees the venue without one."""
        head: list[Timed] = []
        for timed in islice(self._events, _MAX_BEFORE_BOOK):
            head.append(timed)
            if isinstance(timed[1], BookSnapshot):
                break
        else:
            self._events = chain(head[1:], self._events)
            head = head[:1]
        if not head:
            raise UsageError("the recorded market is empty", "--market", "name another file")
        self._first_ns, self._start_ns = head[-1][0], now_ns
        self._advance()
        return [self._moved(event) for _, event in head]

    def due(self, now_ns: int) -> list[MarketEvent]:
        found: list[MarketEvent] = []
        while self._next is not None and len(found) < _MAX_BATCH:
            if self._now(self._next[0]) > now_ns:
                break
            found.append(self._moved(self._next[1]))
            self._advance()
        return found

    def take_failure(self) -> MarketDataError | None:
        """Return what ended the replay early, once."""
        failure, self._failure = self._failure, None
        return failure

    def _advance(self) -> None:
        try:
            self._next = next(self._events, None)
        except MarketDataError as failure:
            self._failure, self._next = failure, None
        self.over = self._next is None

    def _now(self, then_ns: int) -> int:
        return self._start_ns + int((then_ns - self._first_ns) / self._speed) // _MS * _MS

    def _moved(self, event: MarketEvent) -> MarketEvent:
        at_ns = self._now(event.open_ns if isinstance(event, Bar) else event.event_ns)
        match event:
            case MarkPrice():
                funding_ns = event.next_funding_ns
                if funding_ns:
                    funding_ns = self._now(funding_ns)
                else:
                    funding_ns = at_ns - at_ns % _FUNDING_NS + _FUNDING_NS
                rate = event.funding_rate if event.next_funding_ns else _BASE_RATE
                return evolve(event, event_ns=at_ns, next_funding_ns=funding_ns, funding_rate=rate)
            case Quote():
                return event._replace(event_ns=at_ns, received_ns=at_ns)
            case Bar():
                return event
        return evolve(event, event_ns=at_ns)


def with_marks(events: Iterator[Timed]) -> Iterator[Timed]:
    """Add a mark price a second, the middle of the best quote, where a recording has none."""
    due_ns = 0
    for received_ns, event in events:
        if isinstance(event, MarkPrice):
            yield received_ns, event
            yield from events
            return
        yield received_ns, event
        if isinstance(event, Quote) and event.event_ns >= due_ns:
            due_ns = event.event_ns + _SECOND_NS
            middle = (event.bid + event.ask) / 2
            yield (
                received_ns,
                MarkPrice(event.key, middle, middle, _BASE_RATE, 0, event.event_ns),
            )


def open_source(
    options: ExchangeOptions, kept: Mapping[str, Decimal]
) -> tuple[MarketSource, dict[str, Listing]]:
    """Open the market of the options; return it with the symbols to list.

    `kept` are symbols that the account knows already, with their last prices. Errors: `UsageError`
    naming the option or file.
    """
    symbols = dict.fromkeys(symbol.upper() for symbol in options.symbols)
    if options.market == "synthetic":
        symbols |= dict.fromkeys(kept)
        listings = {
            symbol: catalogue.listing(options.venue, symbol, kept.get(symbol)) for symbol in symbols
        }
        prices = {symbol: row.start_price for symbol, row in listings.items()}
        return SyntheticSource(listings, prices, options.seed, options.speed), listings
    paths = [Path(name) for name in options.market.split(",") if name]
    for path in paths:
        if not path.is_file():
            raise UsageError("no such market data", str(path), "name a file, or 'synthetic'")
    if all(bar_file_name(path) is not None for path in paths):
        return _open_bars(paths, options, kept)
    return _open_recording(paths, options, kept)


def _open_recording(
    paths: Sequence[Path], options: ExchangeOptions, kept: Mapping[str, Decimal]
) -> tuple[MarketSource, dict[str, Listing]]:
    prices: dict[str, Decimal] = {}
    for _, event in islice(read_recording(paths, options.venue), _MAX_BEFORE_BOOK):
        if isinstance(event, Quote):
            prices.setdefault(event.key.symbol, event.bid)
        elif isinstance(event, Trade):
            prices.setdefault(event.key.symbol, event.price)
    if not prices:
        raise MarketDataError("no quote or trade at the recording's beginning", paths[0])
    listings = _listings(options.venue, dict(kept) | prices)
    return ReplaySource(
        with_marks(read_recording(paths, options.venue)), options.speed, {}
    ), listings


def _open_bars(
    paths: Sequence[Path], options: ExchangeOptions, kept: Mapping[str, Decimal]
) -> tuple[MarketSource, dict[str, Listing]]:
    series: dict[str, list[Bar]] = {}
    for path in paths:
        for bar in read_bars(path, options.venue):
            series.setdefault(bar.key.symbol, []).append(bar)
    if not series:
        raise MarketDataError("no bars", paths[0])
    listings = _listings(
        options.venue, dict(kept) | {symbol: bars[0].close for symbol, bars in series.items()}
    )
    past: dict[str, Sequence[Bar]] = {}
    timed: list[Iterator[Timed]] = []
    for symbol, bars in series.items():
        if any(a.open_ns >= b.open_ns for a, b in pairwise(bars)):
            raise UsageError(f"the files of {symbol} are not in order", "--market", "sort them")
        split = min(len(bars) // 2, _MAX_PAST_BARS)
        past[symbol] = bars[:split]
        rounded = _on_grid(bars[split:], listings[symbol])
        start_ns = bars[split].open_ns
        # about a point a second, whatever the interval and the speed
        points = int(bars[split].interval_ns / options.speed / _LEGS / _SECOND_NS)
        points = max(2, min(_MAX_POINTS, points))
        events = bars_market(rounded, listings[symbol].instrument, points_per_leg=points)
        timed.append(_since(with_books(events, listings[symbol]), start_ns))
    return ReplaySource(heapq.merge(*timed, key=_time), options.speed, past), listings


def _listings(venue: str, prices: Mapping[str, Decimal]) -> dict[str, Listing]:
    return {symbol: catalogue.listing(venue, symbol, price) for symbol, price in prices.items()}


def _on_grid(bars: Sequence[Bar], listing: Listing) -> Iterator[Bar]:
    """Round bars to the instrument's steps: their market may have had others."""
    rules = listing.instrument
    for bar in bars:
        opened, close = rules.nearest_price(bar.open), rules.nearest_price(bar.close)
        yield evolve(
            bar,
            open=opened,
            close=close,
            high=max(opened, close, rules.nearest_price(bar.high)),
            low=min(opened, close, rules.nearest_price(bar.low)),
        )


def with_books(events: Iterator[MarketEvent], listing: Listing) -> Iterator[MarketEvent]:
    """Put a book around each quote, levels a tick apart: bars tell nothing of depth."""
    rules = listing.instrument
    last_id = time.time_ns() // _MS * 1_000
    for event in events:
        if isinstance(event, Quote):
            last_id += 1
            quantity = rules.round_quantity(_LEVEL_NOTIONAL / event.bid) or rules.lot_step
            steps = [rules.tick_size * step for step in range(_LEVELS)]
            bids = tuple((event.bid - step, quantity) for step in steps if step < event.bid)
            asks = tuple((event.ask + step, quantity) for step in steps)
            yield BookSnapshot(event.key, last_id, bids, asks, event.event_ns)
            yield event._replace(update_id=last_id, bid_quantity=quantity, ask_quantity=quantity)
        else:
            yield event


def _since(events: Iterator[MarketEvent], start_ns: int) -> Iterator[Timed]:
    for event in events:
        if isinstance(event, Bar):
            continue
        at_ns = event.event_ns - start_ns
        if isinstance(event, Quote):
            yield at_ns, event._replace(event_ns=at_ns)
        else:
            yield at_ns, evolve(event, event_ns=at_ns)


def _time(timed: Timed) -> int:
    return timed[0]
