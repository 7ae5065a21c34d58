"""The host's liquidation prices: the simulated exchange liquidates there, to the hundredth."""

from __future__ import annotations

from decimal import Decimal as D

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from core.positions import Position
from core.risk.liquidation import Liquidation, isolated, liquidation, maintenance_margin
from tests.core.exchange.conftest import BRACKETS, INSTRUMENT, KEY

ETH = evolve(KEY, symbol="ETHUSDT")
LARGE = evolve(INSTRUMENT, market_max_quantity=D(10_000), max_quantity=D(10_000))
NEAR = D("0.01")
quantities = st.integers(1, 3_000).map(D)
leverages = st.integers(2, 20)


def position(rig, side="both", symbol="BTCUSDT") -> Position:
    held = next(each for each in rig.exchange.positions(symbol) if each.side.value == side)
    return Position(held.side, held.quantity, held.entry_price)


def stands_until(rig, prices: Liquidation, quantity: D, side: str = "both") -> None:
    """At a hundredth before the price the position is there, at a hundredth past it it is gone."""
    edge = prices.below if quantity > 0 else prices.above
    if edge is None:
        rig.mark("0.1" if quantity > 0 else "1000")
        assert rig.position(side) == quantity
        return
    sign = 1 if quantity > 0 else -1
    rig.mark(str(edge.quantize(NEAR) + sign * NEAR))
    assert rig.position(side) == quantity
    rig.mark(str(edge.quantize(NEAR) - sign * NEAR))
    assert rig.position(side) == 0


@settings(max_examples=40, deadline=None)
@given(quantity=quantities, leverage=leverages, buys=st.booleans())
def test_an_isolated_position(make_rig, quantity, leverage, buys):
    rig = make_rig(balance="1000000", instruments=[LARGE])
    rig.market("100", "10000")
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    rig.exchange.set_leverage("BTCUSDT", leverage, rig.tick())
    rig.place("buy" if buys else "sell", str(quantity))
    held = position(rig)
    stands_until(rig, isolated(held, leverage, BRACKETS, D(100)), held.quantity)


@settings(max_examples=40, deadline=None)
@given(long=quantities, short=quantities, leverage=leverages)
def test_each_side_of_an_isolated_hedge_stands_alone(make_rig, long, short, leverage):
    for side in ("long", "short"):
        rig = make_rig(balance="1000000", hedge_mode=True, instruments=[LARGE])
        rig.market("100", "10000")
        rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
        rig.exchange.set_leverage("BTCUSDT", leverage, rig.tick())
        rig.buy(str(long), position="long")
        rig.sell(str(short), position="short")
        held = position(rig, side)
        stands_until(rig, isolated(held, leverage, BRACKETS, D(100)), held.quantity, side)


@settings(max_examples=60, deadline=None)
@given(
    long=quantities,
    short=st.one_of(st.just(D(0)), quantities),
    other=st.integers(0, 2_000).map(D),
    spare_percent=st.integers(1, 60),
)
def test_both_legs_of_a_cross_account_with_another_symbol_at_its_mark(
    make_rig, long, short, other, spare_percent
):
    """Whichever of the two prices comes first when the mark runs that way."""
    notional = (long + short + other) * 101
    balance = notional / 20 + notional * spare_percent / 100
    for downwards in (True, False):
        rig = make_rig(
            balance=str(balance),
            hedge_mode=True,
            instruments=[LARGE, evolve(LARGE, key=ETH)],
        )
        rig.market("100", "10000")
        rig.mark("100", key=ETH)
        rig.snapshot([("99.9", "10000")], [("100.1", "10000")], key=ETH)
        rig.buy(str(long), position="long")
        if short:
            rig.sell(str(short), position="short")
        if other:
            rig.buy(str(other), position="long", key=ETH)
        equity = rig.exchange.account("USDT").margin_balance
        elsewhere = maintenance_margin(BRACKETS, other * 100)
        found = liquidation(equity - elsewhere, (long, -short), BRACKETS, D(100))
        edge = found.below if downwards else found.above
        if edge is None or edge < NEAR * 2:
            continue
        sign = 1 if downwards else -1
        before = sum(abs(each.quantity) for each in rig.exchange.positions())
        rig.mark(str(edge.quantize(NEAR) + sign * NEAR))
        assert sum(abs(each.quantity) for each in rig.exchange.positions()) == before
        rig.mark(str(edge.quantize(NEAR) - sign * NEAR))
        assert sum(abs(each.quantity) for each in rig.exchange.positions()) < before
