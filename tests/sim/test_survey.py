"""All positions in one reading: what a silent account stream does not tell is found in time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from attrs import evolve

from actors.echoes import Echoes
from core.config import Guards
from core.errors import OverBudget
from core.messages import Key, PositionReported
from tests.sim.house import House
from tests.sim.invariants import Watchman
from tests.sim.test_operating import operate
from tests.sim.test_protection import held, still
from tests.sim.test_whole_host import host, trading
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Key | None]:
    """Collect what positions are read of: a symbol's, or with None all of them."""
    asked: list[Key | None] = []
    read = SimVenue.positions

    def note(venue: SimVenue, key: Key | None = None) -> tuple[PositionReported, ...]:
        asked.append(key)
        return read(venue, key)

    monkeypatch.setattr(SimVenue, "positions", note)
    return asked


def differing(house: House) -> int:
    return len(house.said("; comparing with the venue"))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_silent_account_stream_leaves_no_side_bare_for_longer_than_allowed(seed: int) -> None:
    house = host(seed, "BTCUSDT", "ETHUSDT")
    market = evolve(house.config.market, reconcile_every_s=30.0)
    house.config = evolve(house.config, market=market)
    house.start()
    house.ready()
    house.run(5)
    within_s = house.config.execution.protect_within_s
    watchman = Watchman(house, bare_limit_ns=int(within_s * SECOND_NS))
    house.world.faults.account_silent = True
    before = len(house.world.exchange.trades("BTCUSDT"))
    for _ in range(600):
        house.run(0.1)
        watchman.look()
    assert len(house.world.exchange.trades("BTCUSDT")) > before + 10
    assert watchman.longest_bare_ns > SECOND_NS, "the stream was silent for nothing"


def test_a_symbol_that_differs_compares_at_once_and_is_not_told_again_meanwhile() -> None:
    house = still(1)
    house.world.faults.account_silent = True
    side, quantity = next(iter(held(house).items()))
    house.world.frozen.clear()
    house.world.shock(house.world.keys[0], -60 if quantity > 0 else 60)
    house.run(0.3)
    house.world.frozen = set(house.world.keys)
    assert held(house) != {side: quantity}
    house.run(house.config.execution.protect_within_s)
    assert house.position().book.positions.of(side).quantity == house.held(side)
    assert differing(house) <= 2


def test_a_stream_that_tells_nothing_of_a_fill_is_connected_anew(
    monkeypatch: pytest.MonkeyPatch, readings: list[Key | None]
) -> None:
    for other in ("look", "quoted"):
        monkeypatch.setattr(Echoes, other, lambda *_: None)
    house = still(2)
    before = held(house)
    readings.clear()
    while not readings or readings[-1] is not None:
        house.run(0.1)
    house.world.faults.account_silent = True
    house.world.frozen.clear()
    house.world.shock(house.world.keys[0], -60)
    house.run(0.3)
    house.world.frozen = set(house.world.keys)
    assert held(house) != before
    house.run(4)
    assert house.said("doubted: it told BTCUSDT nothing of a fill"), house.tail()


def test_fills_that_the_stream_tells_make_no_symbol_compare() -> None:
    house = trading(2, 60, "BTCUSDT", "ETHUSDT")
    assert house.position().book.positions.seen.count
    assert differing(house) == 0
    assert not house.said("doubted")


@pytest.mark.parametrize("symbols", [("BTCUSDT",), ("BTCUSDT", "ETHUSDT", "SOLUSDT")])
def test_one_reading_serves_all_symbols(
    symbols: tuple[str, ...], readings: list[Key | None]
) -> None:
    house = trading(3, 5, *symbols)
    readings.clear()
    house.run(30)
    every_s = house.config.execution.protect_within_s / 2
    rounds = 30 / house.config.market.reconcile_every_s
    surveys, comparisons, accounts = 30 / every_s, rounds, rounds
    assert surveys - 2 < readings.count(None) <= surveys + comparisons + accounts + 4


def test_nothing_is_read_while_nothing_is_open(readings: list[Key | None]) -> None:
    house = trading(4)
    operate(house, "flatten", within_s=40)
    house.run(1)
    readings.clear()
    house.run(9)
    assert len(readings) <= 3, "the account's own reading, and each symbol's comparison"


def test_a_reading_that_fails_is_asked_again(readings: list[Key | None]) -> None:
    house = trading(5)
    readings.clear()
    house.world.faults.script("positions", *["rate_limited"] * 2)
    house.run(8)
    assert readings.count(None) >= 3


def test_the_status_tells_what_comparing_found_and_how_old_the_last_one_is() -> None:
    house = still(1)
    house.run(2 * house.config.market.reconcile_every_s)
    calm = house.status()["reconciliation"]
    assert calm["found"].get("position", 0) == 0
    assert calm["positions_apart"] == {}
    assert calm["wallets_apart"] == {"binance": "0"}
    assert 0 <= calm["oldest_s"] <= house.config.market.reconcile_every_s + 1

    side = next(iter(held(house)))
    sides = house.position().book.positions._sides
    sides[side] = evolve(sides[side], quantity=sides[side].quantity * 2)
    house.run(house.config.market.reconcile_every_s + 2)
    row = house.status()["symbols"]["binance:BTCUSDT"]
    assert (row["apart"], row["found"]["position"] >= 1) == (str(abs(held(house)[side])), True)
    apart = house.status()["reconciliation"]
    assert apart["positions_apart"] == {"binance:BTCUSDT": str(abs(held(house)[side]))}
    assert apart["found"]["position"] >= 1


def test_a_reading_that_the_budget_holds_back_waits_as_long_as_it_says_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = host(2, risk={"guards": Guards(account_stale_after_ms=3_600_000)})
    market = evolve(house.config.market, reconcile_every_s=1_800.0)
    house.config = evolve(house.config, market=market)
    house.start()
    house.ready()
    asked: list[int] = []
    read = SimVenue.positions

    def refuse(venue: SimVenue, key: Key | None = None) -> tuple[PositionReported, ...]:
        if key is not None:
            return read(venue, key)
        asked.append(house.runtime.monotonic_ns())
        raise OverBudget("no weight left", retry_after_ns=10 * SECOND_NS)

    house.run(25)
    monkeypatch.setattr(SimVenue, "positions", refuse)
    house.run(60)
    assert len(asked) >= 4
    assert all(after - before >= 10 * SECOND_NS for before, after in pairwise(asked))
    assert len(house.said("no weight left")) == 1
