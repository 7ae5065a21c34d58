"""Risk's judgements as records, and from the records the judgements again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter, eq
from typing import Any

from attrs import define, evolve, field, fields

from core.changes import change, changed
from core.config import Portfolio
from core.decisions import RiskJudged, RiskState, SymbolSeen
from core.instruments import Instrument, LeverageBracket
from core.messages import AmendOrder, Key, PlaceOrder
from core.money import text
from core.positions import Position
from core.risk.checks import Risk
from core.risk.exposure import Working
from core.risk.gate import Approved
from core.risk.limits import Limits
from core.risk.pace import Pace
from core.risk.proposal import Refusal

__all__ = ["Witness", "install", "limits_of", "writable"]

_WHOLE_EVERY = 1_000
_EXPONENT_MAX = 30

Terms = tuple[Instrument, int, tuple[LeverageBracket, ...]]
Mark = tuple[Decimal, int]


@define
class _Written:
    """What the records say so far of one symbol."""

    mark: Mark | None = None
    positions: tuple[Position, ...] | None = None
    working: dict[str, Working] = field(factory=dict)
    underway: tuple[tuple[Working, ...], tuple[Working, ...]] | None = ((), ())
    terms: Terms | None = None


def _numbers_of(command: type[PlaceOrder] | type[AmendOrder]) -> attrgetter[tuple[object, ...]]:
    return attrgetter(*(each.name for each in fields(command) if "Decimal" in str(each.type)))


_NUMBERS = {command: _numbers_of(command) for command in (PlaceOrder, AmendOrder)}


def writable(command: PlaceOrder | AmendOrder) -> bool:
    """Tell whether a record can hold the numbers of a command: a journal refuses absurd ones."""
    return all(
        number.is_finite() and abs(number.adjusted()) <= _EXPONENT_MAX
        for number in _NUMBERS[type(command)](command)
        if isinstance(number, Decimal)
    )


class Witness:
    """Writes down what risk judges; mutable, owned by who owns the risk.

    `look` comes before each judgement, `judged` after it: an approval changes what is seen. What
    may change a symbol names it in `Exposure.touched`.
    """

    def __init__(self, risk: Risk) -> None:
        self._risk = risk
        self.number = 0
        self._written: dict[Key, _Written] = {}
        self._marks: list[tuple[Key, Decimal, int]] = []
        self._seen: list[SymbolSeen] = []
        self._paces = (0, 0)

    def look(self, monotonic_ns: int) -> None:
        """See what risk knows."""
        facts, exposure = self._risk.facts, self._risk.exposure
        if self.number % _WHOLE_EVERY == 0:
            self._written.clear()
            exposure.touched.update(exposure.known())
        self._marks, self._seen = [], []
        for key in sorted(exposure.touched, key=str):
            self._look_at(key)
        exposure.touched.clear()
        self._paces = (
            facts.placed.within_a_minute(monotonic_ns),
            facts.cancelled.within_a_minute(monotonic_ns),
        )

    def judged(
        self,
        command: PlaceOrder | AmendOrder,
        answer: Approved[Any] | Refusal,
        now_ns: int,
        monotonic_ns: int,
    ) -> tuple[RiskState | RiskJudged, ...]:
        """Write one judgement, and now and then the whole state in front of it."""
        risk, facts, key = self._risk, self._risk.facts, command.key
        self.number += 1
        record = RiskJudged(
            key,
            self.number,
            command if isinstance(command, PlaceOrder) else None,
            command if isinstance(command, AmendOrder) else None,
            now_ns,
            monotonic_ns,
            tuple(self._marks),
            tuple(self._seen),
            risk.halt,
            risk.paused.get(key),
            facts.breaker_open.get(key.venue),
            facts.accounts_ns.get(key.venue),
            facts.quotes.get(key),
            facts.funding.get(key),
            facts.scale.get(key),
            facts.unprotected.get(key, {}),
            facts.equity,
            facts.free_margin,
            facts.day_headroom,
            facts.canary_headroom,
            *self._paces,
            tuple(risk.measured.answers),
            _plain(answer),
        )
        if isinstance(answer, Approved):
            # Whoever does it again reserves it too, and must hear of its end.
            self._written[key].underway = None
        if self.number % _WHOLE_EVERY == 1:
            return _state(self.number, risk.limits), record
        return (record,)

    def _look_at(self, key: Key) -> None:
        risk = self._risk
        written = self._written.setdefault(key, _Written())
        mark = risk.facts.marks.get(key)
        if mark is not None and mark is not written.mark:
            written.mark = mark
            self._marks.append((key, *mark))
        positions, working, sent, amended = risk.exposure.state(key)
        instrument, terms = risk.instruments.get(key), None
        if instrument is not None:
            terms = instrument, risk.facts.leverage[key], risk.facts.brackets[key]
        underway = sent, amended
        gone, put = change(written.working, working, eq)
        held = positions if positions != written.positions else None
        same_terms = terms == written.terms
        if same_terms and held is None and not gone + put and underway == written.underway:
            return
        seen = SymbolSeen(key, held, put, gone, sent, amended)
        if terms and not same_terms:
            seen = evolve(seen, instrument=terms[0], leverage=terms[1], brackets=terms[2])
        self._seen.append(seen)
        self._written[key] = _Written(mark, positions, working, underway, terms)


def install(risk: Risk, record: RiskJudged) -> None:
    """Have risk know what it knew when it judged; what changed since the judgement before."""
    facts, key = risk.facts, record.key
    for marked, price, seen_ns in record.marks:
        risk.mark(marked, price, seen_ns)
    for seen in record.seen:
        _take(risk, seen)
    risk.halt = record.halt
    risk.paused = _given(key, record.paused)
    facts.breaker_open = _given(key.venue, record.breaker)
    facts.accounts_ns = _given(key.venue, record.account_ns)
    facts.quotes = _given(key, record.quote)
    facts.funding = _given(key, record.funding)
    facts.scale = _given(key, record.scale)
    facts.unprotected = {key: dict(record.unprotected)}
    facts.equity, facts.free_margin = record.equity, record.free_margin
    facts.day_headroom = record.day_headroom
    facts.canary_headroom = record.canary_headroom
    facts.placed = _pace(record.placed, record.monotonic_ns)
    facts.cancelled = _pace(record.cancelled, record.monotonic_ns)
    risk.moves = _Answers(record.measured)


def _take(risk: Risk, seen: SymbolSeen) -> None:
    key = seen.key
    if seen.instrument is not None:
        risk.list_instrument(seen.instrument)
        risk.facts.leverage[key] = seen.leverage
        risk.facts.brackets[key] = seen.brackets
    held, before, _, _ = risk.exposure.state(key)
    if seen.positions is not None:
        held = seen.positions
    working = changed(before, seen.gone, seen.working, _name)
    risk.exposure.restore(key, held, working, seen.sent, seen.amended)


class _Answers:
    """What the portfolio's moves gave then, in the order of the questions; 0 for a new question."""

    def __init__(self, figures: tuple[Decimal, ...]) -> None:
        self._figures: Iterator[Decimal] = iter(figures)

    def daily_volatility_percent(self, key: Key) -> Decimal:
        return next(self._figures, Decimal(0))

    def bound(self, worst: object) -> Decimal:
        return next(self._figures, Decimal(0))

    value_at_risk = bound


def _given(key: Any, value: Any) -> dict[Any, Any]:
    return {} if value is None else {key: value}


def _pace(count: int, monotonic_ns: int) -> Pace:
    pace = Pace()
    for _ in range(count):
        pace.count(monotonic_ns)
    return pace


def _name(order: Working) -> str:
    return order.client_order_id


def _plain(answer: Approved[Any] | Refusal) -> Refusal | None:
    """Return the refusal, its figures without a tail of zeros: sums of another history have it."""
    if isinstance(answer, Approved):
        return None
    return evolve(answer, value=Decimal(text(answer.value)), limit=Decimal(text(answer.limit)))


def _state(number: int, limits: Limits) -> RiskState:
    values = {each.name: getattr(limits, each.name) for each in fields(Limits)}
    return RiskState(
        number,
        {name: value for name, value in values.items() if isinstance(value, int | Decimal)},
        tuple(limits.symbols.items()),
        limits.groups,
        tuple(limits.stops_bps.items()),
        tuple(sorted(limits.cross_venues)),
    )


def limits_of(record: RiskState) -> Limits:
    """Return the limits that a record holds."""
    figures: dict[str, Any] = dict(record.figures)
    return Limits(
        **figures,
        portfolio=Portfolio(),
        symbols=dict(record.symbols),
        groups=record.groups,
        stops_bps=dict(record.stops_bps),
        cross_venues=frozenset(record.cross_venues),
    )
