"""Readiness: what a start needs, item by item, and whether a start is allowed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import frozen

__all__ = ["Item", "Report", "State", "fail", "ok", "warn"]


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@frozen(slots=True)
class Item:
    """One line of the report: what was looked at, the figure found, and how to mend it.

    `by_start` marks what a start brings about by itself before it trades, so it holds no start up.
    `unsafe` marks what stops a start in every mode: trading would be impossible or dangerous.
    """

    name: str
    state: State
    figure: str
    mend: str = ""
    by_start: bool = False
    unsafe: bool = False

    def __str__(self) -> str:
        mend = f" ({self.mend})" if self.mend else ""
        return f"{self.name}: {self.figure}{mend}"


def ok(name: str, figure: str) -> Item:
    """Say that an item is as it should be."""
    return Item(name, State.OK, figure)


def warn(name: str, figure: str, mend: str, *, by_start: bool = False) -> Item:
    """Say what people should know before real money depends on it."""
    return Item(name, State.WARN, figure, mend, by_start=by_start)


def fail(name: str, figure: str, mend: str, *, unsafe: bool = False) -> Item:
    """Say what is wrong."""
    return Item(name, State.FAIL, figure, mend, unsafe=unsafe)


@frozen(slots=True)
class Report:
    """All items of one look, in the order of the questions."""

    mode: str
    items: tuple[Item, ...]

    @property
    def stopping(self) -> tuple[Item, ...]:
        """Return what stops a start: live needs every item ok, other modes nothing unsafe.

        Elsewhere a host starts beside what is only not there yet: it waits for venues and sets
        modes itself.
        """
        if self.mode == "live":
            return tuple(
                item for item in self.items if item.state is not State.OK and not item.by_start
            )
        return tuple(item for item in self.items if item.state is State.FAIL and item.unsafe)

    @property
    def ready(self) -> bool:
        """Tell whether nothing failed and nothing would stop a start."""
        return not self.stopping and all(item.state is not State.FAIL for item in self.items)

    def row(self) -> dict[str, Any]:
        """Write the report for machines."""
        return {
            "ready": self.ready,
            "items": [
                {
                    "name": item.name,
                    "state": item.state.value,
                    "figure": item.figure,
                    "mend": item.mend,
                }
                for item in self.items
            ],
        }
