"""The books' wallet against the venue's: our own sums from the journal, kept up to date."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from attrs import define, field

from actors import names
from actors.messages.journal import Recall
from actors.runtime import Actor
from core.income_differences import EDGE_NS, IncomeBooks
from core.messages import Fill, FundingPaid
from core.ports import Record, Records
from core.records import (
    BooksOpened,
    IncomeCompared,
    IncomeDiffered,
    Reconciled,
    SymbolOpened,
    Transferred,
    WalletAdjusted,
)
from core.wallets import Wallets

__all__ = ["WalletCheck"]

_KINDS = (
    *(BooksOpened, SymbolOpened, Fill, FundingPaid, Transferred, WalletAdjusted),
    *(Reconciled, IncomeCompared, IncomeDiffered),
)
_PART = 2_000
_SETTLED_NS = 3_600_000_000_000
_READINGS = 4


@define(eq=False)
class WalletCheck:
    """Folds what the journal holds of one venue's money and income, part by part.

    A reading differs in passing while a fill is on its way to the journal; one that differs by the
    same amount four times in a row is a difference.
    """

    records: Records
    venue: str
    asset: str
    wallets: Wallets = field(factory=Wallets)
    income: IncomeBooks = field(init=False)
    _after: int = field(default=0, init=False)
    _reading: Iterator[Record] | None = field(default=None, init=False)
    _apart: Decimal = field(default=Decimal(0), init=False)
    _times: int = field(default=0, init=False)
    _asking: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.income = IncomeBooks(self.venue, self.asset)

    def fold(self) -> bool:
        """Fold the next part of the journal in; tell whether there may be more."""
        if self._reading is None:
            self._reading = self.records.read(kinds=_KINDS, after=self._after)
        count = 0
        for record in islice(self._reading, _PART):
            count += 1
            self._after = record.sequence
            self._take(record.payload, record.time_ns)
        if count < _PART:
            self._reading = None
        return self._reading is not None

    def _take(self, payload: object, time_ns: int) -> None:
        self.income.take(payload)
        match payload:
            case BooksOpened():
                self.wallets.open(payload)
            case SymbolOpened():
                self.wallets.know(payload)
            case Fill():
                self.wallets.take(payload)
            case FundingPaid():
                self.wallets.pay(payload)
            case Transferred():
                self.wallets.move(payload)
            case WalletAdjusted():
                self.wallets.adjust(payload)
            case Reconciled() if not payload.differences:
                self.wallets.compared(payload.key, time_ns)

    def compare(self, stated: Decimal, now_ns: int) -> tuple[Decimal, int]:
        """Return our own wallet, and in how many readings now it differed by the same amount."""
        ours = self.wallets.balances().get((self.venue, self.asset), stated)
        apart = stated - ours
        self._times = self._times + 1 if apart and apart == self._apart else int(bool(apart))
        self._apart = apart
        settled_ns = now_ns - _SETTLED_NS
        if self.income.after_ns:  # what income is still to be compared with stays, row by row
            settled_ns = min(settled_ns, self.income.after_ns - EDGE_NS)
        self.wallets.settle(settled_ns)
        return ours, self._times

    def inquire(self, actor: Actor) -> bool:
        """Ask what the journal lacks; tell whether the last such question was answered."""
        answered, self._asking = not self._asking, True
        actor.tell(names.JOURNAL, Recall(actor.name, "wallet"))
        return answered

    def answered(self) -> bool:
        """Hear an answer; tell whether it is one to the last question."""
        asked, self._asking = self._asking, False
        return asked

    def forget(self) -> None:
        """Hear of a reading that cannot be judged: the next ones count anew."""
        self._apart, self._times = Decimal(0), 0

    @property
    def difference(self) -> Decimal:
        """Return the venue's wallet less our own, as of the last reading."""
        return self._apart

    @property
    def stays_apart(self) -> bool:
        """Tell whether the last reading made a difference certain."""
        return self._times == _READINGS

    @property
    def apart(self) -> bool:
        """Tell whether the last reading made a difference that is not certain yet."""
        return 0 < self._times < _READINGS
