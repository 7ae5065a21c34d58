"""Of old records only those may go that no start reads anything from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from core.errors import OutcomeUnknown, Rejected
from core.ids import make
from core.income import Earning
from core.messages import (
    BalanceUpdated,
    CancelOrder,
    FundingPaid,
    Key,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderStatus,
    PositionReported,
    PositionSide,
    Side,
)
from core.ports import Record
from core.records import (
    BooksOpened,
    BreakerChanged,
    CancelIntended,
    EquityMarked,
    FlattenChanged,
    HaltChanged,
    HostStarted,
    HostStopped,
    IncomeCompared,
    IncomeDiffered,
    JournalMended,
    OperatorCommanded,
    OrderGone,
    OrderIntended,
    Reconciled,
    StopTightened,
    SymbolOpened,
    ThrottleChanged,
    TradingPaused,
    Transferred,
    WalletAdjusted,
    WalletDiffered,
)
from core.retention import missed, needed
from core.risk.halt import Level
from tests.core.samples import BTC, D, fill, limit, said

OPENED = BooksOpened("binance", "USDT", D(100), (), 1)
NEW, CANCELLED, FILLED = OrderStatus.NEW, OrderStatus.CANCELLED, OrderStatus.FILLED


class Past:
    """Records in memory, as a journal has them."""

    def __init__(self, payloads: Iterable[object], keep: Iterable[int] | None = None) -> None:
        records = [
            Record(payload, 1_000 + number, key_of(payload), sequence=number)
            for number, payload in enumerate(payloads, start=1)
        ]
        self.records = [r for r in records if keep is None or r.sequence in set(keep)]

    def read(
        self, *, kinds: Sequence[type] = (), key: Key | None = None, after: int = 0
    ) -> Iterator[Record]:
        for record in self.records:
            fits = not kinds or type(record.payload) in kinds
            if fits and key in (None, record.key) and record.sequence > after:
                yield record


def key_of(payload: Any) -> Key | None:
    for name in ("order", "update"):
        payload = getattr(payload, name, payload)
    found = getattr(payload, "key", None)
    return found if isinstance(found, Key) else None


def order(number: int) -> Any:
    return limit(make("h", "b", "BTCUSDT", number))


def life(number: int, *ends: object) -> list[object]:
    return [OrderIntended(order(number)), OrderAcknowledged(said(order(number), NEW)), *ends]


def dropped(payloads: Sequence[object], later: Sequence[object] = ()) -> list[object]:
    """Return what need not stay; assert that nobody would miss it."""
    everything = [*payloads, *later]
    past = Past(everything)
    stays = needed(past.records[: len(payloads)], past.records[len(payloads) :])
    stays |= {len(payloads) + number + 1 for number in range(len(later))}
    assert missed(past, Past(everything, stays), "h") == ""
    return [payload for number, payload in enumerate(payloads, 1) if number not in stays]


NEWEST = life(99)
"""An order that is still open, with the highest number."""


@pytest.mark.parametrize(
    "ends",
    [
        (CancelIntended(CancelOrder(BTC, order(1).client_order_id)), said(order(1), CANCELLED, 5)),
        (OrderRefused(BTC, order(1).client_order_id, "cancel", Rejected("x")),
         said(order(1), OrderStatus.EXPIRED, 5)),
    ],
)  # fmt: skip
def test_an_order_that_ended_unfilled_goes_whole(ends: tuple[object, ...]) -> None:
    gone = life(1, *ends)
    assert dropped([OPENED, *gone, *NEWEST]) == gone


@pytest.mark.parametrize(
    "fate",
    [
        OrderRefused(BTC, order(1).client_order_id, "place", Rejected("no")),
        OrderGone(BTC, order(1).client_order_id, "asked"),
    ],
)
def test_an_order_that_never_got_there_goes(fate: object) -> None:
    unknown = OrderOutcomeUnknown(BTC, order(1).client_order_id, "place", OutcomeUnknown("?"))
    gone = [OrderIntended(order(1)), unknown, fate]
    assert dropped([*gone, *NEWEST]) == gone


@pytest.mark.parametrize(
    "stays",
    [
        life(1),
        [OrderIntended(order(1))],
        [OrderIntended(order(1)),
         OrderOutcomeUnknown(BTC, order(1).client_order_id, "place", OutcomeUnknown("?"))],
        life(1, said(order(1), FILLED, 5, filled=D(1))),
        life(1, said(order(1), CANCELLED, 5, filled=D("0.5"))),
        life(1, fill("1", Side.BUY, "0.5", "100", client_order_id=order(1).client_order_id),
             said(order(1), CANCELLED, 5)),
    ],
    ids=["open", "intended", "unknown", "filled", "partly", "fill"],
)  # fmt: skip
def test_an_order_that_is_open_unproven_or_filled_stays_whole(stays: list[object]) -> None:
    assert dropped([OPENED, *stays, *NEWEST]) == []


def test_an_order_that_a_later_record_mentions_stays_whole() -> None:
    ended = said(order(1), CANCELLED, 5)
    assert dropped([*life(1, ended), *NEWEST], [ended]) == []


def test_the_newest_number_of_each_bot_stays_so_that_no_id_is_used_twice() -> None:
    gone, newest = life(1, said(order(1), CANCELLED, 5)), life(2, said(order(2), CANCELLED, 5))
    other = limit(make("h", "x", "BTCUSDT", 1))
    others = [OrderIntended(other), said(other, NEW), said(other, CANCELLED, 5)]
    assert dropped([*gone, *newest, *others]) == gone


def test_another_programs_order_that_ended_goes() -> None:
    foreign = [said(limit("theirs"), NEW), said(limit("theirs"), CANCELLED, 5)]
    still = [said(limit("open"), NEW)]
    assert dropped([*foreign, *still]) == foreign


def equity(day: int) -> EquityMarked:
    return EquityMarked("binance", "USDT", day, D(1), D(1), D(0))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (BalanceUpdated("b", "USDT", D(1), "", 1), BalanceUpdated("b", "USDT", D(2), "", 2)),
        (PositionReported(BTC, PositionSide.LONG, D(1), D(1), 1),
         PositionReported(BTC, PositionSide.LONG, D(2), D(1), 2)),
        (HostStarted("paper", "h", "1"), HostStarted("paper", "h", "2")),
        (HostStopped("a"), HostStopped("b")),
        (equity(1), equity(2)),
        (BreakerChanged("b", "open", ""), BreakerChanged("b", "closed", "")),
        (Reconciled(BTC), Reconciled(BTC)),
        (Reconciled(BTC, ("x",)), Reconciled(BTC)),
    ],
)  # fmt: skip
def test_of_what_was_said_anew_the_last_word_stays(first: object, last: object) -> None:
    gone = dropped([first, last])
    assert len(gone) == 1
    assert gone[0] is first


def test_an_older_word_that_came_later_is_not_the_last() -> None:
    newer = BalanceUpdated("b", "USDT", D(2), "", 2)
    older = BalanceUpdated("b", "USDT", D(1), "", 1)
    assert dropped([newer, older]) == [older]


def test_words_on_different_matters_stay_side_by_side() -> None:
    assert (
        dropped([BalanceUpdated("b", "USDT", D(1), "", 1), BalanceUpdated("b", "X", D(1), "", 1)])
        == []
    )


@pytest.mark.parametrize(
    "payload",
    [
        OPENED,
        SymbolOpened(BTC, "USDT"),
        fill("1", Side.BUY, "1", "100"),
        FundingPaid(BTC, D(1), "USDT", "1", 1),
        Transferred("binance", "USDT", D(1), "1", 1),
        WalletAdjusted("binance", "USDT", D(1), "FEE", "1", 1),
        HaltChanged(Level.HALTED, "a", "b", 2, True),
        ThrottleChanged("", 50),
        TradingPaused("", True),
        FlattenChanged(BTC, True, "operator"),
        StopTightened(BTC, PositionSide.LONG, D(1), "x"),
    ],
    ids=lambda payload: type(payload).__name__,
)
def test_money_and_what_outlives_a_host_stay_always(payload: object) -> None:
    assert dropped([payload, HostStopped("x"), payload]) == []


def test_of_what_income_was_compared_up_to_the_newest_stays_and_each_difference() -> None:
    differed = IncomeDiffered(BTC, Earning.COMMISSION, "USDT", "7", D(1), None, 1)
    first, last = IncomeCompared("binance", 10), IncomeCompared("binance", 20)
    other = IncomeCompared("other", 5)
    assert dropped([first, differed, other, last]) == [first]


def test_what_is_only_for_people_goes() -> None:
    payloads = [
        OperatorCommanded("pause", "", ""),
        WalletDiffered("b", "U", D(1), D(2)),
        JournalMended(1, "", ()),
    ]
    assert dropped(payloads) == payloads


def test_a_reset_halt_still_clears_what_losses_were_measured_from() -> None:
    latched = HaltChanged(Level.HALTED, "loss", "risk", 2, True)
    reset = HaltChanged(Level.RUNNING, "reset", "operator", 3)
    assert dropped([equity(1), latched, reset, HostStopped("x")]) == []


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        (1, "balances"),
        (2, "fills"),
        (3, "open orders"),
        (4, "what risk remembers"),
        (5, "start and stop"),
    ],
)
def test_what_would_be_missed_is_named(lost: int, what: str) -> None:
    payloads = [
        OPENED,
        fill("1", Side.BUY, "1", "100", time_ns=5),
        said(order(3), NEW),
        ThrottleChanged("", 50),
        HostStarted("paper", "h", "1"),
    ]
    keep = [number for number in range(1, 6) if number != lost]
    assert missed(Past(payloads), Past(payloads, keep), "h") in (
        what,
        f"the book of {BTC}",
        "positions",
    )
