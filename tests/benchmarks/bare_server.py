"""A bare loopback server for the latency benchmarks: canned answers, one quote after each order.

Speaks just enough of Binance's REST and WebSocket for a host and for ccxt to place orders; it
checks nothing. Prints its port, then serves until stdin closes. `GET /_bench/start` begins the
ticks; `GET /_bench/times` answers when each quote was sent (CLOCK_MONOTONIC ns, by update id).
With arguments `SYMBOLS RATE` it sends RATE quotes a second over that many symbols instead, and
orders rest.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
import sys
import time

SYMBOL = "BTCUSDT"
TICK_PAUSE_S = 0.002
NO_ORDER_S = 0.5
FLOOD_PAUSE_S = 0.005
BOOK_PAUSE_S = 1.0
_SYMBOL_CONFIG = "/fapi/v1/symbolConfig"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "9999999", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
    {"filterType": "MAX_NUM_ORDERS", "limit": 200},
    {"filterType": "MIN_NOTIONAL", "notional": "5"},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
]


def symbol_row(symbol: str) -> dict[str, object]:
    """Describe a perpetual as exchangeInfo does."""
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "liquidationFee": "0.0125",
        "marketTakeBound": "0.05",
        "filters": _FILTERS,
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def canned(symbols: list[str]) -> dict[str, object]:
    """Answer every question that a host asks before it trades."""
    zero = "0.00000000"
    limits = [
        {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": 100_000_000}
        for kind, interval, number in (
            ("REQUEST_WEIGHT", "MINUTE", 1),
            ("ORDERS", "MINUTE", 1),
            ("ORDERS", "SECOND", 10),
        )
    ]
    bracket = {
        "bracket": 1,
        "initialLeverage": 125,
        "notionalCap": 10**9,
        "notionalFloor": 0,
        "maintMarginRatio": 0.004,
        "cum": 0.0,
    }
    asset = {"asset": "USDT", "walletBalance": "10000.00000000", "updateTime": 1}
    totals = dict.fromkeys(
        ("totalInitialMargin", "totalMaintMargin", "totalUnrealizedProfit"), zero
    )
    return {
        "/fapi/v1/exchangeInfo": {
            "timezone": "UTC",
            "serverTime": 1,
            "rateLimits": limits,
            "exchangeFilters": [],
            "assets": [],
            "symbols": [symbol_row(symbol) for symbol in symbols],
        },
        "/fapi/v1/accountConfig": {"canTrade": True, "dualSidePosition": True},
        "/fapi/v3/account": {
            **totals,
            "totalMarginBalance": "10000.00000000",
            "availableBalance": "10000.00000000",
            "assets": [asset],
            "positions": [],
        },
        "/fapi/v3/positionRisk": [],
        "/fapi/v1/openAlgoOrders": [],
        "/fapi/v1/userTrades": [],
        "/fapi/v1/income": [],
        "/fapi/v1/klines": [],
        "/fapi/v1/commissionRate": {
            "symbol": SYMBOL,
            "makerCommissionRate": "0.0002",
            "takerCommissionRate": "0.0005",
        },
        "/fapi/v1/leverageBracket": [{"symbol": SYMBOL, "brackets": [bracket]}],
        _SYMBOL_CONFIG: [{"symbol": SYMBOL, "marginType": "ISOLATED", "leverage": 2}],
        "/fapi/v1/listenKey": {"listenKey": "bench" * 8},
        "/fapi/v1/positionSide/dual": {"dualSidePosition": True},
    }


class Bench:
    """What all connections share: who listens for quotes, and when each quote was sent."""

    def __init__(self, symbols: list[str], rate: int) -> None:
        self.symbols = symbols
        self.rate = rate
        self.bodies: dict[str, bytes] = {}
        self.resting: dict[bytes, list[bytes]] = {}
        self.quotes: list[Connection] = []
        self.sent_ns: dict[int, int] = {}
        self.number = 0
        self.book_id = 1
        self.running = False
        self.again: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Send the first quote."""
        self.running = True
        if self.rate:
            self.began_s = asyncio.get_running_loop().time()
            self.flood()
        else:
            self.tick()

    def flood(self) -> None:
        """Send as many quotes as are due by now, symbol after symbol."""
        if not self.running:
            return
        loop = asyncio.get_running_loop()
        due = int((loop.time() - self.began_s) * self.rate)
        frames = []
        while self.number < due:
            self.number += 1
            symbol = self.symbols[self.number % len(self.symbols)]
            frame = quote(symbol, self.number, "63000.10", "63000.20", self.number % 9)
            frames.append(pack(frame))
        data = b"".join(frames)
        for connection in self.quotes:
            connection.write(data)
        loop.call_later(FLOOD_PAUSE_S, self.flood)

    def tick(self) -> None:
        """Send the next quote, a price step further each time."""
        if not self.running:
            return
        self.number += 1
        bid = 63_000 + self.number % 7
        frame = quote(SYMBOL, self.number, f"{bid}.10", f"{bid}.20", 1)
        packed = pack(frame)
        self.sent_ns[self.number] = time.monotonic_ns()
        for connection in self.quotes:
            connection.write(packed)
        # A host that was not ready yet answers a later one.
        self.again = asyncio.get_running_loop().call_later(NO_ORDER_S, self.tick)

    def books(self) -> None:
        """Send an update of each book once a second: one that nothing follows is not current."""
        self.book_id += 1
        for symbol in self.symbols:
            packed = pack(depth(symbol, self.book_id))
            for connection in self.quotes:
                connection.write(packed)
        asyncio.get_running_loop().call_later(BOOK_PAUSE_S, self.books)

    def ordered(self) -> None:
        """Go on to the next quote a moment after an order came."""
        if self.running:
            if self.again:
                self.again.cancel()
            self.again = asyncio.get_running_loop().call_later(TICK_PAUSE_S, self.tick)


def wrapped(symbol: str, stream: str, data: dict[str, object]) -> bytes:
    """Write a frame of a combined stream."""
    frame = {"stream": f"{symbol.lower()}@{stream}", "data": data}
    return json.dumps(frame, separators=(",", ":")).encode()


def quote(symbol: str, number: int, bid: str, ask: str, lots: int) -> bytes:
    """Write a bookTicker frame."""
    data: dict[str, object] = {"e": "bookTicker", "u": number, "s": symbol, "b": bid}
    data |= {"B": f"{lots}.250", "a": ask, "A": "0.730", "T": 1790000000449, "E": 1790000000456}
    return wrapped(symbol, "bookTicker", data)


def depth(symbol: str, number: int) -> bytes:
    """Write the update of a book that follows the one numbered before it, and changes nothing."""
    data: dict[str, object] = {"e": "depthUpdate", "s": symbol, "b": [], "a": []}
    data |= {"U": number, "u": number, "pu": number - 1}
    data |= {"T": 1790000000549, "E": 1790000000556}
    return wrapped(symbol, "depth@100ms", data)


def pack(payload: bytes) -> bytes:
    """Frame a text message from a server."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return struct.pack("!BBH", 0x81, 126, size) + payload


class Connection(asyncio.Protocol):
    """One client: HTTP until it asks for a WebSocket."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.pending = b""
        self.web_socket = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.bench.quotes:
            self.bench.quotes.remove(self)

    def data_received(self, data: bytes) -> None:
        if self.web_socket:
            # The only message is our subscription, number 1.
            self.write(pack(b'{"result":null,"id":1}'))
            return
        self.pending += data
        while True:
            head, found, rest = self.pending.partition(b"\r\n\r\n")
            if not found:
                return
            size = 0
            lower = head.lower()
            at = lower.find(b"content-length:")
            if at >= 0:
                size = int(lower[at + 15 :].split(b"\r\n", 1)[0])
            if len(rest) < size:
                return
            self.pending = rest[size:]
            self.answer(head, rest[:size])

    def answer(self, head: bytes, body: bytes) -> None:
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        path, _, query = target.partition(b"?")
        name = path.decode()
        if b"upgrade: websocket" in head.lower():
            self.upgrade(head, name)
        elif name == "/fapi/v1/order" and method == b"POST":
            placed = order_answer(body or query, rests=bool(self.bench.rate))
            if self.bench.rate:
                self.bench.resting.setdefault(_of(body or query), []).append(placed)
            self.reply(placed)
            self.bench.ordered()
        elif name == "/fapi/v1/openOrders":
            asked = [_of(query)] if b"symbol=" in query else list(self.bench.resting)
            rows = [row for symbol in asked for row in self.bench.resting.get(symbol, ())]
            self.reply(b"[%b]" % b",".join(rows))
        elif name == "/fapi/v1/time":
            self.reply(b'{"serverTime":%d}' % (time.time_ns() // 1_000_000))
        elif name == "/fapi/v1/premiumIndex":
            now_ms = time.time_ns() // 1_000_000
            self.reply(
                b'{"symbol":"%s","markPrice":"63000.00","indexPrice":"63000.00",'
                b'"lastFundingRate":"0.0001","nextFundingTime":%d,"time":%d}'
                % (_of(query), now_ms + 3_600_000, now_ms)
            )
        elif name == "/fapi/v1/depth":
            self.reply(b'{"lastUpdateId":%d,"E":1,"T":1,"bids":[],"asks":[]}' % self.bench.book_id)
        elif name == "/_bench/start":
            self.reply(b"{}")
            self.bench.begin()
        elif name == "/_bench/times":
            self.bench.running = False
            self.reply(json.dumps(self.bench.sent_ns).encode())
        elif name in ("/fapi/v1/commissionRate", "/fapi/v1/leverageBracket", _SYMBOL_CONFIG):
            self.reply(self.bench.bodies[name].replace(SYMBOL.encode(), _of(query)))
        else:
            self.reply(self.bench.bodies.get(name, b"{}"))

    def reply(self, body: bytes) -> None:
        self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)
            + body
        )

    def upgrade(self, head: bytes, name: str) -> None:
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        key = next(value for field, value in fields.items() if field.lower().endswith(b"-key"))
        accept = base64.b64encode(hashlib.sha1(key.strip() + _GUID).digest())
        self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.web_socket = True
        if name.startswith("/public"):
            self.bench.quotes.append(self)
        elif name.startswith("/market"):
            self.marks()

    def marks(self) -> None:
        """Send the mark price once a second, as the venue does."""
        if self.transport.is_closing():
            return
        now_ms = time.time_ns() // 1_000_000
        for symbol in self.bench.symbols:
            frame = wrapped(
                symbol,
                "markPrice@1s",
                {
                    "e": "markPriceUpdate",
                    "E": now_ms,
                    "s": symbol,
                    "p": "63000.00",
                    "i": "63000.00",
                    "P": "63000.00",
                    "r": "0.0001",
                    "T": now_ms + 3_600_000,
                },
            )
            self.write(pack(frame))
        asyncio.get_running_loop().call_later(1.0, self.marks)


def _of(query: bytes) -> bytes:
    """Return the symbol that a query asks for."""
    return dict(pair.split(b"=", 1) for pair in query.split(b"&") if b"=" in pair)[b"symbol"]


def order_answer(request: bytes, *, rests: bool) -> bytes:
    """Accept the order; unless it `rests`, end it at once, so that nothing grows during a run."""
    fields = dict(pair.split(b"=", 1) for pair in request.split(b"&") if b"=" in pair)
    return (
        b'{"orderId":283194212345,"symbol":"%s","status":"%s",'
        b'"clientOrderId":"%s","price":"%s","origQty":"%s","executedQty":"0","cumQty":"0",'
        b'"timeInForce":"IOC","type":"LIMIT","origType":"LIMIT","reduceOnly":false,'
        b'"closePosition":false,"side":"%s","positionSide":"%s","stopPrice":"0.00",'
        b'"workingType":"CONTRACT_PRICE","priceProtect":false,"priceMatch":"NONE",'
        b'"selfTradePreventionMode":"EXPIRE_MAKER","goodTillDate":0,"updateTime":%d}'
    ) % (
        fields.get(b"symbol", b""),
        b"NEW" if rests else b"EXPIRED",
        fields.get(b"newClientOrderId", b""),
        fields.get(b"price", b"0"),
        fields.get(b"quantity", b"0"),
        fields.get(b"side", b"BUY"),
        fields.get(b"positionSide", b"BOTH"),
        time.time_ns() // 1_000_000,
    )


async def serve(count: int = 1, rate: int = 0) -> None:
    """Serve on a free loopback port until stdin closes."""
    symbols = [SYMBOL, *(f"S{number:03}USDT" for number in range(1, count))]
    bench = Bench(symbols, rate)
    bench.bodies = {path: json.dumps(body).encode() for path, body in canned(symbols).items()}
    loop = asyncio.get_running_loop()
    bench.books()
    server = await loop.create_server(lambda: Connection(bench), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
