"""What an operator asks on the command line: the status of the host, and the ledgers."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from adapters.operations_socket import HostSilent, OperationsServer, ask
from adapters.show import console, show_ledger, show_status
from adapters.storage.journal import JournalReader, SqliteJournal
from core.books import FOLDED, Books
from core.config import Config
from core.errors import BulkheadError, UsageError
from core.remembered import Remembered, remember
from core.status import status_from_books

__all__ = [
    "JOURNAL",
    "SOCKET",
    "HostSilent",
    "OperationsServer",
    "ask",
    "ledger",
    "open_journal",
    "print_json",
    "read_books",
    "status",
]

JOURNAL = "journal.db"
SOCKET = "host.sock"
_ASK_WITHIN_S = 5.0
_EXCHANGE_WITHIN_S = 10.0


def status(config: Config, *, json: bool, symbol: str = "") -> int:
    """Print what the host does, or what its journal last knew when none runs; return 0.

    A host that is there and does not answer is shown as `"state": "silent"` with what its journal
    knows, and the exit code is 1. Errors: `JournalError`, `BulkheadError` from the host.
    """
    state_dir = Path(config.paths.state)
    _traded(config, symbol)
    code, state = 0, "stopped"
    try:
        answer = ask(state_dir, {"command": "status", "symbol": symbol}, _ASK_WITHIN_S)
    except HostSilent:
        code, state, answer = 1, "silent", None
    if answer is not None and "error" in answer:
        raise BulkheadError(f"the host refused: {answer['error']}")
    if answer is None:
        books, as_of_ns = read_books(state_dir)
        path = state_dir / JOURNAL
        held = remember(JournalReader(path)) if path.exists() else Remembered()
        answer = status_from_books(books, held, as_of_ns, state, symbol)
    if json:
        print_json(answer)
    else:
        show_status(console(), answer)
    return code


def _traded(config: Config, symbol: str) -> None:
    """Refuse a symbol that nobody trades. Errors: `UsageError` naming those that are."""
    known = {each for bot in config.bots for each in bot.symbols}
    if symbol and symbol not in known:
        known |= {key.symbol for key in read_books(Path(config.paths.state))[0].symbols()}
    if symbol and symbol not in known:
        raise UsageError(
            f"no bot trades {symbol}", "--symbol", f"name one of {', '.join(sorted(known))}"
        )


def ledger(config: Config, *, exchange: bool, json: bool) -> int:
    """Print the host's own books, or the local exchange's truth; running or stopped; return 0.

    Errors: `JournalError`, `UsageError` where there is nothing to show.
    """
    if exchange:
        truth = _exchange_ledger(config)
    else:
        path = Path(config.paths.state) / JOURNAL
        if not path.exists():
            raise UsageError(
                "this state folder has no journal yet", str(path), "run the host first"
            )
        truth = read_books(path.parent)[0].ledger()
    if json:
        print_json(truth)
    else:
        show_ledger(console(), truth)
    return 0


def read_books(state_dir: Path) -> tuple[Books, int]:
    """Fold the journal of a host that runs or not; return the books and the last record's time.

    Empty books and 0 where no host ever ran. Errors: `JournalError`.
    """
    path = state_dir / JOURNAL
    books, as_of_ns = Books(), 0
    if path.exists():
        for record in JournalReader(path).read(kinds=FOLDED):
            books.apply(record.payload)
            as_of_ns = record.time_ns
    return books, as_of_ns


def open_journal(config: Config) -> SqliteJournal:
    """Open the host's journal for writing, as durable as configured. Errors: `JournalError`."""
    power = config.journal.durability == "power"
    return SqliteJournal(Path(config.paths.state) / JOURNAL, "power" if power else "process")


def _exchange_ledger(config: Config) -> dict[str, Any]:
    from adapters.venues.binance_usdm.emulator import discover, read_ledger

    if config.mode != "paper":
        raise UsageError(
            f'there is no local exchange in mode "{config.mode}"',
            "ledger --exchange",
            "leave --exchange away, or name a configuration in paper mode",
        )
    if config.paper.exchange:
        return _fetch(config.paper.exchange)
    folder = Path(config.paths.state) / "exchange"
    running = discover(folder, "binance")
    return read_ledger(folder, "binance") if running is None else _fetch(running.rest)


def _fetch(rest_url: str) -> dict[str, Any]:
    url = f"{rest_url.rstrip('/')}/_exchange/ledger"
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.get(url, timeout=_EXCHANGE_WITHIN_S)
            response.raise_for_status()
            found = response.json()
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise UsageError(
                f"the local exchange gave no ledger: {type(error).__name__}",
                url,
                "start it (python run.py exchange), or mend paper.exchange",
            ) from error
    if not isinstance(found, dict) or "orders" not in found:
        raise UsageError("this is no local exchange", url, "mend paper.exchange")
    return found


def print_json(shape: dict[str, Any]) -> None:
    """Print an answer for machines."""
    # Through rich's console neither wrapping nor colour may touch it; print() would do, but T20.
    Console(soft_wrap=True).out(json_format.dumps(shape, indent=2), highlight=False)
