"""The ledger: one shape and one order of rows, whatever order the evidence came in."""

from __future__ import annotations

import json

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.ledger import fill_row, ledger, order_row, position_row
from core.messages import Key, OrderStatus, OrderType, PositionSide, Side
from core.positions import Position
from tests.core.samples import BTC, ETH, D, fill, limit, said

ORDER = evolve(
    said(limit("h-b-BTCUSDT-00", quantity="1.500", price="100.10"), OrderStatus.NEW), order_id="9"
)


def test_a_row_of_an_order_has_the_keys_and_words_of_the_contract() -> None:
    assert order_row(ORDER) == {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "client_order_id": "h-b-BTCUSDT-00",
        "order_id": "9",
        "side": "buy",
        "position_side": "long",
        "type": "limit",
        "status": "new",
        "price": "100.1",
        "quantity": "1.5",
        "filled": "0",
    }


def test_market_orders_have_the_price_0_and_statuses_are_the_six_words() -> None:
    market = said(limit(type=OrderType.MARKET, price=None), OrderStatus.FILLED)
    assert order_row(market)["price"] == "0"
    words = {order_row(evolve(ORDER, status=status))["status"] for status in OrderStatus}
    assert words == {"new", "partially_filled", "filled", "cancelled", "rejected", "expired"}


def test_a_row_of_a_fill_keeps_fee_and_time() -> None:
    row = fill_row(fill("7", Side.SELL, "0.50", "1E+3", fee=D("-0.0100"), time_ns=12, maker=False))
    assert row == {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "fill_id": "7",
        "order_id": "77",
        "client_order_id": "h-b-BTCUSDT-00",
        "side": "sell",
        "position_side": "both",
        "price": "1000",
        "quantity": "0.5",
        "fee": "-0.01",
        "maker": False,
        "time_ns": 12,
    }


def test_positions_are_signed_with_entries_to_eight_decimals_and_flat_ones_have_no_row() -> None:
    short = Position(PositionSide.SHORT, D("-0.50"), D(100) / D(3))
    assert position_row(BTC, short)["entry_price"] == "33.33333333"
    truth = ledger([], [], [(BTC, short), (ETH, Position(PositionSide.LONG))], {})
    assert [(row["symbol"], row["quantity"]) for row in truth["positions"]] == [("BTCUSDT", "-0.5")]


def test_wallets_are_grouped_by_venue() -> None:
    wallets = {("kucoin", "USDT"): D("1.0"), ("binance", "USDT"): D(2), ("binance", "BNB"): D(0)}
    assert ledger([], [], [], wallets)["balances"] == {
        "binance": {"BNB": {"wallet": "0"}, "USDT": {"wallet": "2"}},
        "kucoin": {"USDT": {"wallet": "1"}},
    }


ORDERS = [
    evolve(ORDER, key=key, client_order_id=name, order_id=number)
    for key in (BTC, ETH, Key("bybit", "BTCUSDT"))
    for name, number in (("a", "10"), ("a", "9"), ("b", "1"))
]
FILLS = [
    evolve(fill(number, Side.BUY, "1", "100"), key=key, time_ns=time_ns)
    for key in (BTC, ETH)
    for number, time_ns in (("9", 5), ("10", 5), ("2", 6), ("e0cbe81d", 6), ("²", 6))
]
POSITIONS = [(key, Position(side, D(1), D(100))) for key in (ETH, BTC) for side in PositionSide]


@given(st.permutations(ORDERS), st.permutations(FILLS), st.permutations(POSITIONS))
def test_the_same_truth_is_the_same_bytes(orders: list, fills: list, positions: list) -> None:
    wallets = {("binance", "USDT"): D(1)}
    shuffled = json.dumps(ledger(orders, fills, positions, wallets))
    assert shuffled == json.dumps(ledger(ORDERS, FILLS, POSITIONS, wallets))


def test_fills_of_one_instant_are_sorted_by_their_number() -> None:
    rows = ledger([], FILLS, [], {})["fills"]
    assert [row["fill_id"] for row in rows[:3]] == ["9", "10", "e0cbe81d"]
