"""Market frames of Binance → core events, in one typed pass of msgspec each."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import chain

import msgspec

from adapters.venues.binance_usdm.decode import MS_NS, finite
from core.errors import FrameError
from core.messages import Bar, BookDelta, Key, Level, MarketEvent, MarkPrice, Quote, Trade

__all__ = ["MarketFrames", "public_streams", "regular_streams"]

_MINUTE_NS = 60_000_000_000
_PRICES_MAX = 10_000
_LEAST, _MOST = Decimal("1E-30"), Decimal("1E+30")
"""What lies between needs no `finite`, which costs three times as much as two comparisons."""


class _Quote(msgspec.Struct, tag_field="e", tag="bookTicker", gc=False):
    s: str
    u: int
    b: str
    B: Decimal
    a: str
    A: Decimal
    E: int


class _Depth(msgspec.Struct, tag_field="e", tag="depthUpdate"):
    s: str
    U: int
    u: int
    pu: int
    b: tuple[Level, ...]
    a: tuple[Level, ...]
    E: int
    T: int


class _AggTrade(msgspec.Struct, tag_field="e", tag="aggTrade"):
    s: str
    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class _RawTrade(msgspec.Struct, tag_field="e", tag="trade"):
    s: str
    t: int
    p: Decimal
    q: Decimal
    T: int
    m: bool
    X: str = "MARKET"


class _Mark(msgspec.Struct, tag_field="e", tag="markPriceUpdate"):
    s: str
    p: Decimal
    i: Decimal
    r: Decimal
    T: int
    E: int


class _Candle(msgspec.Struct):
    t: int
    i: str
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 (the venue's name)
    c: Decimal
    v: Decimal
    x: bool


class _Kline(msgspec.Struct, tag_field="e", tag="kline"):
    s: str
    k: _Candle


_Event = _Quote | _Depth | _AggTrade | _RawTrade | _Mark | _Kline


class _Wrapped(msgspec.Struct, gc=False):
    data: _Event


class _Kind(msgspec.Struct):
    e: str


class _WrappedKind(msgspec.Struct):
    data: _Kind


class _Prices(dict[str, Decimal]):
    """Prices by their text: best prices repeat for long, and a look-up costs a sixth of parsing."""

    def __missing__(self, text: str) -> Decimal:
        try:
            price = Decimal(text)
        except ArithmeticError:
            raise FrameError("bookTicker: a price is not a decimal number") from None
        finite("bookTicker", (price,))
        if len(self) >= _PRICES_MAX:
            self.clear()
        self[text] = price
        return price


_WRAPPED = msgspec.json.Decoder(_Wrapped)
_RAW = msgspec.json.Decoder(_Event)
_WRAPPED_KIND = msgspec.json.Decoder(_WrappedKind)
_KNOWN = frozenset({"bookTicker", "depthUpdate", "aggTrade", "trade", "markPriceUpdate", "kline"})


class MarketFrames:
    """Decoder of one connection: knows its symbols, counts what it left out.

    `decode` returns None for an event of another kind or of a symbol that was not asked for, and
    for prints that are no market trades (insurance fund, ADL), counted in `ignored`.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.symbol: key for key in keys}
        self._prices = _Prices()
        self.ignored = 0

    def decode(self, raw: bytes, received_ns: int) -> MarketEvent | None:
        """Turn one wrapped frame into an event. Errors: `FrameError` naming what is wrong."""
        try:
            event = _WRAPPED.decode(raw).data
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
            self._odd(raw, error)
            return None
        key = self._keys.get(event.s)
        if key is None:
            self.ignored += 1
            return None
        if type(event) is _Quote:
            bid_quantity, ask_quantity = event.B, event.A
            try:
                usual = _LEAST < bid_quantity < _MOST and _LEAST < ask_quantity < _MOST
            except ArithmeticError:
                usual = False
            if not usual:
                finite("bookTicker", (bid_quantity, ask_quantity))
            prices, event_ns = self._prices, event.E * MS_NS
            bid, ask = prices[event.b], prices[event.a]
            # Its own constructor is Python code and costs twice as much.
            return tuple.__new__(
                Quote,
                (key, bid, bid_quantity, ask, ask_quantity, event.u, event_ns, received_ns),
            )
        if type(event) is _Depth:
            return _depth(event, key)
        return self._rest(event, key)

    def _rest(self, event: _Event, key: Key) -> MarketEvent | None:
        match event:
            case _AggTrade():
                return _trade(event, key, event.a)
            case _RawTrade() if event.X == "MARKET":
                return _trade(event, key, event.t)
            case _Mark():
                return _mark(event, key)
            case _Kline() if event.k.i == "1m":
                return _bar(event.k, key)
        self.ignored += 1
        return None

    def _odd(self, raw: bytes, error: Exception) -> None:
        """Count an event of a kind nobody asked for; anything else is no frame of the venue."""
        try:
            kind = _WRAPPED_KIND.decode(raw).data.e
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise FrameError(f"market frame: {type(error).__name__}") from None
        if kind in _KNOWN:
            place = str(error) if isinstance(error, msgspec.ValidationError) else ""
            raise FrameError(f"{kind}: {place[:120]}") from None
        self.ignored += 1


def public_streams(keys: Iterable[Key]) -> list[str]:
    """Name the streams of the high-speed route: best prices and book updates."""
    return [
        f"{key.symbol.lower()}@{stream}" for key in keys for stream in ("bookTicker", "depth@100ms")
    ]


def regular_streams(keys: Iterable[Key]) -> list[str]:
    """Name the streams of the regular route: trades, mark prices, one-minute bars."""
    return [
        f"{key.symbol.lower()}@{stream}"
        for key in keys
        for stream in ("aggTrade", "markPrice@1s", "kline_1m")
    ]


def _depth(event: _Depth, key: Key) -> BookDelta:
    finite("depthUpdate", chain.from_iterable(chain(event.b, event.a)))
    return BookDelta(key, event.U, event.u, event.pu, event.b, event.a, event.T * MS_NS)


def _trade(event: _AggTrade | _RawTrade, key: Key, number: int) -> Trade:
    finite("trade", (event.p, event.q))
    return Trade(key, number, event.p, event.q, event.m, event.T * MS_NS)


def _mark(event: _Mark, key: Key) -> MarkPrice:
    finite("markPriceUpdate", (event.p, event.i, event.r))
    return MarkPrice(key, event.p, event.i, event.r, event.T * MS_NS, event.E * MS_NS)


def _bar(candle: _Candle, key: Key) -> Bar:
    figures = (candle.o, candle.h, candle.l, candle.c, candle.v)
    finite("kline", figures)
    return Bar(key, _MINUTE_NS, candle.t * MS_NS, *figures, closed=candle.x)
