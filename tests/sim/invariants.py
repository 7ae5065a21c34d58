"""What must hold at every moment of a simulation, judged from the exchange's side."""

from __future__ import annotations

from decimal import Decimal

from attrs import define, field

from actors import names
from actors.risk import RiskActor
from core.messages import Fill, OrderStatus, OrderUpdated, Side
from core.money import ZERO
from core.risk.halt import Level
from tests.sim.house import House
from tests.sim.world import MS_NS, SECOND_NS, Sent

_SLACK = Decimal("1.02")
"""How far the mark may carry what was inside of a cap when it was approved."""


@define(eq=False)
class Watchman:
    """Looks at the door on every placement, and at everything after every batch of steps."""

    house: House
    bare_limit_ns: int = 60 * SECOND_NS
    bare_since: dict[tuple[str, str], int] = field(factory=dict)
    longest_bare_ns: int = 0
    ids: set[str] = field(factory=set)
    halted: bool = False
    epoch: int = 0
    halts: dict[int, int] = field(factory=dict)
    paused_since: dict[str, int] = field(factory=dict)
    records_seen: int = 0
    fill_ids: set[tuple[str, str]] = field(factory=set)
    problems: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.house.world.door.append(self.at_the_door)

    def at_the_door(self, sent: Sent) -> None:
        """Judge one placement as it arrives."""
        order = sent.order
        if order.client_order_id in self.ids:
            self._wrong(f"{order.client_order_id} came twice")
        self.ids.add(order.client_order_id)
        if order.closing:
            return
        age_ns = sent.at_ns - sent.approved_ns
        oldest_ns = self.house.config.execution.max_order_age_ms * MS_NS
        self._risk_state()
        if age_ns <= oldest_ns:  # older ones left in time and were on the wire since
            halted_ns = self.halts.get(self.epoch, sent.at_ns)
            if self.halted and self.epoch > sent.epoch and halted_ns < sent.at_ns:
                self._wrong(f"{order.client_order_id} opens in a halt")
        paused_ns = self.paused_since.get(order.key.symbol, sent.at_ns)
        if sent.at_ns - paused_ns > oldest_ns + self.house.world.faults.late_ns:
            self._wrong(f"{order.client_order_id} opens in a pause")
        limits = self.house.config.risk
        mark = self.house.world.exchange.mark(order.key.symbol)
        price = max(order.price or ZERO, mark.mark if mark else ZERO)
        if order.quantity * price > limits.max_order_notional * _SLACK:
            self._wrong(f"{order.client_order_id} is over the cap per order")

    def look(self) -> None:
        """Judge the present state."""
        self._risk_state()
        self._money()
        self._caps()
        self._protection()
        self._journal()
        if self.problems:
            raise AssertionError("; ".join(self.problems[:5]) + "\n" + self.house.tail())

    def _wrong(self, what: str) -> None:
        seconds = self.house.world.host_ns() / SECOND_NS % 100_000
        self.problems.append(f"at {seconds:.3f}: {what}")

    def _risk_state(self) -> None:
        now_ns = self.house.world.host_ns()
        runtime = self.house.world.runtime
        context = runtime.seats[names.RISK].context if runtime else None
        actor = context.actor if context is not None else None
        if not isinstance(actor, RiskActor):
            return
        self.halted = actor.risk.halt.level is not Level.RUNNING
        self.epoch = actor.risk.halt.epoch
        self.halts.setdefault(self.epoch, now_ns)
        paused = {key.symbol for key in actor.risk.paused}
        self.paused_since = {symbol: self.paused_since.get(symbol, now_ns) for symbol in paused}

    def _money(self) -> None:
        exchange = self.house.world.exchange
        total = sum((row.wallet for row in exchange.balances()), ZERO)
        total += sum(exchange.pools().values(), ZERO)
        if total:
            self._wrong(f"money is not conserved: {total}")

    def _caps(self) -> None:
        """Add up what the exchange holds and what rests there to grow it."""
        exchange, limits = self.house.world.exchange, self.house.config.risk
        directions = dict.fromkeys(Side, ZERO)
        for key in self.house.world.keys:
            event = exchange.mark(key.symbol)
            mark = event.mark if event else ZERO
            symbol = dict.fromkeys(Side, ZERO)
            for row in exchange.positions(key.symbol):
                side = Side.BUY if row.quantity > 0 else Side.SELL
                symbol[side] += abs(row.quantity) * mark
            for order in exchange.open_orders(key.symbol):
                update = order.update()
                closing = (update.position_side.value, update.side.value) in (
                    ("long", "sell"),
                    ("short", "buy"),
                )
                if not closing:
                    symbol[update.side] += order.remaining * max(order.price, mark)
            for side, value in symbol.items():
                directions[side] += value
                if value > limits.max_symbol_notional * _SLACK:
                    self._wrong(f"{key} {side.value}: {value:.2f} over the cap per symbol")
        for side, value in directions.items():
            if value > limits.max_side_notional * _SLACK:
                self._wrong(f"{side.value}: {value:.2f} over the cap per side")
        if sum(directions.values(), ZERO) > limits.max_gross_notional * _SLACK:
            self._wrong("over the cap for everything")

    def _protection(self) -> None:
        """Measure how long a side has had less of a stop than it holds."""
        now_ns = self.house.world.host_ns()
        for key in self.house.world.keys:
            for row in self.house.world.exchange.positions(key.symbol):
                place = (key.symbol, row.side.value)
                covered = sum(self.house.stops(row.side, key), ZERO)
                if abs(row.quantity) <= covered:
                    self.bare_since.pop(place, None)
                    continue
                if self.house.world.faults.unreachable:  # nobody can place a stop
                    self.bare_since[place] = now_ns
                bare_ns = now_ns - self.bare_since.setdefault(place, now_ns)
                self.longest_bare_ns = max(self.longest_bare_ns, bare_ns)
                if bare_ns > self.bare_limit_ns:
                    self._wrong(f"{place} has been without a fitting stop for {bare_ns / 1e9} s")

    def _journal(self) -> None:
        """Hold the host's records against the exchange: nothing in them that is not so."""
        records = self.house.journal.records
        exchange = self.house.world.exchange
        for record in records[self.records_seen :]:
            payload = record.payload
            if isinstance(payload, Fill):
                place = (payload.key.symbol, payload.fill_id)
                # Records that wait for the disk are read from the venue again by a restarted part.
                if place in self.fill_ids and not self.house.journal.failures:
                    self._wrong(f"fill {place} was written twice")
                self.fill_ids.add(place)
                number = int(payload.fill_id)
                trades = exchange.trades(payload.key.symbol, from_id=number)
                if not trades or trades[0].fill != payload:
                    self._wrong(f"fill {place} is not the exchange's")
            elif isinstance(payload, OrderUpdated) and payload.status is not OrderStatus.REJECTED:
                sent = {each.order.client_order_id for each in self.house.world.sent}
                if payload.client_order_id not in sent:
                    self._wrong(f"{payload.client_order_id} never reached the exchange")
        self.records_seen = len(records)
