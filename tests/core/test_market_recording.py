"""The book against real recordings: its top equals what the venue itself said, every time."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.market import Book
from core.messages import BookDelta, BookSnapshot, Key, Level

FOLDER = Path(__file__).parents[2].parent / "shared/data/hftbacktest/usdm"
KEY = Key("binance", "BTCUSDT")
SESSIONS = {
    "2024-07-18": ("btcusdt_20240718.gz", "btcusdt_20240719.gz"),
    "2023-04-04": ("btcusdt_20230404.dat.gz",),
}


def messages(names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in names:
        path = FOLDER / name
        if not path.exists():
            pytest.skip(f"the recording {path} is not on this machine")
        with gzip.open(path, "rt") as lines:
            for line in lines:
                message = json.loads(line.split(" ", 1)[1])
                yield message.get("data", message)


def levels(rows: list[list[str]]) -> tuple[Level, ...]:
    return tuple((Decimal(price), Decimal(quantity)) for price, quantity in rows)


@pytest.mark.parametrize("session", SESSIONS)
def test_after_every_diff_the_top_equals_the_newest_book_ticker(session: str) -> None:
    recorded = list(messages(SESSIONS[session]))
    tickers = {m["u"]: m for m in recorded if m.get("e") == "bookTicker"}
    ids = sorted(tickers)
    book = Book(KEY)
    compared = 0
    for message in recorded:
        if "lastUpdateId" in message:
            book.apply(snapshot(message))
        elif message.get("e") == "depthUpdate" and book.apply(delta(message)):
            place = bisect_right(ids, book.last_id)
            if not place:
                continue
            newest = tickers[ids[place - 1]]
            assert book.best_bid() == (Decimal(newest["b"]), Decimal(newest["B"])), book.last_id
            assert book.best_ask() == (Decimal(newest["a"]), Decimal(newest["A"])), book.last_id
            compared += 1
    diffs = sum(m.get("e") == "depthUpdate" for m in recorded)
    assert compared > 0.95 * diffs > 1_000


def snapshot(message: dict[str, Any]) -> BookSnapshot:
    bids, asks = levels(message["bids"]), levels(message["asks"])
    return BookSnapshot(KEY, message["lastUpdateId"], bids, asks, message["T"] * 1_000_000)


def delta(message: dict[str, Any]) -> BookDelta:
    bids, asks = levels(message["b"]), levels(message["a"])
    event_ns = message["T"] * 1_000_000
    return BookDelta(KEY, message["U"], message["u"], message["pu"], bids, asks, event_ns)
