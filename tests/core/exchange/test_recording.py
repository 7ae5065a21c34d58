"""A recorded market played into the exchange: passive fills are backed by recorded trades."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from decimal import Decimal as D
from pathlib import Path

import pytest

from core.exchange import OrderChanged, Refusal
from core.messages import BookDelta, BookSnapshot, MarketEvent, Quote, Trade

PATH = Path(__file__).parents[4] / "shared/data/hftbacktest/usdm/btcusdt_20240718.gz"
MS = 1_000_000


def levels(rows):
    return tuple((D(price), D(quantity)) for price, quantity in rows)


def event_of(key, message) -> MarketEvent | None:
    if "lastUpdateId" in message:
        bids, asks = levels(message["bids"]), levels(message["asks"])
        return BookSnapshot(key, message["lastUpdateId"], bids, asks, message["T"] * MS)
    at_ns = message["T"] * MS
    match message["e"]:
        case "depthUpdate":
            ids = message["U"], message["u"], message["pu"]
            return BookDelta(key, *ids, levels(message["b"]), levels(message["a"]), at_ns)
        case "bookTicker":
            figures = (D(message[name]) for name in "bBaA")
            return Quote(key, *figures, message["u"], at_ns, at_ns)
        case "trade" if message["X"] == "MARKET":
            price, quantity = D(message["p"]), D(message["q"])
            return Trade(key, message["t"], price, quantity, message["m"], at_ns)
    return None


@pytest.fixture(scope="module")
def recording():
    if not PATH.exists():
        pytest.skip(f"the recording {PATH} is not on this machine")
    with gzip.open(PATH, "rt") as lines:
        messages = [json.loads(line.split(" ", 1)[1]) for line in lines]
    return [message.get("data", message) for message in messages]


def test_every_passive_fill_has_its_trade_and_no_taker_fill_is_better_than_the_top(
    make, recording, instrument
):
    rig = make(balance="1000000")
    exchange, key = rig.exchange, instrument.key
    makers = takers = number = 0
    next_order_ns = 0
    for message in recording:
        event = event_of(key, message)
        if event is None:
            continue
        rig.now_ns = max(rig.now_ns, event.event_ns)
        for change in exchange.on_market(event, rig.now_ns):
            if not isinstance(change, OrderChanged) or change.trade is None:
                continue
            fill = change.trade.fill
            makers += 1
            assert fill.maker
            assert isinstance(event, Trade)
            assert fill.side.sign * (fill.price - event.price) >= 0
            assert fill.quantity <= event.quantity
        book = exchange.book(key.symbol)
        if not book.synced or rig.now_ns < next_order_ns:
            continue
        next_order_ns = rig.now_ns + 200 * MS
        number += 1
        exchange.cancel_all(key.symbol, rig.now_ns)
        bid, ask = exchange.quote(key.symbol).bid, exchange.quote(key.symbol).ask
        for side, price in (("buy", bid), ("sell", ask)):
            with suppress(Refusal):
                rig.place(side, "0.02", str(price), tif="post_only")
        if number % 10 == 0:
            for side in ("buy", "sell"):
                before = len(rig.fills())
                rig.place(side, "0.5")
                for fill in rig.fills()[before:]:
                    takers += 1
                    worse = fill.price - ask if side == "buy" else bid - fill.price
                    assert worse >= 0
    assert exchange.book_errors(key.symbol) == (0, "")
    assert makers > 20
    assert takers > 20
    assert rig.wallet() + sum(exchange.pools().values()) == 0
