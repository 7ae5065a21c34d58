"""An operator's commands as they come from outside: which there are, how long each may take."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from core.errors import UsageError

__all__ = ["COMMANDS", "Command", "read", "within_s"]

COMMANDS = ("pause", "resume", "reduce-only", "halt", "reset-halt", "flatten", "throttle")
_ANSWER_WITHIN_S = 5.0
_AFTER_FLATTEN_S = 8.0
_LONGEST_SYMBOL = 40


@frozen(slots=True)
class Command:
    """One command; `symbol` "" is the whole host, `percent` of full size is throttle's."""

    name: str
    symbol: str = ""
    percent: int = 100


def read(request: Mapping[str, object]) -> Command:
    """Read a command from plain values; whether it may be carried out is for risk to say.

    Errors: `UsageError`.
    """
    name, symbol = request.get("command"), request.get("symbol", "")
    percent = request.get("percent", 100)
    if not isinstance(name, str) or name not in COMMANDS:
        known = ", ".join(("status", *COMMANDS))
        raise UsageError(f"unknown command {name!r}", "command", f"there are: {known}")
    if not isinstance(symbol, str) or not symbol.isprintable() or len(symbol) > _LONGEST_SYMBOL:
        # Half a character from a shell, as any that cannot be printed, could not be written down.
        raise UsageError(f"{symbol!r:.60} is no symbol", "symbol", "write its name, or none")
    if type(percent) is not int:
        raise UsageError(f"{percent!r} is no whole number", "percent", "write 0 to 100")
    return Command(name, symbol, percent)


def within_s(command: Command, flatten_within_s: float) -> float:
    """Return how long the host may take to answer, in seconds."""
    if command.name == "flatten":
        return flatten_within_s + _AFTER_FLATTEN_S
    return _ANSWER_WITHIN_S
