"""The exchange's own bookings as a venue's client tells them."""

from __future__ import annotations

from collections.abc import Iterable

from core.exchange import IncomeKind, IncomeRow
from core.income import Earned, Earning
from core.messages import Key

_EARNINGS = {
    IncomeKind.REALISED_PNL: Earning.REALISED_PNL,
    IncomeKind.COMMISSION: Earning.COMMISSION,
    IncomeKind.FUNDING_FEE: Earning.FUNDING,
}


def earned(venue: str, rows: Iterable[IncomeRow]) -> list[Earned]:
    """Return what fills and settlements brought in; transfers and forced closes are left out."""
    return [
        Earned(
            Key(venue, row.symbol),
            _EARNINGS[row.kind],
            row.asset,
            row.fill_id or str(row.income_id),
            row.amount,
            row.time_ns,
        )
        for row in rows
        if row.kind in _EARNINGS
    ]
