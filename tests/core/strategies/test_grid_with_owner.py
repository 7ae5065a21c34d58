"""The grid against a small owner of its symbol: any order of quotes, fills, refusals, restarts."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.messages import AmendOrder, Fill, OrderStatus, PositionSide, Purpose, Quote, Side
from core.money import ZERO
from core.orders import Event, Order, State
from core.strategies.grid_ladder import entries, occupied
from core.strategies.hedge_grid import GridSettings, decide, start
from core.strategies.intents import Amend, Cancel, Intent, Listed, Place, Refused, Scaled, View
from core.symbol_book import SymbolBook
from tests.core.samples import BTC, D, instrument, limit, said

LISTED = instrument(min_notional=D(5))
LADDERS = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}
STEP_NS = 300_000_000
TOO_SMALL = D("0.01")  # of 200 USDT, under the venue's minimum of 5
ANSWERS = st.sampled_from(["taken", "taken", "taken", "taken", "risk", "venue", "unknown"])


class Market(RuleBasedStateMachine):
    """Intents wait for the owner, views and refusals for the grid; quotes come as they come."""

    @initialize(
        levels=st.integers(1, 4),
        spacing=st.sampled_from(["0.3", "5", "10"]),
        maker_only=st.booleans(),
    )
    def start(self, levels: int, spacing: str, maker_only: bool) -> None:
        self.settings = GridSettings(
            levels, D(spacing), D(200), D(12), D(20), maker_only, retry_after_ns=1_000_000_000
        )
        self.now_ns, self.bid, self.words, self.fills = 1, D(1000), 0, 0
        self.scale = D(1)
        self.book = SymbolBook(BTC, "h")
        self.to_owner: list[Intent] = []
        self.to_grid: list[View | Refused] = []
        self.restart_the_grid()
        self.hear(self.quote())

    # The grid, and what may be said of each of its answers

    def quote(self) -> Quote:
        self.now_ns += STEP_NS
        ask = self.bid + D("0.1")
        return Quote(BTC, self.bid, D(1), ask, D(1), self.now_ns, self.now_ns, self.now_ns)

    def hear(self, event: Quote | View | Refused | Listed | Scaled) -> None:
        if isinstance(event, View):
            known = {o.id for o in event.orders} | set(event.ended)
            self.asked = {i: p for i, p in self.asked.items() if i not in known}
            self.asked = {} if event.reset else self.asked
            self.seen = event
        elif isinstance(event, Refused):
            self.asked.pop(event.client_order_id, None)
        elif isinstance(event, Quote):
            self.last = event
        self.state, intents = decide(self.state, event)
        for intent in intents:
            self.check(intent)
        # Until an owner that restarted is heard, risk holds back what would be for it.
        paused = any(isinstance(told, View) and told.reset for told in self.to_grid)
        for intent in intents:
            if paused and not isinstance(intent, Cancel):
                self.refuse(intent.client_order_id)
            else:
                self.to_owner.append(intent)
        if self.state.quote and self.state.view:
            assert bool(self.state.problem) is (self.scale == TOO_SMALL)

    def check(self, intent: Intent) -> None:
        orders = {o.id: o for o in self.seen.orders}
        if isinstance(intent, Cancel):
            assert orders[intent.client_order_id].state.at_venue
            return
        if isinstance(intent, Place):
            side, group = intent.side, (intent.position_side, intent.purpose)
            slot = (*group, intent.price)
            mine = [o for o in self.seen.orders if self.group(o) == group]
            assert slot not in self.asked.values(), "two orders asked for one slot"
            assert intent.price not in [o.price for o in mine if not self.moving(o)]
            single = intent.purpose is Purpose.TAKE_PROFIT
            assert not (single and mine), "a second exit"
            assert intent.client_order_id not in self.used, "an id used twice"
            self.used.add(intent.client_order_id)
            self.asked[intent.client_order_id] = slot
            assert intent.post_only == self.settings.maker_only
        else:
            order = orders[intent.client_order_id]
            side = order.command.side
            assert order.state.at_venue and not order.amending and not order.cancel_requested
            assert intent.quantity > order.filled
        if self.settings.maker_only:
            through = (
                intent.price >= self.last.ask if side is Side.BUY else intent.price <= self.last.bid
            )
            assert not through, "an order through the market"

    def group(self, order: Order) -> tuple[PositionSide, Purpose]:
        return order.command.position_side, order.command.purpose

    def moving(self, order: Order) -> bool:
        return order.id in self.state.amended or order.amending is not None

    # What the outside does

    @rule(ticks=st.integers(-60, 60), part=st.sampled_from(["0", "0.4", "1", "1"]))
    def the_market_moves(self, ticks: int, part: str) -> None:
        self.bid = max(self.bid + D(ticks) / 10, D(500))
        for order in list(self.book.live.values()):
            price, side = order.price, order.command.side
            reached = price > self.bid if side is Side.BUY else price <= self.bid
            if reached and order.state.at_venue:
                self.fill(order, D(part))
        self.hear(self.quote())

    @rule()
    def the_grid_hears_of_the_owner(self) -> None:
        if self.to_grid:
            self.hear(self.to_grid.pop(0))

    @rule(answer=ANSWERS)
    def the_owner_takes_an_intent(self, answer: str) -> None:
        if not self.to_owner:
            return
        intent = self.to_owner.pop(0)
        if isinstance(intent, Place):
            self.place(intent, answer)
        elif isinstance(intent, Amend):
            self.amend(intent, answer)
        elif intent.client_order_id in self.book.live:
            self.book.ask_cancel(intent.client_order_id)
            if answer == "taken":
                self.say(intent.client_order_id, OrderStatus.CANCELLED)
        self.view()

    @rule(found=st.booleans())
    def an_unknown_outcome_is_resolved(self, found: bool) -> None:
        for order in list(self.book.live.values()):
            if order.state is State.UNKNOWN:
                if found:
                    self.say(order.id, OrderStatus.NEW)
                else:
                    self.book.note(order.id, Event.PROVEN_GONE, self.now_ns)
            elif order.amending and found:
                self.carry_out(order.amending)
            elif order.amending:
                self.book.settle_amend(order.id)
            elif order.cancel_requested:
                self.say(order.id, OrderStatus.CANCELLED)
        self.view()

    @rule(scale=st.sampled_from(["0", str(TOO_SMALL), "0.3", "0.5", "1"]))
    def the_operator_scales(self, scale: str) -> None:
        self.scale = D(scale)
        self.hear(Scaled(self.scale))

    @rule()
    def the_grid_restarts(self) -> None:
        while self.to_owner:
            self.the_owner_takes_an_intent("taken")
        self.to_grid.clear()
        self.restart_the_grid()
        self.hear(self.quote())

    @rule()
    def the_owner_restarts(self) -> None:
        self.to_owner.clear()
        self.view(reset=True)

    @rule()
    def left_alone_it_becomes_exactly_the_ladder(self) -> None:
        for _ in range(12):
            self.an_unknown_outcome_is_resolved(found=True)
            while self.to_owner:
                self.the_owner_takes_an_intent("taken")
            while self.to_grid:
                self.the_grid_hears_of_the_owner()
            self.hear(self.quote())
        assert not self.to_owner
        for side, direction in LADDERS.items():
            self.check_ladder(side, direction)
            self.check_exit(side)
        self.check_quiet()

    def check_ladder(self, side: PositionSide, direction: Side) -> None:
        held = self.book.positions.of(side).quantity
        anchor, scale = self.state.anchors[side], self.scale if self.scale != TOO_SMALL else ZERO
        rungs = entries(self.settings, LISTED, side, direction, anchor, scale)
        there = [o.price for o in self.live(side, Purpose.ENTRY)]
        assert len(there) == len(set(there)) <= self.settings.levels
        working = sum((o.remaining for o in self.live(side, Purpose.ENTRY)), ZERO)
        room = sum((rung.quantity for rung in rungs), ZERO) - abs(held) - working
        quote, blocked = self.last, 0
        for rung in rungs[occupied(rungs, held) :]:
            crosses = rung.price >= quote.ask if direction is Side.BUY else rung.price <= quote.bid
            if rung.price not in there and crosses and self.settings.maker_only:
                blocked += 1
            else:
                assert rung.price in there or room * 2 < rung.quantity
        sizes = {rung.price: rung.quantity for rung in rungs}
        for order in self.live(side, Purpose.ENTRY):
            growth = sizes.get(order.price, order.remaining) - order.remaining
            assert growth >= 0, "an entry larger than its step"
            assert not growth or order.filled or growth > room, "an entry smaller than its step"
        # What has no place in the ladder waits for one that the market stands on.
        assert len(set(there) - {rung.price for rung in rungs}) <= blocked

    def check_exit(self, side: PositionSide) -> None:
        held = self.book.positions.of(side).quantity
        exits = [o.remaining for o in self.live(side, Purpose.TAKE_PROFIT)]
        assert exits == ([abs(held)] if held else [])

    def check_quiet(self) -> None:
        again = self.quote()
        state, intents = decide(self.state, again)
        assert intents == ()
        if self.state.quiet:
            assert state is self.state
            moved = again._replace(bid=again.bid + D("0.1"), ask=again.ask + D("0.1"))
            middle = (again.bid + again.ask) / 2
            if all(abs(middle - a) / a < D("0.0019") for a in self.state.anchors.values()):
                after, intents = decide(self.state, moved)
                assert intents == () and after == evolve(self.state, quote=moved)

    @invariant()
    def no_side_ever_has_more_entries_than_levels(self) -> None:
        for side in LADDERS:
            assert len(self.live(side, Purpose.ENTRY)) <= self.settings.levels

    @invariant()
    def no_side_ever_holds_and_orders_more_than_its_ladder_and_half_a_step(self) -> None:
        most = self.settings.order_notional * (self.settings.levels + D("0.5"))
        for side in LADDERS:
            held = self.book.positions.of(side)
            total = abs(held.quantity) * held.entry_price
            total += sum(o.exposed * o.price for o in self.live(side, Purpose.ENTRY))
            assert total <= most * D("1.02"), [
                (held.quantity, held.entry_price),
                [
                    (o.price, o.quantity, o.filled, o.amending)
                    for o in self.live(side, Purpose.ENTRY)
                ],
            ]

    # The owner and the venue

    def live(self, side: PositionSide, purpose: Purpose) -> list[Order]:
        return [o for o in self.book.live.values() if self.group(o) == (side, purpose)]

    def view(self, *, reset: bool = False) -> None:
        self.to_grid.append(self.book.view(self.now_ns, reset=reset))

    def restart_the_grid(self) -> None:
        self.asked: dict[str, tuple[PositionSide, Purpose, Decimal]] = {}
        self.used: set[str] = set()
        self.last = self.quote()
        self.seen = self.book.view(self.now_ns, reset=True)
        self.state = start(self.settings, "h", "b", self.book.next_sequence("b"), self.scale)
        self.hear(Listed(LISTED))
        self.hear(self.seen)

    def refuse(self, client_order_id: str) -> None:
        self.to_grid.append(Refused(client_order_id, "no", self.now_ns))

    def place(self, intent: Place, answer: str) -> None:
        if answer == "risk":
            self.refuse(intent.client_order_id)
            return
        command = limit(
            intent.client_order_id,
            intent.side,
            position_side=intent.position_side,
            purpose=intent.purpose,
        )
        command = evolve(command, price=intent.price, quantity=intent.quantity)
        self.book.intend(command, self.now_ns)
        ask = self.bid + D("0.1")
        crosses = intent.price >= ask if intent.side is Side.BUY else intent.price <= self.bid
        if answer == "venue" or (intent.post_only and crosses):
            self.book.note(intent.client_order_id, Event.REJECTED, self.now_ns)
            self.refuse(intent.client_order_id)
        elif answer == "unknown":
            self.book.note(intent.client_order_id, Event.OUTCOME_UNKNOWN, self.now_ns)
        else:
            self.say(intent.client_order_id, OrderStatus.NEW)

    def amend(self, intent: Amend, answer: str) -> None:
        order = self.book.live.get(intent.client_order_id)
        if order is None:
            return
        if answer in ("risk", "venue"):
            self.refuse(order.id)
            return
        command = order.command
        wish = AmendOrder(
            BTC,
            order.id,
            "",
            command.side,
            command.position_side,
            intent.price,
            intent.quantity,
        )
        self.book.ask_amend(wish)
        self.view()
        if answer == "taken":
            self.carry_out(wish)

    def carry_out(self, wish: AmendOrder) -> None:
        order = self.book.live[wish.client_order_id]
        if wish.quantity <= order.filled:
            self.say(order.id, OrderStatus.CANCELLED)
            return
        status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW
        self.say(order.id, status, price=wish.price, quantity=wish.quantity, amended=True)

    def say(self, client_order_id: str, status: OrderStatus, **changes: object) -> None:
        order = self.book.live[client_order_id]
        self.words += 1
        fields = {"price": order.price, "quantity": order.quantity, "filled": order.filled}
        self.book.said(said(order.command, status, self.words, **(fields | changes)))

    def fill(self, order: Order, part: Decimal) -> None:
        command = order.command
        held = abs(self.book.positions.of(command.position_side).quantity)
        quantity = LISTED.round_quantity(order.remaining * part)
        if command.closing:
            quantity = min(quantity, held)
        if not quantity:
            return
        full = quantity == order.remaining
        status = OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED
        self.say(order.id, status, filled=order.filled + quantity)
        self.fills += 1
        self.book.fill(
            Fill(
                BTC,
                str(self.fills),
                "77",
                order.id,
                command.side,
                command.position_side,
                order.price,
                quantity,
                ZERO,
                "USDT",
                True,
                self.now_ns,
            )
        )
        self.view()


TestAnySequence = Market.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
