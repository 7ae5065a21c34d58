"""Funding: exactly once per settlement, with the right sign, also after a pause."""

from __future__ import annotations

import random
from decimal import Decimal as D

from core.exchange import AccountChanged, AccountReason, Exchange, ExchangeSettings, IncomeKind
from core.messages import MarkPrice

HOUR = 3_600_000_000_000
FIRST = 8 * HOUR


def paid(rig):
    return [(r.time_ns, r.amount) for r in rig.exchange.income(kind=IncomeKind.FUNDING_FEE)]


def test_a_long_pays_a_positive_rate_on_its_value_at_the_mark(rig):
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    before = rig.wallet()
    events = rig.time(FIRST)
    assert paid(rig) == [(FIRST, D("-0.0505"))]
    assert rig.wallet() == before - D("0.0505")
    (event,) = [e for e in events if isinstance(e, AccountChanged)]
    assert event.reason is AccountReason.FUNDING_FEE
    assert event.positions == ()
    assert event.funding is not None
    assert (event.funding.amount, event.funding.time_ns) == (D("-0.0505"), FIRST)


def test_a_short_receives_what_a_long_pays(rig):
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.sell("5")
    rig.time(FIRST)
    assert paid(rig) == [(FIRST, D("0.0505"))]


def test_a_negative_rate_turns_it_round(rig):
    rig.mark("101", rate="-0.0001", next_ns=FIRST)
    rig.buy("5")
    rig.time(FIRST)
    assert paid(rig) == [(FIRST, D("0.0505"))]


def test_nothing_is_paid_before_the_time_nor_twice_after_it(rig):
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    rig.time(FIRST - 1)
    assert paid(rig) == []
    rig.time(FIRST)
    rig.time(FIRST + 1)
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.mark("101", rate="0.0001", next_ns=FIRST + 8 * HOUR)
    rig.time(FIRST + HOUR)
    assert len(paid(rig)) == 1


def test_the_first_market_event_after_the_time_settles_with_the_rate_before_it(rig):
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    rig.now_ns = FIRST
    rig.mark("150", rate="0.05", next_ns=FIRST + 8 * HOUR)
    assert paid(rig) == [(FIRST, D("-0.0505"))]


def test_every_missed_settlement_is_made_up_for_once(rig):
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    rig.time(FIRST + 17 * HOUR)
    assert [time_ns for time_ns, _ in paid(rig)] == [FIRST, FIRST + 8 * HOUR, FIRST + 16 * HOUR]


def test_a_flat_account_pays_nothing(rig):
    rig.mark("101", rate="0.0001", next_ns=FIRST)
    rig.time(FIRST)
    assert paid(rig) == []


def test_both_sides_of_hedge_mode_settle(make):
    rig = make(hedge_mode=True)
    rig.market()
    rig.mark("100", rate="0.0001", next_ns=FIRST)
    rig.buy("5", position="long")
    rig.sell("2", position="short")
    rig.time(FIRST)
    assert [amount for _, amount in paid(rig)] == [D("-0.05"), D("0.02")]


def test_an_isolated_position_pays_from_its_own_wallet(rig):
    rig.exchange.set_isolated("BTCUSDT", True, rig.tick())
    rig.mark("100", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    before = rig.exchange.positions()[0].isolated_wallet
    cross = rig.exchange.account("USDT").cross_wallet
    rig.time(FIRST)
    assert rig.exchange.positions()[0].isolated_wallet == before - D("0.05")
    assert rig.exchange.account("USDT").cross_wallet == cross


def test_a_shorter_interval_announced_by_the_market_is_followed(rig):
    rig.mark("100", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    rig.time(FIRST)
    rig.mark("100", rate="0.0001", next_ns=FIRST + 4 * HOUR)
    rig.time(FIRST + 4 * HOUR)
    assert [time_ns for time_ns, _ in paid(rig)] == [FIRST, FIRST + 4 * HOUR]


def test_after_a_restart_missed_settlements_wait_for_a_fresh_mark(rig):
    rig.mark("100", rate="0.0001", next_ns=FIRST)
    rig.buy("5")
    later = Exchange(
        "binance",
        rig.exchange.instruments(),
        {"BTCUSDT": rig.exchange.brackets("BTCUSDT")},
        random=random.Random(1),
        settings=ExchangeSettings(),
    )
    later.restore(rig.exchange.state())
    at_ns = FIRST + 9 * HOUR
    assert later.on_time(at_ns) == ()
    key = rig.exchange.instruments()[0].key
    later.on_market(MarkPrice(key, D(110), D(110), D("0.0002"), FIRST + 16 * HOUR, at_ns), at_ns)
    rows = later.income(kind=IncomeKind.FUNDING_FEE)
    assert [(row.time_ns, row.amount) for row in rows] == [
        (FIRST, D("-0.11")),
        (FIRST + 8 * HOUR, D("-0.11")),
    ]
    later.on_time(at_ns + 1)
    assert len(later.income(kind=IncomeKind.FUNDING_FEE)) == 2


def test_an_announced_settlement_that_is_past_already_is_not_followed(rig):
    rig.buy("5")
    rig.now_ns = 100 * HOUR
    rig.mark("100", rate="0.0001", next_ns=8 * HOUR)
    rig.time(101 * HOUR)
    assert paid(rig) == []
