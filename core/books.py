"""The host's books: fold the journal's records into orders, fills, positions and wallets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.bookkeeping import OrderRow
from core.ledger import Row, ledger
from core.messages import (
    BalanceUpdated,
    Fill,
    FundingPaid,
    Key,
    OrderAcknowledged,
    OrderRefused,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
)
from core.records import (
    BooksOpened,
    HaltChanged,
    HostStarted,
    HostStopped,
    OrderGone,
    OrderIntended,
    SymbolOpened,
    Transferred,
    WalletAdjusted,
)
from core.wallets import Asset, Wallets

__all__ = ["FOLDED", "Books"]

FOLDED: tuple[type, ...] = (
    BalanceUpdated,
    BooksOpened,
    Fill,
    FundingPaid,
    HaltChanged,
    HostStarted,
    HostStopped,
    OrderAcknowledged,
    OrderGone,
    OrderIntended,
    OrderRefused,
    OrderUpdated,
    PositionReported,
    SymbolOpened,
    Transferred,
    WalletAdjusted,
)
"""The payloads that books are made of; a reader may leave the rest on disk."""

OrderKey = tuple[Key, str]


class Books:
    """What the records say, each counted once however often and in whatever order it comes.

    `wallets` are our own sums; the venue's word is kept beside them for comparison and never
    mixed in. Mutable, one owner.
    """

    def __init__(self, payloads: Iterable[object] = ()) -> None:
        self.halt: HaltChanged | None = None
        self.started: HostStarted | None = None
        self.stopped: HostStopped | None = None
        self.stated_wallets: dict[Asset, BalanceUpdated] = {}
        self.stated_positions: dict[tuple[Key, PositionSide], PositionReported] = {}
        self._orders: dict[OrderKey, OrderRow] = {}
        self._live: dict[OrderKey, OrderRow] = {}
        self.wallets = Wallets()
        for payload in payloads:
            self.apply(payload)

    def apply(self, payload: object) -> None:
        """Fold one record's payload in; kinds that books have no use for change nothing."""
        match payload:
            case OrderUpdated():
                place = (payload.key, payload.client_order_id or payload.order_id)
                self._touch(place).take(payload)
                self._settle(place)
            case OrderAcknowledged():
                self.apply(payload.update)
            case Fill():
                self._fill(payload)
            case FundingPaid():
                self.wallets.pay(payload)
            case Transferred():
                self.wallets.move(payload)
            case OrderIntended():
                place = (payload.order.key, payload.order.client_order_id)
                self._touch(place).intend(payload.order)
                self._settle(place)
            case OrderRefused():
                if payload.action not in ("amend", "cancel"):
                    self._refused((payload.key, payload.client_order_id))
            case OrderGone():
                self._refused((payload.key, payload.client_order_id))
            case _:
                self._apply_rare(payload)

    def _apply_rare(self, payload: object) -> None:
        match payload:
            case BalanceUpdated():
                asset = (payload.venue, payload.asset)
                known = self.stated_wallets.get(asset)
                if known is None or payload.event_ns >= known.event_ns:
                    self.stated_wallets[asset] = payload
            case PositionReported():
                side = (payload.key, payload.position_side)
                stated = self.stated_positions.get(side)
                if stated is None or payload.event_ns >= stated.event_ns:
                    self.stated_positions[side] = payload
            case WalletAdjusted():
                self.wallets.adjust(payload)
            case BooksOpened():
                self.wallets.open(payload)
            case SymbolOpened():
                self.wallets.know(payload)
            case HaltChanged():
                if self.halt is None or payload.epoch > self.halt.epoch:
                    self.halt = payload
            case HostStarted():
                self.started, self.stopped = payload, None
            case HostStopped():
                self.stopped = payload

    def symbols(self) -> tuple[Key, ...]:
        """Return every symbol that any record told of, in order of venue and name."""
        told = {key for key, _ in self._orders} | set(self.wallets.symbols())
        return tuple(sorted(told, key=lambda key: (key.venue, key.symbol)))

    def orders(self) -> Iterator[OrderUpdated]:
        """Yield the last word on every order that the venue gave an id."""
        for row in self._orders.values():
            order = row.order
            if order is not None and order.order_id:
                yield order

    def open_orders(self, key: Key | None = None) -> Iterator[OrderUpdated]:
        """Yield the orders that may still fill as far as the venue said, conditional ones too."""
        for (owner, _), row in self._live.items():
            order = row.order
            if order is not None and order.order_id and order.status.open and key in (None, owner):
                yield order

    def pending(self, key: Key | None = None) -> Iterator[PlaceOrder]:
        """Yield placements that were intended and whose fate no record tells: ask the venue."""
        for (owner, _), row in self._live.items():
            if row.intended is not None and row.order is None and key in (None, owner):
                yield row.intended

    def intended(self, key: Key, client_order_id: str) -> PlaceOrder | None:
        """Return the placement of one of our orders; None for one that we never intended."""
        row = self._orders.get((key, client_order_id))
        return row.intended if row else None

    def ledger(self) -> Row:
        """Write the books in the ledger's one shape."""
        return ledger(
            self.orders(),
            self.wallets.fills(),
            self.wallets.positions(),
            self.wallets.balances(),
        )

    def _touch(self, place: OrderKey) -> OrderRow:
        row = self._orders.get(place)
        if row is None:
            row = self._orders[place] = OrderRow()
        return row

    def _settle(self, place: OrderKey) -> None:
        row = self._orders[place]
        if row.settled:
            self._live.pop(place, None)
        else:
            self._live[place] = row

    def _refused(self, place: OrderKey) -> None:
        self._touch(place).refused = True
        self._settle(place)

    def _fill(self, fill: Fill) -> None:
        if self.wallets.take(fill):
            place = (fill.key, fill.client_order_id or fill.order_id)
            self._touch(place).executed(fill)
            self._settle(place)
