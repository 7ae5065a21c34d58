"""How far a reading of the journal is, on stderr: a bar for people, a line now and then else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

from rich.console import Console
from rich.progress import Progress

from adapters.logs import stderr_line
from core.ports import Record

__all__ = ["watched"]

_SAY_EVERY_S = 2.0
_STEP = 1_000


def watched(records: Iterable[Record], last: int) -> Iterator[Record]:
    """Yield the records, of which the last has the number `last`, and show how far it is."""
    if sys.stderr.isatty():
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("reading the journal", total=last)
            yield from _counted(records, lambda done: progress.update(task, completed=done))
        return
    said = monotonic()

    def say(done: int) -> None:
        nonlocal said
        if monotonic() - said >= _SAY_EVERY_S:
            said = monotonic()
            stderr_line(f"record {done} of {last}")

    yield from _counted(records, say)


def _counted(records: Iterable[Record], say: Callable[[int], None]) -> Iterator[Record]:
    for count, record in enumerate(records):
        if count % _STEP == 0:
            say(record.sequence)
        yield record
