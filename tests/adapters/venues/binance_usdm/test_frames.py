"""Stream frames of the fact sheet → core events."""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from adapters.venues.binance_usdm.frames_account import AccountFrames, KeyExpired
from adapters.venues.binance_usdm.frames_market import MarketFrames
from core.errors import FrameError
from core.messages import (
    BalanceUpdated,
    Bar,
    BookDelta,
    Fill,
    Key,
    MarkPrice,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PositionReported,
    PositionSide,
    Quote,
    Side,
    Trade,
)
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.samples import changed, inner, wrapped

BTC = Key("binance", "BTCUSDT")
MS = 10**6
DATA = Path(__file__).parents[5] / "shared" / "data"


@pytest.fixture
def market() -> MarketFrames:
    return MarketFrames([BTC])


@pytest.fixture
def private() -> AccountFrames:
    return AccountFrames("binance")


def test_a_quote(market: MarketFrames) -> None:
    assert market.decode(wrapped(samples.BOOK_TICKER), 5) == Quote(
        BTC,
        D("63100.00"),
        D("1.250"),
        D("63100.10"),
        D("0.730"),
        9331412345678,
        1790000000456 * MS,
        5,
    )


def test_a_book_update(market: MarketFrames) -> None:
    assert market.decode(wrapped(samples.DEPTH_UPDATE), 5) == BookDelta(
        BTC,
        9331412345600,
        9331412345678,
        9331412345599,
        ((D("63100.00"), D("1.250")), (D("63099.90"), D(0))),
        ((D("63100.10"), D("0.730")),),
        1790000000549 * MS,
    )


def test_a_trade(market: MarketFrames) -> None:
    expected = Trade(BTC, 5933014, D("63100.10"), D("0.012"), True, 1790000000100 * MS)
    assert market.decode(wrapped(samples.AGG_TRADE), 5) == expected


def test_a_print_of_the_insurance_fund_is_no_market_trade(market: MarketFrames) -> None:
    print_ = changed(samples.AGG_TRADE, e="trade", t=7, X="INSURANCE_FUND")
    assert market.decode(wrapped(print_), 5) is None
    assert market.ignored == 1
    assert market.decode(wrapped(changed(print_, X="MARKET")), 5) is not None


def test_a_mark_price(market: MarketFrames) -> None:
    assert market.decode(wrapped(samples.MARK_PRICE), 5) == MarkPrice(
        BTC,
        D("63105.2"),
        D("63110.5"),
        D("0.0001"),
        1790006400000 * MS,
        1790000000000 * MS,
    )


def test_a_bar_that_is_still_forming(market: MarketFrames) -> None:
    assert market.decode(wrapped(samples.KLINE_EVENT), 5) == Bar(
        BTC,
        60 * 10**9,
        1789999980000 * MS,
        D(1),
        D(3),
        D("0.5"),
        D(2),
        D(10),
        closed=False,
    )


def test_events_without_the_fields_of_2026_are_understood(market: MarketFrames) -> None:
    old = {key: value for key, value in samples.BOOK_TICKER.items() if key not in ("ps", "st")}
    assert isinstance(market.decode(wrapped(old), 5), Quote)


@pytest.mark.parametrize(
    "event",
    [
        changed(samples.BOOK_TICKER, s="ETHUSDT"),
        {"e": "forceOrder", "E": 1, "o": {}},
        inner(samples.KLINE_EVENT, "k", i="5m"),
    ],
)
def test_what_was_not_asked_for_is_counted_and_left_out(
    market: MarketFrames, event: dict[str, Any]
) -> None:
    assert market.decode(wrapped(event), 5) is None
    assert market.ignored == 1


@pytest.mark.parametrize(
    "event",
    [
        changed(samples.BOOK_TICKER, b="NaN"),
        *(
            changed(samples.BOOK_TICKER, **{field: odd})
            for field in ("B", "A")
            for odd in ("NaN", "sNaN", "-Infinity", "1E+31", "1E-31")
        ),
        changed(samples.BOOK_TICKER, u="one"),
        changed(samples.DEPTH_UPDATE, b=[["63100", "Infinity"]]),
        changed(samples.DEPTH_UPDATE, a=[["63100"]]),
        changed(samples.AGG_TRADE, q=None),
        changed(samples.MARK_PRICE, r=""),
        inner(samples.KLINE_EVENT, "k", c="sNaN"),
        {"e": "bookTicker"},
        {"no": "event"},
    ],
)
def test_a_market_frame_that_breaks_the_protocol_is_refused(
    market: MarketFrames, event: dict[str, Any]
) -> None:
    with pytest.raises(FrameError):
        market.decode(wrapped(event), 5)


@pytest.mark.parametrize("name", ["btcusdt_20240718.gz", "btcusdt_20230404.dat.gz"])
def test_every_frame_of_a_recorded_session_is_understood(market: MarketFrames, name: str) -> None:
    path = DATA / "hftbacktest" / "usdm" / name
    if not path.exists():
        pytest.skip(f"the recorded session is not on this machine: {path}")
    kinds: Counter[type] = Counter()
    with gzip.open(path) as lines:
        for line in lines:
            raw = line.partition(b" ")[2]
            if b'"stream"' in raw[:12]:
                kinds[type(market.decode(raw, 0))] += 1
    assert kinds[Quote] > 5_000
    assert kinds[BookDelta] > 1_000
    assert kinds[Trade] > 100
    assert kinds[type(None)] == market.ignored
    assert market.ignored < sum(kinds.values()) / 100


def test_a_partial_fill_is_an_execution_and_the_orders_new_state(private: AccountFrames) -> None:
    fill, order = private.decode(wrapped(samples.ORDER_TRADE_UPDATE))
    assert fill == Fill(
        BTC,
        "698760",
        "283194212345",
        "bot1-0001",
        Side.BUY,
        PositionSide.BOTH,
        D("61999.50"),
        D("0.040"),
        D("0.49599600"),
        "USDT",
        True,
        1790000000321 * MS,
    )
    assert isinstance(order, OrderUpdated)
    assert (order.status, order.filled, order.quantity, order.price) == (
        OrderStatus.PARTIALLY_FILLED,
        D("0.04"),
        D("0.1"),
        D(62000),
    )
    assert (order.type, order.amended, order.reason) == (OrderType.LIMIT, False, "")


def test_an_order_without_an_execution_makes_no_fill(private: AccountFrames) -> None:
    event = inner(samples.ORDER_TRADE_UPDATE, "o", x="NEW", X="NEW", l="0", z="0", t=0, n=None)
    del event["o"]["N"]
    (order,) = private.decode(wrapped(event))
    assert isinstance(order, OrderUpdated)
    assert order.status is OrderStatus.NEW


def test_an_amendment_says_so(private: AccountFrames) -> None:
    event = inner(
        samples.ORDER_TRADE_UPDATE, "o", x="AMENDMENT", X="NEW", l="0", z="0", t=0, p="61950"
    )
    (order,) = private.decode(wrapped(event))
    assert isinstance(order, OrderUpdated)
    assert (order.amended, order.price, order.status) == (True, D(61950), OrderStatus.NEW)


def test_an_expiry_tells_its_reason(private: AccountFrames) -> None:
    event = inner(samples.ORDER_TRADE_UPDATE, "o", x="EXPIRED", X="EXPIRED_IN_MATCH", l="0", er="1")
    (order,) = private.decode(wrapped(event))
    assert isinstance(order, OrderUpdated)
    assert (order.status, order.reason) == (OrderStatus.EXPIRED, "self-trade prevention")


def test_a_liquidation_is_an_execution(private: AccountFrames) -> None:
    event = inner(samples.ORDER_TRADE_UPDATE, "o", x="CALCULATED", X="FILLED", c="autoclose-1", t=9)
    fill, _ = private.decode(wrapped(event))
    assert isinstance(fill, Fill)
    assert (fill.client_order_id, fill.fill_id) == ("autoclose-1", "9")


@pytest.mark.parametrize("change", [{"l": "0"}, {"t": 0}])
def test_an_execution_without_quantity_or_id_is_left_to_the_query(
    private: AccountFrames, change: dict[str, Any]
) -> None:
    event = inner(samples.ORDER_TRADE_UPDATE, "o", x="CALCULATED", X="FILLED", **change)
    (order,) = private.decode(wrapped(event))
    assert isinstance(order, OrderUpdated)


def test_balances_and_positions(private: AccountFrames) -> None:
    balance, position = private.decode(wrapped(samples.ACCOUNT_UPDATE))
    assert balance == BalanceUpdated(
        "binance", "USDT", D("9999.50400400"), "order", 1790000000321 * MS
    )
    assert position == PositionReported(
        BTC, PositionSide.BOTH, D("0.040"), D("61999.5"), 1790000000321 * MS
    )


def test_cross_funding_lists_a_balance_and_no_position(private: AccountFrames) -> None:
    event = inner(samples.ACCOUNT_UPDATE, "a", m="FUNDING_FEE")
    del event["a"]["P"]
    (balance,) = private.decode(wrapped(event))
    assert isinstance(balance, BalanceUpdated)
    assert balance.reason == "funding_fee"


def test_a_conditional_order_is_one_order_through_its_whole_life(private: AccountFrames) -> None:
    def algo(**changes: Any) -> tuple[object, ...]:
        return private.decode(wrapped(inner(samples.ALGO_UPDATE, "o", **changes)))

    (waiting,) = algo()
    triggering = inner(samples.ALGO_UPDATE, "o", X="TRIGGERING")
    for name in ("ap", "aq", "act"):
        del triggering["o"][name]
    (_,) = private.decode(wrapped(triggering))
    (fired,) = algo(X="TRIGGERED", ai="555", act="MARKET")
    child = inner(
        samples.ORDER_TRADE_UPDATE,
        "o",
        i=555,
        c="a-name-of-the-venue",
        o="MARKET",
        ot="MARKET",
        S="SELL",
        X="FILLED",
        l="0.100",
        z="0.100",
        p="0",
    )
    fill, filled = private.decode(wrapped(child))
    (finished,) = algo(X="FINISHED", ai="555", ap="59990", aq="0.100")
    for update in (waiting, fired, filled, finished):
        assert isinstance(update, OrderUpdated)
        assert (update.client_order_id, update.type) == ("bot1-sl-1", OrderType.STOP_MARKET)
        assert (update.trigger_price, update.price) == (D(60000), D(0))
    assert isinstance(fill, Fill)
    assert fill.client_order_id == "bot1-sl-1"
    ids = [getattr(update, "order_id", "") for update in (waiting, fired, filled, finished)]
    assert ids == ["2146760", "555", "555", "555"]
    assert getattr(finished, "status", None) is OrderStatus.FILLED


def test_an_unfilled_finish_leaves_the_end_to_the_plain_order(private: AccountFrames) -> None:
    event = inner(samples.ALGO_UPDATE, "o", X="FINISHED", ai="555", aq="0")
    assert private.decode(wrapped(event)) == ()


def test_a_refusal_at_the_trigger_carries_the_venues_words(private: AccountFrames) -> None:
    event = inner(samples.ALGO_UPDATE, "o", X="REJECTED", rm="Margin is insufficient.")
    (update,) = private.decode(wrapped(event))
    assert isinstance(update, OrderUpdated)
    assert (update.status, update.reason) == (OrderStatus.REJECTED, "Margin is insufficient.")


@pytest.mark.parametrize(
    "kind", ["TRADE_LITE", "MARGIN_CALL", "ACCOUNT_CONFIG_UPDATE", "GRID_UPDATE", "SOMETHING_NEW"]
)
def test_events_that_say_nothing_new_are_counted(private: AccountFrames, kind: str) -> None:
    assert private.decode(wrapped({"e": kind, "E": 1})) == ()
    assert private.ignored == {kind: 1}


def test_the_end_of_the_listen_key_ends_the_stream(private: AccountFrames) -> None:
    with pytest.raises(KeyExpired):
        private.decode(wrapped({"e": "listenKeyExpired", "E": 1, "listenKey": "secret"}))


@pytest.mark.parametrize(
    "event",
    [
        inner(samples.ORDER_TRADE_UPDATE, "o", X="DREAMING"),
        inner(samples.ORDER_TRADE_UPDATE, "o", l="NaN"),
        inner(samples.ORDER_TRADE_UPDATE, "o", i="x"),
        inner(samples.ACCOUNT_UPDATE, "a", B=[{"a": "USDT", "wb": "Infinity"}]),
        inner(samples.ACCOUNT_UPDATE, "a", P="none"),
        inner(samples.ALGO_UPDATE, "o", X="DREAMING"),
        inner(samples.ALGO_UPDATE, "o", q="many"),
        {"kind": "unknown"},
    ],
)
def test_a_private_frame_that_breaks_the_protocol_is_refused(
    private: AccountFrames, event: dict[str, Any]
) -> None:
    with pytest.raises(FrameError):
        private.decode(wrapped(event))
