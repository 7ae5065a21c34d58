"""What the host does, for people and scripts: gather it, answer with it, show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from actors.messages import (
    AccountReport,
    ClockTold,
    LaneReport,
    MarketState,
    RiskReport,
    StatusWanted,
    SymbolReport,
    Tick,
)
from actors.runtime import Actor, ActorStatistics
from core.messages import Key
from core.money import text
from core.ports import Display, Log
from core.positions import unrealised_pnl

_NS_MS = 1_000_000


class OperationsActor(Actor):
    """Own the picture of the host: the last report of each part.

    State: reports, replaced by the next one of the same sender. What nobody reported is unknown
    (None), never 0.
    Fails: nothing depends on it.
    Rules: the shape of `status --json` is fixed in DESIGN §8.
    """

    def __init__(
        self,
        mode: str,
        venues: dict[str, tuple[str, str]],
        statistics: Callable[[], Iterable[ActorStatistics]],
        display: Display,
        refresh_ns: int,
        log: Log,
    ) -> None:
        self.mode = mode
        self.venues = venues
        self.statistics = statistics
        self.display = display
        self.refresh_ns = refresh_ns
        self.log = log
        self.symbols: dict[Key, SymbolReport] = {}
        self.markets: dict[Key, MarketState] = {}
        self.wallets: dict[str, AccountReport] = {}
        self.lanes: dict[str, LaneReport] = {}
        self.clocks: dict[str, ClockTold] = {}
        self.risk: RiskReport | None = None

    def starting(self) -> None:
        self.began_ns = self.monotonic_ns()
        self.every(self.refresh_ns, Tick("show"))
        self.ready()

    def stopping(self) -> None:
        self.display.close()

    def handle(self, message: object) -> None:
        match message:
            case SymbolReport():
                self.symbols[message.key] = message
            case MarketState():
                self.markets[message.key] = message
            case AccountReport():
                self.wallets[message.venue] = message
            case LaneReport():
                self.lanes[message.source] = message
            case ClockTold():
                self.clocks[message.reason.split(":")[-1]] = message
            case RiskReport():
                self.risk = message
            case StatusWanted():
                message.reply(self._status())
            case Tick("show"):
                self.display.show(self._status())

    def _status(self) -> dict[str, Any]:
        actors = list(self.statistics())
        unrealised = self._unrealised()
        wallet = self._wallet()
        known = unrealised is not None and wallet is not None
        equity = wallet + unrealised if known and wallet and unrealised is not None else None
        return {
            "mode": self.mode,
            "state": self._state(actors),
            "halt": self.risk.halt.level.value if self.risk else None,
            "halt_reason": self.risk.halt.reason if self.risk else None,
            "uptime_s": round((self.monotonic_ns() - self.began_ns) / 1e9, 1),
            "venues": {name: self._venue(name) for name in self.venues},
            "actors": [_actor(figures) for figures in actors],
            "positions": self._positions(),
            "open_orders": sum(report.open_orders for report in self.symbols.values()),
            "unresolved_orders": sum(report.unresolved for report in self.symbols.values()),
            "fills": sum(report.fills for report in self.symbols.values()),
            "equity": _number(equity),
            "unrealised_pnl": _number(unrealised),
            "realised_pnl": _number(self._realised()),
            "limits": self._limits(),
            "paused": dict(self.risk.paused) if self.risk else {},
        }

    def _state(self, actors: list[ActorStatistics]) -> str:
        """Say what the least advanced part does."""
        states = {figures.state for figures in actors}
        if "stopping" in states:
            return "stopping"
        waits = [figures.waiting_for for figures in actors if figures.state == "waiting"]
        if any(reason.startswith("connecting") for reason in waits):
            return "connecting"
        if states & {"starting", "waiting", "backing_off", "failed"}:
            return "starting"
        if self.risk and (self.risk.paused or self.risk.halt.level.value != "running"):
            return "paused" if self.risk.paused else self.risk.halt.level.value
        return "running"

    def _venue(self, name: str) -> dict[str, Any]:
        rest, ws = self.venues[name]
        clock = self.clocks.get(name)
        reports = [lane for lane in self.lanes.values() if lane.venue == name]
        streams = [lane for lane in reports if lane.source.startswith("stream:")]
        return {
            "rest": rest,
            "ws": ws,
            "connected": bool(streams) and all(lane.connected for lane in reports),
            "clock_offset_ms": round(clock.offset_ns / _NS_MS, 3) if clock else None,
            "breaker": None,
        }

    def _positions(self) -> list[dict[str, Any]]:
        rows = []
        for key, report in sorted(self.symbols.items(), key=lambda item: str(item[0])):
            liquidation = dict(report.liquidation)
            for held in report.positions:
                if not held.quantity:
                    continue
                mark = self._mark(report)
                pnl = unrealised_pnl(held, mark, report.multiplier) if mark else None
                rows.append(
                    {
                        "venue": key.venue,
                        "symbol": key.symbol,
                        "position_side": held.side.value,
                        "quantity": text(held.quantity),
                        "entry_price": text(round(held.entry_price, 8)),
                        "mark_price": _number(mark),
                        "liquidation_price": _number(liquidation.get(held.side.value) or None),
                        "unrealised_pnl": _number(pnl),
                    }
                )
        return rows

    def _mark(self, report: SymbolReport) -> Decimal | None:
        market = self.markets.get(report.key)
        if market and market.mark:
            return market.mark.mark
        return report.mark or None

    def _unrealised(self) -> Decimal | None:
        if not self.symbols:
            return None
        total = Decimal(0)
        for report in self.symbols.values():
            for held in report.positions:
                mark = self._mark(report)
                if not held.quantity:
                    continue
                if mark is None:
                    return None
                total += unrealised_pnl(held, mark, report.multiplier)
        return round(total, 8)

    def _realised(self) -> Decimal | None:
        """Sum what positions realised, less fees, with funding, since the books were opened."""
        if not self.symbols:
            return None
        total = Decimal(0)
        for report in self.symbols.values():
            total += report.funding
            total += sum((held.realised_pnl - held.fees for held in report.positions), Decimal(0))
        return total

    def _wallet(self) -> Decimal | None:
        if len(self.wallets) < len(self.venues):
            return None
        return sum((report.wallet for report in self.wallets.values()), Decimal(0))

    def _limits(self) -> list[dict[str, str]]:
        return [
            {
                "name": name,
                "value": text(round(value, 2)),
                "limit": text(limit),
                "headroom": text(round(limit - value, 2)),
            }
            for name, value, limit in (self.risk.limits if self.risk else ())
        ]


def _number(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _actor(figures: ActorStatistics) -> dict[str, Any]:
    return {
        "name": figures.name,
        "state": figures.state,
        "waiting_for": figures.waiting_for,
        "restarts": figures.restarts,
        "mailbox": figures.mailbox,
        "oldest_ms": round(figures.oldest_ms, 1),
    }
