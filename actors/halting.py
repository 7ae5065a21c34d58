"""The trading halt: who may open anything at all, and how the host closes for entries."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from actors import names
from actors.messages.operations import Tick
from actors.messages.risk import CancelEntries, CloseForShutdown, EntriesCancelled, HaltTold
from actors.risk_desk import RiskDesk
from core.guard_decisions import HaltCaused
from core.messages import Key
from core.records import HaltChanged
from core.risk.halt import Cause, Halt, Level

__all__ = ["Halting"]


@define(eq=False)
class Halting:
    """Owns the halt's changes: lanes are told first, then journal and people.

    `changed` is for the actor: the halt is another one now. `ever_sent` tells whether the journal
    holds any order of a symbol. A halt that is latched outlives every start until an operator
    resets it.
    """

    desk: RiskDesk
    changed: Callable[[], None]
    ever_sent: Callable[[Key], bool]
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
        """Go on from the journal's last word."""
        if before.latched:
            self.desk.risk.halt = before
            text = f"trading is {before.level.value} since before this start: {before.reason}"
            self.desk.log("error", f"{text} ({before.by}); run.py reset-halt ends it")
        else:
            caused = HaltCaused(before, Cause.START, "", "", self.desk.actor.now_ns())
            self.desk.risk.halt = caused.after
            self.desk.journal(caused, HaltChanged.of(caused.after))
        self.tell_lanes()

    def because(self, cause: Cause, what: str, who: str = "", *evidence: object) -> None:
        """Change the halt, where this leads to another one; `evidence` is written down first."""
        caused = HaltCaused(self.halt, cause, what, who, self.desk.actor.now_ns())
        halt = caused.after
        if halt == self.halt:
            self.desk.journal(*evidence)
            return
        self.desk.risk.halt = halt
        self.tell_lanes()
        planned = halt.level is Level.RUNNING or self.closing
        level = "info" if planned else "error"
        self.desk.log(level, f"trading is {halt.level.value}: {halt.reason} ({halt.by})")
        self.desk.journal(*evidence, caused, HaltChanged.of(halt))
        self.changed()

    def journal_failed(self, problem: str) -> None:
        """Open nothing that could not be written down."""
        self.journal_problem = problem
        self.because(Cause.JOURNAL_FAILED, problem)

    def journal_recovered(self) -> None:
        """Go on, unless something else halts."""
        self.journal_problem = ""
        if not self.closing:
            self.because(Cause.JOURNAL_RECOVERED, "")

    def tell_lanes(self) -> None:
        """Tell the last fence of every lane."""
        for lane in self.desk.settings.lanes:
            self.desk.actor.tell_control(lane, HaltTold(self.halt))

    # Shutdown

    def close(self, order: CloseForShutdown) -> None:
        """Open nothing more, have every entry cancelled, then stop the host."""
        if self.closing:
            return
        self.closing = True
        self._why = order.reason
        self.because(Cause.SHUTDOWN, order.reason)
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
            sent = filter(self.ever_sent, self._unclosed)
            self._left |= dict.fromkeys(sent, ("no answer in time",))
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
