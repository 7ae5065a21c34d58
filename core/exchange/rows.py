"""Rows: what the simulated exchange knows and keeps, frozen, for servers, disks and ledgers."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from core.messages import (
    Fill,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
)
from core.money import ZERO


class End(StrEnum):
    """Why an order ended (or, empty, did not)."""

    NONE = ""
    FILLED = "filled"
    CANCELLED = "cancelled"
    COUNTDOWN = "countdown"
    IOC_REMAINDER = "ioc_remainder"
    MARKET_REMAINDER = "market_remainder"
    FOK_UNFILLED = "fok_unfilled"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    GOOD_TILL = "good_till"
    REDUCE_ONLY = "reduce_only"
    SELF_TRADE = "self_trade"
    LIQUIDATION = "liquidation"
    AMENDED_BELOW_FILLED = "amended_below_filled"
    MARGIN_INSUFFICIENT = "margin_insufficient"
    POSITION_GONE = "position_gone"

    @property
    def asked_for(self) -> bool:
        return self in (End.NONE, End.FILLED, End.CANCELLED)


class ConditionalStatus(StrEnum):
    """Life of a conditional order: NEW, TRIGGERING, TRIGGERED, then one of the others."""

    NEW = "new"
    TRIGGERING = "triggering"
    TRIGGERED = "triggered"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def waiting(self) -> bool:
        return self is ConditionalStatus.NEW


class IncomeKind(StrEnum):
    TRANSFER = "transfer"
    REALISED_PNL = "realised_pnl"
    COMMISSION = "commission"
    FUNDING_FEE = "funding_fee"
    INSURANCE_CLEAR = "insurance_clear"


@frozen(slots=True)
class VenueOrder:
    """One plain order. `quote_filled` is the sum of price × quantity of its fills.

    `algo_id` is that of the conditional order it came from, else 0. `end` says why it is over.
    """

    key: Key
    order_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    type: OrderType
    original_type: OrderType
    time_in_force: TimeInForce
    status: OrderStatus
    price: Decimal
    quantity: Decimal
    filled: Decimal
    quote_filled: Decimal
    reduce_only: bool
    close_position: bool
    good_till_ns: int
    trigger_price: Decimal
    algo_id: int
    created_ns: int
    updated_ns: int
    amendments: int
    end: End

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal:
        """Mean fill price, unrounded; 0 before the first fill."""
        return self.quote_filled / self.filled if self.filled else ZERO

    def update(self) -> OrderUpdated:
        """Say the same in the words of `core.messages`."""
        return OrderUpdated(
            key=self.key,
            client_order_id=self.client_order_id,
            order_id=str(self.order_id),
            side=self.side,
            position_side=self.position_side,
            type=self.original_type,
            status=self.status,
            price=self.price,
            quantity=self.quantity,
            filled=self.filled,
            event_ns=self.updated_ns,
            trigger_price=self.trigger_price,
            reduce_only=self.reduce_only,
            amended=self.amendments > 0,
            reason="" if self.end.asked_for else self.end.value,
        )


@frozen(slots=True)
class ConditionalOrder:
    """One order that waits for its trigger; `order_id` is the plain order it became, else 0.

    `price` is 0 for market types, `quantity` 0 where it closes the position. For a trailing stop
    `activation_price` 0 means at once, `extreme_price` is the best price seen since (0 before).
    """

    key: Key
    algo_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    type: OrderType
    time_in_force: TimeInForce
    status: ConditionalStatus
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    trigger_by: TriggerBy
    reduce_only: bool
    close_position: bool
    activation_price: Decimal
    callback_rate_bps: Decimal
    extreme_price: Decimal
    good_till_ns: int
    created_ns: int
    updated_ns: int
    triggered_ns: int
    order_id: int
    actual_price: Decimal
    actual_quantity: Decimal
    refused: str
    end: End

    def update(self, child: VenueOrder | None) -> OrderUpdated:
        """Say the logical order's state in the words of `core.messages`.

        `child` is the plain order it became, if it did. One logical order, one client id.
        """
        if child is not None:
            status, order_id, filled = child.status, str(child.order_id), child.filled
            quantity, reason, updated_ns = child.quantity, child.end, child.updated_ns
        else:
            status, order_id, filled = _LOGICAL[self.status], str(self.algo_id), ZERO
            quantity, reason, updated_ns = self.quantity, self.end, self.updated_ns
        return OrderUpdated(
            key=self.key,
            client_order_id=self.client_order_id,
            order_id=order_id,
            side=self.side,
            position_side=self.position_side,
            type=self.type,
            status=status,
            price=self.price,
            quantity=quantity,
            filled=filled,
            event_ns=updated_ns,
            trigger_price=self.trigger_price,
            reduce_only=self.reduce_only,
            reason=self.refused or ("" if reason.asked_for else reason.value),
        )


_LOGICAL = {
    ConditionalStatus.NEW: OrderStatus.NEW,
    ConditionalStatus.TRIGGERING: OrderStatus.NEW,
    ConditionalStatus.TRIGGERED: OrderStatus.NEW,
    ConditionalStatus.FINISHED: OrderStatus.FILLED,
    ConditionalStatus.CANCELLED: OrderStatus.CANCELLED,
    ConditionalStatus.REJECTED: OrderStatus.REJECTED,
    ConditionalStatus.EXPIRED: OrderStatus.EXPIRED,
}


@frozen(slots=True)
class VenueTrade:
    """One fill of ours with the PnL it realised (before fee)."""

    fill: Fill
    realised_pnl: Decimal
    liquidation: bool = False


@frozen(slots=True)
class Amendment:
    """What one amendment changed."""

    amendment_id: int
    key: Key
    order_id: int
    client_order_id: str
    price_before: Decimal
    price_after: Decimal
    quantity_before: Decimal
    quantity_after: Decimal
    count: int
    time_ns: int


@frozen(slots=True)
class IncomeRow:
    """One booking on a wallet; negative when paid. `income_id` is unique and increasing."""

    income_id: int
    kind: IncomeKind
    symbol: str
    asset: str
    amount: Decimal
    time_ns: int
    fill_id: str = ""


@frozen(slots=True)
class PositionRow:
    """One side of one symbol as the exchange keeps it.

    `isolated_wallet` is 0 in cross mode; `carried` is what the position has cost since it was last
    flat beside its entry: fees − realised PnL − funding.
    """

    key: Key
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    realised_pnl: Decimal
    fees: Decimal
    isolated_wallet: Decimal
    carried: Decimal
    updated_ns: int


@frozen(slots=True)
class PositionFigures:
    """One side of one symbol with everything that follows from mark, leverage and brackets.

    Money in the margin asset, unrounded; `notional` is signed as the quantity is;
    `liquidation_price` 0 means none.
    """

    key: Key
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    break_even_price: Decimal
    mark: Decimal
    unrealised_pnl: Decimal
    realised_pnl: Decimal
    notional: Decimal
    liquidation_price: Decimal
    leverage: int
    isolated: bool
    isolated_wallet: Decimal
    isolated_margin: Decimal
    initial_margin: Decimal
    position_initial_margin: Decimal
    open_order_initial_margin: Decimal
    maintenance_margin: Decimal
    bid_notional: Decimal
    ask_notional: Decimal
    updated_ns: int


@frozen(slots=True)
class AccountFigures:
    """One margin asset's account. `available` is what new initial margin may use, never below 0."""

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    unrealised_pnl: Decimal
    cross_unrealised_pnl: Decimal
    margin_balance: Decimal
    initial_margin: Decimal
    position_initial_margin: Decimal
    open_order_initial_margin: Decimal
    maintenance_margin: Decimal
    available: Decimal
    updated_ns: int


@frozen(slots=True)
class BalanceRow:
    asset: str
    wallet: Decimal
    updated_ns: int


@frozen(slots=True)
class PoolRow:
    """What one counterparty holds: `deposits`, `market`, `fees`, `funding` or `insurance`.

    Wallets plus all pools of an asset are 0 at every step.
    """

    name: str
    asset: str
    amount: Decimal


@frozen(slots=True)
class SymbolRow:
    """What is remembered of a symbol: settings, counters and the next funding settlement."""

    key: Key
    leverage: int
    isolated: bool
    next_fill_id: int
    mark: Decimal
    funding_rate: Decimal
    next_funding_ns: int
    last_funding_ns: int
    countdown_ns: int


@frozen(slots=True)
class AccountRow:
    """Mode and counters of the account."""

    hedge_mode: bool
    next_order_id: int
    next_algo_id: int
    next_income_id: int
    next_amendment_id: int


@frozen(slots=True)
class ExchangeState:
    """Everything worth keeping, or everything that changed since the last look: same shape.

    Rows replace earlier rows with the same id: orders by (symbol, `order_id`), conditionals by
    `algo_id`, trades by (symbol, `fill.fill_id`), amendments and income by their ids, positions by
    (symbol, side), balances by asset, symbols by symbol, pools by (name, asset), `account` is one.
    A server writes `Exchange.drain()` in one transaction after every call, before it answers;
    after a crash it hands all rows to `Exchange.restore`.
    """

    orders: tuple[VenueOrder, ...] = ()
    conditionals: tuple[ConditionalOrder, ...] = ()
    trades: tuple[VenueTrade, ...] = ()
    amendments: tuple[Amendment, ...] = ()
    income: tuple[IncomeRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    balances: tuple[BalanceRow, ...] = ()
    symbols: tuple[SymbolRow, ...] = ()
    pools: tuple[PoolRow, ...] = ()
    account: AccountRow | None = None

    @property
    def empty(self) -> bool:
        return self == _EMPTY


_EMPTY = ExchangeState()
