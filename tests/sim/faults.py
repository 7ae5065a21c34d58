"""What can go wrong with single calls and frames of a simulated venue: scripted, or by chance."""

from __future__ import annotations

from collections import defaultdict, deque
from random import Random

from attrs import define, field

__all__ = ["Faults"]

_LATE_NS = 3_000_000_000

_PLACE = (
    "unknown_before",
    "unknown_after",
    "unknown_late",
    "rejected",
    "rate_limited",
    "clock_rejected",
    "unreachable",
)
_WRITE = ("unknown_before", "unknown_after", "rate_limited", "unreachable")
_READ = ("unreachable", "rate_limited")


@define
class Faults:
    """What goes wrong: scripted one by one per call, always, or by chance (`rates` per call)."""

    random: Random
    scripted: dict[str, deque[str]] = field(factory=lambda: defaultdict(deque))
    rates: dict[str, float] = field(factory=dict)
    unreachable: bool = False
    refuse_stops: bool = False
    late_ns: int = _LATE_NS
    frame_loss: float = 0.0
    frame_repeat: float = 0.0
    frame_delay: float = 0.0
    account_silent: bool = False

    def script(self, call: str, *fates: str) -> None:
        """Let the next calls of this kind meet these fates, one each; "" is none."""
        self.scripted[call].extend(fates)

    def fate(self, call: str) -> str:
        """Choose what happens to one call; "" for nothing."""
        if self.scripted[call]:
            return self.scripted[call].popleft()
        if self.unreachable:
            return "unreachable"
        if self.random.random() >= self.rates.get(call, 0.0):
            return ""
        match call:
            case "place":
                return self.random.choice(_PLACE)
            case "cancel" | "amend":
                return self.random.choice(_WRITE)
            case "order":
                return self.random.choice(("not_found", *_READ))
        return self.random.choice(_READ)

    def heal(self) -> None:
        """End all faults."""
        self.scripted.clear()
        self.rates.clear()
        self.unreachable = self.refuse_stops = self.account_silent = False
        self.frame_loss = self.frame_repeat = self.frame_delay = 0.0
