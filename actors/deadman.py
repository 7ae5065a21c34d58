"""One symbol's dead-man switch: the venue cancels its entries when the host falls silent."""

from __future__ import annotations

from attrs import define, field

from actors import names
from actors.desk import Desk
from actors.messages.risk import ArmDeadMan

__all__ = ["DeadMan"]

_MS_NS = 1_000_000


@define(eq=False)
class DeadMan:
    """Begins the venue's count-down anew while entries work there, ends it once none is left.

    The venue's count-down takes plain orders; stops are conditional and stay. Monotonic times.
    """

    desk: Desk
    _armed: bool = field(default=False, init=False)
    _due_ns: int = field(default=0, init=False)

    def look(self, now_ns: int) -> None:
        """Arm, arm again or disarm as the open entries want it, no more often than need be."""
        settings = self.desk.settings
        entries = any(not order.command.closing for order in self.desk.book.live.values())
        if not settings.dead_man_ns or (self._armed and now_ns < self._due_ns):
            return
        if entries:
            self._armed, self._due_ns = True, now_ns + settings.dead_man_every_ns
            self._send(settings.dead_man_ns)
        else:
            self.end()

    def end(self) -> None:
        """Disarm: take-profits may stay where no entry is left."""
        if self._armed:
            self._armed = False
            self._send(0)

    def _send(self, after_ns: int) -> None:
        desk = self.desk
        lane = names.cancels_lane(desk.key.venue)
        desk.actor.tell(lane, ArmDeadMan(desk.key, after_ns // _MS_NS))
