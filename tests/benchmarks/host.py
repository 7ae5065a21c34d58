"""A host in this process against the bare server, for benchmarks: real actors, clients, journal."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.runtime import ThreadsRuntime
from actors.supervisor import Parts, VenueParts
from adapters.storage.journal import JournalReader, SqliteJournal
from adapters.usage import read_usage
from adapters.venues.binance_usdm.hosts import local
from adapters.venues.binance_usdm.limits import Budget
from adapters.venues.binance_usdm.rest import BinanceVenue
from adapters.venues.binance_usdm.stream import BinanceStreams
from core.secrets import Secret

SERVER = Path(__file__).with_name("bare_server.py")
TIMEOUTS = {"connect_timeout_s": 3.0, "read_timeout_s": 5.0}


class NoDisplay:
    def show(self, status: Mapping[str, Any]) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Hold nothing."""


def no_log(level: str, actor: str, text: str, **more: object) -> None:
    if level in ("error", "critical"):
        print(level, actor, text, file=sys.stderr)


def runtime_log(level: str, actor: str, text: str, error: BaseException | None) -> None:
    if error is not None:
        print(level, actor, text, repr(error), file=sys.stderr)


@contextmanager
def server(*arguments: int) -> Iterator[str]:
    """Run the bare server; yield its address."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout and process.stdin
    try:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(10)


def assemble(
    folder: Path, address: str, venue: Callable[..., BinanceVenue] = BinanceVenue
) -> tuple[ThreadsRuntime, Parts, Callable[[], None]]:
    """Build runtime and parts; the function returned closes what the parts hold."""
    hosts = local(f"http://{address}", f"ws://{address}")
    budget = Budget(reserve_percent=10)
    secret = Secret("bench")
    factory = BinanceStreams(hosts, secret, secret, budget, **TIMEOUTS)
    journal = folder / "journal.db"
    SqliteJournal(journal, "process").close()
    runtime = ThreadsRuntime(seed=1, on_log=runtime_log, on_dead_letter=None)
    parts = Parts(
        open_journal=lambda: SqliteJournal(journal, "process"),
        records=JournalReader(journal),
        venues=(
            VenueParts(
                name="binance",
                endpoints=lambda: (hosts.rest, hosts.ws),
                margin_asset="USDT",
                make_venue=lambda: venue(
                    hosts, secret, secret, budget, hedge_mode=True, **TIMEOUTS
                ),
                market_streams=lambda keys: lambda sink: factory.market("m", keys, sink),
                account_streams=lambda keys: lambda sink: [factory.account("a", keys, sink)],
            ),
        ),
        statistics=runtime.statistics,
        usage=read_usage,
        display=NoDisplay(),
        log=no_log,
    )
    return runtime, parts, factory.close


def get(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found
