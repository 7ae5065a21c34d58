"""A venue's account: position mode, wallet, transfers, and what strangers do on it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from actors import names
from actors.backoff import Backoff
from actors.foreigners import Foreigners
from actors.income_check import IncomeCheck
from actors.messages.account import Holding
from actors.messages.journal import Recalled, Write
from actors.messages.lanes import (
    AccountRead,
    BookingsRead,
    IncomeRead,
    PositionsRead,
    ReadAccount,
    ReadBookings,
    ReadFailed,
    ReadIncome,
    ReadPositions,
)
from actors.messages.operations import AccountReport, Tick
from actors.messages.risk import WalletTold
from actors.runtime import Actor, Timer
from actors.survey import Survey
from actors.wallet_check import WalletCheck
from core.messages import (
    BalanceUpdated,
    Fill,
    FundingPaid,
    Key,
    OrderUpdated,
    PositionReported,
    StreamConnected,
    StreamLost,
)
from core.money import text
from core.ports import AccountState, Log, Record, Records
from core.records import BooksOpened, Transferred, WalletAdjusted, WalletDiffered
from core.transfers import Transfers

_RETRY_NS = 2_000_000_000
_LONGEST_RETRY_NS = 4_000_000_000
_BOOKINGS_NS = 600_000_000_000
_LATE_NS = (10_000_000_000, 60_000_000_000)
_TRADING = ("order", "funding_fee", "margin_transfer", "margin_type_change")
_MOVES = (
    *("deposit", "withdraw", "withdraw_reject", "admin_deposit", "admin_withdraw"),
    *("asset_transfer", "coin_swap_deposit", "coin_swap_withdraw", "auto_exchange"),
)


class AccountActor(Actor):
    """Own the wallet of one venue, as the venue states it.

    State: wallet balance per asset (realised only, in that asset), transfers since the books were
    opened, margins of the last reading, orders and sides of strangers told of; what each symbol's
    position acts on, as it says (`Survey`).
    Fails: an unreadable account is asked for again; until it is known the venue is not ready, and
    until its transfers are, risk knows no wallet and lets nothing be opened. A wallet that stays
    different from the books' is journalled and logged; not while the journal lacks what waits.
    Rules: `core.transfers`; the books' own sums are `core.wallets`, compared and never mixed.
    """

    def __init__(
        self,
        venue_name: str,
        asset: str,
        hedge_mode: bool,
        refresh_ns: int,
        survey_ns: int,
        income_ns: int,
        keys: Sequence[Key],
        records: Records,
        log: Log,
    ) -> None:
        self.venue_name = venue_name
        self.asset = asset
        self.hedge_mode = hedge_mode
        self.refresh_ns = refresh_ns
        self.survey_ns = survey_ns
        self.survey = Survey(self, venue_name)
        self.foreigners = Foreigners(self, venue_name, frozenset(keys), log)
        self.records = records
        self.log = log
        self.check = WalletCheck(records, venue_name, asset)
        self.income = IncomeCheck(
            self, venue_name, frozenset(keys), income_ns, self.check, self._report, log
        )
        self.wallets: dict[str, Decimal] = {}
        self.stated_ns: dict[str, int] = {}
        self.as_of_ns = 0
        self.state: AccountState | None = None
        self.read_ns = 0
        self.explained = True
        self.retry: Timer | None = None
        self.backoff = Backoff(self, _RETRY_NS, _LONGEST_RETRY_NS)
        self.opening: BooksOpened | None = None
        self.transfers = Transfers(0)
        self.known: set[str] = set()
        self.bookings_ns = 0
        self.asking_bookings = self.compared = self.journalled = self.booked = self.answered = False
        self.orders_due = True
        self.differences = 0

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
        self.every(_BOOKINGS_NS, Tick("bookings", "orders"))
        self.every(self.survey_ns, Tick("survey"))
        self.income.begin()

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
            case Tick("bookings", "orders"):
                self.orders_due = True
                self._ask_bookings()
            case Tick("bookings"):
                self._ask_bookings()
            case Tick("compare"):
                self._compare()
            case Recalled(about="wallet") if self.check.answered():
                self._compare(lacking=bool(message.records))
            case Holding():
                self.survey.hold(message)
            case Tick("survey"):
                self.survey.look()
            case PositionsRead():
                self.foreigners.positions(message.positions)
                self.survey.read(message)
            case Tick("judge"):
                self.survey.judge()
            case Tick("income"):
                self.income.look()
            case IncomeRead():
                self.income.read(message)
            case Recalled(about="income"):
                self.income.recalled(message)
            case Tick("judge income"):
                self.income.judge()
            case ReadFailed():
                self._failed(message)
            case OrderUpdated():
                self.foreigners.order(message)
            case Fill():
                self.foreigners.order(message)
            case PositionReported():
                self.foreigners.position(message)
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
        request = ReadBookings(since_ns, self.name, self.orders_due)
        self.tell(names.reads_lane(self.venue_name), request)

    def _failed(self, failed: ReadFailed) -> None:
        match failed.request:
            case ReadPositions():
                news, beside = self.survey.failed(failed.error.retry_after_ns), True
            case ReadIncome():
                news, beside = self.income.failed(failed.error), True
            case _:
                news, beside = True, False
        if news:
            self.log("warning", self.name, f"reading the account: {failed.error}")
        if beside:
            return
        pause_ns = self.backoff.pause_ns(failed.error.retry_after_ns)
        if isinstance(failed.request, ReadBookings):
            self.asking_bookings = False
            self.after(pause_ns, Tick("bookings"))
            self.answered = True  # entries wait for the wallet, told with the bookings; stops not
            self._ready()
        elif self.state is None:
            if self.retry is not None:
                self.retry.cancel()
            self.retry = self.after(pause_ns, Tick("again"))
        if not (self.state and self.booked):
            self.waiting(f"reading the account: {failed.error.message}")

    # The wallet

    def _account(self, read: AccountRead) -> None:
        self.backoff.reset()
        first = self.state is None
        self.state, self.read_ns = read.state, self.monotonic_ns()
        for balance in read.state.balances:
            if self._balance(balance) and balance.asset == self.asset and not first:
                self.explained = False  # until the books say so: it may be a transfer
        self.as_of_ns = max(self.as_of_ns, read.state.event_ns)
        self.foreigners.positions(read.positions)
        if first:
            self._open(read)
        self._tell_wallet()
        if not self.check.inquire(self):
            self._compare(lacking=True)

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
            self._report()
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
        self.backoff.reset()
        self.asking_bookings = False
        self.bookings_ns = max(self.bookings_ns, read.as_of_ns)
        for booking in read.bookings:
            self._book(booking)
        if read.orders is not None:
            self.orders_due = False
            for order in read.orders:
                self.foreigners.order(order)
        self.booked = self.answered = True
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
        if self.journalled and self.answered:
            self.ready()

    def _compare(self, *, lacking: bool = False) -> None:
        """Compare the wallet just read with the books; a long journal is folded part by part."""
        if not self.journalled or self.state is None:
            return
        if lacking:
            self.check.forget()
            self.compared = False
            self._report()
        elif self.check.fold():
            self.tell(self.name, Tick("compare"))
        else:
            self._judge(self.state)

    def _judge(self, state: AccountState) -> None:
        stated = next((b.wallet for b in state.balances if b.asset == self.asset), None)
        if stated is None:
            return
        ours, times = self.check.compare(stated, self.now_ns())
        if times == 1:
            self._ask_bookings_till("explained")
        if self.explained is self.check.apart:
            self.explained = not self.check.apart
            self._tell_wallet()
        if self.check.stays_apart:
            self.differences += 1
            self._journal(WalletDiffered(self.venue_name, self.asset, ours, stated))
            what = f"wallet differs: the books' {text(ours)}, the venue's {text(stated)}"
            self.log("error", self.name, f"{what} {self.asset}")
        self.compared = True
        self._report()

    def _report(self) -> None:
        wallet = self.wallets.get(self.asset)
        if wallet is None:
            return
        # In passing they differ while a fill is on its way: that is nothing to show.
        certain = self.compared and not self.check.apart
        apart = self.check.difference if certain else None
        report = AccountReport(
            self.venue_name, wallet, self.asset, apart, self.differences, self.income.drift()
        )
        self.tell_latest(names.OPERATIONS, self.name, report)

    def _journal(self, payload: object) -> None:
        record = Record(payload, self.now_ns(), actor=self.name)
        self.tell(names.JOURNAL, Write((record,)))
