"""A message in words, for people, and as JSON, for programs."""

from __future__ import annotations

from typing import Any

from adapters.logs import printable
from core.alerts import Alert, Notice

__all__ = ["body", "subject", "words"]


def words(notice: Notice, most: int = 100_000) -> str:
    """Write a message for people, a line an alert, in at most so many characters."""
    lines = [_line(alert) for alert in notice.alerts]
    left_out, room = notice.left_out, most - 100
    shown: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    left_out += sum(alert.times for alert in notice.alerts[len(shown) :])
    if left_out:
        shown.append(f"and {left_out} more, which only the log tells")
    return "\n".join(shown)


def subject(notice: Notice) -> str:
    """Write what a message is about on one short line."""
    first = notice.alerts[0]
    more = f" (+{len(notice.alerts) - 1})" if len(notice.alerts) > 1 else ""
    return f"[{first.host}] {notice.level}: {printable(first.text)[:100]}{more}"


def body(notice: Notice) -> dict[str, Any]:
    """Write a message as the webhook posts it."""
    return {
        "host": notice.alerts[0].host,
        "level": notice.level,
        "text": words(notice),
        "left_out": notice.left_out,
        "alerts": [
            {
                "time": alert.time,
                "level": alert.level,
                "host": alert.host,
                "actor": alert.actor,
                "symbol": alert.symbol or None,
                "client_order_id": alert.client_order_id or None,
                "text": alert.text,
                "times": alert.times,
            }
            for alert in notice.alerts
        ],
    }


def _line(alert: Alert) -> str:
    place = "".join(f" [{one}]" for one in (alert.symbol, alert.client_order_id) if one)
    often = f" ({alert.times} times)" if alert.times > 1 else ""
    head = f"{alert.time[:19]}Z {alert.host} {alert.level} {alert.actor}{place}"
    return printable(f"{head}: {alert.text}{often}")
