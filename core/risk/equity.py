"""The equity stop: how much was lost today and from the peak, and when that ends trading."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from core.account import Figure, Unknown
from core.messages import Key
from core.money import ZERO, ceil_to_step, text
from core.positions import Position, unrealised_pnl
from core.records import EquityMarked

if TYPE_CHECKING:
    from core.config import Canary, Losses

__all__ = ["EquityStop", "HeldAt", "Loss", "Verdict", "equity"]

_DAY_NS = 86_400 * 1_000_000_000
_SHOWN_STEP = Decimal("0.01")


@frozen(slots=True)
class HeldAt:
    """One open side at the mark that it is valued by."""

    key: Key
    position: Position
    mark: Decimal
    multiplier: Decimal


def equity(
    settled: Decimal, transfers: Decimal, booked: Decimal, held: Iterable[HeldAt]
) -> Decimal:
    """Sum what the account is worth: `settled` is the wallet without transfers and bookings."""
    total = settled + transfers + booked
    for each in held:
        total += unrealised_pnl(each.position, each.mark, each.multiplier)
    return total


@frozen(slots=True)
class Loss:
    """One loss against its limit, in money: `reference` less equity, negative for a gain.

    `config` is the path of the limit; it trips when the loss reaches it.
    """

    name: str
    config: str
    reference: Decimal
    value: Decimal
    limit: Decimal

    @property
    def percent(self) -> Figure:
        """The loss in percent of what it is measured from."""
        if self.reference <= ZERO:
            return Unknown(f"no percentage of a reference of {text(self.reference)}")
        return self.value * 100 / self.reference

    @property
    def headroom(self) -> Decimal:
        """What may still be lost before this trips, never under 0."""
        return max(ZERO, self.limit - self.value)

    @property
    def tripped(self) -> bool:
        return self.value > ZERO and self.value >= self.limit

    def __str__(self) -> str:
        lost = text(ceil_to_step(self.value, _SHOWN_STEP))
        percent = self.percent
        part = "" if isinstance(percent, Unknown) else f" ({percent:.2f} %)"
        return (
            f"{self.name} of {lost}{part} from {text(self.reference)}, "
            f"{text(ceil_to_step(self.limit, _SHOWN_STEP))} is the limit ({self.config})"
        )


@frozen(slots=True)
class Verdict:
    """What one look at the equity found; with an unknown equity there are no `losses`."""

    equity: Figure
    losses: tuple[Loss, ...] = ()

    @property
    def tripped(self) -> Loss | None:
        """The first loss that is at its limit or past it."""
        return next((loss for loss in self.losses if loss.tripped), None)

    def headroom(self, name: str) -> Figure:
        """Return what may still be lost before the named loss trips."""
        if isinstance(self.equity, Unknown):
            return self.equity
        for loss in self.losses:
            if loss.name == name:
                return loss.headroom
        return Unknown(f"no {name} is measured")


@frozen(slots=True)
class EquityStop:
    """Measures one margin asset's equity against its start of the day and its peak.

    `marked` is all its state and what the journal keeps; None before the first known equity.
    Losses count open ones, fees and funding, since equity does. Money moved in or out moves the
    references with it. A new UTC day begins with the equity first seen in it. The percentages are
    of the references; a canary's limit is an amount from where the canary began.
    """

    venue: str
    asset: str
    losses: Losses
    canary: Canary
    marked: EquityMarked | None = None

    def look(self, equity: Figure, transfers: Decimal, now_ns: int) -> tuple[EquityStop, Verdict]:
        """Judge the present equity; return the stop as it is after that, and the verdict.

        `transfers` is what came in less what went out since the books were opened, `now_ns` UTC. An
        unknown equity changes nothing and is judged by nobody: the caller opens nothing then.
        """
        if isinstance(equity, Unknown):
            return self, Verdict(equity)
        marked = self._moved(equity, transfers, now_ns // _DAY_NS)
        stop = self if marked == self.marked else evolve(self, marked=marked)
        return stop, Verdict(equity, tuple(self._losses(marked, equity)))

    def reset(self, equity: Decimal, transfers: Decimal, now_ns: int) -> EquityStop:
        """Measure everything from the present equity: an operator's word after a loss."""
        return evolve(self, marked=self._first(equity, transfers, now_ns // _DAY_NS))

    def _first(self, equity: Decimal, transfers: Decimal, day: int) -> EquityMarked:
        began = equity if self.canary.enabled else None
        return EquityMarked(self.venue, self.asset, day, equity, equity, transfers, began)

    def _moved(self, equity: Decimal, transfers: Decimal, day: int) -> EquityMarked:
        """Return the references after transfers, a new day, a new peak."""
        before = self.marked
        if before is None:
            return self._first(equity, transfers, day)
        moved = transfers - before.transfers
        began = before.canary_start
        if not self.canary.enabled:
            began = None
        elif began is None:
            began = equity
        else:
            began += moved
        return EquityMarked(
            self.venue,
            self.asset,
            max(day, before.day),  # a clock that was set back begins no day again
            equity if day > before.day else before.day_start + moved,
            max(equity, before.peak + moved),
            transfers,
            began,
        )

    def _losses(self, marked: EquityMarked, equity: Decimal) -> list[Loss]:
        found = [
            _part(
                "daily loss",
                "risk.losses.max_daily_loss_percent",
                marked.day_start,
                equity,
                self.losses.max_daily_loss_percent,
            ),
            _part(
                "drawdown",
                "risk.losses.max_drawdown_percent",
                marked.peak,
                equity,
                self.losses.max_drawdown_percent,
            ),
        ]
        began = marked.canary_start
        if began is not None:
            path = "risk.canary.max_loss"
            found.append(Loss("canary loss", path, began, began - equity, self.canary.max_loss))
        return found


def _part(
    name: str, config: str, reference: Decimal, equity: Decimal, limit_percent: Decimal
) -> Loss:
    limit = max(ZERO, reference) * limit_percent / 100
    return Loss(name, config, reference, reference - equity, limit)
