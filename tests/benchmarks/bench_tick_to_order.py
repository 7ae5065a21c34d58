"""From a quote's bytes to the venue's acknowledgement of the order it caused, beside ccxt.

The whole way of DESIGN §3 on real threads: stream, market, strategy, risk, position, journal (on
disk), connection; a bare loopback server in another process sends quotes and takes orders. ccxt's
row is its `create_order` alone against the same server, nothing before it. Ratios in one run; run
as a script, nothing is asserted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import ccxt

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bare_server import TICK_PAUSE_S
from host import assemble, get, server

from actors import names, supervisor
from actors.messages.risk import Propose
from actors.messages.trading import PositionWatched, Watch, WatchPosition
from actors.runtime import Actor, tune_process
from actors.supervisor import tree
from adapters.venues.binance_usdm.rest import BinanceVenue
from core.config import Config, Guards, HedgeGridBot, Market, Risk
from core.ids import make
from core.messages import (
    Key,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Quote,
    Side,
    TimeInForce,
)
from core.risk.gate import Approved

Row = tuple[str, float, str, str]

ORDERS = 1_000
WARM_UP = 200
KEY = Key("binance", "BTCUSDT")


class Probe(Actor):
    """A strategy that answers every quote with one order, numbered as the quote is from `first`."""

    first = 0

    def __init__(self, key: Key, host: str, bot: str, settings: object, log: object) -> None:
        self.host, self.bot = host, bot

    def starting(self) -> None:
        self.tell(names.position(KEY), WatchPosition(self.name, self.bot))

    def handle(self, message: object) -> None:
        match message:
            case Quote():
                order = PlaceOrder(
                    KEY,
                    make(self.host, self.bot, KEY.symbol, Probe.first + message.update_id),
                    Side.BUY,
                    PositionSide.LONG,
                    OrderType.LIMIT,
                    Decimal("0.003"),
                    price=message.bid - 100 - message.update_id % 100,
                    time_in_force=TimeInForce.IOC,
                    bot=self.bot,
                )
                self.tell(names.RISK, Propose(order, self.name))
            case PositionWatched():
                Probe.first = message.next_sequence
                self.tell(names.market(KEY), Watch(self.name, frozenset(("quotes",))))
                self.ready()


class TimedVenue(BinanceVenue):
    """The real client, noting when each acknowledgement was there."""

    def __init__(self, done_ns: dict[int, int], *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self.done_ns = done_ns

    def place(self, order: Approved[PlaceOrder]) -> OrderUpdated:
        update = super().place(order)
        number = int(order.command.client_order_id.rsplit("-", 1)[1][:-1], 36)
        self.done_ns[number - Probe.first] = time.monotonic_ns()
        return update


def tick_to_order(switch_interval_s: float, *, busy: bool) -> list[int]:
    """Return the microseconds of each order, warm-up left out."""
    config = Config(
        bots=(HedgeGridBot(name="probe", symbols=(KEY.symbol,), strategy="hedge_grid"),),
        risk=Risk(max_orders_per_minute=100_000, guards=Guards(account_stale_after_ms=3_600_000)),
        market=Market(depth=5, stale_after_ms=600_000, reconcile_every_s=1_800),
    )
    done_ns: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder, server() as address:
        made = partial(TimedVenue, done_ns)
        runtime, parts, close = assemble(Path(folder), address, made)
        supervisor.StrategyActor = Probe  # type: ignore[misc,assignment]
        before_s = sys.getswitchinterval()
        runtime.start(tree(config, parts))
        stop = threading.Event()
        try:
            if not runtime.wait_ready(30):
                waits = [
                    f"{a.name}: {a.waiting_for}" for a in runtime.statistics() if a.waiting_for
                ]
                raise TimeoutError(f"the host did not get ready: {waits}")
            tune_process(switch_interval_s)
            if busy:
                threading.Thread(target=_burn, args=(stop,), daemon=True).start()
            get(f"http://{address}/_bench/start")
            deadline = time.monotonic() + 120
            while len(done_ns) < ORDERS and time.monotonic() < deadline:
                time.sleep(0.01)
            sent_ns = {int(n): ns for n, ns in get(f"http://{address}/_bench/times").items()}
        finally:
            stop.set()
            runtime.stop("done", 10)
            close()
            sys.setswitchinterval(before_s)
    if len(done_ns) < WARM_UP * 2:
        raise TimeoutError(f"only {len(done_ns)} orders came through")
    numbers = sorted(done_ns)[WARM_UP:]
    return [(done_ns[n] - sent_ns[n]) // 1_000 for n in numbers]


def ccxt_alone(pause_s: float) -> list[int]:
    """Return the microseconds of each of ccxt's create_order calls, `pause_s` apart."""
    with server() as address:
        client = ccxt.binanceusdm(
            {
                "apiKey": "bench",
                "secret": "bench",
                "enableRateLimit": False,
                "options": {"fetchCurrencies": False},
            }
        )
        for name, url in client.urls["api"].items():
            if isinstance(url, str):
                client.urls["api"][name] = f"http://{address}/" + url.split("/", 3)[3]
        client.session.trust_env = False
        client.load_markets()
        took = []
        for number in range(ORDERS):
            time.sleep(pause_s)
            begin = time.perf_counter_ns()
            client.create_order(
                "BTC/USDT:USDT",
                "limit",
                "buy",
                0.003,
                62_900.0 + number % 7,
                {"timeInForce": "IOC", "positionSide": "LONG", "newClientOrderId": f"b{number}"},
            )
            took.append((time.perf_counter_ns() - begin) // 1_000)
    return took[WARM_UP:]


def _burn(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(200))


def _p(values: list[int], percent: int) -> float:
    return float(statistics.quantiles(values, n=100)[percent - 1])


def run() -> list[Row]:
    """Measure and return the rows: in turn, so that a machine that drifts spoils no ratio."""
    ours, paced, tight = [], [], []
    for _ in range(3):
        ours += tick_to_order(0.0001, busy=False)
        paced += ccxt_alone(TICK_PAUSE_S)
        tight += ccxt_alone(0.0)
    note = "nothing before it, calls 2 ms apart as the quotes are"
    rows: list[Row] = [
        ("tick to order p50", _p(ours, 50), "us", "risk and journal included"),
        ("tick to order p99", _p(ours, 99), "us", ""),
        ("ccxt create_order alone p50", _p(paced, 50), "us", note),
        ("ccxt create_order alone p50", _p(tight, 50), "us", "back to back: caches warm"),
        ("tick to order / ccxt alone", _p(ours, 50) / _p(paced, 50), "x", "p50; wanted <= 0.7"),
        ("tick to order / ccxt back to back", _p(ours, 50) / _p(tight, 50), "x", "p50"),
        ("p99 / ccxt alone p50", _p(ours, 99) / _p(paced, 50), "x", "wanted <= 3"),
    ]
    for interval_s in (0.005, 0.0005, 0.0001, 0.00002):
        beside = tick_to_order(interval_s, busy=True)
        note = f"switch interval {interval_s * 1e3:g} ms"
        rows.append(("p50 beside a CPU-bound thread", _p(beside, 50), "us", note))
        rows.append(("p99 beside a CPU-bound thread", _p(beside, 99), "us", note))
    return rows


def main() -> None:
    for name, value, unit, note in run():
        print(f"{name:34} {value:12.3f} {unit:4} {note}")


if __name__ == "__main__":
    main()
