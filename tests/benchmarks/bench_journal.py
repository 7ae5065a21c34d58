"""Cost of one record on disk, read back, verified and folded, for who places orders behind it.

The bare insert is the same row written by sqlite3 alone: what is left for us to win. Run through
`python tests/benchmarks journal`; ratios count, nothing here is asserted.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from adapters.storage.journal import SqliteJournal
from core.books import Books
from core.messages import Fill, Key, PositionSide, Side
from core.ports import Record

Row = tuple[str, float, str, str]

COUNT = 20_000
POWER_COUNT = 300
KEY = Key("binance", "BTCUSDT")


def record(number: int) -> Record:
    """Make a fill: the largest record that comes often."""
    client_order_id = f"host1-grid-BTCUSDT-{number % 36**3:x}0"
    fill = Fill(
        KEY,
        str(number),
        str(8_389_765_000_000_000_000 + number),
        client_order_id,
        Side.BUY if number % 2 else Side.SELL,
        PositionSide.LONG,
        Decimal("63000.10"),
        Decimal("0.003"),
        Decimal("0.03780006"),
        "USDT",
        True,
        1_790_000_000_000_000_000 + number * 1_000_000,
    )
    return Record(fill, fill.time_ns, KEY, client_order_id, "position:binance:BTCUSDT")


def each_us(work: Callable[[int], None], count: int) -> list[float]:
    """Time every call; return microseconds, sorted."""
    taken = []
    for number in range(count):
        began = time.perf_counter_ns()
        work(number)
        taken.append((time.perf_counter_ns() - began) / 1_000)
    return sorted(taken)


def bare_insert(path: Path, row: tuple[object, ...]) -> float:
    """Return the median of writing one such row with sqlite3 and nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE bare (a INTEGER PRIMARY KEY, b, c, d, e, f, g, h, i)")
    statement = "INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    taken = each_us(lambda n: void(connection.execute(statement, (n, *row[1:]))), COUNT)
    connection.close()
    return taken[COUNT // 2]


def void(value: object) -> None:
    """Throw a result away."""


def run() -> list[Row]:
    """Measure; return (name, value, unit, note)."""
    records = [record(number) for number in range(COUNT)]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        journal = SqliteJournal(Path(folder) / "journal.db")
        taken = each_us(lambda number: journal.append([records[number]]), COUNT)
        connection = sqlite3.connect(journal.path)
        row = connection.execute("SELECT * FROM journal LIMIT 1").fetchone()
        connection.close()
        bare = bare_insert(Path(folder) / "bare.db", row)
        median = taken[COUNT // 2]
        rows: list[Row] = [
            ("append of one, p50", median, "µs", f"{median / bare:.1f} × a bare sqlite3 insert"),
            ("append of one, p99", taken[COUNT * 99 // 100], "µs", ""),
            ("append of one, worst", taken[-1], "µs", "SQLite moves the log into the file"),
        ]
        hundred = [records[n : n + 100] for n in range(0, COUNT, 100)]
        grouped = each_us(lambda number: journal.append(hundred[number]), len(hundred))
        per_record = grouped[len(grouped) // 2] / 100
        rows.append(("append of 100, per record", per_record, "µs", f"{median / per_record:.1f} ×"))
        began = time.perf_counter()
        payloads = [one.payload for one in journal.read()]
        rows.append(("read", (time.perf_counter() - began) / len(payloads) * 1e6, "µs", "each"))
        began = time.perf_counter()
        journal.verify()
        rows.append(("verify", (time.perf_counter() - began) / len(payloads) * 1e6, "µs", "each"))
        began = time.perf_counter()
        Books(payloads[:COUNT])
        rows.append(("fold into books", (time.perf_counter() - began) / COUNT * 1e6, "µs", "each"))
        journal.close()
        power = SqliteJournal(Path(folder) / "power.db", "power")
        synced = each_us(lambda number: power.append([records[number]]), POWER_COUNT)
        rows.append(("append of one, power, p50", synced[POWER_COUNT // 2], "µs", "an fsync each"))
        power.close()
    return rows


if __name__ == "__main__":
    for line in run():
        print(*line)
