"""A venue's account: position mode, wallet, transfers, and what strangers do on it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from actors import names
from actors.messages import (
    AccountRead,
    AccountReport,
    BookingsRead,
    ForeignFound,
    ReadAccount,
    ReadBookings,
    ReadFailed,
    Tick,
    WalletTold,
    Write,
)
from actors.runtime import Actor, Timer
from actors.wallet_check import WalletCheck
from core.messages import (
    BalanceUpdated,
    Fill,
    FundingPaid,
    Key,
    OrderUpdated,
    PositionReported,
    PositionSide,
    StreamConnected,
    StreamLost,
)
from core.money import text
from core.ports import AccountState, Log, Record, Records
from core.records import BooksOpened, Transferred, WalletAdjusted, WalletDiffered
from core.transfers import Transfers

_RETRY_NS = 2_000_000_000
_BOOKINGS_NS = 600_000_000_000
_STRANGERS_MOST = 10_000
_LATE_NS = (10_000_000_000, 60_000_000_000)
_TRADING = ("order", "funding_fee", "margin_transfer", "margin_type_change")
_MOVES = (
    *("deposit", "withdraw", "withdraw_reject", "admin_deposit", "admin_withdraw"),
    *("asset_transfer", "coin_swap_deposit", "coin_swap_withdraw", "auto_exchange"),
)


class AccountActor(Actor):
    """Own the wallet of one venue, as the venue states it.

    State: wallet balance per asset (realised only, in that asset), transfers since the books were
    opened, margins of the last reading, orders and sides of strangers told of.
    Fails: an unreadable account is asked for again; until it and its transfers are known the venue
    is not ready. A wallet that stays different from the books' is journalled and logged.
    Rules: `core.transfers`; the books' own sums are `core.wallets`, compared and never mixed.
    """

    def __init__(
        self,
        venue_name: str,
        asset: str,
        hedge_mode: bool,
        refresh_ns: int,
        keys: Sequence[Key],
        records: Records,
        log: Log,
    ) -> None:
        self.venue_name = venue_name
        self.asset = asset
        self.hedge_mode = hedge_mode
        self.refresh_ns = refresh_ns
        self.keys = frozenset(keys)
        self.records = records
        self.log = log
        self.check = WalletCheck(records, venue_name, asset)
        self.wallets: dict[str, Decimal] = {}
        self.stated_ns: dict[str, int] = {}
        self.as_of_ns = 0
        self.state: AccountState | None = None
        self.read_ns = 0
        self.explained = True
        self.retry: Timer | None = None
        self.opening: BooksOpened | None = None
        self.transfers = Transfers(0)
        self.known: set[str] = set()
        self.bookings_ns = 0
        self.asking_bookings = False
        self.journalled = self.booked = False
        self.foreign_orders: dict[str, None] = {}
        self.foreign_sides: dict[tuple[Key, PositionSide], Decimal] = {}

    def starting(self) -> None:
        self.waiting("reading the journal")
        for record in self.records.read(kinds=(BooksOpened,)):
            opening = record.payload
            if isinstance(opening, BooksOpened) and self._mine(opening) and not self.opening:
                self.opening = opening
        self.transfers = Transfers(self.opening.as_of_ns if self.opening else 0)
        for record in self.records.read(kinds=(Transferred, WalletAdjusted)):
            match record.payload:
                case Transferred() as moved:
                    self._know(moved)
                case WalletAdjusted() as adjusted:
                    self.known.add(adjusted.adjustment_id)
        self._read()
        self.every(self.refresh_ns, Tick("refresh"))
        self.every(_BOOKINGS_NS, Tick("bookings"))

    def _mine(self, payload: BooksOpened | Transferred) -> bool:
        return (payload.venue, payload.asset) == (self.venue_name, self.asset)

    def handle(self, message: object) -> None:
        match message:
            case AccountRead():
                self._account(message)
            case BookingsRead():
                self._bookings(message)
            case BalanceUpdated():
                self._streamed(message)
            case Tick("journalled"):
                self.journalled = True
                self._ready()
            case Tick("refresh") | Tick("again") | StreamConnected():
                self._read()
            case Tick("bookings", "explained") if self.explained:
                pass
            case Tick("bookings"):
                self._ask_bookings()
            case Tick("compare"):
                self._compare()
            case ReadFailed():
                self._failed(message)
            case OrderUpdated():
                self._foreign_order(message)
            case Fill():
                self._foreign_order(message)
            case PositionReported():
                self._foreign_position(message)
            case FundingPaid() | StreamLost():
                pass

    # Asking

    def _read(self) -> None:
        # The position mode is brought about once, before anything of the account counts.
        hedge_mode = None if self.state else self.hedge_mode
        self.tell(names.reads_lane(self.venue_name), ReadAccount(hedge_mode, self.name))

    def _ask_bookings(self) -> None:
        """Ask for what was booked since the books were opened, later only for what may be new."""
        if self.asking_bookings or self.opening is None:
            return
        self.asking_bookings = True
        since_ns = max(self.opening.as_of_ns, self.bookings_ns - _BOOKINGS_NS)
        request = ReadBookings(since_ns, self.name, with_orders=True)
        self.tell(names.reads_lane(self.venue_name), request)

    def _failed(self, failed: ReadFailed) -> None:
        self.log("warning", self.name, f"reading the account: {failed.error}")
        pause_ns = max(_RETRY_NS, failed.error.retry_after_ns)
        if isinstance(failed.request, ReadBookings):
            self.asking_bookings = False
            self.after(pause_ns, Tick("bookings"))
        elif self.state is None:
            if self.retry is not None:
                self.retry.cancel()
            self.retry = self.after(pause_ns, Tick("again"))
        if not (self.state and self.booked):
            self.waiting(f"reading the account: {failed.error.message}")

    # The wallet

    def _account(self, read: AccountRead) -> None:
        first = self.state is None
        self.state, self.read_ns = read.state, self.monotonic_ns()
        for balance in read.state.balances:
            if self._balance(balance) and balance.asset == self.asset and not first:
                self.explained = False  # until the books say so: it may be a transfer
        self.as_of_ns = max(self.as_of_ns, read.state.event_ns)
        stated = {(position.key, position.position_side) for position in read.positions}
        for side in self.foreign_sides.keys() - stated:
            del self.foreign_sides[side]
        for position in read.positions:
            self._foreign_position(position)
        if first:
            self._open(read)
        self._tell_wallet()
        self._compare()

    def _open(self, read: AccountRead) -> None:
        wallet = self.wallets.get(self.asset, Decimal(0))
        self.log("info", self.name, f"wallet {text(wallet)} {self.asset}")
        held = tuple(position for position in read.positions if position.quantity)
        opening = BooksOpened(self.venue_name, self.asset, wallet, held, read.state.event_ns)
        if self.opening is None:
            self.opening = opening
            self.transfers = Transfers(opening.as_of_ns)
        # Positions start from the journal, so the opening is in it before they do.
        record = Record(opening, self.now_ns(), actor=self.name)
        self.tell(names.JOURNAL, Write((record,), then=((self.name, Tick("journalled")),)))
        self._ask_bookings()

    def _streamed(self, balance: BalanceUpdated) -> None:
        before = self.wallets.get(balance.asset)
        news, moves = self._balance(balance), balance.reason in _MOVES
        if balance.asset == self.asset and (news or moves):
            if news:
                self.as_of_ns = max(self.as_of_ns, balance.event_ns)
            else:  # a reading was faster: how much of its change was moved, nobody has told
                self.explained = False
            if news and moves and before is not None:
                self.transfers.moved(balance.wallet - before)
            self._tell_wallet()
        if balance.reason not in _TRADING:
            self._ask_bookings_till("listed")

    def _ask_bookings_till(self, what: str) -> None:
        """Ask now and later: bookings are listed some seconds after they are made."""
        self._ask_bookings()
        for pause_ns in _LATE_NS:
            self.after(pause_ns, Tick("bookings", what))

    def _balance(self, balance: BalanceUpdated) -> bool:
        """Take a stated wallet in; tell whether it is news."""
        if balance.event_ns < self.stated_ns.get(balance.asset, 0):
            return False  # a slow answer, overtaken by the stream
        self.stated_ns[balance.asset] = balance.event_ns
        if self.wallets.get(balance.asset) == balance.wallet:
            return False
        self.wallets[balance.asset] = balance.wallet
        self._journal(balance)
        if balance.asset == self.asset:
            report = AccountReport(self.venue_name, balance.wallet, balance.asset)
            self.tell_latest(names.OPERATIONS, self.name, report)
        return True

    def _tell_wallet(self) -> None:
        """Tell risk the wallet with what of it came from outside; not before both are known."""
        if not self.booked or self.state is None:
            return
        told = WalletTold(
            self.venue_name,
            self.asset,
            self.wallets.get(self.asset, Decimal(0)),
            self.transfers.within(self.as_of_ns),
            self.state.available,
            self.state.initial_margin,
            self.state.maintenance_margin,
            self.read_ns,
            self.explained,
        )
        self.tell(names.RISK, told)

    def _bookings(self, read: BookingsRead) -> None:
        self.asking_bookings = False
        self.bookings_ns = max(self.bookings_ns, read.as_of_ns)
        for booking in read.bookings:
            self._book(booking)
        for order in read.orders or ():
            self._foreign_order(order)
        self.booked = True
        self._tell_wallet()
        self._ready()

    def _book(self, booking: Transferred | WalletAdjusted) -> None:
        assert self.opening is not None
        if isinstance(booking, Transferred):
            name, what = booking.transfer_id, "transfer"
        else:
            name, what = booking.adjustment_id, booking.kind
        if name in self.known or booking.time_ns <= self.opening.as_of_ns:
            return
        self.known.add(name)
        if isinstance(booking, Transferred):
            self._know(booking)
        self.log("info", self.name, f"{what} {text(booking.amount)} {booking.asset}")
        self._journal(booking)

    def _know(self, moved: Transferred) -> None:
        self.known.add(moved.transfer_id)
        if self._mine(moved):
            self.transfers.book(moved)

    def _ready(self) -> None:
        if self.journalled and self.booked:
            self.ready()

    def _compare(self) -> None:
        """Compare the wallet just read with the books; a long journal is folded part by part."""
        if not self.journalled or self.state is None:
            return
        if self.check.fold():
            self.tell(self.name, Tick("compare"))
            return
        stated = next((b.wallet for b in self.state.balances if b.asset == self.asset), None)
        if stated is None:
            return
        ours, times = self.check.compare(stated, self.now_ns())
        if times == 1:
            self._ask_bookings_till("explained")
        if self.explained is self.check.apart:
            self.explained = not self.check.apart
            self._tell_wallet()
        if self.check.stays_apart:
            self._journal(WalletDiffered(self.venue_name, self.asset, ours, stated))
            what = f"wallet differs: the books' {text(ours)}, the venue's {text(stated)}"
            self.log("error", self.name, f"{what} {self.asset}")

    # Strangers

    def _foreign_position(self, position: PositionReported) -> None:
        """Tell of a side once, and again where it grows: somebody is at work there."""
        side, size = (position.key, position.position_side), abs(position.quantity)
        if not size:
            self.foreign_sides.pop(side, None)
        elif position.key not in self.keys and size > self.foreign_sides.get(side, Decimal(0)):
            self.foreign_sides[side] = size
            words = f"{position.position_side.value} {text(position.quantity)}"
            self._foreign(position.key, f"position {words}")

    def _foreign_order(self, said: OrderUpdated | Fill) -> None:
        """Tell of each order once, whatever becomes of it."""
        name = said.client_order_id
        if said.key in self.keys or name in self.foreign_orders:
            return
        self.foreign_orders[name] = None
        if len(self.foreign_orders) > _STRANGERS_MOST:
            del self.foreign_orders[next(iter(self.foreign_orders))]
        if isinstance(said, Fill):
            self._foreign(said.key, f"order {name}: a fill")
        else:
            self._foreign(said.key, f"order {name}: {said.side.value} {said.type.value}")

    def _foreign(self, key: Key, what: str) -> None:
        what = f"{what} in {key.symbol}, which no bot of this host trades"
        self.log("warning", self.name, what, symbol=key.symbol)
        self.tell(names.RISK, ForeignFound(self.venue_name, key.symbol, what))

    def _journal(self, payload: object) -> None:
        record = Record(payload, self.now_ns(), actor=self.name)
        self.tell(names.JOURNAL, Write((record,)))
