"""Losses: the equity of every venue, judged again by whatever may have changed it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import define, evolve, field

from actors import names
from actors.flattens import Flattens
from actors.halting import Halting
from actors.messages.operations import LimitTold
from actors.messages.risk import Pause, WalletTold
from actors.pauses import Pauses
from actors.risk_desk import RiskDesk
from actors.risk_limits import at_most
from core.account import Figure, Unknown, combine
from core.decisions import LossJudged
from core.messages import Key
from core.money import ZERO
from core.positions import Position
from core.records import EquityMarked
from core.risk.equity import EquityStop, HeldAt, Verdict, equity
from core.risk.halt import EQUITY_STOP, Cause
from core.settled import Settled

__all__ = ["Losses"]

_PEAK_STEP = Decimal("1.001")
_PEAK_EVERY_NS = 60_000_000_000
_START_NS = 10_000_000_000
_UNREAD = Unknown("the account was not read yet")


@define(eq=False)
class _Purse:
    """One venue's money: what was told of it, and the stop that judges it."""

    stop: EquityStop
    told: WalletTold | None = None
    settled: Settled = field(factory=Settled)
    equity: Figure = _UNREAD
    verdict: Verdict | None = None
    judged: LossJudged | None = None
    written: EquityMarked | None = None
    written_ns: int = 0

    def free(self) -> Figure:
        """Return what the venue said last was free as margin."""
        available = self.told.available if self.told else None
        return _UNREAD if available is None else available

    def lost(self, name: str, *, percent: bool = False) -> Figure:
        """Return one loss, 0 for a gain, unknown where the equity is."""
        for loss in self.verdict.losses if self.verdict else ():
            if loss.name == name:
                return combine(_lost, loss.percent if percent else loss.value)
        return self.equity if isinstance(self.equity, Unknown) else Unknown(f"no {name} yet")


@define(eq=False)
class Losses:
    """Owns the equity stop: wallets and open PnL at the marks against the day's start and the peak.

    A fill shows in the position before or after it shows in the wallet. So equity is what was
    booked here since the wallet was last settled, the settled wallet and the open PnL: no such
    moment looks like a loss, a gain or a new peak. Without a figure nothing is opened.
    """

    desk: RiskDesk
    pauses: Pauses
    halting: Halting
    flattens: Flattens
    _purses: dict[str, _Purse] = field(factory=dict, init=False)
    _booked: dict[Key, Decimal] = field(factory=dict, init=False)
    _tripped: bool = field(default=False, init=False)
    _known: bool = field(default=False, init=False)
    _began_ns: int = field(default=0, init=False)

    def begin(self, marked: Mapping[tuple[str, str], EquityMarked]) -> None:
        """Measure from where the journal left off."""
        self._began_ns = self.desk.actor.monotonic_ns()
        tables = self.desk.settings.tables
        for venue, asset in self.desk.settings.assets.items():
            before = marked.get((venue, asset))
            stop = EquityStop(venue, asset, tables.losses, tables.canary, before)
            self._purses[venue] = _Purse(stop, written=before)

    def wallet(self, told: WalletTold) -> None:
        """Take the venue's word on its wallet in."""
        purse = self._purses.get(told.venue)
        if purse is not None and told.asset == purse.stop.asset:
            purse.told = told
            self.desk.risk.facts.accounts_ns[told.venue] = told.read_ns

    def positions(self, key: Key, positions: tuple[Position, ...]) -> None:
        """Take in what the fills of a symbol made and cost."""
        self._booked[key] = sum((each.realised_pnl - each.fees for each in positions), ZERO)

    def equity(self, venue: str) -> Figure:
        """Return a venue's equity as of the last look."""
        return self._purses[venue].equity

    def unknown(self) -> str:
        """Say why the equity is not known; "" when it is."""
        equity = self.desk.risk.facts.equity
        return equity.why if isinstance(equity, Unknown) else ""

    def look(self) -> None:
        """Judge the equity now, and end trading where too much is lost."""
        for purse in self._purses.values():
            self._judge(purse)
        self._tell_rules()
        why = self.unknown()
        if why:
            self._pause(why)
            return
        self._known = True
        self.pauses.resume(EQUITY_STOP)
        for purse in self._purses.values():
            loss = purse.verdict.tripped if purse.verdict else None
            if loss is not None and purse.judged is not None and not self._tripped:
                self._tripped = True
                self._trip(evolve(purse.judged, after=purse.stop.marked, loss=loss), str(loss))

    def begin_anew(self) -> None:
        """Count losses from the present equity: an operator's word."""
        self._tripped = False
        for purse in self._purses.values():
            if purse.told is not None and isinstance(purse.equity, Decimal):
                now_ns = self.desk.actor.now_ns()
                purse.stop = purse.stop.reset(purse.equity, purse.told.transfers, now_ns)
                self._write(purse)
        self.look()

    def limits(self) -> list[LimitTold]:
        """Tell how far each stop is from tripping, in percent; the canary's in money."""
        losses, canary = self.desk.settings.tables.losses, self.desk.settings.tables.canary
        rows = []
        for venue, purse in self._purses.items():
            for name, row, limit in (
                ("daily loss", "max_daily_loss_percent", losses.max_daily_loss_percent),
                ("drawdown", "max_drawdown_percent", losses.max_drawdown_percent),
            ):
                rows.append(at_most(f"{row}.{venue}", purse.lost(name, percent=True), limit))
            if canary.enabled:
                lost = purse.lost("canary loss")
                rows.append(at_most(f"canary.max_loss.{venue}", lost, canary.max_loss))
        return rows

    # Equity

    def _judge(self, purse: _Purse) -> None:
        told = purse.told
        if told is None:
            purse.equity = Unknown(f"the account at {purse.stop.venue} was not read yet")
            return
        now_ns = self.desk.actor.now_ns()
        judged = self._figures(purse, told, now_ns)
        if isinstance(judged, Unknown):
            purse.equity, purse.judged = judged, None
        else:
            purse.equity, purse.judged = judged.equity, judged
        purse.stop, purse.verdict = purse.stop.look(purse.equity, told.transfers, now_ns)
        self._keep(purse)

    def _figures(self, purse: _Purse, told: WalletTold, at_ns: int) -> LossJudged | Unknown:
        """Return what a look is given, without what comes of it."""
        venue = purse.stop.venue
        keys = [key for key in self.desk.keys if key.venue == venue]
        booked, held = ZERO, list[HeldAt]()
        for key in keys:
            missing = self._missing(key)
            if missing:
                return Unknown(missing)
            found = self._held(key)
            if isinstance(found, Unknown):
                return found
            booked += self._booked.get(key, ZERO)
            held += found
        now_ns = self.desk.actor.monotonic_ns()
        lagging = not told.explained or any(self._lags(key) for key in keys)
        figure = told.wallet - told.transfers - booked
        settled = purse.settled.look(figure, now_ns, lagging=lagging)
        losses, canary = self.desk.settings.tables.losses, self.desk.settings.tables.canary
        return LossJudged(
            venue,
            purse.stop.asset,
            losses.max_daily_loss_percent,
            losses.max_drawdown_percent,
            canary.max_loss if canary.enabled else None,
            purse.stop.marked,
            at_ns,
            settled,
            told.transfers,
            booked,
            tuple(held),
            equity(settled, told.transfers, booked, held),
        )

    def _missing(self, key: Key) -> str:
        """Say what lacks of a symbol; one that the venue does not know can hold nothing there."""
        if key in self._booked:
            return ""
        if key not in self.desk.instruments and names.position(key) in self.pauses.pauses:
            return ""
        return f"the position of {key} has not been compared with the venue yet"

    def _lags(self, key: Key) -> bool:
        """Tell whether a position may lack fills that its wallet contains."""
        return key in self.pauses.unreported or names.position(key) in self.pauses.pauses

    def _held(self, key: Key) -> list[HeldAt] | Unknown:
        found = list[HeldAt]()
        for held in self.desk.risk.exposure.held(key):
            if held.quantity:
                mark = self.desk.mark(key)
                if isinstance(mark, Unknown):
                    return mark
                instrument = self.desk.instruments.get(key)
                if instrument is None:  # reported to an earlier risk, before this one knew of it
                    return Unknown(f"{key} is not listed yet")
                found.append(HeldAt(key, held, mark, instrument.multiplier))
        return found

    # What follows

    def _tell_rules(self) -> None:
        facts, purses = self.desk.risk.facts, self._purses.values()
        facts.free_margin = combine(_sum, *(purse.free() for purse in purses))
        facts.equity = combine(_sum, *(purse.equity for purse in purses))
        verdicts = [purse.verdict or Verdict(purse.equity) for purse in purses]
        daily = [verdict.headroom("daily loss") for verdict in verdicts]
        drawdown = [verdict.headroom("drawdown") for verdict in verdicts]
        facts.day_headroom = combine(_least, *daily, *drawdown)
        canaries = [verdict.headroom("canary loss") for verdict in verdicts]
        facts.canary_headroom = combine(_least, *canaries)

    def _pause(self, why: str) -> None:
        """Open nothing; right after a start others hold everything back, and say so."""
        young = self.desk.actor.monotonic_ns() - self._began_ns < _START_NS
        if EQUITY_STOP not in self.pauses.pauses and (self._known or not young):
            self.pauses.pause(Pause(EQUITY_STOP, f"equity unknown: {why}", ""))

    def _trip(self, judged: LossJudged, reason: str) -> None:
        self.halting.because(Cause.LOSS, reason, "", judged)
        if self.desk.settings.tables.losses.action == "flatten":
            self.flattens.begin(self.desk.keys, EQUITY_STOP)

    # What is kept

    def _keep(self, purse: _Purse) -> None:
        """Write the references down when they changed; a peak that creeps up now and then only."""
        marked, before = purse.stop.marked, purse.written
        if marked is None or marked == before:
            return
        same = before is not None and (
            (marked.day, marked.day_start, marked.transfers, marked.canary_start)
            == (before.day, before.day_start, before.transfers, before.canary_start)
        )
        young = self.desk.actor.monotonic_ns() - purse.written_ns < _PEAK_EVERY_NS
        if same and young and before is not None and marked.peak < before.peak * _PEAK_STEP:
            return
        self._write(purse)

    def _write(self, purse: _Purse) -> None:
        purse.written, purse.written_ns = purse.stop.marked, self.desk.actor.monotonic_ns()
        self.desk.journal(purse.stop.marked)


def _sum(*figures: Decimal) -> Decimal:
    return sum(figures, ZERO)


def _least(*figures: Decimal) -> Decimal:
    return min(figures)


def _lost(value: Decimal) -> Decimal:
    return max(value, ZERO)
