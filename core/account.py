"""Account figures: equity, PnL and margin; what cannot be known says so and is never 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import NoReturn, TypeAlias

from attrs import frozen

from core.messages import Key, MarkPrice
from core.money import ZERO
from core.positions import Position, unrealised_pnl

__all__ = [
    "AccountFigures",
    "Figure",
    "Unknown",
    "account_figures",
    "combine",
    "fresh_mark",
    "margin_ratio",
    "unrealised",
]


@frozen(slots=True, eq=False)
class Unknown:
    """A figure that nobody can know now, and why. It has no value and no truth.

    Nothing can be compared with it or calculated from it by accident; ask `isinstance`.
    Errors: `TypeError` for every comparison, sum, product and truth.
    """

    why: str

    def __bool__(self) -> bool:
        raise TypeError(f"an unknown figure is neither true nor false: {self.why}")

    def __eq__(self, other: object) -> bool:
        raise TypeError(f"an unknown figure equals nothing: {self.why}")

    def __lt__(self, other: object) -> bool:
        raise TypeError(f"an unknown figure is neither more nor less: {self.why}")

    __gt__ = __le__ = __ge__ = __lt__

    def __add__(self, other: object) -> NoReturn:
        raise TypeError(f"nothing can be calculated from an unknown figure: {self.why}")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__


Figure: TypeAlias = Decimal | Unknown


def combine(rule: Callable[..., Decimal], *figures: Figure) -> Figure:
    """Calculate from figures; the first unknown one makes the result unknown for its reason."""
    for figure in figures:
        if isinstance(figure, Unknown):
            return figure
    return rule(*figures)


def fresh_mark(key: Key, mark: MarkPrice | None, now_ns: int, stale_after_ns: int) -> Figure:
    """Return the mark price while it may be believed.

    `now_ns` is the venue's time, as the mark's own.
    """
    if mark is None:
        return Unknown(f"no mark price of {key}")
    age_ns = now_ns - mark.event_ns
    if age_ns > stale_after_ns:
        return Unknown(f"the mark price of {key} is {age_ns / 1e9:.1f} s old")
    return mark.mark


def unrealised(
    positions: Iterable[tuple[Key, Position]],
    marks: Mapping[Key, Figure],
    multipliers: Mapping[Key, Decimal],
) -> Figure:
    """Sum the PnL of all open quantities at their marks, in quote money, unrounded.

    Flat positions need no mark; an open one without a mark or a multiplier makes the sum unknown.
    """
    total = ZERO
    for key, position in positions:
        if position.quantity == ZERO:
            continue
        mark = marks.get(key, Unknown(f"no mark price of {key}"))
        if isinstance(mark, Unknown):
            return mark
        if key not in multipliers:
            return Unknown(f"the contract size of {key} is not known")
        total += unrealised_pnl(position, mark, multipliers[key])
    return total


def margin_ratio(maintenance_margin: Figure, margin_balance: Figure) -> Figure:
    """Return maintenance margin as a fraction of the margin balance: liquidation is at 1.

    An account that needs no margin has ratio 0. Of a balance that is used up while margin is
    needed no fraction can be taken: unknown.
    """
    if isinstance(maintenance_margin, Decimal) and maintenance_margin == ZERO:
        return ZERO
    if isinstance(margin_balance, Decimal) and margin_balance <= ZERO:
        return Unknown("the margin balance is used up")
    return combine(lambda needed, held: needed / held, maintenance_margin, margin_balance)


@frozen(slots=True)
class AccountFigures:
    """One asset's account, in that asset.

    `wallet` is realised only, `equity` wallet + unrealised. `profit` is what trading made since
    the books were opened: equity − opening − transfers, so that money moved in is no gain and
    money moved out no loss. `realised` is before fees and funding, `fees` positive when paid,
    `funding` negative when paid.
    """

    wallet: Figure
    unrealised: Figure
    equity: Figure
    profit: Figure
    realised: Decimal
    fees: Decimal
    funding: Decimal
    transfers: Decimal


def account_figures(
    opening: Figure,
    unrealised_now: Figure,
    *,
    realised: Decimal,
    fees: Decimal,
    funding: Decimal,
    transfers: Decimal,
) -> AccountFigures:
    """Work out one asset's account from its opening balance and what happened since."""
    made = realised - fees + funding
    wallet = combine(lambda opened: opened + made + transfers, opening)
    return AccountFigures(
        wallet=wallet,
        unrealised=unrealised_now,
        equity=combine(lambda held, open_pnl: held + open_pnl, wallet, unrealised_now),
        profit=combine(lambda open_pnl: made + open_pnl, unrealised_now),
        realised=realised,
        fees=fees,
        funding=funding,
        transfers=transfers,
    )
