"""What drills did and found, for people line by line and in a table, for machines as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.drills.running import DRILLS, Result, purpose
from adapters.drills.site import Note
from adapters.logs import printable

__all__ = ["as_json", "show_list", "show_result", "show_table"]

_LINES_BETWEEN = 6
_LONGEST = 150
_GRAVE = ("warning", "error", "critical")
_CHATTY = ("position:", "strategy:", "connection:", "stream:", "market:")
_COLOURS = {"drill": "bold", "warning": "yellow", "error": "red", "critical": "bold red"}


def show_list(console: Console) -> None:
    """Print the drills there are."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in DRILLS:
        table.add_row(name, purpose(name))
    console.print(table)


def show_result(console: Console, result: Result) -> None:
    """Print what one drill injected, what the host did, and the comparison."""
    console.print(f"[bold]{result.name}[/bold]: {purpose(result.name)}", highlight=False)
    told = _told(result.notes)
    for note in told:
        colour = _COLOURS.get(note.who, "")
        line = f"  {note.at_s:6.2f} s  {note.who:<8}  {escape(_short(note.text))}"
        _say(console, f"[{colour}]{line}[/]" if colour else line)
    if len(told) < len(result.notes):
        _say(console, f"            and {len(result.notes) - len(told)} lines more (--json)")
    _say(console, f"  ledgers   {_comparison(result)}")
    for text in (*result.differences, *result.problems):
        _say(console, f"  [red]{escape(printable(text))}[/]")
    _say(console, f"  {_verdict(result)}, {result.took_s:.1f} s in all")
    if not result.passed:
        _say(console, f"  see {escape(result.folder)}, and status or ledger with its config.toml")
    _say(console, "")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _verdict(result: Result) -> str:
    return "[green]passed[/]" if result.passed else "[bold red]FAILED[/]"


def _short(text: str) -> str:
    line = printable(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _told(notes: Sequence[Note]) -> list[Note]:
    """Return the drill's own notes and some of the host's between them, the first of each gap."""
    last = max((place for place, note in enumerate(notes) if note.who == "drill"), default=-1)
    kept: list[Note] = []
    room = _LINES_BETWEEN
    for note in notes[: last + 1]:
        if note.who == "drill":
            room = _LINES_BETWEEN
        elif room and _matters(note):
            room -= 1
        else:
            continue
        kept.append(note)
    return kept


def _matters(note: Note) -> bool:
    return note.who in _GRAVE or not (note.text.startswith(_CHATTY) or "  refused " in note.text)


def _comparison(result: Result) -> str:
    if not result.compared:
        return "not compared"
    if result.differences:
        return f"{len(result.differences)} differences between books and exchange"
    return f"equal: {result.orders} orders, {result.fills} fills, positions, balances"


def show_table(console: Console, results: Sequence[Result]) -> None:
    """Print one line for each drill."""
    table = Table(box=None, pad_edge=False)
    for head in ("drill", "", "safe after", "ledgers", "orders", "fills", "took"):
        number = head in ("safe after", "orders", "fills", "took")
        table.add_column(head, justify="right" if number else "left")
    for result in results:
        unequal = f"{len(result.differences)} differences"
        table.add_row(
            result.name,
            _verdict(result),
            "-" if result.recovered_s is None else f"{result.recovered_s:.1f} s",
            "not compared" if not result.compared else unequal if result.differences else "equal",
            str(result.orders),
            str(result.fills),
            f"{result.took_s:.1f} s",
        )
    console.print(table)


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return everything for machines; times in seconds since the injection."""
    drills = []
    for result in results:
        row = attrs.asdict(result)
        drills.append({"passed": result.passed, "injects": purpose(result.name), **row})
    return {"passed": all(result.passed for result in results), "drills": drills}
