"""The operator's commands: to the host that runs, or to its journal while none does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import time_ns
from typing import Any

import click

from adapters.lock import InstanceLock
from adapters.logs import printable, stderr_line
from adapters.operations import JOURNAL, open_journal, print_json
from adapters.operations_socket import HostSilent, ask
from adapters.storage.journal import JournalReader
from core.config import Config
from core.errors import UsageError
from core.guard_decisions import HaltCaused
from core.operating import Command, within_s
from core.ports import Record
from core.records import HaltChanged, OperatorCommanded
from core.remembered import remember
from core.risk.halt import OPERATOR, Cause

__all__ = ["operate"]

_MARGIN_S = 2.0
_STATUS_WITHIN_S = 1.0


def operate(config: Config, command: Command, *, json: bool) -> int:
    """Have a command carried out and print what came of it.

    Returns 0 when it is done, 1 when it was refused or left something. Errors: `UsageError` for
    wrong use and where no host runs, `HostSilent` where one runs and does not answer in time.
    """
    state_dir = Path(config.paths.state)
    request = {"command": command.name, "symbol": command.symbol, "percent": command.percent}
    timeout_s = within_s(command, config.execution.flatten_within_s) + _MARGIN_S
    meanwhile = _Progress(state_dir, command.symbol) if command.name == "flatten" else None
    try:
        answer = ask(state_dir, request, timeout_s, meanwhile)
    except KeyboardInterrupt:  # not done, whatever became of it: exit code 1
        text = f"{command.name} is not waited for any more; the host may go on with it"
        raise HostSilent(text) from None
    if answer is None:
        answer = _without_host(config, command)
    if "usage" in answer:
        raise UsageError(*answer["usage"])
    if json:
        print_json({"command": command.name, "symbol": command.symbol, **answer})
    elif "done" in answer:
        click.echo(printable(str(answer["done"])))
    return _judge(command, answer)


def _judge(command: Command, answer: Mapping[str, Any]) -> int:
    if "error" not in answer:
        return 0
    what, mend = str(answer["error"]), "python run.py status shows more"
    if answer.get("left"):
        what = f"{what}: {'; '.join(str(line) for line in answer['left'])}"
        mend = "look at the venue, then flatten again"
    stderr_line(printable(f"error: {what} (python run.py {command.name}): {mend}"))
    return 1


def _without_host(config: Config, command: Command) -> dict[str, Any]:
    if command.name == "reset-halt":
        return _reset_halt(config)
    state_dir = Path(config.paths.state)
    holder = InstanceLock(state_dir, config.host_name).holder()
    if holder is not None:
        raise HostSilent(f"host {holder.host} (process {holder.pid}) is just starting or stopping")
    raise UsageError(
        "no host runs on this state folder",
        str(state_dir),
        "start it (python run.py), or name the --config that it was started with",
    )


def _reset_halt(config: Config) -> dict[str, Any]:
    """Lift a latched halt in the journal and forget what losses are measured from."""
    state_dir = Path(config.paths.state)
    if not (state_dir / JOURNAL).exists():
        raise UsageError(
            "this state folder has no journal yet",
            str(state_dir / JOURNAL),
            "nothing is halted: start the host (python run.py), or name its --config",
        )
    with InstanceLock(state_dir, config.host_name):
        before = remember(JournalReader(state_dir / JOURNAL))
        halt, now_ns = before.halt, time_ns()
        if not (halt.latched or before.equities):
            return {"error": "no halt is latched: the next start trades"}
        caused = HaltCaused(halt, Cause.RESET_AWAY, "reset-halt", "", now_ns)
        changed = HaltChanged.of(caused.after)
        payloads = (caused, changed, OperatorCommanded("reset-halt", "", ""))
        journal = open_journal(config)
        try:
            journal.append([Record(payload, now_ns, actor=OPERATOR) for payload in payloads])
        finally:
            journal.close()
    if not halt.latched:
        return {"done": "no halt was latched; losses count anew from the next start"}
    return {"done": f"the halt is lifted ({halt.reason}): the next start trades"}


class _Progress:
    """Tell on stderr what is still open, a line per change."""

    def __init__(self, state_dir: Path, symbol: str) -> None:
        self._state_dir = state_dir
        self._symbol = symbol
        self._said = ""

    def __call__(self) -> None:
        try:
            request = {"command": "status", "symbol": self._symbol}
            status = ask(self._state_dir, request, _STATUS_WITHIN_S)
        except HostSilent:
            return  # the answer to the command itself says how it ended
        if status is None or "positions" not in status:
            return
        held = [
            f"{row['symbol']} {row['position_side']} {row['quantity']}"
            for row in status["positions"]
        ]
        said = f"open: {', '.join(held) or 'no position'}; {status['open_orders']} orders"
        if said != self._said:
            self._said = said
            stderr_line(printable(said))
