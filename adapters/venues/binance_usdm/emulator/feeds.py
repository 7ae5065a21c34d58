"""Market streams of one symbol: frames in the venue's shapes and rhythms (§4.2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from adapters.venues.binance_usdm.emulator.clock import Clock
from adapters.venues.binance_usdm.emulator.hub import Hub
from adapters.venues.binance_usdm.emulator.tape import AggregateTrade, Tape
from adapters.venues.binance_usdm.emulator.words import INTERVALS_MS, fixed, ms
from core.exchange import Exchange, VenueTrade
from core.messages import BookDelta, MarkPrice, Quote, Trade

__all__ = ["MarketFeed"]

Frame = dict[str, Any]
_DEPTH_SPEEDS = {"": 250, "@100ms": 100, "@500ms": 500}
_PARTIAL = (5, 10, 20)
_encode = msgspec.json.encode


class _DepthBatch:
    """Changed levels since the last frame of one depth stream."""

    __slots__ = ("asks", "bids", "event_ns", "first_id", "last_id", "sent_id")

    def __init__(self, sent_id: int) -> None:
        self.sent_id = sent_id
        self.first_id = self.last_id = self.event_ns = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def add(self, delta: BookDelta) -> None:
        self.first_id = self.first_id or delta.first_id
        self.last_id, self.event_ns = delta.last_id, delta.event_ns
        self.bids.update(delta.bids)
        self.asks.update(delta.asks)


class MarketFeed:
    """Mutable, one owner. Frames are only built for streams that somebody reads."""

    def __init__(self, tape: Tape, exchange: Exchange, hub: Hub, clock: Clock) -> None:
        self._tape = tape
        self._exchange = exchange
        self._hub = hub
        self._clock = clock
        self._symbol = tape.listing.instrument.key.symbol
        self._name = self._symbol.lower()
        self._batches: dict[str, _DepthBatch] = {}
        self._due: dict[int, int] = {}
        self._mark: MarkPrice | None = None
        self._kline_open: dict[str, int] = {}

    def quote(self, quote: Quote) -> None:
        """Send a best bid and ask at once."""
        stream = f"{self._name}@bookTicker"
        if not (self._hub.wanted(stream) or self._hub.wanted("!bookTicker")):
            return
        places, lots = self._tape.listing.price_places, self._tape.listing.quantity_places
        frame = self._frame(
            "bookTicker",
            u=quote.update_id,
            ps=self._symbol,
            b=fixed(quote.bid, places),
            B=fixed(quote.bid_quantity, lots),
            a=fixed(quote.ask, places),
            A=fixed(quote.ask_quantity, lots),
            T=ms(quote.event_ns),
            st=1,
        )
        payload = _encode(frame)
        self._send(stream, payload)
        self._send("!bookTicker", payload)

    def depth(self, delta: BookDelta) -> None:
        """Gather a change of the book for every depth stream that is read."""
        for suffix in ("", "@100ms", "@500ms", "@0ms"):
            stream = f"{self._name}@depth{suffix}"
            if not self._hub.wanted(stream):
                self._batches.pop(stream, None)
                continue
            batch = self._batches.get(stream)
            if batch is None:
                batch = self._batches[stream] = _DepthBatch(delta.previous_id)
            batch.add(delta)
            if suffix == "@0ms":
                self._send_batch(stream, batch)

    def trade(self, trade: Trade, ended: AggregateTrade | None) -> None:
        """Send a trade, and the aggregate that it ended."""
        stream = f"{self._name}@trade"
        if self._hub.wanted(stream):
            frame = self._frame(
                "trade",
                T=ms(trade.event_ns),
                t=trade.trade_id,
                p=fixed(trade.price, self._tape.listing.price_places),
                q=fixed(trade.quantity, self._tape.listing.quantity_places),
                X="MARKET",
                m=trade.buyer_is_maker,
            )
            self._send(stream, _encode(frame))
        if ended is not None:
            self._aggregate(ended)

    def mark(self, mark: MarkPrice) -> None:
        """Keep the newest mark price for the next frame."""
        self._mark = mark

    def liquidated(self, trade: VenueTrade) -> None:
        """Tell the public of a liquidation."""
        fill = trade.fill
        places, lots = self._tape.listing.price_places, self._tape.listing.quantity_places
        quantity, price = fixed(fill.quantity, lots), fixed(fill.price, places)
        order = {
            "s": self._symbol,
            "S": fill.side.value.upper(),
            "o": "LIMIT",
            "f": "IOC",
            "q": quantity,
            "p": price,
            "ap": price,
            "X": "FILLED",
            "l": quantity,
            "z": quantity,
            "T": ms(fill.time_ns),
        }
        payload = _encode({"e": "forceOrder", "E": self._clock.told_ms(), "o": order})
        self._send(f"{self._name}@forceOrder", payload)
        self._send("!forceOrder@arr", payload)

    def tick(self, now_ms: int) -> None:
        """Send what is gathered in rhythms; call it every few tens of milliseconds."""
        for speed in (100, 250, 500):
            if self._is_due(speed, now_ms):
                self._send_depth(speed)
        if self._is_due(101, now_ms) and (ended := self._tape.flush()) is not None:
            self._aggregate(ended)
        if self._is_due(251, now_ms):
            self._send_klines()
        if self._is_due(1_000, now_ms):
            self._send_mark("@1s")
            self._send_day(now_ms)
        if self._is_due(3_000, now_ms):
            self._send_mark("")

    def mark_frame(self) -> Frame | None:
        """Return the newest mark price as a frame, None before the first."""
        mark = self._mark
        if mark is None:
            return None
        return self._frame(
            "markPriceUpdate",
            p=f"{mark.mark:.8f}",
            ap=f"{mark.mark:.8f}",
            i=f"{mark.index:.8f}",
            P=f"{mark.mark:.8f}",
            r=f"{mark.funding_rate:.8f}",
            T=ms(mark.next_funding_ns),
            st=1,
        )

    def _is_due(self, rhythm: int, now_ms: int) -> bool:
        period = rhythm - rhythm % 10
        due = self._due.get(rhythm, 0)
        if now_ms < due:
            return False
        self._due[rhythm] = now_ms - now_ms % period + period
        return True

    def _frame(self, event: str, **values: object) -> Frame:
        return {"e": event, "E": self._clock.told_ms(), "s": self._symbol, **values}

    def _send(self, stream: str, payload: bytes) -> None:
        self._hub.publish(stream, payload, self._symbol)

    def _aggregate(self, ended: AggregateTrade) -> None:
        stream = f"{self._name}@aggTrade"
        if self._hub.wanted(stream):
            row = ended.row(self._tape.listing)
            self._send(stream, _encode(self._frame("aggTrade", **row, st=1)))

    def _send_depth(self, speed: int) -> None:
        for suffix, pace in _DEPTH_SPEEDS.items():
            if pace != speed:
                continue
            stream = f"{self._name}@depth{suffix}"
            batch = self._batches.get(stream)
            if batch is not None and batch.last_id:
                self._send_batch(stream, batch)
            for levels in _PARTIAL:
                partial = f"{self._name}@depth{levels}{suffix}"
                if self._hub.wanted(partial):
                    self._send_partial(partial, levels)

    def _send_batch(self, stream: str, batch: _DepthBatch) -> None:
        frame = self._frame(
            "depthUpdate",
            T=ms(batch.event_ns),
            ps=self._symbol,
            st=1,
            U=batch.first_id,
            u=batch.last_id,
            pu=batch.sent_id,
            b=self.levels(batch.bids.items()),
            a=self.levels(batch.asks.items()),
        )
        self._batches[stream] = _DepthBatch(batch.last_id)
        self._send(stream, _encode(frame))

    def _send_partial(self, stream: str, count: int) -> None:
        book = self._exchange.book(self._symbol)
        if not book.synced:
            return
        bids, asks = book.top(count)
        frame = self._frame(
            "depthUpdate",
            T=ms(book.event_ns),
            ps=self._symbol,
            st=1,
            U=book.last_id,
            u=book.last_id,
            pu=book.last_id - 1,
            b=self.levels(bids),
            a=self.levels(asks),
        )
        self._send(stream, _encode(frame))

    def levels(self, levels: Any) -> list[tuple[str, str]]:
        """Write price levels as the venue does."""
        places, lots = self._tape.listing.price_places, self._tape.listing.quantity_places
        return [(f"{price:.{places}f}", f"{quantity:.{lots}f}") for price, quantity in levels]

    def _send_mark(self, suffix: str) -> None:
        stream = f"{self._name}@markPrice{suffix}"
        if self._hub.wanted(stream) and (frame := self.mark_frame()) is not None:
            self._send(stream, _encode(frame))

    def _send_klines(self) -> None:
        prefix = f"{self._name}@kline_"
        for stream in self._hub.streams():
            interval = stream[len(prefix) :]
            if not stream.startswith(prefix) or interval not in INTERVALS_MS:
                continue
            span = INTERVALS_MS[interval]
            rows = self._tape.candles.rows(span, 0, 0, 2)
            for row, values in zip(rows, self._tape.klines(rows, span), strict=True):
                closed = row is not rows[-1]
                if closed and self._kline_open.get(stream) != row.open_ms:
                    continue
                if not closed:
                    self._kline_open[stream] = row.open_ms
                names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
                kline: Frame = dict(zip(names, values, strict=True))
                kline |= {"s": self._symbol, "i": interval, "f": 0, "L": 0, "x": closed}
                self._send(stream, _encode(self._frame("kline", k=kline)))

    def _send_day(self, now_ms: int) -> None:
        streams = f"{self._name}@miniTicker", f"{self._name}@ticker"
        if any(map(self._hub.wanted, streams)):
            for stream, frame in zip(streams, self.day_frames(now_ms), strict=False):
                self._send(stream, _encode(frame))

    def day_frames(self, now_ms: int) -> tuple[Frame, ...]:
        """Return the short and the full frame of the last 24 hours; nothing before any trade."""
        day = self._tape.day(now_ms)
        if not day:
            return ()
        short = {
            "c": day["lastPrice"],
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
        }
        rest = {
            "p": day["priceChange"],
            "P": day["priceChangePercent"],
            "w": day["weightedAvgPrice"],
            "Q": day["lastQty"],
            "O": day["openTime"],
            "C": day["closeTime"],
            "F": day["firstId"],
            "L": day["lastId"],
            "n": day["count"],
        }
        return (
            self._frame("24hrMiniTicker", **short),
            self._frame("24hrTicker", **short, **rest),
        )
