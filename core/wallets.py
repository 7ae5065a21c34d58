"""Money and positions of the books: openings, fills, funding, transfers: each counted once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from core.income import Earned, Earning
from core.messages import Fill, FundingPaid, Key, PositionSide
from core.money import ZERO
from core.positions import Position
from core.records import BooksOpened, SymbolOpened, Transferred, WalletAdjusted
from core.symbol_account import SymbolAccount

__all__ = ["Asset", "Wallets"]

Asset = tuple[str, str]
"""(venue, asset)."""


class Wallets:
    """Sums of every asset and symbol, as our own records make them; mutable, one owner."""

    def __init__(self) -> None:
        self._opened: dict[Asset, BooksOpened] = {}
        self._symbols: dict[Key, SymbolAccount] = {}
        self._funding: dict[tuple[Key, str], FundingPaid] = {}
        self._transfers: dict[tuple[str, str], Transferred] = {}
        self._adjustments: dict[tuple[str, str], WalletAdjusted] = {}

    def open(self, opening: BooksOpened) -> None:
        """Start an asset from its opening balance; the first of a venue and asset counts."""
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

    def know(self, terms: SymbolOpened) -> None:
        """Learn what a symbol settles in; the first word counts."""
        self._symbol(terms.key).know(terms)

    def take(self, fill: Fill) -> bool:
        """Fold one fill in; False when it was known."""
        return self._symbol(fill.key).take(fill)

    def pay(self, paid: FundingPaid) -> None:
        """Count one funding settlement, once."""
        self._funding.setdefault((paid.key, paid.funding_id), paid)

    def move(self, moved: Transferred) -> None:
        """Count one transfer, once."""
        self._transfers.setdefault((moved.venue, moved.transfer_id), moved)

    def adjust(self, adjusted: WalletAdjusted) -> None:
        """Count one booking that is neither of trading nor a transfer, once."""
        self._adjustments.setdefault((adjusted.venue, adjusted.adjustment_id), adjusted)

    def compared(self, key: Key, at_ns: int) -> None:
        """Hear that a symbol agreed with the venue: it need not know ids of long ago any more."""
        self._symbol(key).compared(at_ns)

    def settle(self, until_ns: int) -> None:
        """Keep only the sums of fills up to this instant: for wallets, not for lists of fills."""
        for account in self._symbols.values():
            account.settle(until_ns)

    def symbols(self) -> Iterable[Key]:
        """Return every symbol that was traded or opened."""
        return self._symbols.keys()

    def fills(self, key: Key | None = None) -> Iterator[Fill]:
        """Yield each fill once, those of a symbol in the venue's order."""
        for owner, account in self._symbols.items():
            if key is None or owner == key:
                yield from account.fills

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

    def balances(self) -> dict[Asset, Decimal]:
        """Sum the wallet of every asset whose opening balance is known.

        Opening + realised − fees + funding + transfers + adjustments.
        """
        return {
            asset: opening.wallet
            + self.realised(*asset)
            - self.fees(*asset)
            + self.funding(*asset)
            + self.transfers(*asset)
            + self.adjustments(*asset)
            for asset, opening in self._opened.items()
        }

    def realised(self, venue: str, asset: str) -> Decimal:
        """Sum the PnL realised in an asset since the opening, before fees and funding."""
        return sum((a.realised for k, a in self._of(venue) if self.margin_asset(k) == asset), ZERO)

    def fees(self, venue: str, asset: str) -> Decimal:
        """Sum the fees paid in an asset since the opening (negative when rebates are more)."""
        return sum((account.fees(asset) for _, account in self._of(venue)), ZERO)

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

    def adjustments(self, venue: str, asset: str) -> Decimal:
        """Sum what else was booked since the opening: the settlement of forced closes, rebates."""
        since_ns = self._opened_ns(venue, asset)
        return sum(
            (
                adjusted.amount
                for adjusted in self._adjustments.values()
                if (adjusted.venue, adjusted.asset) == (venue, asset)
                and adjusted.time_ns > since_ns
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
        return account.realised - account.fees(asset) + received

    def earned(self, venue: str, since_ns: int, until_ns: int) -> Iterator[Earned]:
        """Yield what fills and settlements of a span brought in, but for settled fills."""
        for key, account in self._of(venue):
            yield from account.earned(self.margin_asset(key), since_ns, until_ns)
        for paid in self._funding.values():
            if paid.key.venue == venue and since_ns <= paid.time_ns <= until_ns:
                row = (paid.asset, paid.funding_id, paid.amount, paid.time_ns)
                yield Earned(paid.key, Earning.FUNDING, *row)

    def margin_asset(self, key: Key) -> str:
        """Return what the symbol settles in; unless told, what its venue's books opened with."""
        account = self._symbols.get(key)
        if account is not None and account.terms is not None:
            return account.terms.margin_asset
        return next((asset for venue, asset in self._opened if venue == key.venue), "")

    def _symbol(self, key: Key) -> SymbolAccount:
        account = self._symbols.get(key)
        if account is None:
            account = self._symbols[key] = SymbolAccount()
            account.reopen((), self._since(key.venue), self.margin_asset(key))
        return account

    def _since(self, venue: str) -> dict[str, int]:
        return {asset: o.as_of_ns for (name, asset), o in self._opened.items() if name == venue}

    def _opened_ns(self, venue: str, asset: str) -> int:
        opening = self._opened.get((venue, asset))
        return opening.as_of_ns if opening else 0

    def _of(self, venue: str) -> Iterator[tuple[Key, SymbolAccount]]:
        for key, account in self._symbols.items():
            if key.venue == venue:
                yield key, account
