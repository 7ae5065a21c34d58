"""200 symbols in one process: memory each, CPU at 10,000 frames a second, age of the mailboxes.

Every symbol has its market, position and grid; the bare server in another process floods them with
quotes over one real WebSocket. Run as a script with the seconds to run (default 20, the issue's
campaign: 600); nothing is asserted.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import assemble, get, server

from actors.runtime import ThreadsRuntime, tune_process
from actors.supervisor import tree
from core.config import Config, Guards, HedgeGridBot, Market, Risk

Row = tuple[str, float, str, str]

SYMBOLS = 200
RATE = 10_000


def config(count: int) -> Config:
    """Configure one grid bot over that many symbols, its caps wide enough for all of them."""
    symbols = ("BTCUSDT", *(f"S{number:03}USDT" for number in range(1, count)))
    wide = Decimal(10**9)
    return Config(
        bots=(HedgeGridBot(name="grid", symbols=symbols, strategy="hedge_grid", levels=2),),
        risk=Risk(
            max_side_notional=wide,
            max_net_notional=wide,
            max_gross_notional=wide,
            max_orders_per_minute=100_000,
            guards=Guards(account_stale_after_ms=3_600_000),
        ),
        market=Market(depth=5, stale_after_ms=600_000, reconcile_every_s=1_800),
    )


def campaign(count: int, rate: int, seconds: float) -> dict[str, float]:
    """Run once; return memory in MiB, CPU share, frames handled and the oldest waits in ms."""
    with tempfile.TemporaryDirectory() as folder, server(count, rate) as address:
        runtime, parts, close = assemble(Path(folder), address)
        runtime.start(tree(config(count), parts))
        try:
            if not runtime.wait_ready(120):
                raise TimeoutError("the host did not get ready")
            tune_process(0.0001)
            get(f"http://{address}/_bench/start")
            _settle(runtime, count)
            handled = _handled(runtime)
            cpu_s, begin_s = time.process_time(), time.monotonic()
            oldest = []
            while time.monotonic() - begin_s < seconds:
                time.sleep(min(0.25, seconds / 20))
                waits = [a.oldest_ms for a in runtime.statistics()]
                oldest.append(max(waits))
            wall_s = time.monotonic() - begin_s
            third = max(len(oldest) // 3, 1)
            return {
                "rss_mib": _rss_mib(),
                "cpu": (time.process_time() - cpu_s) / wall_s,
                "frames": (_handled(runtime) - handled) / wall_s,
                "first": sum(oldest[:third]) / third,
                "last": sum(oldest[-third:]) / third,
                "worst": max(oldest),
            }
        finally:
            runtime.stop("done", 20)
            close()


def _settle(runtime: ThreadsRuntime, count: int) -> None:
    """Wait until every ladder stands: the journal has nothing more to write."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 120:
        time.sleep(1.0)
        now = next(a.handled for a in runtime.statistics() if a.name == "journal")
        if now == before and now > count:
            return
        before = now
    raise TimeoutError("the ladders did not settle")


def _handled(runtime: ThreadsRuntime) -> int:
    return sum(
        a.handled + a.conflated for a in runtime.statistics() if a.name.startswith("market:")
    )


def _rss_mib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def run(seconds: float = 20.0) -> list[Row]:
    """Measure and return the rows."""
    few = campaign(1, 1_000, min(seconds, 5.0))
    many = campaign(SYMBOLS, RATE, seconds)
    each = (many["rss_mib"] - few["rss_mib"]) / (SYMBOLS - 1) * 1024
    return [
        ("memory of the whole host", many["rss_mib"], "MiB", f"{SYMBOLS} symbols"),
        ("memory per symbol", each, "KiB", "market, position, grid, 4 orders"),
        ("frames taken", many["frames"], "1/s", f"{RATE} sent a second, one WebSocket"),
        ("CPU", many["cpu"] * 100, "%", "of one core"),
        ("oldest message, first third", many["first"], "ms", f"over {seconds:g} s"),
        ("oldest message, last third", many["last"], "ms", "no growth wanted"),
        ("oldest message, worst", many["worst"], "ms", ""),
    ]


def main() -> None:
    for name, value, unit, note in run(*map(float, sys.argv[1:2])):
        print(f"{name:30} {value:12.3f} {unit:4} {note}")


if __name__ == "__main__":
    main()
