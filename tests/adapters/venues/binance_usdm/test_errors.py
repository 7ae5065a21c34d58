"""Every code of the fact sheet's §5 and every HTTP status has its meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venues.binance_usdm.errors import error_from_answer, error_from_code
from core.errors import (
    AuthRejected,
    ClockRejected,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    RetryLater,
    VenueError,
)
from tests.adapters.venues.binance_usdm.samples import raw

SECOND_NS = 1_000_000_000
NOW_NS = 1_790_000_010 * SECOND_NS
# fmt: off
REJECTED = [
    -1020, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1111, -1112, -1114, -1115,
    -1116, -1117, -1118, -1119, -1120, -1121, -1122, -1127, -1128, -1130, -1131, -1136,
    -2010, -2012, -2018, -2019, -2020, -2021, -2022, -2023, -2024, -2025, -2026, -2027,
    -2028, -4001, -4002, -4003, -4004, -4005, -4013, -4014, -4015, -4016, -4023, -4024,
    -4028, -4045, -4046, -4047, -4048, -4050, -4051, -4059, -4060, -4061, -4062, -4067,
    -4068, -4082, -4083, -4087, -4118, -4120, -4130, -4131, -4135, -4137, -4138, -4140,
    -4141, -4142, -4161, -4164, -4167, -4168, -4169, -4170, -4171, -4172, -4183, -4184,
    -4192, -4202, -4203, -4204, -4205, -4206, -4209, -4210, -4211, -4400, -4401, -4531,
    -5021, -5022, -5024, -5025, -5026, -5027, -5029, -5037, -5038, -5039, -5040, -5041,
    -5047,
]
# fmt: on
MEANINGS: dict[int, type[VenueError]] = (
    dict.fromkeys(REJECTED, Rejected)
    | dict.fromkeys([-1000, -1001, -1006, -1007, -4116], OutcomeUnknown)
    | dict.fromkeys([-1004, -1008, -1016, -1125, -5043], RetryLater)
    | dict.fromkeys([-1003, -1015], RateLimited)
    | dict.fromkeys([-1021, -5028], ClockRejected)
    | dict.fromkeys(
        [-1002, -1022, -1099, -2014, -2015, -2017, -4088, -4109, -4402, -4403], AuthRejected
    )
    | dict.fromkeys([-2011, -2013], NotFound)
)


def answer(
    status: int, body: bytes, *, write: bool = True, headers: dict[str, str] | None = None
) -> VenueError:
    return error_from_answer(
        status,
        headers or {},
        body,
        venue="binance",
        request_id="id-1",
        write=write,
        now_ns=NOW_NS,
    )


@pytest.mark.parametrize("code", MEANINGS)
def test_each_code_has_its_meaning(code: int) -> None:
    error = answer(400, raw({"code": code, "msg": "words"}))
    assert type(error) is MEANINGS[code]
    assert (error.code, error.http_status, error.request_id) == (code, 400, "id-1")
    assert "words" in error.message


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
def test_an_unclear_outcome_of_a_read_is_only_worth_repeating(code: int) -> None:
    assert type(answer(500, raw({"code": code, "msg": ""}), write=False)) is RetryLater


def test_a_code_nobody_wrote_down_is_a_refusal_when_the_venue_says_it_is_our_fault() -> None:
    assert type(answer(400, raw({"code": -4999, "msg": "new"}))) is Rejected


def test_a_code_nobody_wrote_down_with_a_5xx_is_unclear() -> None:
    assert type(answer(503, raw({"code": -1017, "msg": "new"}))) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (401, b"", AuthRejected),
        (403, b"<html>WAF</html>", RetryLater),
        (404, b"not here", Rejected),
        (408, b"", OutcomeUnknown),
        (418, b"", RateLimited),
        (429, b"", RateLimited),
        (500, b"", OutcomeUnknown),
        (502, b"<html>bad gateway</html>", OutcomeUnknown),
        (504, b"", OutcomeUnknown),
        (302, b"", OutcomeUnknown),
        (204, b"", OutcomeUnknown),
        (503, b"", OutcomeUnknown),
        (503, b"Service Unavailable.", RetryLater),
        (503, raw({"code": 0, "msg": "Service Unavailable."}), RetryLater),
        (
            503,
            raw({"code": 0, "msg": "Unknown error, please check your request or try again later."}),
            OutcomeUnknown,
        ),
        (503, raw({"code": -1008, "msg": "Request throttled by system."}), RetryLater),
    ],
)
def test_answers_without_a_known_code_mean_what_their_status_says(
    status: int, body: bytes, meaning: type[VenueError]
) -> None:
    assert type(answer(status, body)) is meaning


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_failed_read_may_be_repeated(status: int) -> None:
    assert type(answer(status, b"", write=False)) is RetryLater


def test_a_ban_lasts_as_long_as_its_message_says() -> None:
    until_ms = NOW_NS // 1_000_000 + 90_000
    body = raw({"code": -1003, "msg": f"Way too many requests; IP banned until {until_ms}."})
    error = answer(418, body, headers={"Retry-After": "1"})
    assert error.retry_after_ns == 90 * SECOND_NS


def test_retry_after_is_obeyed() -> None:
    assert answer(429, b"", headers={"Retry-After": "17"}).retry_after_ns == 17 * SECOND_NS


def test_without_a_figure_the_rest_of_the_window_is_waited_for() -> None:
    assert answer(429, b"").retry_after_ns == 60 * SECOND_NS - NOW_NS % (60 * SECOND_NS)
    orders = answer(429, raw({"code": -1015, "msg": "Too many new orders"}))
    assert orders.retry_after_ns == 10 * SECOND_NS - NOW_NS % (10 * SECOND_NS)
    assert answer(418, b"").retry_after_ns == 120 * SECOND_NS


def test_a_duplicate_client_order_id_asks_for_the_order_instead_of_burying_it() -> None:
    error = error_from_code(
        -4116,
        "ClientOrderId is duplicated.",
        venue="binance",
        status=400,
        request_id="bot1-0001",
        write=True,
    )
    assert isinstance(error, OutcomeUnknown)
    assert error.request_id == "bot1-0001"


def test_the_venues_words_stay_on_one_line_and_within_bounds() -> None:
    error = answer(400, raw({"code": -2010, "msg": "a\nb\r\n" + "c" * 1000}))
    assert error.message.startswith("a b c")
    assert len(error.message) == 300


@given(st.integers(200, 599), st.binary(max_size=300), st.booleans())
def test_any_answer_becomes_one_of_our_errors(status: int, body: bytes, write: bool) -> None:
    error = answer(status, body, write=write)
    assert isinstance(error, VenueError)
    assert "\n" not in error.message
