"""What the host does, for people and scripts: gather it, answer with it, show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import evolve

from actors.messages.lanes import ClockTold
from actors.messages.operations import (
    AccountReport,
    LaneReport,
    RiskReport,
    StatusWanted,
    SymbolReport,
    Tick,
)
from actors.messages.trading import MarketState
from actors.runtime import Actor, ActorStatistics
from core.account import Figure, Unknown, combine, unrealised
from core.ledger import position_row
from core.messages import Key
from core.money import ZERO, text
from core.ports import Display, Log
from core.positions import Position, unrealised_pnl
from core.risk.halt import Level
from core.status import figure
from core.usage import Figure as Amount
from core.usage import Usage, UsageWatch

_NS_MS = 1_000_000
_USAGE_NS = 30_000_000_000
_TOLD_NS = 1_000_000_000
"""Risk tells once a second how old the mark prices are."""
_TELL_AGAIN_NS = 3_600_000_000_000


class OperationsActor(Actor):
    """Own the picture of the host: the last report of each part.

    State: reports, replaced by the next one of the same sender. What nobody reported is unknown
    (null), never 0. What the process uses, as it was read last, and what is wrong with it.
    Fails: nothing depends on it.
    Rules: the shape of `status --json` is fixed in DESIGN §8; `core.usage` judges what is used.
    """

    def __init__(
        self,
        mode: str,
        venues: dict[str, Callable[[], tuple[str, str]]],
        statistics: Callable[[], Iterable[ActorStatistics]],
        read_usage: Callable[[], Usage],
        display: Display,
        refresh_ns: int,
        log: Log,
        alerts: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:
        self.mode = mode
        self.venues = venues
        self.statistics = statistics
        self.read_usage = read_usage
        self.display = display
        self.refresh_ns = refresh_ns
        self.log = log
        self.alerted = alerts
        self.symbols: dict[Key, SymbolReport] = {}
        self.markets: dict[Key, MarketState] = {}
        self.wallets: dict[str, AccountReport] = {}
        self.lanes: dict[str, LaneReport] = {}
        self.clocks: dict[str, ClockTold] = {}
        self.risk: RiskReport | None = None
        self.usage = Usage()
        self.watch = UsageWatch()
        self.alerts: dict[str, str] = {}
        self.told_ns: dict[str, int] = {}

    def starting(self) -> None:
        self.began_ns = self.monotonic_ns()
        self.every(self.refresh_ns, Tick("show"))
        self.every(_USAGE_NS, Tick("usage"))
        self._look_at_usage()
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
                message.reply(self._status(message.symbol))
            case Tick("show"):
                self.display.show(self._status())
            case Tick("usage"):
                self._look_at_usage()

    def _look_at_usage(self) -> None:
        """Read what the process uses; say what is wrong with it, once an hour."""
        waiting = sum(figures.mailbox for figures in self.statistics())
        self.usage = evolve(self.read_usage(), messages=Amount(waiting))
        now_ns = self.monotonic_ns()
        self.alerts = self.watch.look(self.usage, now_ns)
        for what, said in self.alerts.items():
            if now_ns - self.told_ns.get(what, -_TELL_AGAIN_NS) >= _TELL_AGAIN_NS:
                self.told_ns[what] = now_ns
                self.log("error", self.name, said)

    def _status(self, symbol: str = "") -> dict[str, Any]:
        actors = list(self.statistics())
        open_pnl = self._unrealised(symbol)
        reports = self._reports(symbol)
        made: Figure = Unknown("no position has reported yet")
        if reports:
            made = sum((_made(report) for report in reports), ZERO)
        return {
            "mode": self.mode,
            "state": self._state(actors),
            "halt": self.risk.halt.level.value if self.risk else None,
            "halt_reason": self.risk.halt.why if self.risk else None,
            "halt_by": self.risk.halt.by if self.risk else None,
            "halt_latched": self.risk.halt.latched if self.risk else None,
            "halt_since_ns": (self.risk.halt.since_ns or None) if self.risk else None,
            "uptime_s": round((self.monotonic_ns() - self.began_ns) / 1e9, 1),
            "venues": {name: self._venue(name) for name in self.venues},
            "actors": [_actor(figures) for figures in actors],
            "positions": self._positions(symbol),
            "open_orders": sum(report.open_orders for report in reports),
            "unresolved_orders": sum(report.unresolved for report in reports),
            "fills": sum(report.fills for report in reports),
            "equity": figure(combine(_cents, self._equity())),
            "unrealised_pnl": figure(combine(_cents, open_pnl)),
            "realised_pnl": figure(made),
            "reconciliation": self._reconciliation(symbol),
            "limits": self._limits(),
            "paused": dict(self.risk.paused) if self.risk else {},
            "throttle": dict(self.risk.throttles) if self.risk else {},
            "scale": {k: text(v) for k, v in self.risk.scales} if self.risk else {},
            "refusals": dict(self.risk.refusals) if self.risk else {},
            "symbols": {str(report.key): self._symbol(report) for report in reports},
            "work": self._work(),
            "process": self.usage.row() | {"alerts": list(self.alerts.values())},
            "alerts": self.alerted(),
            "as_of_ns": self.now_ns(),
            "stop_reason": None,
        }

    def _reports(self, symbol: str) -> list[SymbolReport]:
        found = sorted(self.symbols.items(), key=lambda item: str(item[0]))
        return [report for key, report in found if symbol in ("", key.symbol)]

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
        if self.risk and self.risk.halt.level is not Level.RUNNING:
            return self.risk.halt.level.value
        return "paused" if self.risk and self.risk.paused else "running"

    def _venue(self, name: str) -> dict[str, Any]:
        rest, ws = self.venues[name]()
        clock = self.clocks.get(name)
        reports = [lane for lane in self.lanes.values() if lane.venue == name]
        streams = [lane for lane in reports if lane.source.startswith("stream:")]
        return {
            "rest": rest,
            "ws": ws,
            "connected": bool(streams) and all(lane.connected for lane in reports),
            "clock_offset_ms": round(clock.offset_ns / _NS_MS, 3) if clock else None,
            "breaker": dict(self.risk.breakers).get(name) if self.risk else None,
        }

    def _positions(self, symbol: str) -> list[dict[str, Any]]:
        rows = []
        for report in self._reports(symbol):
            liquidation = dict(report.liquidation)
            mark = self._mark(report)
            for held in report.positions:
                if not held.quantity:
                    continue
                pnl = combine(partial(_pnl, held, report.multiplier), mark)
                liquidated_at = liquidation.get(held.side.value)
                rows.append(
                    position_row(report.key, held)
                    | {
                        "mark_price": figure(mark),
                        "liquidation_price": text(liquidated_at) if liquidated_at else None,
                        "unrealised_pnl": figure(pnl),
                    }
                )
        return rows

    def _reconciliation(self, symbol: str) -> dict[str, Any]:
        """Tell what comparing with the venues found, and how old the oldest comparison is."""
        reports, found = self._reports(symbol), Counter[str]()
        for report in reports:
            found.update(dict(report.drift.found))
        found["wallet"] = sum(wallet.differences for wallet in self.wallets.values())
        for wallet in self.wallets.values():
            found.update(dict(wallet.income.found))
        return {
            "oldest_s": self._oldest_s(report.drift.compared_ns for report in reports),
            "positions_apart": {
                str(report.key): text(report.drift.apart)
                for report in reports
                if report.drift.apart
            },
            "wallets_apart": {
                name: None if wallet.apart is None else text(wallet.apart)
                for name, wallet in self.wallets.items()
            },
            "income_apart": {
                name: None if (apart := wallet.income.apart) is None else _texts(apart)
                for name, wallet in self.wallets.items()
            },
            "income_s": self._oldest_s(wallet.income.read_ns for wallet in self.wallets.values()),
            "found": dict(found),
        }

    def _symbol(self, report: SymbolReport) -> dict[str, Any]:
        """Tell of one symbol what is summed up elsewhere; one that never reported has no row."""
        return {
            "open_orders": report.open_orders,
            "unresolved_orders": report.unresolved,
            "fills": report.fills,
            "realised_pnl": text(_made(report)),
            "compared_s": self._age_s(report.drift.compared_ns),
            "apart": text(report.drift.apart) if report.drift.compared_ns else None,
            "found": dict(report.drift.found),
        }

    def _work(self) -> list[dict[str, Any]]:
        """Tell how long ago each part did its work; a risk that reports no more stops no clock."""
        return [
            {
                "kind": work.kind,
                "of": work.of,
                "age_s": self._age_s(work.done_ns),
                "limit_s": work.limit_ns / 1e9,
            }
            for work in (self.risk.work if self.risk else ())
        ]

    def _age_s(self, since_ns: int) -> float | None:
        """Return how long ago that was (monotonic); None for 0, which is never."""
        return round((self.monotonic_ns() - since_ns) / 1e9, 1) if since_ns else None

    def _oldest_s(self, times_ns: Iterable[int]) -> float | None:
        """Return how old the oldest is; None where one is 0 or there is none."""
        return self._age_s(min(times_ns, default=0))

    def _mark(self, report: SymbolReport) -> Figure:
        market, age_s = self.markets.get(report.key), self._marked_s(report.key)
        if age_s is not None:
            return Unknown(f"the mark price of {report.key} is {age_s} s old")
        if market and market.mark:
            return market.mark.mark
        return report.mark or Unknown(f"no mark price of {report.key}")

    def _marked_s(self, key: Key) -> float | None:
        """Return how old a mark price is that nothing is decided by any more; None for others."""
        for work in self.risk.work if self.risk else ():
            if work.kind == "market" and work.of == str(key):
                age_ns = self.monotonic_ns() - work.done_ns
                return self._age_s(work.done_ns) if age_ns > work.limit_ns + _TOLD_NS else None
        return None

    def _unrealised(self, symbol: str) -> Figure:
        if not self.symbols:
            return Unknown("no position has reported yet")
        reports = self._reports(symbol)
        return unrealised(
            [(report.key, held) for report in reports for held in report.positions],
            {report.key: self._mark(report) for report in reports},
            {report.key: report.multiplier for report in reports},
        )

    def _equity(self) -> Figure:
        """Return the equity of all accounts, whatever symbol was asked for: a wallet has none."""
        return combine(_sum, self._wallet(), self._unrealised(""))

    def _limits(self) -> list[dict[str, str | None]]:
        return [
            {
                "name": line.name,
                "value": figure(combine(_shown, line.value)),
                "limit": text(line.limit),
                "headroom": figure(combine(_shown, line.headroom)),
            }
            for line in (self.risk.limits if self.risk else ())
        ]

    def _wallet(self) -> Figure:
        missing = [name for name in self.venues if name not in self.wallets]
        if missing:
            return Unknown(f"the wallet at {missing[0]} was not read yet")
        return sum((report.wallet for report in self.wallets.values()), ZERO)


def _texts(figures: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: text(value) for name, value in figures.items()}


def _sum(wallet: Decimal, pnl: Decimal) -> Decimal:
    return wallet + pnl


def _shown(value: Decimal) -> Decimal:
    return round(value, 2)


def _cents(value: Decimal) -> Decimal:
    return round(value, 8)


def _made(report: SymbolReport) -> Decimal:
    """Sum what a symbol realised, less fees, with funding, since the books were opened."""
    return report.funding + sum((p.realised_pnl - p.fees for p in report.positions), ZERO)


def _pnl(held: Position, multiplier: Decimal, mark: Decimal) -> Decimal:
    return round(unrealised_pnl(held, mark, multiplier), 8)


def _actor(figures: ActorStatistics) -> dict[str, Any]:
    return {
        "name": figures.name,
        "state": figures.state,
        "waiting_for": figures.waiting_for,
        "restarts": figures.restarts,
        "mailbox": figures.mailbox,
        "oldest_ms": round(figures.oldest_ms, 1),
        "recovery_ms": None if figures.recovery_ms is None else round(figures.recovery_ms, 1),
    }
