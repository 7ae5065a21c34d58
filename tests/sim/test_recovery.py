"""Any actor, killed or hung over any message: ready again within the back-off and a bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve, frozen

from actors import names
from actors.letters import Office
from actors.messages.risk import ExposureReport
from actors.runtime import Actor, ChildSpec, SupervisorSpec
from core.letters import Letter
from core.messages import Key, MarkPrice
from tests.core.samples import D
from tests.sim.house import House
from tests.sim.invariants import Watchman
from tests.sim.settling import settle
from tests.sim.test_kills_and_hangs import ADDRESSES, live_on
from tests.sim.test_whole_host import host, trading
from tests.sim.world import SECOND_NS, VENUE

BOUND_NS = 3 * SECOND_NS  # beyond the back-off: journal, venue, comparison, over a lossless wire
NTH = (1, 2, 5, 13)
BTC, BNB = Key(VENUE, "BTCUSDT"), Key(VENUE, "BNBUSDT")


def run_until(house: House, look: Callable[[], bool], within_s: float) -> None:
    for _ in range(int(within_s * 100)):
        if look():
            return
        house.run(0.01)
    raise AssertionError(house.tail())


def break_at(house: House, address: str, nth: int, how: Callable[[], None]) -> None:
    """Do this to an actor before the n-th message from now on."""
    seat = house.runtime.seats[address]
    wanted = seat.taken() + nth - 1
    while seat.taken() < wanted:
        stir(house, address)
        assert house.runtime.step()
    how()
    stir(house, address)


def stir(house: House, address: str) -> None:
    """Give the one that hears nothing for hours something to hear."""
    if address == "stream:binance:account":
        house.world.lose_streams(house.world.account_pipes)


def dies_over_the_next_message(house: House, address: str) -> None:
    def raises(message: object) -> None:
        raise RuntimeError("a defect")

    context = house.runtime.seats[address].context
    assert context is not None
    context.handle = raises


def check_recovered(house: House, address: str, generation: int, within_s: float) -> None:
    seats, settings = house.runtime.seats, house.config.supervision
    run_until(house, lambda: seats[address].generation > generation, within_s)
    run_until(house, lambda: {s.state for s in seats.values()} == {"running"}, 10)
    longest_ns = settings.backoff_max_ms * 1_000_000 + BOUND_NS
    for seat in seats.values():
        assert (seat.recovery_ns or 0) <= longest_ns, seat.name
    assert seats[address].recovery_ns
    assert house.said("ms after its end, generation")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_part_that_dies_over_its_nth_message_is_ready_again_in_time(address: str) -> None:
    house = host(11)
    watchman = Watchman(house, bare_limit_ns=8 * SECOND_NS)
    house.start()
    house.ready()
    for nth in NTH:
        generation = house.runtime.seats[address].generation
        break_at(house, address, nth, lambda: dies_over_the_next_message(house, address))
        check_recovered(house, address, generation, within_s=70)
        live_on(house, watchman, 1)
    settle(house, watchman)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_part_that_hangs_over_its_nth_message_is_replaced_in_time(address: str) -> None:
    house = host(12)
    watchman = Watchman(house, bare_limit_ns=150 * SECOND_NS)
    house.start()
    house.ready()
    generation = house.runtime.seats[address].generation
    break_at(house, address, 4, lambda: house.runtime.hang(address))
    check_recovered(house, address, generation, within_s=180)
    house.runtime.wake(address)
    live_on(house, watchman, 2)
    settle(house, watchman)
    house.assert_books_equal_exchange()


def test_reports_that_waited_for_a_risk_that_died_do_not_kill_the_next_one() -> None:
    house = trading(14)
    generation = house.runtime.seats[names.RISK].generation
    kept = house.position().desk.holdings
    house.runtime.kill(names.RISK, RuntimeError("killed"))
    house.runtime.run_until_idle()
    for _ in range(3):
        house.runtime.tell(names.RISK, MarkPrice(BTC, D(60_000), D(60_000), D(0), 0, 0))
        house.runtime.tell(names.RISK, ExposureReport(BTC, tuple(kept), (), ()))
    house.run(5)
    assert house.runtime.outcome is None
    assert house.runtime.seats[names.RISK].generation == generation + 1


def test_a_position_that_an_earlier_risk_was_told_of_is_not_known_to_the_next_one() -> None:
    """Seed 61 of the days."""
    house = trading(14)
    seat = house.runtime.seats[names.RISK]
    generation = seat.generation
    house.runtime.kill(names.RISK, RuntimeError("killed"))
    house.runtime.run_until_idle()
    house.runtime.tell(names.RISK, ExposureReport(BTC, (), (), (), reset=True))
    assert house.runtime.run_until(lambda: seat.generation > generation and not seat.mailbox.queue)
    assert house.risk().generation == generation + 1
    assert BTC in house.risk().pauses.unreported
    house.run(5)
    assert not house.risk().pauses.unreported
    assert not house.status()["paused"]


@frozen
class Bad:
    """A message about a symbol that whoever reads it dies of."""

    key: Key


def dies_of_bad(spec: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
    """Let every actor of a tree die of it."""
    if isinstance(spec, SupervisorSpec):
        return evolve(spec, children=tuple(dies_of_bad(child) for child in spec.children))
    factory = spec.factory
    assert not isinstance(factory, SupervisorSpec)

    def make() -> Actor:
        actor = factory()
        handle = actor.handle

        def handle_but_bad(message: object) -> None:
            if isinstance(message, Bad):
                raise RuntimeError("poison")
            handle(message)

        actor.handle = handle_but_bad  # type: ignore[method-assign]
        return actor

    return evolve(spec, factory=make)


def with_office(house: House) -> list[Letter]:
    """Start a host whose dead letters are heard as `run.py` hears them; return those kept."""
    kept: list[Letter] = []
    house.adapt = lambda tree: dies_of_bad(tree)  # type: ignore[return-value, assignment]
    house.start()
    runtime, settings = house.runtime, house.config.supervision
    office = Office(
        settings.poison_after,
        int(settings.window_s * SECOND_NS),
        kept.append,
        runtime.tell,
        house.log,
    )

    def heard(reason: str, to: str, message: object) -> None:
        office.hear(reason, to, message, runtime.now_ns(), runtime.monotonic_ns(), kept=True)

    runtime.dead_letters.on_dead_letter = heard
    return kept


def check_paused(house: House, *keys: Key, within_s: float = 5.0) -> None:
    """These symbols are paused, once markets have read their first frames and status knows."""
    deadline_ns = house.runtime.monotonic_ns() + int(within_s * SECOND_NS)
    while (paused := list(house.status()["paused"])) != list(map(str, keys)):
        assert house.runtime.monotonic_ns() < deadline_ns, paused
        house.run(0.1)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_message_that_kills_its_reader_again_and_again_pauses_its_symbol_alone(
    address: str,
) -> None:
    house = host(13, "BTCUSDT", "BNBUSDT")
    kept = with_office(house)
    house.ready()
    house.run(5)
    for nth in range(1, house.config.supervision.poison_after + 1):
        check_paused(house)
        generation = house.runtime.seats[address].generation
        house.runtime.tell(address, Bad(BTC))
        check_recovered(house, address, generation, within_s=20)
        bad = [letter for letter in kept if letter.kind == "Bad"]
        assert [(letter.reason, letter.to) for letter in bad] == [("poison", address)] * nth
        house.run(1)
    check_paused(house, BTC)
    sent = len(house.world.sent)
    house.run(10)
    since = {one.order.key for one in house.world.sent[sent:] if one.order.purpose.value == "entry"}
    assert since == {BNB}
    assert house.runtime.outcome is None
