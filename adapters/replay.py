"""`run.py replay`: do a journal's decisions again, and compare them with what it says."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from adapters.logs import printable
from adapters.operations import print_json
from adapters.progress import watched
from adapters.report import instant
from adapters.show import console
from adapters.storage.archive import FOLDER, archives, whole
from adapters.storage.codec import Codec
from adapters.storage.journal import JournalReader
from core.decisions import RiskState, StrategyState
from core.errors import UsageError
from core.ports import Record
from core.replay import READ, Difference, Replay, Stage

__all__ = ["replay"]

_FOR_EVER_NS = 2**63
_STATES = (StrategyState, RiskState)
_DATABASE = b"SQLite format 3\0"
EQUAL, NOT_EQUAL = 0, 1


def replay(path: Path, stage: Stage, *, since: str, until: str, json: bool) -> int:
    """Replay the decisions of [`since`, `until`) in a journal or an archive; return the exit code.

    On the `stage` strategies and risk decide again.
    Where nothing could be compared nothing is shown to be equal, and the code says so too.
    Works beside a running host. Errors: `UsageError` for times that are none and a file that is not
    there or no database; `JournalError` for a journal that is damaged.
    """
    from_ns = instant(since, "--from") if since else 0
    to_ns = instant(until, "--to") if until else _FOR_EVER_NS
    if from_ns >= to_ns:
        raise UsageError(f"{until} is not after {since}", "--to", "name a later time")
    if not path.is_file():
        raise UsageError("there is no such journal", str(path), "name one, or run the host first")
    with path.open("rb") as file:
        if file.read(len(_DATABASE)) != _DATABASE:
            mend = "name a journal or an archive of one; if it was one: docs/journal.md, Mending"
            raise UsageError("this file is no journal", str(path), mend)
    last = _verify(path)
    missing = _missing(path, from_ns)
    done = Replay(_encoder(), stage, from_ns, to_ns)
    for record in watched(_decisions(path, from_ns), last):
        if record.time_ns >= to_ns:
            break
        done.take(record)
    if json:
        print_json(_shape(path, done, missing))
    else:
        _show(console(), path, done, missing)
    return EQUAL if done.compared and not done.differing else NOT_EQUAL


def _encoder() -> Any:
    codec = Codec()
    return lambda payload: codec.encode(payload)[1]


def _files(path: Path) -> list[Path]:
    """Return the archives of a journal and itself; an archive stands alone."""
    return [*archives(path), path]


def _verify(path: Path) -> int:
    """Walk the chain; return the last sequence. Errors: `JournalError` for what was changed."""
    for file in _files(path):
        last = JournalReader(file).verify().sequence
    return last


def _missing(path: Path, from_ns: int) -> int:
    """Return up to which record the span is in archives that are not here; 0 where it is here."""
    reader = JournalReader(path)
    archived = reader.base().sequence
    if not archived or len(_files(path)) > 1:
        return 0
    oldest = next(iter(reader.read(after=archived)), None)
    return archived if oldest is None or from_ns < oldest.time_ns else 0


def _decisions(path: Path, from_ns: int) -> Iterator[Record]:
    """Yield the decisions from the newest whole states on that are not behind the span's begin.

    Where there is none from the first record on: some stand for themselves.
    """
    begin: dict[str, int] = {}
    for record in _read(path, _STATES):
        if record.time_ns < from_ns:
            begin[record.actor] = record.sequence
    yield from _read(path, READ, min(begin.values(), default=1) - 1)


def _read(path: Path, kinds: Sequence[type], after: int = 0) -> Iterator[Record]:
    if len(_files(path)) > 1:
        return whole(path, kinds, after)
    reader = JournalReader(path)
    return reader.read(kinds=kinds, after=max(after, reader.base().sequence))


def _shape(path: Path, done: Replay, missing: int) -> dict[str, Any]:
    first = done.first
    return {
        "journal": str(path),
        "decisions": done.compared.total(),
        "kinds": dict(done.compared),
        "equal": done.equal,
        "differing": done.differing,
        "skipped": done.skipped,
        "missing_up_to": missing,
        "first_difference": None if first is None else _difference(first),
        "problem": _problem(done),
    }


def _problem(done: Replay) -> str:
    """Say why nothing was compared, and what to do; "" when something was."""
    if done.compared:
        return ""
    if done.skipped:
        return (
            "nothing was compared: the whole states that these decisions build on are not here; "
            "name the journal itself, with its archives beside it, or an earlier --from"
        )
    return (
        "nothing was compared: no decision is recorded here; name another span, or the journal "
        "of a host that has traded, or was written by a version that records decisions"
    )


def _difference(first: Difference) -> dict[str, Any]:
    """Name what differs, of both sides only that."""
    recorded, replayed = json_format.loads(first.recorded), json_format.loads(first.replayed)
    names = [name for name in recorded if recorded[name] != replayed.get(name)]
    return {
        "sequence": first.sequence,
        "time_ns": first.time_ns,
        "actor": first.actor,
        "kind": first.kind,
        "recorded": {name: recorded[name] for name in names},
        "replayed": {name: replayed[name] for name in names if name in replayed},
    }


def _show(out: Console, path: Path, done: Replay, missing: int) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(done.compared.items()))
    total = done.compared.total()
    out.print(
        f"{escape(printable(str(path)))}: {total} decisions, {done.equal} equal", highlight=False
    )
    if kinds:
        out.print(f"  {kinds}", highlight=False)
    if done.skipped:
        out.print(
            f"  {done.skipped} more cannot be done again: what they build on is not in this file, "
            "or was never written (a full disk, an earlier version)",
            highlight=False,
        )
    if missing:
        out.print(
            f"  [yellow]not looked at: records 1 to {missing}, which are in archives that are not "
            f"in {escape(printable(str(path.parent / FOLDER)))}[/]",
            soft_wrap=True,
            highlight=False,
        )
    problem = _problem(done)
    if problem:
        out.print(f"[bold red]{problem}[/]", highlight=False)
    if done.first is not None:
        found = _difference(done.first)
        where = f"record {found['sequence']}, {found['kind']} of {found['actor']}"
        out.print(f"first difference: {escape(printable(where))}", highlight=False)
        for side in ("recorded", "replayed"):
            said = json_format.dumps(found[side])
            out.print(f"  {side}  {escape(printable(said))}", soft_wrap=True, highlight=False)
