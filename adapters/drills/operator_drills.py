"""What an operator may order: halt, over a restart too; flatten."""

from __future__ import annotations

from adapters.drills.judging import entries
from adapters.drills.site import DrillFailed, Site
from core.operating import Command, within_s

__all__ = ["flatten", "halt"]


def halt(site: Site) -> None:
    """Halt, kill the host, see that the next one is halted still; reset the halt."""
    site.inject("an operator halts trading")
    _order(site, "halt")
    site.wait("no entry is left at the venue", lambda: not entries(site.truth()))
    site.note("no entry is left at the venue")
    site.note(f"kill -9 of the host (process {site.pid}); another is started")
    site.kill()
    site.start()
    site.wait("it says so", lambda: bool(site.status()))
    site.wait("it is halted still", lambda: site.status().get("halt") == "halted")
    site.note("halted still after the restart")
    # While it starts, it refuses: nobody can tell yet what would be lost from then on.
    site.wait("the halt is reset", lambda: "done" in site.ask({"command": "reset-halt"}))
    site.note("the operator has reset the halt")
    site.wait_trading_again()


def flatten(site: Site) -> None:
    """Flatten: every position closed, until the venue says flat."""
    site.inject("an operator flattens everything")
    _order(site, "flatten")
    truth = site.truth()
    if truth["positions"] or entries(truth):
        raise DrillFailed(f"said to be flat, and the venue has {truth['positions']}")
    site.recovered("the venue says flat")


def _order(site: Site, name: str) -> None:
    patience_s = within_s(Command(name), site.config.execution.flatten_within_s)
    answer = site.ask({"command": name}, patience_s)
    if "done" not in answer:
        raise DrillFailed(f"{name} was not done: {answer.get('error', 'no answer')}")
