"""Records of decisions: what a strategy and risk saw, and what they made of it, to do it again.

A whole state now and then, and behind it what changed: `number` counts without a gap behind each
state. `core.replay` reads them. Nothing else needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import field, frozen

from core.account import Figure
from core.guard_decisions import GUARDED, HaltCaused
from core.instruments import Instrument, LeverageBracket
from core.messages import AmendOrder, Key, MarkPrice, PlaceOrder, PositionSide, Purpose, Quote
from core.orders import Order
from core.positions import Position
from core.records import EquityMarked
from core.risk.equity import HeldAt, Loss
from core.risk.exposure import Working
from core.risk.halt import Halt
from core.risk.limits import Caps, Group
from core.risk.proposal import Refusal
from core.strategies.hedge_grid import GridState
from core.strategies.intents import Amend, Cancel, Place, Refused

__all__ = ["DECISIONS", "LossJudged", "RiskJudged", "RiskState", "StrategyDecided", "StrategyState"]


@frozen(slots=True)
class StrategyState:
    """All that a bot's strategy knows on a symbol: at its beginning (0), and now and then.

    `resting` and `cancelled` are the parts of `state` of these names, which has them empty.
    """

    key: Key
    number: int
    state: GridState
    resting: tuple[tuple[PositionSide, Purpose, int], ...] = ()
    cancelled: tuple[str, ...] = ()


@frozen(slots=True)
class ViewSeen:
    """A `View`: of its orders those that are new or changed since the one before, and what went.

    No `positions` are those of the view before.
    """

    positions: tuple[Position, ...] | None
    gone: tuple[str, ...]
    orders: tuple[Order, ...]
    ended: tuple[str, ...]
    at_ns: int
    reset: bool


@frozen(slots=True)
class Asked:
    """One intent, by its kind."""

    place: Place | None = None
    amend: Amend | None = None
    cancel: Cancel | None = None


@frozen(slots=True)
class StrategyDecided:
    """A strategy took an event in that changed what it knows, and asked for `intents`.

    `before` is the newest quote, if it is none that an earlier record holds: quotes that change
    nothing but themselves are in no record of their own. Of the rest one is the event.
    """

    key: Key
    number: int
    intents: tuple[Asked, ...]
    before: Quote | None = None
    quote: Quote | None = None
    view: ViewSeen | None = None
    refused: Refused | None = None
    scale: Decimal | None = None
    instrument: Instrument | None = None


@frozen(slots=True)
class RiskState:
    """What risk keeps to; the judgement behind it holds all that risk knows.

    `figures` are the limits that are one number, by name (`core.risk.limits.Limits`).
    """

    number: int
    figures: Mapping[str, int | Decimal]
    symbols: tuple[tuple[Key, Caps], ...]
    groups: tuple[Group, ...]
    stops_bps: tuple[tuple[Key, Decimal], ...]
    cross_venues: tuple[str, ...]


@frozen(slots=True)
class SymbolSeen:
    """What changed of a symbol, besides its mark price, since the judgement before.

    Of `working` orders those that changed and the ids that went (`gone`); `sent` are approvals and
    `amended` amendments that the owner has not mentioned yet. No `positions` and no `instrument`
    (with `leverage` and `brackets`) are those that were.
    """

    key: Key
    positions: tuple[Position, ...] | None
    working: tuple[Working, ...]
    gone: tuple[str, ...]
    sent: tuple[Working, ...]
    amended: tuple[Working, ...]
    instrument: Instrument | None = None
    leverage: int = 0
    brackets: tuple[LeverageBracket, ...] = ()


@frozen(slots=True)
class RiskJudged:
    """Risk let an order or an amendment go, or refused it (`refusal`).

    `marks` (with the time each came) and `seen` are what changed of any symbol; the rest is what
    the rules may look at, of this symbol, its venue and the account: None where there is none. Ages
    are by `monotonic_ns`. `placed` and
    `cancelled` count the minute before. `measured` are the figures that the portfolio's moves gave
    (volatility, value at risk) in the order in which the rules asked.
    """

    key: Key
    number: int
    place: PlaceOrder | None
    amend: AmendOrder | None
    now_ns: int
    monotonic_ns: int
    marks: tuple[tuple[Key, Decimal, int], ...]
    seen: tuple[SymbolSeen, ...]
    halt: Halt
    paused: str | None
    breaker: str | None
    account_ns: int | None
    quote: tuple[Decimal, Decimal, int] | None
    funding: MarkPrice | None
    scale: Decimal | None
    unprotected: Mapping[PositionSide, int]
    equity: Figure
    free_margin: Figure
    day_headroom: Figure
    canary_headroom: Figure
    placed: int
    cancelled: int
    measured: tuple[Decimal, ...] = ()
    refusal: Refusal | None = field(default=None)


@frozen(slots=True)
class LossJudged:
    """The equity stop ended trading: all that it was given, and the `loss` that it found.

    It measured from `before`, None at its first look, and from `after` behind this one. What is
    not `held` open at a mark was `settled` (the wallet less the other two), moved in
    (`transfers`) or `booked` by fills. `canary_max_loss` is None without a canary.
    """

    venue: str
    asset: str
    max_daily_loss_percent: Decimal
    max_drawdown_percent: Decimal
    canary_max_loss: Decimal | None
    before: EquityMarked | None
    now_ns: int
    settled: Decimal
    transfers: Decimal
    booked: Decimal
    held: tuple[HeldAt, ...]
    equity: Decimal
    after: EquityMarked | None = None
    loss: Loss | None = None


DECISIONS: tuple[type, ...] = (
    StrategyState,
    StrategyDecided,
    RiskState,
    RiskJudged,
    LossJudged,
    HaltCaused,
    *GUARDED,
)
"""The kinds that `core.replay` reads; they are of their time, and no start needs them."""
