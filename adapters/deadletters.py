"""Dead letters on disk, for an operator to look at, retry and discard; with a host or without."""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Full, Queue
from typing import Any

import diskcache
import msgspec

from adapters.storage.codec import Codec
from core.errors import BulkheadError, JournalError, StoreError, UsageError
from core.letters import Letter, Retry
from core.messages import Key
from core.ports import Log, Record

__all__ = ["FOLDER", "DeadLetterStore", "Keeper", "answer", "answer_from"]

FOLDER = Path("store") / "deadletters"
_MOST = 10_000
_WAITING = 1_000
_BUSY_S = 2.0
_CLOSE_WITHIN_S = 2.0
_NEXT = "next"
_FAILURES = (
    diskcache.Timeout,
    sqlite3.Error,
    OSError,
    ValueError,
    zlib.error,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""The store's own, and those of rows that are not what was written."""
_encode = msgspec.json.Encoder().encode


class DeadLetterStore:
    """The letters that were kept, by number; several processes may use it at once.

    Errors of all methods: `StoreError` naming the folder and how to mend it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._codec = Codec()
        with self._explained():
            for each in (*reversed(folder.parents), folder):
                each.mkdir(mode=0o700, exist_ok=True)  # parents=True would give them other rights
            database = folder / diskcache.core.DBNAME
            database.touch(mode=0o600)  # else SQLite makes it readable for others
            database.chmod(0o600)
            self._cache = diskcache.Cache(
                str(folder), timeout=_BUSY_S, disk=diskcache.JSONDisk,
                eviction_policy="none", cull_limit=0,
            )  # fmt: skip

    def keep(self, letter: Letter) -> int:
        """Write a letter down; return its number. Errors: also when there are too many."""
        records = []
        for record in letter.records:
            kind, payload = self._codec.encode(record.payload)
            records.append(_written(record, kind, payload))
        row = {
            name: getattr(letter, name)
            for name in ("reason", "to", "kind", "words", "time_ns", "reply_to")
        }
        with self._explained():
            if len(self._cache) > _MOST:
                raise StoreError(
                    f"{_MOST} dead letters wait in {self.folder}: discard some "
                    "(python run.py deadletters discard --all)"
                )
            with self._cache.transact():
                number = int(self._cache.get(_NEXT, 0)) + 1
                self._cache.set(_NEXT, number)
                self._cache.set(number, row | {"records": records})
        return number

    def letters(self) -> Iterator[Letter]:
        """Yield all letters, the oldest first."""
        with self._explained():
            numbers = sorted(key for key in self._cache if isinstance(key, int))
        for number in numbers:
            letter = self.find(number)
            if letter is not None:
                yield letter

    def find(self, number: int) -> Letter | None:
        """Return one letter, None when there is none of this number."""
        with self._explained():
            row = self._cache.get(number)
            if row is None:
                return None
            records = tuple(self._read(each, number) for each in row.pop("records"))
            time_ns, texts = row["time_ns"], [row[name] for name in row if name != "time_ns"]
            if not (isinstance(time_ns, int) and 0 <= time_ns < 2**63) or not all(
                isinstance(text, str) for text in texts
            ):
                raise ValueError(f"letter {number} is not what was written")
            return Letter(**row, records=records, number=number)

    def discard(self, number: int) -> bool:
        """Take one letter away; False when there is none of this number."""
        with self._explained():
            return bool(self._cache.delete(number))

    def close(self) -> None:
        """Let go of the files; idempotent."""
        self._cache.close()

    def _read(self, row: Mapping[str, Any], number: int) -> Record:
        payload = self._codec.decode(row["kind"], _encode(row["payload"]), number)
        key = Key(row["venue"], row["symbol"]) if row["symbol"] else None
        return Record(payload, row["time_ns"], key, row["client_order_id"], row["actor"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (JournalError, *_FAILURES) as error:
            raise StoreError(
                f"the dead letters in {self.folder} cannot be used: {error or type(error).__name__}"
                ": make room or mend its rights; if it is damaged, move the folder away"
            ) from error


def _written(record: Record, kind: str, payload: bytes) -> dict[str, Any]:
    return {
        "kind": kind,
        "payload": msgspec.json.decode(payload),
        "time_ns": record.time_ns,
        "venue": record.key.venue if record.key else "",
        "symbol": record.key.symbol if record.key else "",
        "client_order_id": record.client_order_id,
        "actor": record.actor,
    }


class Keeper:
    """Writes letters down on a thread of its own: who told a message waits for no disk.

    A store that cannot be used costs a line in the log for each letter, and nothing else.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        self._folder = folder
        self._log = log
        self._waiting: Queue[Letter | None] = Queue(_WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, letter: Letter) -> None:
        """Have a letter written; never blocks, never raises."""
        try:
            self._waiting.put_nowait(letter)
            self._start()
        except (Full, RuntimeError) as error:  # the latter: no more threads can be started
            self._lost(letter, str(error) or "too many at once")

    def close(self) -> None:
        """Write what waits and end, within two seconds."""
        if self._thread is None:
            return
        with suppress(Full):
            self._waiting.put(None, timeout=_CLOSE_WITHIN_S)
        self._thread.join(_CLOSE_WITHIN_S)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._write, name="dead-letters", daemon=True)
                thread.start()
                self._thread = thread

    def _write(self) -> None:
        store: DeadLetterStore | None = None
        while (letter := self._waiting.get()) is not None:
            try:
                store = store or DeadLetterStore(self._folder)
                number = store.keep(letter)
            except BulkheadError as error:
                self._lost(letter, str(error))
            else:
                said = f"kept as dead letter {number} (python run.py deadletters show {number})"
                self._log("warning", letter.to, said)
        if store is not None:
            store.close()

    def _lost(self, letter: Letter, why: str) -> None:
        self._log("error", letter.to, f"a dead {letter.kind} was not kept: {why}: {letter.words}")


Revive = Callable[[Letter], Retry]
Tell = Callable[[str, object], None]


def answer(
    store: DeadLetterStore,
    request: Mapping[str, Any],
    revive: Revive | None = None,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Carry out one request of an operator: `action` is list, show, retry or discard.

    Without `revive` and `tell`, which a running host has, nothing can be retried. The answer is
    {"done": text}, {"error": text} or what was asked for. Errors: `UsageError`, `StoreError`.
    """
    action, number = request.get("action"), request.get("id")
    if action == "list":
        return {"letters": [_summary(letter) for letter in store.letters()]}
    if action == "discard" and number is None:
        found = [letter.number for letter in store.letters()]
        return {"done": f"{sum(map(store.discard, found))} dead letters are discarded"}
    letter = store.find(number) if type(number) is int else None
    if letter is None:
        raise UsageError(
            f"there is no dead letter {number}", "deadletters", "see python run.py deadletters list"
        )
    if action == "show":
        return {"letter": _whole(letter)}
    if action == "discard":
        store.discard(letter.number)
        return {"done": f"dead letter {letter.number} is discarded"}
    if action == "retry" and revive is not None and tell is not None:
        return _retry(store, letter, revive(letter), tell)
    raise UsageError(f"unknown action {action!r}", "deadletters", "list, show, retry or discard")


def answer_from(
    folder: Path,
    request: Mapping[str, Any],
    revive: Revive | None = None,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Open the store in a folder and carry out one request, as `answer` does."""
    if request.get("action") == "list" and not folder.exists():
        return {"letters": []}  # looking makes no folder
    store = DeadLetterStore(folder)
    try:
        return answer(store, request, revive, tell)
    finally:
        store.close()


def _retry(store: DeadLetterStore, letter: Letter, retry: Retry, tell: Tell) -> dict[str, Any]:
    name = f"dead letter {letter.number}, a {letter.kind},"
    if retry.obsolete:
        store.discard(letter.number)
        return {"error": f"{name} is discarded: {retry.refusal}"}
    if retry.refusal:
        return {"error": f"{name} cannot be tried again: {retry.refusal}"}
    if not store.discard(letter.number):  # first: two operators must not both tell it
        return {"error": f"{name} was taken by somebody else"}
    for to, message in retry.told:
        tell(to, message)
    return {"done": f"{name} is told to {', '.join(to for to, _ in retry.told)}"}


def _summary(letter: Letter) -> dict[str, Any]:
    first = letter.records[0] if letter.records else None
    return {
        "id": letter.number,
        "time_ns": letter.time_ns,
        "reason": letter.reason,
        "to": letter.to,
        "kind": letter.kind,
        "venue": first.key.venue if first and first.key else "",
        "symbol": first.key.symbol if first and first.key else "",
        "client_order_id": first.client_order_id if first else "",
    }


def _whole(letter: Letter) -> dict[str, Any]:
    codec = Codec()
    records = []
    for record in letter.records:
        kind, payload = codec.encode(record.payload)
        records.append(_written(record, kind, payload))
    return _summary(letter) | {
        "reply_to": letter.reply_to,
        "message": letter.words,
        "encoded": records,
    }
