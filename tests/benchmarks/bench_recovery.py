"""How soon what died is ready again: each kind of actor, and a whole host after `kill -9`.

An actor's time stands beside the configured back-off, a host's beside a first start. Run through
`python tests/benchmarks recovery`; ratios count, nothing here is asserted.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import assemble, server

from actors.runtime import ThreadsRuntime
from actors.supervisor import tree
from core.config import Config, HedgeGridBot, Supervision
from tests.e2e.site import Site, wait_for

Row = tuple[str, float, str, str]

KILLS = 5
BACKOFF_MS = 200
_WITHIN_S = 30.0
_WHICH = re.compile(r":binance|:BTCUSDT|\d+$")


def config() -> Config:
    """Configure one bot whose parts may die often, each time after the same back-off."""
    return Config(
        bots=(HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid"),),
        supervision=Supervision(
            max_restarts=1_000,
            window_s=3_600.0,
            backoff_initial_ms=BACKOFF_MS,
            backoff_max_ms=BACKOFF_MS,
            jitter=0.0,
        ),
    )


def actors() -> list[Row]:
    """Kill each actor some times; until it and all that was stopped with it are ready again."""
    with tempfile.TemporaryDirectory() as folder, server() as address:
        runtime, parts, close = assemble(Path(folder), address)
        runtime.start(tree(config(), parts))
        try:
            if not runtime.wait_ready(_WITHIN_S):
                raise TimeoutError("the host did not get ready")
            taken: dict[str, list[float]] = defaultdict(list)
            for name in [name for name, seat in runtime.seats.items() if not seat.is_supervisor]:
                taken[_WHICH.sub("", name)] += [_recovery_ms(runtime, name) for _ in range(KILLS)]
        finally:
            runtime.stop("done", 20)
            close()
    rows = []
    for kind, found in taken.items():
        found.sort()
        middle, worst = found[len(found) // 2], found[-1]
        ratio = f"{middle / BACKOFF_MS:.2f} × the back-off; worst {worst / BACKOFF_MS:.2f} ×"
        rows.append((f"{kind}, p50", middle, "ms", ratio))
    return rows


def _recovery_ms(runtime: ThreadsRuntime, name: str) -> float:
    seat = runtime.seats[name]
    generation = seat.generation
    before = {row.name: row.restarts for row in runtime.statistics()}
    runtime.kill(name, RuntimeError("killed by the benchmark"))
    wait_for("another", lambda: seat.generation > generation, _WITHIN_S)
    wait_for(
        "all ready", lambda: {s.state for s in runtime.seats.values()} == {"running"}, _WITHIN_S
    )
    again = [row for row in runtime.statistics() if row.restarts > before[row.name]]
    return max(row.recovery_ms or 0.0 for row in again)


def host() -> list[Row]:
    """Kill a host on paper; until the next one has an order at the exchange."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        try:
            begun_s = time.monotonic()
            process = site.start()
            _wait_order(site, 0)
            first_s = time.monotonic() - begun_s
            taken = []
            for _ in range(KILLS):
                site.control("limits", method="DELETE")  # several starts a minute would wait
                process.kill()
                known = len(site.control("ledger")["orders"])
                begun_s = time.monotonic()
                process = site.start()
                _wait_order(site, known)
                taken.append(time.monotonic() - begun_s)
        finally:
            site.tear_down()
    taken.sort()
    return [
        ("first start to an order", first_s, "s", "exchange and all"),
        ("kill -9 to an order, p50", taken[KILLS // 2], "s", f"{taken[-1]:.2f} s at worst"),
    ]


def _wait_order(site: Site, known: int) -> None:
    def placed() -> bool:
        with contextlib.suppress(OSError, KeyError, ValueError):
            return len(site.control("ledger")["orders"]) > known
        return False

    wait_for("an order", placed, _WITHIN_S)


def run() -> list[Row]:
    """Measure; return (name, value, unit, note)."""
    return actors() + host()


if __name__ == "__main__":
    for line in run():
        print(*line)
