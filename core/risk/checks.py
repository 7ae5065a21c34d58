"""Risk: owner of every limit, of what is reserved and of the only gate."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from core.errors import InvalidOrder
from core.instruments import Instrument
from core.messages import AmendOrder, Key, OrderType, PlaceOrder, TimeInForce
from core.money import ZERO, text
from core.risk.exposure import Exposure, Working
from core.risk.facts import Facts
from core.risk.gate import Approved, Gate
from core.risk.halt import Halt
from core.risk.limits import Limits
from core.risk.measured import Measured, Measures
from core.risk.portfolio import Portfolio
from core.risk.proposal import Proposal, Refusal, View, refuse
from core.risk.rules import CLOSING_RULES, RULES, instrument_rule

__all__ = ["Risk"]


class Risk:
    """Decides about every order before it can leave; has one owner.

    `paused` maps a symbol to the reason why nothing may be opened on it now; `facts` is what the
    owner was told, `measured` what the rules were told of the portfolio's `moves` for the last
    judgement. Times: `monotonic_ns` for ages and paces, `now_ns` (UTC) for what an approval
    carries and for the venue's calendar.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.exposure = Exposure()
        self.facts = Facts(Portfolio(limits.portfolio))
        self.halt = Halt()
        self.paused: dict[Key, str] = {}
        self.instruments: dict[Key, Instrument] = {}
        self.moves: Measures = self.facts.portfolio
        self.measured = Measured(self.moves)
        self._gate = Gate()

    def list_instrument(self, instrument: Instrument) -> None:
        """Make a symbol tradable."""
        self.instruments[instrument.key] = instrument
        self.exposure.list_symbol(instrument.key, instrument.multiplier)

    def mark(self, key: Key, price: Decimal, monotonic_ns: int) -> None:
        """Take a mark price in, with the time it reached us."""
        self.facts.marks[key] = (price, monotonic_ns)
        self.exposure.mark(key, price)

    def cancelled(self, monotonic_ns: int, count: int = 1) -> None:
        """Count cancels of entries that left: they always go, but entries wait for them."""
        for _ in range(count):
            self.facts.cancelled.count(monotonic_ns)

    def place(
        self, order: PlaceOrder, now_ns: int, monotonic_ns: int
    ) -> Approved[PlaceOrder] | Refusal:
        """Check a placement; what is approved is reserved until its owner says it ended."""
        self.measured = Measured(self.moves)
        if self.exposure.holds(order.key, order.client_order_id):
            return refuse("duplicate", f"{order.client_order_id} is reserved already")
        own = order.price or order.trigger_price or ZERO
        found = self._figures(order.key, own, closing=order.closing)
        if isinstance(found, Refusal):
            return found
        instrument, mark = found
        try:
            instrument.check(order, mark)
        except InvalidOrder as problem:
            return instrument_rule(problem)
        reservation = Working.from_command(order, mark)
        proposal = Proposal(
            reservation, order.price, mark, instrument, reduce_only=order.reduce_only
        )
        refusal = self._rules(proposal, now_ns, monotonic_ns)
        if refusal:
            return refusal
        self.exposure.reserve(reservation)
        self.facts.placed.count(monotonic_ns)
        return self._gate.approve(order, self.halt.epoch, now_ns, monotonic_ns)

    def amend(
        self, order: AmendOrder, now_ns: int, monotonic_ns: int
    ) -> Approved[AmendOrder] | Refusal:
        """Check an amendment: the order as it would be, against what it reserves already."""
        self.measured = Measured(self.moves)
        before = self.exposure.order(order.key, order.client_order_id)
        if before is None:
            return refuse("unknown_order", f"{order.client_order_id} is not open")
        if before.conditional:
            return refuse("conditional", f"{order.client_order_id} waits for its trigger")
        found = self._figures(order.key, order.price, closing=before.closing)
        if isinstance(found, Refusal):
            return found
        instrument, mark = found
        wanted = PlaceOrder(
            order.key,
            order.client_order_id,
            order.side,
            order.position_side,
            OrderType.LIMIT,
            order.quantity,
            price=order.price,
            time_in_force=TimeInForce.POST_ONLY,
            reduce_only=order.reduce_only,
        )
        place = (before.side, before.position_side, before.closing)
        if place != (wanted.side, wanted.position_side, wanted.closing):
            return refuse(
                "amended_side", f"{order.client_order_id} is an order of another side or effect"
            )
        try:
            instrument.check(wanted, mark)
        except InvalidOrder as problem:
            return instrument_rule(problem)
        left = order.quantity - before.filled
        if left <= ZERO:
            return refuse("quantity", f"{order.client_order_id} filled {text(before.filled)}")
        reservation = self.exposure.amended(evolve(before, remaining=left, price=order.price))
        replaces = ZERO if before.closing else self.exposure.order_notional(before)
        proposal = Proposal(
            reservation, order.price, mark, instrument, replaces, True, order.reduce_only
        )
        refusal = self._rules(proposal, now_ns, monotonic_ns)
        if refusal:
            return refusal
        self.exposure.amend(reservation)
        self.facts.placed.count(monotonic_ns)
        return self._gate.approve(order, self.halt.epoch, now_ns, monotonic_ns)

    def _figures(
        self, key: Key, own_price: Decimal, *, closing: bool
    ) -> tuple[Instrument, Decimal] | Refusal:
        """Return what an order is judged by: its instrument and the mark price."""
        instrument = self.instruments.get(key)
        if instrument is None:
            return refuse("instrument", f"{key} is not listed")
        price, _ = self.facts.marks.get(key, (ZERO, 0))
        if closing:
            # What shrinks a position is held up neither by an old price nor by a missing one.
            return instrument, price or own_price
        if not price:
            return refuse("mark", f"no mark price of {key} yet")
        unpriced = self.exposure.unpriced()
        if unpriced:
            return refuse("mark", f"{unpriced} is held or ordered and has no mark price yet")
        return instrument, price

    def _rules(self, proposal: Proposal, now_ns: int, monotonic_ns: int) -> Refusal | None:
        view = View(
            self.exposure,
            self.facts,
            self.limits,
            self.halt,
            self.paused,
            self.measured,
            now_ns,
            monotonic_ns,
        )
        for rule in CLOSING_RULES if proposal.order.closing else RULES:
            refusal = rule(proposal, view)
            if refusal:
                return refusal
        return None
