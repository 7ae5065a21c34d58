"""What the endpoint answers: the metrics, the health, and where to find them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from prometheus_client import generate_latest

from adapters.metrics.families import StatusFamilies
from adapters.metrics.server import Page
from core.errors import BulkheadError
from core.health import problems

__all__ = ["Pages"]

Status = dict[str, Any]
_FRESH_S = 1.0
_MOST_PROBLEMS = 20
_SILENT: Status = {"state": "silent", "halt": None}
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""Source: prometheus.io, Exposition formats, Text-based format."""
_INDEX = (
    "Bulkhead\n\n/metrics  for Prometheus\n/health   200 while the host does its work, else 503\n"
)


class Pages:
    """Answer paths out of one question to the host, asked at most once a second; for one thread.

    `ask` returns the host's status and raises `BulkheadError` where none comes in time: that counts
    for a second too, and so does each page that was made. `slow_mailbox_ms` and `labels`: see
    `core.health.problems` and `StatusFamilies`.
    """

    def __init__(
        self, ask: Callable[[], Status], slow_mailbox_ms: int, labels: Mapping[str, str]
    ) -> None:
        self._ask = ask
        self._slow_mailbox_ms = slow_mailbox_ms
        self._labels = labels
        self._made: dict[str, Page] = {}
        self._status: Status = {}
        self._silence = ""
        self._asked_s: float | None = None

    def __call__(self, path: str) -> Page:
        """Return the page of a path."""
        makers = {"/metrics": self._metrics, "/health": self._health}
        if path == "/":
            return Page(200, _TEXT, _INDEX.encode())
        if path not in makers:
            return Page(404, _TEXT, b"no such path: /metrics and /health are there\n")
        self._look()
        if path not in self._made:
            self._made[path] = makers[path]()
        return self._made[path]

    def _look(self) -> None:
        if self._asked_s is not None and monotonic() - self._asked_s < _FRESH_S:
            return
        try:
            self._status, self._silence = self._ask(), ""
        except BulkheadError as error:
            self._status, self._silence = _SILENT, f"the host gave no status: {error}"
        self._asked_s = monotonic()
        self._made.clear()

    def _problems(self) -> tuple[str, ...]:
        if self._silence:
            return (self._silence,)
        return problems(self._status, self._slow_mailbox_ms)

    def _metrics(self) -> Page:
        if self._silence:
            return Page(503, _TEXT, f"{self._silence}\n".encode())
        families = StatusFamilies(self._status, not self._problems(), self._labels)
        return Page(200, _EXPOSITION, generate_latest(families))

    def _health(self) -> Page:
        found = self._problems()
        more = [f"and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else []
        verdict = {
            "healthy": not found,
            "state": self._status["state"],
            "halt": self._status["halt"],
            "problems": [*found[:_MOST_PROBLEMS], *more],
        }
        return Page(503 if found else 200, _JSON, f"{json.dumps(verdict)}\n".encode())
