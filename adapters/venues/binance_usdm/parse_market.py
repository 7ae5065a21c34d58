"""REST answers about markets → core types: instruments, brackets, books, bars, mark prices."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain

import msgspec
from attrs import frozen

from adapters.venues.binance_usdm.decode import decimal, decode, finite, nanoseconds
from core.errors import FrameError
from core.instruments import Instrument, LeverageBracket
from core.messages import Bar, BookSnapshot, Key, Level, MarkPrice
from core.ports import Commission

__all__ = [
    "CONDITIONAL_ORDERS_MAX",
    "ExchangeInfo",
    "bars",
    "book",
    "brackets",
    "commission",
    "exchange_info",
    "mark_price",
    "server_time_ns",
]

CONDITIONAL_ORDERS_MAX = 200
"""Untriggered conditional orders per account; exchangeInfo no longer states it (sheet §3.1)."""

_PERPETUAL = ("PERPETUAL", "TRADIFI_PERPETUAL")
_POSITIVE = ("tickSize", "stepSize", "maxQty", "maxPrice", "multiplierUp")
"""What rounding and sizing cannot do without; other figures are seen as 0 on odd listings."""
_LIMIT_NAMES = {
    ("REQUEST_WEIGHT", "MINUTE", 1): "weight_1m",
    ("ORDERS", "SECOND", 10): "orders_10s",
    ("ORDERS", "MINUTE", 1): "orders_1m",
}


class _Time(msgspec.Struct):
    serverTime: int


class _Limit(msgspec.Struct):
    rateLimitType: str
    interval: str
    intervalNum: int
    limit: int


class _Symbol(msgspec.Struct):
    symbol: str
    contractType: str
    status: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    filters: list[dict[str, str | int | None]]
    liquidationFee: str = ""


class _Info(msgspec.Struct):
    rateLimits: list[_Limit]
    symbols: list[_Symbol]


class _Depth(msgspec.Struct):
    lastUpdateId: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    E: int = 0
    T: int = 0


class _Premium(msgspec.Struct):
    symbol: str
    markPrice: Decimal
    indexPrice: Decimal
    lastFundingRate: str
    nextFundingTime: int
    time: int


class _Bracket(msgspec.Struct):
    initialLeverage: int
    notionalCap: Decimal
    notionalFloor: Decimal
    maintMarginRatio: Decimal
    cum: Decimal


class _Brackets(msgspec.Struct):
    symbol: str
    brackets: list[_Bracket]


class _Commission(msgspec.Struct):
    symbol: str
    makerCommissionRate: Decimal
    takerCommissionRate: Decimal


_Kline = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, int, str, int, str, str, str]
_TIME = msgspec.json.Decoder(_Time)
_INFO = msgspec.json.Decoder(_Info)
_DEPTH = msgspec.json.Decoder(_Depth)
_KLINES = msgspec.json.Decoder(list[_Kline])
_PREMIUM = msgspec.json.Decoder(_Premium)
_BRACKETS = msgspec.json.Decoder(list[_Brackets] | _Brackets)
_COMMISSION = msgspec.json.Decoder(_Commission)


@frozen(slots=True)
class ExchangeInfo:
    """What exchangeInfo says: instruments, rate limits by our names, perpetuals left out and why.

    One odd listing must not keep the host from trading everything else, so an unreadable symbol
    is left out and named.
    """

    instruments: tuple[Instrument, ...]
    limits: dict[str, int]
    unreadable: tuple[str, ...]


def server_time_ns(raw: bytes) -> int:
    return nanoseconds(decode(_TIME, raw, "time").serverTime, "time")


def exchange_info(raw: bytes, venue: str) -> ExchangeInfo:
    """Read all perpetuals. Errors: `FrameError` where the whole is unreadable."""
    info = decode(_INFO, raw, "exchangeInfo")
    limits = {
        name: limit.limit
        for limit in info.rateLimits
        if (name := _LIMIT_NAMES.get((limit.rateLimitType, limit.interval, limit.intervalNum)))
        and limit.limit > 0
    }
    instruments, unreadable = [], []
    for symbol in info.symbols:
        if symbol.contractType not in _PERPETUAL:
            continue
        try:
            instruments.append(_instrument(symbol, venue))
        except FrameError as error:
            unreadable.append(str(error))
    return ExchangeInfo(tuple(instruments), limits, tuple(unreadable))


def _instrument(row: _Symbol, venue: str) -> Instrument:
    filters = {str(entry.get("filterType")): entry for entry in row.filters}

    def figure(kind: str, name: str) -> Decimal:
        what = f"exchangeInfo {row.symbol} {kind}.{name}"
        value = filters.get(kind, {}).get(name)
        if value is None:
            raise FrameError(f"{what}: missing")
        number = decimal(value, what)
        if number < 0 or (number == 0 and name in _POSITIVE):
            raise FrameError(f"{what}: not positive")
        return number

    return Instrument(
        key=Key(venue, row.symbol),
        base=row.baseAsset,
        quote=row.quoteAsset,
        margin_asset=row.marginAsset,
        tick_size=figure("PRICE_FILTER", "tickSize"),
        lot_step=figure("LOT_SIZE", "stepSize"),
        min_quantity=figure("LOT_SIZE", "minQty"),
        max_quantity=figure("LOT_SIZE", "maxQty"),
        market_max_quantity=figure("MARKET_LOT_SIZE", "maxQty"),
        min_notional=figure("MIN_NOTIONAL", "notional"),
        min_price=figure("PRICE_FILTER", "minPrice"),
        max_price=figure("PRICE_FILTER", "maxPrice"),
        price_up=figure("PERCENT_PRICE", "multiplierUp"),
        price_down=figure("PERCENT_PRICE", "multiplierDown"),
        max_open_orders=int(figure("MAX_NUM_ORDERS", "limit")),
        max_conditional_orders=CONDITIONAL_ORDERS_MAX,
        trading=row.status == "TRADING",
        liquidation_fee=decimal(row.liquidationFee, f"exchangeInfo {row.symbol} liquidationFee"),
    )


def book(raw: bytes, key: Key) -> BookSnapshot:
    """Read a depth snapshot; its time is the match time."""
    depth = decode(_DEPTH, raw, "depth")
    finite("depth", chain.from_iterable(chain(depth.bids, depth.asks)))
    return BookSnapshot(
        key, depth.lastUpdateId, depth.bids, depth.asks, nanoseconds(depth.T, "depth T")
    )


def bars(raw: bytes, key: Key, interval_ns: int, now_ns: int) -> tuple[Bar, ...]:
    """Read klines, oldest first; one whose end lies after `now_ns` (venue's time) is not closed."""
    rows = decode(_KLINES, raw, "klines")
    result = []
    for row in rows:
        finite("klines", row[1:6])
        open_ns = nanoseconds(row[0], "klines open time")
        result.append(
            Bar(
                key,
                interval_ns,
                open_ns,
                row[1],
                row[2],
                row[3],
                row[4],
                row[5],
                closed=open_ns + interval_ns <= now_ns,
            )
        )
    return tuple(result)


def mark_price(raw: bytes, key: Key) -> MarkPrice:
    """Read premiumIndex of one symbol; the rate is the running one of this interval."""
    row = decode(_PREMIUM, raw, "premiumIndex")
    finite("premiumIndex", (row.markPrice, row.indexPrice))
    if row.symbol != key.symbol:
        raise FrameError(f"premiumIndex: asked for {key.symbol}, got {row.symbol[:24]!r}")
    return MarkPrice(
        key,
        row.markPrice,
        row.indexPrice,
        decimal(row.lastFundingRate, "premiumIndex lastFundingRate"),
        nanoseconds(row.nextFundingTime, "premiumIndex nextFundingTime"),
        nanoseconds(row.time, "premiumIndex time"),
    )


def brackets(raw: bytes, key: Key) -> tuple[LeverageBracket, ...]:
    """Read the symbol's brackets, smallest notional first; the venue sends one object or a list."""
    answer = decode(_BRACKETS, raw, "leverageBracket")
    rows = answer if isinstance(answer, list) else [answer]
    for row in rows:
        if row.symbol == key.symbol and row.brackets:
            result = sorted(
                (_bracket(bracket) for bracket in row.brackets), key=lambda one: one.floor
            )
            return tuple(result)
    raise FrameError(f"leverageBracket: nothing for {key.symbol}")


def _bracket(row: _Bracket) -> LeverageBracket:
    finite("leverageBracket", (row.notionalFloor, row.notionalCap, row.maintMarginRatio, row.cum))
    return LeverageBracket(
        row.notionalFloor, row.notionalCap, row.initialLeverage, row.maintMarginRatio, row.cum
    )


def commission(raw: bytes, key: Key) -> Commission:
    row = decode(_COMMISSION, raw, "commissionRate")
    finite("commissionRate", (row.makerCommissionRate, row.takerCommissionRate))
    if row.symbol != key.symbol:
        raise FrameError(f"commissionRate: asked for {key.symbol}, got {row.symbol[:24]!r}")
    return Commission(row.makerCommissionRate, row.takerCommissionRate)
