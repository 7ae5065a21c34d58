"""Lines of market data files, plain or compressed, and errors that name file and line."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError

__all__ = ["MarketDataError", "bar_file_name", "lines"]

_NAME = re.compile(
    r"(?P<base>[A-Z0-9]+?)_?(?P<quote>USDT|USDC|USD)(?:_[A-Z]+)?-(?P<interval>\d+[mhdw])(?![a-z])"
)
_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class MarketDataError(UsageError):
    """A market data file that cannot be read; `where` is its path and line."""

    def __init__(self, what: str, path: Path, line: int = 0) -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(what, where, "replace the file, or take the line out")
        self.path = path
        self.line = line


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end), unpacking gzip by its first bytes.

    Errors: `MarketDataError` for a missing file or one that is cut off in the middle.
    """
    number = 0
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.rstrip(b"\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MarketDataError(
            f"the file is cut off or damaged: {error}", path, number + 1
        ) from None
    except OSError as error:
        raise MarketDataError(f"cannot read: {error.strerror or error}", path) from None


def bar_file_name(path: Path) -> tuple[str, int] | None:
    """Read symbol and interval (ns) from a name as BTCUSDT-1m-2026-02.csv.gz, None if not so."""
    found = _NAME.match(path.name)
    if found is None:
        return None
    count, unit = int(found["interval"][:-1]), found["interval"][-1]
    return found["base"] + found["quote"], count * _UNITS_S[unit] * 1_000_000_000
