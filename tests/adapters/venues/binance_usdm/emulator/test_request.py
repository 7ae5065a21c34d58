"""Signatures over the transmitted bytes, timestamps and parameters (fact sheet §2)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapters.venues.binance_usdm.emulator.errors import ApiError
from adapters.venues.binance_usdm.emulator.request import (
    Parameters,
    check_key,
    check_signature,
    check_time,
    parse,
)

FAPI = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
SPOT = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
TAIL = "recvWindow=5000&timestamp=1591702613943"
KNOWN = {
    "B1": (
        FAPI,
        f"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&{TAIL}",
        "",
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
    "B2": (
        FAPI,
        f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=9000&{TAIL}",
        "",
        "ec11dcc17e67e47f0d3c3f513dfe9062307e37619c5c82ebaa8fe0bdf3d59519",
    ),
    "B3": (
        FAPI,
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC",
        f"quantity=1&price=9000&{TAIL}",
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
    ),
    "B4": (
        FAPI,
        "symbol=%E6%B5%8B%E8%AF%95USDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2&"
        + TAIL,
        "",
        "595347a593b79ee9c1223aec04176e779eacced2d4d47e441843821c0f5f5a17",
    ),
    "B5": (
        SPOT,
        "timestamp=1578963600000",
        "",
        "d84e6641b1e328e7b418fff030caed655c266299c9355e36ce801ed14631eed4",
    ),
    "B6": (
        SPOT,
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC",
        "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
    ),
    "B7": (
        FAPI,
        "batchOrders=%5B%7B%22symbol%22%3A%22BTCUSDT%22%2C%22side%22%3A%22BUY%22%2C%22type%22%3A"
        "%22LIMIT%22%2C%22timeInForce%22%3A%22GTC%22%2C%22quantity%22%3A%220.001%22%2C%22price%22"
        f"%3A%229000%22%7D%5D&{TAIL}",
        "",
        "a4218bbf5b9204f0799858a39353c4fd98f9b12eb8a690ce3ee330efb328b65b",
    ),
}


def code(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, int]:
    return error.value.status, error.value.code


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("place", ["query", "body"])
def test_published_signatures_are_accepted(name: str, place: str) -> None:
    secret, query, body, signature = KNOWN[name]
    if place == "query":
        query = f"{query}&signature={signature}"
    else:
        body = f"{body}&signature={signature}" if body else f"signature={signature.upper()}"
    _, signed = parse(query.encode(), body.encode())
    check_signature(signed, secret)


def test_the_broken_example_of_the_venues_page_is_refused() -> None:
    secret, query, body, _ = KNOWN["B3"]
    wrong = "f9d0ae5e813ef6ccf15c2b5a434047a0181cb5a342b903b367ca6d27a66e36f2"
    _, signed = parse(query.encode(), f"{body}&signature={wrong}".encode())
    with pytest.raises(ApiError) as error:
        check_signature(signed, secret)
    assert code(error) == (400, -1022)


def test_a_signature_counts_for_the_bytes_as_sent_not_for_their_meaning() -> None:
    secret, query, _, signature = KNOWN["B1"]
    same_meaning = query.replace("symbol=BTCUSDT", "symbol=%42TCUSDT")
    parameters, signed = parse(f"{same_meaning}&signature={signature}".encode(), b"")
    assert parameters.text("symbol") == "BTCUSDT"
    with pytest.raises(ApiError) as error:
        check_signature(signed, secret)
    assert code(error) == (400, -1022)


def test_a_missing_signature_is_a_missing_parameter() -> None:
    _, signed = parse(b"timestamp=1", b"")
    with pytest.raises(ApiError) as error:
        check_signature(signed, FAPI)
    assert code(error) == (400, -1102)


def test_where_query_and_body_differ_the_query_wins() -> None:
    parameters, _ = parse(b"symbol=BTCUSDT", b"symbol=ETHUSDT&side=BUY")
    assert (parameters.text("symbol"), parameters.text("side")) == ("BTCUSDT", "BUY")


@pytest.mark.parametrize(
    ("sent", "window", "refused"),
    [
        (1_000_000, 5_000, 0),
        (995_000, 5_000, 0),
        (994_999, 5_000, -1021),
        (1_000_999, 5_000, 0),
        (1_001_000, 5_000, -1021),
        (940_000, 60_000, 0),
        (1_000_000, 60_001, -1131),
        (999_999, 0, -1021),
    ],
)
def test_the_window_of_a_timestamp(sent: int, window: int, refused: int) -> None:
    parameters = Parameters({"timestamp": str(sent), "recvWindow": str(window)})
    if not refused:
        check_time(parameters, 1_000_000)
        return
    with pytest.raises(ApiError) as error:
        check_time(parameters, 1_000_000)
    assert code(error) == (400, refused)


@pytest.mark.parametrize("sent", ["", "soon", "1e12", "-", "٣"])
def test_a_timestamp_that_is_no_number_is_a_missing_parameter(sent: str) -> None:
    with pytest.raises(ApiError) as error:
        check_time(Parameters({"timestamp": sent}), 1_000_000)
    assert code(error) == (400, -1102)


@pytest.mark.parametrize(
    ("sent", "refused"), [(None, -2014), ("", -2014), ("a b", -2014), ("other", -2015), ("k", 0)]
)
def test_keys(sent: str | None, refused: int) -> None:
    if not refused:
        check_key(sent, "k")
        return
    with pytest.raises(ApiError) as error:
        check_key(sent, "k")
    assert code(error) == (401, refused)


def test_names_match_without_case_and_values_are_read_strictly() -> None:
    parameters = Parameters({"orderidlist": "[1]", "quantity": "0.10", "price": "NaN", "x": "yes"})
    assert parameters.text("orderIdList") == "[1]"
    assert parameters.decimal("quantity") == Decimal("0.10")
    for read in (lambda: parameters.decimal("price"), lambda: parameters.flag("x")):
        with pytest.raises(ApiError):
            read()


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ApiError) as error:
        parse(b"symbol=%FF%FE", b"")
    assert code(error) == (400, -1100)
