"""The local venue: one account over `core.exchange`, kept on disk, told to its streams."""

from __future__ import annotations

import secrets
import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import msgspec

from adapters.venues.binance_usdm.emulator import catalogue
from adapters.venues.binance_usdm.emulator.account_stream import AccountStream
from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.clock import Clock
from adapters.venues.binance_usdm.emulator.errors import ApiError, bad_request
from adapters.venues.binance_usdm.emulator.faults import Fault, Faults
from adapters.venues.binance_usdm.emulator.feeds import MarketFeed
from adapters.venues.binance_usdm.emulator.hub import Hub
from adapters.venues.binance_usdm.emulator.limits import RateLimits
from adapters.venues.binance_usdm.emulator.listenkeys import ListenKeys
from adapters.venues.binance_usdm.emulator.options import ExchangeOptions
from adapters.venues.binance_usdm.emulator.store import Store
from adapters.venues.binance_usdm.emulator.tape import Tape
from core.errors import UsageError
from core.exchange import Events, Exchange, ExchangeSettings, ExchangeState, OrderChanged
from core.messages import BookDelta, BookSnapshot, Key, Level, MarketEvent, MarkPrice, Quote, Trade

__all__ = ["CREATED_NOTE", "LocalVenue"]

CREATED_NOTE = "created_ns"

_MS = 1_000_000
_KEPT_SNAPSHOTS = 20
_MARGIN_ASSET = "USDT"


class LocalVenue:
    """Everything that one event loop owns.

    Every change of the account goes through `commit`: rows to disk first, then frames to sockets;
    the HTTP answer is written after both.
    """

    def __init__(
        self,
        options: ExchangeOptions,
        listings: Mapping[str, Listing],
        store: Store,
        key: str,
        secret: str,
        started_ns: int,
    ) -> None:
        self.options = options
        self.listings = listings
        self.store = store
        self.key = key
        self.secret = secret
        self.started_ns = started_ns
        self.clock = Clock()
        self.random = Random(options.seed)
        self.faults = Faults(Random(options.seed + 1))
        self.hub = Hub(self.faults)
        self.limits = RateLimits()
        self.jumps: list[tuple[str, int]] = []  # symbol and bps, for the market's driver
        self.maintenance_until_ms = 0
        self.failure: Exception | None = None
        self.exchange = Exchange(
            options.venue,
            [row.instrument for row in listings.values()],
            {symbol: catalogue.brackets(symbol) for symbol in listings},
            random=Random(options.seed + 2),
            settings=ExchangeSettings(latency_ns=options.latency_ms * _MS),
        )
        self.listen_keys = ListenKeys(
            lambda: secrets.token_hex(32),
            store.note("listen_key"),
            int(store.note("listen_key_expires_ms") or 0),
        )
        self.account_stream = AccountStream(
            self.exchange, listings, self.hub, self.listen_keys, self.clock
        )
        first_aggregate = started_ns // _MS
        self.tapes = {symbol: Tape(row, first_aggregate) for symbol, row in listings.items()}
        self.feeds = {
            symbol: MarketFeed(tape, self.exchange, self.hub, self.clock)
            for symbol, tape in self.tapes.items()
        }
        self.snapshots: dict[str, deque[dict[str, Any]]] = {
            symbol: deque(maxlen=_KEPT_SNAPSHOTS) for symbol in listings
        }
        self._due_all = {1_000: 0, 3_000: 0}
        self.open_account()
        self._settled_ns = {
            symbol: self.exchange.symbol_row(symbol).last_funding_ns for symbol in listings
        }

    def open_account(self) -> None:
        """Take over the kept account, or open one with the configured balance."""
        kept = self.store.load()
        now_ns = self.clock.now_ns()
        if kept is not None:
            self._restore(kept)
        else:
            self.store.set_notes([(CREATED_NOTE, str(now_ns))])
            if self.options.balance > 0:
                self.exchange.deposit(_MARGIN_ASSET, self.options.balance, now_ns)
        self.store.save(self.exchange.drain())

    def _restore(self, kept: ExchangeState) -> None:
        try:
            self.exchange.restore(kept)
        except (LookupError, ValueError, ArithmeticError) as error:
            raise UsageError(
                f"the exchange's account does not fit together: {type(error).__name__} {error}",
                str(self.store.path),
                "move it away to start anew",
            ) from error

    def commit(self, events: Events) -> None:
        """Keep what changed, then tell the account's streams."""
        try:
            self.store.save(self.exchange.drain())
        except sqlite3.Error as error:
            # memory is ahead of the disk from here on: nothing may be told or changed any more
            self.failure = error
            raise
        self.account_stream.publish(events)
        for event in events:
            if isinstance(event, OrderChanged) and event.trade and event.trade.liquidation:
                self.feeds[event.order.key.symbol].liquidated(event.trade)

    def on_market(self, events: Iterable[MarketEvent]) -> None:
        """Take a batch of market events: match, keep, then tell account and market streams."""
        now_ns = self.clock.now_ns()
        account: list[Events] = []
        for event in events:
            symbol = event.key.symbol
            if symbol not in self.listings:
                continue
            feed, tape = self.feeds[symbol], self.tapes[symbol]
            match event:
                case BookSnapshot():
                    before = self.exchange.book(symbol).snapshot()
                    account.append(self.exchange.on_market(event, now_ns))
                    feed.depth(difference(before, event))
                    continue
                case BookDelta():
                    feed.depth(event)
                case Quote():
                    feed.quote(event)
                case Trade():
                    feed.trade(event, tape.trade(event))
                case MarkPrice():
                    feed.mark(event)
                    tape.mark(event)
            account.append(self.exchange.on_market(event, now_ns))
        self.commit(tuple(one for some in account for one in some))

    def tick(self) -> None:
        """Do what is due by time; call it every few tens of milliseconds."""
        now_ns = self.clock.now_ns()
        now_ms = now_ns // _MS
        due_ns = self.exchange.next_due_ns()
        if due_ns and due_ns <= now_ns:
            self.commit(self.exchange.on_time(now_ns))
        ended = self.listen_keys.expire(self.clock.told_ms())
        if ended:
            self.keep_listen_key()
            self.account_stream.expired(ended)
        for tape in self.tapes.values():
            tape.advance(now_ms)
        for feed in self.feeds.values():
            feed.tick(now_ms)
        for period, due_ms in self._due_all.items():
            if now_ms >= due_ms:
                self._due_all[period] = now_ms - now_ms % period + period
                self._publish_all(period, now_ms)
        self._note_settlements()

    def _publish_all(self, period_ms: int, now_ms: int) -> None:
        """Send the streams that carry every symbol in one frame."""
        marks = "!markPrice@arr@1s" if period_ms == 1_000 else "!markPrice@arr"
        if self.hub.wanted(marks):
            frames = (feed.mark_frame() for feed in self.feeds.values())
            rows = [frame for frame in frames if frame is not None]
            self.hub.publish(marks, msgspec.json.encode(rows))
        if period_ms != 1_000:
            return
        for place, stream in enumerate(("!miniTicker@arr", "!ticker@arr")):
            if self.hub.wanted(stream):
                days = (feed.day_frames(now_ms) for feed in self.feeds.values())
                rows = [day[place] for day in days if day]
                self.hub.publish(stream, msgspec.json.encode(rows))

    def _note_settlements(self) -> None:
        """Put funding settlements, with or without a position of ours, on the tape."""
        for symbol, tape in self.tapes.items():
            row, mark = self.exchange.symbol_row(symbol), self.exchange.mark(symbol)
            if mark is not None and row.last_funding_ns > self._settled_ns[symbol]:
                self._settled_ns[symbol] = row.last_funding_ns
                tape.settle(mark, row.last_funding_ns)

    def listing(self, symbol: str) -> Listing:
        """Return a symbol's rules. Errors: -1121."""
        found = self.listings.get(symbol)
        if found is None:
            raise bad_request(-1121, "Invalid symbol.")
        return found

    def venue_key(self, symbol: str) -> Key:
        """Return a symbol's key. Errors: -1121."""
        return self.listing(symbol).instrument.key

    def keep_listen_key(self) -> None:
        """Keep the listen key, which outlives this process as the venue's outlives a server."""
        keys = self.listen_keys
        self.store.set_notes(
            [("listen_key", keys.key), ("listen_key_expires_ms", str(keys.expires_ms))]
        )

    def set_fault(self, fault: Fault) -> None:
        """Put a fault in force; those that strike at once do so here. Errors: `ApiError`."""
        now_ns = self.clock.now_ns()
        match fault.kind:
            case "listen_key_expired":
                ended = self.listen_keys.key
                self.listen_keys.close()
                self.keep_listen_key()
                if ended and not fault.silent:
                    self.account_stream.expired(ended)
            case "liquidation":
                symbol = fault.symbol or next(iter(self.listings))
                self.commit(self.exchange.liquidate(self.venue_key(symbol).symbol, now_ns))
            case "jump":
                if self.options.market != "synthetic":
                    raise bad_request(-1102, "Only a synthetic market can be made to jump.")
                symbols = [self.listing(fault.symbol).instrument.key.symbol] if fault.symbol else []
                self.jumps += [(symbol, fault.bps) for symbol in symbols or self.listings]
            case "clock_skew":
                self.clock.skew_ms = fault.ms
                self.faults.add(fault)
            case "maintenance":
                self.maintenance_until_ms = now_ns // _MS + fault.ms if fault.ms else 1 << 62
                self.faults.add(fault)
                self.hub.close_all(1012)
            case _:
                self.faults.add(fault)

    def clear_faults(self, fault_id: int = 0) -> None:
        """Lift one fault, or all (0)."""
        for fault in self.faults.clear(fault_id):
            if fault.kind == "clock_skew":
                self.clock.skew_ms = 0
            elif fault.kind == "maintenance":
                self.maintenance_until_ms = 0

    def check_open(self) -> None:
        """Errors: 503 while in maintenance, or once the account could not be kept."""
        if self.failure is not None:
            raise ApiError(503, -1016, "This service is no longer available.")
        if self.maintenance_until_ms:
            if self.clock.now_ns() // _MS < self.maintenance_until_ms:
                raise ApiError(503, -1016, "This service is no longer available.")
            self.maintenance_until_ms = 0


def difference(before: BookSnapshot, after: BookSnapshot) -> BookDelta:
    """Express a new snapshot as a change of the book before it."""
    return BookDelta(
        after.key,
        before.last_id + 1,
        after.last_id,
        before.last_id,
        _changed(before.bids, after.bids),
        _changed(before.asks, after.asks),
        after.event_ns,
    )


def _changed(before: tuple[Level, ...], after: tuple[Level, ...]) -> tuple[Level, ...]:
    old, new = dict(before), dict(after)
    gone = tuple((price, quantity * 0) for price, quantity in before if price not in new)
    return gone + tuple(level for level in after if old.get(level[0]) != level[1])
