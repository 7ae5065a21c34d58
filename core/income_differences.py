"""The venue's income against the books' own: what may be judged, what differs, how far in all."""

from __future__ import annotations

from collections.abc import Iterable, Set
from decimal import Decimal

from attrs import define, evolve, field

from core.income import Earned, Earning
from core.messages import Fill, FundingPaid, Key
from core.money import ZERO
from core.records import BooksOpened, IncomeCompared, IncomeDiffered

__all__ = ["EDGE_NS", "LATE_NS", "IncomeBooks", "differences", "judged_span"]

LATE_NS = 120_000_000_000
"""How old a row must be to be judged: the venue lists it some seconds after the fill."""

EDGE_NS = 5_000_000_000
"""How far apart the times of a fill and of its rows may be: rows may carry whole seconds."""

_LONGEST_NS = 86_400_000_000_000
_KEPT_NS = 89 * _LONGEST_NS
_TOLERANCE = {
    Earning.REALISED_PNL: Decimal("0.00000001"),
    Earning.COMMISSION: ZERO,
    Earning.FUNDING: ZERO,
}
"""What a row may be off by: the venue does not say how it rounds PnL, which we work out ourselves,
to its 8 decimals. Commission and funding are the venue's own figures in both places."""
_REMEMBERED = 10_000

Place = tuple[Key, Earning, str, str]


def judged_span(after_ns: int, venue_now_ns: int) -> tuple[int, int]:
    """Return behind and up to which instants income may be judged now, going on at `after_ns`.

    Nothing that is too young, a day at most, and not what the venue keeps no more (three months).
    Where nothing may be judged both are the same.
    """
    after_ns = max(after_ns, venue_now_ns - _KEPT_NS)
    old_ns = venue_now_ns - LATE_NS - EDGE_NS
    return after_ns, max(after_ns, min(old_ns, after_ns + _LONGEST_NS))


def differences(
    stated: Iterable[Earned],
    ours: Iterable[Earned],
    keys: Set[Key],
    after_ns: int,
    until_ns: int,
) -> tuple[IncomeDiffered, ...]:
    """Compare row by row what happened behind `after_ns`, up to `until_ns`, in these symbols.

    Both must be whole from `EDGE_NS` before that span until as long behind it. A row belongs where
    the earlier of its two sides does, so that each is judged in one span only. No row equals one
    of 0.
    """
    theirs, mine = _summed(stated, keys), _summed(ours, keys)
    found = []
    for place in theirs.keys() | mine.keys():
        said, known = theirs.get(place), mine.get(place)
        at_ns = min(side[1] for side in (said, known) if side is not None)
        if not after_ns < at_ns <= until_ns:
            continue
        apart = (said[0] if said else ZERO) - (known[0] if known else ZERO)
        key, kind, asset, row_id = place
        if abs(apart) > _TOLERANCE[kind]:
            sides = known[0] if known else None, said[0] if said else None
            found.append(IncomeDiffered(key, kind, asset, row_id, *sides, at_ns))
    return tuple(sorted(found, key=_order))


def _summed(rows: Iterable[Earned], keys: Set[Key]) -> dict[Place, tuple[Decimal, int]]:
    found: dict[Place, tuple[Decimal, int]] = {}
    for row in rows:
        if row.key in keys:
            place = (row.key, row.kind, row.asset, row.row_id)
            amount, at_ns = found.get(place, (ZERO, row.time_ns))
            found[place] = amount + row.amount, min(at_ns, row.time_ns)
    return found


def _order(differed: IncomeDiffered) -> tuple[int, str, str, str, str]:
    key = str(differed.key)
    return differed.time_ns, key, differed.kind, differed.row_id, differed.asset


@define(eq=False)
class IncomeBooks:
    """How far the journal says that income was compared, and what it was found to differ by.

    `after_ns` is in the venue's time, 0 before the books were opened: what happened before is in
    what they were opened with. Of each row the last record counts, and a record of the fill or the
    settlement that the books lacked explains it. Mutable, one owner.
    """

    venue: str
    asset: str
    after_ns: int = field(default=0, init=False)
    _sums: dict[tuple[Earning, str], Decimal] = field(factory=dict, init=False)
    _standing: dict[Place, IncomeDiffered] = field(factory=dict, init=False)

    def take(self, payload: object) -> None:
        """Fold one record in, oldest first; the same again changes nothing."""
        match payload:
            case BooksOpened(venue=self.venue, asset=self.asset) if not self.after_ns:
                self.after_ns = payload.as_of_ns
            case IncomeCompared(venue=self.venue):
                self.after_ns = max(self.after_ns, payload.until_ns)
            case IncomeDiffered() if payload.key.venue == self.venue:
                self._stand(payload)
            case Fill():
                self._explained((payload.key, Earning.REALISED_PNL, self.asset, payload.fill_id))
                self._explained(
                    (payload.key, Earning.COMMISSION, payload.fee_asset, payload.fill_id)
                )
            case FundingPaid():
                self._explained((payload.key, Earning.FUNDING, payload.asset, payload.funding_id))

    def changed(self, ours: Iterable[Earned]) -> tuple[IncomeDiffered, ...]:
        """Return anew what stands of these rows of ours, where the books now say otherwise.

        A fill that comes late changes what those behind it realised.
        """
        return tuple(
            evolve(known, ours=row.amount)
            for row in ours
            if (known := self._standing.get((row.key, row.kind, row.asset, row.row_id)))
            and known.ours != row.amount
        )

    def apart(self, now: Iterable[IncomeDiffered] = ()) -> dict[str, Decimal]:
        """Sum the venue's less ours of what stands and of what was found `now`, by kind.

        Of other assets than the margin asset only where they differ, with their names.
        """
        sums = {(kind, self.asset): ZERO for kind in Earning} | self._sums
        for differed in now:
            place = (differed.kind, differed.asset)
            sums[place] = sums.get(place, ZERO) + differed.apart
        return {
            kind.value if asset == self.asset else f"{kind.value} {asset}": apart
            for (kind, asset), apart in sums.items()
            if apart or asset == self.asset
        }

    def _stand(self, differed: IncomeDiffered) -> None:
        place = (differed.key, differed.kind, differed.asset, differed.row_id)
        self._drop(place)
        if abs(differed.apart) <= _TOLERANCE[differed.kind]:
            return
        self._standing[place] = differed
        self._add(differed, differed.apart)
        if len(self._standing) > _REMEMBERED:  # it stays in the sums
            del self._standing[next(iter(self._standing))]

    def _explained(self, place: Place) -> None:
        known = self._standing.get(place)
        if known is not None and known.ours is None:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        known = self._standing.pop(place, None)
        if known is not None:
            self._add(known, -known.apart)

    def _add(self, differed: IncomeDiffered, amount: Decimal) -> None:
        place = (differed.kind, differed.asset)
        self._sums[place] = self._sums.get(place, ZERO) + amount
