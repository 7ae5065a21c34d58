"""Faults: what is accepted, where each strikes, and how often."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from adapters.venues.binance_usdm.emulator.faults import (
    KINDS,
    FaultError,
    Faults,
    parse_faults,
    read_faults,
)
from core.errors import UsageError


def faults(*rows: dict[str, object]) -> Faults:
    found = Faults(Random(1))
    for fault in parse_faults(list(rows)):
        found.add(fault)
    return found


def test_an_unknown_kind_names_the_allowed_ones() -> None:
    with pytest.raises(FaultError) as error:
        parse_faults({"kind": "explode"})
    assert all(kind in str(error.value) for kind in KINDS)


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "drop", "cuont": 1},
        {"kind": "drop", "count": "1"},
        {"kind": "drop", "count": True},
        {"kind": "drop", "count": -1},
        {"kind": "drop", "probability": 0},
        {"kind": "drop", "probability": 1.5},
        {"kind": "delay", "ms": -5},
        {"kind": "drop", "stream": 5},
        {"kind": "jump", "bps": -5_001},
        "drop",
    ],
)
def test_a_wrong_entry_is_refused(row: object) -> None:
    with pytest.raises(FaultError):
        parse_faults([row])


def test_a_fault_strikes_as_often_as_it_says_and_then_is_gone() -> None:
    found = faults({"kind": "503_not_executed", "endpoint": "/fapi/v1/order", "count": 2})
    struck = [found.before("POST", "/fapi/v1/order", "BTCUSDT") for _ in range(3)]
    assert [fault is not None for fault in struck] == [True, True, False]
    assert list(found) == []


def test_patterns_choose_method_path_symbol_and_stream() -> None:
    found = faults(
        {"kind": "429", "method": "POST", "endpoint": "/fapi/*/order", "symbol": "BTC*"},
        {"kind": "drop", "stream": "btcusdt@depth*"},
    )
    assert found.before("GET", "/fapi/v1/order", "BTCUSDT") is None
    assert found.before("POST", "/fapi/v1/order", "ETHUSDT") is None
    assert found.stream("ethusdt@depth", "ETHUSDT") is None
    assert found.before("POST", "/fapi/v1/order", "BTCUSDT") is not None
    assert found.stream("btcusdt@depth@100ms", "BTCUSDT") is not None


def test_a_drop_without_an_endpoint_is_a_streams_and_with_one_a_requests() -> None:
    found = faults({"kind": "drop"}, {"kind": "drop", "endpoint": "/fapi/v1/time"})
    assert found.before("GET", "/fapi/v1/ping", "") is None
    assert found.before("GET", "/fapi/v1/time", "") is not None
    assert found.stream("ORDER_TRADE_UPDATE", "BTCUSDT") is not None


def test_a_sequence_gap_strikes_depth_only() -> None:
    found = faults({"kind": "sequence_gap"})
    assert found.stream("btcusdt@bookTicker", "BTCUSDT") is None
    assert found.stream("btcusdt@depth@100ms", "BTCUSDT") is not None


def test_a_probability_is_drawn_from_the_seed() -> None:
    def strikes() -> list[bool]:
        found = faults({"kind": "drop", "count": 0, "probability": 0.5, "stream": "*"})
        return [found.stream("x", "") is not None for _ in range(40)]

    assert strikes() == strikes()
    assert 5 < sum(strikes()) < 35


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.toml", '[[faults]]\nkind = "delay_ms"\nms = 5\n[[faults]]\nkind = "429"\n'),
        ("f.json", '[{"kind": "delay", "delay_ms": 5}, {"kind": "429"}]'),
        ("g.json", '{"faults": [{"kind": "delay", "ms": 5}, {"kind": "429"}]}'),
    ],
)
def test_files_of_faults(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    first, second = read_faults(path)
    assert (first.kind, first.ms, second.kind) == ("delay", 5, "429")


@pytest.mark.parametrize("text", ["[[faults]\n", '[[faults]]\nkind = "no"\n', "faults = 3\n"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"f\.toml"):
        read_faults(path)
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_faults(tmp_path / "none.toml")


def test_a_refused_subscription_is_told_by_the_streams_name_and_the_accounts_is_private() -> None:
    found = faults(
        {"kind": "subscription_refused", "stream": "private"},
        {"kind": "subscription_refused", "stream": "*@bookTicker"},
    )
    assert found.stream("btcusdt@bookTicker", "BTCUSDT") is None
    assert found.subscription("public", ["btcusdt@depth@100ms"]) is None
    assert found.subscription("public", ["btcusdt@depth@100ms", "btcusdt@bookTicker"]) is not None
    assert found.subscription("private", ["the listen key"]) is not None
    assert list(found) == []
