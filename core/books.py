"""The host's books: fold the journal's records into orders, fills, positions and wallets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from attrs import frozen

from core.bookkeeping import OrderRow, SymbolAccount
from core.ledger import Row, ledger
from core.messages import (
    AccountSnapshot,
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
from core.money import ZERO
from core.positions import Position
from core.records import (
    BooksOpened,
    HaltChanged,
    HostStarted,
    HostStopped,
    OrderGone,
    OrderIntended,
    SymbolOpened,
    Transferred,
)

__all__ = ["FOLDED", "Books", "WalletDifference"]

FOLDED: tuple[type, ...] = (
    AccountSnapshot,
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
)
"""The payloads that books are made of; a reader may leave the rest on disk."""

OrderKey = tuple[Key, str]
Asset = tuple[str, str]
"""(venue, asset)."""


@frozen(slots=True)
class WalletDifference:
    """A wallet that our own sums and the venue's word do not agree on."""

    venue: str
    asset: str
    ours: Decimal
    stated: Decimal
    stated_ns: int


class Books:
    """What the records say, each counted once however often and in whatever order it comes.

    Wallets are our own sums (opening + realised − fees + funding + transfers); the venue's word
    is kept beside them for comparison and never mixed in. Mutable, one owner.
    """

    def __init__(self, payloads: Iterable[object] = ()) -> None:
        self.halt: HaltChanged | None = None
        self.started: HostStarted | None = None
        self.stopped: HostStopped | None = None
        self.stated_wallets: dict[Asset, BalanceUpdated] = {}
        self.stated_positions: dict[tuple[Key, PositionSide], PositionReported] = {}
        self._opened: dict[Asset, BooksOpened] = {}
        self._symbols: dict[Key, SymbolAccount] = {}
        self._orders: dict[OrderKey, OrderRow] = {}
        self._live: dict[OrderKey, OrderRow] = {}
        self._funding: dict[tuple[Key, str], FundingPaid] = {}
        self._transfers: dict[tuple[str, str], Transferred] = {}
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
                self._funding.setdefault((payload.key, payload.funding_id), payload)
            case Transferred():
                self._transfers.setdefault((payload.venue, payload.transfer_id), payload)
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
            case AccountSnapshot():
                for part in (*payload.orders, *payload.fills, *payload.positions):
                    self.apply(part)
            case BooksOpened():
                self._open(payload)
            case SymbolOpened():
                self._symbol(payload.key).know(payload)
            case HaltChanged():
                if self.halt is None or payload.epoch > self.halt.epoch:
                    self.halt = payload
            case HostStarted():
                self.started, self.stopped = payload, None
            case HostStopped():
                self.stopped = payload

    def symbols(self) -> tuple[Key, ...]:
        """Return every symbol that any record told of, in order of venue and name."""
        told = {key for key, _ in self._orders} | set(self._symbols)
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

    def fills(self, key: Key | None = None) -> Iterator[Fill]:
        """Yield each fill once, those of a symbol in the venue's order."""
        for owner, account in self._symbols.items():
            if key is None or owner == key:
                yield from account.fills

    def has_fill(self, key: Key, fill_id: str) -> bool:
        """Tell whether this fill is in the books already."""
        return key in self._symbols and fill_id in self._symbols[key].seen

    def positions(self, key: Key | None = None) -> Iterator[tuple[Key, Position]]:
        """Yield the sides of every symbol that has been traded or opened, flat ones too."""
        for owner, account in self._symbols.items():
            if key is None or owner == key:
                for position in account.sides.values():
                    yield owner, position

    def position(self, key: Key, side: PositionSide) -> Position:
        """Return one side's position, flat when nothing is known of it."""
        account = self._symbols.get(key)
        return account.sides.get(side, Position(side)) if account else Position(side)

    def wallets(self) -> dict[Asset, Decimal]:
        """Sum the wallet of every asset whose opening balance is known."""
        return {
            asset: opening.wallet
            + self.realised(*asset)
            - self.fees(*asset)
            + self.funding(*asset)
            + self.transfers(*asset)
            for asset, opening in self._opened.items()
        }

    def realised(self, venue: str, asset: str) -> Decimal:
        """Sum the PnL realised in an asset since the opening, before fees and funding."""
        return sum((a.realised for k, a in self._of(venue) if self.margin_asset(k) == asset), ZERO)

    def fees(self, venue: str, asset: str) -> Decimal:
        """Sum the fees paid in an asset since the opening (negative when rebates are more)."""
        return sum((account.fees.get(asset, ZERO) for _, account in self._of(venue)), ZERO)

    def funding(self, venue: str, asset: str) -> Decimal:
        """Sum the funding received (negative: paid) in an asset since the opening."""
        since_ns = self._opened_ns(venue, asset)
        return sum(
            (
                paid.amount
                for paid in self._funding.values()
                if (paid.key.venue, paid.asset) == (venue, asset) and paid.time_ns > since_ns
            ),
            ZERO,
        )

    def transfers(self, venue: str, asset: str) -> Decimal:
        """Sum what was moved into (negative: out of) the account since the opening."""
        since_ns = self._opened_ns(venue, asset)
        return sum(
            (
                moved.amount
                for moved in self._transfers.values()
                if (moved.venue, moved.asset) == (venue, asset) and moved.time_ns > since_ns
            ),
            ZERO,
        )

    def made(self, key: Key) -> Decimal:
        """Sum what one symbol made in its margin asset: realised PnL less fees, with funding."""
        asset = self.margin_asset(key)
        since_ns = self._opened_ns(key.venue, asset)
        received = sum(
            (
                paid.amount
                for paid in self._funding.values()
                if (paid.key, paid.asset) == (key, asset) and paid.time_ns > since_ns
            ),
            ZERO,
        )
        account = self._symbols.get(key)
        if account is None:
            return received
        return account.realised - account.fees.get(asset, ZERO) + received

    def margin_asset(self, key: Key) -> str:
        """Return what the symbol settles in; unless told, what its venue's books opened with."""
        account = self._symbols.get(key)
        if account is not None and account.terms is not None:
            return account.terms.margin_asset
        return next((asset for venue, asset in self._opened if venue == key.venue), "")

    def wallet_differences(self) -> tuple[WalletDifference, ...]:
        """Compare our sums with the venue's word, asset by asset; empty when all agree.

        A word that is older than our newest fill differs in passing; compare when all is quiet.
        """
        ours = self.wallets()
        return tuple(
            WalletDifference(*asset, ours[asset], stated.wallet, stated.event_ns)
            for asset, stated in sorted(self.stated_wallets.items())
            if asset in ours and ours[asset] != stated.wallet
        )

    def ledger(self) -> Row:
        """Write the books in the ledger's one shape."""
        return ledger(self.orders(), self.fills(), self.positions(), self.wallets())

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

    def _symbol(self, key: Key) -> SymbolAccount:
        account = self._symbols.get(key)
        if account is None:
            account = self._symbols[key] = SymbolAccount()
            account.reopen((), self._since(key.venue), self.margin_asset(key))
        return account

    def _fill(self, fill: Fill) -> None:
        if self._symbol(fill.key).take(fill):
            place = (fill.key, fill.client_order_id or fill.order_id)
            self._touch(place).executed(fill)
            self._settle(place)

    def _open(self, opening: BooksOpened) -> None:
        if self._opened.setdefault((opening.venue, opening.asset), opening) is not opening:
            return
        for position in opening.positions:
            self._symbol(position.key)
        since = self._since(opening.venue)
        for key, account in self._of(opening.venue):
            held = [
                position
                for (venue, _), opened in self._opened.items()
                if venue == key.venue
                for position in opened.positions
                if position.key == key
            ]
            account.reopen(held, since, self.margin_asset(key))

    def _since(self, venue: str) -> dict[str, int]:
        return {asset: o.as_of_ns for (name, asset), o in self._opened.items() if name == venue}

    def _opened_ns(self, venue: str, asset: str) -> int:
        opening = self._opened.get((venue, asset))
        return opening.as_of_ns if opening else 0

    def _of(self, venue: str) -> Iterator[tuple[Key, SymbolAccount]]:
        for key, account in self._symbols.items():
            if key.venue == venue:
                yield key, account
