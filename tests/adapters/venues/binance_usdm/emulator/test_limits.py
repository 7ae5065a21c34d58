"""Rate limits, bans and listen keys in the venue's time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.venues.binance_usdm.emulator.errors import ApiError
from adapters.venues.binance_usdm.emulator.limits import RateLimits
from adapters.venues.binance_usdm.emulator.listenkeys import LISTEN_KEY_LIFE_MS, ListenKeys

MINUTE = 60_000


def refused(act: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as error:
        act()
    return error.value


def test_weight_is_counted_per_minute_and_the_header_shows_it() -> None:
    limits = RateLimits()
    limits.charge(2_400, MINUTE)
    assert limits.weight_header() == ("X-MBX-USED-WEIGHT-1M", "2400")
    error = refused(lambda: limits.charge(1, MINUTE + 30_000))
    assert (error.status, error.code, error.headers["Retry-After"]) == (429, -1003, "30")
    limits.charge(1, 2 * MINUTE)
    assert limits.weight_header()[1] == "1"


def test_who_ignores_429_is_banned_and_told_until_when() -> None:
    limits = RateLimits(weight=1, patience=3)
    limits.charge(1, MINUTE)
    for _ in range(3):
        assert refused(lambda: limits.charge(1, MINUTE)).status == 429
    error = refused(lambda: limits.charge(1, MINUTE))
    assert (error.status, error.code, error.headers["Retry-After"]) == (418, -1003, "120")
    assert f"banned until {3 * MINUTE}" in error.message
    assert refused(lambda: limits.charge(1, 3 * MINUTE - 1)).status == 418
    limits.charge(1, 3 * MINUTE)


def test_orders_have_two_windows() -> None:
    limits = RateLimits()
    limits.charge_orders(300, 300, MINUTE)
    error = refused(lambda: limits.charge_orders(1, 1, MINUTE + 1))
    assert (error.status, error.code) == (429, -1015)
    assert "300 orders per 10 SECOND" in error.message
    for step in range(1, 4):
        limits.charge_orders(299, 299, MINUTE + step * 10_000)
    error = refused(lambda: limits.charge_orders(10, 10, MINUTE + 40_000))
    assert "1200 orders per MINUTE" in error.message


def test_a_batch_counts_five_in_ten_seconds_and_one_in_the_minute() -> None:
    limits = RateLimits()
    limits.charge_orders(5, 1, MINUTE)
    assert dict(limits.order_headers()) == {
        "X-MBX-ORDER-COUNT-10S": "5",
        "X-MBX-ORDER-COUNT-1M": "1",
    }


def test_the_listen_key_is_the_same_while_it_lives_and_another_after() -> None:
    made = iter(("one", "two"))
    keys = ListenKeys(lambda: next(made))
    assert keys.open(0) == keys.open(LISTEN_KEY_LIFE_MS - 1) == "one"
    assert keys.expire(2 * LISTEN_KEY_LIFE_MS - 2) == ""
    assert keys.expire(2 * LISTEN_KEY_LIFE_MS - 1) == "one"
    assert refused(lambda: keys.keep(0)).code == -1125
    assert keys.open(0) == "two"
    assert keys.keep(1) == "two"
    assert keys.active("two", LISTEN_KEY_LIFE_MS) and not keys.active("one", 1)
