"""One symbol's dead-man switch: the venue cancels its entries when the host falls silent."""

from __future__ import annotations

from attrs import define, field

from actors import names
from actors.desk import Desk
from actors.messages import ArmDeadMan

__all__ = ["DeadMan"]

_MS_NS = 1_000_000


@define(eq=False)
class DeadMan:
    """Begins the venue's count-down anew while entries work there, ends it when none is left.

    The venue's count-down takes plain orders; stops are conditional and stay. Monotonic times.
    """

    desk: Desk
    _armed: bool = field(default=False, init=False)
    _due_ns: int = field(default=0, init=False)

    def look(self, now_ns: int) -> None:
        """Arm, arm again or disarm as the open entries want it."""
        settings = self.desk.settings
        if not settings.dead_man_ns:
            return
        entries = any(not order.command.closing for order in self.desk.book.live.values())
        if entries and (not self._armed or now_ns >= self._due_ns):
            self._due_ns = now_ns + settings.dead_man_every_ns
            self._send(settings.dead_man_ns)
        elif self._armed and not entries:
            self._send(0)
        self._armed = entries

    def _send(self, after_ns: int) -> None:
        desk = self.desk
        lane = names.urgent_lane(desk.key.venue)
        desk.actor.tell(lane, ArmDeadMan(desk.key, after_ns // _MS_NS))
