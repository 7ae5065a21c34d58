"""What the venue answers for each reason of `core.exchange`: code and text of the fact sheet §5."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.venues.binance_usdm.emulator.errors import ApiError, bad_request
from core.exchange import Reason, Refusal

__all__ = ["ANSWERS", "answer"]

ANSWERS: Mapping[Reason, tuple[int, str]] = {
    Reason.SYMBOL_UNKNOWN: (-1121, "Invalid symbol."),
    Reason.SYMBOL_CLOSED: (-4140, "Invalid symbol status for opening position."),
    Reason.NO_MARKET: (-1112, "No orders on book for symbol."),
    Reason.CLIENT_ID_MALFORMED: (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is "
        "'^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.",
    ),
    Reason.CLIENT_ID_DUPLICATE: (-4116, "ClientOrderId is duplicated."),
    Reason.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Reason.QUANTITY_ZERO: (-4003, "Quantity less than or equal to zero."),
    Reason.QUANTITY_STEP: (-4023, "Qty not increased by step size."),
    Reason.QUANTITY_TOO_SMALL: (-4004, "Quantity less than min quantity."),
    Reason.QUANTITY_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    Reason.PRICE_MISSING: (
        -1102,
        "Mandatory parameter 'price' was not sent, was empty/null, or malformed.",
    ),
    Reason.PRICE_NOT_ALLOWED: (-1106, "Parameter 'price' sent when not required."),
    Reason.PRICE_ZERO: (-4001, "Price less than or equal to zero."),
    Reason.PRICE_TICK: (-4014, "Price not increased by tick size."),
    Reason.PRICE_TOO_LOW: (-4013, "Price less than min price."),
    Reason.PRICE_TOO_HIGH: (-4002, "Price greater than max price."),
    Reason.PERCENT_PRICE_HIGH: (-4016, "Limit price can't be higher than {figure}."),
    Reason.PERCENT_PRICE_LOW: (-4024, "Limit price can't be lower than {figure}."),
    Reason.PERCENT_PRICE_MARKET: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Reason.MIN_NOTIONAL: (
        -4164,
        "Order's notional must be no smaller than {figure} (unless you choose reduce only).",
    ),
    Reason.TRIGGER_MISSING: (
        -1102,
        "Mandatory parameter 'triggerPrice' was not sent, was empty/null, or malformed.",
    ),
    Reason.TRIGGER_NOT_ALLOWED: (-1106, "Parameter 'triggerPrice' sent when not required."),
    Reason.CALLBACK_RATE: (-1130, "Data sent for parameter 'callbackRate' is not valid."),
    Reason.ACTIVATION_PRICE: (-4135, "Invalid activation price."),
    Reason.TIME_IN_FORCE: (-1115, "Invalid timeInForce."),
    Reason.GOOD_TILL: (-5040, "Invalid goodTillDate."),
    Reason.MARGIN_INSUFFICIENT: (-2019, "Margin is insufficient."),
    Reason.LEVERAGE_NOTIONAL: (
        -2027,
        "Exceeded the maximum allowable position at current leverage.",
    ),
    Reason.POSITION_SIDE_MISMATCH: (
        -4061,
        "Order's position side does not match user's setting.",
    ),
    Reason.REDUCE_ONLY_IN_HEDGE: (-1106, "Parameter 'reduceonly' sent when not required."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.CLOSE_POSITION_EXISTS: (
        -4130,
        "An open stop or take profit order with GTE and closePosition in the direction is "
        "existing.",
    ),
    Reason.CLOSE_POSITION_COMBINATION: (
        -4137,
        "Quantity must be zero with closePosition equals true.",
    ),
    Reason.POST_ONLY_WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history.",
    ),
    Reason.FOK_UNFILLED: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history.",
    ),
    Reason.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Reason.MAX_OPEN_ORDERS: (-2025, "Reach max open order limit."),
    Reason.MAX_CONDITIONAL_ORDERS: (-4045, "Reach max stop order limit."),
    Reason.AMEND_TYPE: (-5025, "Only limit order is supported."),
    Reason.AMEND_UNCHANGED: (-5027, "No need to modify the order."),
    Reason.AMEND_LIMIT: (-5026, "Exceed maximum modify order limit."),
    Reason.AMEND_SIDE: (-1117, "Invalid side."),
    Reason.AMEND_REDUCE_ONLY: (-5047, "The original order is not a reduce only order."),
    Reason.LEVERAGE_INVALID: (-4028, "Leverage {figure} is not valid"),
    Reason.LEVERAGE_REDUCTION_ISOLATED: (
        -4161,
        "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    ),
    Reason.MARGIN_TYPE_UNCHANGED: (-4046, "No need to change margin type."),
    Reason.MARGIN_TYPE_OPEN_ORDERS: (
        -4047,
        "Margin type cannot be changed if there exists open orders.",
    ),
    Reason.MARGIN_TYPE_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    Reason.POSITION_MODE_UNCHANGED: (-4059, "No need to change position side."),
    Reason.POSITION_MODE_OPEN_ORDERS: (
        -4067,
        "Position side cannot be changed if there exists open orders.",
    ),
    Reason.POSITION_MODE_POSITION: (
        -4068,
        "Position side cannot be changed if there exists position.",
    ),
    Reason.NOT_ISOLATED: (
        -4054,
        "Cannot add position margin: position is 0 or margin type is crossed.",
    ),
    Reason.NO_POSITION: (-4054, "Cannot add position margin: position is 0."),
    Reason.ISOLATED_BALANCE: (-4051, "Isolated balance insufficient."),
    Reason.BALANCE_INSUFFICIENT: (-4050, "Cross balance insufficient."),
}


def answer(refusal: Refusal, *, cancelling: bool = False) -> ApiError:
    """Translate a refusal; an unknown order is -2011 to a cancellation and -2013 to a query."""
    if refusal.reason is Reason.UNKNOWN_ORDER and cancelling:
        return bad_request(-2011, "Unknown order sent.")
    if refusal.reason is Reason.CLIENT_ID_MALFORMED and refusal.figure:
        return bad_request(-4015, "Client order id length should be less than 36 chars")
    code, text = ANSWERS[refusal.reason]
    return bad_request(code, text.replace("{figure}", refusal.figure))
