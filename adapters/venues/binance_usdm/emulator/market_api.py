"""Market data over REST: rules, books, bars, marks, trades and the last day (§3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.endpoints import Endpoint, Handler, Security
from adapters.venues.binance_usdm.emulator.errors import bad_request, invalid_value
from adapters.venues.binance_usdm.emulator.request import Parameters
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from adapters.venues.binance_usdm.emulator.words import INTERVALS_MS, fixed, ms
from core.market import Book
from core.messages import MarkPrice
from core.money import text

__all__ = ["ENDPOINTS"]

_DEPTHS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}
_FAR_FUTURE_MS = 4_133_404_800_000
_LISTED_MS = 1_569_398_400_000


def _ping(_: LocalVenue, __: Parameters) -> dict[str, Any]:
    return {}


def _system_status(_: LocalVenue, __: Parameters) -> dict[str, Any]:
    return {"status": 0, "msg": "normal"}


def _time(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {"serverTime": venue.clock.told_ms()}


def _exchange_info(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {
        "timezone": "UTC",
        "serverTime": venue.clock.told_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": venue.limits.rules(),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_symbol_rules(listing) for listing in venue.listings.values()],
    }


def _symbol_rules(listing: Listing) -> dict[str, Any]:
    rules = listing.instrument
    places, lots = listing.price_places, listing.quantity_places
    step = fixed(rules.lot_step, lots)
    return {
        "symbol": rules.key.symbol,
        "pair": rules.key.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _FAR_FUTURE_MS,
        "onboardDate": _LISTED_MS,
        "status": "TRADING" if rules.trading else "CLOSE",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.margin_asset,
        "pricePrecision": places,
        "quantityPrecision": lots,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": text(rules.liquidation_fee),
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(rules.min_price),
                "maxPrice": text(rules.max_price),
                "tickSize": fixed(rules.tick_size, places),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": fixed(rules.min_quantity, lots),
                "maxQty": text(rules.max_quantity),
                "stepSize": step,
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": fixed(rules.min_quantity, lots),
                "maxQty": text(rules.market_max_quantity),
                "stepSize": step,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_open_orders},
            {"filterType": "MIN_NOTIONAL", "notional": text(rules.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": fixed(rules.price_up, 4),
                "multiplierDown": fixed(rules.price_down, 4),
                "multiplierDecimal": "4",
            },
            {
                "filterType": "POSITION_RISK_CONTROL",
                "positionControlSide": "NONE",
                "notionalLimit": None,
            },
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY", "DCA"],
    }


def _depth_weight(p: Parameters) -> int:
    return _DEPTHS.get(p.integer("limit", 500), 10)


def _depth(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    listing = venue.listing(p.need("symbol"))
    symbol = listing.instrument.key.symbol
    limit = p.integer("limit", 500)
    if limit not in _DEPTHS:
        raise invalid_value("limit")
    given = venue.snapshots[symbol]
    if given and venue.faults.snapshot("/fapi/v1/depth", symbol) is not None:
        return given[0]
    book = venue.exchange.book(symbol)
    bids, asks = book.top(limit) if book.synced else _quote_levels(venue, symbol)
    levels = venue.feeds[symbol].levels
    answer = {
        "lastUpdateId": book.last_id or _quote_id(venue, symbol),
        "E": venue.clock.told_ms(),
        "T": ms(book.event_ns) or venue.clock.told_ms(),
        "bids": levels(bids),
        "asks": levels(asks),
    }
    given.append(answer)
    return answer


def _quote_levels(venue: LocalVenue, symbol: str) -> tuple[Any, Any]:
    quote = venue.exchange.quote(symbol)
    if quote is None:
        return (), ()
    return ((quote.bid, quote.bid_quantity),), ((quote.ask, quote.ask_quantity),)


def _quote_id(venue: LocalVenue, symbol: str) -> int:
    quote = venue.exchange.quote(symbol)
    return quote.update_id if quote else 0


def _klines_weight(p: Parameters) -> int:
    limit = p.integer("limit", 500)
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1_000 else 10


def _klines(name: str, kind: str = "trades") -> Handler:
    def handler(venue: LocalVenue, p: Parameters) -> list[list[Any]]:
        listing = venue.listing(p.need(name))
        interval = p.need("interval")
        if interval not in INTERVALS_MS:
            raise bad_request(-1120, "Invalid interval.")
        limit = p.integer("limit", 500)
        if not 1 <= limit <= 1_500:
            raise invalid_value("limit")
        span = INTERVALS_MS[interval]
        tape = venue.tapes[listing.instrument.key.symbol]
        chosen = (p.integer("startTime", 0), p.integer("endTime", 0), limit)
        if kind == "trades":
            return list(tape.klines(tape.candles.rows(span, *chosen), span))
        candles = tape.marks if kind == "mark" else tape.indices
        return list(tape.price_klines(candles.rows(span, *chosen), span))

    return handler


def _premium_index(venue: LocalVenue, p: Parameters) -> Any:
    if "symbol" in p:
        symbol = venue.venue_key(p.text("symbol")).symbol
        row = _premium_row(venue, symbol)
        if row is None:
            raise bad_request(-1112, "No orders on book for symbol.")
        return row
    rows = (_premium_row(venue, symbol) for symbol in venue.listings)
    return [row for row in rows if row is not None]


def _premium_row(venue: LocalVenue, symbol: str) -> dict[str, Any] | None:
    mark: MarkPrice | None = venue.exchange.mark(symbol)
    if mark is None:
        return None
    return {
        "symbol": symbol,
        "markPrice": fixed(mark.mark, 8),
        "indexPrice": fixed(mark.index, 8),
        "estimatedSettlePrice": fixed(mark.mark, 8),
        "lastFundingRate": fixed(mark.funding_rate, 8),
        "interestRate": "0.00010000",
        "nextFundingTime": ms(mark.next_funding_ns),
        "time": ms(mark.event_ns),
    }


def _funding_rate(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    chosen = venue.venue_key(p.text("symbol")).symbol if "symbol" in p else ""
    start, end = p.integer("startTime", 0), p.integer("endTime", 0)
    limit = p.integer("limit", 100 if start or end else 200)
    if not 1 <= limit <= 1_000:
        raise invalid_value("limit")
    rows = [
        {
            "symbol": symbol,
            "fundingRate": row.rate,
            "fundingTime": row.time_ms,
            "markPrice": row.mark,
            "rateType": "Regular",
        }
        for symbol in ([chosen] if chosen else venue.listings)
        for row in venue.tapes[symbol].funding
        if start <= row.time_ms and (not end or row.time_ms <= end)
    ]
    rows.sort(key=_funding_time)
    return rows[:limit] if start else rows[-limit:]


def _funding_time(row: dict[str, Any]) -> int:
    return int(row["fundingTime"])


def _funding_info(_: LocalVenue, __: Parameters) -> list[dict[str, Any]]:
    return []


def _book_ticker(venue: LocalVenue, p: Parameters) -> Any:
    if "symbol" in p:
        row = _book_ticker_row(venue, venue.venue_key(p.text("symbol")).symbol)
        if row is None:
            raise bad_request(-1112, "No orders on book for symbol.")
        return row
    rows = (_book_ticker_row(venue, symbol) for symbol in venue.listings)
    return [row for row in rows if row is not None]


def _book_ticker_row(venue: LocalVenue, symbol: str) -> dict[str, Any] | None:
    listing, book = venue.listing(symbol), venue.exchange.book(symbol)
    found = _best(venue, symbol, book)
    if found is None:
        return None
    (bid, bid_quantity), (ask, ask_quantity), update_id = found
    return {
        "symbol": symbol,
        "bidPrice": fixed(bid, listing.price_places),
        "bidQty": fixed(bid_quantity, listing.quantity_places),
        "askPrice": fixed(ask, listing.price_places),
        "askQty": fixed(ask_quantity, listing.quantity_places),
        "time": venue.clock.told_ms(),
        "lastUpdateId": update_id,
    }


def _best(
    venue: LocalVenue, symbol: str, book: Book
) -> tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal], int] | None:
    bid, ask = book.best_bid(), book.best_ask()
    if book.synced and bid is not None and ask is not None:
        return bid, ask, book.last_id
    quote = venue.exchange.quote(symbol)
    if quote is None:
        return None
    return (quote.bid, quote.bid_quantity), (quote.ask, quote.ask_quantity), quote.update_id


def _price(venue: LocalVenue, p: Parameters) -> Any:
    if "symbol" in p:
        return _price_row(venue, venue.venue_key(p.text("symbol")).symbol)
    return [_price_row(venue, symbol) for symbol in venue.listings]


def _price_row(venue: LocalVenue, symbol: str) -> dict[str, Any]:
    listing, trade = venue.listing(symbol), venue.exchange.last_trade(symbol)
    price = trade.price if trade else listing.start_price
    return {
        "symbol": symbol,
        "price": fixed(price, listing.price_places),
        "time": ms(trade.event_ns) if trade else venue.clock.told_ms(),
    }


def _day(venue: LocalVenue, p: Parameters) -> Any:
    now_ms = ms(venue.clock.now_ns())
    if "symbol" in p:
        return venue.tapes[venue.venue_key(p.text("symbol")).symbol].day(now_ms)
    rows = (tape.day(now_ms) for tape in venue.tapes.values())
    return [row for row in rows if row]


def _aggregates(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    tape = venue.tapes[venue.venue_key(p.need("symbol")).symbol]
    limit = p.integer("limit", 500)
    if not 1 <= limit <= 1_000:
        raise invalid_value("limit")
    first, start, end = p.integer("fromId", 0), p.integer("startTime", 0), p.integer("endTime", 0)
    if first and (start or end):
        raise bad_request(-1128, "Combination of optional parameters invalid.")
    rows = [row.row(tape.listing) for row in tape.aggregates]
    found = [
        row
        for row in rows
        if row["a"] >= first and row["T"] >= start and (not end or row["T"] <= end)
    ]
    return found[:limit] if first or start else found[-limit:]


def _trades(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    tape = venue.tapes[venue.venue_key(p.need("symbol")).symbol]
    limit = p.integer("limit", 500)
    if not 1 <= limit <= 1_000:
        raise invalid_value("limit")
    places, lots = tape.listing.price_places, tape.listing.quantity_places
    return [
        {
            "id": trade.trade_id,
            "price": fixed(trade.price, places),
            "qty": fixed(trade.quantity, lots),
            "quoteQty": fixed(trade.price * trade.quantity, 2),
            "time": ms(trade.event_ns),
            "isBuyerMaker": trade.buyer_is_maker,
        }
        for trade in list(tape.trades)[-limit:]
    ]


def _open_interest(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    held = sum(abs(row.quantity) for row in venue.exchange.positions(symbol))
    return {"openInterest": text(Decimal(held)), "symbol": symbol, "time": venue.clock.told_ms()}


def _market(handler: Handler, weight: Any = 1, security: Security = Security.NONE) -> Endpoint:
    return Endpoint(handler, weight, security)


def _each(one: int, every: int) -> Any:
    return lambda p: one if "symbol" in p else every


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/fapi/v1/ping"): _market(_ping),
    ("GET", "/sapi/v1/system/status"): _market(_system_status),
    ("GET", "/fapi/v1/time"): _market(_time),
    ("GET", "/fapi/v1/exchangeInfo"): _market(_exchange_info),
    ("GET", "/fapi/v1/depth"): _market(_depth, _depth_weight),
    ("GET", "/fapi/v1/klines"): _market(_klines("symbol"), _klines_weight),
    ("GET", "/fapi/v1/continuousKlines"): _market(_klines("pair"), _klines_weight),
    ("GET", "/fapi/v1/markPriceKlines"): _market(_klines("symbol", "mark"), _klines_weight),
    ("GET", "/fapi/v1/indexPriceKlines"): _market(_klines("pair", "index"), _klines_weight),
    ("GET", "/fapi/v1/premiumIndex"): _market(_premium_index, _each(1, 10)),
    ("GET", "/fapi/v1/fundingRate"): _market(_funding_rate, 0),
    ("GET", "/fapi/v1/fundingInfo"): _market(_funding_info, 0),
    ("GET", "/fapi/v1/ticker/bookTicker"): _market(_book_ticker, _each(2, 5)),
    ("GET", "/fapi/v1/ticker/price"): _market(_price, _each(1, 2)),
    ("GET", "/fapi/v2/ticker/price"): _market(_price, _each(1, 2)),
    ("GET", "/fapi/v1/ticker/24hr"): _market(_day, _each(1, 40)),
    ("GET", "/fapi/v1/aggTrades"): _market(_aggregates, 20),
    ("GET", "/fapi/v1/trades"): _market(_trades, 5),
    ("GET", "/fapi/v1/openInterest"): _market(_open_interest),
}
