"""Binance USDⓈ-M as the actors see it: the `Venue` port over REST."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from adapters.venues.binance_usdm import params as build
from adapters.venues.binance_usdm import parse_account, parse_market
from adapters.venues.binance_usdm.errors import NO_CHANGE
from adapters.venues.binance_usdm.history import History, OrderIds
from adapters.venues.binance_usdm.hosts import Hosts
from adapters.venues.binance_usdm.limits import Budget, Cost
from adapters.venues.binance_usdm.orders import Orders
from adapters.venues.binance_usdm.wire import Wire
from core.errors import Rejected
from core.income import EarnedRead
from core.instruments import Instrument, LeverageBracket
from core.messages import (
    AmendOrder,
    Bar,
    BookSnapshot,
    CancelAll,
    CancelOrder,
    Fill,
    FundingPaid,
    Key,
    MarkPrice,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
)
from core.ports import (
    AccountState,
    ClockSample,
    Commission,
    KeyRights,
    RateUsage,
    SymbolSettings,
    Venue,
)
from core.records import Transferred, WalletAdjusted
from core.risk.gate import Approved, Rehearsal
from core.secrets import Secret

__all__ = ["BinanceVenue"]

_ONE = Cost()
_ACCOUNT = Cost(weight=5)
_DEPTHS = ((5, 2), (10, 2), (20, 2), (50, 2), (100, 5), (500, 10), (1000, 20))
_BARS_MAX = 1500
_NS_MS = 1_000_000
_MINUTE_NS = 60_000_000_000
_INTERVALS = {
    minutes * _MINUTE_NS: name
    for minutes, name in (
        (1, "1m"),
        (3, "3m"),
        (5, "5m"),
        (15, "15m"),
        (30, "30m"),
        (60, "1h"),
        (120, "2h"),
        (240, "4h"),
        (360, "6h"),
        (480, "8h"),
        (720, "12h"),
        (1440, "1d"),
        (4320, "3d"),
        (10080, "1w"),
    )
}


class BinanceVenue(Venue):
    """The `Venue` port for one lane. Calls block; any thread may call; `VenueError`s only.

    Lanes of one address and account share `budget` (rate limits) and `ids` (order ids seen).
    The position mode is what the constructor or `set_hedge_mode` said: it decides how closing
    orders are written, so it is never switched by a mere reading of the account.
    """

    def __init__(
        self,
        hosts: Hosts,
        key: Secret,
        secret: Secret,
        budget: Budget,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        recv_window_ms: int = 5000,
        hedge_mode: bool = False,
        name: str = "binance",
        lane: str = "rest",
        ids: OrderIds | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.rest_url = hosts.rest
        self.unreadable_symbols: tuple[str, ...] = ()
        self._budget = budget
        self._clock = clock
        ids = ids or OrderIds()

        def wire(base_url: str) -> Wire:
            return Wire(
                base_url,
                key,
                secret,
                budget,
                venue=name,
                lane=lane,
                connect_timeout_s=connect_timeout_s,
                read_timeout_s=read_timeout_s,
                recv_window_ms=recv_window_ms,
                clock=clock,
            )

        self._wire = wire(hosts.rest)
        self._rights_wire = wire(hosts.rights) if hosts.rights else None
        self._history = History(self._wire, ids)
        self._orders = Orders(self._wire, ids, hedge_mode)

    def close(self) -> None:
        self._wire.close()
        if self._rights_wire is not None:
            self._rights_wire.close()

    @property
    def hedge_mode(self) -> bool:
        return self._orders.hedge_mode

    def set_clock_offset_ns(self, offset_ns: int) -> None:
        self._wire.offset_ns = offset_ns
        if self._rights_wire is not None:
            self._rights_wire.offset_ns = offset_ns

    def venue_now_ns(self) -> int:
        return self._wire.now_ns()

    def usage(self) -> tuple[RateUsage, ...]:
        return self._budget.usage()

    def sample_clock(self) -> ClockSample:
        """Measure the venue's clock against ours over one round trip.

        The venue cuts its time to whole milliseconds, so half of one is added.
        """
        started_ns, ticks_ns = self._clock(), time.perf_counter_ns()
        # Urgent: without a clock nothing can be signed, a cancel neither.
        server_ns = self._wire.public(
            "/fapi/v1/time", (), _ONE, parse_market.server_time_ns, urgent=True
        )
        trip_ns = time.perf_counter_ns() - ticks_ns
        middle_ns = started_ns + trip_ns // 2
        return ClockSample(server_ns + _NS_MS // 2 - middle_ns, trip_ns, middle_ns)

    def instruments(self) -> tuple[Instrument, ...]:
        """Return all perpetuals and take over the venue's rate limits.

        Symbols whose rules could not be read are named in `unreadable_symbols`.
        """
        info = self._wire.public(
            "/fapi/v1/exchangeInfo",
            (),
            _ONE,
            lambda raw: parse_market.exchange_info(raw, self.name),
            urgent=True,
        )
        self._budget.configure(info.limits)
        self.unreadable_symbols = info.unreadable
        return info.instruments

    def leverage_brackets(self, key: Key) -> tuple[LeverageBracket, ...]:
        return self._wire.read(
            "/fapi/v1/leverageBracket",
            _of(key),
            _ONE,
            lambda raw: parse_market.brackets(raw, key),
            urgent=True,
        )

    def book(self, key: Key, depth: int) -> BookSnapshot:
        """Return at least `depth` levels a side where the venue has them; 1000 at most."""
        limit, weight = next((pair for pair in _DEPTHS if pair[0] >= depth), _DEPTHS[-1])
        return self._wire.public(
            "/fapi/v1/depth",
            [*_of(key), ("limit", str(limit))],
            Cost(weight=weight),
            lambda raw: parse_market.book(raw, key),
        )

    def bars(
        self, key: Key, interval_ns: int, limit: int, start_ns: int = 0, end_ns: int = 0
    ) -> tuple[Bar, ...]:
        """Return up to `limit` bars, oldest first, paging where a request cannot hold them.

        From `start_ns` on where given, else the newest before `end_ns` (0: now).
        Errors: `Rejected` (-1120) for an interval the venue does not have.
        """
        interval = _INTERVALS.get(interval_ns)
        if interval is None:
            raise Rejected(f"not sent: no bars of {interval_ns} ns", venue=self.name, code=-1120)
        found: dict[int, Bar] = {}
        while len(found) < limit:
            wanted = min(limit - len(found), _BARS_MAX)
            span = [("startTime", str(start_ns // _NS_MS))] if start_ns else []
            span += [("endTime", str(end_ns // _NS_MS))] if end_ns else []
            page = self._wire.public(
                "/fapi/v1/klines",
                [*_of(key), ("interval", interval), *span, ("limit", str(wanted))],
                Cost(weight=_bars_weight(wanted)),
                lambda raw: parse_market.bars(raw, key, interval_ns, self.venue_now_ns()),
            )
            fresh = [bar for bar in page if bar.open_ns not in found]
            found |= {bar.open_ns: bar for bar in fresh}
            if not fresh or len(page) < wanted:
                break
            if start_ns:
                start_ns = page[-1].open_ns + interval_ns
            else:
                end_ns = page[0].open_ns - _NS_MS
        return tuple(found[open_ns] for open_ns in sorted(found))

    def mark_price(self, key: Key) -> MarkPrice:
        return self._wire.public(
            "/fapi/v1/premiumIndex",
            _of(key),
            _ONE,
            lambda raw: parse_market.mark_price(raw, key),
            urgent=True,
        )

    def account(self) -> AccountState:
        """Return balances, margins and the position mode (two requests)."""
        as_of_ns = self.venue_now_ns()
        config = self._wire.read("/fapi/v1/accountConfig", (), _ACCOUNT, bytes, urgent=True)
        return self._wire.read(
            "/fapi/v3/account",
            (),
            _ACCOUNT,
            lambda raw: parse_account.account(raw, config, self.name, as_of_ns),
            urgent=True,
        )

    def positions(self, key: Key | None = None) -> tuple[PositionReported, ...]:
        """Return positions as stated; the venue leaves flat symbols out."""
        return self._wire.read(
            "/fapi/v3/positionRisk",
            _of(key) if key else (),
            _ACCOUNT,
            lambda raw: parse_account.positions(raw, self.name),
            urgent=True,
        )

    def fills(
        self, key: Key, *, since_ns: int = 0, order_id: str = "", from_id: str = ""
    ) -> tuple[Fill, ...]:
        """Return executions oldest first, with the client order ids that userTrades lacks."""
        return self._history.fills(key, since_ns, order_id, from_id)

    def funding(self, key: Key | None, since_ns: int) -> tuple[FundingPaid, ...]:
        return self._history.funding(key, since_ns)

    def bookings(self, since_ns: int) -> tuple[Transferred | WalletAdjusted, ...]:
        return self._history.bookings(since_ns)

    def earned(self, since_ns: int, until_ns: int) -> EarnedRead:
        return self._history.earned(since_ns, until_ns)

    def commission(self, key: Key) -> Commission:
        return self._wire.read(
            "/fapi/v1/commissionRate",
            _of(key),
            Cost(weight=20),
            lambda raw: parse_market.commission(raw, key),
            urgent=True,
        )

    def key_rights(self) -> KeyRights:
        """Return what the key may do; all None where the venue has no such service (testnet)."""
        if self._rights_wire is None:
            return KeyRights(None, None, None)
        try:
            return self._rights_wire.read(
                "/sapi/v1/account/apiRestrictions", (), _ONE, parse_account.key_rights
            )
        except Rejected as refusal:
            if refusal.http_status == 404:
                return KeyRights(None, None, None)
            raise

    def symbol_settings(self, key: Key) -> SymbolSettings:
        return self._wire.read(
            "/fapi/v1/symbolConfig",
            _of(key),
            _ACCOUNT,
            lambda raw: parse_account.symbol_settings(raw, key),
            urgent=True,
        )

    def every_symbol_settings(self) -> tuple[SymbolSettings, ...]:
        return self._wire.read(
            "/fapi/v1/symbolConfig",
            (),
            _ACCOUNT,
            lambda raw: parse_account.every_symbol_settings(raw, self.name),
        )

    def set_hedge_mode(self, hedge: bool) -> None:
        """Set the account's position mode; that it already is so counts as done."""
        self._configure(
            "/fapi/v1/positionSide/dual", [("dualSidePosition", "true" if hedge else "false")]
        )
        self._orders.hedge_mode = hedge

    def set_isolated(self, key: Key, isolated: bool) -> None:
        """Set the symbol's margin mode; that it already is so counts as done."""
        self._configure(
            "/fapi/v1/marginType",
            [*_of(key), ("marginType", "ISOLATED" if isolated else "CROSSED")],
        )

    def set_leverage(self, key: Key, leverage: int) -> None:
        self._wire.write(
            "POST",
            "/fapi/v1/leverage",
            [*_of(key), ("leverage", str(leverage))],
            _ONE,
            lambda raw: parse_account.leverage_set(raw, leverage),
            urgent=True,
        )

    def place(self, order: Approved[PlaceOrder]) -> OrderUpdated:
        return self._orders.place(order)

    def place_batch(
        self, orders: Sequence[Approved[PlaceOrder]]
    ) -> tuple[OrderUpdated | Exception, ...]:
        return self._orders.place_batch(orders)

    def test_place(self, order: Rehearsal) -> None:
        self._orders.test_place(order)

    def amend(self, order: Approved[AmendOrder]) -> OrderUpdated:
        return self._orders.amend(order)

    def cancel(self, order: CancelOrder) -> OrderUpdated | None:
        return self._orders.cancel(order)

    def cancel_all(self, orders: CancelAll) -> None:
        self._orders.cancel_all(orders)

    def countdown_cancel(self, key: Key, after_ms: int) -> None:
        self._orders.countdown_cancel(key, after_ms)

    def open_orders(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        return self._orders.open_orders(key)

    def open_stops(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        return self._orders.open_stops(key)

    def order(self, key: Key, client_order_id: str, *, conditional: bool = False) -> OrderUpdated:
        return self._orders.order(key, client_order_id, conditional=conditional)

    def _configure(self, path: str, params: build.Params) -> None:
        try:
            self._wire.write("POST", path, params, _ONE, parse_account.confirmation, urgent=True)
        except Rejected as refusal:
            if refusal.code not in NO_CHANGE:
                raise


def _of(key: Key) -> build.Params:
    return [("symbol", key.symbol)]


def _bars_weight(limit: int) -> int:
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10
