"""Pauses: where nothing may be opened now, by whose word, and what ends each of them."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field

from actors import names
from actors.messages.risk import CancelEntries, CompareNow, Pause
from actors.risk_desk import RiskDesk
from core.messages import Key
from core.risk.halt import Level

__all__ = ["Pauses"]

_SHOWN = 3
_NOT_REPORTED = "its position has not been compared with the venue yet"


@define(eq=False)
class _Comparing:
    """A pause whose cause is over: positions that have not compared with the venue since."""

    token: int
    waiting: set[Key]


@define(eq=False)
class Pauses:
    """Owns why each symbol is paused; a source lifts its own pause and no other's.

    `unreported` symbols have not told their state since they began; they open nothing either.
    """

    desk: RiskDesk
    pauses: dict[str, Pause] = field(factory=dict, init=False)
    unreported: set[Key] = field(factory=set, init=False)
    _comparing: dict[str, _Comparing] = field(factory=dict, init=False)
    _token: int = field(default=0, init=False)
    _paused_since: dict[Key, int] = field(factory=dict, init=False)
    _told_to_end: dict[Key, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.unreported.update(self.desk.keys)

    def pause(self, pause: Pause) -> None:
        """Open nothing there while its source has not resumed."""
        if pause.source.startswith("child:position:") and pause.key:
            self.unreported.add(pause.key)
        before = self.pauses.get(pause.source)
        self.pauses[pause.source] = pause
        self._comparing.pop(pause.source, None)
        self.judge()
        if before is None:
            self.desk.log("warning", f"paused: {pause.reason}", pause.key)

    def aside(self, key: Key) -> bool:
        """Tell whether a symbol stands aside: the venue lists no such one, so nothing is held."""
        return key not in self.desk.instruments and names.position(key) in self.pauses

    def stands(self, source: str) -> bool:
        """Tell whether a source pauses, its comparison after it not begun."""
        return source in self.pauses and source not in self._comparing

    def resume(self, source: str) -> None:
        """End a source's pause, at once or after the positions compared with the venue."""
        pause = self.pauses.get(source)
        if pause is None or source in self._comparing:
            return
        waiting = {key for key in self._covered(pause) if key not in self.unreported}
        if not pause.needs_comparison or not waiting:
            self._lift(source)
            return
        self._token += 1
        token = self.desk.actor.generation << 32 | self._token
        self._comparing[source] = _Comparing(token, waiting)
        reason = f"comparing with the venue after: {pause.reason}"
        self.pauses[source] = evolve(pause, reason=reason)
        for key in waiting:
            self.desk.actor.tell(names.position(key), CompareNow(token))
        self.judge()

    def compared(self, key: Key, token: int) -> None:
        """Hear that a position equals the venue's, asked after the question of this token."""
        for source, comparing in list(self._comparing.items()):
            if comparing.token == token:
                self._compared(source, comparing, key)

    def reported(self, key: Key) -> None:
        """Hear that a position began anew: it has just compared, whatever it was asked before."""
        self.unreported.discard(key)
        for source, comparing in list(self._comparing.items()):
            self._compared(source, comparing, key)
        self.judge()

    def _compared(self, source: str, comparing: _Comparing, key: Key) -> None:
        comparing.waiting.discard(key)
        if not comparing.waiting:
            self._lift(source)

    def _lift(self, source: str) -> None:
        self._comparing.pop(source, None)
        pause = self.pauses.pop(source)
        self.judge()
        self.desk.log("info", f"resumed after: {pause.reason}", pause.key)

    def _covered(self, pause: Pause) -> list[Key]:
        if pause.key:
            return [key for key in self.desk.keys if key == pause.key]
        return [key for key in self.desk.keys if pause.venue in ("", key.venue)]

    def judge(self) -> None:
        """Work out why each symbol is paused: every reason, its own and the oldest first."""
        paused: dict[Key, dict[str, None]] = {}
        for pause in sorted(self.pauses.values(), key=lambda pause: pause.key is None):
            for key in self._covered(pause):
                paused.setdefault(key, {})[pause.reason] = None
        found = {key: _joined(list(reasons)) for key, reasons in paused.items()}
        self.desk.risk.paused = dict.fromkeys(self.unreported, _NOT_REPORTED) | found

    # Entries that rest where nothing may be opened

    def end_entries(self) -> None:
        """Have entries cancelled where nothing may be opened: in a halt at once, else in a while.

        A short pause leaves them: most are over before the venue would have answered. Positions
        that have not compared with the venue yet do so first. Said again while it lasts.
        """
        desk, now_ns = self.desk, self.desk.actor.monotonic_ns()
        halted = desk.risk.halt.level is not Level.RUNNING
        patience_ns = desk.settings.limits.stale_after_ns
        for key in desk.keys:
            paused = key in desk.risk.paused and key not in self.unreported
            if not paused:
                self._paused_since.pop(key, None)
            since_ns = self._paused_since.setdefault(key, now_ns) if paused else now_ns
            if not halted and now_ns - since_ns < patience_ns:
                self._told_to_end.pop(key, None)
                continue
            if now_ns - self._told_to_end.get(key, -patience_ns) >= patience_ns:
                self.end_entries_of(key)

    def end_entries_of(self, key: Key) -> None:
        """Have the entries of one symbol cancelled now."""
        self._told_to_end[key] = self.desk.actor.monotonic_ns()
        self.desk.actor.tell(names.position(key), CancelEntries())


def _joined(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return "; ".join(reasons[:_SHOWN]) + more
