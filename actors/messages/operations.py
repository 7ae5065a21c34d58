"""What the screen and `status` are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from core.account import Figure
from core.messages import (
    Key,
)
from core.positions import Position
from core.risk.halt import Halt


@frozen(slots=True)
class Drift:
    """How comparing with the venue went: what was `found` different so far, by kind.

    `apart` is by how much the quantities of the sides differed in the last comparison, in all, and
    `compared_ns` when that was (monotonic), 0 before the first.
    """

    found: tuple[tuple[str, int], ...] = ()
    apart: Decimal = Decimal(0)
    compared_ns: int = 0


@frozen(slots=True)
class SymbolReport:
    """One symbol for the status: positions, open orders, fills so far, money made."""

    key: Key
    positions: tuple[Position, ...]
    open_orders: int
    unresolved: int
    fills: int
    mark: Decimal
    multiplier: Decimal
    funding: Decimal
    liquidation: tuple[tuple[str, Decimal], ...] = ()
    drift: Drift = Drift()


@frozen(slots=True)
class IncomeDrift:
    """How comparing with the venue's income went: what was `found` different, by kind.

    `apart` is the venue's less ours of all that stands, by kind, None until one was `read_ns`
    (monotonic).
    """

    found: tuple[tuple[str, int], ...] = ()
    apart: Mapping[str, Decimal] | None = None
    read_ns: int = 0


@frozen(slots=True)
class AccountReport:
    """An account's wallet; `apart` is the venue's less the books', None until they were compared.

    `differences` counts those that stayed.
    """

    venue: str
    wallet: Decimal
    asset: str
    apart: Decimal | None = None
    differences: int = 0
    income: IncomeDrift = IncomeDrift()


@frozen(slots=True)
class LaneReport:
    """What a lane or stream knows of its connection."""

    venue: str
    source: str
    connected: bool
    text: str = ""


@frozen(slots=True)
class LimitTold:
    """One limit, the figure held against it, and how much is left (never under 0)."""

    name: str
    value: Figure
    limit: Decimal
    headroom: Figure


@frozen(slots=True)
class Work:
    """When work of a kind was done last (monotonic), and how long it may stay undone.

    `kind` is market (a mark price came), account (the venue told of it) or decision (a strategy
    looked at data); `of` is the symbol's key, or the venue of an account.
    """

    kind: str
    of: str
    done_ns: int
    limit_ns: int


@frozen(slots=True)
class RiskReport:
    """What risk tells of itself: limits, paused symbols and why.

    `breakers` are (venue, closed, open or half_open), `throttles` the operator's (symbol, "" for
    the whole host; percent) that are not 100, `scales` the part of full size that entries of a
    symbol have now, `refusals` how often each rule refused since this incarnation began.
    """

    halt: Halt
    limits: tuple[LimitTold, ...]
    paused: tuple[tuple[str, str], ...]
    breakers: tuple[tuple[str, str], ...] = ()
    throttles: tuple[tuple[str, int], ...] = ()
    scales: tuple[tuple[str, Decimal], ...] = ()
    refusals: tuple[tuple[str, int], ...] = ()
    work: tuple[Work, ...] = ()


@frozen(slots=True)
class StatusWanted:
    """Answer with the status as a dictionary of plain values; "" for all symbols."""

    reply: Callable[[dict[str, Any]], None]
    symbol: str = ""


@frozen(slots=True)
class Tick:
    """A timer's message to its own actor."""

    what: str = ""
    data: object = None
