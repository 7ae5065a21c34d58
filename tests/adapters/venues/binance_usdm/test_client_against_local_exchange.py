"""The whole client against the local exchange: another process that speaks the fact sheet."""

from __future__ import annotations

import time
from decimal import Decimal as D
from typing import Any

import pytest
from attrs import evolve

from core.errors import NotFound, OutcomeUnknown, Rejected
from core.ledger import fill_row
from core.messages import (
    AmendOrder,
    BalanceUpdated,
    Bar,
    BookDelta,
    CancelAll,
    CancelOrder,
    Fill,
    MarkPrice,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Quote,
    Side,
    TimeInForce,
    Trade,
    TriggerBy,
)
from core.records import Transferred
from core.risk.gate import Rehearsal
from tests.adapters.venues.binance_usdm.local_exchange import (
    BTC,
    WAIT_S,
    Exchange,
    Host,
    approved,
    buying,
)

MARKET_EVENTS = (Quote, BookDelta, Trade, MarkPrice, Bar)


def test_the_market_is_readable_in_every_way_the_port_has(host: Host) -> None:
    venue = host.venue
    sample = venue.sample_clock()
    assert abs(sample.offset_ns) < 1_000_000_000
    venue.set_clock_offset_ns(sample.offset_ns)
    btc = next(one for one in venue.instruments() if one.key == BTC)
    assert (btc.tick_size, btc.lot_step) == (D("0.1"), D("0.001"))
    book = venue.book(BTC, 5)
    assert book.bids[0][0] < book.asks[0][0]
    mark = venue.mark_price(BTC)
    assert mark.next_funding_ns > mark.event_ns
    bars = venue.bars(BTC, 60 * 10**9, 3)
    assert [bar.open_ns for bar in bars] == sorted(bar.open_ns for bar in bars)
    assert venue.leverage_brackets(BTC)[0].max_leverage >= 50
    assert venue.commission(BTC).taker > venue.commission(BTC).maker


def test_the_account_is_readable_in_every_way_the_port_has(host: Host) -> None:
    venue = host.venue
    account = venue.account()
    assert (account.hedge_mode, account.can_trade) == (True, True)
    assert account.available <= account.margin_balance
    assert [one.asset for one in account.balances] == ["USDT"]
    assert venue.symbol_settings(BTC).leverage == 3
    assert venue.symbol_settings(BTC).isolated
    assert venue.key_rights().withdraw is False
    assert venue.funding(BTC, 0) == ()
    (deposit,) = venue.bookings(0)
    assert isinstance(deposit, Transferred)
    assert deposit.amount == account.margin_balance
    assert {usage.name for usage in venue.usage()} >= {"weight_1m", "orders_10s", "orders_1m"}


def test_an_order_lives_and_ends_the_same_in_answers_queries_and_stream(
    host: Host, resting: PlaceOrder
) -> None:
    host.listen()
    name = resting.client_order_id
    host.venue.test_place(Rehearsal(resting))
    placed = host.venue.place(approved(resting))
    assert host.wait(OrderUpdated).order_id == placed.order_id
    assert host.venue.order(BTC, name).status is OrderStatus.NEW
    assert [one.client_order_id for one in host.venue.open_orders(BTC)] == [name]
    assert host.venue.open_orders() == host.venue.open_orders(BTC)
    price = (resting.price or D(0)) + 1
    amend = AmendOrder(BTC, name, placed.order_id, Side.BUY, PositionSide.LONG, price, D("0.02"))
    amended = host.venue.amend(approved(amend))
    seen = host.wait(OrderUpdated, lambda update: update.amended)
    assert (amended.price, amended.quantity) == (seen.price, seen.quantity) == (price, D("0.02"))
    assert host.venue.amend(approved(amend)).price == price
    cancelled = host.venue.cancel(CancelOrder(BTC, name))
    assert cancelled is not None
    assert cancelled.status is host.wait(OrderUpdated).status is OrderStatus.CANCELLED
    with pytest.raises(NotFound):
        host.venue.cancel(CancelOrder(BTC, name))
    with pytest.raises(NotFound):
        host.venue.order(BTC, "never-was")


def test_fills_are_the_same_by_stream_and_by_query_and_in_the_ledger(
    host: Host, exchange: Exchange, resting: PlaceOrder
) -> None:
    host.listen()
    order = buying(resting)
    placed = host.venue.place(approved(order))
    streamed: list[Fill] = []
    while sum(fill.quantity for fill in streamed) < order.quantity:
        streamed.append(host.wait(Fill))
    assert host.wait(BalanceUpdated).asset == "USDT"
    assert host.wait(PositionReported).quantity == order.quantity
    by_order = host.venue.fills(BTC, order_id=placed.order_id)
    assert list(by_order) == streamed
    other = Host(exchange)
    try:
        assert other.venue.fills(BTC, since_ns=streamed[0].time_ns)[: len(streamed)] == by_order
        assert other.venue.fills(BTC, from_id=streamed[0].fill_id)[: len(streamed)] == by_order
    finally:
        other.close()
    rows = [row for row in exchange.ledger()["fills"] if row["order_id"] == placed.order_id]
    assert rows == [fill_row(fill) for fill in streamed]
    (held,) = host.venue.positions(BTC)
    assert (held.position_side, held.quantity) == (PositionSide.LONG, order.quantity)
    assert held.liquidation_price > 0


def test_a_stop_that_fires_stays_one_order(
    host: Host, exchange: Exchange, resting: PlaceOrder
) -> None:
    host.listen()
    name = resting.client_order_id
    host.venue.place(approved(evolve(buying(resting), client_order_id=f"{name}-e")))
    host.wait(Fill)
    quote = host.venue.book(BTC, 5)
    stop = PlaceOrder(
        BTC,
        name,
        Side.SELL,
        PositionSide.LONG,
        OrderType.TRAILING_STOP_MARKET,
        D("0.02"),
        callback_rate_bps=D(10),
        trigger_by=TriggerBy.LAST,
    )
    waiting = host.venue.place(approved(stop))
    assert quote.bids
    filled = host.wait(
        OrderUpdated,
        lambda update: update.client_order_id == name and update.status is OrderStatus.FILLED,
    )
    assert filled.type is OrderType.TRAILING_STOP_MARKET
    assert filled.order_id != waiting.order_id
    told = host.venue.order(BTC, name, conditional=True)
    assert (told.order_id, told.status, told.filled, told.type) == (
        filled.order_id,
        OrderStatus.FILLED,
        D("0.02"),
        OrderType.TRAILING_STOP_MARKET,
    )
    rows = [row for row in exchange.ledger()["orders"] if row["client_order_id"] == name]
    assert [(row["order_id"], row["status"]) for row in rows] == [(told.order_id, "filled")]
    sold = host.venue.fills(BTC, order_id=told.order_id)
    assert {fill.client_order_id for fill in sold} == {name}


def test_a_conditional_order_is_listed_and_cancelled_through_its_own_service(
    host: Host, resting: PlaceOrder
) -> None:
    host.venue.place(approved(evolve(buying(resting), client_order_id="entry-for-stop")))
    stop = evolve(
        resting,
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        price=None,
        trigger_price=resting.price,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
    )
    host.venue.place(approved(stop))
    assert [one.type for one in host.venue.open_orders(BTC)] == [OrderType.STOP_MARKET]
    with pytest.raises(Rejected) as caught:
        host.venue.place(
            approved(evolve(stop, client_order_id="at-once", trigger_price=D(100_000)))
        )
    assert caught.value.code == -2021
    host.venue.cancel(CancelOrder(BTC, stop.client_order_id, conditional=True))
    assert host.venue.open_orders(BTC) == ()
    told = host.venue.order(BTC, stop.client_order_id, conditional=True)
    assert told.status is OrderStatus.CANCELLED
    with pytest.raises(NotFound):
        host.venue.cancel(CancelOrder(BTC, stop.client_order_id, conditional=True))


def test_a_batch_is_placed_and_its_bad_order_refused(host: Host, resting: PlaceOrder) -> None:
    name = resting.client_order_id
    orders = [
        evolve(resting, client_order_id=f"{name}-{step}", price=(resting.price or D(0)) - step)
        for step in range(6)
    ]
    orders[2] = evolve(orders[2], price=(resting.price or D(0)) + D("0.05"))
    results = host.venue.place_batch([approved(order) for order in orders])
    assert [type(result) for result in results] == [
        OrderUpdated,
        OrderUpdated,
        Rejected,
        OrderUpdated,
        OrderUpdated,
        OrderUpdated,
    ]
    assert len(host.venue.open_orders(BTC)) == 5
    host.venue.countdown_cancel(BTC, 60_000)
    host.venue.countdown_cancel(BTC, 0)
    host.venue.cancel_all(CancelAll(BTC, conditional_too=True))
    assert host.venue.open_orders(BTC) == ()


def test_when_the_host_falls_silent_entries_go_and_protective_stops_stay(
    host: Host, resting: PlaceOrder
) -> None:
    name = resting.client_order_id
    host.venue.place(approved(evolve(buying(resting), client_order_id=f"{name}-held")))
    stop = evolve(
        resting,
        client_order_id=f"{name}-stop",
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        price=None,
        trigger_price=resting.price,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
    )
    host.venue.place(approved(stop))
    host.venue.place(approved(resting))
    host.listen()
    host.venue.countdown_cancel(BTC, 300)
    ended = host.wait(OrderUpdated)
    assert (ended.client_order_id, ended.status) == (name, OrderStatus.CANCELLED)
    assert [one.client_order_id for one in host.venue.open_orders(BTC)] == [f"{name}-stop"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": D("60000.05")}, -4014),
        ({"quantity": D("0.0105")}, -4023),
        ({"price": D(1000)}, -4024),
        ({"side": Side.SELL}, -2022),
        ({"price": D(66000), "side": Side.BUY}, -5022),
        ({"quantity": D(900)}, -2019),
    ],
)
def test_what_the_exchange_refuses_is_rejected_with_its_code(
    host: Host, resting: PlaceOrder, change: dict[str, Any], code: int
) -> None:
    order = evolve(resting, **change)
    if code == -5022:
        ask = host.venue.book(BTC, 5).asks[0][0]
        order = evolve(resting, price=(ask * D("1.01")).quantize(D("0.1")))
    if code == -4024:
        order = evolve(resting, side=Side.SELL, position_side=PositionSide.SHORT, price=D(1000))
    with pytest.raises(Rejected) as caught:
        host.venue.place(approved(order))
    assert caught.value.code in (code, -1111)
    assert caught.value.request_id == order.client_order_id


def test_a_duplicate_of_an_open_order_leads_to_asking_for_it(
    host: Host, resting: PlaceOrder
) -> None:
    placed = host.venue.place(approved(resting))
    with pytest.raises(OutcomeUnknown) as caught:
        host.venue.place(approved(resting))
    assert caught.value.code == -4116
    assert host.venue.order(BTC, resting.client_order_id).order_id == placed.order_id


def test_every_kind_of_market_event_arrives(host: Host) -> None:
    host.listen()
    missing = set(MARKET_EVENTS)
    deadline = time.monotonic() + WAIT_S
    while missing and time.monotonic() < deadline:
        event = host.market.get(timeout=WAIT_S)
        missing.discard(type(event))
    assert not missing


def test_in_one_way_mode_closing_orders_say_so(host: Host, resting: PlaceOrder) -> None:
    host.venue.set_hedge_mode(False)
    one_way = evolve(buying(resting), position_side=PositionSide.BOTH)
    closing = evolve(
        one_way, side=Side.SELL, reduce_only=True, client_order_id=f"{one_way.client_order_id}-x"
    )
    with pytest.raises(Rejected) as flat:
        host.venue.place(approved(closing))
    assert flat.value.code == -2022
    host.venue.place(approved(one_way))
    (held,) = host.venue.positions(BTC)
    assert (held.position_side, held.quantity) == (PositionSide.BOTH, one_way.quantity)
    placed = host.venue.place(approved(evolve(closing, quantity=D("0.05"))))
    assert placed.reduce_only
    assert host.venue.positions(BTC) == ()
