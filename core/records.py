"""Records that only the journal keeps: what the host intended, found and decided, for its books."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.income import Earning
from core.messages import (
    AmendOrder,
    CancelOrder,
    Key,
    PlaceOrder,
    PositionReported,
    PositionSide,
)
from core.risk.halt import Halt, Level

__all__ = [
    "AmendIntended",
    "BooksOpened",
    "BreakerChanged",
    "CancelIntended",
    "EquityMarked",
    "FlattenChanged",
    "HaltChanged",
    "HostStarted",
    "HostStopped",
    "IncomeCompared",
    "IncomeDiffered",
    "JournalArchived",
    "JournalMended",
    "OperatorCommanded",
    "OrderGone",
    "OrderIntended",
    "Reconciled",
    "StopTightened",
    "SymbolOpened",
    "ThrottleChanged",
    "TradingPaused",
    "Transferred",
    "WalletAdjusted",
    "WalletDiffered",
]


@frozen(slots=True)
class HostStarted:
    """A host began to work: `mode` is paper, testnet or live, `host` its id in client order ids."""

    mode: str
    host: str
    version: str


@frozen(slots=True)
class HostStopped:
    """A host ended in order; one that was killed leaves no such record."""

    reason: str


@frozen(slots=True)
class JournalArchived:
    """The records `first` to `last` were moved into `file`, whose last hash is `head` (hex).

    `kept` of them stay here, because the books need them; `kept_digest` covers their hashes.
    """

    file: str
    first: int
    last: int
    head: str
    kept: int
    kept_digest: str


@frozen(slots=True)
class JournalMended:
    """A torn end was cut off: `kept` records were whole, `aside` are the files as they were."""

    kept: int
    cut: str
    aside: tuple[str, ...]


@frozen(slots=True)
class OrderIntended:
    """A placement that is about to be sent."""

    order: PlaceOrder


@frozen(slots=True)
class AmendIntended:
    """An amendment that is about to be sent."""

    order: AmendOrder


@frozen(slots=True)
class CancelIntended:
    """A cancellation that is about to be sent."""

    order: CancelOrder


@frozen(slots=True)
class OrderGone:
    """An unknown outcome was resolved: proven never to have reached the venue."""

    key: Key
    client_order_id: str
    evidence: str


@frozen(slots=True)
class SymbolOpened:
    """What the books must know of a symbol: the asset it settles in and its contract size.

    `multiplier` is base units per unit of quantity. The first of a symbol counts.
    """

    key: Key
    margin_asset: str
    multiplier: Decimal = Decimal(1)


@frozen(slots=True)
class BooksOpened:
    """The venue's truth when the books were opened: the opening balance of one asset.

    `wallet` is realised only. `positions` are those that settle in `asset`; fills, funding and
    transfers up to `as_of_ns` are contained in both. The first of a venue and asset counts.
    """

    venue: str
    asset: str
    wallet: Decimal
    positions: tuple[PositionReported, ...] = ()
    as_of_ns: int = 0


@frozen(slots=True)
class Transferred:
    """Money moved into (positive) or out of the account: neither profit nor loss."""

    venue: str
    asset: str
    amount: Decimal
    transfer_id: str
    time_ns: int


@frozen(slots=True)
class WalletAdjusted:
    """What the venue booked besides PnL, fees, funding and transfers: `kind` is its word.

    The fee of a forced close (negative) or what the insurance pool paid (positive), rebates.
    """

    venue: str
    asset: str
    amount: Decimal
    kind: str
    adjustment_id: str
    time_ns: int


@frozen(slots=True)
class WalletDiffered:
    """The books' wallet and the venue's stayed different over several readings."""

    venue: str
    asset: str
    ours: Decimal
    stated: Decimal


@frozen(slots=True)
class IncomeDiffered:
    """A row of income stayed different over several readings: the books' amount and the venue's.

    `row_id` is the fill's or the settlement's. None is a side that has no such row. Of a row the
    last record counts: one whose sides agree says that a fill which came later explained it, as
    does the record of a fill or a settlement that the books lacked (`ours` None).
    """

    key: Key
    kind: Earning
    asset: str
    row_id: str
    ours: Decimal | None
    stated: Decimal | None
    time_ns: int

    @property
    def apart(self) -> Decimal:
        """The venue's amount less ours."""
        return (self.stated or Decimal(0)) - (self.ours or Decimal(0))


@frozen(slots=True)
class IncomeCompared:
    """What the venue booked up to `until_ns`, in its time, was compared row by row.

    What differed is in the records `IncomeDiffered` in front of it; the next one goes on there.
    """

    venue: str
    until_ns: int


@frozen(slots=True)
class StopTightened:
    """A side's stop was brought to `trigger_price`; it stays there or nearer until flat."""

    key: Key
    position_side: PositionSide
    trigger_price: Decimal
    reason: str


@frozen(slots=True)
class Reconciled:
    """Journal and venue were compared for one symbol; no `differences` means that they agree."""

    key: Key
    differences: tuple[str, ...] = ()


@frozen(slots=True)
class HaltChanged:
    """The trading halt's state after a change; it survives restarts through this record."""

    state: Level
    reason: str
    by: str
    epoch: int
    latched: bool = False
    since_ns: int = 0

    @classmethod
    def of(cls, halt: Halt) -> HaltChanged:
        """Write the record of a halt."""
        return cls(halt.level, halt.reason, halt.by, halt.epoch, halt.latched, halt.since_ns)

    @property
    def halt(self) -> Halt:
        """Return the halt as it was recorded."""
        return Halt(self.state, self.reason, self.by, self.epoch, self.latched, self.since_ns)


@frozen(slots=True)
class EquityMarked:
    """What the equity stop measures from, in the margin asset of `venue`, after a change.

    `day_start` is the equity at the first look of the UTC day `day` (days since 1970), `peak` the
    highest since trading began or was reset. `transfers` is what had come in (less what had gone
    out) up to then: all figures move with later transfers, which are neither gain nor loss.
    `canary_start` is the equity when the canary began, None without one.
    """

    venue: str
    asset: str
    day: int
    day_start: Decimal
    peak: Decimal
    transfers: Decimal
    canary_start: Decimal | None = None


@frozen(slots=True)
class BreakerChanged:
    """A venue's call breaker after a change: `state` is closed, open or half_open."""

    venue: str
    state: str
    reason: str


@frozen(slots=True)
class ThrottleChanged:
    """The operator's throttle, in percent of full size; `symbol` "" is the whole host."""

    symbol: str
    percent: int


@frozen(slots=True)
class TradingPaused:
    """An operator paused (or resumed) entries; `symbol` "" is the whole host."""

    symbol: str
    paused: bool


@frozen(slots=True)
class FlattenChanged:
    """A symbol is being closed until the venue says flat (`under_way`), or the venue said so."""

    key: Key
    under_way: bool
    reason: str


@frozen(slots=True)
class OperatorCommanded:
    """An operator's command, carried out or refused (`refusal` says why). AUDIT C34."""

    command: str
    symbol: str
    argument: str
    refusal: str = ""
