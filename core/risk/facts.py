"""What risk knows besides positions and orders: prices, the account's figures, states of others."""

from __future__ import annotations

from decimal import Decimal

from attrs import define, field

from core.account import Figure, Unknown
from core.instruments import LeverageBracket
from core.messages import Key, MarkPrice, PositionSide
from core.risk.pace import Pace
from core.risk.portfolio import Portfolio

__all__ = ["NEVER_NS", "Facts"]

NEVER_NS = -(2**62)
"""A monotonic time before every other: of a figure that is too old for anything but sums."""

_UNREAD = Unknown("the account was not read yet")


@define(slots=True, eq=False)
class Facts:
    """The newest of each figure; written by risk's owner, read by the rules.

    Times are monotonic nanoseconds, when the figure reached us: a step of the wall clock makes no
    figure younger. Money is in the margin asset. What was not told yet is `Unknown` or absent, and
    opens nothing. `quotes` are best bid and ask. `day_headroom` and `canary_headroom` are what may
    still be lost before that stop trips. `scale` is the part of full size that entries may have, 1
    where absent. `unprotected` are sides without a fitting stop, since when; `breaker_open` maps a
    venue to why its breaker lets nothing through; `accounts_ns` is a venue's last word on its
    account. `portfolio` is told closed bars, `funding` is each symbol's newest mark price with its
    funding rate. `placed` counts placements and amendments, `cancelled` cancels of entries.
    """

    portfolio: Portfolio
    marks: dict[Key, tuple[Decimal, int]] = field(factory=dict)
    quotes: dict[Key, tuple[Decimal, Decimal, int]] = field(factory=dict)
    equity: Figure = _UNREAD
    free_margin: Figure = _UNREAD
    day_headroom: Figure = _UNREAD
    canary_headroom: Figure = _UNREAD
    leverage: dict[Key, int] = field(factory=dict)
    brackets: dict[Key, tuple[LeverageBracket, ...]] = field(factory=dict)
    scale: dict[Key, Decimal] = field(factory=dict)
    unprotected: dict[Key, dict[PositionSide, int]] = field(factory=dict)
    breaker_open: dict[str, str] = field(factory=dict)
    accounts_ns: dict[str, int] = field(factory=dict)
    funding: dict[Key, MarkPrice] = field(factory=dict)
    placed: Pace = field(factory=Pace)
    cancelled: Pace = field(factory=Pace)
