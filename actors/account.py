"""A venue's account: position mode, wallet, and events of symbols that this host does not trade."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from actors import names
from actors.messages import (
    AccountRead,
    AccountReport,
    ReadAccount,
    ReadFailed,
    Tick,
    WalletTold,
    Write,
)
from actors.runtime import Actor, Timer
from core.messages import (
    BalanceUpdated,
    Fill,
    FundingPaid,
    OrderUpdated,
    PositionReported,
    StreamConnected,
    StreamLost,
)
from core.money import text
from core.ports import AccountState, Log, Record
from core.records import BooksOpened

_RETRY_NS = 2_000_000_000


class AccountActor(Actor):
    """Own the wallet of one venue, as the venue states it.

    State: wallet balance per asset (realised only, in that asset).
    Fails: an unreadable account is asked for again; until then the venue is not ready.
    Rules: the books' own sums are `core.books`; the two are compared there, never mixed.
    """

    def __init__(
        self, venue_name: str, asset: str, hedge_mode: bool, refresh_ns: int, log: Log
    ) -> None:
        self.venue_name = venue_name
        self.asset = asset
        self.hedge_mode = hedge_mode
        self.refresh_ns = refresh_ns
        self.log = log
        self.wallets: dict[str, Decimal] = {}
        self.stated_ns: dict[str, int] = {}
        self.retry: Timer | None = None
        self.state: AccountState | None = None
        self.opened = False
        self.foreign: set[str] = set()

    def starting(self) -> None:
        self.waiting("reading the account")
        self._read()
        self.every(self.refresh_ns, Tick("refresh"))

    def handle(self, message: object) -> None:
        match message:
            case AccountRead():
                self._opened(message)
            case BalanceUpdated():
                self._balance(message)
            case Tick("journalled"):
                self.ready()
            case Tick("refresh") | Tick("again") | StreamConnected():
                self._read()
            case ReadFailed():
                self._failed(message)
            case OrderUpdated() | Fill() | PositionReported() | FundingPaid():
                self._foreign(message)
            case StreamLost():
                pass

    def _read(self) -> None:
        # The position mode is brought about once, before anything of the account counts.
        hedge_mode = None if self.opened else self.hedge_mode
        self.tell(names.reads_lane(self.venue_name), ReadAccount(hedge_mode, self.name))

    def _opened(self, read: AccountRead) -> None:
        for balance in read.state.balances:
            self._balance(balance)
        self._tell_risk(read.state)
        if self.opened:
            return
        self.opened = True
        wallet = self.wallets.get(self.asset, Decimal(0))
        self.log("info", self.name, f"wallet {text(wallet)} {self.asset}")
        held = tuple(position for position in read.positions if position.quantity)
        opening = BooksOpened(self.venue_name, self.asset, wallet, held, read.state.event_ns)
        # Positions start from the journal, so the opening is in it before they do.
        record = Record(opening, self.now_ns(), actor=self.name)
        self.tell(names.JOURNAL, Write((record,), then=((self.name, Tick("journalled")),)))

    def _balance(self, balance: BalanceUpdated) -> None:
        if balance.event_ns < self.stated_ns.get(balance.asset, 0):
            return  # a slow answer, overtaken by the stream
        self.stated_ns[balance.asset] = balance.event_ns
        if self.wallets.get(balance.asset) == balance.wallet:
            return
        self.wallets[balance.asset] = balance.wallet
        self._journal(balance)
        if balance.asset == self.asset:
            report = AccountReport(self.venue_name, balance.wallet, balance.asset)
            self.tell_latest(names.OPERATIONS, self.name, report)
            self._tell_risk(self.state)

    def _tell_risk(self, state: AccountState | None) -> None:
        """Tell risk of the wallet, with the margins of the last reading."""
        self.state = state
        told = WalletTold(
            self.venue_name, self.asset, self.wallets.get(self.asset, Decimal(0)), Decimal(0)
        )
        if state is not None:
            told = evolve(
                told,
                available=state.available,
                initial_margin=state.initial_margin,
                maintenance_margin=state.maintenance_margin,
            )
        self.tell(names.RISK, told)

    def _failed(self, failed: ReadFailed) -> None:
        self.log("warning", self.name, f"reading the account: {failed.error}")
        if not self.opened:
            self.waiting(f"reading the account: {failed.error.message}")
            if self.retry is not None:
                self.retry.cancel()
            self.retry = self.after(_RETRY_NS, Tick("again"))

    def _foreign(self, event: OrderUpdated | Fill | PositionReported | FundingPaid) -> None:
        symbol = event.key.symbol
        if symbol not in self.foreign:
            self.foreign.add(symbol)
            self.log(
                "warning",
                self.name,
                f"the account has activity in {symbol}, which no bot of this host trades",
                symbol=symbol,
            )

    def _journal(self, payload: object) -> None:
        record = Record(payload, self.now_ns(), actor=self.name)
        self.tell(names.JOURNAL, Write((record,)))
