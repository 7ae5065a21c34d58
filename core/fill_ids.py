"""Which fills were taken, so that none counts twice; of long ago only that all of them were."""

from __future__ import annotations

from attrs import define, field

from core.messages import Fill

__all__ = ["FillIds"]

_DAY_NS = 86_400 * 1_000_000_000


@define
class FillIds:
    """The ids of one symbol's fills; mutable, one owner.

    Ids are forgotten by whole UTC days. What is from before `since_ns` is known without its id: it
    was contained in what the books were opened with, or in a position that the venue agreed with
    at least a day later. So a fill that comes again, however late, counts no more than before.
    """

    count: int = 0
    since_ns: int = 0
    _days: dict[int, set[str]] = field(factory=dict)

    def knows(self, fill: Fill) -> bool:
        """Tell whether this fill was taken."""
        return fill.time_ns < self.since_ns or any(
            fill.fill_id in ids for ids in self._days.values()
        )

    def add(self, fill: Fill) -> None:
        """Note that this fill was taken."""
        self._days.setdefault(fill.time_ns // _DAY_NS, set()).add(fill.fill_id)
        self.count += 1

    def compared(self, until_ns: int) -> None:
        """Hear that the venue agreed on all fills up to this instant, in its time."""
        self.forget((until_ns // _DAY_NS - 1) * _DAY_NS)

    def forget(self, before_ns: int) -> None:
        """Keep no ids from before this beginning of a day."""
        if before_ns > self.since_ns:
            self.since_ns = before_ns
            first = before_ns // _DAY_NS
            self._days = {day: ids for day, ids in self._days.items() if day >= first}
