"""Risk: owner of every limit, of what is reserved and of the only gate."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from core.errors import InvalidOrder
from core.instruments import Instrument
from core.messages import AmendOrder, Key, OrderType, PlaceOrder, TimeInForce
from core.money import ZERO, text
from core.risk.exposure import Exposure, Working
from core.risk.gate import Approved, Gate
from core.risk.halt import Halt, Level
from core.risk.rules import RULES, Limits, Proposal, Refusal, instrument_rule

__all__ = ["Risk"]


class Risk:
    """Decides about every order before it can leave; has one owner.

    `paused` maps a symbol to the reason why nothing may be opened on it now.
    """

    def __init__(self, limits: Limits, stale_after_ns: int) -> None:
        self.limits = limits
        self.stale_after_ns = stale_after_ns
        self.exposure = Exposure()
        self.halt = Halt()
        self.paused: dict[Key, str] = {}
        self._gate = Gate()
        self._instruments: dict[Key, Instrument] = {}
        self._marks: dict[Key, tuple[Decimal, int]] = {}

    def list_instrument(self, instrument: Instrument) -> None:
        """Make a symbol tradable."""
        self._instruments[instrument.key] = instrument
        self.exposure.list_symbol(instrument.key, instrument.multiplier)

    def mark(self, key: Key, price: Decimal, now_ns: int) -> None:
        """Take a mark price in, with the time it reached us."""
        self._marks[key] = (price, now_ns)
        self.exposure.mark(key, price)

    def place(self, order: PlaceOrder, now_ns: int) -> Approved[PlaceOrder] | Refusal:
        """Check a placement; what is approved is reserved until its owner says it ended."""
        if self.exposure.holds(order.key, order.client_order_id):
            return _refusal("duplicate", f"{order.client_order_id} is reserved already")
        own = order.price or order.trigger_price or ZERO
        found = self._figures(order.key, own, now_ns, closing=order.closing)
        if isinstance(found, Refusal):
            return found
        instrument, mark = found
        try:
            instrument.check(order, mark)
        except InvalidOrder as problem:
            return instrument_rule(problem)
        reservation = Working.from_command(order, mark)
        refusal = self._rules(Proposal(reservation, order.price, mark, instrument))
        if refusal:
            return refusal
        self.exposure.reserve(reservation)
        return self._gate.approve(order, self.halt.epoch, now_ns)

    def amend(self, order: AmendOrder, now_ns: int) -> Approved[AmendOrder] | Refusal:
        """Check an amendment: the order as it would be, against what it reserves already."""
        before = self.exposure.order(order.key, order.client_order_id)
        if before is None:
            return _refusal("unknown_order", f"{order.client_order_id} is not open")
        if before.conditional:
            return _refusal("conditional", f"{order.client_order_id} waits for its trigger")
        found = self._figures(order.key, order.price, now_ns, closing=before.closing)
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
            return _refusal(
                "amended_side", f"{order.client_order_id} is an order of another side or effect"
            )
        try:
            instrument.check(wanted, mark)
        except InvalidOrder as problem:
            return instrument_rule(problem)
        left = order.quantity - before.filled
        if left <= ZERO:
            return _refusal("quantity", f"{order.client_order_id} filled {text(before.filled)}")
        reservation = self.exposure.amended(
            evolve(Working.from_command(wanted, mark), remaining=left, filled=before.filled)
        )
        replaces = ZERO if before.closing else self.exposure.order_notional(before)
        refusal = self._rules(Proposal(reservation, order.price, mark, instrument, replaces))
        if refusal:
            return refusal
        self.exposure.amend(reservation)
        return self._gate.approve(order, self.halt.epoch, now_ns)

    def _figures(
        self, key: Key, own_price: Decimal, now_ns: int, *, closing: bool
    ) -> tuple[Instrument, Decimal] | Refusal:
        """Return what an order is judged by: its instrument and the mark price."""
        instrument = self._instruments.get(key)
        if instrument is None:
            return _refusal("instrument", f"{key} is not listed")
        price, seen_ns = self._marks.get(key, (ZERO, 0))
        if closing:
            # What shrinks a position is held up neither by an old price nor by a missing one.
            return instrument, price or own_price
        if self.halt.level is not Level.RUNNING:
            return _refusal("halt", f"trading is {self.halt.level.value}: {self.halt.reason}")
        if key in self.paused:
            return _refusal("paused", self.paused[key])
        if not price:
            return _refusal("mark", f"no mark price of {key} yet")
        age_ns = now_ns - seen_ns
        if age_ns > self.stale_after_ns:
            return Refusal(
                "stale_after_ms",
                Decimal(age_ns // 1_000_000),
                Decimal(self.stale_after_ns // 1_000_000),
                "market.stale_after_ms",
                f"the mark price of {key} is {age_ns // 1_000_000} ms old",
            )
        unpriced = self.exposure.unpriced()
        if unpriced:
            return _refusal("mark", f"{unpriced} is held or ordered and has no mark price yet")
        return instrument, price

    def _rules(self, proposal: Proposal) -> Refusal | None:
        for rule in RULES:
            refusal = rule(proposal, self.exposure, self.limits)
            if refusal:
                return refusal
        return None


def _refusal(rule: str, why: str) -> Refusal:
    return Refusal(rule, ZERO, ZERO, "", why)
