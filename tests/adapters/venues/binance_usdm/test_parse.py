"""REST answers of the fact sheet → core types."""

from __future__ import annotations

import gzip
from decimal import Decimal as D
from pathlib import Path

import msgspec
import pytest

from adapters.venues.binance_usdm import parse_account, parse_market, parse_orders
from core.errors import FrameError
from core.income import Earned, Earning
from core.messages import Key, OrderStatus, OrderType, PositionSide, Side
from core.records import Transferred, WalletAdjusted
from tests.adapters.venues.binance_usdm import samples
from tests.adapters.venues.binance_usdm.samples import changed, raw

BTC = Key("binance", "BTCUSDT")
DATA = Path(__file__).parents[5] / "shared" / "data"


def test_an_instrument_takes_its_rules_from_the_filters_and_not_from_the_precisions() -> None:
    info = parse_market.exchange_info(raw(samples.EXCHANGE_INFO), "binance")
    (btc,) = info.instruments
    assert (btc.key, btc.base, btc.quote, btc.margin_asset) == (BTC, "BTC", "USDT", "USDT")
    assert (btc.tick_size, btc.lot_step) == (D("0.10"), D("0.001"))
    assert (btc.min_quantity, btc.max_quantity, btc.market_max_quantity) == (
        D("0.001"),
        D(1000),
        D(120),
    )
    assert (btc.min_notional, btc.min_price, btc.max_price) == (D(50), D("556.80"), D(4529764))
    assert (btc.price_up, btc.price_down) == (D("1.05"), D("0.95"))
    assert (btc.max_open_orders, btc.max_conditional_orders) == (200, 200)
    assert btc.trading
    assert info.limits == {"weight_1m": 6000, "orders_1m": 1200, "orders_10s": 300}


def test_one_unreadable_symbol_does_not_hide_the_others() -> None:
    (btc,) = samples.EXCHANGE_INFO["symbols"]
    odd = changed(btc, symbol="ODDUSDT", filters=btc["filters"][1:])
    future = changed(btc, symbol="BTCUSDT_261225", contractType="CURRENT_QUARTER")
    info = parse_market.exchange_info(
        raw(changed(samples.EXCHANGE_INFO, symbols=[odd, btc, future])), "binance"
    )
    assert [one.key.symbol for one in info.instruments] == ["BTCUSDT"]
    assert info.unreadable == ("exchangeInfo ODDUSDT PRICE_FILTER.tickSize: missing",)


def test_of_a_recorded_exchange_info_only_the_perpetual_without_a_tick_is_unreadable() -> None:
    path = DATA / "alphadogs" / "binance_um_exchangeInfo_20251126.json.gz"
    if not path.exists():
        pytest.skip(f"recorded exchangeInfo is not on this machine: {path}")
    recorded = gzip.decompress(path.read_bytes())
    info = parse_market.exchange_info(recorded, "binance")
    trading = {
        row["symbol"]
        for row in msgspec.json.decode(recorded)["symbols"]
        if row["contractType"] in ("PERPETUAL", "TRADIFI_PERPETUAL") and row["status"] == "TRADING"
    }
    assert info.unreadable == ("exchangeInfo OPENUSDT PRICE_FILTER.tickSize: not positive",)
    readable = {one.key.symbol for one in info.instruments if one.trading}
    assert readable == trading - {"OPENUSDT"}
    assert len(trading) > 400


def test_a_symbol_that_is_settling_is_known_but_not_open() -> None:
    (btc,) = samples.EXCHANGE_INFO["symbols"]
    settling = changed(samples.EXCHANGE_INFO, symbols=[changed(btc, status="SETTLING")])
    assert not parse_market.exchange_info(raw(settling), "binance").instruments[0].trading


@pytest.mark.parametrize("answer", [samples.BRACKETS, samples.BRACKETS[0]])
def test_brackets_come_as_a_list_or_an_object_and_keep_every_digit(answer: object) -> None:
    low, high = parse_market.brackets(raw(answer), BTC)
    assert (low.floor, low.cap, low.max_leverage) == (D(0), D(300000), 125)
    assert (high.maintenance_rate, high.deduction) == (D("0.005"), D("300.0"))


def test_brackets_of_another_symbol_are_refused() -> None:
    with pytest.raises(FrameError, match="nothing for ETHUSDT"):
        parse_market.brackets(raw(samples.BRACKETS), Key("binance", "ETHUSDT"))


def test_a_depth_snapshot() -> None:
    book = parse_market.book(raw(samples.DEPTH), BTC)
    assert book.last_id == 9331412345678
    assert (book.bids, book.asks) == (
        ((D("63100.00"), D("1.250")),),
        ((D("63100.10"), D("0.730")),),
    )
    assert book.event_ns == 1790000000449 * 10**6


def test_the_last_bar_is_open_until_its_minute_is_over() -> None:
    minute_ns = 60 * 10**9
    open_ns = samples.KLINE[0] * 10**6
    end_ns = open_ns + minute_ns
    (forming,) = parse_market.bars(raw([samples.KLINE]), BTC, minute_ns, end_ns - 1)
    (closed,) = parse_market.bars(raw([samples.KLINE]), BTC, minute_ns, end_ns)
    assert (forming.closed, closed.closed) == (False, True)
    assert (closed.open_ns, closed.open, closed.high, closed.low, closed.close, closed.volume) == (
        open_ns,
        D("63000.10"),
        D("63200.00"),
        D("62900.00"),
        D("63100.10"),
        D("12.345"),
    )


def test_a_mark_price_with_the_running_funding_rate() -> None:
    mark = parse_market.mark_price(raw(samples.PREMIUM), BTC)
    assert (mark.mark, mark.index, mark.funding_rate) == (
        D("63105.2"),
        D("63110.51"),
        D("0.0001"),
    )
    assert mark.next_funding_ns == 1790006400000 * 10**6


def test_a_commission_rate() -> None:
    rate = parse_market.commission(raw(samples.COMMISSION), BTC)
    assert (rate.maker, rate.taker) == (D("0.0002"), D("0.0005"))


def test_an_order_as_the_ack_states_it() -> None:
    order = parse_orders.order(raw(samples.ORDER), "binance")
    assert (order.key, order.client_order_id, order.order_id) == (BTC, "bot1-0001", "283194212345")
    assert (order.side, order.position_side, order.type) == (
        Side.BUY,
        PositionSide.BOTH,
        OrderType.LIMIT,
    )
    assert (order.status, order.price, order.quantity, order.filled) == (
        OrderStatus.NEW,
        D(62000),
        D("0.1"),
        D(0),
    )
    assert order.event_ns == 1790000000321 * 10**6


def test_ids_and_times_may_come_as_text_and_beyond_2_to_the_53() -> None:
    body = changed(samples.ORDER, orderId="8389765739703625592", updateTime="1790000000321")
    assert parse_orders.order(raw(body), "binance").order_id == "8389765739703625592"
    body = changed(samples.ORDER, orderId=8389765739703625592)
    assert parse_orders.order(raw(body), "binance").order_id == "8389765739703625592"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NEW", OrderStatus.NEW),
        ("PARTIALLY_FILLED", OrderStatus.PARTIALLY_FILLED),
        ("FILLED", OrderStatus.FILLED),
        ("CANCELED", OrderStatus.CANCELLED),
        ("REJECTED", OrderStatus.REJECTED),
        ("EXPIRED", OrderStatus.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderStatus.EXPIRED),
    ],
)
def test_each_status_word(word: str, status: OrderStatus) -> None:
    assert parse_orders.order(raw(changed(samples.ORDER, status=word)), "b").status is status


def test_the_order_a_stop_turned_into_keeps_the_type_it_was_placed_with() -> None:
    body = changed(samples.ORDER, type="MARKET", origType="STOP_MARKET")
    assert parse_orders.order(raw(body), "binance").type is OrderType.STOP_MARKET


def test_the_venues_own_liquidation_order_is_readable() -> None:
    body = changed(samples.ORDER, type="LIQUIDATION", origType="LIQUIDATION")
    assert parse_orders.order(raw(body), "binance").type is OrderType.LIMIT


@pytest.mark.parametrize(
    "broken",
    [
        changed(samples.ORDER, status="SLEEPING"),
        changed(samples.ORDER, side="HOLD"),
        changed(samples.ORDER, price="NaN"),
        changed(samples.ORDER, origQty="Infinity"),
        changed(samples.ORDER, updateTime=-5),
        changed(samples.ORDER, stopPrice="abc"),
        {key: value for key, value in samples.ORDER.items() if key != "orderId"},
        [samples.ORDER],
    ],
)
def test_an_order_that_breaks_the_protocol_is_refused(broken: object) -> None:
    with pytest.raises(FrameError):
        parse_orders.order(raw(broken), "binance")


def test_a_batch_answers_order_by_order() -> None:
    refusal = {"code": -2022, "msg": "ReduceOnly Order is rejected."}
    first, second, third = parse_orders.batch(
        raw([samples.ORDER, refusal, {"odd": 1}]), "binance", 3
    )
    assert getattr(first, "client_order_id", "") == "bot1-0001"
    assert second == parse_orders.Refusal(-2022, "ReduceOnly Order is rejected.")
    assert isinstance(third, FrameError)
    with pytest.raises(FrameError, match="1 answers to 2 orders"):
        parse_orders.batch(raw([samples.ORDER]), "binance", 2)


def test_a_conditional_order_waits_under_its_algo_id() -> None:
    waiting = parse_orders.conditional(raw(samples.ALGO), "binance")
    order = waiting.order
    assert (order.order_id, order.client_order_id, waiting.child_id) == ("2146760", "bot1-sl-1", "")
    assert (order.type, order.status, order.trigger_price, order.quantity) == (
        OrderType.STOP_MARKET,
        OrderStatus.NEW,
        D(60000),
        D("0.1"),
    )
    assert order.reduce_only


def test_a_list_may_name_the_type_differently() -> None:
    row = {key: value for key, value in samples.ALGO.items() if key != "orderType"}
    (found,) = parse_orders.conditionals(raw([row | {"type": "TAKE_PROFIT_MARKET"}]), "binance")
    assert found.order.type is OrderType.TAKE_PROFIT_MARKET


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        ("TRIGGERING", "0", OrderStatus.NEW),
        ("TRIGGERED", "0", OrderStatus.NEW),
        ("FINISHED", "0.100", OrderStatus.FILLED),
        ("FINISHED", "0.040", OrderStatus.CANCELLED),
        ("CANCELED", "0", OrderStatus.CANCELLED),
        ("REJECTED", "0", OrderStatus.REJECTED),
        ("EXPIRED", "0", OrderStatus.EXPIRED),
    ],
)
def test_each_algo_status(status: str, filled: str, expected: OrderStatus) -> None:
    body = changed(samples.ALGO, algoStatus=status, actualOrderId="974828", actualQty=filled)
    found = parse_orders.conditional(raw(body), "binance")
    assert (found.order.status, found.order.order_id) == (expected, "974828")


def test_a_fired_order_is_one_order_with_its_parents_identity_and_its_childs_state() -> None:
    fired = changed(samples.ALGO, algoStatus="TRIGGERED", actualOrderId="7")
    parent = parse_orders.conditional(raw(fired), "binance").order
    child = parse_orders.order(
        raw(changed(samples.ORDER, orderId=7, status="FILLED", executedQty="0.1", side="SELL")),
        "binance",
    )
    merged = parse_orders.merge(parent, child)
    assert (merged.client_order_id, merged.type, merged.price, merged.trigger_price) == (
        "bot1-sl-1",
        OrderType.STOP_MARKET,
        D(0),
        D(60000),
    )
    assert (merged.order_id, merged.status, merged.filled) == ("7", OrderStatus.FILLED, D("0.1"))


def test_a_cancelled_conditional_order_answers_with_its_state_or_without() -> None:
    bare = {"algoId": 2146760, "clientAlgoId": "x", "code": "200", "msg": "success"}
    assert parse_orders.cancelled_conditional(raw(bare), "binance") is None
    full = changed(samples.ALGO, algoStatus="CANCELED")
    order = parse_orders.cancelled_conditional(raw(full), "binance")
    assert order is not None
    assert order.status is OrderStatus.CANCELLED


def test_executions_come_oldest_first_and_a_positive_commission_is_a_cost() -> None:
    rows = [changed(samples.TRADE, id=9), samples.TRADE | {"id": 8, "commission": "-0.1"}]
    first, second = parse_orders.trades(raw(rows), "binance")
    assert [first.fill.fill_id, second.fill.fill_id] == ["8", "9"]
    assert (first.fill.fee, second.fill.fee) == (D("-0.1"), D("3.149"))
    assert (second.fill.price, second.fill.quantity, second.fill.maker) == (
        D(62980),
        D("0.1"),
        False,
    )


def test_income_of_fills_and_funding_is_named_after_what_it_is_of() -> None:
    rows = [
        changed(samples.INCOME, incomeType="COMMISSION", income="-0.1", tradeId=698759, tranId="1"),
        changed(samples.INCOME, incomeType="REALIZED_PNL", income="2", tradeId="698759", tranId=1),
        changed(samples.INCOME, incomeType="COMMISSION", income="-9", asset="BNB", tranId=2),
        changed(samples.INCOME, incomeType="TRANSFER", symbol=""),
        samples.INCOME,
    ]
    at_ns = 1789977600000 * 10**6
    assert parse_account.earned(parse_account.income(raw(rows)), "binance") == (
        Earned(BTC, Earning.COMMISSION, "USDT", "698759", D("-0.1"), at_ns),
        Earned(BTC, Earning.REALISED_PNL, "USDT", "698759", D(2), at_ns),
        Earned(BTC, Earning.COMMISSION, "BNB", "row 2", D("-9"), at_ns),
        Earned(BTC, Earning.FUNDING, "USDT", "9689322392", D("-0.63105000"), at_ns),
    )


def test_funding_rows_are_picked_from_income() -> None:
    rows = [changed(samples.INCOME, incomeType="COMMISSION"), samples.INCOME]
    (paid,) = parse_account.funding(parse_account.income(raw(rows)), "binance")
    assert (paid.key, paid.amount, paid.asset) == (BTC, D("-0.63105"), "USDT")
    assert (paid.funding_id, paid.time_ns) == ("9689322392", 1789977600000 * 10**6)


def test_bookings_are_what_no_fill_and_no_funding_settlement_tells_of() -> None:
    kinds = (
        "REALIZED_PNL",
        "TRANSFER",
        "INSURANCE_CLEAR",
        "COMMISSION",
        "FUNDING_FEE",
        "API_REBATE",
    )
    rows = [
        changed(samples.INCOME, incomeType=kind, symbol="", time=1789977600000 - number)
        for number, kind in enumerate(kinds)
    ]
    amount, at_ns = D("-0.63105"), 1789977600000 * 10**6
    assert parse_account.bookings(parse_account.income(raw(rows)), "binance") == (
        _adjusted("API_REBATE", at_ns - 5 * 10**6),
        _adjusted("INSURANCE_CLEAR", at_ns - 2 * 10**6),
        Transferred("binance", "USDT", amount, "TRANSFER:USDT:9689322392", at_ns - 10**6),
    )


def _adjusted(kind: str, at_ns: int) -> WalletAdjusted:
    name = f"{kind}:USDT:9689322392"
    return WalletAdjusted("binance", "USDT", D("-0.63105"), kind.lower(), name, at_ns)


def test_a_short_position_is_negative() -> None:
    row = changed(samples.POSITION, positionSide="SHORT", positionAmt="-0.5")
    (held,) = parse_account.positions(raw([row]), "binance")
    assert (held.position_side, held.quantity, held.entry_price) == (
        PositionSide.SHORT,
        D("-0.5"),
        D(62980),
    )
    assert held.mark == D(63105)


def test_the_account_joins_figures_and_settings() -> None:
    state = parse_account.account(raw(samples.ACCOUNT), raw(samples.ACCOUNT_CONFIG), "binance", 123)
    assert (state.available, state.initial_margin, state.maintenance_margin) == (
        D("9381.4"),
        D("631.1"),
        D("25.2442"),
    )
    assert (state.margin_balance, state.unrealised_pnl) == (D("10012.5"), D("12.5"))
    assert (state.hedge_mode, state.can_trade, state.event_ns) == (False, True, 123)
    assert [(one.asset, one.wallet) for one in state.balances] == [("USDT", D(10000))]


def test_leverage_and_margin_mode() -> None:
    settings = parse_account.symbol_settings(raw(samples.SYMBOL_CONFIG), BTC)
    assert (settings.leverage, settings.isolated) == (10, False)
    isolated = [changed(samples.SYMBOL_CONFIG[0], marginType="ISOLATED")]
    assert parse_account.symbol_settings(raw(isolated), BTC).isolated


def test_what_a_key_may_do() -> None:
    rights = parse_account.key_rights(raw(samples.RIGHTS))
    assert (rights.trade, rights.withdraw, rights.ip_restricted) == (True, False, True)


def test_a_listen_key_that_is_none_is_refused_without_quoting_it() -> None:
    assert parse_account.listen_key(b'{"listenKey":"abc123"}') == "abc123"
    with pytest.raises(FrameError) as caught:
        parse_account.listen_key(b'{"listenKey":"se cret/"}')
    assert "cret" not in str(caught.value)
