"""Instruments: sizes within the budget, prices on the tick, refusals with their figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidOrder
from core.instruments import Instrument, LeverageBracket, bracket_for, quantity_for_risk
from core.messages import OrderType, PositionSide, Side
from tests.core.samples import D, instrument, limit, stop

# (price, lot step, contract multiplier): from 0.00001 to 100,000 USDT a unit, and contracts.
MARKETS = {
    "a hundred-thousandth": ("0.00001", "1", "1"),
    "a thousandth": ("0.0012345", "1", "1"),
    "a dime": ("0.1", "0.1", "1"),
    "one": ("1", "0.1", "1"),
    "ether": ("3123.45", "0.001", "1"),
    "bitcoin": ("100000", "0.001", "1"),
    "a thousandth of a bitcoin": ("100000", "1", "0.001"),
    "a hundred dogecoins": ("0.12345", "1", "100"),
    "ten million shiba inu": ("0.00001234", "1", "10000000"),
}


def market(name: str) -> tuple[Instrument, Decimal]:
    price, lot, multiplier = MARKETS[name]
    listed = instrument(
        tick_size=D("0.00000001"),
        lot_step=D(lot),
        min_quantity=D(lot),
        max_quantity=D(10) ** 12,
        multiplier=D(multiplier),
    )
    return listed, D(price)


@given(st.sampled_from(sorted(MARKETS)), st.decimals("0.01", 1_000_000, places=6))
def test_a_size_spends_the_budget_but_never_more_or_is_refused(name: str, budget: Decimal) -> None:
    listed, price = market(name)
    lot = listed.notional(price, listed.lot_step)
    try:
        quantity = quantity_for_risk(listed, budget, price)
    except InvalidOrder as refusal:
        affordable = budget // lot * lot
        assert affordable < max(lot, listed.min_notional)
        assert refusal.rule in ("min_quantity", "min_notional")
        return
    spent = listed.notional(price, quantity)
    assert quantity % listed.lot_step == 0
    assert listed.min_notional <= spent <= budget < spent + lot


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("a hundred-thousandth", "20000000"),
        ("a thousandth", "162008"),
        ("a dime", "2000"),
        ("ether", "0.064"),
        ("bitcoin", "0.002"),
        ("a thousandth of a bitcoin", "2"),
        ("a hundred dogecoins", "16"),
        ("ten million shiba inu", "1"),
    ],
)
def test_two_hundred_usdt_buy_the_same_worth_everywhere(name: str, quantity: str) -> None:
    assert quantity_for_risk(*two_hundred_usdt_of(name)) == D(quantity)


def two_hundred_usdt_of(name: str) -> tuple[Instrument, Decimal, Decimal]:
    listed, price = market(name)
    return listed, D(200), price


def test_an_exact_budget_buys_the_whole_lot_and_a_hair_less_does_not() -> None:
    listed = instrument(lot_step=D(1), min_quantity=D(1), min_notional=D(0))
    assert quantity_for_risk(listed, D(3) * D("33.3"), D("33.3")) == 3
    assert quantity_for_risk(listed, D("99.9") - D("1E-26"), D("33.3")) == 2


def test_a_budget_under_the_minimum_quantity_is_refused_with_the_figures() -> None:
    listed, price = market("bitcoin")
    with pytest.raises(InvalidOrder) as refusal:
        quantity_for_risk(listed, D("99.5"), price)
    assert refusal.value.rule == "min_quantity"
    assert str(refusal.value) == (
        "min_quantity: 99.5 USDT at 100000 buys 0 BTC, under the venue's 0.001"
    )


def test_a_budget_under_the_minimum_notional_is_refused_with_the_figures() -> None:
    with pytest.raises(InvalidOrder) as refusal:
        quantity_for_risk(instrument(), D("4.99"), D(100))
    assert refusal.value.rule == "min_notional"
    assert str(refusal.value) == (
        "min_notional: 4.99 USDT makes a notional of 4.9, under the venue's 5"
    )


def test_closing_orders_are_exempt_from_the_minimum_notional_only() -> None:
    assert quantity_for_risk(instrument(), D(2), D(100), closing=True) == D("0.02")
    with pytest.raises(InvalidOrder, match="min_quantity"):
        quantity_for_risk(instrument(), D("0.05"), D(100), closing=True)


def test_a_size_is_capped_by_the_venue_s_largest_order_in_whole_lots() -> None:
    listed = instrument(max_quantity=D("10.0005"))
    assert quantity_for_risk(listed, D(10**6), D(100)) == D("10.000")


@pytest.mark.parametrize("price", ["0", "-1"])
def test_a_price_that_is_not_positive_sizes_nothing(price: str) -> None:
    with pytest.raises(InvalidOrder, match="price"):
        quantity_for_risk(instrument(), D(100), D(price))


@pytest.mark.parametrize("budget", ["0", "-100"])
def test_a_budget_that_is_not_positive_buys_nothing_even_without_minima(budget: str) -> None:
    free = instrument(min_quantity=D(0), min_notional=D(-1000))
    with pytest.raises(InvalidOrder, match="min_quantity"):
        quantity_for_risk(free, D(budget), D(100))


@given(st.decimals("0.1", 10**6, places=8))
def test_passive_prices_never_round_towards_the_market(price: Decimal) -> None:
    listed = instrument()
    bid, ask = listed.passive_price(price, Side.BUY), listed.passive_price(price, Side.SELL)
    near = listed.nearest_price(price)
    assert bid <= price <= ask
    assert ask - bid in (0, listed.tick_size)
    assert abs(near - price) * 2 <= listed.tick_size
    assert near in (bid, ask)


def test_the_nearest_price_rounds_half_up_and_quantities_round_down() -> None:
    assert instrument().nearest_price(D("100.05")) == D("100.1")
    assert instrument().round_quantity(D("0.0019")) == D("0.001")


def test_notional_counts_contracts_and_ignores_the_sign() -> None:
    assert instrument(multiplier=D("0.01")).notional(D(100), D(-3)) == 3


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # rule → (changes of the instrument, changes of a fitting buy of 1 at 100 with the mark at 100)
    "symbol_status": ({"trading": False}, {}),
    "quantity": ({}, {"quantity": D(0)}),
    "lot_step": ({}, {"quantity": D("1.0005")}),
    "min_quantity": ({"min_quantity": D(2)}, {}),
    "max_quantity": ({"max_quantity": D("0.5")}, {}),
    "price": ({}, {"price": D(0)}),
    "tick_size": ({}, {"price": D("100.05")}),
    "percent_price": ({}, {"price": D("105.1")}),
    "min_notional": ({}, {"quantity": D("0.049")}),
    "trigger_price": ({}, {"type": OrderType.STOP}),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_an_order_that_the_venue_would_refuse_is_named_before_any_request(rule: str) -> None:
    of_instrument, of_order = REFUSED[rule]
    instrument().check(limit(), D(100))
    with pytest.raises(InvalidOrder) as refusal:
        instrument(**of_instrument).check(limit(**of_order), D(100))
    assert refusal.value.rule == rule
    assert str(refusal.value).startswith(f"{rule}: ")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"quantity": D(-1)}, "quantity"),
        ({"quantity": D("NaN")}, "quantity"),
        ({"quantity": D("Infinity")}, "quantity"),
        ({"quantity": D(10) ** 40}, "max_quantity"),
        ({"price": D("NaN")}, "price"),
        ({"price": D(10) ** 40}, "price"),
        ({"price": D("0.05")}, "price"),
        ({"price": None}, "price"),
        ({"type": OrderType.TAKE_PROFIT, "price": None}, "price"),
        ({"type": OrderType.STOP_MARKET, "price": None, "trigger_price": D(0)}, "trigger_price"),
        ({"type": OrderType.STOP_MARKET, "price": None}, "trigger_price"),
        ({"type": OrderType.MARKET, "price": None, "quantity": D(121)}, "max_quantity"),
        ({"type": OrderType.MARKET, "price": None, "quantity": D("0.049")}, "min_notional"),
        ({"side": Side.SELL, "price": D("94.9")}, "percent_price"),
    ],
)
def test_figures_that_make_no_order_are_refused_and_never_raise_otherwise(
    changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InvalidOrder) as refusal:
        instrument().check(limit(**changes), D(100))
    assert refusal.value.rule == rule


@pytest.mark.parametrize(
    "order",
    [
        limit(price="105"),
        limit(price="50"),
        limit(side=Side.SELL, price="95"),
        limit(side=Side.SELL, price="200"),
        limit(quantity="0.05"),
        limit(type=OrderType.MARKET, price=None, quantity="120"),
        stop("s", quantity="0.001"),
        stop("s", type=OrderType.TRAILING_STOP_MARKET, trigger_price=None),
        limit(side=Side.SELL, quantity="0.001", position_side=PositionSide.LONG),
        limit(side=Side.SELL, quantity="0.001", position_side=PositionSide.BOTH, reduce_only=True),
    ],
)
def test_what_the_venue_takes_passes(order: Any) -> None:
    instrument().check(order, D(100))


def test_the_bracket_of_a_notional_is_the_first_whose_cap_is_above_it() -> None:
    first = LeverageBracket(D(0), D(5000), 125, D("0.004"), D(0))
    last = LeverageBracket(D(5000), D(20000), 100, D("0.005"), D(5))
    chosen = [bracket_for((first, last), D(n)) for n in ("0", "4999.99", "5000", "90000")]
    assert chosen == [first, first, last, last]
