"""Why the simulated exchange refuses, one member per cause, for the servers that name a code."""

from __future__ import annotations

from enum import StrEnum

from core.errors import BulkheadError

__all__ = ["Reason", "Refusal"]


class Reason(StrEnum):
    """The cause of a refusal; nothing happened."""

    SYMBOL_UNKNOWN = "symbol_unknown"
    SYMBOL_CLOSED = "symbol_closed"
    NO_MARKET = "no_market"
    CLIENT_ID_MALFORMED = "client_id_malformed"
    CLIENT_ID_DUPLICATE = "client_id_duplicate"
    UNKNOWN_ORDER = "unknown_order"
    # figures of the order
    QUANTITY_ZERO = "quantity_zero"
    QUANTITY_STEP = "quantity_step"
    QUANTITY_TOO_SMALL = "quantity_too_small"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    PRICE_MISSING = "price_missing"
    PRICE_NOT_ALLOWED = "price_not_allowed"
    PRICE_ZERO = "price_zero"
    PRICE_TICK = "price_tick"
    PRICE_TOO_LOW = "price_too_low"
    PRICE_TOO_HIGH = "price_too_high"
    PERCENT_PRICE_HIGH = "percent_price_high"
    PERCENT_PRICE_LOW = "percent_price_low"
    PERCENT_PRICE_MARKET = "percent_price_market"
    MIN_NOTIONAL = "min_notional"
    TRIGGER_MISSING = "trigger_missing"
    TRIGGER_NOT_ALLOWED = "trigger_not_allowed"
    CALLBACK_RATE = "callback_rate"
    ACTIVATION_PRICE = "activation_price"
    TIME_IN_FORCE = "time_in_force"
    GOOD_TILL = "good_till"
    # position and margin
    MARGIN_INSUFFICIENT = "margin_insufficient"
    LEVERAGE_NOTIONAL = "leverage_notional"
    POSITION_SIDE_MISMATCH = "position_side_mismatch"
    REDUCE_ONLY_IN_HEDGE = "reduce_only_in_hedge"
    REDUCE_ONLY = "reduce_only"
    CLOSE_POSITION_EXISTS = "close_position_exists"
    CLOSE_POSITION_COMBINATION = "close_position_combination"
    # matching
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    FOK_UNFILLED = "fok_unfilled"
    WOULD_TRIGGER = "would_trigger"
    MAX_OPEN_ORDERS = "max_open_orders"
    MAX_CONDITIONAL_ORDERS = "max_conditional_orders"
    # amending
    AMEND_TYPE = "amend_type"
    AMEND_UNCHANGED = "amend_unchanged"
    AMEND_LIMIT = "amend_limit"
    AMEND_SIDE = "amend_side"
    AMEND_REDUCE_ONLY = "amend_reduce_only"
    # settings
    LEVERAGE_INVALID = "leverage_invalid"
    LEVERAGE_REDUCTION_ISOLATED = "leverage_reduction_isolated"
    MARGIN_TYPE_UNCHANGED = "margin_type_unchanged"
    MARGIN_TYPE_OPEN_ORDERS = "margin_type_open_orders"
    MARGIN_TYPE_POSITION = "margin_type_position"
    POSITION_MODE_UNCHANGED = "position_mode_unchanged"
    POSITION_MODE_OPEN_ORDERS = "position_mode_open_orders"
    POSITION_MODE_POSITION = "position_mode_position"
    NOT_ISOLATED = "not_isolated"
    NO_POSITION = "no_position"
    ISOLATED_BALANCE = "isolated_balance"
    BALANCE_INSUFFICIENT = "balance_insufficient"


class Refusal(BulkheadError):
    """The exchange refused and nothing happened; `figure` is the limit that was missed, if any."""

    def __init__(self, reason: Reason, text: str, *, figure: str = "") -> None:
        super().__init__(reason, text, figure)
        self.reason = reason
        self.text = text
        self.figure = figure

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.text}"
