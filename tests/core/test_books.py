"""The books: every record counted once, in any order, and the venue's late words kept in place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from core.books import Books
from core.errors import OutcomeUnknown, Rejected
from core.messages import (
    BalanceUpdated,
    Fill,
    FundingPaid,
    Key,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Side,
)
from core.positions import PositionBook
from core.records import (
    BooksOpened,
    HaltChanged,
    HostStarted,
    HostStopped,
    OrderGone,
    OrderIntended,
    SymbolOpened,
    Transferred,
    WalletAdjusted,
)
from core.risk.halt import Level

D = Decimal
BTC = Key("binance", "BTCUSDT")
ETH = Key("binance", "ETHUSDT")
OPENED = BooksOpened("binance", "USDT", D("10000"), (), 100)


def fill(number: int, quantity: str, price: str = "100", **changes: Any) -> Fill:
    """Buy a positive quantity, sell a negative one; fee 0.05 %; time = its number in ms."""
    size = D(quantity)
    made = Fill(
        BTC,
        str(number),
        f"o{number}",
        f"c{number}",
        Side.BUY if size > 0 else Side.SELL,
        PositionSide.BOTH,
        D(price),
        abs(size),
        abs(size) * D(price) * D("0.0005"),
        "USDT",
        False,
        1_000 + number,
    )
    return evolve(made, **changes)


def said(status: OrderStatus, filled: str = "0", at: int = 1, **changes: Any) -> OrderUpdated:
    made = OrderUpdated(
        BTC,
        "h-b-BTCUSDT-00",
        "77",
        Side.BUY,
        PositionSide.BOTH,
        OrderType.LIMIT,
        status,
        D("100"),
        D("2"),
        D(filled),
        at,
    )
    return evolve(made, **changes)


def placed(client_order_id: str = "h-b-BTCUSDT-00", **changes: Any) -> PlaceOrder:
    made = PlaceOrder(
        BTC,
        client_order_id,
        Side.BUY,
        PositionSide.BOTH,
        OrderType.LIMIT,
        D("2"),
        price=D("100"),
    )
    return evolve(made, **changes)


NEW, PART, FILLED, CANCELLED = (
    OrderStatus.NEW,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
)


def only_order(*records: object) -> dict[str, Any]:
    (row,) = Books(records).ledger()["orders"]
    return dict(row)


# Orders


def test_a_late_new_does_not_reopen_a_filled_order() -> None:
    row = only_order(said(FILLED, "2", at=5), said(NEW, at=1))
    assert (row["status"], row["filled"]) == ("filled", "2")


def test_a_late_partial_fill_does_not_shrink_what_is_filled() -> None:
    row = only_order(said(PART, "1.5", at=5), said(PART, "0.5", at=4))
    assert (row["status"], row["filled"]) == ("partially_filled", "1.5")


def test_a_cancelled_order_keeps_its_part_fill() -> None:
    row = only_order(said(PART, "0.5", at=2), said(CANCELLED, "0", at=3))
    assert (row["status"], row["filled"]) == ("cancelled", "0.5")


def test_of_two_ends_the_later_counts_however_they_arrive() -> None:
    ends = said(CANCELLED, "0", at=3), said(FILLED, "2", at=4)
    for records in (ends, ends[::-1], (*ends, ends[0])):
        row = only_order(*records)
        assert (row["status"], row["filled"]) == ("filled", "2")


def test_an_amendment_changes_price_and_quantity_and_its_older_word_does_not_undo_it() -> None:
    before = said(NEW, at=1)
    after = said(NEW, at=2, price=D("99"), quantity=D("3"), amended=True)
    for records in ((before, after), (before, after, before)):
        row = only_order(*records)
        assert (row["price"], row["quantity"]) == ("99", "3")


def test_an_older_word_heard_for_the_first_time_changes_nothing() -> None:
    row = only_order(said(PART, "0.5", at=2, price=D("99")), said(NEW, at=1))
    assert (row["status"], row["price"], row["filled"]) == ("partially_filled", "99", "0.5")


def test_an_amendment_within_the_same_instant_survives_a_repeated_acknowledgement() -> None:
    before = said(NEW, at=1)
    after = said(NEW, at=1, price=D("99"), amended=True)
    assert only_order(before, after, before)["price"] == "99"


def test_of_two_words_of_one_instant_the_one_after_the_amendment_counts() -> None:
    part = said(PART, "0.5", at=5)
    amended = said(PART, "0.5", at=5, price=D("99"), amended=True)
    more = said(PART, "0.7", at=5, price=D("99"))
    for records in ((part, amended), (amended, part), (amended, more, part), (more, part, amended)):
        row = only_order(*records)
        assert (row["price"], row["filled"]) == ("99", str(max(r.filled for r in records)))


def test_a_conditional_order_is_one_row_under_the_plain_order_it_turned_into() -> None:
    waiting = said(NEW, at=1, type=OrderType.STOP_MARKET, order_id="9", trigger_price=D("90"))
    fired = said(FILLED, "2", at=5, type=OrderType.MARKET, order_id="1234")
    row = only_order(waiting, fired)
    assert (row["type"], row["order_id"], row["status"]) == ("stop_market", "1234", "filled")


def test_the_plain_orders_id_stays_when_both_are_told_of_at_the_instant_it_fires() -> None:
    waiting = said(NEW, at=1, type=OrderType.STOP_MARKET, order_id="9")
    firing = evolve(waiting, event_ns=5)
    fired = evolve(firing, order_id="1234")
    for records in ((waiting, firing, fired), (waiting, fired, firing), (fired, firing, waiting)):
        assert only_order(*records)["order_id"] == "1234"


def test_a_fill_names_the_plain_order_even_when_an_older_word_comes_last() -> None:
    waiting = said(NEW, at=1, type=OrderType.STOP_MARKET, order_id="9", trigger_price=D("90"))
    done = fill(1, "2", client_order_id=waiting.client_order_id, order_id="1234")
    row = only_order(done, waiting)
    assert (row["order_id"], row["filled"], row["status"]) == ("1234", "2", "filled")


def test_an_order_refused_at_the_door_has_no_row() -> None:
    refusal = Rejected("Margin is insufficient.", venue="binance", code=-2019, http_status=400)
    books = Books(
        [
            OrderIntended(placed()),
            OrderRefused(BTC, placed().client_order_id, "place", refusal),
            said(OrderStatus.REJECTED, order_id="", client_order_id="h-b-BTCUSDT-10"),
        ]
    )
    assert books.ledger()["orders"] == []
    assert list(books.pending()) == []


def test_an_order_without_a_known_fate_is_pending_until_a_record_tells() -> None:
    unknown = OrderOutcomeUnknown(
        BTC, placed().client_order_id, "place", OutcomeUnknown("no answer", venue="binance")
    )
    started = [OrderIntended(placed()), unknown]
    assert list(Books(started).pending(BTC)) == [placed()]
    assert list(Books(started).pending(ETH)) == []
    assert list(Books([*started, said(NEW)]).pending()) == []
    gone = OrderGone(BTC, placed().client_order_id, "not found three times")
    assert list(Books([*started, gone]).pending()) == []


def test_a_refused_cancellation_does_not_end_the_order() -> None:
    refused = OrderRefused(BTC, placed().client_order_id, "cancel", Rejected("Unknown order sent."))
    books = Books([OrderIntended(placed()), refused])
    assert list(books.pending()) == [placed()]


def test_an_order_known_by_intent_and_fills_alone_has_a_row() -> None:
    done = fill(1, "0.5", client_order_id=placed().client_order_id, order_id="77")
    row = only_order(OrderIntended(placed()), done)
    assert (row["order_id"], row["status"], row["filled"]) == ("77", "partially_filled", "0.5")


def test_open_orders_are_those_that_may_still_fill() -> None:
    other = said(NEW, client_order_id="h-b-BTCUSDT-10", order_id="78")
    books = Books([said(NEW), other, said(CANCELLED, at=2)])
    assert [order.order_id for order in books.open_orders()] == ["78"]
    assert list(books.open_orders(ETH)) == []


# Fills, positions, wallets


def test_a_fill_counts_once_however_often_it_is_reported() -> None:
    books = Books([OPENED, fill(1, "2"), fill(1, "2"), fill(1, "2", maker=True)])
    assert len(books.ledger()["fills"]) == 1
    assert books.wallets.position(BTC, PositionSide.BOTH).quantity == D("2")


def test_the_same_fill_id_on_another_symbol_is_another_fill() -> None:
    books = Books([OPENED, fill(1, "2"), fill(1, "2", key=ETH)])
    assert len(books.ledger()["fills"]) == 2


def test_a_fill_that_comes_late_is_folded_in_its_place() -> None:
    fills = [fill(1, "1", "100"), fill(2, "-1", "110"), fill(3, "1", "120")]
    expected = Books([OPENED, *fills]).ledger()
    assert Books([OPENED, fills[2], fills[0], fills[1]]).ledger() == expected
    assert expected["positions"][0]["entry_price"] == "120"


def test_a_late_fill_changes_figures_that_were_read_before_it() -> None:
    fills = [fill(1, "1", "100"), fill(2, "-1", "110"), fill(3, "1", "120")]
    books = Books([OPENED])
    seen = []
    for one in (fills[0], fills[2], fills[1]):
        books.apply(one)
        seen.append(books.wallets.position(BTC, PositionSide.BOTH).entry_price)
    assert seen == [D("100"), D("110"), D("120")]
    assert books.wallets.realised("binance", "USDT") == D("10")


def test_money_that_the_opening_contains_is_not_counted_twice() -> None:
    def at(time_ns: int) -> list[object]:
        paid = FundingPaid(BTC, D("-1"), "USDT", f"f{time_ns}", time_ns)
        moved = Transferred("binance", "USDT", D("7"), f"t{time_ns}", time_ns)
        return [paid, moved]

    books = Books([OPENED, *at(OPENED.as_of_ns), *at(OPENED.as_of_ns + 1)])
    assert books.wallets.balances() == {("binance", "USDT"): D("10006")}
    assert books.wallets.made(BTC) == D("-1")


def test_the_wallet_is_opening_plus_realised_less_fees_plus_what_else_was_booked() -> None:
    books = Books(
        [
            OPENED,
            fill(1, "1", "100"),  # fee 0.05
            fill(2, "-1", "110"),  # fee 0.055, realised 10
            FundingPaid(BTC, D("-0.3"), "USDT", "f1", 2_000),
            FundingPaid(BTC, D("-0.3"), "USDT", "f1", 2_000),
            Transferred("binance", "USDT", D("500"), "t1", 2_100),
            Transferred("binance", "USDT", D("500"), "t1", 2_100),
            WalletAdjusted("binance", "USDT", D("-2"), "insurance_clear", "a1", 2_200),
            WalletAdjusted("binance", "USDT", D("-2"), "insurance_clear", "a1", 2_200),
            WalletAdjusted("binance", "USDT", D("-9"), "insurance_clear", "a0", 100),
        ]
    )
    assert books.wallets.balances() == {("binance", "USDT"): D("10507.595")}
    assert books.wallets.adjustments("binance", "USDT") == D("-2")
    assert books.wallets.realised("binance", "USDT") == D("10")
    assert books.wallets.fees("binance", "USDT") == D("0.105")
    assert books.wallets.funding("binance", "USDT") == D("-0.3")
    assert books.wallets.transfers("binance", "USDT") == D("500")
    assert books.wallets.made(BTC) == D("9.595")
    assert books.wallets.made(ETH) == D(0)


def test_a_fee_in_another_asset_leaves_the_margin_wallet_alone() -> None:
    bnb = BooksOpened("binance", "BNB", D("3"), (), 100)
    paid = fill(1, "1", fee=D("0.0002"), fee_asset="BNB")
    wallets = Books([OPENED, bnb, paid]).wallets.balances()
    assert wallets == {("binance", "USDT"): D("10000"), ("binance", "BNB"): D("2.9998")}


def test_a_wallet_whose_opening_is_unknown_is_not_shown_as_a_figure() -> None:
    assert Books([fill(1, "1")]).ledger()["balances"] == {}


def test_a_multiplier_contract_realises_its_size() -> None:
    terms = SymbolOpened(BTC, "USDT", D("0.001"))
    trades = [fill(1, "10", "100", fee=D(0)), fill(2, "-10", "200", fee=D(0))]
    for records in ([OPENED, terms, *trades], [*trades, terms, OPENED]):
        assert Books(records).wallets.balances() == {("binance", "USDT"): D("10001")}


def test_what_the_opening_contains_is_listed_but_not_counted_twice() -> None:
    held = PositionReported(BTC, PositionSide.BOTH, D("2"), D("100"), 1_001)
    opening = BooksOpened("binance", "USDT", D("9999.9"), (held,), 1_001)
    before, after = fill(1, "2", "100"), fill(2, "-2", "110", fee=D("0.11"))
    for records in ((opening, before, after), (before, opening, after), (after, before, opening)):
        books = Books(records)
        assert len(books.ledger()["fills"]) == 2
        assert books.ledger()["positions"] == []
        assert books.wallets.balances() == {("binance", "USDT"): D("10019.79")}


def test_opening_again_changes_nothing() -> None:
    later = BooksOpened("binance", "USDT", D("5"), (), 9_999)
    assert Books([OPENED, fill(1, "1"), later]).ledger() == Books([OPENED, fill(1, "1")]).ledger()


def test_the_venues_own_wallet_is_kept_beside_its_newest_word_counts_and_ours_stays() -> None:
    books = Books([OPENED, fill(1, "1", fee=D("0.05"))])
    books.apply(BalanceUpdated("binance", "USDT", D("9990"), "ORDER", 1_002))
    books.apply(BalanceUpdated("binance", "USDT", D("1"), "ORDER", 900))
    assert books.stated_wallets["binance", "USDT"].wallet == D("9990")
    assert books.wallets.balances() == {("binance", "USDT"): D("9999.95")}


def test_halt_and_host_are_as_last_recorded() -> None:
    latched = HaltChanged(Level.HALTED, "daily loss", "risk", 4, latched=True)
    books = Books([HostStarted("paper", "h1", "0.1.0"), latched, HostStopped("signal")])
    books.apply(HaltChanged(Level.RUNNING, "", "", 3))
    assert books.halt == latched
    assert books.stopped == HostStopped("signal")
    books.apply(HostStarted("paper", "h1", "0.1.0"))
    assert books.stopped is None


# Properties

QUANTITIES = st.integers(-30, 30).filter(bool).map(lambda n: str(D(n) / 10))
PRICES = st.integers(9_000, 11_000).map(lambda n: str(D(n) / 100))


@st.composite
def histories(draw: st.DrawFn) -> list[object]:
    """Draw a plausible life: opening, orders with updates of all ages, fills, money."""
    records: list[object] = [OPENED]
    for number in range(1, draw(st.integers(1, 12))):
        side = draw(st.sampled_from(PositionSide))
        key = draw(st.sampled_from([BTC, ETH]))
        client_order_id = f"h-b-X-{draw(st.integers(0, 3))}0"
        status = draw(st.sampled_from(OrderStatus))
        done = "2" if status is FILLED else draw(st.sampled_from(["0", "0.5", "1"]))
        records.append(OrderIntended(placed(client_order_id, key=key)))
        records.append(
            said(
                status,
                done,
                at=draw(st.integers(1, 3)),
                key=key,
                client_order_id=client_order_id,
                price=D(draw(PRICES)),
                amended=draw(st.booleans()),
                type=draw(st.sampled_from([OrderType.LIMIT, OrderType.STOP_MARKET])),
            )
        )
        records.append(
            fill(
                number,
                draw(QUANTITIES),
                draw(PRICES),
                key=key,
                position_side=side,
                client_order_id=client_order_id,
                time_ns=draw(st.integers(90, 110)),
            )
        )
        records.append(FundingPaid(key, D(number), "USDT", f"f{number}", 1_000))
    return records


@settings(max_examples=150, deadline=None)
@given(histories(), st.data())
def test_any_repetition_of_records_gives_the_same_ledger(
    records: list[object], data: st.DataObject
) -> None:
    repeated = list(records)
    for _ in range(data.draw(st.integers(1, 10))):
        source = data.draw(st.integers(0, len(repeated) - 1))
        repeated.insert(data.draw(st.integers(source, len(repeated))) + 1, repeated[source])
    assert Books(repeated).ledger() == Books(records).ledger()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(QUANTITIES, PRICES), min_size=1, max_size=15), st.data())
def test_fills_in_any_order_give_the_same_ledger(
    trades: list[tuple[str, str]], data: st.DataObject
) -> None:
    fills = [fill(number, *trade) for number, trade in enumerate(trades)]
    shuffled = data.draw(st.permutations([OPENED, *fills]))
    assert Books(shuffled).ledger() == Books([OPENED, *fills]).ledger()


@given(st.lists(st.tuples(QUANTITIES, PRICES), min_size=1, max_size=15))
def test_positions_are_those_of_the_position_book_and_money_adds_up(
    trades: list[tuple[str, str]],
) -> None:
    fills = [fill(number, *trade) for number, trade in enumerate(trades)]
    book, books = PositionBook(), Books([OPENED])
    money = OPENED.wallet
    for one in fills:
        books.apply(one)
        realised = book.apply(one)
        assert realised is not None
        money += realised - one.fee
    assert books.wallets.position(BTC, PositionSide.BOTH) == book.of(PositionSide.BOTH)
    assert books.wallets.balances()["binance", "USDT"] == money


@pytest.mark.parametrize("payload", ["text", 1, None])
def test_kinds_that_books_have_no_use_for_change_nothing(payload: object) -> None:
    assert Books([payload]).ledger() == Books().ledger()


@given(st.permutations(range(6)), st.integers(0, 7))
def test_settled_fills_leave_wallets_and_positions_as_they_were(
    order: list[int], settled: int
) -> None:
    fills = [fill(n, str(n + 1 if n % 3 else -n - 1), str(100 + n)) for n in range(6)]
    whole, lean = Books([OPENED]).wallets, Books([OPENED]).wallets
    for number in order:
        whole.take(fills[number])
        lean.take(fills[number])
    lean.settle(999 + settled)
    assert lean.balances() == whole.balances()
    assert list(lean.positions()) == list(whole.positions())
    assert len(list(lean.fills())) == max(0, 6 - settled)
    assert not any(lean.take(each) for each in fills)
    later = fill(9, "-1", "120")
    assert lean.take(later) and whole.take(later)
    assert lean.balances() == whole.balances()
