"""What must hold at every moment of a simulation, judged from the exchange's side."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from decimal import Decimal

from attrs import define, field

from actors import names
from actors.risk import RiskActor
from core.ids import parse
from core.instruments import Instrument
from core.messages import (
    AmendOrder,
    Fill,
    Key,
    OrderStatus,
    OrderUpdated,
    PlaceOrder,
    PositionSide,
    Side,
)
from core.money import ZERO
from core.orders import State
from core.risk.halt import Level
from tests.sim import caps
from tests.sim.caps import Resting, Standing
from tests.sim.house import House
from tests.sim.world import MS_NS, SECOND_NS, Sent

_OPENING = {(PositionSide.LONG, Side.BUY), (PositionSide.SHORT, Side.SELL)}
_MINUTE_NS = 60 * SECOND_NS
_SKEW_NS = 4 * SECOND_NS
"""How much older than it looks an approval can be when the host's clock is set back."""


@define(eq=False)
class Watchman:
    """Looks at every order as the exchange takes it, and at everything after every step."""

    house: House
    bare_limit_ns: int = 60 * SECOND_NS
    bare_since: dict[tuple[str, str], int] = field(factory=dict)
    longest_bare_ns: int = 0
    ids: set[str] = field(factory=set)
    halted: bool = False
    epoch: int = 0
    halts: dict[int, int] = field(factory=dict)
    paused_since: dict[tuple[str, str], int] = field(factory=dict)
    arrived_ns: deque[int] = field(factory=deque)
    amends: tuple[Decimal, Decimal] = (ZERO, ZERO)
    holdings: dict[str, deque[tuple[int, dict[Side, Decimal]]]] = field(
        factory=lambda: defaultdict(deque)
    )
    risk_life: tuple[int, int] = (0, 0)
    records_seen: int = 0
    fill_ids: set[tuple[str, str]] = field(factory=set)
    problems: list[str] = field(factory=list)
    seen: Counter[str] = field(factory=Counter)
    instruments: dict[str, Instrument] = field(init=False)

    def __attrs_post_init__(self) -> None:
        world = self.house.world
        self.instruments = {i.key.symbol: i for i in world.exchange.instruments()}
        self.ids = {sent.order.client_order_id for sent in world.sent}
        world.door.append(self.at_the_door)
        world.inside.append(self.taken)

    def at_the_door(self, sent: Sent) -> None:
        """Judge one placement or amendment as it arrives."""
        order = sent.order
        self.arrived_ns.append(self.house.world.venue_ns())
        if isinstance(order, PlaceOrder):
            if order.client_order_id in self.ids:
                self._wrong(f"{order.client_order_id} came twice")
            self.ids.add(order.client_order_id)
        elif not self._note_before(order):
            return  # the exchange has ended the order already: it takes nothing of this
        if order.closing:
            return
        oldest_ns = self.house.config.execution.max_order_age_ms * MS_NS
        self.notice_halt()
        halted_ns = self.halts.get(self.epoch, sent.left_ns)
        if self.halted and self.epoch > sent.epoch and halted_ns < sent.left_ns:
            self._wrong(f"{order.client_order_id} opens in a halt")
        symbol = order.key.symbol
        since = [at for (paused, _), at in self.paused_since.items() if paused == symbol]
        paused_ns = min(since, default=sent.left_ns)
        if sent.left_ns - paused_ns > oldest_ns:
            self._wrong(f"{order.client_order_id} opens in a pause")
        self._pace(sent, oldest_ns)
        actor = self.risk()
        if actor is None or order.key in actor.pauses.unreported:
            return
        on_time = sent.left_ns == self.house.world.venue_ns()
        if on_time and not actor.risk.exposure.holds(order.key, order.client_order_id):
            self._wrong(f"{order.client_order_id} arrives and risk does not count it")

    def _note_before(self, order: AmendOrder) -> bool:
        """Note what an amendment finds at the exchange; tell whether it finds the order."""
        for open_order in self.house.world.exchange.open_orders(order.key.symbol):
            if open_order.client_order_id == order.client_order_id:
                self.amends = open_order.quantity, open_order.price
                return True
        return False

    def taken(self, sent: Sent) -> None:
        """Judge the exchange's books after it took an order or an amendment."""
        order = sent.order
        self.seen["taken"] += 1
        if order.closing:
            self.seen["closing orders"] += 1
            return
        self.seen["opening orders"] += 1
        standings = self.standings()
        standing = standings[order.key.symbol]
        risk = self.house.config.risk
        multiplier = self.instruments[order.key.symbol].multiplier
        trigger = order.trigger_price if isinstance(order, PlaceOrder) else None
        price = max(order.price or trigger or ZERO, standing.low)
        notional = order.quantity * multiplier * price
        if isinstance(order, PlaceOrder) and notional > risk.max_order_notional:
            self._wrong(f"{order.client_order_id} is over the cap per order: {notional:.2f}")
        for own in risk.symbols:
            if own.symbol == order.key.symbol and 0 < own.max_order_quantity < order.quantity:
                self._wrong(f"{order.client_order_id} is over its symbol's quantity")
        if isinstance(order, AmendOrder):
            quantity, price = self.amends
            if order.quantity <= quantity and order.price <= price:
                return  # no more than was there: nobody needs to judge it again
        for what in caps.over(risk, standings, order.key.symbol, order.side):
            self._wrong(f"{what} after {order.client_order_id}")

    def _pace(self, sent: Sent, oldest_ns: int) -> None:
        """Count what surely was approved within the minute before this one."""
        now_ns = self.house.world.venue_ns()
        if sent.left_ns != now_ns:  # the wire held it up: what overtook it does not count
            return
        slack_ns = oldest_ns + self.house.world.faults.late_ns
        while self.arrived_ns and self.arrived_ns[0] < now_ns - _MINUTE_NS + slack_ns:
            self.arrived_ns.popleft()
        count = 1 + sum(1 for at_ns in self.arrived_ns if at_ns < now_ns - oldest_ns)
        if count > self.house.config.risk.max_orders_per_minute:
            self._wrong(f"{count} orders within a minute")

    def look(self) -> None:
        """Judge the present state."""
        self.seen["looks"] += 1
        self.notice_halt()
        for key in self.house.world.keys:
            self._note_held(key)
        self._money()
        self._reserved()
        self.notice_bare()
        self._journal()
        if self.problems:
            raise AssertionError("; ".join(self.problems[:5]) + "\n" + self.house.tail())

    def standings(self) -> dict[str, Standing]:
        """Return what the exchange has of each symbol, valued as risk can have valued it."""
        world, found = self.house.world, {}
        since_ns = world.venue_ns() - self._horizon_ns() - SECOND_NS
        for key in world.keys:
            marks, recent = world.marks[key.symbol], list[Decimal]()
            # The mark that was valid when the window began counts too.
            for at_ns, mark in reversed(marks):
                if at_ns < since_ns:
                    break
                recent.append(mark)
            recent = recent or [marks[-1][1]]
            standing = found[key.symbol] = self._standing(key, min(recent), max(recent))
            held = self._note_held(key)
            for side in Side:
                standing.lately[side] = max(each[side] for _, each in held)
        return found

    def _horizon_ns(self) -> int:
        """Return how old what risk judged by can be when the order that it approved arrives."""
        house = self.house
        known_ms = house.config.execution.max_order_age_ms + house.config.market.stale_after_ms
        return house.world.faults.late_ns + _SKEW_NS + known_ms * MS_NS

    def _note_held(self, key: Key) -> deque[tuple[int, dict[Side, Decimal]]]:
        """Note what the exchange holds now; return what it held since the horizon."""
        now_ns, held = self.house.world.venue_ns(), self.holdings[key.symbol]
        held.append((now_ns, self._held(key)))
        since_ns = now_ns - self._horizon_ns()
        while len(held) > 1 and held[1][0] < since_ns:  # the one before counts too
            held.popleft()
        return held

    def _held(self, key: Key) -> dict[Side, Decimal]:
        found, multiplier = dict.fromkeys(Side, ZERO), self.instruments[key.symbol].multiplier
        for quantity in self.house.world.exchange.held(key.symbol).values():
            if quantity:
                found[Side.BUY if quantity > 0 else Side.SELL] += abs(quantity) * multiplier
        return found

    def _standing(self, key: Key, low: Decimal, high: Decimal) -> Standing:
        exchange = self.house.world.exchange
        multiplier = self.instruments[key.symbol].multiplier
        standing = Standing(low, high, self._held(key))
        for order in exchange.open_orders(key.symbol):
            if (order.position_side, order.side) in _OPENING:
                quantity = order.remaining * multiplier
                standing.orders.append(Resting(order.side, quantity, order.price))
        for waiting in exchange.open_conditionals(key.symbol):
            if (waiting.position_side, waiting.side) in _OPENING:
                price = waiting.price or waiting.trigger_price
                quantity = waiting.quantity * multiplier
                standing.orders.append(Resting(waiting.side, quantity, price))
        return standing

    def _wrong(self, what: str) -> None:
        seconds = self.house.world.host_ns() / SECOND_NS % 100_000
        self.problems.append(f"at {seconds:.3f}: {what}")

    def risk(self) -> RiskActor | None:
        """Return the present risk actor, None while there is none."""
        runtime = self.house.world.runtime
        context = runtime.seats[names.RISK].context if runtime else None
        actor = context.actor if context is not None else None
        return actor if isinstance(actor, RiskActor) else None

    def notice_halt(self) -> None:
        """Note since when risk has halted or paused; a door that opens later lets nothing in."""
        now_ns = self.house.world.venue_ns()
        actor = self.risk()
        if actor is None:
            return
        life = (self.house.hosts, actor.generation)
        if life != self.risk_life:  # a new one cannot know how many the last one approved
            self.risk_life = life
            self.arrived_ns.clear()
        self.halted = actor.risk.halt.level is not Level.RUNNING
        self.epoch = actor.risk.halt.epoch
        self.halts.setdefault(self.epoch, now_ns)
        # By reason: between two looks one pause can end and another begin.
        paused = {(key.symbol, why) for key, why in actor.risk.paused.items()}
        self.paused_since = {each: self.paused_since.get(each, now_ns) for each in paused}

    def _money(self) -> None:
        exchange = self.house.world.exchange
        total = sum((row.wallet for row in exchange.balances()), ZERO)
        total += sum(exchange.pools().values(), ZERO)
        if total:
            self._wrong(f"money is not conserved: {total}")

    def _reserved(self) -> None:
        """Hold what risk counts against what the exchange has: never less, and exact when known."""
        actor = self.risk()
        if actor is None:
            return
        exposure = actor.risk.exposure
        for key in self.house.world.keys:
            mark = exposure._marks.get(key)
            if key in actor.pauses.unreported or mark is None:
                continue
            truth = self._standing(key, mark, mark)
            known = self._known(key)
            for side in Side:
                counted, real = exposure.worst_notional(key, side), truth.worst(side)
                if counted < real:
                    self._wrong(f"{key} {side.value}: risk counts {counted}, there is {real}")
                if known and counted != real:
                    self._wrong(f"{key} {side.value}: risk counts {counted}, not exactly {real}")
            self.seen["exact"] += known

    def _known(self, key: Key) -> bool:
        """Tell whether the symbol's owner knows all, has said it, and risk has heard it."""
        house, runtime = self.house, self.house.runtime
        both = {names.RISK, names.position(key)}
        seats = [runtime.seats[name] for name in both]
        if any(
            seat.context is None or seat.mailbox.queue or seat.mailbox.control for seat in seats
        ):
            return False
        if both & runtime.hung():  # it has a message in hand, not in its mailbox
            return False
        position = house.position(key)
        book, exchange = position.book, house.world.exchange
        if not position.synced or position.unsaid or book.owing:
            return False
        if any(order.state in (State.SUBMITTING, State.UNKNOWN) for order in book.live.values()):
            return False
        if any(order.amending for order in book.live.values()):
            return False
        plain = {o.client_order_id: o.filled for o in exchange.open_orders(key.symbol)}
        waiting = {o.client_order_id: ZERO for o in exchange.open_conditionals(key.symbol)}
        if {order.id: order.filled for order in book.live.values()} != plain | waiting:
            return False
        held = {side: held for side, held in exchange.held(key.symbol).items() if held}
        return held == {p.side: p.quantity for p in book.positions if p.quantity}

    def notice_bare(self) -> None:
        """Measure how long a side has had less of a stop than it holds.

        What excuses it counts from look to look: whoever lets much time pass looks meanwhile.
        """
        now_ns = self.house.world.venue_ns()
        for key in self.house.world.keys:
            for side, held in self.house.world.exchange.held(key.symbol).items():
                place = (key.symbol, side.value)
                if abs(held) <= sum(self.house.stops(side, key), ZERO):
                    self.bare_since.pop(place, None)
                    continue
                faults = self.house.world.faults
                if faults.unreachable or self._stuck(key) or self._unread(key):
                    self.bare_since[place] = now_ns  # nobody can place a stop
                bare_ns = now_ns - self.bare_since.setdefault(place, now_ns)
                self.longest_bare_ns = max(self.longest_bare_ns, bare_ns)
                if bare_ns > self.bare_limit_ns:
                    self._wrong(f"{place} has been without a fitting stop for {bare_ns / 1e9} s")

    def _stuck(self, key: Key) -> bool:
        """Tell whether a part on a stop's way hangs, or one that its owner waits for at the start.

        The supervisor gives each its busy deadline.
        """
        runtime = self.house.world.runtime
        if runtime is None:
            return True
        hung, owner = runtime.hung(), names.position(key)
        groups = self.house.config.venues.binance.symbol_groups
        way = {names.RISK, names.JOURNAL, owner, names.urgent_lane(key, groups)}
        way.add(names.closes_lane(key, groups))
        return bool(way & hung) or (bool(hung) and runtime.seats[owner].state != "running")

    def _unread(self, key: Key) -> bool:
        """Tell whether the owner does not know its position: bad answers, or nobody who asks."""
        badly = any(self.house.world.faults.rates.get(call) for call in ("read", "order", "clock"))
        badly |= names.reads_lane(key.venue) in self.house.runtime.hung()
        seat = self.house.runtime.seats[names.position(key)]
        return badly and (seat.state != "running" or not self.house.position(key).desk.compared)

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
            elif (
                isinstance(payload, OrderUpdated)
                and payload.status is not OrderStatus.REJECTED
                and payload.client_order_id not in self.ids
                and parse(payload.client_order_id)  # not a liquidation, not a stranger's
            ):
                self._wrong(f"{payload.client_order_id} never reached the exchange")
        self.records_seen = len(records)
