"""The flash-crash watch: fast moves trip, slow ones do not, and it forgets what is old."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.messages import Side
from core.money import bps
from core.risk.flash import FlashMove, FlashWatch

D = Decimal
S = 1_000_000_000


def watch() -> FlashWatch:
    return FlashWatch(10 * S, D(300))


def ran(*marks: tuple[str, float]) -> FlashMove | None:
    made, found = watch(), None
    for price, at_s in marks:
        found = made.look(D(price), int(at_s * S))
    return found


def test_a_fall_past_the_limit_within_the_window_hurts_longs_and_says_how_far():
    found = ran(("100", 0), ("99", 3), ("96.9", 5))
    assert found == FlashMove(Side.BUY, D(310), D(100), D("96.9"), 5 * S)
    assert str(found) == "the mark fell 310 bps from 100 to 96.9 within 5.0 s"


def test_a_rise_past_the_limit_hurts_shorts():
    found = ran(("100", 0), ("103", 2))
    assert found is not None
    assert (found.against, found.moved_bps) == (Side.SELL, 300)
    assert str(found) == "the mark rose 300 bps from 100 to 103 within 2.0 s"


def test_just_under_the_limit_is_no_flash():
    assert ran(("100", 0), ("97.01", 5)) is None


def test_the_same_move_over_a_longer_time_is_no_flash():
    assert ran(("100", 0), ("99", 5), ("98", 10), ("97", 15)) is None
    assert ran(("100", 0), ("101", 5), ("102", 11), ("103", 16)) is None


def test_the_start_of_the_window_still_counts():
    assert ran(("100", 0), ("97", 10)) is not None
    assert ran(("100", 0), ("97", 10.001)) is None


def test_a_crash_measures_from_the_top_between_not_from_the_first_price():
    found = ran(("100", 0), ("104", 2), ("100.5", 4))
    assert found is not None
    assert (found.against, found.start) == (Side.BUY, D(104))


prices = st.lists(
    st.tuples(st.decimals("90", "110", places=1), st.integers(0, 4 * S)), min_size=1, max_size=60
)


@given(prices)
def test_it_finds_the_largest_move_of_the_window_as_a_plain_search_does(path):
    made, now_ns, seen = watch(), 0, []
    for price, passed_ns in path:
        now_ns += passed_ns
        seen.append((now_ns, price))
        recent = [each for at_ns, each in seen if at_ns >= now_ns - 10 * S]
        fallen = max(bps(each - price, each) for each in recent)
        risen = max(bps(price - each, each) for each in recent)
        found = made.look(price, now_ns)
        if max(fallen, risen) < 300:
            assert found is None
        else:
            assert found is not None
            assert found.moved_bps == max(fallen, risen)
            assert found.against is (Side.BUY if fallen >= risen else Side.SELL)


@given(prices)
def test_it_keeps_no_price_that_cannot_matter(path):
    made, now_ns = watch(), 0
    for price, passed_ns in path:
        now_ns += passed_ns
        made.look(price, now_ns)
        highs = [each for _, each in made._highs]
        lows = [each for _, each in made._lows]
        assert highs == sorted(set(highs), reverse=True)
        assert lows == sorted(set(lows))
