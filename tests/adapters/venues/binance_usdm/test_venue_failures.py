"""The Venue port when the way or the far end fails: what is known, and what is not shown."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D

import pytest
from attrs import evolve

from core.errors import (
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    RetryLater,
    Unreachable,
    VenueError,
)
from core.messages import (
    CancelAll,
    CancelOrder,
    Side,
)
from tests.adapters.scripted_server import Reply
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.desk import (
    AMEND,
    BTC,
    KEY,
    LIMIT,
    SECRET,
    STOP,
    Desk,
    approved,
    ok,
    refused,
)
from tests.adapters.venues.binance_usdm.samples import changed, raw


def test_no_connection_means_that_nothing_was_sent(desk: Desk) -> None:
    desk.server.close()
    with pytest.raises(Unreachable) as caught:
        desk.venue.place(approved(LIMIT))
    assert caught.value.request_id == "bot1-0001"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(hang=True),
        Reply(cut_after=0),
        Reply(body=raw(samples.ORDER), cut_after=20),
        Reply(body=raw(samples.ORDER), cut_after=200),
        Reply(body=b'{"orderId":'),
        Reply(body=b"<html>all is well</html>"),
        Reply(status=500),
        Reply(status=502, body=b"<html>"),
        Reply(status=504),
        refused(-1007, status=408),
        refused(-4116),
    ],
    ids=str,
)
def test_an_order_whose_fate_nobody_told_is_unknown_and_sent_once(desk: Desk, reply: Reply) -> None:
    desk.on("POST", "/fapi/v1/order", reply)
    with pytest.raises(OutcomeUnknown) as caught:
        desk.client(read_timeout_s=0.1).place(approved(LIMIT))
    assert caught.value.request_id == "bot1-0001"
    assert len(desk.requests) == 1


@pytest.mark.parametrize(
    "reply", [Reply(hang=True), Reply(cut_after=10), Reply(body=b"{"), Reply(status=500)], ids=str
)
def test_a_failed_read_may_be_repeated(desk: Desk, reply: Reply) -> None:
    desk.on("GET", "/fapi/v3/positionRisk", reply)
    with pytest.raises(RetryLater):
        desk.client(read_timeout_s=0.1).positions()
    assert len(desk.requests) == 1


def test_errors_show_the_path_and_no_secret(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/order", refused(-2013))
    desk.on("POST", "/fapi/v1/order", Reply(hang=True))
    client = desk.client(read_timeout_s=0.1)
    with pytest.raises(NotFound) as asked:
        client.order(BTC, "bot1-0001")
    with pytest.raises(OutcomeUnknown) as placed:
        client.place(approved(LIMIT))
    for error in (asked.value, placed.value):
        text = f"{error} {error!r} {error.args} {error.__cause__!r}"
        assert "/fapi/v1/order" in text
        for hidden in (KEY, SECRET.reveal(), "signature", "timestamp"):
            assert hidden not in text


def test_reads_without_a_key_do_not_show_the_key(desk: Desk) -> None:
    desk.on("GET", "/fapi/v1/premiumIndex", ok(samples.PREMIUM))
    assert desk.venue.mark_price(BTC).mark == D("63105.2")
    assert "x-mbx-apikey" not in desk.requests[0].headers


def test_after_a_429_nothing_is_sent_until_the_wait_is_over(desk: Desk) -> None:
    desk.on(
        "GET",
        "/fapi/v3/positionRisk",
        Reply(status=429, body=raw({"code": -1003, "msg": "x"}), headers={"Retry-After": "9"}),
    )
    other_lane = desk.client()
    with pytest.raises(RateLimited) as told:
        desk.venue.positions()
    assert told.value.retry_after_ns == 9 * 10**9
    with pytest.raises(RateLimited, match="told us to wait"):
        other_lane.cancel(CancelOrder(BTC, "bot1-0001"))
    assert len(desk.requests) == 1


def test_after_too_many_orders_cancels_still_go(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", refused(-1015, "Too many new orders", status=429))
    desk.on("DELETE", "/fapi/v1/order", ok(changed(samples.ORDER, status="CANCELED")))
    for _ in range(2):
        with pytest.raises(RateLimited):
            desk.venue.place(approved(LIMIT))
    assert desk.venue.cancel(CancelOrder(BTC, "bot1-0001")) is not None
    assert [request.method for request in desk.requests] == ["POST", "DELETE"]


def test_an_answer_about_another_order_is_no_answer(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(changed(samples.ORDER, clientOrderId="somebody-else")))
    desk.on("POST", "/fapi/v1/algoOrder", ok(changed(samples.ALGO, clientAlgoId="at-random")))
    desk.on("GET", "/fapi/v1/order", ok(changed(samples.ORDER, clientOrderId="somebody-else")))
    for order in (LIMIT, STOP):
        with pytest.raises(OutcomeUnknown, match="another client order id"):
            desk.venue.place(approved(order))
    with pytest.raises(RetryLater, match="another client order id"):
        desk.venue.order(BTC, "bot1-0001")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"code":-1,"msg":"?"}', b"{}"])
def test_a_change_without_a_confirmation_is_of_unknown_outcome(desk: Desk, body: bytes) -> None:
    for path in ("allOpenOrders", "algoOpenOrders"):
        desk.on("DELETE", f"/fapi/v1/{path}", Reply(body=body))
    desk.on("POST", "/fapi/v1/positionSide/dual", Reply(body=body))
    with pytest.raises(OutcomeUnknown):
        desk.venue.cancel_all(CancelAll(BTC, conditional_too=True))
    with pytest.raises(OutcomeUnknown):
        desk.venue.set_hedge_mode(True)
    assert not desk.venue.hedge_mode


def test_a_leverage_other_than_asked_for_is_not_taken_as_done(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/leverage", ok({"leverage": 5, "symbol": "BTCUSDT"}))
    with pytest.raises(OutcomeUnknown, match="asked for 3, set 5"):
        desk.venue.set_leverage(BTC, 3)


def test_a_fill_id_that_is_none_is_refused_before_any_request(desk: Desk) -> None:
    with pytest.raises(Rejected):
        desk.venue.fills(BTC, from_id="x-1")
    assert desk.requests == []


def test_lanes_share_one_budget_steered_by_the_venues_headers(desk: Desk) -> None:
    desk.on("POST", "/fapi/v1/order", ok(samples.ORDER, **{"X-MBX-ORDER-COUNT-10S": "240"}))
    desk.on("DELETE", "/fapi/v1/order", ok(changed(samples.ORDER, status="CANCELED")))
    desk.venue.place(approved(LIMIT))
    other_lane = desk.client()
    with pytest.raises(RateLimited, match="orders_10s"):
        other_lane.place(approved(LIMIT))
    closing = evolve(LIMIT, side=Side.SELL, reduce_only=True)
    other_lane.place(approved(closing))
    other_lane.cancel(CancelOrder(BTC, "bot1-0001"))
    used = {usage.name: usage.used for usage in other_lane.usage()}
    assert used["orders_10s"] >= 241


def test_whatever_the_venue_answers_only_our_errors_come_out(desk: Desk) -> None:
    calls: list[Callable[[], object]] = [
        lambda: desk.venue.place(approved(LIMIT)),
        lambda: desk.venue.place(approved(STOP)),
        lambda: desk.venue.amend(approved(AMEND)),
        lambda: desk.venue.cancel(CancelOrder(BTC, "a")),
        lambda: desk.venue.cancel(CancelOrder(BTC, "a", conditional=True)),
        lambda: desk.venue.order(BTC, "a"),
        lambda: desk.venue.open_orders(BTC),
        lambda: desk.venue.fills(BTC),
        lambda: desk.venue.funding(BTC, 0),
        lambda: desk.venue.instruments(),
        lambda: desk.venue.account(),
        lambda: desk.venue.sample_clock(),
    ]

    for reply in (Reply(body=b"\xff{"), Reply(status=599, body=b"\x00"), Reply(body=b"[[]]")):
        desk.otherwise = reply
        for call in calls:
            with pytest.raises(VenueError):
                call()
