"""What one symbol's market did, for REST: trades, bars, mark price, funding, the last day."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from attrs import frozen

from adapters.venues.binance_usdm.emulator.candles import Candle, Candles
from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.words import fixed
from core.messages import MarkPrice, Trade

__all__ = ["AggregateTrade", "FundingSettled", "Tape"]

_KEPT_TRADES = 1_000
_KEPT_FUNDING = 1_000
_DAY_MS = 86_400_000
_FINE = Decimal("0.00000001")
_MINUTE_MS = 60_000


@frozen(slots=True)
class AggregateTrade:
    """Consecutive trades of one side at one price."""

    id: int
    first: Trade
    last: Trade
    quantity: str

    def row(self, listing: Listing) -> dict[str, Any]:
        return {
            "a": self.id,
            "p": fixed(self.first.price, listing.price_places),
            "q": self.quantity,
            "nq": self.quantity,
            "f": self.first.trade_id,
            "l": self.last.trade_id,
            "T": self.last.event_ns // 1_000_000,
            "m": self.first.buyer_is_maker,
        }


@frozen(slots=True)
class FundingSettled:
    rate: str
    mark: str
    time_ms: int


class Tape:
    """Mutable, one owner: the market driver writes, the REST handlers read."""

    def __init__(self, listing: Listing, first_aggregate: int = 1) -> None:
        self.listing = listing
        instrument = listing.instrument
        self.candles = Candles(instrument.tick_size, instrument.lot_step)
        self.marks = Candles(_FINE, instrument.lot_step)
        self.indices = Candles(_FINE, instrument.lot_step)
        self.trades: deque[Trade] = deque(maxlen=_KEPT_TRADES)
        self.aggregates: deque[AggregateTrade] = deque(maxlen=_KEPT_TRADES)
        self.funding: deque[FundingSettled] = deque(maxlen=_KEPT_FUNDING)
        self._open: list[Trade] = []
        self._last_aggregate = first_aggregate - 1

    def trade(self, trade: Trade) -> AggregateTrade | None:
        """Take a trade; return the aggregate that it ended, if any."""
        self.trades.append(trade)
        self.candles.add(trade)
        ended = None
        if self._open:
            first = self._open[0]
            if (first.price, first.buyer_is_maker) != (trade.price, trade.buyer_is_maker):
                ended = self.flush()
        self._open.append(trade)
        return ended

    def flush(self) -> AggregateTrade | None:
        """End the aggregate that is being gathered, if any, and return it."""
        if not self._open:
            return None
        self._last_aggregate += 1
        total = sum((trade.quantity for trade in self._open[1:]), self._open[0].quantity)
        quantity = fixed(total, self.listing.quantity_places)
        ended = AggregateTrade(self._last_aggregate, self._open[0], self._open[-1], quantity)
        self.aggregates.append(ended)
        self._open.clear()
        return ended

    def mark(self, mark: MarkPrice) -> None:
        """Take a mark and index price."""
        time_ms = mark.event_ns // 1_000_000
        self.marks.price(mark.mark, time_ms)
        self.indices.price(mark.index, time_ms)

    def past_ready(self) -> None:
        """Give mark and index the traded past."""
        for candles in (self.marks, self.indices):
            candles.follow(self.candles)

    def advance(self, now_ms: int) -> None:
        """Close the bars that are over."""
        for candles in (self.candles, self.marks, self.indices):
            candles.advance(now_ms)

    def settle(self, mark: MarkPrice, time_ns: int) -> None:
        """Note a funding settlement."""
        self.funding.append(
            FundingSettled(f"{mark.funding_rate:.8f}", f"{mark.mark:.8f}", time_ns // 1_000_000)
        )

    def day(self, now_ms: int) -> dict[str, Any]:
        """Return the figures of the last 24 hours as numbers and text, by the REST names."""
        start = now_ms - now_ms % _MINUTE_MS - _DAY_MS + _MINUTE_MS
        rows = self.candles.rows(_MINUTE_MS, start, now_ms, 1_440)
        last = self.trades[-1] if self.trades else None
        if not rows:
            return {}
        opened, close = rows[0].open, rows[-1].close
        volume = sum(row.volume for row in rows)
        quote = sum(row.quote for row in rows)
        places, lots = self.listing.price_places, self.listing.quantity_places
        tick, lot = self.listing.instrument.tick_size, self.listing.instrument.lot_step
        base = lot * volume
        mean = tick * close if not base else tick * 0 + (lot * 0 + quote) / 100 / base
        return {
            "symbol": self.listing.instrument.key.symbol,
            "priceChange": fixed(tick * (close - opened), places),
            "priceChangePercent": f"{(close - opened) / opened * 100:.3f}",
            "weightedAvgPrice": fixed(mean, places),
            "lastPrice": fixed(tick * close, places),
            "lastQty": fixed(last.quantity if last else lot * 0, lots),
            "openPrice": fixed(tick * opened, places),
            "highPrice": fixed(tick * max(row.high for row in rows), places),
            "lowPrice": fixed(tick * min(row.low for row in rows), places),
            "volume": fixed(base, lots),
            "quoteVolume": f"{quote // 100}.{quote % 100:02d}",
            "openTime": rows[0].open_ms,
            "closeTime": now_ms,
            "firstId": self.trades[0].trade_id if self.trades else 0,
            "lastId": last.trade_id if last else 0,
            "count": sum(row.count for row in rows),
        }

    def price_klines(self, rows: list[Candle], interval_ms: int) -> Iterator[list[Any]]:
        """Write bars of mark or index prices as REST does: without volumes."""
        for row in rows:
            prices = (f"{_FINE * value:.8f}" for value in (row.open, row.high, row.low, row.close))
            end_ms = row.open_ms + interval_ms - 1
            yield [row.open_ms, *prices, "0", end_ms, "0", row.count, "0", "0", "0"]

    def klines(self, rows: list[Candle], interval_ms: int) -> Iterator[list[Any]]:
        """Write bars as REST does."""
        places, lots = self.listing.price_places, self.listing.quantity_places
        tick, lot = self.listing.instrument.tick_size, self.listing.instrument.lot_step
        for row in rows:
            yield [
                row.open_ms,
                fixed(tick * row.open, places),
                fixed(tick * row.high, places),
                fixed(tick * row.low, places),
                fixed(tick * row.close, places),
                fixed(lot * row.volume, lots),
                row.open_ms + interval_ms - 1,
                f"{row.quote // 100}.{row.quote % 100:02d}",
                row.count,
                fixed(lot * row.taker_volume, lots),
                f"{row.taker_quote // 100}.{row.taker_quote % 100:02d}",
                "0",
            ]
