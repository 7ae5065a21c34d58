"""The operator's commands: carried out or refused, journalled, answered once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from actors.flattens import Flattens
from actors.halting import Halting
from actors.messages.operations import Tick
from actors.messages.risk import Operate, Pause
from actors.pauses import Pauses
from actors.risk_desk import RiskDesk
from actors.scaling import Scaling
from core.messages import Key
from core.records import OperatorCommanded, TradingPaused
from core.risk.halt import OPERATOR, Cause, Level

__all__ = ["Operating"]

Reply = Callable[[dict[str, Any]], None]

_COMMANDS = ("pause", "resume", "reduce-only", "halt", "reset-halt", "flatten", "throttle")
_OF_THE_HOST = ("reduce-only", "halt", "reset-halt")


@define(eq=False)
class Operating:
    """Carries out what the operator orders; says "done" once it is in the journal.

    `cause_stands` answers why trading cannot be resumed yet, "" when it can; `begin_anew` makes
    losses count from now on.
    """

    desk: RiskDesk
    halting: Halting
    pauses: Pauses
    scaling: Scaling
    flattens: Flattens
    cause_stands: Callable[[], str]
    begin_anew: Callable[[], None]
    _answers: dict[int, tuple[Reply, dict[str, Any]]] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)

    def begin(self, paused: set[str]) -> None:
        """Hold the pauses that the operator ordered before this start."""
        for symbol in paused:
            self._pause(symbol)

    def take(self, order: Operate) -> None:
        """Carry a command out, or refuse it with the reason."""
        refusal = self._refusal(order)
        if refusal:
            self.desk.log("warning", f"operator: {_words(order)} refused: {refusal}")
            self._answer(order, {"error": refusal}, refusal)
            return
        self.desk.log("warning", f"operator: {_words(order)}")
        match order.command:
            case "pause":
                self.desk.journal(TradingPaused(order.symbol, True))
                self._pause(order.symbol)
                self._answer(order, {"done": f"{_where(order)} opens nothing until resumed"})
            case "resume":
                self._answer(order, {"done": self._resume(order.symbol)})
            case "throttle":
                self.scaling.throttle(order.symbol, order.percent)
                done = f"entries of {_where(order)} have {order.percent} % of full size"
                self._answer(order, {"done": done})
            case "reduce-only" | "halt":
                self.halting.because(Cause.OPERATOR, order.command)
                self._answer(order, {"done": f"trading is {self.halting.halt.level.value}"})
            case "reset-halt":
                self.halting.because(Cause.OPERATOR, order.command)
                self._call_off()
                self.begin_anew()
                self._answer(order, {"done": "trading is running; losses count from now on"})
            case "flatten":
                self._flatten(order)

    def written(self, number: int) -> None:
        """Hear that the journal took a command: now it may be answered, if we took it ourselves.

        Who gave one to an earlier incarnation hears nothing: only that one knew whom to answer.
        """
        if number not in self._answers:
            return
        reply, body = self._answers.pop(number)
        problem = self.halting.journal_problem
        if problem and "done" in body:
            # In force, and nobody may rely on it: the next start knows nothing of it.
            lost = f"but a restart forgets it: the journal cannot be written: {problem}"
            body = {"error": f"{body['done']}, {lost}"}
        reply(body)

    def _refusal(self, order: Operate) -> str:
        traded = sorted({key.symbol for key in self.desk.keys})
        if order.command not in _COMMANDS:
            return f"unknown command {order.command!r}; there are: {', '.join(_COMMANDS)}"
        if order.symbol and order.command in _OF_THE_HOST:
            return f"{order.command} is for the whole host: leave the symbol out"
        if order.symbol and order.symbol not in traded:
            return f"no bot of this host trades {order.symbol}; they trade {', '.join(traded)}"
        if order.command == "throttle" and not 0 <= order.percent <= 100:
            return f"a throttle is 0 to 100 percent of full size, not {order.percent}"
        if self.halting.closing:
            return "the host is stopping"
        if order.command == "reset-halt":
            if self.halting.halt.level is Level.RUNNING:
                return "trading is not halted"
            if self.flattens.running:
                return (
                    "a flatten is still under way: reset-halt calls it off once its time is over "
                    "(execution.flatten_within_s)"
                )
            return self.cause_stands()
        return ""

    def _pause(self, symbol: str) -> None:
        for key in self._keys(symbol) if symbol else (None,):
            option = f" --symbol {symbol}" if symbol else ""
            reason = f"paused by the operator (python run.py resume{option} ends it)"
            venue = key.venue if key else ""
            self.pauses.pause(Pause(f"{OPERATOR}:{key or ''}", reason, venue, key))
        for key in self._keys(symbol):
            self.pauses.end_entries_of(key)

    def _resume(self, symbol: str) -> str:
        """Lift the operator's pause of a symbol; without one, of the host and every symbol."""
        ours = [source for source in self.pauses.pauses if source.startswith(f"{OPERATOR}:")]
        if symbol:
            names = [f"{OPERATOR}:{key}" for key in self._keys(symbol)]
            ours = [source for source in ours if source in names]
        for source in ours:
            self.pauses.resume(source)
        self.desk.journal(TradingPaused(symbol, False))
        self._call_off()
        left = [reason for key in self._keys(symbol) if (reason := self.desk.risk.paused.get(key))]
        where = symbol or "the host"
        resumed = f"{where} resumed" if ours else f"{where} was not paused by the operator"
        halt = self.halting.halt
        if halt.level is not Level.RUNNING:
            mend = " (python run.py reset-halt ends it)" if halt.latched else ""
            return f"{resumed}; trading is still {halt.level.value}: {halt.reason}{mend}"
        return f"{resumed}; still paused: {left[0]}" if left else resumed

    def _call_off(self) -> None:
        """Have no flatten begun anew where neither a latched halt nor a pause of ours is left."""
        pauses = self.pauses.pauses
        if not self.halting.halt.latched and f"{OPERATOR}:" not in pauses:
            free = [key for key in self.desk.keys if f"{OPERATOR}:{key}" not in pauses]
            self.flattens.call_off(free)

    def _flatten(self, order: Operate) -> None:
        if order.symbol:
            self.desk.journal(TradingPaused(order.symbol, True))
            self._pause(order.symbol)
        else:
            self.halting.because(Cause.OPERATOR, order.command)
        self._journal(order)

        def done(left: dict[Key, tuple[str, ...]]) -> None:
            rows = [f"{key.symbol}: {what}" for key, parts in left.items() for what in parts]
            if rows:
                order.reply({"error": f"{_where(order)} is not flat", "left": rows})
            else:
                order.reply({"done": f"{_where(order)} is flat, the venue says", "left": []})

        self.flattens.begin(self._keys(order.symbol), "operator", done)

    def _answer(self, order: Operate, body: dict[str, Any], refusal: str = "") -> None:
        self._count += 1
        number = self.desk.actor.generation << 32 | self._count
        self._answers[number] = (order.reply, body)
        self._journal(order, refusal, then=Tick("answer", number))

    def _journal(self, order: Operate, refusal: str = "", then: Tick | None = None) -> None:
        argument = str(order.percent) if order.command == "throttle" else ""
        record = OperatorCommanded(order.command, order.symbol, argument, refusal)
        self.desk.journal(record, then=then)

    def _keys(self, symbol: str) -> list[Key]:
        return [key for key in self.desk.keys if symbol in ("", key.symbol)]


def _where(order: Operate) -> str:
    return order.symbol or "the host"


def _words(order: Operate) -> str:
    percent = f" {order.percent} %" if order.command == "throttle" else ""
    return f"{order.command}{percent} {order.symbol}".rstrip()
