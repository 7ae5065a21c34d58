"""The exchange's account on disk: every change in SQLite before the answer that tells of it."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from adapters.storage.codec import check_numbers
from adapters.venues.binance_usdm.emulator.discovery import make_private
from adapters.venues.binance_usdm.emulator.errors import UNREADABLE
from core.errors import UsageError
from core.exchange import ExchangeState
from core.exchange.rows import (
    AccountRow,
    Amendment,
    BalanceRow,
    ConditionalOrder,
    IncomeRow,
    PoolRow,
    PositionRow,
    SymbolRow,
    VenueOrder,
    VenueTrade,
)
from core.ledger import ledger
from core.positions import Position

__all__ = ["Store", "read_ledger"]

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, id TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_UPSERT = (
    "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET payload = "
    "excluded.payload"
)

_UNREADABLE = (sqlite3.DatabaseError, ValueError, TypeError, *UNREADABLE)

R = TypeVar("R")


def _kind(
    name: str, row_type: type[R], key: Callable[[R], str]
) -> tuple[str, Callable[[R], str], Callable[[bytes], R]]:
    return name, key, msgspec.json.Decoder(row_type).decode


_KINDS: tuple[tuple[str, Callable[[Any], str], Callable[[bytes], Any]], ...] = (
    _kind("orders", VenueOrder, lambda row: f"{row.key.symbol}/{row.order_id}"),
    _kind("conditionals", ConditionalOrder, lambda row: str(row.algo_id)),
    _kind("trades", VenueTrade, lambda row: f"{row.fill.key.symbol}/{row.fill.fill_id}"),
    _kind("amendments", Amendment, lambda row: str(row.amendment_id)),
    _kind("income", IncomeRow, lambda row: str(row.income_id)),
    _kind("positions", PositionRow, lambda row: f"{row.key.symbol}/{row.side.value}"),
    _kind("balances", BalanceRow, lambda row: row.asset),
    _kind("symbols", SymbolRow, lambda row: row.key.symbol),
    _kind("pools", PoolRow, lambda row: f"{row.name}/{row.asset}"),
)
_SYMBOL = msgspec.json.Decoder(SymbolRow)
_ACCOUNT = msgspec.json.Decoder(AccountRow)


class Store:
    """One venue's account in `<folder>/exchange.db`.

    Write-ahead log with `synchronous=NORMAL`: a transaction survives the death of the process at
    any instant (a power cut may take the last ones).
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "exchange.db"
        make_private(folder)
        self._db = _open(self.path, f"file:{self.path}?mode=rwc")
        self.path.chmod(0o600)
        try:
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000;"
                + _SCHEMA
            )
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, error) from None
        _check_version(self._db, self.path)
        self._db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        self._encode = msgspec.json.Encoder().encode
        self._lock: IO[str] | None = None

    def claim(self) -> None:
        """Hold this account for this process alone. Errors: `BlockingIOError` where it is held."""
        path = self.path.with_suffix(".lock")
        path.touch(mode=0o600)
        self._lock = path.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def save(self, changes: ExchangeState) -> None:
        """Write changed rows in one transaction; durable against a killed process on return."""
        encode = self._encode
        rows = [
            (name, key(row), encode(row))
            for name, key, _ in _KINDS
            for row in getattr(changes, name)
        ]
        if changes.account is not None:
            rows.append(("account", "", encode(changes.account)))
        if rows:
            self._db.execute("BEGIN")
            self._db.executemany(_UPSERT, rows)
            self._db.execute("COMMIT")

    def load(self) -> ExchangeState | None:
        """Read everything that was saved, None where nothing was. Errors: `UsageError`."""
        return _load(self._db, self.path)

    def symbols(self) -> tuple[SymbolRow, ...]:
        """Read the symbols that the account knows. Errors: `UsageError`."""
        rows = self._db.execute("SELECT payload FROM rows WHERE kind = 'symbols'")
        try:
            found = tuple(_SYMBOL.decode(payload) for (payload,) in rows)
            check_numbers(found)
        except _UNREADABLE as error:
            raise _damaged(self.path, error) from None
        return found

    def note(self, name: str) -> str:
        """Read one of the server's own notes, "" where absent."""
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def set_notes(self, notes: Iterable[tuple[str, str]]) -> None:
        """Write the server's own notes in one transaction."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value ="
            " excluded.value",
            list(notes),
        )
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        if self._lock is not None:
            self._lock.close()


def read_ledger(state_dir: Path, venue: str) -> dict[str, Any]:
    """Read the account of a stopped (or running) exchange from its state folder.

    The shape of `core.ledger`. Errors: `UsageError` where there is no account or it is damaged.
    """
    path = state_dir / venue / "exchange.db"
    if not path.is_file():
        raise UsageError(
            "no local exchange has kept an account", str(path), "start one, or name its --state"
        )
    db = _open(path, f"file:{path}?mode=rw")
    try:
        _check_version(db, path)
        state = _load(db, path)
    finally:
        db.close()
    return state_ledger(state or ExchangeState(), venue)


def state_ledger(state: ExchangeState, venue: str) -> dict[str, Any]:
    """Build the ledger from saved rows; a conditional order is one row with its child's state."""
    children = {order.order_id: order for order in state.orders}
    plain = [order.update() for order in state.orders if not order.algo_id]
    logical = [order.update(children.get(order.order_id)) for order in state.conditionals]
    return ledger(
        [*plain, *logical],
        [trade.fill for trade in state.trades],
        [
            (
                row.key,
                Position(row.side, row.quantity, row.entry_price, row.realised_pnl, row.fees),
            )
            for row in state.positions
        ],
        {(venue, row.asset): row.wallet for row in state.balances},
    )


def _open(path: Path, uri: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(uri, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise UsageError(
            f"cannot open the exchange's account: {error}", str(path), "check its folder's rights"
        ) from None


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from None
    if version > _SCHEMA_VERSION:
        raise UsageError(
            f"the exchange's account has schema {version}, this program knows {_SCHEMA_VERSION}",
            str(path),
            "use the newer program, or another --state",
        )


def _load(db: sqlite3.Connection, path: Path) -> ExchangeState | None:
    values: dict[str, tuple[Any, ...]] = {}
    try:
        for name, _, decode in _KINDS:
            # All at once: a statement that a bad row ends half-way would keep the file locked.
            rows = db.execute("SELECT payload FROM rows WHERE kind = ?", (name,)).fetchall()
            values[name] = tuple(decode(payload) for (payload,) in rows)
            check_numbers(values[name])
        account = db.execute("SELECT payload FROM rows WHERE kind = 'account'").fetchone()
        if account is None:
            return None
        return ExchangeState(**values, account=_ACCOUNT.decode(account[0]))
    except _UNREADABLE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"the exchange's account cannot be read: {error}",
        str(path),
        "put a copy back, or move it away to start anew, a host's journal with it",
    )
