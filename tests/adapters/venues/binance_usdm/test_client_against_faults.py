"""The client against a local exchange that misbehaves: faults on the way and their meaning."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import (
    AuthRejected,
    ClockRejected,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RetryLater,
)
from core.messages import (
    CancelOrder,
    Fill,
    OrderStatus,
    OrderUpdated,
    PlaceOrder,
    Side,
    StreamLost,
)
from tests.adapters.venues.binance_usdm.local_exchange import BTC, Exchange, Host, approved, buying


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "5xx_after_accept", "variant": "unknown"},
        {"kind": "5xx_after_accept", "variant": "-1007"},
        {"kind": "cut_response"},
        {"kind": "timeout_after", "ms": 100},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('variant', '')}",
)
def test_an_order_that_arrived_without_an_answer_is_unknown_and_found_by_asking(
    host: Host, exchange: Exchange, resting: PlaceOrder, fault: dict[str, Any]
) -> None:
    exchange.fault(endpoint="/fapi/v1/order", method="POST", **fault)
    with pytest.raises(OutcomeUnknown):
        host.venue.place(approved(resting))
    assert host.venue.order(BTC, resting.client_order_id).status is OrderStatus.NEW


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ({"kind": "503_not_executed", "variant": "unavailable"}, RetryLater),
        ({"kind": "503_not_executed", "variant": "-1008"}, RetryLater),
        ({"kind": "timeout_before", "ms": 100}, OutcomeUnknown),
        ({"kind": "drop"}, OutcomeUnknown),
        ({"kind": "429", "ms": 1000}, RateLimited),
        ({"kind": "key_revoked"}, AuthRejected),
        ({"kind": "clock_skew", "ms": 60_000}, ClockRejected),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value.__name__,
)
def test_an_order_that_was_not_carried_out_is_not_there(
    host: Host,
    exchange: Exchange,
    resting: PlaceOrder,
    fault: dict[str, Any],
    meaning: type[Exception],
) -> None:
    standing = fault["kind"] in ("key_revoked", "clock_skew")
    exchange.fault(**fault | ({} if standing else {"endpoint": "/fapi/v1/order", "method": "POST"}))
    with pytest.raises(meaning) as caught:
        host.venue.place(approved(resting))
    assert type(caught.value) is meaning
    exchange.heal()
    asking = Host(exchange)
    try:
        with pytest.raises(NotFound):
            asking.venue.order(BTC, resting.client_order_id)
    finally:
        asking.close()


def test_a_new_clock_sample_mends_a_refused_timestamp(
    host: Host, exchange: Exchange, resting: PlaceOrder
) -> None:
    exchange.fault(kind="clock_skew", ms=60_000)
    with pytest.raises(ClockRejected):
        host.venue.place(approved(resting))
    sample = host.venue.sample_clock()
    assert abs(sample.offset_ns - 60 * 10**9) < 10**9
    host.venue.set_clock_offset_ns(sample.offset_ns)
    assert host.venue.place(approved(resting)).status is OrderStatus.NEW
    exchange.heal()
    host.venue.set_clock_offset_ns(0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "listen_key_expired"}, "listen key expired"),
        ({"kind": "disconnect", "stream": "ORDER_TRADE_UPDATE"}, "closed"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_lost_private_stream_is_reported_and_a_new_one_connects(
    host: Host, exchange: Exchange, resting: PlaceOrder, fault: dict[str, Any], reason: str
) -> None:
    host.listen()
    exchange.fault(**fault)
    host.venue.place(approved(resting))
    assert reason in host.wait(StreamLost).reason
    host.listen()
    host.venue.cancel(CancelOrder(BTC, resting.client_order_id))
    assert host.wait(OrderUpdated).status is OrderStatus.CANCELLED


def test_a_liquidation_arrives_as_an_execution_of_the_venues_own_order(
    host: Host, exchange: Exchange, resting: PlaceOrder
) -> None:
    host.listen()
    host.venue.place(approved(buying(resting)))
    bought = host.wait(Fill)
    exchange.fault(kind="liquidation", symbol="BTCUSDT")
    closed = host.wait(Fill, lambda fill: fill.side is Side.SELL)
    assert closed.client_order_id.startswith("autoclose-")
    by_query = host.venue.fills(BTC, from_id=bought.fill_id)
    assert by_query[-1].client_order_id == closed.client_order_id
    assert host.venue.positions(BTC) == ()
