"""What the local exchange is sent and finds: calls, subscriptions, faults, its kept account."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Coroutine, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from starlette.applications import Starlette

from adapters.venues.binance_usdm.emulator import discovery, read_ledger
from adapters.venues.binance_usdm.emulator.control import control_routes
from adapters.venues.binance_usdm.emulator.driver import MarketDriver
from adapters.venues.binance_usdm.emulator.faults import read_faults
from adapters.venues.binance_usdm.emulator.gateway import ENDPOINTS, Cutter, Gateway
from adapters.venues.binance_usdm.emulator.limits import RateLimits
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from adapters.venues.binance_usdm.emulator.sockets import Sockets
from adapters.venues.binance_usdm.emulator.sources import open_source
from adapters.venues.binance_usdm.emulator.store import Store
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from core.errors import UsageError
from tests.fuzz.file_targets import in_scratch, scratch
from tests.fuzz.target import Target

__all__ = ["TARGETS"]

_KEY, _SECRET = "k" * 64, "s" * 64
_ORDER = "symbol=BTCUSDT&side=BUY&positionSide=BOTH&type=LIMIT&quantity=0.01&price=50000"
_SYMBOLS = ("BTCUSDT",)
_CALLS_A_VENUE = 2_000
T = TypeVar("T")


class Desk:
    """One local venue without a socket; a new one after so many calls, for it only ever grows."""

    def __init__(self) -> None:
        self.folder = scratch()
        self.store = Store(self.folder / "binance")
        self.venue = _venue(self.folder, self.store)
        self.gateway = Gateway(self.venue, Cutter())
        self.control = Starlette(routes=control_routes(self.venue))
        self.sockets = Sockets(self.venue)
        self.calls = 0

    def close(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


def _venue(folder: Path, store: Store) -> LocalVenue:
    options = ExchangeOptions(symbols=_SYMBOLS, seed=3, state_dir=folder)
    source, listings = open_source(options, {})
    venue = LocalVenue(options, listings, store, _KEY, _SECRET, time.time_ns())
    MarketDriver(venue, source).open()
    return venue


_desks: list[Desk] = []


def _desk() -> Desk:
    if _desks and _desks[0].calls >= _CALLS_A_VENUE:
        _desks.pop().close()
    if not _desks:
        _desks.append(Desk())
    desk = _desks[0]
    desk.calls += 1
    desk.venue.limits = RateLimits()
    return desk


def _straight(call: Coroutine[Any, Any, T]) -> T:
    """Run a call that waits for nothing; without a loop that takes ten times as long."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("the call waits")


def _http(
    app: Callable[..., Coroutine[Any, Any, None]], scope: dict[str, Any], body: bytes
) -> tuple[int, Any]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    _straight(app({"type": "http", "client": ("127.0.0.1", 1), **scope}, receive, send))
    return sent[0]["status"], json.loads(b"".join(each.get("body", b"") for each in sent[1:]))


def _request(data: bytes) -> object:
    """Call `METHOD path`, then a line of query and one of body, signed as a client does."""
    first, _, rest = data.partition(b"\n")
    query, _, body = rest.partition(b"\n")
    method, _, path = first.decode("latin-1").partition(" ")
    body += b"&timestamp=%d" % (time.time_ns() // 1_000_000)
    signature = hmac.new(_SECRET.encode(), query + body, hashlib.sha256).hexdigest()
    scope = {
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(b"x-mbx-apikey", _KEY.encode())],
    }
    desk = _desk()
    status, answer = _http(desk.gateway, scope, body + b"&signature=" + signature.encode())
    assert status < 500, (status, answer)
    wallets = desk.venue.exchange.ledger()["balances"]
    assert "NaN" not in str(wallets), wallets
    return answer


def _control(data: bytes) -> object:
    """Set faults and the market; what was set is lifted again."""
    path, _, body = data.partition(b"\n")
    desk = _desk()
    scope = {
        "method": "POST",
        "path": "/_exchange/" + path.decode("latin-1"),
        "query_string": b"",
        "headers": [],
    }
    try:
        status, answer = asyncio.run(_answered(desk.control, scope, body))
    finally:
        desk.venue.clear_faults(0)
    assert status in (200, 400, 404, 405), (status, answer)
    return answer


async def _answered(
    app: Callable[..., Coroutine[Any, Any, None]], scope: dict[str, Any], body: bytes
) -> tuple[int, bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "client": ("127.0.0.1", 1), **scope}, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


def _subscription(data: bytes) -> object:
    """Connect to `path?query`, send a line for each message, take the answers."""
    url, *messages = data.decode("utf-8", "replace").split("\n")
    path, _, query = url.partition("?")
    scope = {"type": "websocket", "path": path, "query_string": query.encode()}
    return asyncio.run(_conversation(_desk().sockets, scope, messages))


async def _conversation(
    sockets: Sockets, scope: dict[str, Any], messages: list[str]
) -> list[object]:
    waiting = [{"type": "websocket.connect"}]
    waiting += [{"type": "websocket.receive", "text": text} for text in messages[:8]]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(0)
        return waiting.pop(0) if waiting else {"type": "websocket.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await sockets(scope, receive, send)
    return [json.loads(message["text"]) for message in sent if "text" in message]


def _faults_file(folder: Path, data: bytes) -> object:
    path = folder / ("faults.json" if data[:1] in (b"{", b"[") else "faults.toml")
    path.write_bytes(data)
    return [fault.row() for fault in read_faults(path)]


def _account(folder: Path, data: bytes) -> object:
    """Open an account of which one row is whatever it is: read its ledger, then start on it."""
    kind, _, payload = data.partition(b" ")
    with closing(sqlite3.connect(folder / "account.db")) as kept:
        kept.executescript(_kept_account())
    place = folder / "binance"
    place.mkdir()
    (folder / "account.db").rename(place / "exchange.db")
    with closing(sqlite3.connect(place / "exchange.db")) as kept:
        kept.execute(
            "UPDATE rows SET payload = ? WHERE kind = ?", (payload, kind.decode("latin-1"))
        )
        kept.commit()
    try:
        read_ledger(folder, "binance")
    finally:
        store = Store(place)
        try:
            found = store.load()
            _venue(folder, store)
        finally:
            store.close()
    return found


def _kept_account() -> str:
    """Return an account with an order, a fill and a conditional order, as SQL; made once."""
    if not _accounts:
        desk = Desk()
        try:
            for path, more in (
                ("/fapi/v1/order", f"{_ORDER}&timeInForce=GTC"),
                ("/fapi/v1/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01"),
                (
                    "/fapi/v1/algoOrder",
                    "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&"
                    "triggerPrice=30000&quantity=0.01&reduceOnly=true",
                ),
            ):
                _signed(desk, path, more)
            desk.store.save(desk.venue.exchange.drain())
            path_on_disk = desk.store.path
            with closing(sqlite3.connect(path_on_disk)) as kept:
                rows = kept.execute("SELECT kind, payload FROM rows").fetchall()
                _accounts.append("\n".join(kept.iterdump()) + "\nPRAGMA user_version=1;")
                _rows.update({kind.encode(): payload for kind, payload in rows})
        finally:
            desk.close()
    return _accounts[0]


def _signed(desk: Desk, path: str, parameters: str) -> None:
    text = f"{parameters}&timestamp={time.time_ns() // 1_000_000}".encode()
    signature = hmac.new(_SECRET.encode(), text, hashlib.sha256).hexdigest().encode()
    scope = {
        "method": "POST",
        "path": path,
        "query_string": text + b"&signature=" + signature,
        "headers": [(b"x-mbx-apikey", _KEY.encode())],
    }
    status, answer = _http(desk.gateway, scope, b"")
    assert status == 200, answer


_accounts: list[str] = []
_rows: dict[bytes, bytes] = {}
_kept_account()


def _discovered(folder: Path, data: bytes) -> object:
    place = folder / "binance"
    place.mkdir()
    one, _, other = data.partition(b"\n")
    (place / "exchange.json").write_bytes(one)
    (place / "credentials.json").write_bytes(other)
    with (
        mock.patch.object(discovery, "answers", lambda rest: {}),  # no call leaves a test
        mock.patch("os.fsync"),
    ):
        return discovery.discover(folder, "binance"), discovery.credentials(place, "", "")


_CALLS = tuple(f"{method} {path}\nsymbol=BTCUSDT\n".encode() for method, path in ENDPOINTS)

TARGETS = (
    Target(
        "exchange's requests",
        _request,
        (
            f"POST /fapi/v1/order\n\n{_ORDER}&timeInForce=GTC".encode(),
            f"POST /fapi/v1/order\n{_ORDER}&timeInForce=GTX&newClientOrderId=a-1\n".encode(),
            b"POST /fapi/v1/algoOrder\n\nalgoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&"
            b"type=STOP_MARKET&triggerPrice=30000&quantity=0.01&reduceOnly=true",
            b"DELETE /fapi/v1/order\nsymbol=BTCUSDT&orderId=1&origClientOrderId=a-1\n",
            b"GET /fapi/v1/klines\nsymbol=BTCUSDT&interval=1m&startTime=1&endTime=2&limit=3\n",
            b"POST /fapi/v1/batchOrders\n\nbatchOrders=%5B%7B%22symbol%22%3A%22BTCUSDT%22%7D%5D",
            *_CALLS,
        ),
        (),
    ),
    Target(
        "exchange's controls",
        _control,
        (
            b'faults\n{"kind":"delay","endpoint":"/fapi/v1/order","ms":5,"count":2}',
            b'faults\n[{"kind":"clock_skew","ms":-500},{"kind":"maintenance","ms":1}]',
            b'faults\n{"faults":[{"kind":"liquidation","symbol":"BTCUSDT","probability":0.5}]}',
            b'market\n{"stands":true}',
        ),
        (),
        examples=150,
    ),
    Target(
        "exchange's subscriptions",
        _subscription,
        (
            b"/public/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms",
            b'/market/ws\n{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}\n'
            b'{"method":"LIST_SUBSCRIPTIONS","id":2}\n{"method":"UNSUBSCRIBE","params":[]}',
            b'/private/stream?listenKey=abc&events=ORDER_TRADE_UPDATE\n{"method":"SET_PROPERTY",'
            b'"params":["combined",true],"id":"x"}\n{"method":"GET_PROPERTY","id":null}',
        ),
        (),
        examples=150,
    ),
    Target(
        "fault files",
        in_scratch(_faults_file),
        (
            b'[[faults]]\nkind = "delay"\nms = 5\ncount = 2\n',
            b'{"faults":[{"kind":"reject","status":400,"code":-2010,"message":"no"}]}',
        ),
        (UsageError,),
    ),
    Target(
        "exchange's account",
        in_scratch(_account),
        tuple(kind + b" " + payload for kind, payload in _rows.items()),
        (UsageError,),
        examples=60,
    ),
    Target(
        "exchange's whereabouts",
        in_scratch(_discovered),
        (
            b'{"venue":"binance","pid":1,"rest":"http://127.0.0.1:1","ws":"ws://127.0.0.1:1",'
            b'"started_ns":1790000000000000000}\n{"key":"k","secret":"s"}',
        ),
        (UsageError,),
    ),
)
