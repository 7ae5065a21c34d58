"""The shared budget: windows, the reserve, the venue's headers, and being told to wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.venues.binance_usdm.limits import Budget, Cost
from core.errors import RateLimited

MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000
START_NS = 1_790_000_000 * SECOND_NS // MINUTE_NS * MINUTE_NS
ORDER = Cost(weight=0, orders_10s=1, orders_1m=1)


class Clock:
    def __init__(self) -> None:
        self.ns = START_NS

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(reserve_percent=20, clock=clock)


def used(budget: Budget, name: str) -> int:
    return next(usage.used for usage in budget.usage() if usage.name == name)


def test_ordinary_calls_stop_before_the_reserve(budget: Budget) -> None:
    for _ in range(240):
        budget.take(ORDER)
    with pytest.raises(RateLimited, match="orders_10s has 240 of 300 used, 240 allowed"):
        budget.take(ORDER)


def test_urgent_calls_may_use_the_reserve_and_not_more(budget: Budget) -> None:
    for _ in range(240):
        budget.take(ORDER)
    for _ in range(60):
        budget.take(ORDER, urgent=True)
    with pytest.raises(RateLimited):
        budget.take(ORDER, urgent=True)


def test_a_refused_call_books_nothing(budget: Budget) -> None:
    budget.take(Cost(weight=1900))
    with pytest.raises(RateLimited):
        budget.take(Cost(weight=100, orders_10s=1))
    assert (used(budget, "weight_1m"), used(budget, "orders_10s")) == (1900, 0)


def test_a_refusal_tells_how_long_until_the_window_ends(budget: Budget, clock: Clock) -> None:
    clock.ns += 45 * SECOND_NS
    budget.take(Cost(weight=1920))
    with pytest.raises(RateLimited) as caught:
        budget.take(Cost(weight=1), request_id="r-1")
    assert caught.value.retry_after_ns == 15 * SECOND_NS
    assert (caught.value.request_id, caught.value.http_status) == ("r-1", 0)


def test_a_new_window_starts_empty(budget: Budget, clock: Clock) -> None:
    budget.take(Cost(weight=1920))
    clock.ns += MINUTE_NS
    budget.take(Cost(weight=1920))
    assert used(budget, "weight_1m") == 1920


def test_the_venues_count_overrules_a_lower_one_of_ours(budget: Budget) -> None:
    budget.take(Cost(weight=5))
    budget.steer({"X-MBX-USED-WEIGHT-1M": "1920"})
    with pytest.raises(RateLimited):
        budget.take(Cost(weight=1))


def test_calls_under_way_stay_counted_when_an_older_answer_arrives(budget: Budget) -> None:
    budget.take(Cost(weight=10))
    budget.take(Cost(weight=10))
    budget.steer({"X-MBX-USED-WEIGHT-1M": "10"})
    assert used(budget, "weight_1m") == 20


def test_a_large_drop_of_the_venues_count_is_a_new_window(budget: Budget) -> None:
    budget.steer({"X-MBX-USED-WEIGHT-1M": "1900"})
    budget.steer({"X-MBX-USED-WEIGHT-1M": "4"})
    assert used(budget, "weight_1m") == 4


@pytest.mark.parametrize("nonsense", ["", "-1", "1.5", "abc", "٣"])
def test_nonsense_in_a_header_changes_nothing(budget: Budget, nonsense: str) -> None:
    budget.take(Cost(weight=7))
    budget.steer({"X-MBX-USED-WEIGHT-1M": nonsense})
    assert used(budget, "weight_1m") == 7


def test_while_the_venue_told_us_to_wait_not_even_urgent_calls_go(
    budget: Budget, clock: Clock
) -> None:
    budget.block(30 * SECOND_NS)
    budget.block(5 * SECOND_NS)
    clock.ns += 10 * SECOND_NS
    with pytest.raises(RateLimited) as caught:
        budget.take(Cost(), urgent=True)
    assert caught.value.retry_after_ns == 20 * SECOND_NS
    clock.ns += 20 * SECOND_NS
    budget.take(Cost())


def test_a_used_up_order_count_leaves_cancels_and_reads_free(budget: Budget, clock: Clock) -> None:
    budget.block_orders(10 * SECOND_NS)
    budget.take(Cost())
    with pytest.raises(RateLimited):
        budget.take(ORDER, urgent=True)
    clock.ns += 10 * SECOND_NS
    budget.take(ORDER)


def test_the_venues_own_limits_replace_ours(budget: Budget) -> None:
    budget.configure({"weight_1m": 6000})
    budget.take(Cost(weight=4800))
    with pytest.raises(KeyError):
        budget.configure({"weight_1h": 1})


def test_lanes_on_many_threads_never_pass_the_limit_together() -> None:
    budget = Budget(reserve_percent=0, clock=lambda: START_NS)

    def attempt(_: int) -> int:
        try:
            budget.take(ORDER)
        except RateLimited:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(1000))) == 300
