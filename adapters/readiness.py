"""The readiness report: every item asked once, shown to people and machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Event, Thread

from rich.markup import escape
from rich.table import Table

from adapters.logs import printable
from adapters.operations import JOURNAL, print_json, read_books
from adapters.readiness_host import look_at_account, look_at_host, look_at_instance, recall
from adapters.readiness_venue import VenueAccess, VenueLook, set_up
from adapters.show import console
from adapters.storage.journal import JournalReader
from core.books import Books
from core.config import Config
from core.errors import JournalError, NotReady, VenueError
from core.readiness import Item, Report, State, fail
from core.records import BooksOpened, Transferred
from core.transfers import Transfers

__all__ = ["VenueAccess", "at_start", "examine", "refusal", "show", "summary"]

_CHECKED_AT_START = 1_000
"""Newest records: the start has walked the whole chain just before, to mend a torn end."""
_STREAMS_WITHIN_S = 10.0
_STREAMS_AT_START_S = 1.5
_VENUES_AT_START_S = 5.0
_POLL_S = 0.05
_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def examine(
    config: Config, environment: Mapping[str, str], accesses: Callable[[], Sequence[VenueAccess]]
) -> Report:
    """Ask everything, changing nothing, beside a running host too.

    `accesses` is called only once the keys are known to be there.
    """
    instance = look_at_instance(config)
    items = [instance, *look_at_host(config, environment)]
    if any(item.name == "keys" and item.state is State.FAIL for item in items):
        items.append(fail("rest", "not asked: there is no key", "mend keys"))
        return Report(config.mode, tuple(items))
    # Beside a running host the two differ in passing, and it compares them itself.
    books = _books(config) if instance.state is State.OK else None
    venues = accesses()
    accounts = {access.name: (access.endpoints, access.account) for access in venues}
    items.append(look_at_account(config, accounts, environment))
    for access in venues:
        items += _look(config, access, books=books)
    return Report(config.mode, tuple(items))


def at_start(
    config: Config,
    environment: Mapping[str, str],
    accesses: Sequence[VenueAccess],
    interrupted: Callable[[], bool],
) -> Report:
    """Ask what a start needs to know; what the start itself compares or sets is left to it.

    In live, modes and leverage are set once nothing else is in the way, and read back. Elsewhere a
    venue is given a few seconds: the host starts and waits for it as long as it takes.
    """
    items = look_at_host(config, environment, newest_records=_CHECKED_AT_START)
    before = Report(config.mode, tuple(items))
    if before.stopping:
        return before
    live = config.mode == "live"

    def look(stop: Callable[[], bool], *, was_set: bool = False) -> list[Item]:
        within_s = _STREAMS_WITHIN_S if live else _STREAMS_AT_START_S
        return [
            item
            for access in accesses
            for item in _look(config, access, was_set=was_set, within_s=within_s, interrupted=stop)
        ]

    if not live:
        return Report(config.mode, (*items, *_bounded(look, interrupted)))
    report = Report(config.mode, (*items, *look(interrupted)))
    if report.stopping or interrupted():
        return report
    try:
        for access in accesses:
            set_up(config, access)
    except VenueError as error:
        mend = "close what is open, or set it at the venue by hand"
        return Report(config.mode, (*report.items, fail("settings", error.message, mend)))
    return Report(config.mode, (*items, *look(interrupted, was_set=True)))


def _bounded(
    look: Callable[[Callable[[], bool]], list[Item]], interrupted: Callable[[], bool]
) -> list[Item]:
    """Look at venues for a few seconds: a start need not wait for one that hardly answers."""
    over = Event()
    found: Future[list[Item]] = Future()

    def work() -> None:
        try:
            found.set_result(look(lambda: over.is_set() or interrupted()))
        except BaseException as error:  # noqa: BLE001 (raised where the result is taken)
            found.set_exception(error)

    Thread(target=work, name="readiness", daemon=True).start()
    until_s = time.monotonic() + _VENUES_AT_START_S
    while not interrupted() and time.monotonic() < until_s:
        if wait([found], _POLL_S).done:
            return found.result()
    over.set()
    figure = f"the venue was not heard within {_VENUES_AT_START_S:g} s"
    return [fail("rest", figure, "python run.py check waits longer")]


def show(report: Report, *, json: bool) -> None:
    """Print the report: one line for each item, or one JSON object."""
    if json:
        print_json(report.row())
        return
    out = console()
    grid = Table.grid(padding=(0, 2))
    for item in report.items:
        mend = f" → {item.mend}" if item.mend else ""
        grid.add_row(
            f"[{_COLOURS[item.state]}]{item.state.value}[/]",
            item.name,
            escape(printable(f"{item.figure}{mend}")),
        )
    out.print(grid)
    out.print("ready" if report.ready else "not ready", style="bold")


def summary(report: Report) -> list[tuple[str, str]]:
    """Write level and line for the log: what is not ok, items with the same words in one line.

    What the start brings about by itself is left to its own lines, unless there is no start.
    """
    stopped = bool(report.stopping)
    lines: dict[tuple[str, str], list[str]] = {}
    for item in report.items:
        if item.state is not State.OK and (stopped or not item.by_start):
            lines.setdefault((item.figure, item.mend), []).append(item.name)
    bad = [item.name for item in report.items if item.state is not State.OK]
    named = f"; not yet: {', '.join(bad)}" if bad else ""
    total = len(report.items)
    return [
        ("info", f"{total - len(bad)} of {total} items are ok{named}"),
        *(
            ("warning", f"{', '.join(names)}: {figure}{f' ({mend})' if mend else ''}")
            for (figure, mend), names in lines.items()
        ),
    ]


def refusal(report: Report) -> NotReady:
    """Make the error that says what stops a start (at least one item does)."""
    first, *others = (
        NotReady(item.figure, f"readiness: {item.name}", item.mend) for item in report.stopping
    )
    return NotReady(first.what, first.where, first.mend, tuple(others))


def _look(
    config: Config,
    access: VenueAccess,
    *,
    books: Books | None = None,
    was_set: bool = False,
    within_s: float = _STREAMS_WITHIN_S,
    interrupted: Callable[[], bool] = bool,
) -> list[Item]:
    place = (access.name, access.margin_asset)
    return VenueLook(
        config,
        access,
        transfers=_transfers(config, *place),
        marked=recall(config).equities.get(place),
        books=books,
        was_set=was_set,
        streams_within_s=within_s,
        interrupted=interrupted,
    ).look()


def _books(config: Config) -> Books | None:
    try:
        return read_books(Path(config.paths.state))[0]
    except JournalError:
        return None  # the journal's own item says why


def _transfers(config: Config, venue: str, asset: str) -> Transfers:
    """Return what the journal knows to have been moved in or out since its opening."""
    path, mine = Path(config.paths.state) / JOURNAL, (venue, asset)
    opened_ns, moved = 0, []
    try:
        reader = JournalReader(path) if path.exists() else None
        for record in reader.read(kinds=(BooksOpened, Transferred)) if reader else ():
            match record.payload:
                case BooksOpened() as opening if (opening.venue, opening.asset) == mine:
                    opened_ns = opened_ns or opening.as_of_ns
                case Transferred() as transfer if (transfer.venue, transfer.asset) == mine:
                    moved.append(transfer)
    except JournalError:
        return Transfers(0)  # the journal's own item says why, and that stops a start
    transfers = Transfers(opened_ns)
    for transfer in moved:
        transfers.book(transfer)
    return transfers
