"""Flattens: have symbols closed, gather what the venue says of them, answer once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import define, field

from actors import names
from actors.messages.risk import Flatten, FlattenTold
from actors.risk_desk import RiskDesk
from core.messages import Key
from core.records import FlattenChanged

__all__ = ["Flattens"]

_GRACE_NS = 5_000_000_000

Done = Callable[[dict[Key, tuple[str, ...]]], None]
"""Called once with what is left open per symbol; empty when the venue says that all is flat."""


@define(eq=False)
class _Flatten:
    reason: str
    until_ns: int
    done: Done | None
    waiting: dict[Key, tuple[str, ...]]
    left: dict[Key, tuple[str, ...]] = field(factory=dict)


@define(eq=False)
class Flattens:
    """Owns the flattens under way; positions carry them out.

    Who does not answer within the time allowed and some grace is counted as left open; its closing
    goes on all the same. Which symbols are being closed is in the journal until the venue says
    flat, and so is not forgotten with anybody's life.
    """

    desk: RiskDesk
    _running: list[_Flatten] = field(factory=list, init=False)
    _open: dict[Key, str] = field(factory=dict, init=False)

    @property
    def running(self) -> bool:
        """Tell whether a flatten is under way."""
        return bool(self._running)

    def resume(self, flattens: Mapping[Key, str]) -> None:
        """Go on with those of before this start; each position is told once it has begun."""
        for key, reason in flattens.items():
            if key not in self.desk.keys:
                self.desk.log("error", f"flatten ({reason}): no bot trades {key} any more", key)
                continue
            self.desk.log("warning", f"flatten ({reason}): goes on", key)
            self._open[key] = reason
            self._wait([key], reason, None)

    def begin(self, keys: Iterable[Key], reason: str, done: Done | None = None) -> None:
        """Have these symbols closed until the venue says flat."""
        keys = list(keys)
        for key in keys:
            if key not in self._open:
                self._open[key] = reason
                self.desk.journal(FlattenChanged(key, True, reason))
        self._wait(keys, reason, done)
        for key in keys:
            self._tell(key, reason)

    def call_off(self, keys: Iterable[Key]) -> None:
        """Hear that these may trade again: what was answered already is not begun anew."""
        for key in keys:
            if not any(key in flatten.waiting for flatten in self._running):
                self._open.pop(key, None)

    def _wait(self, keys: Iterable[Key], reason: str, done: Done | None) -> None:
        within_ns = self.desk.settings.flatten_within_ns + _GRACE_NS
        until_ns = self.desk.actor.monotonic_ns() + within_ns
        waiting: dict[Key, tuple[str, ...]] = dict.fromkeys(keys, ("no answer yet",))
        self._running.append(_Flatten(reason, until_ns, done, waiting))

    def told(self, message: FlattenTold) -> None:
        """Hear how far a symbol is."""
        if message.done and not message.left and message.key in self._open:
            self.desk.journal(FlattenChanged(message.key, False, self._open.pop(message.key)))
        for flatten in list(self._running):
            if message.key not in flatten.waiting:
                continue
            if not message.done:
                flatten.waiting[message.key] = message.left
                continue
            del flatten.waiting[message.key]
            if message.left:
                flatten.left[message.key] = message.left
            self._finish(flatten)

    def reported(self, key: Key) -> None:
        """Tell a position again that began anew: what it was told went with the one before."""
        if key in self._open:
            self._tell(key, self._open[key])

    def look(self) -> None:
        """Give up on those who did not answer in time."""
        now_ns = self.desk.actor.monotonic_ns()
        for flatten in list(self._running):
            if now_ns >= flatten.until_ns:
                flatten.left |= flatten.waiting
                flatten.waiting = {}
                self._finish(flatten)

    def _tell(self, key: Key, reason: str) -> None:
        self.desk.actor.tell(names.position(key), Flatten(reason, self.desk.actor.name))

    def _finish(self, flatten: _Flatten) -> None:
        if flatten.waiting:
            return
        self._running.remove(flatten)
        if flatten.left:
            text = "; ".join(f"{key}: {', '.join(what)}" for key, what in flatten.left.items())
            self.desk.log("error", f"flatten ({flatten.reason}): not flat: {text}")
        else:
            self.desk.log("info", f"flatten ({flatten.reason}): the venue says flat")
        if flatten.done is not None:
            flatten.done(flatten.left)
