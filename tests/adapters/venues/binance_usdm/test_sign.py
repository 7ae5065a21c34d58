"""Signatures: the fact sheet's known answers B1 to B8."""

from __future__ import annotations

import pytest

from adapters.venues.binance_usdm.params import batch_of
from adapters.venues.binance_usdm.sign import encode, signature, signed
from core.secrets import Secret

FAPI = Secret("2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9")
SPOT = Secret("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
AFTER = "recvWindow=5000&timestamp=1591702613943"

KNOWN = {
    "B1 published": (
        FAPI,
        f"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&{AFTER}",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
    "B2 another order": (
        FAPI,
        f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=9000&{AFTER}",
        "ec11dcc17e67e47f0d3c3f513dfe9062307e37619c5c82ebaa8fe0bdf3d59519",
    ),
    "B3 query and body without a separator": (
        FAPI,
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC" + f"quantity=1&price=9000&{AFTER}",
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
    ),
    "B4 a symbol beyond ASCII": (
        FAPI,
        "symbol=%E6%B5%8B%E8%AF%95USDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
        f"&{AFTER}",
        "595347a593b79ee9c1223aec04176e779eacced2d4d47e441843821c0f5f5a17",
    ),
    "B5 published": (
        SPOT,
        "timestamp=1578963600000",
        "d84e6641b1e328e7b418fff030caed655c266299c9355e36ce801ed14631eed4",
    ),
    "B6 published, without a separator": (
        SPOT,
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
        "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
    ),
    "B7 a batch": (
        FAPI,
        "batchOrders=%5B%7B%22symbol%22%3A%22BTCUSDT%22%2C%22side%22%3A%22BUY%22%2C%22type%22%3A"
        "%22LIMIT%22%2C%22timeInForce%22%3A%22GTC%22%2C%22quantity%22%3A%220.001%22%2C%22price"
        f"%22%3A%229000%22%7D%5D&{AFTER}",
        "a4218bbf5b9204f0799858a39353c4fd98f9b12eb8a690ce3ee330efb328b65b",
    ),
    "B8 the WebSocket API": (
        FAPI,
        f"apiKey={KEY}&price=9000&quantity=1&recvWindow=5000&side=BUY&symbol=BTCUSDT"
        "&timeInForce=GTC&timestamp=1591702613943&type=LIMIT",
        "5b8fe2b962b8e1b2b82fb40e548d56147c2a8f835b5f1393ae4b4b90c38b527f",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_signature_equals_the_known_answer(name: str) -> None:
    secret, text, expected = KNOWN[name]
    assert signature(secret, text) == expected


def test_parameters_are_encoded_as_the_known_answers_transmit_them() -> None:
    order = [("symbol", "测试USDT"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTC")]
    order += [("quantity", "1"), ("price", "0.2"), ("recvWindow", "5000")]
    assert encode([*order, ("timestamp", "1591702613943")]) == KNOWN["B4 a symbol beyond ASCII"][1]
    batch = [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTC")]
    batch += [("quantity", "0.001"), ("price", "9000")]
    fields = [("batchOrders", batch_of([batch])), ("recvWindow", "5000")]
    assert encode([*fields, ("timestamp", "1591702613943")]) == KNOWN["B7 a batch"][1]


def test_the_signature_comes_last() -> None:
    expected = KNOWN["B5 published"][2]
    text = signed(SPOT, [("timestamp", "1578963600000")])
    assert text == f"timestamp=1578963600000&signature={expected}"
