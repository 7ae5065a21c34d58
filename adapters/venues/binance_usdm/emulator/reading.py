"""What the calls about orders have in common: ids, figures, spans of time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.errors import bad_request, invalid_value
from adapters.venues.binance_usdm.emulator.request import Parameters
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from adapters.venues.binance_usdm.emulator.words import (
    POSITION_SIDES,
    SIDES,
    TIMES_IN_FORCE,
    TYPES,
)
from core.messages import OrderType, PlaceOrder, PositionSide, TimeInForce
from core.money import ZERO

__all__ = ["check_client_id", "check_places", "read_order", "read_page"]

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_MS = 1_000_000
_WEEK_MS = 7 * 86_400_000
_STP_MODES = {mode: mode for mode in ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")}


def check_client_id(value: str) -> str:
    """Return a client order id as sent. Errors: -4015 (too long), -1100 (illegal characters)."""
    if len(value) > 36:
        raise bad_request(-4015, "Client order id length should be less than 36 chars")
    if value and not _CLIENT_ID.fullmatch(value):
        raise bad_request(
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is "
            "'^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.",
        )
    return value


def check_places(value: Decimal | None, places: int) -> None:
    """Check the number of decimals. Errors: -1111."""
    if value is not None and round(value, places) != value:
        raise bad_request(-1111, "Precision is over the maximum defined for this asset.")


def read_order(
    venue: LocalVenue, p: Parameters, types: Mapping[str, OrderType], *, id_name: str
) -> tuple[PlaceOrder, Listing]:
    """Read what plain and conditional orders have in common. Errors: the venue's codes."""
    listing = venue.listing(p.need("symbol"))
    p.need("side")
    side = p.choice("side", SIDES, SIDES["BUY"], lambda: bad_request(-1117, "Invalid side."))
    word = p.need("type")
    if word not in TYPES:
        raise bad_request(-1116, "Invalid orderType.")
    if word not in types:
        raise bad_request(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints "
            "instead.",
        )
    order_type = types[word]
    position_side = p.choice(
        "positionSide",
        POSITION_SIDES,
        PositionSide.BOTH,
        lambda: bad_request(-4060, "Invalid position side."),
    )
    time_in_force = p.choice(
        "timeInForce",
        TIMES_IN_FORCE,
        TimeInForce.GTC,
        lambda: bad_request(-1115, "Invalid timeInForce."),
    )
    p.choice(
        "selfTradePreventionMode",
        _STP_MODES,
        "EXPIRE_MAKER",
        lambda: bad_request(-5039, "Invalid self trade prevention mode."),
    )
    quantity, price = p.decimal("quantity"), p.decimal("price")
    check_places(quantity, listing.quantity_places)
    check_places(price, listing.price_places)
    order = PlaceOrder(
        key=listing.instrument.key,
        client_order_id=check_client_id(p.text(id_name)),
        side=side,
        position_side=position_side,
        type=order_type,
        quantity=ZERO if quantity is None else quantity,
        price=price,
        time_in_force=time_in_force,
        reduce_only=p.flag("reduceOnly"),
        good_till_ns=p.integer("goodTillDate", 0) * _MS,
    )
    return order, listing


def read_page(p: Parameters, *, default: int, most: int) -> tuple[int, int, int]:
    """Read startTime, endTime (ms, 0 for none) and limit. Errors: -1127, -1130."""
    start, end = p.integer("startTime", 0), p.integer("endTime", 0)
    limit = p.integer("limit", default)
    if not 1 <= limit <= most:
        raise invalid_value("limit")
    if start and end and not 0 <= end - start <= _WEEK_MS:
        raise bad_request(-1127, "More than 7 days between startTime and endTime.")
    return start, end, limit
