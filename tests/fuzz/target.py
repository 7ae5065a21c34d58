"""What a fuzzed input is, and the one judgement of all: a value, or the project's typed error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import isfinite

import attrs

__all__ = ["SENTINEL", "Finding", "Target", "judge"]

SENTINEL = "s3cr3tS3cr3tS3cr3tS3cr3tS3cr3tS3"
"""Stands for a secret in the seeds: no error may hold it."""
_SLOW_S = 1.0
_EXPONENT_MAX = 400
_TEXT_MAX = 20_000


class Finding(AssertionError):
    """An input that did what no input may do."""


@attrs.frozen
class Target:
    """One input of the program.

    `feed` hands it in and returns what became of it; `typed` are the errors that are an answer;
    `examples` is how many the short run tries: fewer where one takes long.
    """

    name: str
    feed: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    typed: tuple[type[BaseException], ...]
    examples: int = 300


def judge(target: Target, data: bytes) -> None:
    """Hand in one input. Errors: `Finding` for anything but a sound value or a typed error."""
    began_s = time.process_time()
    try:
        for number in _numbers(target.feed(data)):
            if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX:
                raise Finding(f"{target.name}: {number!s:.40} became a value")
    except target.typed as error:
        said = str(error)
        if SENTINEL in said:
            raise Finding(f"{target.name}: the error holds a secret") from None
        if not said.strip() or len(said) > _TEXT_MAX:
            raise Finding(f"{target.name}: the error says nothing, or too much") from error
    spent_s = time.process_time() - began_s
    if spent_s > _SLOW_S:
        raise Finding(f"{target.name}: it took {spent_s:.1f} s")


def _numbers(value: object) -> Iterable[Decimal]:
    """Yield every number anywhere inside a value that may be no number at all."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, float):
        yield Decimal(value) if isfinite(value) else Decimal("NaN")
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _numbers(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(key)
            yield from _numbers(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            yield from _numbers(inner)
