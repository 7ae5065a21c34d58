"""Margin, leverage, isolated wallets, liquidation: figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from attrs import evolve

from core.exchange import (
    AccountChanged,
    AccountReason,
    End,
    Execution,
    IncomeKind,
    MarginCalled,
    OrderChanged,
    Reason,
)

FEE = D("0.0005")


def money_is_conserved(rig) -> bool:
    return rig.wallet() + sum(rig.exchange.pools().values()) == 0


def test_figures_of_a_cross_position(rig):
    rig.buy("5")
    rig.mark("101")
    figures = rig.exchange.positions("BTCUSDT")[0]
    assert figures.unrealised_pnl == D("4.5")
    assert figures.notional == D(505)
    assert figures.position_initial_margin == D("25.25")
    assert figures.maintenance_margin == D("2.02")
    account = rig.exchange.account("USDT")
    assert account.margin_balance == 1000 - D("100.1") * 5 * FEE + D("4.5")
    assert account.available == account.margin_balance - D("25.25")


def test_break_even_price_covers_the_fees_paid(rig):
    rig.buy("5")
    fees = D("100.1") * 5 * FEE
    assert rig.exchange.positions()[0].break_even_price == D("100.1") + fees / 5


def test_maintenance_margin_is_continuous_over_brackets(make):
    rig = make(balance="100000")
    rig.market("100", "1000")
    rig.buy("600", "100.1")
    figures = rig.exchange.positions()[0]
    assert figures.maintenance_margin == D(60_000) * D("0.005") - 50


def test_at_the_liquidation_price_and_not_a_tick_before_the_position_goes(make):
    rig = make(balance="30")
    rig.market()
    rig.buy("5")
    price = rig.exchange.positions()[0].liquidation_price
    rig.mark(str(price.quantize(D("0.01")) + D("0.01")))
    assert rig.position() == 5
    rig.mark(str(price.quantize(D("0.01")) - D("0.01")))
    assert rig.position() == 0


def test_a_short_has_its_liquidation_price_above(make):
    rig = make(balance="30")
    rig.market()
    rig.sell("5")
    price = rig.exchange.positions()[0].liquidation_price
    assert price > 105
    rig.mark(str(price.quantize(D("0.01")) + D("0.01")))
    assert rig.position() == 0


def test_liquidation_cancels_orders_then_closes_and_takes_its_fee(make):
    rig = make(balance="30")
    rig.market()
    rig.buy("5")
    rig.buy("0.6", "99", id="resting")
    events = rig.mark("94.4")
    kinds = [
        (e.order.client_order_id.split("-")[0], e.execution)
        for e in events
        if isinstance(e, OrderChanged)
    ]
    assert kinds == [("resting", Execution.CANCELLED), ("autoclose", Execution.CALCULATED)]
    assert rig.get("resting").end is End.LIQUIDATION
    forced = rig.exchange.orders()[-1]
    assert forced.status.value == "filled"
    cleared = rig.exchange.income(kind=IncomeKind.INSURANCE_CLEAR)
    assert [row.amount for row in cleared] == [-(D("99.9") * 5 * D("0.0125"))]
    assert money_is_conserved(rig)


def test_a_loss_beyond_the_margin_is_paid_by_the_insurance_pool(make):
    rig = make(balance="30")
    rig.market()
    rig.buy("5")
    rig.snapshot([("90", "50")], [("90.1", "50")])
    events = rig.mark("90")
    assert rig.wallet() == 0
    assert rig.exchange.pools()["insurance", "USDT"] < 0
    assert any(
        isinstance(e, AccountChanged) and e.reason is AccountReason.INSURANCE_CLEAR for e in events
    )
    assert money_is_conserved(rig)


def test_liquidation_ends_even_without_a_market(make):
    rig = make(balance="30")
    rig.market()
    rig.buy("5")
    rig.snapshot([], [("120", "1")])
    rig.mark("90")
    assert rig.position() == 0
    assert rig.fills()[-1].price == D("90")


def test_cross_positions_are_closed_one_by_one_until_the_account_is_healthy(make, instrument):
    other = evolve(instrument.key, symbol="ETHUSDT")
    rig = make(balance="60", instruments=[instrument, evolve(instrument, key=other)])
    rig.market()
    rig.mark("100", key=other)
    rig.snapshot([("99.9", "50")], [("100.1", "50")], key=other)
    rig.buy("8")
    rig.buy("0.6", key=other)
    rig.mark("92.6")
    assert rig.position() == 0
    assert rig.exchange.positions("ETHUSDT")[0].quantity == D("0.6")


def test_an_isolated_loss_stops_at_the_isolated_wallet(make):
    rig = make(balance="1000")
    rig.market()
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    rig.buy("5")
    held = rig.exchange.positions()[0]
    assert held.isolated_wallet == D("100.1") * 5 / 20
    fee = D("100.1") * 5 * FEE
    assert rig.exchange.account("USDT").cross_wallet == 1000 - fee - held.isolated_wallet
    rig.snapshot([("80", "50")], [("80.1", "50")])
    rig.mark("80")
    assert rig.position() == 0
    assert rig.wallet() == 1000 - fee - held.isolated_wallet
    assert money_is_conserved(rig)


def test_closing_half_of_an_isolated_position_frees_half_of_its_wallet(rig):
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    rig.buy("4")
    before = rig.exchange.positions()[0].isolated_wallet
    rig.sell("2", reduce=True)
    assert rig.exchange.positions()[0].isolated_wallet == before / 2
    rig.sell("2", reduce=True)
    assert rig.exchange.positions()[0].isolated_wallet == 0
    assert rig.exchange.account("USDT").cross_wallet == rig.wallet()


def test_margin_moves_into_and_out_of_an_isolated_position(rig):
    move = rig.exchange.add_margin
    side = rig.exchange.positions()[0].side
    assert rig.refuses(move, "BTCUSDT", side, D(10), rig.tick()) is Reason.NOT_ISOLATED
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    assert rig.refuses(move, "BTCUSDT", side, D(10), rig.tick()) is Reason.NO_POSITION
    rig.buy("4")
    price = rig.exchange.positions()[0].liquidation_price
    move("BTCUSDT", side, D(10), rig.tick())
    figures = rig.exchange.positions()[0]
    assert figures.liquidation_price < price
    assert rig.refuses(move, "BTCUSDT", side, D(-11), rig.tick()) is Reason.ISOLATED_BALANCE
    assert rig.refuses(move, "BTCUSDT", side, D(5000), rig.tick()) is Reason.ISOLATED_BALANCE
    move("BTCUSDT", side, D(-9), rig.tick())


def test_leverage_changes_margin_and_keeps_to_the_brackets(rig):
    change = rig.exchange.set_leverage
    rig.buy("5")
    change("BTCUSDT", 10, rig.tick())
    assert rig.exchange.positions()[0].position_initial_margin == D(50)
    for wrong in (0, 126):
        assert rig.refuses(change, "BTCUSDT", wrong, rig.tick()) is Reason.LEVERAGE_INVALID


def test_leverage_cannot_fall_below_what_the_account_carries(rig):
    rig.buy("50")
    assert rig.refuses(rig.exchange.set_leverage, "BTCUSDT", 1, rig.tick()) is (
        Reason.MARGIN_INSUFFICIENT
    )


def test_leverage_cannot_rise_over_the_bracket_of_what_is_held(make):
    rig = make(balance="100000")
    rig.market("100", "1000")
    rig.buy("600", "100.1")
    assert rig.refuses(rig.exchange.set_leverage, "BTCUSDT", 125, rig.tick()) is (
        Reason.LEVERAGE_NOTIONAL
    )


def test_isolated_leverage_does_not_shrink_under_a_position(rig):
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    rig.buy("5")
    assert rig.refuses(rig.exchange.set_leverage, "BTCUSDT", 5, rig.tick()) is (
        Reason.LEVERAGE_REDUCTION_ISOLATED
    )


def test_margin_type_changes_only_when_flat_and_without_orders(rig):
    change = rig.exchange.set_isolated
    assert rig.refuses(change, "BTCUSDT", False, 0) is Reason.MARGIN_TYPE_UNCHANGED
    rig.buy("1", "99", id="a")
    assert rig.refuses(change, "BTCUSDT", True, rig.tick()) is Reason.MARGIN_TYPE_OPEN_ORDERS
    rig.cancel("a")
    rig.buy("1")
    assert rig.refuses(change, "BTCUSDT", True, rig.tick()) is Reason.MARGIN_TYPE_POSITION


def test_a_margin_call_comes_once_on_the_way_down(make):
    rig = make(balance="30")
    rig.market()
    rig.buy("5")
    calls = [
        sum(isinstance(e, MarginCalled) for e in rig.mark(price))
        for price in ("96", "94.6", "94.59", "97", "94.6")
    ]
    assert calls == [0, 1, 0, 0, 1]


def test_no_more_can_be_withdrawn_than_is_available(rig):
    rig.buy("50")
    available = rig.exchange.account("USDT").available
    refused = rig.refuses(rig.exchange.deposit, "USDT", -available - 1, rig.tick())
    assert refused is Reason.BALANCE_INSUFFICIENT
    rig.exchange.deposit("USDT", -available, rig.tick())
    assert rig.exchange.account("USDT").available == 0


def test_a_drill_liquidates_on_demand(rig):
    rig.buy("1")
    rig.buy("1", "99", id="a")
    rig.exchange.liquidate("BTCUSDT", rig.tick())
    assert rig.position() == 0
    assert rig.get("a").end is End.LIQUIDATION
    assert money_is_conserved(rig)


def test_a_symbol_of_another_asset_is_kept_apart(make, instrument):
    other = evolve(instrument, key=evolve(instrument.key, symbol="BTCUSDC"), margin_asset="USDC")
    rig = make(instruments=[instrument, other])
    rig.mark("100", key=other.key)
    rig.snapshot([("99.9", "50")], [("100.1", "50")], key=other.key)
    assert rig.refuses(rig.buy, "1", key=other.key) is Reason.MARGIN_INSUFFICIENT
    rig.exchange.deposit("USDC", D(100), rig.tick())
    rig.buy("1", key=other.key)
    assert rig.wallet() == 1000
    assert rig.exchange.account("USDC").wallet < 100


@pytest.mark.parametrize("multiplier", ["0.001", "10"])
def test_contracts_count_by_their_multiplier(make, instrument, multiplier):
    rig = make(instruments=[evolve(instrument, multiplier=D(multiplier), min_notional=D(0))])
    rig.market()
    rig.buy("5")
    rig.sell("5")
    gain = D("-0.2") * 5 * D(multiplier)
    fees = D(200) * 5 * D(multiplier) * FEE
    assert rig.wallet() == 1000 + gain - fees


def test_the_liquidation_fee_takes_no_more_than_is_left(make):
    rig = make(balance="30")
    rig.market()
    rig.buy("5")
    rig.snapshot([("94.3", "50")], [("94.4", "50")])
    rig.mark("94.3")
    left = D(30) - D("5.8") * 5 - D("100.1") * 5 * FEE - D("94.3") * 5 * FEE
    assert 0 < left < D("94.3") * 5 * D("0.0125")
    assert rig.wallet() == 0
    cleared = rig.exchange.income(kind=IncomeKind.INSURANCE_CLEAR)
    assert [row.amount for row in cleared] == [-left]


def test_an_order_at_a_price_worse_than_the_mark_needs_its_opening_loss_too(make):
    rig = make(balance="60")
    rig.market()
    rig.mark("98")
    assert rig.refuses(rig.buy, "11", "101") is Reason.MARGIN_INSUFFICIENT
    rig.buy("11", "98")


def test_a_position_grown_over_its_bracket_can_still_be_reduced(make):
    rig = make(balance="100000", default_leverage=125)
    rig.market("100", "1000")
    rig.buy("499", "100.1")
    rig.mark("104")
    assert rig.refuses(rig.buy, "1") is Reason.LEVERAGE_NOTIONAL
    rig.sell("10", id="a")
    assert rig.status("a") == ("filled", D(10))


def test_unrealised_gains_cannot_be_taken_out_of_an_isolated_wallet(rig):
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    rig.buy("4")
    rig.mark("110")
    move, side = rig.exchange.add_margin, rig.exchange.positions()[0].side
    assert rig.refuses(move, "BTCUSDT", side, D(-1), rig.tick()) is Reason.ISOLATED_BALANCE


def test_break_even_follows_realised_pnl_funding_and_a_flip(rig):
    rig.buy("4")
    rig.sell("2")
    fees = (D("100.1") * 4 + D("99.9") * 2) * FEE
    lost = D("0.2") * 2
    assert rig.exchange.positions()[0].break_even_price == D("100.1") + (fees + lost) / 2
    rig.mark("100", rate="0.001", next_ns=rig.now_ns + 1_000_000_000)
    rig.time(rig.now_ns + 2_000_000_000)
    funding = D(100) * 2 * D("0.001")
    assert rig.exchange.positions()[0].break_even_price == (
        D("100.1") + (fees + lost + funding) / 2
    )
    rig.delta(bids=[("99.9", "5")])
    rig.sell("5")
    assert rig.exchange.positions()[0].break_even_price == (D("99.9") - D("99.9") * 5 * FEE / 3)
