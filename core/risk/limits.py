"""The figures that risk keeps to, as configured: one frozen object for every rule."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import field, frozen

from core.messages import Key
from core.money import ZERO

if TYPE_CHECKING:
    from core.config import Portfolio

__all__ = ["Caps", "Group", "Limits"]


@frozen(slots=True, kw_only=True)
class Caps:
    """Caps of one symbol beside those of every symbol; 0 is no cap of its own.

    `where` is the path of its table, for refusals.
    """

    where: str
    max_order_quantity: Decimal = ZERO
    max_notional: Decimal = ZERO
    max_leverage: int = 0


@frozen(slots=True, kw_only=True)
class Group:
    """Symbols that move together, with one cap on each direction of all of them."""

    where: str
    name: str
    keys: tuple[Key, ...]
    max_notional: Decimal


@frozen(slots=True, kw_only=True)
class Limits:
    """What `[risk]` and its neighbours allow; money in quote money, times in nanoseconds.

    `portfolio` is its table. `stops_bps` is how far from its entry each symbol's protective stop
    stands; on `cross_venues` all positions share one margin. A side that had no working stop for
    `unprotected_ns` takes no entry; `canary_order_notional` is 0 without a canary.
    """

    max_order_notional: Decimal
    max_symbol_notional: Decimal
    max_side_notional: Decimal
    max_net_notional: Decimal
    max_gross_notional: Decimal
    max_open_orders_per_side: int
    max_orders_per_minute: int
    max_cancels_per_minute: int
    max_leverage: int
    max_account_leverage: Decimal
    min_free_margin_percent: Decimal
    min_liquidation_distance_bps: Decimal
    price_collar_bps: Decimal
    book_collar_bps: Decimal
    max_var_percent: Decimal
    max_daily_volatility_percent: Decimal
    max_funding_bps: Decimal
    funding_window_ns: int
    stale_after_ns: int
    account_stale_after_ns: int
    unprotected_ns: int
    portfolio: Portfolio
    canary_order_notional: Decimal = ZERO
    canary_max_loss: Decimal = ZERO
    symbols: Mapping[Key, Caps] = field(factory=dict)
    groups: tuple[Group, ...] = ()
    stops_bps: Mapping[Key, Decimal] = field(factory=dict)
    cross_venues: frozenset[str] = frozenset()
