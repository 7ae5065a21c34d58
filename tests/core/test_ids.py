"""Client order ids: legal everywhere, unique, and readable after a restart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import MAX_BOT, MAX_HOST, OrderId, is_ours, make, parse

LEGAL = {
    # The client order id sections of the venues' fact sheets.
    "binance_usdm": re.compile(r"[.A-Z:/a-z0-9_-]{1,36}"),
    "bybit_v5": re.compile(r"[A-Za-z0-9_-]{1,36}"),
    "kucoin_futures": re.compile(r"[0-9A-Za-z_-]{1,40}"),
    "coinbase_advanced": re.compile(r"\S+"),
}
ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
hosts = st.text(ALNUM, min_size=1, max_size=MAX_HOST)
bots = st.text(ALNUM, min_size=1, max_size=MAX_BOT)
symbols = st.one_of(
    st.text(ALNUM, min_size=1, max_size=24),
    st.sampled_from(["BTC-PERP-INTX", "XBTUSDTM", "1000000MOGUSDT", "币安人生USDT", "币", "@107"]),
)
sequences = st.integers(0, 36**5 - 1)
attempts = st.integers(0, 35)


@given(hosts, bots, symbols, sequences, attempts)
def test_ids_are_legal_on_every_venue_and_read_back(
    host: str, bot: str, symbol: str, sequence: int, attempt: int
) -> None:
    made = make(host, bot, symbol, sequence, attempt)
    assert len(made) <= 36
    assert [venue for venue, rule in LEGAL.items() if not rule.fullmatch(made)] == []
    parts = parse(made)
    assert parts is not None
    assert (parts.host, parts.bot, parts.sequence, parts.attempt) == (host, bot, sequence, attempt)
    assert make(parts.host, parts.bot, parts.symbol, parts.sequence, parts.attempt) == made
    assert is_ours(made, host, symbol)


# 7 letters of a long symbol stay, so these differ by their check digits alone.
ALIKE = ["1000000MOGUSDT", "1000000BOBUSDT", "1000000DOGUSDT", "BTC-USDT", "BTCUSDT", "BTC/USDT"]


@given(st.lists(st.tuples(hosts, bots, st.sampled_from(ALIKE), sequences, attempts), unique=True))
def test_different_parts_never_make_the_same_id(
    parts: list[tuple[str, str, str, int, int]],
) -> None:
    assert len({make(*part) for part in parts}) == len(parts)


def test_the_same_parts_make_the_same_id_after_a_restart() -> None:
    assert make("h1", "grid", "BTCUSDT", 36, 2) == "h1-grid-BTCUSDT-102"
    assert parse("h1-grid-BTCUSDT-102") == OrderId("h1", "grid", "BTCUSDT", 36, 2)


def test_another_host_s_and_another_symbol_s_ids_are_not_ours() -> None:
    made = make("h1", "grid", "1000000MOGUSDT", 1)
    assert is_ours(made, "h1", "1000000MOGUSDT")
    assert not is_ours(made, "h2", "1000000MOGUSDT")
    assert not is_ours(made, "h1", "1000000BOBUSDT")


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "web_123",
        "x-abc-def-00",
        "autoclose-1699",
        "adl_autoclose",
        "h-b-BTCUSDT",
        "h-b-BTCUSDT-0",
        "h-b-BTCUSDT-0A",
        "h-b-BTCUSDT-000",
        "h-b-BTCUSDT-1234567",
        "toolong-b-BTCUSDT-00",
        "h-muchtoolong-BTCUSDT-00",
        "h-b-ASYMBOLTOOLONG-00",
        "h-b-BTCUSDT-00-",
        "h--BTCUSDT-00",
        "h-b-币-00",
        "h-b-BTCUSDT-00\n",
    ],
)
def test_ids_that_we_would_not_have_written_are_nobody_s_of_ours(foreign: str) -> None:
    parts = parse(foreign)
    # One that has our form by chance still names another host.
    assert parts is None or parts.host not in ("h", "h1")


@pytest.mark.parametrize(
    ("host", "bot", "symbol", "sequence", "attempt"),
    [
        ("", "b", "BTC", 0, 0),
        ("h", "", "BTC", 0, 0),
        ("h", "b", "", 0, 0),
        ("h-1", "b", "BTC", 0, 0),
        ("sevenxx", "b", "BTC", 0, 0),
        ("h", "ninechars", "BTC", 0, 0),
        ("hé", "b", "BTC", 0, 0),
        ("h", "b", "BTC", -1, 0),
        ("h", "b", "BTC", 36**5, 0),
        ("h", "b", "BTC", 0, 36),
        ("h", "b", "BTC", 0, -1),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    host: str, bot: str, symbol: str, sequence: int, attempt: int
) -> None:
    with pytest.raises(ValueError):
        make(host, bot, symbol, sequence, attempt)
