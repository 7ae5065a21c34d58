"""A stateful proof: any strategy, any market, any accident, and no limit is ever exceeded."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from actors import names
from actors.messages.risk import Operate
from core.config import SymbolCaps, SymbolGroup
from core.messages import Key, OrderType, PositionSide, Side, TimeInForce
from core.money import ZERO, floor_to_step
from tests.sim.house import House, config
from tests.sim.invariants import Watchman
from tests.sim.world import MS_NS, SECOND_NS, World
from tests.soak.wild import AmendWish, CancelWish, PlaceWish, with_wild

SYMBOLS = ("BTCUSDT", "ETHUSDT")
BOT = "grid"
HOST = "sim"
D = Decimal
COUNTS: Counter[str] = Counter()
"""What happened in all lives of this process: a proof in which nothing happens proves nothing."""

_ROOMY: dict[str, Any] = {
    "max_order_notional": D(5_000),
    "max_symbol_notional": D(9_000),
    "max_side_notional": D(14_000),
    "max_net_notional": D(14_000),
    "max_gross_notional": D(20_000),
    "max_open_orders_per_side": 30,
}
TIGHT: dict[str, dict[str, Any]] = {
    "order": {"max_order_notional": D(250)},
    "symbol": {"max_order_notional": D(400), "max_symbol_notional": D(800)},
    "side": {"max_order_notional": D(400), "max_symbol_notional": D(1_000)}
    | {"max_side_notional": D(1_100)},
    "net": {"max_order_notional": D(400), "max_symbol_notional": D(650)}
    | {"max_net_notional": D(700)},
    "gross": {"max_order_notional": D(400), "max_symbol_notional": D(1_200)}
    | {"max_side_notional": D(1_300), "max_gross_notional": D(1_400)},
    "count": {"max_open_orders_per_side": 3},
    "pace": {"max_orders_per_minute": 12, "max_cancels_per_minute": 12},
    "own": {
        "symbols": (
            SymbolCaps(symbol="BTCUSDT", max_notional=D(700), max_order_quantity=D("0.005")),
        )
    },
    "group": {"groups": (SymbolGroup(name="majors", symbols=SYMBOLS, max_notional=D(900)),)},
    "none": {},
}
"""Where one cap stands alone at the front: the others could not stand in for it."""

_OPENING = {Side.BUY: PositionSide.LONG, Side.SELL: PositionSide.SHORT}
_ODD = [D(0), D(-1), D("NaN"), D("Infinity"), D("1E+30"), D("1E-30")]
_CALLS = ("place", "cancel", "amend", "order", "read", "book", "clock")
_FATES = ("", "unknown_before", "unknown_after", "unknown_late", "rejected", "rate_limited")
_FATES += ("clock_rejected", "unreachable")

numbers = st.integers(0, 7)
keys = st.sampled_from(range(len(SYMBOLS)))
sides = st.sampled_from(list(Side))
notionals = st.sampled_from([60, 100, 150, 200, 300, 390, 410, 5, 800, 4_000, 100_000]).map(D)
offsets_bps = st.sampled_from([-2, 2, -8, 8, -30, 30, 0, -90, 90, -120, 120, -1_500, 1_500])


class Soak(RuleBasedStateMachine):
    """One host after the other on virtual time, over one simulated exchange."""

    @initialize(
        seed=st.integers(0, 2**20),
        wild=st.sampled_from([(0, 1), (0, 1), (0,)]),
        tight=st.integers(0, 59),
    )
    def begin(self, seed: int, wild: tuple[int, ...], tight: int) -> None:
        """Start a host over a new world."""
        self.world = World(seed, SYMBOLS)
        chosen = frozenset(self.world.keys[at] for at in wild)
        caps = TIGHT[sorted(TIGHT)[tight % len(TIGHT)]]
        self.house = House(
            self.world,
            config(SYMBOLS, risk=_ROOMY | caps, bot={"levels": 2, "order_notional": D(150)}),
            seed=seed,
            adapt=lambda tree: with_wild(tree, HOST, BOT, chosen),
        )
        self.wild = chosen
        execution, venue = self.house.config.execution, self.house.config.venues.binance
        call_ms = venue.connect_timeout_ms + venue.read_timeout_ms
        bare_ns = int(execution.protect_within_s * SECOND_NS) + call_ms * MS_NS
        self.watchman = Watchman(self.house, bare_limit_ns=bare_ns)
        self.replies: dict[int, int] = {}
        self.house.start()
        self.house.ready()
        self.house.run(1)
        COUNTS["lives"] += 1

    # The wild strategy

    def _mark(self, key: Key) -> Decimal:
        mark = self.world.exchange.mark(key.symbol)
        assert mark is not None
        return mark.mark

    def _price(self, key: Key, bps: int) -> Decimal:
        tick = self.watchman.instruments[key.symbol].tick_size
        return floor_to_step(self._mark(key) * (1 + D(bps) / 10_000), tick)

    def _quantity(self, key: Key, notional: Decimal) -> Decimal:
        step = self.watchman.instruments[key.symbol].lot_step
        return floor_to_step(notional / self._mark(key), step)

    def _wish(self, key: Key, wish: object) -> None:
        self.house.runtime.tell(names.strategy(BOT, key), wish)
        COUNTS["wishes"] += 1

    def _key(self, at: int) -> Key:
        key = self.world.keys[at]
        return key if key in self.wild else self.world.keys[0]

    @rule(at=keys, side=sides, notional=notionals, bps=offsets_bps, count=st.integers(1, 8))
    def wants_to_open(self, at: int, side: Side, notional: Decimal, bps: int, count: int) -> None:
        key = self._key(at)
        quantity, price = self._quantity(key, notional), self._price(key, bps)
        kind, place = OrderType.LIMIT, _OPENING[side]
        step = self.watchman.instruments[key.symbol].tick_size * side.sign
        self._wish(key, PlaceWish(side, place, kind, quantity, price, count=count, step=step))
        self._pass(40)

    @rule(at=keys, side=sides, notional=notionals, scaled=st.booleans())
    def wants_to_take(self, at: int, side: Side, notional: Decimal, scaled: bool) -> None:
        key = self._key(at)
        wish = PlaceWish(
            side,
            _OPENING[side],
            OrderType.MARKET,
            self._quantity(key, notional),
            None,
            scaled=scaled,
        )
        self._wish(key, wish)
        self._pass(40)

    @rule(at=keys, side=sides, part=st.sampled_from(["0.3", "1", "2"]), bps=offsets_bps)
    def wants_to_close(self, at: int, side: Side, part: str, bps: int) -> None:
        key = self._key(at)
        held = abs(self.house.held(_OPENING[side.opposite], key)) or D("0.01")
        step = self.watchman.instruments[key.symbol].lot_step
        quantity = max(step, floor_to_step(held * D(part), step))
        kind = OrderType.LIMIT if bps else OrderType.MARKET
        price = self._price(key, bps) if bps else None
        self._wish(key, PlaceWish(side, _OPENING[side.opposite], kind, quantity, price))
        self._pass(40)

    @rule(
        at=keys,
        side=sides,
        position_side=st.sampled_from(list(PositionSide)),
        kind=st.sampled_from(list(OrderType)),
        notional=notionals,
        odd=st.booleans(),
        quantity=st.sampled_from(_ODD),
        price=st.one_of(st.none(), offsets_bps, st.sampled_from(_ODD)),
        trigger=st.one_of(st.none(), offsets_bps, st.sampled_from(_ODD)),
        time_in_force=st.sampled_from(list(TimeInForce)),
        reduce_only=st.booleans(),
        again=st.booleans(),
    )
    def wants_nonsense(
        self,
        at: int,
        side: Side,
        position_side: PositionSide,
        kind: OrderType,
        notional: Decimal,
        odd: bool,
        quantity: Decimal,
        price: int | Decimal | None,
        trigger: int | Decimal | None,
        time_in_force: TimeInForce,
        reduce_only: bool,
        again: bool,
    ) -> None:
        key = self._key(at)
        size = quantity if odd else self._quantity(key, notional)
        wish = PlaceWish(
            side,
            position_side,
            kind,
            size,
            self._price(key, price) if isinstance(price, int) else price,
            self._price(key, trigger) if isinstance(trigger, int) else trigger,
            time_in_force,
            reduce_only,
            again=again,
        )
        self._wish(key, wish)
        self._pass(40)

    @rule(at=keys, nth=numbers, notional=notionals, bps=offsets_bps, turned=st.booleans())
    def wants_to_amend(self, at: int, nth: int, notional: Decimal, bps: int, turned: bool) -> None:
        key = self._key(at)
        wish = AmendWish(nth, self._price(key, bps), self._quantity(key, notional), turned)
        self._wish(key, wish)
        self._pass(20)

    @rule(at=keys, nth=numbers)
    def wants_to_cancel(self, at: int, nth: int) -> None:
        self._wish(self._key(at), CancelWish(nth))
        self._pass(20)

    # Time, market, money

    def _pass(self, ms: int) -> None:
        while ms > 0:
            self.house.runtime.run_for(min(ms, 250) * MS_NS)
            self.watchman.notice_halt()
            self.watchman.notice_bare()
            ms -= 250

    @rule(ms=st.sampled_from([5, 100, 250, 500, 1_000]))
    def time_passes(self, ms: int) -> None:
        self._pass(ms)

    @rule(at=keys, bps=st.sampled_from([-300, -80, -20, -5, 5, 20, 80, 300]))
    def the_market_moves(self, at: int, bps: int) -> None:
        self.world.shock(self.world.keys[at], bps)
        self._pass(300)

    @rule(
        what=st.sampled_from(["crash", "deposit", "deposit", "nothing", "nothing"]),
        size=st.sampled_from([-2_500, -900, -200, 200, 900, 2_500]),
    )
    def the_world_turns(self, what: str, size: int) -> None:
        exchange = self.world.exchange
        if what == "crash":
            for key in self.world.keys:
                self.world.shock(key, size)
            COUNTS["crashes of the market"] += 1
        elif what == "deposit" and exchange.account("USDT").available + size > ZERO:
            self.world.emit(exchange.deposit("USDT", D(size), self.world.venue_ns()))
            COUNTS["transfers"] += 1
        self._pass(500)

    # The venue and the wire

    @rule(
        call=st.sampled_from(("place",) * 5 + _CALLS),
        fates=st.lists(st.sampled_from(_FATES), min_size=1, max_size=4),
    )
    def the_venue_fails_some_calls(self, call: str, fates: list[str]) -> None:
        allowed = fates
        if call not in ("place",):
            allowed = [fate for fate in fates if fate not in ("unknown_late", "rejected")]
        if call in ("order", "read", "book", "clock"):
            allowed = [fate for fate in allowed if not fate.startswith("unknown")]
        self.world.faults.script(call, *allowed)
        self._pass(20)

    @rule(rate=st.sampled_from([0.0, 0.0, 0.05, 0.3]), call=st.sampled_from(_CALLS))
    def the_venue_gets_better_or_worse(self, rate: float, call: str) -> None:
        self.world.faults.rates[call] = rate
        self._pass(20)

    @rule(
        loss=st.sampled_from([0.0, 0.0, 0.0, 0.1]),
        repeat=st.sampled_from([0.0, 0.3]),
        delay=st.sampled_from([0.0, 0.1]),
        order_first=st.booleans(),
    )
    def the_wire_gets_better_or_worse(
        self, loss: float, repeat: float, delay: float, order_first: bool
    ) -> None:
        faults = self.world.faults
        faults.frame_loss, faults.frame_repeat, faults.frame_delay = loss, repeat, delay
        self.world.order_first = order_first
        self._pass(20)

    @rule(
        accident=st.sampled_from(
            ("die",) * 6 + ("streams", "streams", "away", "stops", "disk", "hang", "crash", "clock")
        ),
        at=st.integers(0, 63),
        size=st.integers(-3, 3),
    )
    def an_accident_happens(self, accident: str, at: int, size: int) -> None:
        world, runtime = self.world, self.house.runtime
        addresses = [name for name, seat in runtime.seats.items() if not seat.is_supervisor]
        name = addresses[at % len(addresses)]
        COUNTS[f"accident: {accident}"] += 1
        match accident:
            case "die":
                runtime.kill(name, RuntimeError("killed by the simulation"))
            case "hang":
                # Not shorter than an approval may wait: what a lane has in hand when it freezes is
                # older than that when it wakes, so it need not know what was said meanwhile.
                runtime.hang(name, None if size < 0 else 3 * SECOND_NS)
            case "streams":
                world.lose_streams(world.account_pipes if size < 0 else world.market_pipes)
            case "away":
                world.faults.unreachable = True
                self._pass(abs(size) * 2_000)
                world.faults.unreachable = False
            case "stops":
                world.faults.refuse_stops = not world.faults.refuse_stops
            case "disk":
                self.house.journal.broken = "" if self.house.journal.broken else "disk full"
            case "crash":
                self.house.crash()
                self.watchman.bare_since.clear()  # nobody is there to protect anything
                world.pass_alone(abs(size) * 5 * SECOND_NS)
                self.house.start()
            case "clock":
                world.jump_host_clock(size * (1_200_000 if at == 0 else 700) * MS_NS)
        self._pass(100)

    @rule(
        command=st.sampled_from(
            ("pause", "resume", "throttle", "reduce-only", "halt", "flatten")
            + ("reset-halt",) * 5
            + ("resume",) * 3
        ),
        at=st.sampled_from([0, 1, 2]),
        percent=st.sampled_from([0, 25, 50, 100, 100]),
    )
    def an_operator_commands(self, command: str, at: int, percent: int) -> None:
        symbol = (*SYMBOLS, "")[at] if command in ("pause", "resume", "flatten", "throttle") else ""
        self._operate(command, symbol, percent)
        self._pass(50)

    def _operate(self, command: str, symbol: str, percent: int = 100) -> None:
        number = len(self.replies)
        self.replies[number] = 0

        def reply(answer: dict[str, Any]) -> None:
            self.replies[number] += 1

        self.house.runtime.tell(names.RISK, Operate(command, reply, symbol, percent))
        COUNTS[f"operator: {command}"] += 1

    @rule(
        at=keys,
        command=st.sampled_from(["halt", "reduce-only", "pause"]),
        side=sides,
        goes_on=st.sampled_from([True, True, True, False]),
    )
    def trading_stops_while_an_order_is_on_its_way(
        self, at: int, command: str, side: Side, goes_on: bool
    ) -> None:
        key, runtime = self._key(at), self.house.runtime
        groups = self.house.config.venues.binance.symbol_groups
        # The first order is what the lane has in hand when it freezes; the second waits behind it
        # and is still young when the lane wakes up.
        runtime.hang(names.orders_lane(key, groups), 3 * SECOND_NS)
        kind, quantity = OrderType.LIMIT, self._quantity(key, D(100))
        for bps, ms in ((-30, 2_200), (-20, 200)):
            price = self._price(key, bps * side.sign)
            self._wish(key, PlaceWish(side, _OPENING[side], kind, quantity, price))
            self._pass(ms)
        self._operate(command, "")
        self._pass(2_000)
        if goes_on:
            self._operate("resume" if command == "pause" else "reset-halt", "")
            self._pass(100)

    @rule(seconds=st.sampled_from([1, 1, 1, 2, 8]))
    def all_is_well_for_a_while(self, seconds: int) -> None:
        self.house.heal()
        self._pass(seconds * 1000)

    # What must hold

    @invariant()
    def nothing_is_beyond_its_limits(self) -> None:
        if not hasattr(self, "watchman"):
            return
        COUNTS["steps"] += 1
        self.watchman.look()
        twice = [number for number, count in self.replies.items() if count > 1]
        assert not twice, "an operator's command was answered twice"
        outcome = self.house.runtime.outcome
        if outcome is not None:
            self.house.crash()
            self.house.start()
            COUNTS["ends of the host"] += 1

    def teardown(self) -> None:
        if hasattr(self, "watchman"):
            COUNTS.update(self.watchman.seen)
            COUNTS["fills"] += sum(len(self.world.exchange.trades(s)) for s in SYMBOLS)
            refusals = self.house.risk().refusals if self.watchman.risk() else {}
            COUNTS.update({f"refused: {rule}": count for rule, count in refusals.items()})
