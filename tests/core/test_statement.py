"""A statement says what the books say, part by part, and only of its span."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from core.books import Books
from core.errors import OutcomeUnknown, Rejected
from core.flattening import next_slice
from core.guard_decisions import FlashEnded, ProtectionJudged, SizeJudged, SliceJudged
from core.income import Earning
from core.messages import (
    AmendOrder,
    CancelOrder,
    Fill,
    FundingPaid,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderStatus,
    PositionReported,
    PositionSide,
    Side,
)
from core.ports import Record
from core.protecting import protect
from core.records import (
    AmendIntended,
    BooksOpened,
    BreakerChanged,
    CancelIntended,
    FlattenChanged,
    HaltChanged,
    HostStarted,
    HostStopped,
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
from core.risk.halt import Level
from core.risk.liquidation_guard import Watched
from core.risk.portfolio import Sizing
from core.statement import SECTIONS, Statement
from core.statement_rows import Row
from tests.core.guard_samples import (
    CLOSE,
    FALL,
    NEAR,
    RULE,
    TIGHTEN,
    flash,
    liquidation,
    seen,
    working_stop,
)
from tests.core.samples import BTC, ETH, D, fill, limit, said

OPENED = BooksOpened("binance", "USDT", D(10_000), (), 10)
LAST = 2**63
Rows = dict[str, list[Row]]


def made(
    *payloads: object, from_ns: int = 0, to_ns: int = LAST, key: Any = BTC
) -> tuple[Statement, Rows]:
    statement = Statement(from_ns, to_ns)
    rows: Rows = {name: [] for name in SECTIONS}
    for number, payload in enumerate(payloads):
        record = Record(payload, 1_000 + number, key, "c", "actor", number + 1)
        for name, row in statement.take(record):
            rows[name].append(row)
    for name, row in statement.close():
        rows[name].append(row)
    for name, columns in SECTIONS.items():
        assert all(set(row) <= set(columns) for row in rows[name]), name
    return statement, rows


def trade(number: int, quantity: str, price: str, fee: str = "0.1", **changes: Any) -> Fill:
    size = D(quantity)
    side = Side.BUY if size > 0 else Side.SELL
    made = fill(str(number), side, str(abs(size)), price, fee=D(fee), time_ns=100 + number)
    return evolve(made, **changes)


def test_each_fill_says_what_it_realised_and_what_is_held_after_it() -> None:
    statement, rows = made(
        OPENED, trade(1, "2", "100"), trade(2, "-1", "110"), trade(3, "-1", "90")
    )
    assert [row["realised_pnl"] for row in rows["fills"]] == [D(0), D(10), D(-10)]
    held = [(row["quantity"], row["entry_price"]) for row in rows["positions"]]
    assert held == [(D(2), D(100)), (D(1), D(100)), (D(0), D(0))]
    assert [row["realised_pnl"] for row in rows["positions"]] == [D(0), D(10), D(0)]
    sums = statement.symbols[BTC]
    assert (sums.fills, sums.volume, sums.realised_pnl) == (3, D(400), D(0))
    assert (sums.fees, sums.net) == (D("0.3"), D("-0.3"))
    asset = statement.assets["binance", "USDT"]
    # From a peak of 9.8, two fees paid, down to −0.3.
    assert asset.max_drawdown == D("10.1")


def test_a_fill_that_comes_late_or_twice_is_in_its_place_and_counts_once() -> None:
    inorder = made(OPENED, trade(1, "2", "100"), trade(2, "-1", "110"), trade(3, "-1", "90"))
    late = made(
        trade(3, "-1", "90"), trade(1, "2", "100"), OPENED, trade(2, "-1", "110"),
        trade(1, "2", "100"),
    )  # fmt: skip
    assert late[1]["fills"] == inorder[1]["fills"]
    assert late[0].symbols[BTC].net == inorder[0].symbols[BTC].net


def test_what_the_opening_balance_contains_realises_nothing() -> None:
    held = (PositionReported(BTC, PositionSide.BOTH, D(3), D(100), 200),)
    opening = BooksOpened("binance", "USDT", D(1), held, 101)
    _, rows = made(opening, trade(1, "3", "100"), trade(2, "-3", "120"))
    assert [row["realised_pnl"] for row in rows["fills"]] == [D(0), D(60)]


def test_contracts_are_worth_their_multiplier_in_the_margin_asset() -> None:
    terms = SymbolOpened(BTC, "USDC", D("0.001"))
    opened = BooksOpened("binance", "USDC", D(1), (), 10)
    _, rows = made(OPENED, opened, terms, trade(1, "1000", "100"), trade(2, "-1000", "110"))
    assert [row["margin_asset"] for row in rows["fills"]] == ["USDC", "USDC"]
    assert rows["fills"][1]["realised_pnl"] == D(10)
    assert rows["fills"][1]["notional"] == D(110)


def test_a_fee_in_another_asset_is_that_assets() -> None:
    statement, _ = made(OPENED, trade(1, "1", "100", "0.01", fee_asset="BNB"))
    assert statement.symbols[BTC].fees == D(0)
    assert statement.assets["binance", "BNB"].fees == D("0.01")
    assert statement.assets["binance", "BNB"].net == D("-0.01")
    assert statement.assets["binance", "USDT"].net == D(0)


def test_only_the_span_is_told_but_positions_are_those_of_the_whole_past() -> None:
    payloads = (OPENED, trade(1, "2", "100"), trade(2, "-1", "110"), trade(3, "-1", "90"))
    statement, rows = made(*payloads, from_ns=102, to_ns=103)
    assert [row["fill_id"] for row in rows["fills"]] == ["2"]
    assert rows["positions"][0]["quantity"] == D(1)
    assert statement.symbols[BTC].realised_pnl == D(10)
    assert statement.assets["binance", "USDT"].max_drawdown == D(0)


def test_funding_and_transfers_count_once_and_only_funding_is_made() -> None:
    paid = FundingPaid(BTC, D(-3), "USDT", "7", 150)
    moved = Transferred("binance", "USDT", D(500), "7", 160)
    fee = WalletAdjusted("binance", "USDT", D(-2), "INSURANCE_CLEAR", "7", 170)
    statement, rows = made(OPENED, paid, moved, fee, paid, moved, fee)
    assert [row["amount"] for row in rows["funding"]] == [D(-3)]
    assert [(row["kind"], row["amount"]) for row in rows["transfers"]] == [
        ("transfer", D(500)),
        ("INSURANCE_CLEAR", D(-2)),
    ]
    asset = statement.assets["binance", "USDT"]
    assert (asset.funding, asset.transfers, asset.adjustments) == (D(-3), D(500), D(-2))
    assert (asset.net, asset.max_drawdown) == (D(-5), D(5))
    assert statement.symbols[BTC].net == D(-3)
    later, _ = made(OPENED, paid, moved, fee, from_ns=161)
    assert later.assets["binance", "USDT"].net == D(-2)
    assert later.assets["binance", "USDT"].transfers == D(0)


ORDER = limit("h-b-BTCUSDT-00")


@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        ((), "intended", ""),
        ((OrderRefused(BTC, ORDER.client_order_id, "place", Rejected("no")),), "refused", "no"),
        (
            (OrderOutcomeUnknown(BTC, ORDER.client_order_id, "place", OutcomeUnknown("?")),),
            "unknown",
            "?",
        ),
        ((OrderGone(BTC, ORDER.client_order_id, "asked"),), "never arrived", "asked"),
        ((OrderAcknowledged(said(ORDER, OrderStatus.NEW)),), "new", ""),
        (
            (
                said(ORDER, OrderStatus.NEW),
                said(ORDER, OrderStatus.EXPIRED, 5, reason="STP"),
                said(ORDER, OrderStatus.NEW, 2),
            ),
            "expired",
            "STP",
        ),
    ],
)
def test_an_order_says_what_became_of_it(
    fate: tuple[object, ...], status: str, reason: str
) -> None:
    statement, rows = made(OrderIntended(ORDER), *fate)
    (row,) = rows["orders"]
    assert (row["status"], row["reason"]) == (status, reason)
    assert (row["side"], row["price"], row["quantity"]) == ("buy", D(100), D(1))
    assert (row["time_ns"], row["updated_ns"]) == (1_000, 1_000 + len(fate))
    assert statement.symbols[BTC].orders == 1


def test_orders_are_told_of_by_when_they_were_meant() -> None:
    payloads = (OrderIntended(ORDER), said(ORDER, OrderStatus.NEW))
    assert made(*payloads, from_ns=1_001)[1]["orders"] == []
    assert len(made(*payloads, to_ns=1_001)[1]["orders"]) == 1


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (HaltChanged(Level.HALTED, "loss", "risk", 2, True), {"halted (latched)", "loss", "risk"}),
        (OperatorCommanded("throttle", "BTCUSDT", "50"), {"operator: throttle 50", "done"}),
        (OperatorCommanded("resume", "", "", "no"), {"operator: resume", "refused", "no"}),
        (JournalMended(5, "torn", ("f",)), {"5 records kept", "torn"}),
        (BreakerChanged("binance", "open", "errors"), {"breaker of binance", "open", "errors"}),
        (ThrottleChanged("BTCUSDT", 50), {"BTCUSDT", "50 %"}),
        (TradingPaused("BTCUSDT", True), {"BTCUSDT", "paused"}),
        (TradingPaused("", False), {"resumed"}),
        (FlattenChanged(BTC, True, "operator"), {"flatten", "BTCUSDT", "under way", "operator"}),
        (FlattenChanged(BTC, False, "operator"), {"flatten", "flat"}),
        (HostStarted("paper", "h1", "0.1"), {"started in paper mode", "h1, 0.1"}),
        (HostStopped("signal"), {"stopped", "signal"}),
    ],
)
def test_a_control_says_what_who_and_why(payload: object, words: set[str]) -> None:
    _, rows = made(payload)
    (row,) = rows["controls"]
    assert words <= set(row.values())
    assert row["time_ns"] == 1_000


AMENDED = AmendIntended(
    AmendOrder(BTC, ORDER.client_order_id, "77", Side.BUY, PositionSide.LONG, D(101), D(2))
)


SIDE = seen(naked_ns=0)
CLOSED = seen(hopeless="refused")
EXTRA = seen(held=evolve(SIDE.held, quantity=D(0)), stops=(working_stop("a"),))
NEARER = seen(liquidation=D("98.4"), stops=(working_stop("a"),), busy=True)
SLICE = (D(9), None, SIDE.instrument, D(100), RULE)
GUARDS: list[tuple[object, set[object]]] = [
    (
        flash(FALL, TIGHTEN),
        {
            "fast move",
            "the mark fell 310 bps from 100 to 96.9 within 2.0 s: entries pause, "
            "long stops 50 bps from the mark",
        },
    ),
    (
        flash(FALL, CLOSE, pausing=True),
        {"the mark fell 310 bps from 100 to 96.9 within 2.0 s: close 2 of long"},
    ),
    (FlashEnded(BTC, TIGHTEN, 1, 2, True), {"fast move over"}),
    (liquidation(NEAR, Watched(), 1), {"liquidation near: reduce", "long", D(1)}),
    (liquidation(evolve(NEAR, mark=D(57)), Watched(), 1), {"liquidation warning", "long"}),
    (
        SizeJudged(BTC, 50, Sizing(5, 10, 1), D(1), D("0.25")),
        {"entries at 25 % of full size", "volatility 10.00 % a day, throttle 50 %"},
    ),
    (ProtectionJudged(BTC, SIDE, protect(SIDE)), {"a stop is missing", "sell", D(2), D("98.5")}),
    (ProtectionJudged(BTC, CLOSED, protect(CLOSED)), {"close for want of a stop", "refused", D(2)}),
    (ProtectionJudged(BTC, EXTRA, protect(EXTRA)), {"stops too many", "a"}),
    (ProtectionJudged(BTC, NEARER, protect(NEARER)), {"stop before liquidation", D("98.9")}),
    (
        SliceJudged(BTC, PositionSide.LONG, Side.SELL, *SLICE, next_slice(Side.SELL, *SLICE)),
        {"close a slice", "sell", "of 9", D(9)},
    ),
]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (OrderIntended(ORDER), {"place", "buy", "limit", "entry", D(100)}),
        (AMENDED, {"amend", "buy", D(101), D(2)}),
        (CancelIntended(CancelOrder(BTC, "c")), {"cancel"}),
        (OrderRefused(BTC, "c", "amend", Rejected("no")), {"amend refused", "Rejected: no"}),
        (OrderOutcomeUnknown(BTC, "c", "cancel", OutcomeUnknown("?")), {"cancel unknown", "?"}),
        (OrderGone(BTC, "c", "asked twice"), {"never arrived", "asked twice"}),
        (StopTightened(BTC, PositionSide.LONG, D(90), "flash"), {"tighten stop", D(90), "flash"}),
        *GUARDS,
        (Reconciled(BTC, ("a", "b")), {"compared with the venue", "a; b"}),
        (Reconciled(BTC), {"compared with the venue", "no difference"}),
        (WalletDiffered("binance", "USDT", D(1), D(2)), {"USDT: ours 1, the venue's 2"}),
        (
            IncomeDiffered(BTC, Earning.COMMISSION, "USDT", "7", None, D("-0.5"), 1),
            {"income differs", "commission of 7: ours nothing, the venue's -0.5 USDT"},
        ),
        (
            IncomeDiffered(BTC, Earning.COMMISSION, "USDT", "7", D("-0.5"), D("-0.5"), 1),
            {"income agrees after all", "commission of 7: ours -0.5, the venue's -0.5 USDT"},
        ),
    ],
)
def test_a_decision_says_what_and_why(payload: object, words: set[object]) -> None:
    _, rows = made(payload)
    (row,) = rows["decisions"]
    assert words <= set(row.values())
    assert (row["actor"], row["client_order_id"], row["symbol"]) == ("actor", "c", "BTCUSDT")


trades = st.lists(
    st.tuples(
        st.sampled_from([BTC, ETH]),
        st.sampled_from(list(PositionSide)),
        st.integers(-5, 5).filter(bool),
        st.integers(90, 110),
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(trades, st.randoms(use_true_random=False))
def test_the_sums_are_those_of_the_books(found: list[Any], random: Any) -> None:
    fills = [
        trade(number, str(size), str(price), key=key, position_side=side)
        for number, (key, side, size, price) in enumerate(found)
    ]
    paid = [FundingPaid(BTC, D(number), "USDT", str(number), 500) for number in (1, -2)]
    payloads: list[object] = [*fills, *paid]
    random.shuffle(payloads)
    statement, rows = made(OPENED, *payloads)
    books = Books([OPENED, *payloads])
    asset = ("binance", "USDT")
    net = sum((sums.net for sums in statement.symbols.values()), D(0))
    assert OPENED.wallet + net == books.wallets.balances()[asset]
    assert len(rows["fills"]) == len(fills)
    if asset in statement.assets:
        assert statement.assets[asset].net == net
    last = {(row["symbol"], row["position_side"]): row["quantity"] for row in rows["positions"]}
    for key, position in books.wallets.positions():
        assert last.get((key.symbol, position.side.value), D(0)) == position.quantity
