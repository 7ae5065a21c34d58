"""A drill's verdict: every difference between two ledgers is named, and what has no stop."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from adapters.drills.judging import bare, differences, entries, opened_ns, twice, unprotected

Row = dict[str, Any]


def order(name: str, **changes: str) -> Row:
    row = {
        "venue": "binance", "symbol": "BTCUSDT", "client_order_id": name, "order_id": name * 2,
        "side": "sell", "position_side": "long", "type": "stop_market", "status": "new",
        "price": "0", "quantity": "0.002", "filled": "0",
    }  # fmt: skip
    return row | changes


def ledger() -> Row:
    return {
        "orders": [
            order("entry", side="buy", type="limit", status="filled"),
            order("stop"),
        ],
        "fills": [
            {
                "venue": "binance", "symbol": "BTCUSDT", "fill_id": "7", "order_id": "entryentry",
                "client_order_id": "entry", "side": "buy", "position_side": "long",
                "price": "60000", "quantity": "0.002", "fee": "0.024", "maker": True, "time_ns": 1,
            }
        ],
        "positions": [
            {
                "venue": "binance", "symbol": "BTCUSDT", "position_side": "long",
                "quantity": "0.002", "entry_price": "60000",
            }
        ],
        "balances": {"binance": {"USDT": {"wallet": "9999.976"}}},
    }  # fmt: skip


def test_equal_ledgers_have_no_difference() -> None:
    assert differences(ledger(), ledger()) == []


def test_a_fill_that_the_books_miss_is_named() -> None:
    books = ledger()
    books["fills"].clear()

    assert differences(books, ledger()) == ["fill BTCUSDT 7: missing in the books"]


def test_an_order_that_the_exchange_never_had_is_named() -> None:
    books = ledger()
    books["orders"].append(order("ghost"))

    assert differences(books, ledger()) == ["order BTCUSDT ghost: unknown to the exchange"]


@pytest.mark.parametrize("part", ["orders", "fills", "positions"])
def test_each_figure_of_each_row_is_compared(part: str) -> None:
    for name in ledger()[part][0].keys() - {"venue", "symbol"}:
        books = ledger()
        books[part][0][name] = "wrong"
        found = differences(books, ledger())
        assert found, f"{part}: {name}"
        assert any("wrong" in text for text in found)


def test_a_wallet_that_differs_is_named_with_both_sides() -> None:
    books = ledger()
    books["balances"]["binance"]["USDT"]["wallet"] = "10000"

    (found,) = differences(books, ledger())
    assert "10000" in found
    assert "9999.976" in found


@pytest.mark.parametrize("part", ["orders", "fills", "positions"])
def test_a_row_twice_in_the_books_is_a_difference(part: str) -> None:
    books = ledger()
    books[part].append(deepcopy(books[part][0]))

    assert differences(books, ledger()) == [f"{part}: rows twice, or in another order"]


def test_what_the_exchange_has_twice_is_named() -> None:
    truth = ledger()
    truth["orders"].append(order("stop"))

    assert twice(truth) == ["order BTCUSDT stop: 2 times at the exchange"]
    assert twice(ledger()) == []


def test_a_side_whose_stops_cover_it_exactly_is_protected() -> None:
    assert unprotected(ledger()) == []


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"status": "cancelled"}, "0.002 held, stops for 0"),
        ({"quantity": "0.001"}, "0.002 held, stops for 0.001"),
        ({"type": "limit"}, "0.002 held, stops for 0"),
        ({"symbol": "ETHUSDT"}, "0.002 held, stops for 0"),
    ],
)
def test_a_side_without_a_stop_of_its_size_is_named(changes: dict[str, str], left: str) -> None:
    truth = ledger()
    truth["orders"][1] |= changes

    assert f"BTCUSDT long: {left}" in unprotected(truth)
    assert bare(truth) == ["BTCUSDT long"]


def test_a_stop_that_is_too_large_leaves_nothing_bare_and_is_named() -> None:
    truth = ledger()
    truth["orders"][1]["quantity"] = "0.003"

    assert bare(truth) == []
    assert unprotected(truth) == ["BTCUSDT long: 0.002 held, stops for 0.003"]


def test_a_stop_without_a_position_is_named_too() -> None:
    truth = ledger()
    truth["positions"].clear()

    assert unprotected(truth) == ["BTCUSDT long: 0 held, stops for 0.002"]


def test_a_side_is_open_since_the_fill_that_found_it_flat() -> None:
    truth = ledger()
    steps = (("sell", "0.001", 2), ("buy", "0.004", 3), ("sell", "0.005", 4), ("buy", "0.001", 5))
    for side, quantity, time_ns in steps:
        fill = {"side": side, "quantity": quantity, "time_ns": time_ns, "fill_id": str(time_ns)}
        truth["fills"].append(truth["fills"][0] | fill)

    assert opened_ns(ledger()) == {"BTCUSDT long": 1}
    assert opened_ns(truth) == {"BTCUSDT long": 5}


def test_entries_are_the_open_orders_that_add_to_a_position() -> None:
    truth = ledger()
    assert entries(truth) == []
    truth["orders"].append(order("more", side="buy", type="limit", status="partially_filled"))
    assert [row["client_order_id"] for row in entries(truth)] == ["more"]
