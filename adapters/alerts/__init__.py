"""People are told of errors, over the channels that `[alerts]` configures: see docs/alerts.md."""

from __future__ import annotations

from adapters.alerts.alarm import ACTOR, Alarm
from adapters.alerts.opening import notifiers, open_alarm, secrets

__all__ = ["ACTOR", "Alarm", "notifiers", "open_alarm", "secrets"]
