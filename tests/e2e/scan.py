"""Every order that an exchange ever took, held against the caps from its own account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any

from attrs import define, field

from adapters.venues.binance_usdm.emulator.store import Store
from core.config import Config, Risk
from core.exchange import ExchangeState
from core.exchange.rows import Amendment, ConditionalOrder, VenueOrder, VenueTrade
from core.ids import is_ours
from core.messages import PositionSide, Side
from core.money import ZERO
from tests.sim import caps
from tests.sim.caps import Resting, Standing

__all__ = ["read", "scan"]

_OPENING = {(PositionSide.LONG, Side.BUY), (PositionSide.SHORT, Side.SELL)}
_MINUTE_NS = 60_000_000_000
_NEAR = Decimal("0.98"), Decimal("1.02")
"""The account keeps no marks: they are taken to be this near to the prices of the minute around."""


def read(folder: Path) -> list[ExchangeState]:
    """Read every account that an exchange has kept under a folder."""
    states = []
    for path in sorted(folder.rglob("exchange.db")):
        store = Store(path.parent)
        state = store.load()
        store.close()
        if state is not None:
            states.append(state)
    return states


def scan(state: ExchangeState, config: Config, risk: Risk, hosts: int = 1) -> list[str]:
    """Name every order of this host by which a cap of `risk` was exceeded when it was taken.

    `hosts` is how many lives it had: each counts its own minutes.
    """
    return _Scan(state, config, risk, hosts).problems()


@define
class _Live:
    """An order that may still open something, as far as the scan has come."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    filled: Decimal = ZERO


@define
class _Scan:
    state: ExchangeState
    config: Config
    risk: Risk
    hosts: int
    held: dict[tuple[str, Side], Decimal] = field(factory=dict)
    live: dict[str, _Live] = field(factory=dict)
    prices: dict[str, list[tuple[int, Decimal]]] = field(factory=dict)
    taken_ns: list[int] = field(factory=list)

    def problems(self) -> list[str]:
        for trade in self.state.trades:
            self._saw(trade.fill.key.symbol, trade.fill.time_ns, trade.fill.price)
        for order in self.state.orders:
            self._saw(order.key.symbol, order.created_ns, order.price)
        found: list[str] = []
        for _, _, row, what in sorted(self._events(), key=itemgetter(0, 1)):
            found += self._step(row, what)
        return found

    def _saw(self, symbol: str, at_ns: int, price: Decimal) -> None:
        if price:
            self.prices.setdefault(symbol, []).append((at_ns, price))

    def _events(self) -> Iterator[tuple[int, int, Any, str]]:
        """Yield what happened: its time, its rank within the instant, the row, what it was."""
        plain = [order for order in self.state.orders if not order.algo_id]
        for order in (*plain, *self.state.conditionals):
            if not is_ours(order.client_order_id, self.config.host_name, order.key.symbol):
                continue
            yield order.created_ns, 0, order, "taken"
            if not _open(order):
                yield order.updated_ns, 2, order, "ended"
        for amendment in self.state.amendments:
            yield amendment.time_ns, 1, amendment, "amended"
        for trade in self.state.trades:
            yield trade.fill.time_ns, 1, trade, "filled"

    def _step(self, row: Any, what: str) -> list[str]:
        match row, what:
            case ((VenueOrder() | ConditionalOrder()), "taken"):
                return self._taken(row)
            case ((VenueOrder() | ConditionalOrder()), _):
                if not (isinstance(row, ConditionalOrder) and row.order_id):
                    self.live.pop(row.client_order_id, None)
            case Amendment(), _:
                return self._amended(row)
            case VenueTrade(), _:
                self._filled(row)
        return []

    def _taken(self, order: VenueOrder | ConditionalOrder) -> list[str]:
        self.taken_ns.append(order.created_ns)
        if (order.position_side, order.side) not in _OPENING:
            return []
        quantity, price = order.quantity, order.price or order.trigger_price
        for change in self.state.amendments:  # the row has what the last one made of it
            if change.order_id == order.order_id:  # a host that lost its journal may reuse a name
                quantity, price = change.quantity_before, change.price_before
                break
        live = _Live(order.key.symbol, order.side, price, quantity)
        self.live[order.client_order_id] = live
        return self._judge(order.client_order_id, live, order.created_ns)

    def _amended(self, change: Amendment) -> list[str]:
        self.taken_ns.append(change.time_ns)
        live = self.live.get(change.client_order_id)
        if live is None:
            return []
        grew = change.quantity_after > live.quantity or change.price_after > live.price
        live.quantity, live.price = change.quantity_after, change.price_after
        return self._judge(change.client_order_id, live, change.time_ns) if grew else []

    def _filled(self, trade: VenueTrade) -> None:
        fill = trade.fill
        live = self.live.get(fill.client_order_id)
        if live is not None:
            live.filled += fill.quantity
        direction = Side.BUY if fill.position_side is PositionSide.LONG else Side.SELL
        place = (fill.key.symbol, direction)
        change = fill.quantity if fill.side is direction else -fill.quantity
        self.held[place] = self.held.get(place, ZERO) + change

    def _judge(self, name: str, order: _Live, at_ns: int) -> list[str]:
        risk = self.risk
        standings = {symbol: self._standing(symbol, at_ns) for symbol in self.prices}
        found = caps.over(risk, standings, order.symbol, order.side)
        left = order.quantity - order.filled  # what it may still open, as risk counts it
        notional = left * max(order.price, standings[order.symbol].low)
        if notional > risk.max_order_notional:
            found.append(f"order notional {notional:.2f} over {risk.max_order_notional}")
        while self.taken_ns[0] < at_ns - _MINUTE_NS + self._slack_ns():
            self.taken_ns.pop(0)
        if len(self.taken_ns) > risk.max_orders_per_minute * self.hosts:
            found.append(f"{len(self.taken_ns)} orders within a minute")
        return [f"{name}: {what}" for what in found]

    def _slack_ns(self) -> int:
        """Return how much later than approved an order may arrive."""
        execution, venue = self.config.execution, self.config.venues.binance
        return (execution.max_order_age_ms + venue.recv_window_ms) * 1_000_000

    def _standing(self, symbol: str, at_ns: int) -> Standing:
        near = [price for ns, price in self.prices[symbol] if abs(ns - at_ns) < _MINUTE_NS]
        near = near or [price for _, price in self.prices[symbol]]
        standing = Standing(min(near) * _NEAR[0], max(near) * _NEAR[1])
        for side in Side:
            standing.held[side] = self.held.get((symbol, side), ZERO)
        standing.orders += [
            Resting(order.side, order.quantity - order.filled, order.price)
            for order in self._open_in(symbol)
        ]
        return standing

    def _open_in(self, symbol: str) -> Iterable[_Live]:
        return (
            order
            for order in self.live.values()
            if order.symbol == symbol and order.quantity > order.filled
        )


def _open(order: VenueOrder | ConditionalOrder) -> bool:
    if isinstance(order, ConditionalOrder):
        return order.status.waiting
    return order.status.open
