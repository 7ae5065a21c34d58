"""What is refused at the door, each cause by its own reason; nothing happens."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from attrs import evolve

from core.exchange import Reason

FAR = 2_000_000_000_000_000_000

CASES = {
    "tick": (("1", "99.95"), {}, Reason.PRICE_TICK),
    "zero price": (("1", "0"), {}, Reason.PRICE_ZERO),
    "price under the minimum": (("1", "0.5"), {}, Reason.PRICE_TOO_LOW),
    "price over the maximum": (("1", "5000000"), {}, Reason.PRICE_TOO_HIGH),
    "lot": (("1.0005", "99"), {}, Reason.QUANTITY_STEP),
    "zero quantity": (("0", "99"), {}, Reason.QUANTITY_ZERO),
    "too small": (("0.0001", "99"), {}, Reason.QUANTITY_TOO_SMALL),
    "too large": (("1001", "99"), {}, Reason.QUANTITY_TOO_LARGE),
    "too large for a market order": (("121",), {}, Reason.QUANTITY_TOO_LARGE),
    "notional": (("0.4", "99"), {}, Reason.MIN_NOTIONAL),
    "collar": (("1", "105.1"), {}, Reason.PERCENT_PRICE_HIGH),
    "margin": (("250", "99"), {}, Reason.MARGIN_INSUFFICIENT),
    "client id": (("1", "99"), {"id": "a b"}, Reason.CLIENT_ID_MALFORMED),
    "client id too long": (("1", "99"), {"id": "a" * 37}, Reason.CLIENT_ID_MALFORMED),
    "position side": (("1", "99"), {"position": "long"}, Reason.POSITION_SIDE_MISMATCH),
    "reduce-only when flat": (("1", "99"), {"reduce": True}, Reason.REDUCE_ONLY),
    "good till in the past": (("1", "99"), {"tif": "gtd", "good_till_ns": 5}, Reason.GOOD_TILL),
    "limit without price": (("1",), {"type": "limit"}, Reason.PRICE_MISSING),
    "market with price": (("1", "99"), {"type": "market"}, Reason.PRICE_NOT_ALLOWED),
    "plain with trigger": (("1", "99"), {"trigger": "98"}, Reason.TRIGGER_NOT_ALLOWED),
    "stop without trigger": (("1",), {"type": "stop_market"}, Reason.TRIGGER_MISSING),
    "stop limit without price": (
        ("1",),
        {"type": "stop", "trigger": "105"},
        Reason.PRICE_MISSING,
    ),
    "stop that is reached": (
        ("1",),
        {"type": "stop_market", "trigger": "99"},
        Reason.WOULD_TRIGGER,
    ),
    "take profit that is reached": (
        ("1",),
        {"type": "take_profit_market", "trigger": "101"},
        Reason.WOULD_TRIGGER,
    ),
    "trailing without rate": (("1",), {"type": "trailing_stop_market"}, Reason.CALLBACK_RATE),
    "trailing rate": (
        ("1",),
        {"type": "trailing_stop_market", "callback_rate_bps": D(1001)},
        Reason.CALLBACK_RATE,
    ),
    "trailing buy activated above": (
        ("1",),
        {"type": "trailing_stop_market", "callback_rate_bps": D(50), "activation": "101"},
        Reason.WOULD_TRIGGER,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_order_is_refused_for(rig, case):
    values, options, reason = CASES[case]
    before = rig.exchange.state()
    assert rig.refuses(rig.buy, *values, **options) is reason
    after = rig.exchange.state()
    assert after == evolve(before, account=after.account)


def test_a_sell_far_under_the_mark_is_refused(rig):
    assert rig.refuses(rig.sell, "1", "94.9") is Reason.PERCENT_PRICE_LOW


def test_a_client_id_is_taken_while_its_order_is_open_only(rig):
    rig.buy("1", "99", id="a")
    assert rig.refuses(rig.buy, "1", "98", id="a") is Reason.CLIENT_ID_DUPLICATE
    rig.cancel("a")
    rig.buy("1", "98", id="a")
    assert rig.get("a").price == D(98)


def test_too_many_open_orders_are_refused(rig):
    for place in range(20):
        rig.buy("1", str(D("97") + D(place) / 10))
    assert rig.refuses(rig.buy, "1", "95.5") is Reason.MAX_OPEN_ORDERS


def test_too_many_conditional_orders_are_refused(rig):
    for place in range(10):
        rig.buy("1", type="stop_market", trigger=str(110 + place))
    refused = rig.refuses(rig.buy, "1", type="stop_market", trigger="150")
    assert refused is Reason.MAX_CONDITIONAL_ORDERS


def test_a_notional_over_the_bracket_of_the_leverage_is_refused(make):
    rig = make(balance="1000000", default_leverage=125)
    rig.market("100", "1000")
    assert rig.refuses(rig.buy, "501", "99.9") is Reason.LEVERAGE_NOTIONAL
    rig.buy("499", "99.9")


def test_an_unknown_symbol_and_a_closed_one_are_refused(make, instrument):
    key = evolve(instrument.key, symbol="XUSDT")
    rig = make(instruments=[instrument, evolve(instrument, key=key, trading=False)])
    rig.market()
    assert rig.refuses(rig.buy, "1", "99", key=key) is Reason.SYMBOL_CLOSED
    unknown = evolve(instrument.key, symbol="YUSDT")
    assert rig.refuses(rig.buy, "1", "99", key=unknown) is Reason.SYMBOL_UNKNOWN


def test_cancelling_or_asking_for_what_is_not_there_is_refused(rig):
    assert rig.refuses(rig.cancel, "nothing") is Reason.UNKNOWN_ORDER
    assert rig.refuses(rig.get, "nothing") is Reason.UNKNOWN_ORDER
    rig.buy("1", "99", id="a")
    rig.cancel("a")
    assert rig.refuses(rig.cancel, "a") is Reason.UNKNOWN_ORDER
    assert rig.get("a").status.value == "cancelled"


def test_closing_orders_are_exempt_from_the_minimum_notional(rig):
    rig.buy("1")
    rig.sell("0.1", "101", reduce=True, id="a")
    assert rig.status("a") == ("new", D(0))


def test_a_check_says_what_a_placement_would_and_does_nothing(rig):
    rig.exchange.check(rig.order("buy", "1", "99"), rig.now_ns)
    assert rig.refuses(rig.exchange.check, rig.order("buy", "1", "99.95"), 0) is Reason.PRICE_TICK
    assert rig.exchange.orders() == ()


def test_open_orders_and_positions_use_up_margin(rig):
    rig.buy("100", "99", id="a")
    assert rig.exchange.account("USDT").open_order_initial_margin == D(495)
    assert rig.exchange.account("USDT").available == D(1_000 - 495)
    rig.cancel("a")
    assert rig.exchange.account("USDT").available == D(1_000)


def test_an_order_that_only_shrinks_a_position_needs_no_margin(make):
    rig = make(balance="60")
    rig.market()
    rig.buy("10")
    rig.mark("99")
    assert rig.exchange.account("USDT").available == 0
    rig.sell("5", "100", id="a")
    assert rig.status("a") == ("new", D(0))
    assert rig.refuses(rig.buy, "5", "99") is Reason.MARGIN_INSUFFICIENT
