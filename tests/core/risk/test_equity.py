"""The equity stop: losses against references that transfers, days and peaks move."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.account import Figure, Unknown
from core.config import Canary, Losses
from core.records import EquityMarked
from core.risk.equity import EquityStop, Loss, Verdict

D = Decimal
DAY = 86_400 * 1_000_000_000
NOON = 20_000 * DAY + DAY // 2
LOSSES = Losses(max_daily_loss_percent=D(3), max_drawdown_percent=D(10))
STOP = EquityStop("binance", "USDT", LOSSES, Canary())
CANARY = EquityStop("binance", "USDT", LOSSES, Canary(enabled=True, max_loss=D(20)))


def looked(stop: EquityStop, *looks: tuple[Figure, str, int]) -> tuple[EquityStop, Verdict]:
    """Look at each (equity, transfers, time) in turn; return what the last one left."""
    verdict = Verdict(Unknown("nothing was looked at"))
    for equity, transfers, now_ns in looks:
        stop, verdict = stop.look(equity, D(transfers), now_ns)
    return stop, verdict


def loss(verdict: Verdict, name: str) -> Loss:
    return next(each for each in verdict.losses if each.name == name)


def test_the_first_look_is_where_everything_is_measured_from():
    stop, verdict = looked(STOP, (D(1000), "50", NOON))
    assert stop.marked == EquityMarked("binance", "USDT", 20_000, D(1000), D(1000), D(50))
    assert verdict.tripped is None
    assert [each.value for each in verdict.losses] == [0, 0]


def test_the_daily_loss_trips_at_its_limit_and_says_so_with_figures():
    stop, verdict = looked(STOP, (D(1000), "0", NOON), (D("970.01"), "0", NOON))
    assert verdict.tripped is None
    assert verdict.headroom("daily loss") == D("0.01")
    _, verdict = looked(stop, (D("969.996"), "0", NOON))
    assert verdict.tripped == loss(verdict, "daily loss")
    assert str(verdict.tripped) == (
        "daily loss of 30.01 (3.00 %) from 1000, 30 is the limit "
        "(risk.losses.max_daily_loss_percent)"
    )
    assert verdict.headroom("daily loss") == 0


def test_a_drawdown_over_several_days_trips_where_no_single_day_does():
    days = [(D(1000 - 25 * day), "0", NOON + day * DAY) for day in range(4)]
    stop, verdict = looked(STOP, *days)
    assert verdict.tripped is None
    later = NOON + 4 * DAY
    _, verdict = looked(stop, (D(915), "0", later), (D(900), "0", later))
    assert verdict.tripped is not None
    assert verdict.tripped.config == "risk.losses.max_drawdown_percent"
    assert verdict.tripped.percent == 10


def test_a_new_utc_day_begins_with_the_equity_first_seen_in_it():
    midnight = 20_001 * DAY
    stop, verdict = looked(STOP, (D(1000), "0", midnight - 1), (D(980), "0", midnight))
    assert loss(verdict, "daily loss").value == 0
    assert loss(verdict, "drawdown").value == 20
    assert stop.marked is not None
    assert stop.marked.day_start == 980


def test_a_clock_that_was_set_back_begins_no_day_again():
    midnight = 20_001 * DAY
    stop, _ = looked(STOP, (D(1000), "0", midnight), (D(980), "0", midnight - 1))
    assert looked(stop, (D(980), "0", midnight))[1].headroom("daily loss") == 10


def test_a_peak_rises_with_the_equity_and_never_falls():
    stop, verdict = looked(STOP, *((D(each), "0", NOON) for each in (1000, 1200, 1150)))
    assert loss(verdict, "drawdown").value == 50
    assert stop.marked is not None
    assert stop.marked.peak == 1200


def test_money_taken_out_is_no_loss_and_money_put_in_hides_none():
    stop, verdict = looked(STOP, (D(1000), "0", NOON), (D(400), "-600", NOON))
    assert [each.value for each in verdict.losses] == [0, 0]
    stop, verdict = looked(stop, (D(1380), "400", NOON))
    assert [each.value for each in verdict.losses] == [20, 20]
    assert verdict.tripped is None
    assert looked(stop, (D(1350), "400", NOON))[1].tripped is not None


def test_an_unknown_equity_is_judged_by_nobody_and_changes_nothing():
    stop, _ = looked(STOP, (D(1000), "0", NOON))
    why = Unknown("no mark price of binance:BTCUSDT")
    after, verdict = looked(stop, (why, "0", NOON + DAY))
    assert after is stop
    assert verdict.tripped is None
    assert verdict.losses == ()
    assert verdict.headroom("daily loss") is why


def test_an_empty_account_does_not_trip_but_leaves_no_headroom():
    _, verdict = looked(STOP, (D(0), "0", NOON))
    assert verdict.tripped is None
    assert verdict.headroom("daily loss") == 0
    assert isinstance(loss(verdict, "daily loss").percent, Unknown)


def test_losing_more_than_there_was_after_a_withdrawal_still_trips():
    _, verdict = looked(STOP, (D(1000), "0", NOON), (D(-5), "-1000", NOON))
    assert verdict.tripped is not None
    assert str(verdict.tripped).startswith("daily loss of 5 from 0, 0 is the limit")


def test_a_reset_measures_from_the_present_equity():
    stop, verdict = looked(STOP, (D(1000), "0", NOON), (D(800), "0", NOON))
    assert verdict.tripped is not None
    _, verdict = looked(stop.reset(D(800), D(0), NOON), (D(800), "0", NOON))
    assert [each.value for each in verdict.losses] == [0, 0]


def test_a_restart_goes_on_from_the_record():
    stop, _ = looked(STOP, (D(1000), "0", NOON), (D(975), "0", NOON))
    again = EquityStop("binance", "USDT", LOSSES, Canary(), stop.marked)
    _, verdict = looked(again, (D(965), "0", NOON + 1))
    assert verdict.tripped is not None


def test_a_look_that_moves_no_reference_keeps_the_same_stop():
    stop, _ = looked(STOP, (D(1000), "0", NOON))
    assert looked(stop, (D(990), "0", NOON))[0] is stop


def test_a_canary_ends_at_an_amount_from_where_it_began():
    stop, _ = looked(CANARY, (D(10_000), "0", NOON), (D(10_500), "500", NOON))
    _, verdict = looked(stop, (D("10480.01"), "500", NOON + DAY))
    assert verdict.headroom("canary loss") == D("0.01")
    _, verdict = looked(stop, (D(10_480), "500", NOON + DAY))
    assert verdict.tripped is not None
    assert verdict.tripped.config == "risk.canary.max_loss"


def test_a_canary_switched_on_later_begins_then_and_one_switched_off_is_forgotten():
    stop, verdict = looked(STOP, (D(1000), "0", NOON))
    assert isinstance(verdict.headroom("canary loss"), Unknown)
    on = EquityStop("binance", "USDT", LOSSES, CANARY.canary, stop.marked)
    on, verdict = looked(on, (D(990), "0", NOON))
    assert verdict.headroom("canary loss") == 20
    off = EquityStop("binance", "USDT", LOSSES, Canary(), on.marked)
    off, _ = looked(off, (D(980), "0", NOON))
    assert off.marked is not None
    assert off.marked.canary_start is None


steps = st.lists(
    st.tuples(
        st.decimals(-500, 500, places=2),  # made or lost
        st.decimals(-500, 500, places=2),  # moved in or out
        st.integers(0, DAY),
    ),
    min_size=1,
    max_size=30,
)


@given(steps)
def test_transfers_of_any_size_change_no_loss(history):
    """The same gains with and without transfers give the same losses in money."""
    plain, moved = CANARY, CANARY
    equity, transfers, now_ns = D(1000), D(0), NOON
    for made, moved_in, passed_ns in history:
        equity, transfers, now_ns = equity + made, transfers + moved_in, now_ns + passed_ns
        plain, without = plain.look(equity, D(0), now_ns)
        moved, with_them = moved.look(equity + transfers, transfers, now_ns)
        assert [each.value for each in with_them.losses] == [each.value for each in without.losses]


@pytest.mark.parametrize("name", ["daily loss", "drawdown"])
@given(st.decimals(1, 10**6, places=2), st.decimals(0, 100, places=2))
def test_it_trips_exactly_when_nothing_may_be_lost_any_more(name, start, fallen_percent):
    equity = start - start * fallen_percent / 100
    _, verdict = looked(STOP, (start, "0", NOON), (equity, "0", NOON))
    found = loss(verdict, name)
    assert found.tripped == (found.headroom == 0)


def test_a_canary_is_measured_from_the_first_look_and_from_a_reset():
    stop, verdict = looked(CANARY, (D(1000), "50", NOON))
    assert stop.marked == EquityMarked("binance", "USDT", 20_000, D(1000), D(1000), D(50), D(1000))
    assert loss(verdict, "canary loss").reference == 1000
    again = stop.reset(D(900), D(40), NOON)
    assert again.marked == EquityMarked("binance", "USDT", 20_000, D(900), D(900), D(40), D(900))


def test_a_reset_is_measured_from_at_once():
    stop, _ = looked(STOP, (D(1000), "0", NOON))
    marked = stop.reset(D(900), D(0), NOON).marked
    assert marked == EquityMarked("binance", "USDT", 20_000, D(900), D(900), D(0))


def test_a_verdict_carries_the_equity_and_names_a_loss_that_is_not_measured():
    _, verdict = looked(STOP, (D(1000), "0", NOON))
    assert verdict.equity == 1000
    missing = verdict.headroom("canary loss")
    assert isinstance(missing, Unknown)
    assert missing.why == "no canary loss is measured"
