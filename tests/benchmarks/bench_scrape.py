"""What one scrape of the metrics costs a host of 20 symbols that trades, part by part.

Run as a script with the number of symbols (default 20); nothing is asserted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_symbols import config
from host import assemble, get, server

from actors import names
from actors.messages.operations import StatusWanted
from actors.operations import OperationsActor
from actors.runtime import tune_process
from actors.supervisor import tree
from adapters.metrics.pages import Pages

Row = tuple[str, float, str, str]

SYMBOLS = 20
RATE = 1_000
ROUNDS = 40
_EVERY_S = 0.1


def run(count: int = SYMBOLS) -> list[Row]:
    """Measure and return the rows."""
    built_ms: list[float] = []
    build = OperationsActor._status

    def timed(actor: OperationsActor, symbol: str = "") -> dict[str, Any]:
        began_s = time.perf_counter()
        status = build(actor, symbol)
        built_ms.append((time.perf_counter() - began_s) * 1e3)
        return status

    OperationsActor._status = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder, server(count, RATE) as address:
        runtime, parts, close = assemble(Path(folder), address)
        runtime.start(tree(config(count), parts))
        try:
            if not runtime.wait_ready(120):
                raise TimeoutError("the host did not get ready")
            tune_process(0.0001)
            get(f"http://{address}/_bench/start")

            def ask() -> Any:
                return runtime.ask(names.OPERATIONS, StatusWanted, 5.0)

            def render(status: dict[str, Any]) -> int:
                return len(Pages(lambda: status, 2_000, {"host": "h"})("/metrics").body)

            asked_ms, rendered_ms = [], []
            for _ in range(ROUNDS):
                asked_ms.append(_took_ms(ask))
                status = ask()
                rendered_ms.append(_took_ms(lambda status=status: render(status)))
                time.sleep(_EVERY_S)
            size = render(status)
        finally:
            runtime.stop("done", 20)
            close()
    note = f"{count} symbols, {len(status['actors'])} actors, {RATE} frames a second"
    return [
        ("in the operations actor, p50", median(built_ms), "ms", note),
        ("from question to answer, p50", median(asked_ms), "ms", "two hops and the above"),
        ("rendering, p50", median(rendered_ms), "ms", "in the endpoint's own thread"),
        ("rendering, worst", max(rendered_ms), "ms", f"of {ROUNDS}"),
        ("size", size / 1_000, "kB", ""),
    ]


def _took_ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1e3


def main() -> None:
    for name, value, unit, note in run(*map(int, sys.argv[1:2])):
        print(f"{name:30} {value:12.3f} {unit:4} {note}")


if __name__ == "__main__":
    main()
