"""`run.py report`: the journal as CSV and JSON lines for people and tax tools, and a summary."""

from __future__ import annotations

import csv
import json as json_format
import os
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from adapters.operations import JOURNAL, print_json
from adapters.progress import watched
from adapters.show import console, show_summary
from adapters.storage.archive import whole
from adapters.storage.journal import JournalReader
from core.config import Config
from core.errors import UsageError
from core.money import text
from core.ports import Record
from core.statement import SECTIONS, Statement

__all__ = ["instant", "report"]

Row = dict[str, Any]

_NS_S = 1_000_000_000
_FOR_EVER_NS = 2**63
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report(config: Config, *, since: str, until: str, out: Path, json: bool) -> int:
    """Write what happened in [`since`, `until`) into the folder `out`, print the sums; return 0.

    Works beside a running host. Errors: `UsageError` for times that are none, a journal that is
    not there, a folder that cannot be written to; `JournalError`.
    """
    from_ns = instant(since, "--from") if since else 0
    to_ns = instant(until, "--to") if until else _FOR_EVER_NS
    if from_ns >= to_ns:
        raise UsageError(f"{until} is not after {since}", "--to", "name a later time")
    path = Path(config.paths.state) / JOURNAL
    if not path.exists():
        raise UsageError("this state folder has no journal yet", str(path), "run the host first")
    statement = Statement(from_ns, to_ns)
    try:
        records = watched(whole(path), JournalReader(path).head().sequence)
        files = _write(out, statement, records)
    except OSError as error:
        raise UsageError(
            f"{out}: {(error.strerror or str(error)).lower()}", "--out", "name another folder"
        ) from error
    summary = _summary(statement, since, until, files)
    if json:
        print_json(summary)
    else:
        show_summary(console(), summary)
    return 0


def instant(words: str, where: str) -> int:
    """Read an ISO date (its beginning) or time, UTC unless it says otherwise; return ns."""
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        raise UsageError(
            f"{words[:40]!r} is no time", where, "write 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _NS_S + since.microseconds * 1_000


def _write(out: Path, statement: Statement, records: Iterable[Record]) -> list[str]:
    """Write all sections; a file gets its name only once it is whole."""
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        sections = {name: stack.enter_context(_Section(out, name)) for name in SECTIONS}
        for record in records:
            for name, row in statement.take(record):
                sections[name].write(row)
        for name, row in statement.close():
            sections[name].write(row)
    return [str(path) for section in sections.values() for path in section.finish()]


class _Section:
    """One part of the report in its two files; a context manager."""

    def __init__(self, out: Path, name: str) -> None:
        self._columns = SECTIONS[name]
        self._paths = (out / f"{name}.csv", out / f"{name}.jsonl")
        self._files: list[IO[str]] = []

    def __enter__(self) -> _Section:
        self._files = [_private(_part(path)) for path in self._paths]
        self._csv = csv.writer(self._files[0], lineterminator="\n")
        self._csv.writerow([column.replace("_ns", "_utc") for column in self._columns])
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for file, path in zip(self._files, self._paths, strict=True):
            file.close()
            if kind is not None:
                _part(path).unlink()

    def write(self, row: Row) -> None:
        """Write one row into both files."""
        cells = {name: _plain(name, row.get(name, "")) for name in self._columns}
        self._csv.writerow([_harmless(cell, row.get(name)) for name, cell in cells.items()])
        line = {name.replace("_ns", "_utc"): cell for name, cell in cells.items()}
        self._files[1].write(json_format.dumps(line, ensure_ascii=False) + "\n")

    def finish(self) -> tuple[Path, Path]:
        """Give the files their names."""
        for path in self._paths:
            _part(path).replace(path)
        return self._paths


def _private(path: Path) -> IO[str]:
    """Open a file to write, for the owner alone."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _plain(name: str, value: object) -> object:
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, int) and name.endswith("_ns"):
        return _iso(value)
    return value


def _harmless(cell: object, value: object) -> object:
    """Keep a spreadsheet from running a text as a formula: one came from outside, maybe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return cell


def _iso(time_ns: int) -> str:
    seconds, rest_ns = divmod(time_ns, _NS_S)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _summary(statement: Statement, since: str, until: str, files: list[str]) -> Row:
    symbols = [
        {
            "venue": key.venue, "symbol": key.symbol, "orders": sums.orders, "fills": sums.fills,
            "volume": text(sums.volume), "realised_pnl": text(sums.realised_pnl),
            "fees": text(sums.fees), "funding": text(sums.funding), "net": text(sums.net),
        }
        for key, sums in sorted(statement.symbols.items(), key=lambda row: str(row[0]))
    ]  # fmt: skip
    assets = [
        {
            "venue": venue, "asset": asset, "realised_pnl": text(sums.realised_pnl),
            "fees": text(sums.fees), "funding": text(sums.funding),
            "adjustments": text(sums.adjustments), "net": text(sums.net),
            "transfers": text(sums.transfers), "max_drawdown": text(sums.max_drawdown),
        }
        for (venue, asset), sums in sorted(statement.assets.items())
    ]  # fmt: skip
    return {
        "from": since or None,
        "to": until or None,
        "symbols": symbols,
        "assets": assets,
        "files": files,
    }
