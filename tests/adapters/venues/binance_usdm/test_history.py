"""What is remembered of order ids."""

from __future__ import annotations

from adapters.venues.binance_usdm import parse_orders
from adapters.venues.binance_usdm.history import OrderIds
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.samples import changed, raw


def test_the_oldest_order_ids_make_room_for_new_ones() -> None:
    ids = OrderIds(capacity=3)
    for number in range(5):
        row = changed(samples.ORDER, orderId=number, clientOrderId=f"o-{number}")
        ids.learn([parse_orders.order(raw(row), "binance")])
    found = [ids.find("BTCUSDT", str(number)) for number in range(5)]
    assert found == [None, None, "o-2", "o-3", "o-4"]
    assert ids.find("ETHUSDT", "4") is None
