"""An order whose answer is missing: reserved, never doubled, resolved by evidence alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors import names
from actors.messages.risk import TightenStop
from core.messages import OrderOutcomeUnknown, OrderRefused, Purpose
from core.orders import State
from core.records import OrderGone, OrderIntended
from tests.sim.agreement import Agreement
from tests.sim.house import House
from tests.sim.invariants import Watchman
from tests.sim.test_whole_host import host, trading
from tests.sim.world import SECOND_NS


def beginning(*fates: str, seed: int = 1) -> House:
    """Return a host whose first placements meet these fates."""
    house = host(seed)
    house.world.faults.script("place", *fates)
    house.start()
    house.ready()
    return house


def test_what_arrived_without_an_answer_is_found_by_its_id_and_placed_once() -> None:
    house = beginning("unknown_after")
    Watchman(house)
    house.run(0.26)
    first = house.world.sent[0].order.client_order_id
    house.run(0.6)
    order = house.position().book.find(first)
    assert order is not None and order.order_id, "found by asking for its id"
    assert [s.order.client_order_id for s in house.world.sent].count(first) == 1


def test_an_unknown_order_stays_reserved_until_it_is_proven_gone() -> None:
    house = host(2)
    house.world.faults.script("place", "unknown_before")
    house.start()
    house.ready()
    while not [r for r in house.journal.records if isinstance(r.payload, OrderOutcomeUnknown)]:
        house.run(0.01)
    house.run(0.01)
    unknown = [o for o in house.position().book.live.values() if o.state is State.UNKNOWN]
    assert len(unknown) == 1
    order = unknown[0]
    key, side = order.command.key, order.command.side
    counted = {working.client_order_id for working in house.risk().risk.exposure.orders(key)}
    assert order.id in counted
    proof = house.position().settings.proof
    house.run(proof.closed_after_ns / SECOND_NS - 1)
    assert house.position().book.live[order.id].state is State.UNKNOWN, "too early for any proof"
    assert house.risk().risk.exposure.worst_notional(key, side) > 0
    house.run(25)
    gone = [r.payload for r in house.journal.records if isinstance(r.payload, OrderGone)]
    assert [payload.client_order_id for payload in gone] == [order.id]
    ended = house.position().book.find(order.id)
    assert ended is not None and ended.state is State.GONE
    counted = {working.client_order_id for working in house.risk().risk.exposure.orders(key)}
    assert order.id not in counted


def test_an_answer_of_not_found_is_no_refusal() -> None:
    house = beginning("unknown_after")
    house.world.faults.script("order", *["not_found"] * 3)
    house.run(6)
    first = house.world.sent[0].order.client_order_id
    assert house.position().book.find(first).state is not State.GONE  # type: ignore[union-attr]
    assert not [r for r in house.journal.records if isinstance(r.payload, OrderGone)]
    house.run(5)
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("late_s", [1, 4, 6])
def test_an_order_that_arrives_late_is_taken_as_it_is(late_s: int) -> None:
    house = beginning("unknown_late", seed=5)
    house.world.faults.late_ns = late_s * SECOND_NS
    Watchman(house)
    house.run(40)
    house.quiesce(60)
    house.assert_books_equal_exchange()
    first = house.world.sent[0].order
    assert [s.order.client_order_id for s in house.world.sent].count(first.client_order_id) == 1


def test_an_order_that_comes_back_from_the_dead_is_taken_over() -> None:
    """A venue that accepts after its own window breaks the rule; its word still wins."""
    house = beginning("unknown_late", seed=5)
    house.world.faults.late_ns = 30 * SECOND_NS
    house.run(60)
    assert [r for r in house.journal.records if isinstance(r.payload, OrderGone)]
    house.quiesce(60)
    house.assert_books_equal_exchange()


def test_an_outcome_that_stays_unknown_for_too_long_is_an_error_told_once() -> None:
    house = host(1)
    house.world.faults.script("place", "unknown_before")
    house.world.faults.script("order", *["unreachable"] * 40)
    house.start()
    house.ready()
    while not [r for r in house.journal.records if isinstance(r.payload, OrderOutcomeUnknown)]:
        house.run(0.01)
    house.run(0.01)
    (first,) = [o.id for o in house.position().book.live.values() if o.state is State.UNKNOWN]
    after_s = house.config.execution.unknown_alert_after_s
    house.run(after_s - 2)
    assert not house.said("outcome unknown for")
    house.run(8)
    (line,) = [one for one in house.said("outcome unknown for") if one.client_order_id == first]
    assert line.level == "error"
    assert house.position().book.live[first].state is State.UNKNOWN
    house.quiesce(60)
    house.assert_books_equal_exchange()


def test_a_clock_ahead_of_ours_hastens_no_proof() -> None:
    house = host(6)
    house.world.offset_ns = 30 * SECOND_NS
    house.world.faults.script("place", "unknown_late")
    house.world.faults.late_ns = 4 * SECOND_NS
    house.start()
    house.ready()
    house.run(3)
    assert not [r for r in house.journal.records if isinstance(r.payload, OrderGone)]
    house.run(10)
    house.quiesce(60)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_clock_that_jumps_delays_no_proof_and_hastens_none(jump_s: int) -> None:
    house = host(1)
    house.world.faults.script("place", "unknown_before")
    house.start()
    house.ready()
    while not [r for r in house.journal.records if isinstance(r.payload, OrderOutcomeUnknown)]:
        house.run(0.01)
    house.run(0.01)
    (order,) = [o for o in house.position().book.live.values() if o.state is State.UNKNOWN]
    house.world.jump_host_clock(jump_s * SECOND_NS)
    house.run(house.position().settings.proof.closed_after_ns / SECOND_NS - 1)
    assert order.id in house.position().book.live, "too early for any proof"
    house.run(25)
    gone = [r.payload for r in house.journal.records if isinstance(r.payload, OrderGone)]
    assert [payload.client_order_id for payload in gone] == [order.id]


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_clock_that_is_set_while_no_host_runs_delays_no_proof_and_hastens_none(
    jump_s: int,
) -> None:
    house = host(1)
    house.world.faults.script("place", "unknown_before")
    house.start()
    house.ready()
    while not [r for r in house.journal.records if isinstance(r.payload, OrderOutcomeUnknown)]:
        house.run(0.01)
    (order,) = [o for o in house.position().book.live.values() if o.state is State.UNKNOWN]
    house.crash()
    house.world.now_before_ns += jump_s * SECOND_NS
    house.world.offset_ns -= jump_s * SECOND_NS
    house.start()
    house.ready()
    house.run(house.position().settings.proof.closed_after_ns / SECOND_NS - 2)
    assert order.id in house.position().book.live, "too early for any proof"
    house.run(30)
    gone = [r.payload for r in house.journal.records if isinstance(r.payload, OrderGone)]
    assert [payload.client_order_id for payload in gone] == [order.id]


def test_an_unknown_cancel_is_asked_about_and_sent_again() -> None:
    house = trading(7)
    house.world.faults.script("cancel", "unknown_before", "unknown_after", "unreachable")
    house.run(40)
    house.quiesce(45)
    house.assert_books_equal_exchange()


def amended_unknown(fate: str, late_s: int = 3) -> tuple[House, str]:
    """Return a host whose amendment has just found no answer, and the order's id."""
    house = trading(7)
    house.world.faults.script("amend", fate)
    house.world.faults.late_ns = late_s * SECOND_NS
    while not (
        told := [
            r.client_order_id
            for r in house.journal.records
            if isinstance(r.payload, OrderOutcomeUnknown)
        ]
    ):
        house.run(0.01)
    return house, told[0]


def test_an_amendment_that_is_not_to_be_seen_stays_reserved_until_none_could_arrive() -> None:
    house, name = amended_unknown("unknown_before")
    house.world.frozen = set(house.world.keys)
    order = house.position().book.live[name]
    wanted, before = order.amending, (order.price, order.quantity)
    assert wanted is not None
    proof = house.position().settings.proof
    house.run(proof.closed_after_ns / SECOND_NS - 1)
    assert house.position().book.live[name].amending == wanted, "too early for any proof"
    house.run(1.2)
    order = house.position().book.live[name]
    assert order.amending != wanted
    assert (order.price, order.quantity) == before
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("late_s", [1, 3, 6])
def test_an_amendment_that_arrives_late_was_reserved_until_then(late_s: int) -> None:
    house, name = amended_unknown("unknown_late", late_s)
    house.world.frozen = set(house.world.keys)
    watchman = Watchman(house)
    wanted = house.position().book.live[name].amending
    assert wanted is not None
    for _ in range(late_s * 10 - 2):
        assert house.position().book.live[name].amending == wanted
        house.run(0.1)
        watchman.look()
    house.run(1)
    order = house.position().book.live[name]
    assert (order.price, order.quantity, order.amending) == (wanted.price, wanted.quantity, None)
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("fate", ["rejected", "rate_limited", "clock_rejected", "unreachable"])
def test_a_refused_placement_is_told_and_rests(fate: str) -> None:
    house = beginning(*[fate] * 6)
    house.run(0.3)
    refused = {
        r.client_order_id for r in house.journal.records if isinstance(r.payload, OrderRefused)
    }
    assert len(refused) >= 4
    rungs = {
        (r.payload.order.position_side, r.payload.order.price)
        for r in house.journal.records
        if isinstance(r.payload, OrderIntended) and r.client_order_id in refused
    }
    before = len(house.world.sent)
    house.run(0.8)
    again = {(s.order.position_side, s.order.price) for s in house.world.sent[before:]}
    assert not again & rungs, "a refused rung rests"
    house.run(10)
    assert [s for s in house.world.sent if s.order.purpose is Purpose.ENTRY]
    house.quiesce(45)
    house.assert_books_equal_exchange()


# Protection


def test_a_stop_of_unknown_outcome_is_found_and_kept() -> None:
    house = host(8)
    watchman = Watchman(house, bare_limit_ns=2 * SECOND_NS)
    house.start()
    house.ready()
    while not any(row.quantity for row in house.world.exchange.positions()):
        stops = [s for s in house.world.sent if s.order.purpose is Purpose.PROTECT]
        assert not stops
        house.run(0.05)
    house.world.faults.script("place", *["unknown_after"] * 2)
    for _ in range(100):
        house.run(0.1)
        watchman.look()
    assert not [s for s in house.world.sent if s.order.purpose is Purpose.CLOSE]
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_a_side_that_cannot_be_protected_is_closed_in_time() -> None:
    house = trading(9)
    house.world.faults.refuse_stops = True
    watchman = Watchman(house, bare_limit_ns=8 * SECOND_NS)
    for _ in range(600):
        house.run(0.1)
        watchman.look()
    closes = [s for s in house.world.sent if s.order.purpose is Purpose.CLOSE]
    assert closes
    refused = [s for s in house.world.sent if s.order.purpose is Purpose.PROTECT]
    assert len(refused) < 120, "a refused stop is tried again at a walk"
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("fate", ["unknown_before", "unknown_late"])
def test_an_intent_that_waited_for_the_disk_is_known_to_who_began_meanwhile(fate: str) -> None:
    """Seed 307 of the days: nobody asked for such a stop until the next host."""
    house = trading(1)
    house.world.frozen = set(house.world.keys)
    house.run(2)
    key, name = house.world.keys[0], names.position(house.world.keys[0])
    side = next(held.side for held in house.position().book.positions if held.quantity)
    house.journal.broken = "disk full"
    house.world.faults.script("place", fate)
    house.runtime.tell(name, TightenStop(key, side, Decimal(60), "the market falls"))
    house.run(0.2)
    unknown = [o.id for o in house.position().book.live.values() if o.state is State.UNKNOWN]
    assert len(unknown) == 1
    house.runtime.kill(name, RuntimeError("killed"))
    house.run(2)
    house.journal.broken = ""
    house.run(1.5)
    agreement = Agreement(house)
    agreement.fold()
    assert agreement.done["folded"] == 1
    book = house.position().book
    assert book.find(unknown[0]) is not None
    assert book.tightened
    house.run(90)
    assert not [o for o in book.live.values() if not o.state.at_venue]
    agreement.fold()
    house.quiesce(45)
    house.assert_books_equal_exchange()
