"""The venue's own Python SDK trades at the local exchange, over REST and streams."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    PlaceMultipleOrdersBatchOrdersParameterInner as Batched,
)

pytestmark = pytest.mark.usefixtures("loopback_only")


@pytest.fixture(scope="module")
def rest(exchange: Any) -> Any:
    configuration = ConfigurationRestAPI(
        api_key=exchange.key, api_secret=exchange.secret, base_path=exchange.rest, timeout=5_000
    )
    return DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api


def far_bid(rest: Any, fraction: float = 0.97) -> float:
    mark = float(rest.symbol_order_book_ticker("BTCUSDT").data().actual_instance.bid_price)
    return round(mark * fraction, 1)


def test_rules_time_book_and_bars(rest: Any) -> None:
    symbols = {row.symbol: row for row in rest.exchange_information().data().symbols}
    assert symbols["BTCUSDT"].contract_type == "PERPETUAL"
    assert abs(rest.check_server_time().data().server_time - time.time() * 1_000) < 2_000
    book = rest.order_book("BTCUSDT", limit=10).data()
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    assert len(rest.kline_candlestick_data("BTCUSDT", "1h", limit=48).data()) == 48


def test_account_and_balance_agree(exchange: Any, rest: Any) -> None:
    (balance,) = rest.futures_account_balance_v3().data()
    account = rest.account_information_v3().data()
    assert float(balance.balance) == float(account.total_wallet_balance) == wallet(exchange)
    assert rest.futures_account_configuration().data().dual_side_position is False


def test_a_limit_order_is_placed_modified_and_cancelled(rest: Any) -> None:
    price = far_bid(rest)
    placed = rest.new_order(
        "BTCUSDT",
        "BUY",
        "LIMIT",
        time_in_force="GTX",
        quantity=0.01,
        price=price,
        new_client_order_id="sdk-1",
    ).data()
    assert placed.status == "NEW"
    modified = rest.modify_order(
        "BTCUSDT", "BUY", 0.02, price - 5, orig_client_order_id="sdk-1"
    ).data()
    assert (float(modified.orig_qty), float(modified.price)) == (0.02, price - 5)
    found = rest.query_order("BTCUSDT", orig_client_order_id="sdk-1").data()
    assert found.order_id == placed.order_id
    cancelled = rest.cancel_order("BTCUSDT", orig_client_order_id="sdk-1").data()
    assert cancelled.status == "CANCELED"
    with pytest.raises(BadRequestError, match="Unknown order sent"):
        rest.cancel_order("BTCUSDT", orig_client_order_id="sdk-1")


def test_a_market_order_answers_with_its_result_and_moves_the_position(rest: Any) -> None:
    bought = rest.new_order(
        "BTCUSDT", "BUY", "MARKET", quantity=0.01, new_order_resp_type="RESULT"
    ).data()
    assert bought.status == "FILLED"
    (position,) = rest.position_information_v3("BTCUSDT").data()
    assert float(position.position_amt) == 0.01
    (trade,) = rest.account_trade_list("BTCUSDT", order_id=bought.order_id).data()
    assert float(trade.commission) == pytest.approx(float(trade.quote_qty) * 0.0005)
    rest.new_order("BTCUSDT", "SELL", "MARKET", quantity=0.01, reduce_only="true")
    assert rest.position_information_v3("BTCUSDT").data() == []
    kinds = [row.income_type for row in rest.get_income_history(symbol="BTCUSDT").data()]
    assert kinds.count("COMMISSION") == 2
    assert kinds.count("REALIZED_PNL") == 1


def test_a_stop_goes_to_the_algo_service(rest: Any) -> None:
    stop = rest.new_algo_order(
        "CONDITIONAL",
        "BTCUSDT",
        "SELL",
        "STOP_MARKET",
        quantity=0.01,
        trigger_price=far_bid(rest),
        working_type="MARK_PRICE",
        client_algo_id="sdk-stop-1",
    ).data()
    assert stop.algo_status == "NEW"
    (waiting,) = rest.current_all_algo_open_orders(symbol="BTCUSDT").data()
    assert waiting.client_algo_id == "sdk-stop-1"
    rest.cancel_algo_order(client_algo_id="sdk-stop-1")
    assert rest.query_algo_order(client_algo_id="sdk-stop-1").data().algo_status == "CANCELED"
    with pytest.raises(BadRequestError, match="Algo Order API"):
        rest.new_order("BTCUSDT", "SELL", "STOP_MARKET", quantity=0.01)


def test_a_batch_answers_each_order_on_its_own(rest: Any) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    good = Batched(**order, quantity=0.01, price=far_bid(rest))
    small = Batched(**order, quantity=0.0, price=far_bid(rest))
    placed = rest.place_multiple_orders([good, small]).data()
    assert placed[0].status == "NEW"
    assert placed[1].code == -4003
    rest.cancel_all_open_orders("BTCUSDT")
    assert rest.current_all_open_orders("BTCUSDT").data() == []


def test_leverage_margin_type_and_brackets(rest: Any) -> None:
    assert rest.change_initial_leverage("ETHUSDT", 4).data().leverage == 4
    rest.change_margin_type("ETHUSDT", "ISOLATED")
    with pytest.raises(BadRequestError, match="No need to change margin type"):
        rest.change_margin_type("ETHUSDT", "ISOLATED")
    (settings,) = rest.symbol_configuration("ETHUSDT").data()
    assert (settings.leverage, settings.margin_type) == (4, "ISOLATED")


def test_user_stream_and_market_streams(exchange: Any, rest: Any) -> None:
    seen: list[Any] = []
    quotes: list[Any] = []

    async def stream() -> None:
        configuration = ConfigurationWebSocketStreams(stream_url=exchange.ws)
        client = DerivativesTradingUsdsFutures(config_ws_streams=configuration)
        connection = await client.websocket_streams.create_connection()
        try:
            key = (await asyncio.to_thread(rest.start_user_data_stream)).data().listen_key
            user = await connection.user_data(key)
            user.on("message", seen.append)
            book = await connection.individual_symbol_book_ticker_streams(symbol="btcusdt")
            book.on("message", quotes.append)
            while not quotes:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(rest.new_order, "BTCUSDT", "BUY", "MARKET", quantity=0.01)
            await asyncio.to_thread(rest.new_order, "BTCUSDT", "SELL", "MARKET", quantity=0.01)
            while sum(event_name(row) == "AccountUpdate" for row in seen) < 2:
                await asyncio.sleep(0.01)
        finally:
            await connection.close_connection(close_session=True)

    async def within() -> None:
        async with asyncio.timeout(20):
            await stream()

    asyncio.run(within())
    names = [event_name(row) for row in seen]
    assert names[:4] == ["OrderTradeUpdate", "TradeLite", "OrderTradeUpdate", "AccountUpdate"]
    assert float(quotes[0].b) < float(quotes[0].a)


def event_name(row: Any) -> str:
    return type(getattr(row, "actual_instance", row)).__name__


def test_the_ledger_tells_what_the_sdk_saw(exchange: Any, rest: Any) -> None:
    ledger = exchange.client().control("GET", "ledger").body
    seen = {str(row.id): row for row in rest.account_trade_list("BTCUSDT").data()}
    fills = {row["fill_id"]: row for row in ledger["fills"] if row["symbol"] == "BTCUSDT"}
    assert seen.keys() == fills.keys()
    for number, row in seen.items():
        assert fills[number]["order_id"] == str(row.order_id)
        assert float(fills[number]["price"]) == float(row.price)
        assert float(fills[number]["fee"]) == float(row.commission)
        assert fills[number]["time_ns"] == row.time * 1_000_000
    (balance,) = rest.futures_account_balance_v3().data()
    assert wallet(exchange) == float(balance.balance)


def wallet(exchange: Any) -> float:
    ledger = exchange.client().control("GET", "ledger").body
    return float(ledger["balances"]["binance"]["USDT"]["wallet"])
