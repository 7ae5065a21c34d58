"""A message and a queue for the tests of how people are told."""

from __future__ import annotations

import threading

from core.alerts import Alert, AlertQueue, Notice
from core.errors import NotTold

S = 10**9


def alert(text: str = "it broke", level: str = "error", **fields: str) -> Alert:
    given = {"actor": "risk", "symbol": "BTCUSDT", "client_order_id": "host1-grid-7"} | fields
    return Alert("2026-01-02T03:04:05.678901Z", level, "host1", text=text, **given)


def notice(*texts: str, left_out: int = 0) -> Notice:
    return Notice(tuple(alert(text) for text in texts or ("it broke",)), left_out)


def queue(max_per_minute: int = 60, gather_s: int = 0) -> AlertQueue:
    return AlertQueue(300 * S, max_per_minute, 600 * S, gather_s * S)


class Ears:
    """A notifier that notes what it was told; fails as often as it is told to, hangs while held."""

    name = "ears"

    def __init__(self, *errors: NotTold) -> None:
        self.errors = list(errors)
        self.told: list[Notice] = []
        self.came = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def send(self, notice: Notice) -> str:
        self.told.append(notice)
        self.came.release()
        self.open.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        return "heard"

    def texts(self) -> list[list[str]]:
        return [[one.text for one in notice.alerts] for notice in self.told]
