"""The endpoint of a running host: open while it trades, never in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.metrics.pages import Pages
from adapters.metrics.server import MetricsServer
from core.addresses import read
from core.config import Metrics
from core.errors import UsageError
from core.ports import Log

__all__ = ["serving"]


@contextmanager
def serving(
    settings: Metrics,
    ask: Callable[[], dict[str, Any]],
    slow_mailbox_ms: int,
    labels: Mapping[str, str],
    log: Log,
) -> Iterator[str | None]:
    """Serve metrics and health; yield their address (http://…), None where none is served.

    A port that is taken costs the metrics, not the trading: the log says how to mend it. For the
    other arguments see `Pages`.
    """
    address = read(settings.listen)
    if address is None:
        yield None
        return
    try:
        server = MetricsServer(address, Pages(ask, slow_mailbox_ms, labels), log)
    except UsageError as error:
        log("warning", "metrics", f"no metrics and no health: {error}")
        yield None
        return
    url = f"http://{server.address}"
    log("info", "metrics", f"metrics at {url}/metrics, health at {url}/health")
    if not address.is_loopback:
        log("warning", "metrics", f"{url} asks nobody for a password (metrics.listen)")
    try:
        yield url
    finally:
        server.close()
