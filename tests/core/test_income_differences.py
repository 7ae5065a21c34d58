"""The venue's income and the books' own are compared row by row, each row once, to the digit."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from core.income import Earned, Earning
from core.income_differences import EDGE_NS, LATE_NS, IncomeBooks, differences, judged_span
from core.messages import FundingPaid, Key, Side
from core.records import BooksOpened, IncomeCompared, IncomeDiffered
from tests.core.samples import BTC, ETH, fill

D = Decimal
S = 1_000_000_000
DAY_NS = 86_400 * S
PNL, FEE, FUNDING = Earning.REALISED_PNL, Earning.COMMISSION, Earning.FUNDING


def row(
    amount: str,
    row_id: str = "7",
    kind: Earning = PNL,
    at_ns: int = 50 * S,
    key: Key = BTC,
    asset: str = "USDT",
) -> Earned:
    return Earned(key, kind, asset, row_id, D(amount), at_ns)


def compared(
    stated: Iterable[Earned], ours: Iterable[Earned], after_s: int = 0, until_s: int = 100
) -> tuple[IncomeDiffered, ...]:
    return differences(stated, ours, {BTC}, after_s * S, until_s * S)


def sides(found: Iterable[IncomeDiffered]) -> list[tuple[str, Decimal | None, Decimal | None]]:
    return [(differed.row_id, differed.ours, differed.stated) for differed in found]


@pytest.mark.parametrize(
    ("stated", "ours", "found"),
    [
        ([row("1.5")], [row("1.5")], []),
        ([], [], []),
        ([row("1.5")], [], [("7", None, D("1.5"))]),
        ([], [row("1.5")], [("7", D("1.5"), None)]),
        ([row("-0.1", kind=FEE)], [row("-0.2", kind=FEE)], [("7", D("-0.2"), D("-0.1"))]),
        # Equal sums of different rows hide nothing.
        ([row("1", "7"), row("2", "8")], [row("2", "7"), row("1", "8")],
         [("7", D(2), D(1)), ("8", D(1), D(2))]),
        ([row("1")], [row("1", kind=FEE)], [("7", D(1), None), ("7", None, D(1))]),
        ([row("1", asset="BNB")], [row("1")], [("7", None, D(1)), ("7", D(1), None)]),
        # A venue lists no row of nothing, or one of 0.
        ([], [row("0")], []),
        ([row("0")], [], []),
        # The venue may split what belongs to one fill.
        ([row("1"), row("2")], [row("3")], []),
        # Symbols that no bot trades have no books.
        ([row("1", key=ETH)], [row("2", key=ETH)], []),
    ],
)  # fmt: skip
def test_each_row_is_compared_with_its_own(
    stated: list[Earned],
    ours: list[Earned],
    found: list[tuple[str, Decimal | None, Decimal | None]],
) -> None:
    assert sorted(sides(compared(stated, ours)), key=str) == sorted(found, key=str)


@pytest.mark.parametrize(
    ("kind", "apart", "differs"),
    [
        (PNL, "0.00000001", False),
        (PNL, "-0.00000001", False),
        (PNL, "0.00000002", True),
        (FEE, "0.00000001", True),
        (FUNDING, "-0.00000001", True),
    ],
)
def test_only_what_we_work_out_ourselves_may_be_off_by_its_last_digit(
    kind: Earning, apart: str, differs: bool
) -> None:
    ours = row("1.25", kind=kind)
    assert bool(compared([evolve(ours, amount=ours.amount + D(apart))], [ours])) is differs


@pytest.mark.parametrize(("at_s", "judged"), [(0, False), (1, True), (100, True), (101, False)])
def test_a_span_is_judged_without_its_beginning_and_with_its_end(at_s: int, judged: bool) -> None:
    assert bool(compared([row("1", at_ns=at_s * S)], [])) is judged


def test_a_row_that_carries_whole_seconds_belongs_where_it_is_judged_once() -> None:
    ours, stated = row("1", at_ns=100 * S + 400_000_000), row("2", at_ns=100 * S)
    assert sides(compared([stated], [ours])) == [("7", D(1), D(2))]
    assert not compared([stated], [ours], 100, 200)


AMOUNTS = st.sampled_from(["-1", "-0.00000001", "0", "0.00000001", "1", "2.5"])
ROWS = st.lists(
    st.builds(
        row,
        AMOUNTS,
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(Earning),
        st.integers(0, 400).map(lambda tenths: tenths * S // 10),
        st.sampled_from([BTC, ETH]),
    ),
    max_size=12,
)


def once(rows: Iterable[Earned]) -> list[Earned]:
    """Let each row have one time, as at a venue."""
    first: dict[tuple[object, ...], Earned] = {}
    for each in rows:
        first.setdefault((each.key, each.kind, each.row_id), each)
    return list(first.values())


@given(ROWS)
def test_what_is_equal_never_differs_whatever_the_order(rows: list[Earned]) -> None:
    assert not compared(rows, reversed(rows))


@given(ROWS, ROWS)
def test_without_a_difference_of_a_row_the_sums_are_equal(
    stated: list[Earned], ours: list[Earned]
) -> None:
    found = compared(stated, ours, -1, 100)
    total = {
        kind: sum((r.amount for r in stated if (r.key, r.kind) == (BTC, kind)), D(0))
        - sum((r.amount for r in ours if (r.key, r.kind) == (BTC, kind)), D(0))
        for kind in Earning
    }
    for kind in Earning:
        explained = sum((each.apart for each in found if each.kind is kind), D(0))
        unexplained = abs(total[kind] - explained)
        assert unexplained <= (3 * D("0.00000001") if kind is PNL else 0)


@given(ROWS, ROWS, st.lists(st.integers(0, 40), max_size=4))
def test_spans_that_follow_each_other_find_each_difference_once(
    stated: list[Earned], ours: list[Earned], cuts: list[int]
) -> None:
    stated, ours = once(stated), once(ours)
    whole = compared(stated, ours, -1, 50)
    ends = [-1, *sorted(cuts), 50]
    parts = [
        differed
        for after_s, until_s in pairwise(ends)
        for differed in compared(stated, ours, after_s, until_s)
    ]
    assert sorted(map(str, parts)) == sorted(map(str, whole))


@given(st.integers(0, 100 * DAY_NS), st.integers(0, 200 * DAY_NS))
def test_nothing_is_judged_that_is_too_young_forgotten_or_backwards(
    since_ns: int, now_ns: int
) -> None:
    after_ns, until_ns = judged_span(since_ns, now_ns)
    assert after_ns == max(since_ns, now_ns - 89 * DAY_NS)
    assert after_ns <= until_ns <= after_ns + DAY_NS
    assert until_ns == after_ns or until_ns + EDGE_NS + LATE_NS <= now_ns


# What the journal says of it

OPENED = BooksOpened("binance", "USDT", D(100), (), 1_000 * S)
MISSED = IncomeDiffered(BTC, PNL, "USDT", "7", None, D(3), 2_000 * S)
FEE_MISSED = IncomeDiffered(BTC, FEE, "USDT", "7", None, D("-0.5"), 2_000 * S)
NOUGHT = {"realised_pnl": D(0), "commission": D(0), "funding": D(0)}


def books(*payloads: object) -> IncomeBooks:
    folded = IncomeBooks("binance", "USDT")
    for payload in payloads:
        folded.take(payload)
    return folded


def test_it_goes_on_where_it_ended_or_where_the_books_began() -> None:
    assert books().after_ns == 0
    assert books(OPENED).after_ns == 1_000 * S
    later = evolve(OPENED, as_of_ns=9_000 * S)
    assert books(OPENED, later).after_ns == 1_000 * S
    done = IncomeCompared("binance", 2_000 * S)
    assert books(OPENED, done, later).after_ns == 2_000 * S
    assert books(OPENED, done, IncomeCompared("binance", 1_500 * S)).after_ns == 2_000 * S
    assert books(OPENED, IncomeCompared("other", 2_000 * S)).after_ns == 1_000 * S


def test_what_was_told_stands_and_what_is_found_now_is_added() -> None:
    folded = books(OPENED, MISSED, FEE_MISSED)
    assert folded.apart() == NOUGHT | {"realised_pnl": D(3), "commission": D("-0.5")}
    wrong = IncomeDiffered(BTC, FEE, "USDT", "8", D("-1"), D("-2"), 2_001 * S)
    assert folded.apart([wrong])["commission"] == D("-1.5")
    assert folded.apart() == NOUGHT | {"realised_pnl": D(3), "commission": D("-0.5")}


def test_a_fill_that_comes_after_all_explains_its_rows_once() -> None:
    late = fill("7", Side.BUY, "1", "100")
    folded = books(OPENED, MISSED, FEE_MISSED, late, late)
    assert folded.apart() == NOUGHT


def test_a_settlement_that_comes_after_all_explains_its_row() -> None:
    missed = IncomeDiffered(ETH, FUNDING, "USDT", "7", None, D("-0.1"), 2_000 * S)
    paid = FundingPaid(ETH, D("-0.1"), "USDT", "7", 2_000 * S)
    assert books(OPENED, missed).apart()["funding"] == D("-0.1")
    assert books(OPENED, missed, paid).apart() == NOUGHT


def test_a_row_that_a_late_fill_changed_is_written_anew_and_the_last_word_on_it_counts() -> None:
    wrong = evolve(MISSED, ours=D(1))
    folded = books(OPENED, wrong, FEE_MISSED)
    assert not folded.changed([row("1"), row("9", "8")]), "nothing new"
    changed = folded.changed([row("2.5"), row("9", "8")])
    assert changed == (evolve(wrong, ours=D("2.5")),)
    for differed in changed:
        folded.take(differed)
    assert folded.apart()["realised_pnl"] == D("0.5")
    (equal,) = folded.changed([row("3")])
    folded.take(equal)
    assert folded.apart()["realised_pnl"] == 0
    assert not folded.changed([row("1")]), "it stands no more"


def test_a_difference_whose_record_comes_back_from_the_journal_stands_once() -> None:
    assert books(OPENED, MISSED, FEE_MISSED, MISSED).apart()["realised_pnl"] == 3


def test_what_both_sides_have_is_explained_by_no_record() -> None:
    wrong = evolve(MISSED, ours=D(1))
    folded = books(OPENED, wrong, fill("7", Side.BUY, "1", "100"))
    assert folded.apart()["realised_pnl"] == 2


def test_other_assets_show_only_where_they_differ_and_other_venues_never() -> None:
    elsewhere = evolve(MISSED, key=Key("other", "BTCUSDT"))
    assert books(OPENED, elsewhere).apart() == NOUGHT
    bnb = evolve(FEE_MISSED, asset="BNB")
    assert books(OPENED, bnb).apart() == NOUGHT | {"commission BNB": D("-0.5")}
