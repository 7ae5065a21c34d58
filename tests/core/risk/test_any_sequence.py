"""Caps under any sequence: what risk counts is never less than what can still happen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import define, evolve, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.ids import make
from core.messages import AmendOrder, Fill, Key, OrderStatus, PlaceOrder, PositionSide, Side
from core.money import ZERO
from core.orders import Event, State
from core.risk.checks import Risk
from core.risk.gate import Approved
from core.symbol_book import SymbolBook
from tests.core.risk.samples import LIMITS as STANDARD
from tests.core.risk.samples import NOW, tell_all
from tests.core.samples import BTC, ETH, D, instrument, limit, said

LIMITS = evolve(
    STANDARD,
    max_order_notional=D(300),
    max_symbol_notional=D(450),
    max_side_notional=D(600),
    max_net_notional=D(500),
    max_gross_notional=D(800),
    max_open_orders_per_side=4,
    max_orders_per_minute=1_000,
    price_collar_bps=D(9000),
    book_collar_bps=D(9000),
)
SIZE = {BTC: D(1), ETH: D("0.1")}
QUANTITIES = {BTC: st.integers(1, 30).map(lambda n: D(n) / 10), ETH: st.integers(1, 30).map(D)}
PRICES = st.integers(85, 115).map(D)
KEYS = st.sampled_from([BTC, ETH])
LADDER = {Side.BUY: PositionSide.LONG, Side.SELL: PositionSide.SHORT}
SIDES = st.sampled_from(list(Side))


@define
class AtVenue:
    """One order as the venue has it, and an amendment that it has not carried out yet."""

    command: PlaceOrder
    price: Decimal
    quantity: Decimal
    filled: Decimal = ZERO
    open: bool = False
    ended: bool = False
    amendments: list[AmendOrder] = field(factory=list)
    words: int = 0

    def worst(self, mark: Decimal) -> Decimal:
        """The most notional that may still fill, whichever terms will hold."""
        if self.ended:
            return D(0)
        terms = [(self.price, self.quantity)] + [(a.price, a.quantity) for a in self.amendments]
        return max(max(p, mark) * max(q - self.filled, D(0)) for p, q in terms)


class House(RuleBasedStateMachine):
    """Risk, the owners of two symbols and a venue; every message waits until a rule delivers it."""

    @initialize(data=st.data(), first=st.lists(st.tuples(KEYS, SIDES), max_size=6))
    def start(self, data: st.DataObject, first: list[tuple[Key, Side]]) -> None:
        self.risk = Risk(LIMITS)
        self.marks = {BTC: D(100), ETH: D(100)}
        for key, size in SIZE.items():
            wide = {"min_notional": D(0), "price_up": D(2), "price_down": D("0.1")}
            self.risk.list_instrument(instrument(key, multiplier=size, **wide))
        tell_all(self.risk)
        self.books = {key: SymbolBook(key, "h", size) for key, size in SIZE.items()}
        self.held = {(key, side): D(0) for key in SIZE for side in Side}
        self.orders: dict[str, AtVenue] = {}
        self.fills = 0
        self.to_owner: dict[Key, list[Approved]] = {BTC: [], ETH: []}
        self.from_venue: dict[Key, list[Callable[[], object]]] = {BTC: [], ETH: []}
        self.to_risk: dict[Key, list[tuple]] = {BTC: [], ETH: []}
        for key, side in first:
            self.place(data, key, side, D(100), closing=False)
        assert bool(self.orders) == bool(first), "risk refuses everything: this proves nothing"
        self.everything_arrives()

    # The truth, counted apart from core.risk

    def true_worst(self, key: Key, side: Side) -> Decimal:
        mark = self.marks[key]
        working = sum(
            o.worst(mark)
            for o in self.orders.values()
            if o.command.key == key and o.command.side is side and not o.command.closing
        )
        return (self.held[key, side] * mark + working) * SIZE[key]

    def true_net(self, side: Side) -> Decimal:
        """All that may be open in one direction less what risk was told is held of the other.

        A position that closed since may be missing from it: risk hears of that later.
        """
        held = sum(
            (
                abs(position.quantity) * self.marks[key] * SIZE[key]
                for key in SIZE
                for position in self.risk.exposure.held(key)
                if position.quantity * side.sign < 0
            ),
            D(0),
        )
        return sum((self.true_worst(key, side) for key in SIZE), D(0)) - held

    def totals(self) -> dict[str, Decimal]:
        worst = {(key, side): self.true_worst(key, side) for key in SIZE for side in Side}
        by_side = [sum(v for (_, s), v in worst.items() if s is side) for side in Side]
        return {
            **{f"{key} {side}": v for (key, side), v in worst.items()},
            **dict(zip(("buy", "sell"), by_side, strict=True)),
            **{f"net {side}": self.true_net(side) for side in Side},
            "gross": sum(by_side),
        }

    def within_caps(self, before: dict[str, Decimal]) -> None:
        caps = {"buy": LIMITS.max_side_notional, "sell": LIMITS.max_side_notional}
        caps["gross"] = LIMITS.max_gross_notional
        caps |= {f"net {side}": LIMITS.max_net_notional for side in Side}
        for name, now in self.totals().items():
            cap = caps.get(name, LIMITS.max_symbol_notional)
            assert now <= max(cap, before[name]), f"{name}: {now} over {cap}"
        for key in SIZE:
            for side in Side:
                live = [
                    o
                    for o in self.orders.values()
                    if o.command.key == key and o.command.side is side and not o.ended
                ]
                opening = [o for o in live if not o.command.closing]
                assert len(opening) <= LIMITS.max_open_orders_per_side

    @invariant()
    def risk_counts_at_least_what_can_still_happen(self) -> None:
        for key in SIZE:
            for side in Side:
                counted = self.risk.exposure.worst_notional(key, side)
                assert counted >= self.true_worst(key, side), f"{key} {side}: {counted}"

    @invariant()
    def the_totals_are_the_sum_of_the_symbols_to_the_last_digit(self) -> None:
        exposure = self.risk.exposure
        parts = [exposure.worst_notional(key, side) for key in SIZE for side in Side]
        assert exposure.gross_notional() == sum(parts)

    # Proposals

    @rule(data=st.data(), key=KEYS, side=SIDES, price=PRICES, closing=st.booleans())
    def place(
        self, data: st.DataObject, key: Key, side: Side, price: Decimal, closing: bool
    ) -> None:
        name = make("h", "b", key.symbol, len(self.orders))
        order = limit(name, side, key=key, price=str(price), bot=name)
        order = evolve(order, quantity=data.draw(QUANTITIES[key]))
        if closing:
            order = evolve(order, position_side=LADDER[side.opposite])
        before = self.totals()
        answer = self.risk.place(order, NOW, NOW)
        if not isinstance(answer, Approved):
            return
        self.orders[name] = AtVenue(order, price, order.quantity)
        self.to_owner[key].append(answer)
        if not closing:
            assert order.quantity * max(price, self.marks[key]) * SIZE[key] <= 300
        self.within_caps(before)

    @rule(data=st.data(), price=PRICES, lie=st.sampled_from([None, None, None, *Side]))
    def amend(self, data: st.DataObject, price: Decimal, lie: Side | None) -> None:
        if not self.orders:
            return
        live = sorted(n for n, o in self.orders.items() if not o.ended) or sorted(self.orders)
        name = data.draw(st.sampled_from(live))
        order = self.orders[name]
        command = order.command
        # Who amends has seen the last amendment settle, and risk was told of that before.
        while self.to_risk[command.key]:
            self.risk_hears_a_report(command.key)
        if order.amendments:
            return
        wish = AmendOrder(
            command.key,
            name,
            "",
            lie or command.side,
            command.position_side,
            price,
            data.draw(QUANTITIES[command.key]),
        )
        before = self.totals()
        answer = self.risk.amend(wish, NOW, NOW)
        if isinstance(answer, Approved):
            assert wish.side is command.side
            order.amendments.append(wish)
            self.to_owner[command.key].append(answer)
            self.within_caps(before)

    @rule(key=KEYS, price=PRICES)
    def mark_moves(self, key: Key, price: Decimal) -> None:
        self.marks[key] = price
        self.risk.mark(key, price, NOW)

    # The owner

    @rule(key=KEYS, outcome=st.sampled_from(["open", "open", "open", "refused", "unknown"]))
    def owner_takes_an_approval(self, key: Key, outcome: str) -> None:
        if not self.to_owner[key]:
            return
        command = self.to_owner[key].pop(0).command
        book, order = self.books[key], self.orders[command.client_order_id]
        if isinstance(command, AmendOrder):
            known = book.live.get(command.client_order_id)
            if known is None or not known.state.at_venue or known.amending:
                order.amendments = [a for a in order.amendments if a is not command]
            else:
                book.ask_amend(command)
        else:
            book.intend(command, NOW)
            order.open = outcome != "refused"
            order.ended = outcome == "refused"
            if outcome == "unknown":
                book.note(command.client_order_id, Event.OUTCOME_UNKNOWN, NOW)
            if outcome == "refused":
                name = command.client_order_id
                self.from_venue[key].append(lambda: book.note(name, Event.REJECTED, NOW))
            else:
                self.speak(order)
        self.report(key)

    def report(self, key: Key) -> None:
        book = self.books[key]
        view = book.view(NOW)
        self.to_risk[key].append((view.positions, tuple(book.working(self.marks[key])), view.ended))

    @rule(key=KEYS)
    def risk_hears_a_report(self, key: Key) -> None:
        if self.to_risk[key]:
            self.risk.exposure.report(key, *self.to_risk[key].pop(0))

    # The venue

    def speak(self, order: AtVenue, *, amended: bool = False) -> None:
        order.words += 1
        status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW
        if order.ended:
            full = order.filled >= order.quantity
            status = OrderStatus.FILLED if full else OrderStatus.CANCELLED
        word = said(
            order.command,
            status,
            order.words,
            price=order.price,
            quantity=order.quantity,
            filled=order.filled,
            amended=amended,
        )
        book = self.books[order.command.key]
        self.from_venue[order.command.key].append(lambda: book.said(word))

    def some_open(self, data: st.DataObject) -> AtVenue | None:
        names = sorted(n for n, o in self.orders.items() if o.open)
        return self.orders[data.draw(st.sampled_from(names))] if names else None

    @rule(data=st.data(), part=st.sampled_from([D("0.5"), D(1)]))
    def an_order_fills(self, data: st.DataObject, part: Decimal) -> None:
        order = self.some_open(data)
        if order is None:
            return
        command = order.command
        quantity = (order.quantity - order.filled) * part
        place = (command.key, command.side.opposite if command.closing else command.side)
        if command.closing:
            quantity = min(quantity, self.held[place])
        if quantity <= 0:
            return
        self.held[place] += -quantity if command.closing else quantity
        order.filled += quantity
        if order.filled >= order.quantity:
            self.end(order)
        self.fills += 1
        one = Fill(
            command.key,
            str(self.fills),
            "77",
            command.client_order_id,
            command.side,
            command.position_side,
            order.price,
            quantity,
            D(0),
            "USDT",
            True,
            self.fills,
        )
        book = self.books[command.key]
        self.speak(order)
        words = self.from_venue[command.key]
        tell = words.pop()
        words.append(lambda: (book.fill(one), tell()))

    def end(self, order: AtVenue) -> None:
        order.open, order.ended = False, True
        order.amendments.clear()

    @rule(data=st.data())
    def an_order_is_cancelled(self, data: st.DataObject) -> None:
        order = self.some_open(data)
        if order:
            self.end(order)
            self.speak(order)

    @rule(data=st.data(), refused=st.booleans())
    def an_amendment_is_answered(self, data: st.DataObject, refused: bool) -> None:
        order = self.some_open(data)
        book = self.books[order.command.key] if order else None
        known = book.live.get(order.command.client_order_id) if book and order else None
        if order is None or book is None or known is None or known.amending is None:
            return
        if known.amending not in order.amendments:
            return
        wish = known.amending
        order.amendments.remove(wish)
        name = order.command.client_order_id
        if refused:
            self.from_venue[wish.key].append(lambda: book.settle_amend(name))
            return
        order.price, order.quantity = wish.price, wish.quantity
        if order.filled >= order.quantity:
            self.end(order)
        self.speak(order, amended=True)

    @rule(key=KEYS)
    def the_owner_hears_the_venue(self, key: Key) -> None:
        if self.from_venue[key]:
            self.from_venue[key].pop(0)()
            self.report(key)

    @rule()
    def everything_arrives(self) -> None:
        for key in SIZE:
            while self.to_owner[key]:
                self.owner_takes_an_approval(key, "open")
            while self.from_venue[key]:
                self.the_owner_hears_the_venue(key)
            while self.to_risk[key]:
                self.risk_hears_a_report(key)
            mine = {n for n, o in self.orders.items() if o.command.key == key and not o.ended}
            assert set(self.books[key].live) == mine
            assert self.risk.exposure.unmentioned(key) == ()
            unknown = [o for o in self.books[key].live.values() if o.state is State.UNKNOWN]
            assert unknown == []


TestAnySequence = House.TestCase
TestAnySequence.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
