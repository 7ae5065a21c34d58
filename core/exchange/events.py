"""What the simulated exchange reports, in the order it happened, for its server or simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from core.exchange.rows import ConditionalOrder, PositionFigures, VenueOrder, VenueTrade
from core.messages import (
    AccountEvent,
    BalanceUpdated,
    FundingPaid,
    Key,
    OrderUpdated,
    PositionReported,
)


class Execution(StrEnum):
    """What happened to a plain order."""

    NEW = "new"
    TRADE = "trade"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    AMENDED = "amended"
    CALCULATED = "calculated"


class AccountReason(StrEnum):
    """Why balances or positions changed."""

    ORDER = "order"
    FUNDING_FEE = "funding_fee"
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    MARGIN_TRANSFER = "margin_transfer"
    MARGIN_TYPE_CHANGE = "margin_type_change"
    INSURANCE_CLEAR = "insurance_clear"


@frozen(slots=True)
class OrderChanged:
    """A plain order after one thing that happened; `trade` for TRADE and CALCULATED only.

    `bid_notional` and `ask_notional` are those of all open orders of the symbol.
    """

    execution: Execution
    order: VenueOrder
    time_ns: int
    trade: VenueTrade | None = None


@frozen(slots=True)
class ConditionalChanged:
    """A conditional order after one step of its life; `child` is the plain order it became."""

    order: ConditionalOrder
    time_ns: int
    child: VenueOrder | None = None


@frozen(slots=True)
class BalanceChange:
    """One asset: wallet balances after, and the change that is neither PnL nor fee."""

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    change: Decimal


@frozen(slots=True)
class AccountChanged:
    """Changed balances and positions; comes after the `OrderChanged` that caused it.

    `funding` is set where the reason is FUNDING_FEE, with the settlement that was booked.
    """

    reason: AccountReason
    balances: tuple[BalanceChange, ...]
    positions: tuple[PositionFigures, ...]
    time_ns: int
    funding: FundingPaid | None = None


@frozen(slots=True)
class LeverageChanged:
    key: Key
    leverage: int
    time_ns: int


@frozen(slots=True)
class MarginCalled:
    """The margin ratio (maintenance ÷ balance) is at or over the warning line."""

    asset: str
    cross_wallet: Decimal
    positions: tuple[PositionFigures, ...]
    time_ns: int


ExchangeEvent = OrderChanged | ConditionalChanged | AccountChanged | LeverageChanged | MarginCalled
Events = tuple[ExchangeEvent, ...]


@frozen(slots=True)
class Placed:
    """The answer to a placement, an amendment or a cancellation, and all that followed at once.

    `order` is the order's state as the call returns; `events` starts with its acceptance.
    """

    order: VenueOrder | ConditionalOrder
    update: OrderUpdated
    events: Events


def account_events(venue: str, events: Iterable[ExchangeEvent]) -> Iterator[AccountEvent]:
    """Say events in the words of `core.messages`, for simulations without a wire between."""
    for event in events:
        match event:
            case OrderChanged():
                yield event.order.update()
                if event.trade is not None:
                    yield event.trade.fill
            case ConditionalChanged():
                if event.child is None:
                    yield event.order.update(None)
            case AccountChanged():
                if event.funding is not None:
                    yield event.funding
                for change in event.balances:
                    yield BalanceUpdated(
                        venue, change.asset, change.wallet, event.reason.value, event.time_ns
                    )
                for position in event.positions:
                    yield PositionReported(
                        position.key,
                        position.side,
                        position.quantity,
                        position.entry_price,
                        event.time_ns,
                        position.liquidation_price,
                        position.mark,
                    )
            case _:
                pass
