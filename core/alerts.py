"""What people are told: each thing once in a while, few messages a minute, never more than fits."""

from __future__ import annotations

import re
from collections import deque

from attrs import evolve, frozen

__all__ = ["GRAVITY", "MOST_WAITING", "Alert", "AlertQueue", "Notice"]

GRAVITY = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
MOST_WAITING = 30
"""Different things that wait; a message lists no more."""
_MOST_TOLD = 1_000
_MINUTE_NS = 60_000_000_000
_FIGURES = re.compile(r"\d+(?:\.\d+)?")


@frozen(slots=True)
class Alert:
    """A line of the log that people are told, `time` and all as it stands there.

    `times` counts how often the same was logged since it was told last. `heard_ns` is when the
    first of those was heard, monotonic.
    """

    time: str
    level: str
    host: str
    actor: str
    symbol: str
    client_order_id: str
    text: str
    times: int = 1
    heard_ns: int = 0

    @property
    def thing(self) -> tuple[str, ...]:
        """Return what makes two alerts the same: all but when, and the figures in the text."""
        shape = _FIGURES.sub("#", self.text)
        return self.level, self.actor, self.symbol, self.client_order_id, shape


@frozen(slots=True)
class Notice:
    """One message: its alerts, oldest first; `left_out` counts those that it cannot name."""

    alerts: tuple[Alert, ...]
    left_out: int = 0

    @property
    def level(self) -> str:
        """Return the gravest of its levels."""
        return max((alert.level for alert in self.alerts), key=GRAVITY.__getitem__)


@frozen(slots=True)
class _Told:
    """When a thing was told last, and what was heard of it since."""

    at_ns: int
    since: Alert | None = None


class AlertQueue:
    """What waits to be told over one channel.

    The same thing is told once in `repeat_ns`, then with how often it came meanwhile and its newest
    words. What comes within `gather_ns` of the first goes out in one message, since one cause makes
    many lines; so does what the rate of messages holds back. What does not fit, the oldest of
    the least grave first, and what could not be told within `give_up_ns`, is counted in the next
    message. All times are monotonic, in ns.
    """

    def __init__(
        self, repeat_ns: int, max_per_minute: int, give_up_ns: int, gather_ns: int = 0
    ) -> None:
        self.held_back = 0
        self._gather_ns = gather_ns
        self._repeat_ns = repeat_ns
        self._give_up_ns = give_up_ns
        self._waiting: dict[tuple[str, ...], Alert] = {}
        self._told: dict[tuple[str, ...], _Told] = {}
        self._left_out = 0
        self._taken_ns: deque[int] = deque(maxlen=max_per_minute)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, alert: Alert, now_ns: int) -> bool:
        """Take in what people shall be told; say whether `due_ns` may be earlier for it."""
        alert = evolve(alert, heard_ns=now_ns)
        told = self._told.get(alert.thing)
        if told is not None and now_ns - told.at_ns < self._repeat_ns:
            self._told[alert.thing] = evolve(told, since=_joined(told.since, alert))
            self.held_back += 1
            return told.since is None
        if alert.thing in self._waiting or self._slot_ns() > now_ns:
            self.held_back += 1
        first = not self._waiting
        self._wait(alert)
        return first

    def due_ns(self) -> int | None:
        """Return from when on `take` gives a message; None while there is nothing to tell."""
        if self._waiting:
            return max(self._gathered_ns(), self._slot_ns())
        again = [told.at_ns for told in self._told.values() if told.since is not None]
        return max(min(again) + self._repeat_ns, self._slot_ns()) if again else None

    def take(self, now_ns: int, *, at_once: bool = False) -> Notice | None:
        """Hand out all that waits as one message; None while there is none, or none is allowed.

        `at_once`, at the end of the host, keeps nothing back: neither repetitions nor for the rate.
        """
        if not at_once and self._slot_ns() > now_ns:
            return None
        self._wake(now_ns, everything=at_once)
        if not self._waiting or (not at_once and self._gathered_ns() > now_ns):
            return None
        notice = Notice(tuple(self._waiting.values()), self._left_out)
        self._waiting.clear()
        self._left_out = 0
        self._taken_ns.append(now_ns)
        for alert in notice.alerts:
            self._told[alert.thing] = _Told(now_ns)
        while len(self._told) > _MOST_TOLD:
            self._forget(next(iter(self._told)))
        return notice

    def give_back(self, notice: Notice, now_ns: int) -> None:
        """Take back a message that nobody got, to be told with what came meanwhile."""
        newer, self._waiting = self._waiting, {}
        self._left_out += notice.left_out
        for alert in notice.alerts:
            if now_ns - alert.heard_ns >= self._give_up_ns:
                self._left_out += alert.times
            else:
                self._wait(alert)
            self._forget(alert.thing)
        for alert in newer.values():
            self._wait(alert)

    def refuse(self, notice: Notice) -> None:
        """Count a message that will never be taken, for the next one."""
        self._left_out += notice.left_out + sum(alert.times for alert in notice.alerts)

    def _gathered_ns(self) -> int:
        """Return from when on nothing more is waited for that came with what waits."""
        return min(alert.heard_ns for alert in self._waiting.values()) + self._gather_ns

    def _slot_ns(self) -> int:
        """Return from when on the rate allows a message."""
        full = len(self._taken_ns) == self._taken_ns.maxlen
        return self._taken_ns[0] + _MINUTE_NS if full else 0

    def _wake(self, now_ns: int, *, everything: bool) -> None:
        """Let repetitions wait whose time is over; told things stand in the order of telling."""
        for thing, told in list(self._told.items()):
            if everything or now_ns - told.at_ns >= self._repeat_ns:
                self._forget(thing)

    def _forget(self, thing: tuple[str, ...]) -> None:
        told = self._told.pop(thing, None)
        if told is not None and told.since is not None:
            self._wait(told.since)

    def _wait(self, alert: Alert) -> None:
        self._waiting[alert.thing] = _joined(self._waiting.get(alert.thing), alert)
        if len(self._waiting) > MOST_WAITING:
            least = min(self._waiting.values(), key=lambda one: GRAVITY[one.level])
            del self._waiting[least.thing]
            self._left_out += least.times


def _joined(before: Alert | None, alert: Alert) -> Alert:
    """Return the newest words, with how often it was said in all and since when."""
    if before is None:
        return alert
    return evolve(alert, times=before.times + alert.times, heard_ns=before.heard_ns)
