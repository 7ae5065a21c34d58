"""What a start holds again: which flatten goes on, and what calls one off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from core.messages import Key
from core.ports import Record
from core.records import FlattenChanged, HaltChanged, TradingPaused
from core.remembered import remember
from core.risk.halt import Level

BTC, ETH = Key("binance", "BTCUSDT"), Key("binance", "ETHUSDT")
HALTED = HaltChanged(Level.HALTED, "flattened", "operator", 2, True)
RESET = HaltChanged(Level.RUNNING, "reset", "operator", 3)


class Written:
    """Records as a journal holds them."""

    def __init__(self, *payloads: object) -> None:
        self.records = [Record(payload, 1) for payload in payloads]

    def read(
        self, *, kinds: Sequence[type] = (), key: Key | None = None, after: int = 0
    ) -> Iterator[Record]:
        return (record for record in self.records if isinstance(record.payload, tuple(kinds)))


def begun(key: Key) -> FlattenChanged:
    return FlattenChanged(key, True, "operator")


def ended(key: Key) -> FlattenChanged:
    return FlattenChanged(key, False, "operator")


@pytest.mark.parametrize(
    ("payloads", "left"),
    [
        ((HALTED, begun(BTC), begun(ETH)), [BTC, ETH]),
        ((HALTED, begun(BTC), begun(ETH), ended(BTC)), [ETH]),
        ((HALTED, begun(BTC), ended(BTC), begun(BTC)), [BTC]),
        ((HALTED, begun(BTC), RESET), []),
        ((HALTED, begun(BTC), RESET, HALTED), []),
        ((HALTED, begun(BTC), TradingPaused("", False)), [BTC]),
        ((TradingPaused("BTCUSDT", True), begun(BTC), HALTED, RESET), [BTC]),
        ((TradingPaused("BTCUSDT", True), begun(BTC), TradingPaused("BTCUSDT", False)), []),
        ((TradingPaused("BTCUSDT", True), begun(BTC), TradingPaused("", False)), []),
        ((TradingPaused("", True), begun(BTC), begun(ETH), HALTED, RESET), [BTC, ETH]),
    ],
)
def test_a_flatten_goes_on_while_its_symbol_is_held_back(
    payloads: tuple[object, ...], left: list[Key]
) -> None:
    assert list(remember(Written(*payloads)).flattens) == left
