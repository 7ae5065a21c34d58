"""Protection: a side is never left without its working stop by a plan."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.messages import PositionSide, Side
from core.orders import Event, Order, State, advance, intend
from core.positions import Position
from core.protection import (
    Plan,
    Stop,
    plan,
    sane,
    short_of_liquidation,
    tighter,
    wanted_stops,
)
from tests.core.samples import D, instrument, stop

LONG = PositionSide.LONG


def held(quantity: str, entry: str = "100", side: PositionSide = LONG) -> Position:
    return Position(side, D(quantity), D(entry))


def order(name: str, state: State, quantity: str = "1", trigger: str = "90") -> Order:
    return evolve(intend(stop(name, quantity, trigger), 0), state=state)


WANTED = Stop(Side.SELL, LONG, D(1), D(90))


def test_a_flat_side_wants_no_stop() -> None:
    assert wanted_stops(held("0"), instrument(), D(150)) == ()


def test_a_long_side_is_closed_below_its_entry_and_a_short_one_above() -> None:
    below = wanted_stops(held("2"), instrument(), D(150))
    above = wanted_stops(held("-2", side=PositionSide.SHORT), instrument(), D(150))
    assert below == (Stop(Side.SELL, LONG, D(2), D("98.5")),)
    assert above == (Stop(Side.BUY, PositionSide.SHORT, D(2), D("101.5")),)


@given(
    st.sampled_from([(LONG, "0.3"), (PositionSide.SHORT, "-0.3")]),
    st.decimals("0.1", 1_000_000, places=3),
    st.decimals(1, 20_000, places=1),
)
def test_the_trigger_is_always_a_price_that_the_venue_takes(
    position: tuple[PositionSide, str], entry: D, distance_bps: D
) -> None:
    side, quantity = position
    listed = instrument(min_price=D("0.25"), max_price=D("999999.95"))
    (found,) = wanted_stops(held(quantity, str(entry), side), listed, distance_bps)
    command = stop("s", quantity="0.3", side=found.side, position_side=side)
    listed.check(evolve(command, trigger_price=found.trigger_price), entry)


def test_a_side_without_any_stop_gets_one() -> None:
    assert plan([WANTED], []) == Plan(WANTED, ())
    ended = [order(state.value, state) for state in State if state.ended]
    assert plan([WANTED], ended) == Plan(WANTED, ())


def test_a_working_stop_that_fits_leaves_nothing_to_do() -> None:
    assert plan([WANTED], [order("a", State.NEW)]).idle


def test_nothing_is_placed_beside_a_stop_on_its_way() -> None:
    assert plan([WANTED], [order("a", State.SUBMITTING)]).idle


def test_beside_a_stop_of_unknown_outcome_one_more_is_placed_and_no_third() -> None:
    unknown = order("a", State.UNKNOWN)
    assert plan([WANTED], [unknown]).place == WANTED
    assert plan([WANTED], [unknown, order("b", State.UNKNOWN)]).idle


def test_of_a_stop_that_was_found_after_all_and_the_one_beside_it_one_goes() -> None:
    both = [order("a", State.NEW), order("b", State.NEW)]
    assert plan([WANTED], both) == Plan(None, ("a",))


def test_a_stop_that_does_not_fit_stays_until_the_new_one_works() -> None:
    misfits = [
        order("size", State.NEW, quantity="2"),
        order("trigger", State.NEW, trigger="91"),
        evolve(order("leaving", State.NEW), cancel_requested=True),
    ]
    for misfit in misfits:
        assert plan([WANTED], [misfit]) == Plan(WANTED, ())
    assert plan([WANTED], [*misfits, order("new", State.NEW)]) == Plan(None, ("size", "trigger"))


def test_the_stop_of_the_other_direction_or_side_does_not_fit() -> None:
    turned = Stop(Side.BUY, LONG, D(1), D(90))
    assert plan([turned], [order("a", State.NEW)]) == Plan(turned, ())
    other = evolve(WANTED, position_side=PositionSide.BOTH)
    assert plan([other], [order("a", State.NEW)]) == Plan(other, ())


def test_of_two_stops_that_fit_the_newer_stays() -> None:
    both = [order("old", State.NEW), order("new", State.NEW)]
    assert plan([WANTED], both) == Plan(None, ("old",))


def test_a_stop_that_has_begun_to_fill_is_left_to_finish() -> None:
    firing = evolve(order("a", State.PARTIALLY_FILLED, "2"), filled=D(1))
    assert plan([WANTED], [firing]).idle
    assert plan([WANTED], [firing, order("b", State.NEW)]).idle


def test_a_flat_side_lets_go_of_every_stop_that_the_venue_holds() -> None:
    stops = [
        order("a", State.NEW),
        evolve(order("firing", State.PARTIALLY_FILLED), filled=D("0.5")),
        order("sent", State.SUBMITTING),
        order("unknown", State.UNKNOWN),
        evolve(order("leaving", State.NEW), cancel_requested=True),
    ]
    assert plan([], stops) == Plan(None, ("a", "firing"))


# Positions larger than a market order may be


def test_a_position_larger_than_a_market_order_gets_several_stops() -> None:
    listed = instrument(market_max_quantity=D(120))
    found = wanted_stops(held("250"), listed, D(150))
    assert [stop.quantity for stop in found] == [D(120), D(120), D(10)]
    assert {stop.trigger_price for stop in found} == {D("98.5")}


@given(st.integers(1, 10**6), st.integers(1, 50), st.integers(1, 2_000))
def test_the_parts_add_up_and_each_is_one_that_the_venue_takes(
    lots: int, least: int, most: int
) -> None:
    most = max(most, 2 * least)
    listed = instrument(
        lot_step=D("0.01"), min_quantity=D(least) / 100, market_max_quantity=D(most) / 100
    )
    lots = max(least, lots % (most * 50) or 1)
    parts = [s.quantity for s in wanted_stops(held(str(D(lots) / 100)), listed, D(150))]
    assert sum(parts) == D(lots) / 100
    assert all(listed.min_quantity <= part <= listed.market_max_quantity for part in parts)


def test_parts_are_placed_one_after_the_other_and_old_stops_go_last() -> None:
    wanted = [WANTED, WANTED, Stop(Side.SELL, LONG, D("0.5"), D(90))]
    old = order("old", State.NEW, quantity="0.7")
    assert plan(wanted, [old]) == Plan(WANTED, ())
    assert plan(wanted, [old, order("a", State.SUBMITTING)]).idle
    assert plan(wanted, [old, order("a", State.NEW)]) == Plan(WANTED, ())
    two = [old, order("a", State.NEW), order("b", State.NEW)]
    assert plan(wanted, two) == Plan(wanted[2], ())
    assert plan(wanted, [*two, order("c", State.NEW, "0.5")]) == Plan(None, ("old",))


# A trigger at a sane price


def test_a_tightened_trigger_counts_only_while_it_is_the_nearer_one() -> None:
    (nearer,) = wanted_stops(held("1"), instrument(), D(150), D("99.5"))
    (farther,) = wanted_stops(held("1"), instrument(), D(150), D("95"))
    assert (nearer.trigger_price, farther.trigger_price) == (D("99.5"), D("98.5"))
    assert tighter(Side.BUY, D(101), D(102)) == D(101)


def test_a_stop_that_the_mark_has_passed_or_that_liquidation_comes_before_does_not_protect() -> (
    None
):
    assert sane(Side.SELL, D(98), D(100), D(80))
    assert sane(Side.SELL, D(98), D(0), D(0)), "nothing is known that speaks against it"
    assert not sane(Side.SELL, D(98), D(98), D(80))
    assert not sane(Side.SELL, D(98), D(100), D(98))
    assert sane(Side.BUY, D(102), D(100), D(120))
    assert not sane(Side.BUY, D(102), D(103), D(120))
    assert not sane(Side.BUY, D(102), D(100), D(101))


def test_a_trigger_behind_liquidation_is_brought_before_it_with_room_to_spare() -> None:
    assert short_of_liquidation(Side.SELL, D("98.5"), D(0)) is None
    assert short_of_liquidation(Side.SELL, D("98.5"), D(80)) is None
    assert short_of_liquidation(Side.SELL, D(79), D(80)) == D("80.4")
    assert short_of_liquidation(Side.SELL, D("80.2"), D(80)) is None, "25 bps are enough"
    assert short_of_liquidation(Side.BUY, D(121), D(120)) == D("119.4")
    assert short_of_liquidation(Side.BUY, D("119.8"), D(120)) == D("119.4")
    assert short_of_liquidation(Side.BUY, D("119.6"), D(120)) is None


class Venue(RuleBasedStateMachine):
    """One long side whose size moves while stops are acknowledged, lost, refused and cancelled."""

    @initialize()
    def open(self) -> None:
        self.stops: dict[str, Order] = {}
        self.quantity = 1
        self.was_covered = False

    def wanted(self) -> list[Stop]:
        return [Stop(Side.SELL, LONG, D(self.quantity), D(90))] if self.quantity else []

    def covered(self) -> bool:
        """A stop works that is not on its way out."""
        return any(s.state.at_venue and not s.cancel_requested for s in self.stops.values())

    def look(self) -> Plan:
        covered = self.covered()
        todo = plan(self.wanted(), list(self.stops.values()))
        if todo.place:
            states = [s.state for s in self.stops.values()]
            assert State.SUBMITTING not in states, "a second stop beside one on its way"
            assert states.count(State.UNKNOWN) < 2, "a third beside two of unknown outcome"
            name = f"stop{len(self.stops)}"
            self.stops[name] = intend(stop(name, str(todo.place.quantity)), 0)
        for name in todo.cancel:
            assert self.stops[name].state.at_venue
            self.stops[name] = evolve(self.stops[name], cancel_requested=True)
        if todo.cancel and self.quantity:
            kept = [s for s in self.stops.values() if s.state.at_venue and not s.cancel_requested]
            assert [s.quantity for s in kept] == [D(self.quantity)]
        if covered and self.quantity:
            assert self.covered(), "the plan took the working stop away"
        return todo

    def pending(self) -> list[str]:
        waiting = (State.SUBMITTING, State.UNKNOWN)
        return [name for name, s in self.stops.items() if s.state in waiting]

    def cancelling(self) -> list[str]:
        live = self.stops.items()
        return [n for n, s in live if s.cancel_requested and not s.state.ended]

    def move(self, name: str, event: Event) -> None:
        self.stops[name] = advance(self.stops[name], event, 0)

    @rule(quantity=st.integers(0, 4))
    def fills(self, quantity: int) -> None:
        self.quantity = quantity
        self.look()

    @rule(data=st.data())
    def acknowledged(self, data: st.DataObject) -> None:
        if self.pending():
            self.move(data.draw(st.sampled_from(self.pending())), Event.ACCEPTED)
            self.look()

    @rule(data=st.data(), event=st.sampled_from([Event.REJECTED, Event.OUTCOME_UNKNOWN]))
    def refused_or_lost(self, data: st.DataObject, event: Event) -> None:
        if self.pending():
            self.move(data.draw(st.sampled_from(self.pending())), event)
            self.look()

    @rule(data=st.data())
    def proven_gone(self, data: st.DataObject) -> None:
        unknown = [n for n, s in self.stops.items() if s.state is State.UNKNOWN]
        if unknown:
            self.move(data.draw(st.sampled_from(unknown)), Event.PROVEN_GONE)
            self.look()

    @rule(data=st.data(), refused=st.booleans())
    def cancel_answered(self, data: st.DataObject, refused: bool) -> None:
        if self.cancelling():
            name = data.draw(st.sampled_from(self.cancelling()))
            if refused:
                self.stops[name] = evolve(self.stops[name], cancel_requested=False)
            else:
                self.move(name, Event.CANCELLED)
            self.look()

    @rule()
    def left_alone_it_ends_with_one_fitting_stop_or_none(self) -> None:
        for _ in range(len(self.stops) + 4):
            for name in self.pending():
                self.move(name, Event.ACCEPTED)
            for name in self.cancelling():
                self.move(name, Event.CANCELLED)
            self.look()
        live = [s.quantity for s in self.stops.values() if not s.state.ended]
        assert live == ([D(self.quantity)] if self.quantity else [])
        assert self.look().idle

    @invariant()
    def at_most_two_stops_have_an_open_fate(self) -> None:
        assert len(self.pending()) <= 2


TestAnyOrderOfAnswers = Venue.TestCase
