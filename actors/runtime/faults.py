"""Faults of the message path in a simulation: lose, repeat or delay what actors tell each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from .context import Context

if TYPE_CHECKING:
    from .step import StepRuntime

Lane = Literal["exact", "control", "latest"]


@frozen
class Fate:
    """What becomes of one message: a copy after each of these delays; no entry, no copy."""

    delays_ns: tuple[int, ...] = (0,)


# Sender, receiver, lane, message; None lets the message pass.
Faults = Callable[[str, str, Lane, object], Fate | None]


class FaultyContext(Context):
    """A context whose messages meet the faults on their way."""

    __slots__ = ()
    _host: StepRuntime

    def tell(self, to: str, message: object) -> None:
        """Send on the exact lane, through the faults."""
        if self.fenced:
            super().tell(to, message)
        else:
            self._host.convey(self.name, to, "exact", message, None)

    def tell_control(self, to: str, message: object) -> None:
        """Send on the control lane, through the faults."""
        if self.fenced:
            super().tell_control(to, message)
        else:
            self._host.convey(self.name, to, "control", message, None)

    def tell_latest(self, to: str, key: Hashable, message: object) -> None:
        """Send on the latest lane, through the faults."""
        if self.fenced:
            super().tell_latest(to, key, message)
        else:
            self._host.convey(self.name, to, "latest", message, key)
