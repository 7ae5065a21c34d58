"""Connections and subscriptions: routes, faults on the way, and the limit of a slow reader."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from random import Random
from typing import Any

import pytest

from adapters.venues.binance_usdm.emulator.faults import Faults, parse_faults
from adapters.venues.binance_usdm.emulator.hub import QUEUE_LIMIT, Connection, Hub, carries
from adapters.venues.binance_usdm.emulator.sockets import parse_url

BOOK, DEPTH = "btcusdt@bookTicker", "btcusdt@depth@100ms"


async def sent(connection: Connection) -> list[str]:
    """Close a connection in order after what is queued, and return its frames."""
    frames: list[str] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "websocket.send":
            frames.append(message["text"])
        else:
            frames.append(f"closed {message['code']}")

    pump = asyncio.create_task(connection.pump(send))
    for _ in range(3):
        await asyncio.sleep(0)
    pump.cancel()
    await asyncio.gather(pump, return_exceptions=True)
    return frames


def hub(*faults: dict[str, Any]) -> tuple[Hub, Connection]:
    found = Faults(Random(1))
    for fault in parse_faults(list(faults)):
        found.add(fault)
    made, connection = Hub(found), Connection("public", False, frozenset())
    made.add(connection, [BOOK, DEPTH])
    return made, connection


def run(faults: dict[str, Any], *payloads: bytes, stream: str = BOOK, wait_s: float = 0) -> Any:
    async def go() -> list[str]:
        made, connection = hub(faults)
        for payload in payloads:
            made.publish(stream, payload, "BTCUSDT")
        await asyncio.sleep(wait_s)
        return await sent(connection)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("stream", "route"),
    [
        (BOOK, "public"),
        (DEPTH, "public"),
        ("!bookTicker", "public"),
        ("btcusdt@depth5", "public"),
        ("btcusdt@aggTrade", "market"),
        ("btcusdt@kline_1m", "market"),
        ("!markPrice@arr@1s", "market"),
        ("btcusdt@forceOrder", "market"),
    ],
)
def test_each_stream_has_its_route(stream: str, route: str) -> None:
    assert [name for name in ("public", "market", "private") if carries(name, stream)] == [route]


@pytest.mark.parametrize(
    ("path", "query", "parsed"),
    [
        ("/public/ws/a/b", "", ("public", False, ("a", "b"))),
        ("/market/stream", "streams=a/b", ("market", True, ("a", "b"))),
        ("/private/ws", "listenKey=k", ("private", False, ("k",))),
        ("/private/ws/k", "", ("private", False, ("k",))),
        ("/private/stream", "", ("private", True, ())),
        ("/ws/a", "", ("public", False, ("a",))),
    ],
)
def test_url_forms(path: str, query: str, parsed: tuple[Any, ...]) -> None:
    found = parse_url(path, query)
    assert found is not None and found[:3] == parsed


@pytest.mark.parametrize("path", ["/", "/public", "/private/wss", "/ws-fapi/v1", "/nothing/ws"])
def test_other_paths_are_none(path: str) -> None:
    assert parse_url(path, "") is None


def test_without_a_fault_every_event_comes_once_and_in_order() -> None:
    assert run({"kind": "drop", "stream": "other"}, b"1", b"2") == ["1", "2"]


def test_drop_duplicate_reorder_and_gap() -> None:
    assert run({"kind": "drop"}, b"1", b"2") == ["2"]
    assert run({"kind": "duplicate"}, b"1", b"2") == ["1", "1", "2"]
    assert run({"kind": "reorder"}, b"1", b"2", b"3") == ["2", "1", "3"]
    assert run({"kind": "sequence_gap"}, b"1", b"2", stream=DEPTH) == ["2"]
    assert run({"kind": "sequence_gap"}, b"1", b"2", stream=BOOK) == ["1", "2"]


def test_a_delayed_event_comes_later() -> None:
    assert run({"kind": "delay", "ms": 5}, b"1", b"2") == ["2"]
    assert run({"kind": "delay", "ms": 5}, b"1", b"2", wait_s=0.05) == ["2", "1"]


def test_a_stall_is_silence_and_a_disconnect_a_close() -> None:
    assert run({"kind": "stall"}, b"1", b"2") == []
    assert run({"kind": "disconnect"}, b"1", b"2") == ["closed 1001"]


def test_a_reader_that_does_not_keep_up_is_closed() -> None:
    async def go() -> list[str]:
        made, connection = hub()
        for number in range(QUEUE_LIMIT + 1):
            made.publish(BOOK, str(number).encode())
        return await sent(connection)

    assert asyncio.run(go()) == ["closed 1008"]


def test_wrapped_frames_name_their_stream_and_the_wrong_route_gets_none() -> None:
    async def go() -> tuple[list[str], list[str]]:
        made, _ = hub()
        wrapped = Connection("public", True, frozenset())
        market = Connection("market", False, frozenset())
        made.add(wrapped, [BOOK])
        made.add(market, [BOOK])
        made.publish(BOOK, b"{}")
        return await sent(wrapped), await sent(market)

    assert asyncio.run(go()) == ([f'{{"stream":"{BOOK}","data":{{}}}}'], [])


def test_what_nobody_reads_any_more_is_forgotten() -> None:
    made, connection = hub()
    assert made.wanted(BOOK)
    made.unsubscribe(connection, [BOOK])
    assert not made.wanted(BOOK) and made.wanted(DEPTH)
    made.remove(connection)
    assert not made.wanted(DEPTH) and len(made) == 0
