"""The rhythm of the local exchange: play the market, do what is due, note where prices stand."""

from __future__ import annotations

import asyncio
import logging
from random import Random

from adapters.venues.binance_usdm.emulator.sources import (
    MarketSource,
    ReplaySource,
    SyntheticSource,
)
from adapters.venues.binance_usdm.emulator.venue import LocalVenue

__all__ = ["PRICE_NOTE", "MarketDriver"]

PRICE_NOTE = "price/"
_log = logging.getLogger("bulkhead.exchange")
_TICK_S = 0.01
_NOTE_EVERY_MS = 1_000
_MINUTE_MOVE = 0.0006
_MS = 1_000_000


class MarketDriver:
    """Owns the market's source. Ends only by an error, which ends the exchange."""

    def __init__(self, venue: LocalVenue, source: MarketSource) -> None:
        self._venue = venue
        self._source = source
        self._noted_ms = 0
        self._told_over = False

    def open(self) -> None:
        """Give every symbol its past and its first book, before anyone can connect."""
        venue = self._venue
        now_ns = venue.clock.now_ns()
        past = self._source.past()
        opening = self._source.opening(now_ns)
        for symbol, tape in venue.tapes.items():
            bars = past.get(symbol, ())
            if bars:
                tape.candles.load_until(bars, now_ns // _MS)
            else:
                random = Random(f"{venue.options.seed}/{symbol}/past")
                price = tape.listing.start_price
                tape.candles.seed(random, price, now_ns // _MS, _MINUTE_MOVE)
            tape.past_ready()
            tape.advance(now_ns // _MS)
        venue.on_market(opening)

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            if self._venue.clock.market_stands:
                await asyncio.sleep(_TICK_S)
                continue
            now_ns = self._venue.clock.now_ns()
            self._jump()
            events = self._source.due(now_ns)
            if events:
                self._venue.on_market(events)
            self._venue.tick()
            self._note(now_ns // _MS)
            self._tell_end()
            await asyncio.sleep(0 if len(events) > 500 else _TICK_S)

    def _jump(self) -> None:
        jumps, self._venue.jumps = self._venue.jumps, []
        if isinstance(self._source, SyntheticSource):
            for symbol, bps in jumps:
                self._source.shift(symbol, bps)

    def note_prices(self) -> None:
        """Keep the last prices, where the next process starts a synthetic market."""
        venue = self._venue
        prices = ((symbol, venue.exchange.last_trade(symbol)) for symbol in venue.listings)
        venue.store.set_notes(
            (PRICE_NOTE + symbol, f"{trade.price:f}") for symbol, trade in prices if trade
        )

    def _note(self, now_ms: int) -> None:
        if now_ms - self._noted_ms >= _NOTE_EVERY_MS:
            self._noted_ms = now_ms
            self.note_prices()

    def _tell_end(self) -> None:
        source = self._source
        if not isinstance(source, ReplaySource) or self._told_over or not source.over:
            return
        self._told_over = True
        failure = source.take_failure()
        if failure is not None:
            _log.warning("the recorded market ends early: %s", failure)
        _log.warning("the recorded market is over; the last book stands")
