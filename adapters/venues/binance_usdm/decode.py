"""Strict decoding: bytes of the venue → typed rows, `FrameError` naming what was wrong."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

import msgspec

from core.errors import FrameError
from core.messages import OrderStatus, OrderType, PositionSide, Side

__all__ = [
    "ALGO_STATUS",
    "MS_NS",
    "ORDER_STATUS",
    "decimal",
    "decode",
    "finite",
    "nanoseconds",
    "order_type",
    "position_side",
    "side",
    "status",
]

T = TypeVar("T")
MS_NS = 1_000_000
_LATEST_MS = 253_402_300_799_000
_EXPONENT_MAX = 30

ORDER_STATUS = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "NEW_INSURANCE": OrderStatus.NEW,
    "NEW_ADL": OrderStatus.NEW,
}
ALGO_STATUS = {
    "NEW": OrderStatus.NEW,
    "TRIGGERING": OrderStatus.NEW,
    "TRIGGERED": OrderStatus.NEW,
    "FINISHED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_SIDE = {"BUY": Side.BUY, "SELL": Side.SELL}
_POSITION_SIDE = {
    "BOTH": PositionSide.BOTH,
    "LONG": PositionSide.LONG,
    "SHORT": PositionSide.SHORT,
}
_TYPE = {kind.value.upper(): kind for kind in OrderType} | {"LIQUIDATION": OrderType.LIMIT}
"""LIQUIDATION: older builds call the venue's own closing order so; it is a limit order."""


def decode(decoder: msgspec.json.Decoder[T], raw: bytes, what: str) -> T:
    """Decode strictly. Errors: `FrameError` naming `what` and the place, never the content."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        place = str(error) if isinstance(error, msgspec.ValidationError) else type(error).__name__
        raise FrameError(f"{what}: {place[:120]}") from None


def finite(what: str, values: Iterable[Decimal]) -> None:
    """Refuse what JSON text may spell and no venue means. Errors: `FrameError`.

    NaN and infinities; exponents beyond 10^±30, which take gigabytes to write out plainly.
    """
    for value in values:
        if not (value.is_finite() and -_EXPONENT_MAX <= value.adjusted() <= _EXPONENT_MAX):
            raise FrameError(f"{what}: a number is not finite or absurd")


def decimal(value: str | int | Decimal | None, what: str) -> Decimal:
    """Read an optional number of a slow row: absent, null and "" are 0. Errors: `FrameError`."""
    if value is None or value == "":
        return Decimal(0)
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise FrameError(f"{what}: not a decimal number") from None
    finite(what, (number,))
    return number


def nanoseconds(milliseconds: int | str, what: str) -> int:
    """Turn the venue's milliseconds into ns. Errors: `FrameError` outside of years 1970–9999."""
    try:
        value = int(milliseconds)
    except ValueError:
        value = -1
    if not 0 <= value <= _LATEST_MS:
        raise FrameError(f"{what}: not a time in milliseconds")
    return value * MS_NS


def side(word: str, what: str) -> Side:
    return _word(_SIDE, word, what)


def position_side(word: str, what: str) -> PositionSide:
    return _word(_POSITION_SIDE, word, what)


def order_type(now: str, original: str, what: str) -> OrderType:
    """Return the type the order was placed with: a fired conditional order keeps its type."""
    return _word(_TYPE, original or now, what)


def status(word: str, what: str) -> OrderStatus:
    return _word(ORDER_STATUS, word, what)


def _word(table: dict[str, T], word: str, what: str) -> T:
    try:
        return table[word]
    except KeyError:
        raise FrameError(f"{what}: unknown word {word[:24]!r}") from None
