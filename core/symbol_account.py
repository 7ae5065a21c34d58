"""One symbol's fills in the venue's order, and the positions and money they make."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from core.fill_ids import FillIds
from core.income import Earned, Earning
from core.messages import Fill, PositionReported, PositionSide
from core.money import ZERO
from core.positions import Position, apply_fill
from core.records import SymbolOpened

__all__ = ["SymbolAccount"]


class SymbolAccount:
    """Fills of one symbol in the venue's order, and the positions and money they make.

    An average entry price depends on the order of fills, so one that comes out of its place has
    the symbol folded anew, once, at the next reading. Fills up to the opening are kept but not
    folded. What was settled is kept as a sum only, from which the rest goes on.
    """

    __slots__ = (
        "_fees",
        "_held",
        "_kept_fees",
        "_kept_realised",
        "_made",
        "_margin_asset",
        "_newest_ns",
        "_places",
        "_realised",
        "_sides",
        "_since",
        "_stale",
        "fills",
        "seen",
        "terms",
    )

    def __init__(self) -> None:
        self.terms: SymbolOpened | None = None
        self.fills: list[Fill] = []
        self.seen = FillIds()
        self._newest_ns = 0
        self._places: list[tuple[int, int]] = []
        self._held: tuple[Position, ...] = ()
        self._kept_realised = ZERO
        self._kept_fees: dict[str, Decimal] = {}
        self._since: Mapping[str, int] = {}
        self._margin_asset = ""
        self._sides: dict[PositionSide, Position] = {}
        self._realised = ZERO
        self._made: list[Decimal] = []
        self._fees: dict[str, Decimal] = {}
        self._stale = False

    @property
    def sides(self) -> Mapping[PositionSide, Position]:
        """The positions, one per side that was ever held."""
        self._refold()
        return self._sides

    @property
    def realised(self) -> Decimal:
        """PnL realised since the opening, before fees and funding."""
        self._refold()
        return self._realised

    def fees(self, asset: str) -> Decimal:
        """Return the fees paid in an asset since its opening."""
        self._refold()
        return self._fees.get(asset, ZERO)

    def earned(self, margin_asset: str, since_ns: int, until_ns: int) -> Iterator[Earned]:
        """Yield what each fill of a span realised and cost that was not settled yet."""
        self._refold()
        first = bisect_left(self._places, since_ns, key=lambda place: place[0])
        last = bisect_right(self._places, until_ns, key=lambda place: place[0])
        for fill, made in zip(self.fills[first:last], self._made[first:last], strict=True):
            row = (fill.fill_id, made, fill.time_ns)
            yield Earned(fill.key, Earning.REALISED_PNL, margin_asset, *row)
            row = (fill.fill_id, -fill.fee, fill.time_ns)
            yield Earned(fill.key, Earning.COMMISSION, fill.fee_asset, *row)

    def know(self, terms: SymbolOpened) -> None:
        """Learn what the symbol settles in; the first word counts."""
        if self.terms is None:
            self.terms = terms
            self._stale = True

    def reopen(
        self, held: Iterable[PositionReported], since: Mapping[str, int], margin_asset: str
    ) -> None:
        """Start from `held`; per asset, what happened up to `since` ns is contained in it."""
        self._held = tuple(
            Position(each.position_side, each.quantity, each.entry_price) for each in held
        )
        self._since = since
        self._margin_asset = margin_asset
        self._stale = True

    def take(self, fill: Fill) -> bool:
        """Fold one fill in; False when it was known."""
        if self.seen.knows(fill):
            return False
        self.seen.add(fill)
        self._newest_ns = max(self._newest_ns, fill.time_ns)
        place = (fill.time_ns, int(fill.fill_id) if fill.fill_id.isdecimal() else 0)
        at = bisect_right(self._places, place)
        self._places.insert(at, place)
        self.fills.insert(at, fill)
        if at < len(self.fills) - 1:
            self._stale = True
        elif not self._stale:
            self._fold(fill)
        return True

    def compared(self, at_ns: int) -> None:
        """Hear that the venue agreed on what was taken, at an instant of our clock."""
        self.seen.compared(min(self._newest_ns, at_ns))

    def settle(self, until_ns: int) -> None:
        """Forget the fills up to this instant, but not that they are known, nor what they made.

        For owners that do not list fills, and that open books before: one older than the instant
        that comes later is folded after those, and `reopen` may not follow.
        """
        count = bisect_right(self._places, until_ns, key=lambda place: place[0])
        if not count:
            return
        later = self.fills[count:]
        del self.fills[count:]
        self._stale = True
        self._refold()
        self._held = tuple(self._sides.values())
        self._kept_realised, self._kept_fees = self._realised, dict(self._fees)
        self.fills = later
        del self._places[:count]
        self._stale = True

    def _refold(self) -> None:
        if not self._stale:
            return
        self._stale = False
        self._realised = self._kept_realised
        self._fees = dict(self._kept_fees)
        self._made.clear()
        self._sides = {held.side: held for held in self._held}
        for fill in self.fills:
            self._fold(fill)

    def _fold(self, fill: Fill) -> None:
        if fill.time_ns > self._since.get(fill.fee_asset, 0):
            self._fees[fill.fee_asset] = self._fees.get(fill.fee_asset, ZERO) + fill.fee
        realised = ZERO
        margin_asset = self.terms.margin_asset if self.terms else self._margin_asset
        if fill.time_ns > self._since.get(margin_asset, 0):
            multiplier = self.terms.multiplier if self.terms else Decimal(1)
            side = fill.position_side
            before = self._sides.get(side, Position(side))
            self._sides[side], realised = apply_fill(before, fill, multiplier)
            self._realised += realised
        self._made.append(realised)
