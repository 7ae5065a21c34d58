"""Reads and settings through the Venue port over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters.venues.binance_usdm.hosts import Hosts
from adapters.venues.binance_usdm.rest import BinanceVenue
from adapters.venues.binance_usdm.sign import signature
from core.errors import (
    AuthRejected,
    Rejected,
    RetryLater,
)
from core.messages import OrderType
from tests.adapters.scripted_server import Reply, Request
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.desk import (
    BTC,
    LIMIT,
    NOW_NS,
    SECRET,
    Desk,
    approved,
    fields,
    ok,
    refused,
)
from tests.adapters.venues.binance_usdm.samples import changed

DAY_MS = 86_400_000


def trade_rows(first: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [changed(samples.TRADE, id=first + step, **changes) for step in range(count)]


def test_fills_are_paged_by_id_and_carry_our_order_ids(desk: Desk) -> None:
    rows = trade_rows(1, 2500, orderId=283194212345)

    def respond(request: Request) -> Reply:
        sent = fields(request)
        start = int(sent["fromId"])
        return ok([row for row in rows if row["id"] >= start][: int(sent["limit"])])

    desk.by("GET", "/fapi/v1/userTrades", respond)
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    fills = desk.venue.fills(BTC, from_id="11")
    assert [fill.fill_id for fill in fills] == [str(number) for number in range(11, 2501)]
    assert {fill.client_order_id for fill in fills} == {"bot1-0001"}
    assert sum(request.path == "/fapi/v1/order" for request in desk.requests) == 1


def test_fills_since_a_time_are_searched_week_by_week(desk: Desk) -> None:
    now_ms = NOW_NS // 10**6
    traded_ms = now_ms - 3 * DAY_MS
    rows = trade_rows(1, 3, orderId=283194212345, time=traded_ms)

    def respond(request: Request) -> Reply:
        sent = {name: int(value) for name, value in fields(request).items() if value.isdigit()}
        assert not {"fromId", "startTime"} <= set(sent)
        if "fromId" in sent:
            return ok([row for row in rows if row["id"] >= sent["fromId"]])
        assert sent.get("endTime", now_ms) - sent["startTime"] < 7 * DAY_MS
        held = range(sent["startTime"], sent.get("endTime", now_ms) + 1)
        return ok([row for row in rows if row["time"] in held])

    desk.by("GET", "/fapi/v1/userTrades", respond)
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    since_ns = (now_ms - 30 * DAY_MS) * 10**6
    assert [fill.fill_id for fill in desk.venue.fills(BTC, since_ns=since_ns)] == ["1", "2", "3"]


def test_fills_of_an_order_seen_acknowledged_need_no_second_question(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER))
    desk.on("GET", "/fapi/v1/userTrades", ok(trade_rows(1, 1, orderId=283194212345)))
    desk.venue.place(approved(LIMIT))
    (fill,) = desk.venue.fills(BTC, order_id="283194212345")
    assert fill.client_order_id == "bot1-0001"
    assert fields(desk.requests[-1])["orderId"] == "283194212345"
    assert len(desk.requests) == 2


def test_many_unknown_orders_are_asked_for_together(desk: Desk) -> None:
    rows = [changed(samples.TRADE, id=number, orderId=100 + number) for number in range(8)]
    orders = [
        changed(samples.ORDER, orderId=100 + number, clientOrderId=f"o-{number}")
        for number in range(7)
    ]
    desk.on("GET", "/fapi/v1/userTrades", ok(rows))
    desk.on("GET", "/fapi/v1/allOrders", ok(orders))
    desk.on("GET", "/fapi/v1/order", refused(-2013))
    fills = desk.venue.fills(BTC, from_id="0")
    assert [fill.client_order_id for fill in fills] == [f"o-{number}" for number in range(7)] + [""]


def test_funding_is_paged_and_each_settlement_comes_once(desk: Desk) -> None:
    rows = [
        changed(samples.INCOME, tranId=number, time=NOW_NS // 10**6 - 5000 + number)
        for number in range(1500)
    ]

    def respond(request: Request) -> Reply:
        sent = fields(request)
        assert sent["incomeType"] == "FUNDING_FEE"
        first = (int(sent["page"]) - 1) * 1000
        return ok(rows[first : first + 1000])

    desk.by("GET", "/fapi/v1/income", respond)
    paid = desk.venue.funding(BTC, 0)
    assert [one.funding_id for one in paid] == [str(number) for number in range(1500)]


def income_by_the_second(desk: Desk, count: int, *, backwards: bool = False) -> int:
    """Let the venue list so many commissions, one a second; return the time of the first, ms."""
    first_ms = NOW_NS // 10**6 - count * 1_000
    rows = [
        changed(
            samples.INCOME,
            incomeType="COMMISSION",
            tranId=number,
            tradeId=number,
            time=first_ms + number * 1_000,
        )
        for number in range(count)
    ]
    if backwards:
        rows.reverse()

    def respond(request: Request) -> Reply:
        sent = fields(request)
        start, end = int(sent["startTime"]), int(sent["endTime"])
        within = [row for row in rows if start <= row["time"] <= end]
        at = (int(sent["page"]) - 1) * 1000
        return ok(within[at : at + 1000])

    desk.by("GET", "/fapi/v1/income", respond)
    return first_ms


def test_income_of_a_span_is_paged_all_symbols_in_one_question(desk: Desk) -> None:
    first_ms = income_by_the_second(desk, 2_500)
    read = desk.venue.earned((first_ms + 1_000) * 10**6, (first_ms + 2_200_000) * 10**6)
    assert [row.row_id for row in read.rows] == [str(number) for number in range(1, 2_201)]
    assert read.until_ns == (first_ms + 2_200_000) * 10**6
    asked = [fields(request) for request in desk.requests]
    assert [sent["page"] for sent in asked] == ["1", "2", "3"]
    assert not any("symbol" in sent or "incomeType" in sent for sent in asked)


def test_income_that_is_more_than_one_reading_takes_ends_early_and_says_where(desk: Desk) -> None:
    first_ms = income_by_the_second(desk, 7_000)
    read = desk.venue.earned(first_ms * 10**6, NOW_NS)
    assert len(desk.requests) == 5
    assert read.until_ns == (first_ms + 4_999_000) * 10**6 - 1
    assert [row.row_id for row in read.rows] == [str(number) for number in range(4_999)]
    rest = desk.venue.earned(read.until_ns + 1, NOW_NS)
    assert [row.row_id for row in rest.rows] == [str(number) for number in range(4_999, 7_000)]
    assert rest.until_ns == NOW_NS


def test_an_early_end_is_refused_where_rows_are_in_no_order(desk: Desk) -> None:
    first_ms = income_by_the_second(desk, 7_000, backwards=True)
    with pytest.raises(RetryLater, match="not in order of time"):
        desk.venue.earned(first_ms * 10**6, NOW_NS)


@pytest.mark.parametrize(
    ("span_s", "asked"), [(3_600, [None]), (3_601, ["TRANSFER", "INSURANCE_CLEAR"])]
)
def test_bookings_of_a_long_span_are_asked_for_by_kind_and_each_comes_once(
    desk: Desk, span_s: int, asked: list[str | None]
) -> None:
    now_ms = NOW_NS // 10**6
    rows = [
        changed(samples.INCOME, incomeType="TRANSFER", tranId=number, time=now_ms - number)
        for number in range(3)
    ]

    def respond(request: Request) -> Reply:
        return ok(rows if fields(request).get("incomeType") != "INSURANCE_CLEAR" else [])

    desk.by("GET", "/fapi/v1/income", respond)
    found = desk.venue.bookings(NOW_NS - span_s * 10**9)
    assert [fields(request).get("incomeType") for request in desk.requests] == asked
    assert len(found) == 3 and list(found) == sorted(found, key=lambda one: one.time_ns)
    assert desk.venue.bookings(NOW_NS - 10**6) == found[1:]


def test_the_stops_that_wait_are_asked_for_alone_and_cheaply(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/openAlgoOrders", ok([samples.ALGO]))
    used = {usage.name: usage.used for usage in desk.venue.usage()}
    (stop,) = desk.venue.open_stops(BTC)
    assert stop.type is OrderType.STOP_MARKET
    assert desk.venue.usage()[0].used == used["weight_1m"] + 1


def test_the_venues_limits_are_taken_over_with_the_instruments(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/exchangeInfo", ok(samples.EXCHANGE_INFO))
    (btc,) = desk.venue.instruments()
    assert btc.key == BTC
    assert next(usage.limit for usage in desk.venue.usage() if usage.name == "weight_1m") == 6000
    assert desk.venue.unreadable_symbols == ()


def test_a_book_asks_for_a_depth_the_venue_has(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/depth", ok(samples.DEPTH))
    for depth, limit in ((1, "5"), (20, "20"), (21, "50"), (600, "1000"), (9999, "1000")):
        desk.venue.book(BTC, depth)
        assert fields(desk.requests[-1])["limit"] == limit


def test_bars_are_paged_backwards_from_now_and_forwards_from_a_start(desk: Desk) -> None:
    minute = 60_000
    last = NOW_NS // 10**6 // minute * minute
    rows = [
        [
            last - minute * step,
            *samples.KLINE[1:6],
            last - minute * step + 59_999,
            *samples.KLINE[7:],
        ]
        for step in range(4000)
    ][::-1]

    def respond(request: Request) -> Reply:
        sent = fields(request)
        start, end = int(sent.get("startTime", 0)), int(sent.get("endTime", last + minute))
        held = [row for row in rows if start <= row[0] <= end]
        limit = int(sent["limit"])
        return ok(held[:limit] if "startTime" in sent else held[-limit:])

    desk.by("GET", "/fapi/v1/klines", respond)
    newest = desk.venue.bars(BTC, minute * 10**6, 3200)
    assert [bar.open_ns // 10**6 for bar in newest] == [row[0] for row in rows[-3200:]]
    assert [bar.closed for bar in newest[-2:]] == [True, False]
    start_ns = rows[100][0] * 10**6
    older = desk.venue.bars(BTC, minute * 10**6, 1600, start_ns=start_ns)
    assert [bar.open_ns // 10**6 for bar in older] == [row[0] for row in rows[100:1700]]


def test_an_interval_the_venue_does_not_have_is_refused(desk: Desk) -> None:
    with pytest.raises(Rejected):
        desk.venue.bars(BTC, 7 * 60 * 10**9, 10)


def test_the_clock_sample_sees_the_middle_of_the_trip(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/time", ok({"serverTime": NOW_NS // 10**6 + 250}))
    sample = desk.venue.sample_clock()
    assert abs(sample.offset_ns - 250_500_000) < sample.round_trip_ns
    assert sample.at_ns >= NOW_NS


def test_the_account_and_its_position_mode(desk: Desk) -> None:
    desk.on(
        "GET", "/fapi/v1/accountConfig", ok(changed(samples.ACCOUNT_CONFIG, dualSidePosition=True))
    )
    desk.on("GET", "/fapi/v3/account", ok(samples.ACCOUNT))
    state = desk.venue.account()
    assert (state.hedge_mode, state.available) == (True, D("9381.4"))
    assert not desk.venue.hedge_mode


@pytest.mark.parametrize(
    ("path", "code", "call"),
    [
        ("/fapi/v1/marginType", -4046, lambda venue: venue.set_isolated(BTC, True)),
        ("/fapi/v1/positionSide/dual", -4059, lambda venue: venue.set_hedge_mode(False)),
    ],
)
def test_what_already_is_so_counts_as_done_and_other_refusals_do_not(
    desk: Desk, path: str, code: int, call: Callable[[BinanceVenue], None]
) -> None:
    desk.on("POST", path, refused(code), ok({"code": 200, "msg": "success"}), refused(-4068))
    call(desk.venue)
    call(desk.venue)
    with pytest.raises(Rejected) as caught:
        call(desk.venue)
    assert caught.value.code == -4068


def test_leverage_brackets_settings_and_commission(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/leverage", ok({"leverage": 3, "symbol": "BTCUSDT"}))
    desk.on("GET", "/fapi/v1/leverageBracket", ok(samples.BRACKETS))
    desk.on("GET", "/fapi/v1/symbolConfig", ok(samples.SYMBOL_CONFIG))
    desk.on("GET", "/fapi/v1/commissionRate", ok(samples.COMMISSION))
    desk.venue.set_leverage(BTC, 3)
    assert fields(desk.requests[0])["leverage"] == "3"
    assert desk.venue.leverage_brackets(BTC)[0].max_leverage == 125
    assert desk.venue.symbol_settings(BTC).leverage == 10
    assert desk.venue.commission(BTC).taker == D("0.0005")


def test_the_rights_of_a_key_come_from_their_own_host_where_there_is_one(desk: Desk) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    desk.on("GET", path, ok(samples.RIGHTS), Reply(status=404), refused(-2015, status=401))
    assert desk.venue.key_rights().trade is True
    assert desk.venue.key_rights().trade is None
    with pytest.raises(AuthRejected):
        desk.venue.key_rights()
    asked = len(desk.requests)
    without = desk.client(hosts=Hosts(desk.server.url, "ws://127.0.0.1:1"))
    assert without.key_rights().withdraw is None
    assert len(desk.requests) == asked


def test_every_signed_read_carries_a_valid_signature_in_the_query(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/order", ok(samples.ORDER))
    desk.venue.order(BTC, "bot1-0001")
    text, _, stated = desk.requests[0].target.partition("?")[2].rpartition("&signature=")
    assert stated == signature(SECRET, text)
    assert parse_qs(text)["recvWindow"] == ["5000"]
