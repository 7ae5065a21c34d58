"""The trading halt: who may open anything at all, and how the host closes for entries."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field

from actors import names
from actors.messages import CancelEntries, CloseForShutdown, EntriesCancelled, HaltTold, Tick
from actors.risk_desk import RiskDesk
from core.messages import Key
from core.records import HaltChanged
from core.risk.halt import Halt, Level, relax, reset, tighten

__all__ = ["Halting"]


@define(eq=False)
class Halting:
    """Owns the halt's changes: lanes are told first, then journal and people.

    `changed` is for the actor: the halt is another one now. A halt that is latched outlives every
    start until an operator resets it.
    """

    desk: RiskDesk
    changed: Callable[[], None]
    closing: bool = field(default=False, init=False)
    journal_problem: str = field(default="", init=False)
    stopped: bool = field(default=False, init=False)
    _why: str = field(default="", init=False)
    _unclosed: set[Key] = field(factory=set, init=False)
    _left: dict[Key, tuple[str, ...]] = field(factory=dict, init=False)

    @property
    def halt(self) -> Halt:
        """Return the present halt."""
        return self.desk.risk.halt

    def begin(self, before: Halt) -> None:
        """Go on from the journal's last word; the epoch grows so that no old approval passes."""
        if before.latched:
            self.desk.risk.halt = before
            text = f"trading is {before.level.value} since before this start: {before.reason}"
            self.desk.log("error", f"{text} ({before.by}); run.py reset-halt ends it")
        else:
            self.desk.risk.halt = Halt(epoch=before.epoch + 1)
            self._write()
        self.tell_lanes()

    def tighten(self, level: Level, reason: str, by: str, *, latched: bool = False) -> None:
        """Let less through from now on; never more."""
        self._set(tighten(self.halt, level, reason, by, latched=latched))

    def reset(self, reason: str, by: str) -> None:
        """Let everything through again: an operator's word."""
        self._set(reset(self.halt, reason, by))

    def journal_failed(self, problem: str) -> None:
        """Open nothing that could not be written down."""
        self.journal_problem = problem
        self.tighten(Level.REDUCE_ONLY, f"journal: {problem}", names.JOURNAL)

    def journal_recovered(self) -> None:
        """Go on, unless something else halts."""
        self.journal_problem = ""
        if self.halt.by == names.JOURNAL and not self.closing:
            self._set(relax(self.halt, "journal writes again", names.JOURNAL))

    def tell_lanes(self) -> None:
        """Tell the last fence of every lane."""
        for lane in self.desk.settings.lanes:
            self.desk.actor.tell_control(lane, HaltTold(self.halt))

    def _set(self, halt: Halt) -> None:
        if halt == self.halt:
            return
        self.desk.risk.halt = evolve(halt, since_ns=self.desk.actor.now_ns())
        self.tell_lanes()
        planned = halt.level is Level.RUNNING or self.closing
        level = "info" if planned else "error"
        self.desk.log(level, f"trading is {halt.level.value}: {halt.reason} ({halt.by})")
        self._write()
        self.changed()

    def _write(self) -> None:
        self.desk.journal(HaltChanged.of(self.halt))

    # Shutdown

    def close(self, order: CloseForShutdown) -> None:
        """Open nothing more, have every entry cancelled, then stop the host."""
        if self.closing:
            return
        self.closing = True
        self._why = order.reason
        self.tighten(Level.REDUCE_ONLY, order.reason, "shutdown")
        self._unclosed = set(self.desk.keys)
        actor = self.desk.actor
        for key in self.desk.keys:
            actor.tell(names.position(key), CancelEntries(actor.name))
        actor.after(self.desk.settings.close_within_ns, Tick("closing"))
        self._finish()

    def closed(self, message: EntriesCancelled) -> None:
        """Hear that a symbol has no entries any more, or which it cannot get rid of."""
        self._unclosed.discard(message.key)
        if message.left:
            self._left[message.key] = message.left
        self._finish()

    def time_is_up(self) -> None:
        """Stop with what was answered so far."""
        if not self.stopped:
            self._left |= dict.fromkeys(self._unclosed, ("no answer in time",))
            self._unclosed.clear()
            self._finish()

    def _finish(self) -> None:
        if not self.closing or self._unclosed or self.stopped:
            return
        self.stopped = True
        if self._left:
            text = "; ".join(f"{key}: {', '.join(ids)}" for key, ids in self._left.items())
            self.desk.log("error", f"entries that may still be open at the venue: {text}")
        else:
            self.desk.log("info", "entries cancelled, positions stay protected")
        self.desk.actor.stop_host(self._why)
