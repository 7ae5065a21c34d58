"""Whatever bytes come, parsers return or raise `FrameError`: nothing else reaches an actor."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.venues.binance_usdm import parse_account, parse_market, parse_orders
from adapters.venues.binance_usdm.frames_account import AccountFrames, KeyExpired
from adapters.venues.binance_usdm.frames_market import MarketFrames
from core.errors import FrameError
from core.messages import Key
from tests.adapters.venues.binance_usdm import samples

BTC = Key("binance", "BTCUSDT")

PARSERS: dict[str, tuple[Callable[[bytes], object], Any]] = {
    "time": (parse_market.server_time_ns, {"serverTime": 1790000000123}),
    "exchange info": (lambda raw: parse_market.exchange_info(raw, "b"), samples.EXCHANGE_INFO),
    "depth": (lambda raw: parse_market.book(raw, BTC), samples.DEPTH),
    "bars": (lambda raw: parse_market.bars(raw, BTC, 60 * 10**9, 0), [samples.KLINE]),
    "mark": (lambda raw: parse_market.mark_price(raw, BTC), samples.PREMIUM),
    "brackets": (lambda raw: parse_market.brackets(raw, BTC), samples.BRACKETS),
    "commission": (lambda raw: parse_market.commission(raw, BTC), samples.COMMISSION),
    "order": (lambda raw: parse_orders.order(raw, "b"), samples.ORDER),
    "orders": (lambda raw: parse_orders.orders(raw, "b"), [samples.ORDER]),
    "batch": (lambda raw: parse_orders.batch(raw, "b", 1), [samples.ORDER]),
    "conditional": (lambda raw: parse_orders.conditional(raw, "b"), samples.ALGO),
    "conditionals": (lambda raw: parse_orders.conditionals(raw, "b"), [samples.ALGO]),
    "cancelled": (lambda raw: parse_orders.cancelled_conditional(raw, "b"), samples.ALGO),
    "trades": (lambda raw: parse_orders.trades(raw, "b"), [samples.TRADE]),
    "funding": (
        lambda raw: parse_account.funding(parse_account.income(raw), "b"),
        [samples.INCOME],
    ),
    "earned": (
        lambda raw: parse_account.earned(parse_account.income(raw), "b"),
        [samples.INCOME | {"incomeType": "COMMISSION", "tradeId": 7}],
    ),
    "bookings": (
        lambda raw: parse_account.bookings(parse_account.income(raw), "b"),
        [samples.INCOME | {"incomeType": "TRANSFER"}],
    ),
    "positions": (lambda raw: parse_account.positions(raw, "b"), [samples.POSITION]),
    "account": (
        lambda raw: parse_account.account(raw, samples.raw(samples.ACCOUNT_CONFIG), "b", 0),
        samples.ACCOUNT,
    ),
    "account config": (
        lambda raw: parse_account.account(samples.raw(samples.ACCOUNT), raw, "b", 0),
        samples.ACCOUNT_CONFIG,
    ),
    "symbol config": (lambda raw: parse_account.symbol_settings(raw, BTC), samples.SYMBOL_CONFIG),
    "rights": (parse_account.key_rights, samples.RIGHTS),
    "confirmation": (parse_account.confirmation, {"code": 200, "msg": "success"}),
    "countdown": (
        lambda raw: parse_account.countdown_set(raw, 5),
        {"symbol": "BTCUSDT", "countdownTime": "5"},
    ),
    "leverage": (lambda raw: parse_account.leverage_set(raw, 3), {"leverage": 3}),
    "listen key": (parse_account.listen_key, {"listenKey": "abc"}),
}
FRAMES = [
    samples.BOOK_TICKER,
    samples.DEPTH_UPDATE,
    samples.AGG_TRADE,
    samples.MARK_PRICE,
    samples.KLINE_EVENT,
    samples.ORDER_TRADE_UPDATE,
    samples.ACCOUNT_UPDATE,
    samples.ALGO_UPDATE,
]

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["NaN", "sNaN", "-Infinity", "1e999999999", "", " ", "1_0", "٣", "0x1"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def broken(value: Any, data: st.DataObject) -> Any:
    """Replace one place of a sample, anywhere in it, by something odd."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: broken(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], broken(value[place], data), *value[place + 1 :]]
    return data.draw(odd)


@pytest.mark.parametrize("name", PARSERS)
@given(raw=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_in_an_answer(name: str, raw: bytes) -> None:
    parse, _ = PARSERS[name]
    with suppress(FrameError):
        parse(raw)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_any_broken_place_of_an_answer(name: str, data: st.DataObject) -> None:
    parse, sample = PARSERS[name]
    raw = json.dumps(broken(sample, data)).encode()
    with suppress(FrameError):
        parse(raw)


def decode_both(raw: bytes) -> None:
    with suppress(FrameError):
        MarketFrames([BTC]).decode(raw, 0)
    with suppress(FrameError, KeyExpired):
        AccountFrames("binance").decode(raw)


@given(raw=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_in_a_frame(raw: bytes) -> None:
    decode_both(raw)
    decode_both(b'{"stream":"x","data":' + raw + b"}")


@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_any_broken_place_of_a_frame(data: st.DataObject) -> None:
    frame = {"stream": "x", "data": data.draw(st.sampled_from(FRAMES))}
    decode_both(json.dumps(broken(frame, data)).encode())


def test_a_frame_nested_without_end_is_refused() -> None:
    decode_both(b'{"data":' + b"[" * 200_000)
    decode_both(b'{"data":{"e":"bookTicker","x":' + b'{"a":' * 200_000)
    with pytest.raises(FrameError):
        parse_orders.order(b"[" * 200_000, "b")
