"""What a start costs of the venue's weight (2,400 a minute), by question; run as a script.

A host with nothing open and nothing held starts against the bare server, until it asks no more.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from attrs import evolve
from bench_symbols import config
from host import assemble, server

from actors.supervisor import tree
from adapters.venues.binance_usdm.limits import Cost
from adapters.venues.binance_usdm.wire import Wire
from core.config import Market

Row = tuple[str, float, str, str]

COUNTS = 2, 20
QUIET_S = 2.0
WITHIN_S = 60.0


def start(count: int) -> Counter[str]:
    """Start a host over that many symbols; return the weight of each path."""
    spent: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    call = Wire._call

    def counted(wire: Wire, *words: Any, **named: Any) -> object:
        path, cost = words[2], next(word for word in words if isinstance(word, Cost))
        spent[path] += cost.weight
        asked[path] += 1
        return call(wire, *words, **named)

    with (
        patch.object(Wire, "_call", counted),
        tempfile.TemporaryDirectory() as folder,
        server(count, 1) as address,
    ):
        runtime, parts, close = assemble(Path(folder), address)
        runtime.start(tree(evolve(config(count), market=Market()), parts))
        try:
            if not runtime.wait_ready(WITHIN_S):
                raise TimeoutError("the host did not get ready")
            before, since_s = -1, time.monotonic()
            while time.monotonic() - since_s < WITHIN_S and asked.total() != before:
                before = asked.total()
                time.sleep(QUIET_S)
        finally:
            runtime.stop("done", 20)
            close()
    return spent


def run() -> list[Row]:
    """Measure and return the rows."""
    few, many = (start(count) for count in COUNTS)
    rows = [
        (path, float(many[path]), "weight", f"{COUNTS[1]} symbols; {COUNTS[0]}: {few[path]}")
        for path, _ in many.most_common()
    ]
    total = f"{COUNTS[1]} symbols; {COUNTS[0]}: {few.total()}"
    return [*rows, ("a start", float(many.total()), "weight", total)]


def main() -> None:
    for name, value, unit, note in run():
        print(f"{name:30} {value:8.0f} {unit} {note}")


if __name__ == "__main__":
    main()
