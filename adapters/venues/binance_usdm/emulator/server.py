"""The process: sockets, signals, the account on disk, and the loop that owns it all."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.venues.binance_usdm.emulator import discovery
from adapters.venues.binance_usdm.emulator.control import control_routes
from adapters.venues.binance_usdm.emulator.driver import PRICE_NOTE, MarketDriver
from adapters.venues.binance_usdm.emulator.faults import read_faults
from adapters.venues.binance_usdm.emulator.gateway import Cutter, Gateway
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from adapters.venues.binance_usdm.emulator.sockets import Sockets
from adapters.venues.binance_usdm.emulator.sources import open_source
from adapters.venues.binance_usdm.emulator.store import Store
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from core.errors import BulkheadError, UsageError, UserError

__all__ = ["run"]

_log = logging.getLogger("bulkhead.exchange")
_BACKLOG = 512
_MAX_FRAME = 65_536
_PING_EVERY_S = 180.0
_PONG_WITHIN_S = 600.0


class _CannotGoOn(UsageError):
    """It ran, and had to stop."""


def run(options: ExchangeOptions) -> int:
    """Serve until a signal; return 0 after an orderly stop, 1 where it could not go on.

    2 for what it was told and cannot be meant, or be had: a port, a file, an account in use.
    """
    if not logging.getLogger().handlers:
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    try:
        with contextlib.ExitStack() as stack:
            return _serve(options, stack)
    except BulkheadError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 2 if isinstance(error, UserError) and not isinstance(error, _CannotGoOn) else 1


def _serve(options: ExchangeOptions, stack: contextlib.ExitStack) -> int:
    _check(options)
    folder = options.state_dir / options.venue
    listener = stack.enter_context(_listen(options.host, options.port))
    store = Store(folder)
    stack.callback(store.close)
    _claim(store)
    key, secret = discovery.credentials(folder, options.key, options.secret)
    source, listings = open_source(options, _kept_prices(store))
    started_ns = time.time_ns()
    venue = LocalVenue(options, listings, store, key, secret, started_ns)
    for fault in read_faults(options.faults) if options.faults else ():
        venue.set_fault(fault)
    cutter = Cutter()
    host, port = listener.getsockname()[:2]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    rest, ws = f"http://{place}", f"ws://{place}"
    server = _Server(venue, cutter)
    driver = MarketDriver(venue, source)
    driver.open()

    def announce() -> None:
        discovery.publish(folder, options.venue, rest, ws, started_ns, by_host=options.by_host)
        stack.callback(discovery.forget, folder)
        line = {
            "event": "listening",
            "venue": options.venue,
            "rest": rest,
            "ws": ws,
            "pid": os.getpid(),
            "key": key,
        }
        print(json.dumps(line), flush=True)  # noqa: T201

    return asyncio.run(_main(server, driver, listener, announce))


async def _main(
    server: _Server, driver: MarketDriver, listener: socket.socket, announce: Callable[[], None]
) -> int:
    driving = asyncio.create_task(driver.run())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.005)
    if server.started:
        announce()
    await asyncio.wait({driving, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    for task in (driving, serving):
        if task.done() and (failure := task.exception()) is not None:
            server.failure = failure
    driving.cancel()
    await asyncio.gather(serving, driving, return_exceptions=True)
    if server.failure is None:
        driver.note_prices()
    else:
        raise _CannotGoOn(
            f"the local exchange cannot go on: {server.failure}",
            str(server.venue.store.path),
            "mend the cause and start it again; the account is as it was last answered",
        ) from server.failure
    return 0


class _Server(uvicorn.Server):
    """uvicorn, with an orderly exit code after a signal and a stop when the account cannot be kept.

    `failure` is what made it stop, None for a signal.
    """

    def __init__(self, venue: LocalVenue, cutter: Cutter) -> None:
        self.venue = venue
        self.cutter = cutter
        self.failure: BaseException | None = None

        class Protocol(H11Protocol):
            """Register HTTP connections, so that a fault can cut one."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client is not None:
                    cutter.add(self.client, transport)

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    cutter.remove(self.client)
                super().connection_lost(exc)

            def handle_websocket_upgrade(self, event: Any) -> None:
                if self.client is not None:
                    cutter.remove(self.client)
                super().handle_websocket_upgrade(event)

        routes = [
            *control_routes(venue),
            WebSocketRoute("/{path:path}", Sockets(venue)),
            Route("/{path:path}", Gateway(venue, cutter)),
        ]
        app = Starlette(routes=routes, exception_handlers={Exception: self._failed})
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="websockets-sansio",
                ws_max_size=_MAX_FRAME,
                ws_ping_interval=_PING_EVERY_S,
                ws_ping_timeout=_PONG_WITHIN_S,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
                backlog=_BACKLOG,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of whoever waits, then stop as uvicorn does."""
        self.venue.hub.close_all(1001)
        self.cutter.release()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Stop once the account cannot be kept."""
        self.failure = self.failure or self.venue.failure
        return self.failure is not None or await super().on_tick(counter)

    async def _failed(self, _: Request, __: Exception) -> Response:
        body = {"code": -1000, "msg": "An unknown error occurred while processing the request."}
        return Response(json.dumps(body), 500, media_type="application/json")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as a wish to stop, without raising them again afterwards."""

        def stop(_: int, __: FrameType | None) -> None:
            self.should_exit = True

        try:
            before = {sig: signal.signal(sig, stop) for sig in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not the main thread: whoever owns it handles signals
            yield
            return
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def _check(options: ExchangeOptions) -> None:
    if options.venue != "binance":
        raise UsageError(f"no local exchange speaks {options.venue!r}", "--venue", "use binance")
    if options.speed <= 0:
        raise UsageError(f"speed {options.speed} is not positive", "--speed", "use 1.0 or more")
    if not options.symbols:
        raise UsageError("no symbols", "--symbols", "name at least one, as BTCUSDT")
    if not ipaddress.ip_address(options.host).is_loopback:
        raise UsageError(f"{options.host} is not a loopback address", "host", "use 127.0.0.1")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that say they are TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}", "--port", "choose another port"
        ) from None
    return listener


def _kept_prices(store: Store) -> dict[str, Decimal]:
    """Return the symbols that the account knows, with the last prices seen."""
    prices: dict[str, Decimal] = {}
    for row in store.symbols():
        noted = store.note(PRICE_NOTE + row.key.symbol)
        if noted or row.mark:
            prices[row.key.symbol] = Decimal(noted) if noted else row.mark
    return prices


def _claim(store: Store) -> None:
    """Hold the account for this process alone, until it ends however it ends."""
    try:
        store.claim()
    except BlockingIOError:
        raise UsageError(
            "another local exchange holds this account",
            str(store.path),
            "attach to it, stop it, or use another --state",
        ) from None
