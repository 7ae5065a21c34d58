"""ccxt's `binanceusdm`, a client that this project did not write, trades at the local exchange."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.pro
import pytest

BTC = "BTC/USDT:USDT"

pytestmark = pytest.mark.usefixtures("loopback_only")


def point(client: Any, exchange: Any) -> Any:
    """Send every host of a ccxt client to the local exchange."""
    for name, url in client.urls["api"].items():
        if isinstance(url, str):
            client.urls["api"][name] = exchange.rest + "/" + url.split("/", 3)[3]
    if "ws" in client.urls["api"]:
        client.urls["api"]["ws"] = {"linear": f"{exchange.ws}/ws"}
    return client


def settings(exchange: Any) -> dict[str, Any]:
    return {
        "apiKey": exchange.key,
        "secret": exchange.secret,
        "enableRateLimit": False,
        "options": {"fetchCurrencies": False},
    }


@pytest.fixture(scope="module")
def venue(exchange: Any) -> Iterator[Any]:
    client = point(ccxt.binanceusdm(settings(exchange)), exchange)
    client.session.trust_env = False
    client.load_markets()
    yield client
    client.cancel_all_orders(BTC)


@pytest.fixture
def price(venue: Any) -> float:
    """Return a resting bid's price, 3 % under the market."""
    return float(venue.price_to_precision(BTC, venue.fetch_ticker(BTC)["last"] * 0.97))


def test_markets_carry_the_venues_steps(venue: Any) -> None:
    market = venue.market(BTC)
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
    assert market["limits"]["cost"]["min"] == 50
    assert market["linear"] and market["swap"] and market["active"]


def test_market_data_is_coherent(venue: Any) -> None:
    book = venue.fetch_order_book(BTC, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    bars = venue.fetch_ohlcv(BTC, "5m", limit=300)
    assert len(bars) == 300
    assert {later[0] - earlier[0] for earlier, later in itertools.pairwise(bars)} == {300_000}
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in bars)
    assert venue.fetch_funding_rate(BTC)["fundingTimestamp"] > venue.milliseconds()
    assert venue.fetch_trades(BTC, limit=10)
    assert venue.fetch_mark_price(BTC)["markPrice"] > 0


def test_the_balance_is_what_the_ledger_says(exchange: Any, venue: Any) -> None:
    ledger = exchange.client().control("GET", "ledger").body
    wallet = float(ledger["balances"]["binance"]["USDT"]["wallet"])
    assert venue.fetch_balance()["USDT"]["total"] == pytest.approx(wallet)


def test_a_limit_order_is_placed_amended_queried_and_cancelled(venue: Any, price: float) -> None:
    order = venue.create_order(BTC, "limit", "buy", 0.01, price)
    assert order["status"] == "open"
    amended = venue.edit_order(order["id"], BTC, "limit", "buy", 0.02, price - 10)
    assert (amended["amount"], amended["price"]) == (0.02, price - 10)
    found = venue.fetch_order(order["id"], BTC)
    assert (found["amount"], found["price"], found["filled"]) == (0.02, price - 10, 0)
    assert [row["id"] for row in venue.fetch_open_orders(BTC)] == [order["id"]]
    assert venue.cancel_order(order["id"], BTC)["status"] == "canceled"
    assert venue.fetch_open_orders(BTC) == []
    with pytest.raises(ccxt.OrderNotFound):
        venue.cancel_order(order["id"], BTC)


def test_a_market_order_fills_and_makes_a_position_that_can_be_closed(venue: Any) -> None:
    venue.create_order(BTC, "market", "buy", 0.01)
    (position,) = venue.fetch_positions([BTC])
    assert (position["side"], position["contracts"]) == ("long", 0.01)
    (trade,) = venue.fetch_my_trades(BTC)
    assert trade["takerOrMaker"] == "taker"
    assert trade["fee"]["cost"] == pytest.approx(trade["cost"] * 0.0005)
    venue.create_order(BTC, "market", "sell", 0.01, params={"reduceOnly": True})
    assert venue.fetch_positions([BTC]) == []
    with pytest.raises(ccxt.BaseError, match="-2022"):
        venue.create_order(BTC, "market", "sell", 0.01, params={"reduceOnly": True})


def test_a_stop_waits_apart_from_the_plain_orders(venue: Any, price: float) -> None:
    stop = venue.create_order(
        BTC, "STOP_MARKET", "sell", 0.01, params={"stopPrice": price, "reduceOnly": True}
    )
    assert venue.fetch_open_orders(BTC) == []
    (waiting,) = venue.fetch_open_orders(BTC, params={"trigger": True})
    assert (waiting["id"], waiting["triggerPrice"]) == (stop["id"], price)
    venue.cancel_order(stop["id"], BTC, {"trigger": True})
    assert venue.fetch_open_orders(BTC, params={"trigger": True}) == []


def test_post_only_that_would_take_is_refused(venue: Any) -> None:
    ask = venue.fetch_order_book(BTC, 5)["asks"][0][0]
    above = float(venue.price_to_precision(BTC, ask * 1.01))
    with pytest.raises(ccxt.BaseError, match="-5022"):
        venue.create_order(BTC, "limit", "buy", 0.01, above, {"postOnly": True})


def test_leverage_and_margin_mode_are_set_and_read_back(venue: Any) -> None:
    venue.set_leverage(7, BTC)
    venue.set_margin_mode("isolated", BTC)
    assert venue.fetch_leverage(BTC)["longLeverage"] == 7
    assert venue.fetch_margin_mode(BTC)["marginMode"] == "isolated"
    venue.set_margin_mode("cross", BTC)
    tiers = venue.fetch_market_leverage_tiers(BTC)
    assert (tiers[0]["maxLeverage"], tiers[0]["maintenanceMarginRate"]) == (125, 0.004)


def test_a_batch_answers_each_order_on_its_own(venue: Any, price: float) -> None:
    good = {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
    placed = venue.create_orders([good, {**good, "amount": 0.0001 * 10, "price": price - 1}])
    assert [order["info"].get("status") for order in placed] == ["NEW", "NEW"]
    venue.cancel_orders([order["id"] for order in placed], BTC)
    assert venue.fetch_open_orders(BTC) == []


def test_streams_carry_the_book_the_trades_and_our_orders(exchange: Any, venue: Any) -> None:
    bid = float(venue.price_to_precision(BTC, venue.fetch_ticker(BTC)["last"] * 0.97))

    async def trade() -> tuple[Any, Any, Any]:
        client = point(ccxt.pro.binanceusdm(settings(exchange)), exchange)
        client.aiohttp_trust_env = False
        try:
            await client.load_markets()
            orders = asyncio.create_task(client.watch_orders(BTC))
            book = await client.watch_order_book(BTC)
            trades = await client.watch_trades(BTC)
            while True:  # the order must come after the private stream is there
                placed = await client.create_order(BTC, "limit", "buy", 0.01, bid)
                done, _ = await asyncio.wait({orders}, timeout=1)
                await client.cancel_order(placed["id"], BTC)
                if done:
                    return book, trades, orders.result()
        finally:
            await client.close()

    async def within() -> tuple[Any, Any, Any]:
        async with asyncio.timeout(20):
            return await trade()

    book, trades, orders = asyncio.run(within())
    assert book["bids"][0][0] < book["asks"][0][0]
    assert trades[0]["price"] > 0
    assert (orders[0]["price"], orders[0]["amount"]) == (bid, 0.01)
