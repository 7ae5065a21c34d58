"""What trading brings in: what a fill realised and cost, what a settlement of funding paid."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from core.messages import Key

__all__ = ["Earned", "EarnedRead", "Earning"]


class Earning(StrEnum):
    """What a row of income is of."""

    REALISED_PNL = "realised_pnl"
    COMMISSION = "commission"
    FUNDING = "funding"


@frozen(slots=True)
class Earned:
    """One row of income, the venue's or the books' own; negative where it was paid.

    `row_id` is the id of the fill, of funding that of the settlement. `time_ns` is the venue's,
    whose rows may carry whole seconds only.
    """

    key: Key
    kind: Earning
    asset: str
    row_id: str
    amount: Decimal
    time_ns: int


@frozen(slots=True)
class EarnedRead:
    """Rows of a span, all of them up to `until_ns`: there may be more than one reading takes."""

    rows: tuple[Earned, ...]
    until_ns: int
