"""What lies on the disk: configuration, journal, stores, market data, lock and log."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

from rich.console import Console

from adapters import configuration
from adapters.deadletters import DeadLetterStore, answer
from adapters.lock import InstanceLock
from adapters.marketdata import MarketDataError, read_bars, read_recording
from adapters.show import show_letter, show_letters
from adapters.storage.archive import whole
from adapters.storage.codec import Codec
from adapters.storage.journal import SqliteJournal
from adapters.storage.mending import mend
from adapters.tail import Filter, lines
from core.errors import ConfigError, JournalError, StoreError, UsageError
from core.messages import OrderStatus, Side
from core.ports import Record
from core.records import HostStopped
from tests.core.samples import BTC, fill, limit, said
from tests.fuzz.target import Target

__all__ = ["TARGETS", "in_scratch", "scratch"]

ROOT = Path(__file__).parents[2]
_NS = 1_790_000_000_000_000_000
_MEMORY = Path("/dev/shm")
_SCRATCH = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
"""Memory where there is some: a disk's fsyncs would take most of the time."""
FILL = fill("1", Side.BUY, "1", "100")
PAYLOADS = (FILL, limit(), said(limit(), OrderStatus.NEW), HostStopped("end"))


def in_scratch(use: Callable[[Path, bytes], object]) -> Callable[[bytes], object]:
    """Give a reader of files a folder of its own, and take it away again."""

    def feed(data: bytes) -> object:
        folder = scratch()
        try:
            return use(folder, data)
        finally:
            shutil.rmtree(folder)

    return feed


def scratch() -> Path:
    """Make a folder, for the caller to take away."""
    return Path(tempfile.mkdtemp(prefix="bulkhead-fuzz-", dir=_SCRATCH))


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _configuration(folder: Path, data: bytes) -> object:
    return configuration.load(_file(folder, "config.toml", data))


def _payload(data: bytes) -> object:
    """Read `Kind {json}` as the journal reads a record's payload, and write it again."""
    kind, _, payload = data.partition(b" ")
    codec = Codec()
    found = codec.decode(kind.decode("latin-1"), payload, 1)
    codec.encode(found)
    return found


def _journal(folder: Path, data: bytes) -> object:
    """Start on whatever lies there: mend, read all of it, write, verify."""
    path = _file(folder, "journal.db", data)
    mend(path, _NS)
    journal = SqliteJournal(path)
    try:
        found = list(journal.read())
        list(whole(path))
        journal.append([Record(HostStopped("again"), _NS)])
        journal.verify()
    finally:
        journal.close()
    return found


def _log_behind_journal(folder: Path, data: bytes) -> object:
    """A log (write-ahead) that is not what was written, beside a whole journal."""
    _file(folder, "journal.db-wal", data)
    return _journal(folder, _JOURNAL)


def _made(change: Callable[[Path], None], name: str) -> bytes:
    folder = scratch()
    try:
        change(folder)
        return (folder / name).read_bytes()
    finally:
        shutil.rmtree(folder)


def _write_journal(folder: Path) -> None:
    journal = SqliteJournal(folder / "journal.db")
    for number, payload in enumerate(PAYLOADS, start=1):
        journal.append([Record(payload, _NS + number, BTC, "h-b-BTCUSDT-00", "position:x")])
    shutil.copy(folder / "journal.db-wal", folder / "wal")
    journal.close()


_JOURNAL = _made(_write_journal, "journal.db")


def _letters(folder: Path, data: bytes) -> object:
    """Show every letter of a store in which one row is whatever it is."""
    store = DeadLetterStore(folder / "letters")
    try:
        with closing(sqlite3.connect(folder / "letters" / "cache.db")) as connection:
            connection.execute(
                "INSERT INTO Cache (key, raw, store_time, access_time, tag, mode, value)"
                " VALUES (?, 1, 0, 0, NULL, 1, ?)",
                (zlib.compress(b"1", 1), zlib.compress(data, 1)),
            )
            connection.commit()
        found = answer(store, {"action": "list"})
        one = answer(store, {"action": "show", "id": 1})
    finally:
        store.close()
    show_letters(_SILENT, found["letters"])
    show_letter(_SILENT, one["letter"])
    return found, one


_SILENT = Console(file=open(os.devnull, "w"))  # noqa: SIM115 (for the process's life)
_LETTER = (
    b'{"reason":"closed","to":"risk","kind":"Fill","words":"w","time_ns":5,"reply_to":"x",'
    b'"records":[{"kind":"HostStopped","payload":{"reason":"end"},"time_ns":1,"venue":"binance",'
    b'"symbol":"BTCUSDT","client_order_id":"c","actor":"a"}]}'
)


def _some(values: Iterable[object]) -> object:
    return list(islice(values, 5_000))


def _recording(folder: Path, data: bytes) -> object:
    return _some(read_recording([_file(folder, "session.txt", data)], "binance"))


def _bars(folder: Path, data: bytes) -> object:
    return _some(read_bars(_file(folder, "BTCUSDT-1m-2026.csv", data), "binance"))


def _table(folder: Path, data: bytes) -> object:
    return _some(read_bars(_file(folder, "BTCUSDT-1m-2026.feather", data), "binance"))


def _write_table(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import feather

    columns = {name: [1.0, 1.5] for name in ("open", "high", "low", "close", "volume")}
    dates = pa.array([1_769_904_000_000, 1_769_904_060_000], pa.timestamp("ms", tz="UTC"))
    table = pa.table({"date": dates, **columns})
    feather.write_feather(table, folder / "table", compression="uncompressed")


def _lock(folder: Path, data: bytes) -> object:
    """Take a lock that a dead host left, and be refused by one that a living one holds."""
    path = _file(folder, "host.lock", data)
    with InstanceLock(folder, "host1") as lock:
        path.write_bytes(data)
        try:
            InstanceLock(folder, "host2").acquire()
        except UsageError as error:
            return lock.left_by, str(error)
    raise AssertionError("two hosts hold one lock")


def _log(folder: Path, data: bytes) -> object:
    """Show a log as `tail` does: every line can be written to a terminal, on one line."""
    path = _file(folder, "bulkhead.jsonl", data)
    shown = []
    for line in lines(path, None):
        text = str(line)
        text.encode()
        assert text.isprintable(), "a line of the log speaks to the terminal"
        if not hasattr(line, "number"):
            Filter("risk", "h-b-BTCUSDT-00", "warning").wants(line)  # type: ignore[arg-type]
        shown.append(text)
    return shown


_SESSION = b"".join(
    b"1721347020984480942 " + frame + b"\n"
    for frame in (
        b'{"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT","u":5,"b":"1.0","B":"2","a":"1.1",'
        b'"A":"3","T":6,"E":7}}',
        b'{"lastUpdateId":5,"bids":[["1.0","2"]],"asks":[["1.1","3"]],"E":8}',
        b'{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","e":"trade","E":9,"T":8,"t":7,'
        b'"p":"63943.90","q":"0.003","m":true}}',
        b'{"stream":"btcusdt@depth","data":{"s":"BTCUSDT","E":9,"U":6,"u":7,"pu":5,'
        b'"b":[["1.0","0"]],"a":[["1.2","1"]]}}',
        b'{"stream":"btcusdt@markPrice","data":{"s":"BTCUSDT","E":9,"p":"1.05","i":"1.0",'
        b'"r":"0.0001","T":99}}',
        b'{"stream":"btcusdt@aggTrade","data":{"s":"BTCUSDT","E":9,"T":8,"l":7,"p":"1.0",'
        b'"q":"0.003","m":true}}',
    )
)
_KLINES = (
    b"open_time,open,high,low,close,volume,close_time\n"
    b"1769904000000,59.49,59.50,59.42,59.45,1554.932,1769904059999\n"
    b"1769904060000,59.45,59.50,59.42,59.45,0,1769904119999\n"
)
_LINE = (
    b'{"time":"2026-01-01T00:00:00Z","level":"warning","actor":"risk","symbol":"BTCUSDT",'
    b'"client_order_id":"h-b-BTCUSDT-00","message":"refused","exception":"a\\nb"}\n'
)
_BOT = (
    b'mode = "paper"\nhost_name = "h1"\n[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\n'
    b'strategy = "hedge_grid"\n[risk]\nmax_leverage = 3\n[paper]\nspeed = 1.5\n'
)

TARGETS = (
    Target(
        "configuration",
        in_scratch(_configuration),
        (_BOT, (ROOT / "config.toml").read_bytes()),
        (ConfigError,),
        examples=150,
    ),
    Target(
        "journal payloads",
        _payload,
        tuple(kind.encode() + b" " + payload for kind, payload in map(Codec().encode, PAYLOADS)),
        (JournalError,),
    ),
    Target("journal file", in_scratch(_journal), (_JOURNAL,), (JournalError,), examples=60),
    Target(
        "journal log",
        in_scratch(_log_behind_journal),
        (_made(_write_journal, "wal"),),
        (JournalError,),
        examples=60,
    ),
    Target("dead letters", in_scratch(_letters), (_LETTER,), (StoreError,), examples=60),
    Target(
        "recordings",
        in_scratch(_recording),
        (_SESSION, gzip.compress(_SESSION, mtime=0)),
        (MarketDataError,),
    ),
    Target(
        "klines",
        in_scratch(_bars),
        (_KLINES, gzip.compress(_KLINES, mtime=0)),
        (MarketDataError,),
    ),
    Target(
        "feather tables", in_scratch(_table), (_made(_write_table, "table"),), (MarketDataError,)
    ),
    Target(
        "lock",
        in_scratch(_lock),
        (b'{"pid":1,"host":"h1","started_ns":1790000000000000000}', b""),
        (UsageError,),
    ),
    Target("log", in_scratch(_log), (_LINE * 2,), ()),
)
