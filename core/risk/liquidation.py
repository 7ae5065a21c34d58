"""Liquidation: at which mark price a venue would close a position, and how far away that is."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import evolve, frozen

from core.instruments import LeverageBracket, bracket_for
from core.messages import Side
from core.money import ZERO, bps
from core.positions import Position

__all__ = [
    "Liquidation",
    "distance_bps",
    "filled",
    "isolated",
    "liquidation",
    "maintenance_margin",
]

Brackets = tuple[LeverageBracket, ...]


@frozen(slots=True)
class Liquidation:
    """The nearest marks below and above the present one at which a venue liquidates.

    None where there is none in that direction; both are the present mark where it does so now. A
    hedged cross account can have both.
    """

    below: Decimal | None
    above: Decimal | None


def maintenance_margin(brackets: Brackets, notional: Decimal) -> Decimal:
    """Return the maintenance margin of a notional (absolute, quote money).

    Source: notional × rate − deduction of its bracket, venues/binance_usdm.md, `leverageBracket`.
    """
    bracket = bracket_for(brackets, notional)
    return notional * bracket.maintenance_rate - bracket.deduction


def liquidation(
    margin: Decimal, legs: Sequence[Decimal], brackets: Brackets, mark: Decimal
) -> Liquidation:
    """Solve margin balance = maintenance margin for the mark price of one symbol.

    `legs` are the signed quantities of base units that `margin` stands for: one side of an isolated
    symbol, or every side of a symbol on a cross account. `margin` is what stands behind them at
    `mark`: wallet and unrealised PnL; on a cross account the whole account's, less the maintenance
    margin of its other symbols, which are taken to stay at their marks. Each price is solved in
    the bracket that holds there. Source: Binance's liquidation price of USDⓈ-M contracts,
    LP = (WB − TMM1 + UPNL1 + Σcum − Σ side·quantity·entry) / (Σ quantity·rate − Σ side·quantity);
    WB + UPNL of the legs at `mark` replaces wallet and entries, which gives the same.
    """
    legs = [leg for leg in legs if leg]
    if not legs:
        return Liquidation(None, None)
    if margin <= sum((maintenance_margin(brackets, abs(leg) * mark) for leg in legs), ZERO):
        return Liquidation(mark, mark)
    edges = sorted(bracket.cap / abs(leg) for bracket in brackets[:-1] for leg in legs)
    down = (*(edge for edge in reversed(edges) if edge < mark), ZERO)
    up = (*(edge for edge in edges if edge > mark), None)
    return Liquidation(
        _first_root(margin, legs, brackets, mark, down),
        _first_root(margin, legs, brackets, mark, up),
    )


def _first_root(
    margin: Decimal,
    legs: Sequence[Decimal],
    brackets: Brackets,
    mark: Decimal,
    edges: Sequence[Decimal | None],
) -> Decimal | None:
    """Walk from the mark, where margin is left, over ranges in which each leg keeps its bracket.

    In a range what is left is `fixed + slope × price`; None is the end of the last range upwards.
    """
    start = mark
    for end in edges:
        inside = start + 1 if end is None else (start + end) / 2
        fixed, slope = margin, ZERO
        for leg in legs:
            bracket = bracket_for(brackets, abs(leg) * inside)
            fixed += bracket.deduction - leg * mark
            slope += leg - abs(leg) * bracket.maintenance_rate
        if fixed + slope * start <= ZERO:  # brackets that do not join: a jump, not a crossing
            return start
        if end is None:
            return -fixed / slope if slope < ZERO else None
        if fixed + slope * end <= ZERO:
            return -fixed / slope or None
        start = end
    return None


def isolated(
    position: Position,
    leverage: int,
    brackets: Brackets,
    mark: Decimal,
    multiplier: Decimal = Decimal(1),
) -> Liquidation:
    """Return where one isolated side is liquidated, one-way or hedge.

    Its wallet is taken as what opening it put there, notional at entry ÷ leverage; funding that was
    paid out of it since is not known here and is small beside it.
    """
    base = position.quantity * multiplier
    wallet = abs(base) * position.entry_price / leverage
    margin = wallet + base * (mark - position.entry_price)
    return liquidation(margin, (base,), brackets, mark)


def distance_bps(quantity: Decimal, mark: Decimal, found: Liquidation) -> Decimal | None:
    """Return how far the mark may still go against a signed quantity, None for ever.

    (mark − liquidation) / mark for a long, (liquidation − mark) / mark for a short: never negative.
    Source: AUDIT C12.
    """
    price = found.below if quantity > ZERO else found.above
    return None if price is None else bps(abs(mark - price), mark)


def filled(position: Position, side: Side, quantity: Decimal, price: Decimal) -> Position:
    """Return a position's quantity and entry as they would be after a fill."""
    held = position.quantity
    after = held + side.sign * quantity
    if held * side.sign >= ZERO:
        cost = abs(held) * position.entry_price + quantity * price
        return evolve(position, quantity=after, entry_price=cost / abs(after))
    if after * held < ZERO:
        return evolve(position, quantity=after, entry_price=price)
    return evolve(position, quantity=after)
