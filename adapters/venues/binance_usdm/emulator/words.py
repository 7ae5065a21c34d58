"""The venue's words for sides, types, times in force and states, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.exchange import AccountReason, ConditionalStatus, End, Execution, IncomeKind, VenueOrder
from core.messages import OrderStatus, OrderType, PositionSide, Side, TimeInForce, TriggerBy
from core.money import ZERO

__all__ = [
    "ACCOUNT_REASONS",
    "ALGO_STATES",
    "EXECUTIONS",
    "INCOME_KINDS",
    "INTERVALS_MS",
    "POSITION_SIDES",
    "SIDES",
    "TIMES_IN_FORCE",
    "TRIGGERS",
    "TYPES",
    "expiry_code",
    "fixed",
    "money",
    "ms",
    "status_word",
    "time_in_force_word",
]

SIDES: Mapping[str, Side] = {"BUY": Side.BUY, "SELL": Side.SELL}
POSITION_SIDES: Mapping[str, PositionSide] = {side.value.upper(): side for side in PositionSide}
TYPES: Mapping[str, OrderType] = {kind.value.upper(): kind for kind in OrderType}
TIMES_IN_FORCE: Mapping[str, TimeInForce] = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
    "GTX": TimeInForce.POST_ONLY,
}
TRIGGERS: Mapping[str, TriggerBy] = {
    "MARK_PRICE": TriggerBy.MARK,
    "CONTRACT_PRICE": TriggerBy.LAST,
}
TRIGGER_WORDS = {trigger: word for word, trigger in TRIGGERS.items()}
EXECUTIONS: Mapping[Execution, str] = {
    Execution.NEW: "NEW",
    Execution.TRADE: "TRADE",
    Execution.CANCELLED: "CANCELED",
    Execution.EXPIRED: "EXPIRED",
    Execution.AMENDED: "AMENDMENT",
    Execution.CALCULATED: "CALCULATED",
}
ALGO_STATES: Mapping[ConditionalStatus, str] = {
    state: "CANCELED" if state is ConditionalStatus.CANCELLED else state.value.upper()
    for state in ConditionalStatus
}
INCOME_KINDS: Mapping[IncomeKind, str] = {
    IncomeKind.TRANSFER: "TRANSFER",
    IncomeKind.REALISED_PNL: "REALIZED_PNL",
    IncomeKind.COMMISSION: "COMMISSION",
    IncomeKind.FUNDING_FEE: "FUNDING_FEE",
    IncomeKind.INSURANCE_CLEAR: "INSURANCE_CLEAR",
}
ACCOUNT_REASONS: Mapping[AccountReason, str] = {
    reason: reason.value.upper() for reason in AccountReason
}
_MINUTE = 60_000
INTERVALS_MS: Mapping[str, int] = {
    "1m": _MINUTE,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": 60 * _MINUTE,
    "2h": 120 * _MINUTE,
    "4h": 240 * _MINUTE,
    "6h": 360 * _MINUTE,
    "8h": 480 * _MINUTE,
    "12h": 720 * _MINUTE,
    "1d": 1_440 * _MINUTE,
    "3d": 4_320 * _MINUTE,
    "1w": 10_080 * _MINUTE,
}
_STATUS = {
    OrderStatus.NEW: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELLED: "CANCELED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "EXPIRED",
}
# Source: fact sheet §4.3, key `er`.
_EXPIRY = {
    End.SELF_TRADE: "1",
    End.IOC_REMAINDER: "2",
    End.REDUCE_ONLY: "4",
    End.LIQUIDATION: "5",
    End.POSITION_GONE: "6",
    End.MARKET_REMAINDER: "9",
}


def status_word(order: VenueOrder) -> str:
    """Return the venue's word for an order's state."""
    if order.status is OrderStatus.EXPIRED and order.end is End.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    return _STATUS[order.status]


def expiry_code(end: End) -> str:
    """Return the venue's number for why an order expired, "0" for none."""
    return _EXPIRY.get(end, "0")


def time_in_force_word(value: TimeInForce) -> str:
    """Return the venue's word for a time in force."""
    return "GTX" if value is TimeInForce.POST_ONLY else value.value.upper()


def fixed(value: Decimal, places: int) -> str:
    """Write with exactly so many decimals."""
    return f"{value or ZERO:.{places}f}"


def money(value: Decimal) -> str:
    """Write with 8 decimals."""
    return f"{value or ZERO:.8f}"


def ms(time_ns: int) -> int:
    """Convert to the venue's milliseconds, rounding down."""
    return time_ns // 1_000_000
