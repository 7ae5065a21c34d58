"""Listings, brackets and the table of refusals."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from adapters.venues.binance_usdm.emulator.catalogue import brackets, listing
from adapters.venues.binance_usdm.emulator.options import DEFAULT_SYMBOLS
from adapters.venues.binance_usdm.emulator.refusals import ANSWERS, answer
from core.errors import UsageError
from core.exchange import Reason, Refusal

D = Decimal


@pytest.mark.parametrize("symbol", ["BTCUSDT", "DOGEUSDT"])
def test_maintenance_margin_is_continuous_over_the_brackets(symbol: str) -> None:
    rows = brackets(symbol)
    for lower, upper in itertools.pairwise(rows):
        assert lower.cap == upper.floor
        edge = lower.cap
        assert edge * lower.maintenance_rate - lower.deduction == (
            edge * upper.maintenance_rate - upper.deduction
        )
        assert lower.max_leverage > upper.max_leverage


def test_the_first_brackets_are_the_fact_sheets() -> None:
    first, second = brackets("BTCUSDT")[:2]
    assert (first.max_leverage, first.cap, first.maintenance_rate) == (125, 300_000, D("0.004"))
    assert (second.cap, second.deduction) == (800_000, 300)


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_a_listings_start_price_can_be_traded(symbol: str) -> None:
    row = listing("binance", symbol)
    rules = row.instrument
    assert rules.min_price < row.start_price < rules.max_price
    assert row.start_price % rules.tick_size == 0
    assert rules.min_quantity * row.start_price < 200


@pytest.mark.parametrize("price", ["0.00001234", "0.5", "7", "123456"])
def test_an_unknown_symbol_gets_steps_that_fit_its_price(price: str) -> None:
    rules = listing("binance", "NEWUSDT", D(price)).instrument
    assert D("0.00001") <= rules.tick_size / D(price) <= D("0.0001") * 10
    assert rules.lot_step * D(price) <= 10


@pytest.mark.parametrize("symbol", ["BTCEUR", "btcusdt", "../x", ""])
def test_what_is_no_usdt_perpetual_is_refused(symbol: str) -> None:
    with pytest.raises(UsageError):
        listing("binance", symbol)


def test_every_reason_of_the_exchange_has_the_venues_answer() -> None:
    assert set(ANSWERS) == set(Reason)
    for reason in Reason:
        error = answer(Refusal(reason, "text", figure="7"))
        assert (
            error.status == 400
            and error.code < 0
            and "{" not in error.message.replace("{1,36}", "")
        )


def test_an_unknown_order_is_another_code_to_a_cancellation() -> None:
    refusal = Refusal(Reason.UNKNOWN_ORDER, "no order")
    assert answer(refusal).code == -2013
    assert answer(refusal, cancelling=True).code == -2011
