"""Tries every channel of `[alerts]` with one message, for `python run.py check --alert`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from threading import Thread

from adapters.alerts.opening import notifiers
from core.alerts import Alert, Notice
from core.config import Config
from core.errors import ConfigError, NotTold
from core.ports import Notifier
from core.readiness import Item, fail, ok

__all__ = ["try_channels"]


def try_channels(config: Config, environment: Mapping[str, str]) -> list[Item]:
    """Send one message over each channel and judge each; none where one cannot be opened.

    The readiness item `alerts` says why one cannot.
    """
    try:
        found = notifiers(config.alerts, environment)
    except ConfigError:
        return []
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    alert = Alert(now, "info", config.host_name, "check", "", "", "a test: this channel works")
    if not found:
        mend = "configure a channel: docs/alerts.md"
        return [fail("alert", "there is no channel to send a test message over", mend)]
    return [_try(one, Notice((alert,)), config.alerts.timeout_ms / 1000) for one in found]


def _try(notifier: Notifier, notice: Notice, timeout_s: float) -> Item:
    """Send once; what is not answered in time is left behind with its thread."""
    answers: SimpleQueue[Item] = SimpleQueue()
    name, mend = f"alert_{notifier.name}", f"mend [alerts.{notifier.name}] or what it names"

    def work() -> None:
        try:
            answers.put(ok(name, f"a test message was sent: {notifier.send(notice)}"))
        except NotTold as error:
            answers.put(fail(name, f"nobody was told: {error}", mend))

    Thread(target=work, name=name, daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except Empty:
        return fail(name, f"nobody was told: no answer within {timeout_s:g} s", mend)
