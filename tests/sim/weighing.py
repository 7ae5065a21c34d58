"""What the objects of a simulation weigh, part by part: the host's own, and the world around it."""

from __future__ import annotations

import gc
import sys
from collections import Counter, deque
from collections.abc import Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from actors.runtime import StepRuntime

__all__ = ["Scales", "host"]

_SHARED = (type, ModuleType, CodeType, BuiltinFunctionType)
_ENTRY_BYTES: dict[type, int] = {set: 32, frozenset: 32, dict: 52, list: 8, deque: 8, Counter: 52}
"""Tables count by what is in them: the room they keep doubles at once and says nothing."""


class Scales:
    """Weighs what is reachable; each object once, with the part that was weighed first.

    Nothing is followed into `others`: those are parts of their own. Code and classes weigh nothing.
    """

    def __init__(self, others: Iterable[object]) -> None:
        self._others = list(others)  # alive, so that no other object takes an id of theirs
        self._counted = {id(each) for each in self._others}

    def bytes_of(self, *roots: object) -> int:
        """Return the bytes of all that these lead to and no part before them did."""
        waiting, weight = list(roots), 0
        for root in roots:
            self._counted.discard(id(root))
        while waiting:
            found = waiting.pop()
            if id(found) in self._counted or isinstance(found, _SHARED):
                continue
            self._counted.add(id(found))
            weight += _bytes(found)
            waiting += _next(found)
        return weight


def _bytes(found: object) -> int:
    entry = _ENTRY_BYTES.get(type(found))
    if entry is None:
        return sys.getsizeof(found)
    sized: Any = found
    return 64 + entry * len(sized)


def _next(found: object) -> list[Any]:
    if isinstance(found, FunctionType):  # its module's names are nobody's part
        return [cell.cell_contents for cell in found.__closure__ or ()]
    return gc.get_referents(found)


def host(runtime: StepRuntime, scales: Scales) -> dict[str, int]:
    """Return the bytes of each actor, and of `runtime`: mailboxes, timers, dead letters."""
    parts = {
        name: scales.bytes_of(seat.context.actor)
        for name, seat in runtime.seats.items()
        if seat.context is not None and seat.context.actor is not None
    }
    inner = [*runtime.seats.values(), *(seat.context for seat in runtime.seats.values())]
    own = (runtime, runtime.timers, runtime.dead_letters, runtime.mailboxes, runtime.seats)
    return parts | {"runtime": scales.bytes_of(*own, *inner, *runtime.mailboxes.values())}
