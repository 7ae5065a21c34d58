"""Hands each line of the log that people shall be told to every channel, and waits for none."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.alerts.channel import Channel, is_telling
from core.alerts import GRAVITY, Alert

__all__ = ["ACTOR", "Alarm"]

ACTOR = "alerts"
_FLUSH_WITHIN_S = 4.0
_MOST_CHARACTERS = 500


class Alarm:
    """The way from a line of the log to people. Any thread may use it; nothing here waits.

    What the channels themselves log is told to nobody: an alert that fails raises none.
    """

    def __init__(self, host: str, level: str, channels: Sequence[Channel]) -> None:
        self._host = host
        self._least = GRAVITY[level]
        self._channels = channels

    def hear(self, row: Mapping[str, str]) -> None:
        """Tell a line of the log, masked already, where it is grave enough."""
        if GRAVITY[row["level"]] < self._least or row["actor"] == ACTOR or is_telling():
            return
        alert = Alert(
            row["time"],
            row["level"],
            self._host,
            row["actor"],
            row["symbol"],
            row["client_order_id"],
            row["message"][:_MOST_CHARACTERS],
        )
        for channel in self._channels:
            channel.hear(alert)

    def tell(self, text: str) -> None:
        """Tell what ends the host and stands in no line of the log yet; `text` is masked."""
        row = dict.fromkeys(("symbol", "client_order_id"), "")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.hear(row | {"time": now, "level": "critical", "actor": "host", "message": text})

    def figures(self) -> dict[str, Any] | None:
        """Return what `status` says of all channels together; None where there is none."""
        if not self._channels:
            return None
        rows = [channel.figures() for channel in self._channels]
        errors = [row["last_error"] for row in rows if row["last_error"]]
        sums = ("sent", "failed", "held_back", "waiting")
        return {
            **{name: sum(row[name] for row in rows) for name in sums},
            "last_error": "; ".join(errors) or None,
        }

    def close(self, within_s: float = _FLUSH_WITHIN_S) -> None:
        """Send what waits, all at once; give up after so long. Nothing is heard any more."""
        until_s = time.monotonic() + within_s
        for channel in self._channels:
            channel.close(until_s)
        for channel in self._channels:
            channel.join()
