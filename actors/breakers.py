"""Breakers: whether each venue's calls go well enough to open anything there."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from actors import names
from actors.messages.risk import CallsTold, ProbeVenue
from actors.risk_desk import RiskDesk
from core.records import BreakerChanged
from core.risk.breaker import Breaker, BreakerState

__all__ = ["Breakers"]


@define(eq=False)
class Breakers:
    """Owns the breaker of each venue, fed by what the lanes tell; closing orders heed none."""

    desk: RiskDesk
    _breakers: dict[str, Breaker] = field(factory=dict, init=False)

    def begin(self, left: Mapping[str, BreakerChanged]) -> None:
        """Hold a breaker open that was open before this start; its probe decides."""
        for venue in self.desk.settings.assets:
            self._breakers[venue] = Breaker(self.desk.settings.tables.breaker)
            before = left.get(venue)
            if before is not None and before.state != BreakerState.CLOSED.value:
                self._breakers[venue].restore(before.reason, self.desk.actor.monotonic_ns())
                self._changed(venue)

    def told(self, calls: CallsTold) -> None:
        """Count what a lane tells of its calls."""
        now_ns = self.desk.actor.monotonic_ns()
        breaker = self._breakers[calls.venue]
        if breaker.told(calls.good, calls.failed, now_ns, calls.text):
            self._changed(calls.venue)

    def look(self) -> None:
        """Go on where a wait is over."""
        for venue, breaker in self._breakers.items():
            if breaker.tick(self.desk.actor.monotonic_ns()):
                self._changed(venue)
                if breaker.state is BreakerState.HALF_OPEN:
                    self.desk.actor.tell(names.reads_lane(venue), ProbeVenue())

    def states(self) -> tuple[tuple[str, str], ...]:
        """Return each venue's state, for the status."""
        return tuple((venue, breaker.state.value) for venue, breaker in self._breakers.items())

    def _changed(self, venue: str) -> None:
        breaker, not_closed = self._breakers[venue], self.desk.risk.facts.breaker_open
        if breaker.state is BreakerState.CLOSED:
            not_closed.pop(venue, None)
        else:
            not_closed[venue] = breaker.reason
        self.desk.journal(BreakerChanged(venue, breaker.state.value, breaker.reason))
        level = "info" if breaker.state is BreakerState.CLOSED else "warning"
        why = f": {breaker.reason} (risk.breaker)" if breaker.reason else ""
        self.desk.log(level, f"breaker of {venue} is {breaker.state.value}{why}")
