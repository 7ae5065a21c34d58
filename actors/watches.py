"""Watchdogs: liveness is work done. Who does none pauses what builds on it, until compared."""

from __future__ import annotations

from attrs import define, field

from actors import names
from actors.messages.operations import Work
from actors.messages.risk import Pause
from actors.pauses import Pauses
from actors.risk_desk import RiskDesk
from core.messages import Key

__all__ = ["Watches"]

_MS = 1_000_000
_UNWATCHED = ("timesync", "exchange", "operations", "host", "trading", "symbols", "symbol", "venue")
"""Of these a slow mailbox holds up no order, nor does that of the lane for questions."""


@define(eq=False)
class Watches:
    """Owns when each account was read and each strategy decided last (monotonic nanoseconds).

    Markets and clocks watch themselves and say so by pauses of their own. What was silent resumes
    once the positions have compared with the venue, asked after it spoke again.
    """

    desk: RiskDesk
    pauses: Pauses
    _began_ns: int = field(default=0, init=False)
    _decided_ns: dict[Key, int] = field(factory=dict, init=False)
    _slow: set[str] = field(factory=set, init=False)

    def begin(self) -> None:
        """Give everybody the whole time allowed from now on."""
        self._began_ns = self.desk.actor.monotonic_ns()

    def decided(self, key: Key) -> None:
        """Hear that a strategy looked at data."""
        self._decided_ns[key] = self.desk.actor.monotonic_ns()

    def look(self) -> None:
        """Pause where work stands still, resume where it goes on."""
        now_ns = self.desk.actor.monotonic_ns()
        self._accounts(now_ns)
        self._decisions(now_ns)
        self._mailboxes()

    def work(self) -> tuple[Work, ...]:
        """Tell when each part did its work last; what never did counts from our begin on."""
        guards, limits = self.desk.settings.tables.guards, self.desk.settings.limits
        facts, began_ns = self.desk.risk.facts, self._began_ns
        keys = [key for key in self.desk.keys if not self.pauses.aside(key)]
        marked_ns = {key: seen_ns for key, (_, seen_ns) in facts.marks.items()}
        stale_ns, silent_ns = limits.stale_after_ns, limits.account_stale_after_ns
        idle_ns = guards.decision_stale_after_ms * _MS
        return (
            *(
                Work("account", venue, facts.accounts_ns.get(venue, began_ns), silent_ns)
                for venue in self.desk.settings.assets
            ),
            *(
                Work("market", str(key), max(marked_ns.get(key, 0), began_ns), stale_ns)
                for key in keys
            ),
            *(
                Work("decision", str(key), self._decided_ns.get(key, began_ns), idle_ns)
                for key in keys
            ),
        )

    def _accounts(self, now_ns: int) -> None:
        limit_ms = self.desk.settings.tables.guards.account_stale_after_ms
        for venue in self.desk.settings.assets:
            seen_ns = self.desk.risk.facts.accounts_ns.get(venue, self._began_ns)
            source, age_ns = f"watch:account:{venue}", now_ns - seen_ns
            if age_ns <= limit_ms * _MS:
                self.pauses.resume(source)
            elif not self.pauses.stands(source):
                said = f"the account at {venue} was not heard of for {age_ns // _MS} ms"
                where = "risk.guards.account_stale_after_ms"
                self._pause(source, f"{said} ({where})", venue, None)

    def _decisions(self, now_ns: int) -> None:
        """Watch each symbol whose strategy has data to decide on."""
        limit_ms = self.desk.settings.tables.guards.decision_stale_after_ms
        for key in self.desk.keys:
            if key in self.pauses.unreported or names.market(key) in self.pauses.pauses:
                self._decided_ns[key] = now_ns
            decided_ns = self._decided_ns.setdefault(key, now_ns)
            source, age_ns = f"watch:decision:{key}", now_ns - decided_ns
            if age_ns <= limit_ms * _MS:
                self.pauses.resume(source)
            elif not self.pauses.stands(source):
                said = f"no decision on {key.symbol} for {age_ns // _MS} ms while data flows"
                where = "risk.guards.decision_stale_after_ms"
                self._pause(source, f"{said} ({where})", key.venue, key)

    def _mailboxes(self) -> None:
        limit_ms = self.desk.settings.tables.guards.slow_mailbox_ms
        slow: set[str] = set()
        for figures in self.desk.settings.statistics():
            if figures.state != "running" or figures.oldest_ms <= limit_ms:
                continue
            for key in self._held_up(figures.name):
                source = f"watch:mailbox:{figures.name}:{key}"
                slow.add(source)
                if not self.pauses.stands(source):
                    said = f"a message to {figures.name} waited {figures.oldest_ms:.0f} ms"
                    self._pause(source, f"{said} (risk.guards.slow_mailbox_ms)", key.venue, key)
        for source in self._slow - slow:
            self.pauses.resume(source)
        self._slow = slow

    def _held_up(self, name: str) -> list[Key]:
        """Return the symbols whose orders or figures a slow mailbox holds up."""
        keys, kind = self.desk.keys, name.split(":")[0]
        if kind == "connection":
            groups = self.desk.settings.groups
            return [
                key
                for key in keys
                if name
                in (
                    names.urgent_lane(key, groups),
                    names.closes_lane(key, groups),
                    names.cancels_lane(key.venue),
                    names.orders_lane(key, groups),
                )
            ]
        if kind in _UNWATCHED:
            return []
        own, venue = names.symbol_of(name), names.venue_of(name)
        return [key for key in keys if own == key or (not own and venue in ("", key.venue))]

    def _pause(self, source: str, reason: str, venue: str, key: Key | None) -> None:
        self.pauses.pause(Pause(source, reason, venue, key, needs_comparison=True))
