"""The host's status as metric families: one place for names, units and what each means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.risk.breaker import BreakerState
from core.risk.halt import Level

__all__ = ["StatusFamilies"]

Row = Mapping[str, Any]
Sample = tuple[Sequence[str], Any]
"""Label values, and a figure: a number, a decimal as text, a truth; None where it is unknown."""

_STATES = ("starting", "connecting", "running", "paused", "reduce_only", "halted", "stopping")
_DIFFERENCES = ("fill", "order", "position")
_SYMBOL = ("venue", "symbol")
_SIDE = (*_SYMBOL, "side")
_WORK = ("kind", *_SYMBOL)


class StatusFamilies(Collector):
    """Families of one status (DESIGN §8's shape). `labels` are the host's own, for its info.

    Decimals become floats here and nowhere before. What is unknown has no sample, never a 0.
    """

    def __init__(self, status: Row, healthy: bool, labels: Mapping[str, str]) -> None:
        self._status = status
        self._healthy = healthy
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        """Yield every family, also one without a sample now: what may come is always described."""
        status = self._status
        yield from self._host(status)
        yield from _trading(status)
        yield from _money(status)
        yield from _symbols(status["symbols"])
        yield from _reconciliation(status["reconciliation"])
        yield from _venues(status["venues"])
        yield from _work(status["work"])
        yield from _actors(status["actors"])
        yield from _process(status["process"])

    def _host(self, status: Row) -> Iterator[Metric]:
        labels = {**self._labels, "mode": status["mode"]}
        info = (tuple(labels.values()), 1)
        yield _gauge("host_info", "Name, mode and version of this host; always 1.", labels, [info])
        yield _one("healthy", "1 while the host does its work, as /health says.", self._healthy)
        yield _one("uptime_seconds", "Since the host began.", status["uptime_s"])
        yield _gauge(
            "state",
            "1 for the state that status shows.",
            ("state",),
            _chosen(_STATES, (), status["state"]),
        )


def _trading(status: Row) -> Iterator[Metric]:
    yield _gauge(
        "halt_level",
        "1 for the present level of the trading halt; running lets everything go.",
        ("level",),
        _chosen(Level, (), status["halt"]),
    )
    latched = status["halt_latched"]
    yield _one("halt_latched", "1 while only an operator's reset-halt ends the halt.", latched)
    paused, throttle, scale = status["paused"], status["throttle"], status["scale"]
    keys = {key: _key(key) for key in scale}
    whole = throttle.get("", 100)
    yield _gauge(
        "paused",
        "1 while a symbol opens nothing, for whatever reason.",
        _SYMBOL,
        [(labels, key in paused) for key, labels in keys.items()],
    )
    yield _gauge(
        "throttle_ratio",
        "Part of full size that the operator allows entries, 0 to 1.",
        _SYMBOL,
        [(labels, min(whole, throttle.get(labels[1], 100)) / 100) for labels in keys.values()],
    )
    yield _gauge(
        "entry_scale_ratio",
        "Part of full size that entries have now, by throttle and volatility, 0 to 1.",
        _SYMBOL,
        [(labels, scale[key]) for key, labels in keys.items()],
    )
    for name, said, figure in (
        ("limit_value", "What is held against a limit", "value"),
        (
            "limit",
            "The most that is allowed, or the least where the name begins with min_",
            "limit",
        ),
        ("limit_headroom", "What is left until a limit binds", "headroom"),
    ):
        rows = [((line["name"],), line[figure]) for line in status["limits"]]
        unit = "in the unit of its name: percent, bps, else quote money or a count"
        yield _gauge(name, f"{said}, {unit}.", ("limit",), rows)
    yield _counter(
        "refusals",
        "Commands that risk refused since it began, by the rule that did.",
        ("rule",),
        [((rule,), count) for rule, count in status["refusals"].items()],
    )


def _money(status: Row) -> Iterator[Metric]:
    asset = "in the margin asset"
    yield _one("equity", f"Wallets and open profit and loss, {asset}.", status["equity"])
    said = f"Profit and loss of open positions at the mark price, {asset}."
    yield _one("unrealised_pnl", said, status["unrealised_pnl"])
    said = f"Profit and loss made since the books began, less fees, with funding, {asset}."
    yield _one("realised_pnl", said, status["realised_pnl"])
    held = [
        ((row["venue"], row["symbol"], row["position_side"]), row) for row in status["positions"]
    ]
    for name, said in (
        ("quantity", "Open position in the venue's unit, short under 0; a flat side has none."),
        ("entry_price", "Average entry price of an open position."),
        ("mark_price", "The venue's mark price of an open position."),
        ("liquidation_price", "Where the venue would liquidate an open position."),
        ("unrealised_pnl", f"Profit and loss of one open position, {asset}."),
    ):
        yield _gauge(f"position_{name}", said, _SIDE, [(labels, row[name]) for labels, row in held])


def _symbols(symbols: Mapping[str, Row]) -> Iterator[Metric]:
    rows = [(_key(key), row) for key, row in symbols.items()]

    def samples(name: str) -> list[Sample]:
        return [(labels, row[name]) for labels, row in rows]

    yield _gauge("open_orders", "Orders that rest at the venue.", _SYMBOL, samples("open_orders"))
    yield _gauge(
        "unresolved_orders",
        "Orders of which nobody knows yet what became of them.",
        _SYMBOL,
        samples("unresolved_orders"),
    )
    yield _counter("fills", "Fills in the books.", _SYMBOL, samples("fills"))
    yield _gauge(
        "symbol_realised_pnl",
        "Profit and loss made with a symbol since the books began, less fees, with funding.",
        _SYMBOL,
        samples("realised_pnl"),
    )
    yield _gauge(
        "reconciliation_age_seconds",
        "Since a symbol was compared with the venue last.",
        _SYMBOL,
        samples("compared_s"),
    )
    yield _gauge(
        "position_apart",
        "By how much the venue's position and ours differed at that comparison; 0 is equal.",
        _SYMBOL,
        samples("apart"),
    )
    yield _counter(
        "differences",
        "What comparing a symbol with the venue found different, by kind.",
        (*_SYMBOL, "kind"),
        [
            ((*labels, kind), row["found"].get(kind, 0))
            for labels, row in rows
            for kind in _DIFFERENCES
            if row["compared_s"] is not None
        ],
    )


def _reconciliation(found: Row) -> Iterator[Metric]:
    yield _gauge(
        "wallet_apart",
        "The venue's wallet less the books', in the margin asset.",
        ("venue",),
        [((venue,), apart) for venue, apart in found["wallets_apart"].items()],
    )
    count = found["found"]["wallet"]
    yield _counter("wallet_differences", "Wallet differences that stayed.", (), [((), count)])


def _venues(venues: Mapping[str, Row]) -> Iterator[Metric]:
    yield _gauge(
        "venue_connected",
        "1 while every lane and stream of a venue is connected.",
        ("venue",),
        [((name,), venue["connected"]) for name, venue in venues.items()],
    )
    yield _gauge(
        "venue_clock_offset_seconds",
        "The venue's clock less ours.",
        ("venue",),
        [((name,), _seconds(venue["clock_offset_ms"])) for name, venue in venues.items()],
    )
    yield _gauge(
        "breaker_state",
        "1 for the state of the breaker of a venue's calls; closed lets everything go.",
        ("venue", "state"),
        [
            sample
            for name, venue in venues.items()
            for sample in _chosen(BreakerState, (name,), venue["breaker"])
        ],
    )


def _work(work: Sequence[Row]) -> Iterator[Metric]:
    rows = [((done["kind"], *_key(done["of"])), done) for done in work]
    for name, said, figure in (
        ("age", "Since a mark price, a word on the account or a decision came.", "age_s"),
        ("age_limit", "How old that may be until nothing is opened.", "limit_s"),
    ):
        samples = [(labels, done[figure]) for labels, done in rows]
        yield _gauge(f"work_{name}_seconds", said, _WORK, samples)


def _actors(actors: Sequence[Row]) -> Iterator[Metric]:
    label = ("actor",)
    names = [(actor["name"],) for actor in actors]

    def samples(figure: Callable[[Row], Any]) -> list[Sample]:
        return [(name, figure(actor)) for name, actor in zip(names, actors, strict=True)]

    yield _gauge(
        "actor_up",
        "1 while an actor runs, 0 while it starts, waits, backs off or is ended.",
        label,
        samples(lambda actor: actor["state"] == "running"),
    )
    yield _counter(
        "actor_restarts",
        "How often an actor was started again.",
        label,
        samples(lambda actor: actor["restarts"]),
    )
    yield _gauge(
        "actor_mailbox_messages",
        "Messages that wait for an actor.",
        label,
        samples(lambda actor: actor["mailbox"]),
    )
    yield _gauge(
        "actor_oldest_message_seconds",
        "How long the oldest of them has waited.",
        label,
        samples(lambda actor: _seconds(actor["oldest_ms"])),
    )
    yield _gauge(
        "actor_last_recovery_seconds",
        "From an actor's last end until it was ready again; none where it never ended.",
        label,
        samples(lambda actor: _seconds(actor["recovery_ms"])),
    )


def _process(process: Row) -> Iterator[Metric]:
    for name, said, figure in (
        ("memory_bytes", "Memory of the trading process in RAM, twice a minute.", "memory_bytes"),
        ("memory_limit_bytes", "What machine or container allow.", "memory_limit_bytes"),
        ("threads", "Threads of the trading process.", "threads"),
        ("open_files", "Open file descriptors of the trading process.", "open_files"),
        ("open_files_limit", "How many it may open.", "open_files_limit"),
        ("waiting_messages", "Messages that wait in all mailboxes.", "waiting_messages"),
    ):
        yield _one(f"process_{name}", said, process[figure])
    said = "Figures of the process that near their limit or grew for an hour."
    yield _one("process_alerts", said, len(process["alerts"]))


def _gauge(name: str, said: str, labels: Iterable[str], samples: Iterable[Sample]) -> Metric:
    return _fill(GaugeMetricFamily(f"bulkhead_{name}", said, labels=tuple(labels)), samples)


def _counter(name: str, said: str, labels: Iterable[str], samples: Iterable[Sample]) -> Metric:
    return _fill(CounterMetricFamily(f"bulkhead_{name}", said, labels=tuple(labels)), samples)


def _one(name: str, said: str, figure: Any) -> Metric:
    return _gauge(name, said, (), [((), figure)])


def _fill(
    family: GaugeMetricFamily | CounterMetricFamily, samples: Iterable[Sample]
) -> GaugeMetricFamily | CounterMetricFamily:
    for labels, figure in samples:
        if figure is not None:
            family.add_metric(labels, float(figure))
    return family


def _chosen(names: Iterable[str], labels: tuple[str, ...], now: str | None) -> Iterator[Sample]:
    """Yield a sample for each name, 1 for the present one; none where nobody knows which."""
    if now is not None:
        for name in names:
            yield (*labels, str(name)), name == now


def _key(written: str) -> tuple[str, str]:
    """Part a symbol's key (venue:symbol); the venue alone has no symbol."""
    venue, _, symbol = written.partition(":")
    return venue, symbol


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1_000
