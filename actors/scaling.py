"""Sizes: the part of full size that entries have, by the operator's throttle and volatility."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import define, field

from actors import names
from actors.messages.risk import CancelEntries, ScaleWanted, SizeScaled
from actors.risk_desk import RiskDesk
from core.guard_decisions import SizeJudged
from core.messages import Key
from core.money import text
from core.records import ThrottleChanged

__all__ = ["Scaling"]

_FULL = Decimal(1)


@define(eq=False)
class Scaling:
    """Owns the throttles (percent per symbol, "" for the host: the smaller one counts).

    A symbol that moves more than the target has a part of that only. A smaller scale takes back
    every entry that rests: strategies come again with what is allowed now.
    """

    desk: RiskDesk
    throttles: dict[str, int] = field(factory=dict, init=False)
    _told: dict[Key, Decimal] = field(factory=dict, init=False)

    def begin(self, throttles: Mapping[str, int]) -> None:
        """Hold the throttles of before this start."""
        self.throttles.update(throttles)
        self.look(self.desk.keys)

    def throttle(self, symbol: str, percent: int) -> None:
        """Scale entries of a symbol ("" for all) to this part of full size, from now on."""
        self.throttles[symbol] = percent
        self.desk.journal(ThrottleChanged(symbol, percent))
        self.look(self.desk.keys)

    def wanted(self, asked: ScaleWanted) -> None:
        """Answer a strategy that begins."""
        self.desk.actor.tell(asked.reply_to, SizeScaled(asked.key, self.scale(asked.key)))

    def scale(self, key: Key) -> Decimal:
        """Return the part of full size, 0 to 1, that entries of a symbol may have now."""
        return self._judge(key).scale

    def _judge(self, key: Key) -> SizeJudged:
        throttle = min(self.throttles.get("", 100), self.throttles.get(key.symbol, 100))
        sizing = self.desk.risk.facts.portfolio.size(key)
        before = self._told.get(key, _FULL)
        return SizeJudged(key, throttle, sizing, before, sizing.scaled(throttle))

    def set_throttles(self) -> tuple[tuple[str, int], ...]:
        """Return the throttles that are not 100, for the status."""
        return tuple((symbol, part) for symbol, part in self.throttles.items() if part != 100)

    def look(self, keys: Iterable[Key]) -> None:
        """Tell what changed of these symbols, and have larger entries cancelled."""
        desk = self.desk
        for key in keys:
            judged = self._judge(key)
            scale, before = judged.scale, judged.before
            if scale == before:
                continue
            desk.note(key, judged)
            self._told[key] = desk.risk.facts.scale[key] = scale
            said = f"entries have {text(scale * 100)} % of full size, {text(before * 100)} % before"
            desk.log("info" if scale > before else "warning", said, key)
            for strategy in desk.settings.strategies.get(key, ()):
                desk.actor.tell(strategy, SizeScaled(key, scale))
            if scale < before:
                desk.actor.tell(names.position(key), CancelEntries())
