"""What changed among named values: to write down a large state as little differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import TypeVar

__all__ = ["change", "changed"]

T = TypeVar("T")


def change(
    known: Mapping[str, T], now: Mapping[str, T], same: Callable[[T, T], bool] = is_
) -> tuple[tuple[str, ...], tuple[T, ...]]:
    """Return what leads from `known` to `now`: the names that went, the values new or not `same`.

    The order counts: where names stand in another one, all went and all are new. `same` is not
    asked of what is the very same object, where the names are the same.
    """
    if list(known) == list(now):
        return (), tuple(
            value
            for name, value in now.items()
            if (before := known[name]) is not value and not same(before, value)
        )
    stay = [name for name in known if name in now]
    if stay != [name for name in now if name in known] or stay != list(now)[: len(stay)]:
        return tuple(known), tuple(now.values())
    gone = tuple(name for name in known if name not in now) if len(stay) < len(known) else ()
    put = tuple(
        value for name, value in now.items() if name not in known or not same(known[name], value)
    )
    return gone, put


def changed(
    known: Mapping[str, T], gone: Iterable[str], put: Iterable[T], name: Callable[[T], str]
) -> dict[str, T]:
    """Return what `change` led to."""
    left = set(gone)
    after = {each: value for each, value in known.items() if each not in left}
    after.update((name(value), value) for value in put)
    return after
