"""The equity stop in the running host: what makes it look, what trips it, what it outlives."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from actors import names
from actors.losses import Losses
from actors.messages.lanes import BarsRead
from actors.messages.operations import Tick
from actors.messages.risk import CallsTold, ExposureReport, Operate, Propose, WalletTold
from core.account import Unknown
from core.config import Canary
from core.config import Losses as LossTable
from core.errors import Unreachable
from core.messages import (
    Bar,
    Fill,
    Key,
    MarkPrice,
    OrderType,
    PlaceOrder,
    PositionSide,
    Quote,
    Side,
)
from core.positions import unrealised_pnl
from core.records import EquityMarked, OperatorCommanded
from core.risk.halt import EQUITY_STOP, Level
from tests.sim.house import House
from tests.sim.test_protection import held, still
from tests.sim.test_whole_host import entries, trading
from tests.sim.venue import SimVenue
from tests.sim.world import VENUE

D = Decimal
LITTLE = {"losses": LossTable(max_daily_loss_percent=D("0.5"), max_drawdown_percent=D("0.6"))}


def price_of_ruin(house: House) -> Decimal:
    """Return the mark at which what is held has lost more than half a percent of 10,000 USDT."""
    held_now = house.risk().risk.exposure.held(house.world.keys[0])
    mark = house.risk().risk.facts.marks[house.world.keys[0]][0]
    for factor in ("0.5", "1.5", "0.1", "3"):
        price = mark * D(factor)
        if sum(unrealised_pnl(each, price) for each in held_now) < -60:
            return price
    raise AssertionError(held_now)


def crash(house: House) -> None:
    """Bring a ruinous mark to risk, and nothing else."""
    risk, key = house.risk(), house.world.keys[0]
    price = price_of_ruin(house)
    risk.handle(MarkPrice(key, price, price, D(0), 0, 0))


def wallet(house: House) -> WalletTold:
    told = house.risk().losses._purses[VENUE].told
    assert told is not None
    return told


def a_bar(house: House) -> object:
    return Bar(house.world.keys[0], 60_000_000_000, 0, D(1), D(1), D(1), D(1), D(1), True)


def bars_read(house: House) -> object:
    return BarsRead(house.world.keys[0], ())


def a_report(house: House) -> object:
    key = house.world.keys[0]
    exposure = house.risk().risk.exposure
    return ExposureReport(key, exposure.held(key), tuple(exposure.orders(key)), ())


def a_failed_call(house: House) -> object:
    return CallsTold(VENUE, names.cancels_lane(VENUE), 0, 1, "no answer in time")


def a_refusal(house: House) -> object:
    key = Key(VENUE, "NONEUSDT")
    order = PlaceOrder(key, "x", Side.BUY, PositionSide.LONG, OrderType.LIMIT, D(1), price=D(1))
    return Propose(order, names.strategy("grid", house.world.keys[0]))


def the_wallet(house: House) -> object:
    return wallet(house)


def the_timer(house: House) -> object:
    return Tick("look")


TRIGGERS: list[Callable[[House], object]] = [
    a_bar,
    bars_read,
    a_report,
    a_failed_call,
    a_refusal,
    the_wallet,
    the_timer,
]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_each_of_them_alone_makes_it_look_and_trip(trigger: Callable[[House], object]) -> None:
    house = still(1, risk=LITTLE)
    crash(house)
    assert house.risk().risk.halt.level is Level.RUNNING, "a mark alone is not looked at"
    house.risk().handle(trigger(house))
    halt = house.risk().risk.halt
    assert (halt.level, halt.by, halt.latched) == (Level.HALTED, EQUITY_STOP, True)
    assert "daily loss of" in halt.reason and "risk.losses.max_daily_loss_percent" in halt.reason


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_without_the_look_none_of_them_trips_it(
    trigger: Callable[[House], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = still(1, risk=LITTLE)
    monkeypatch.setattr(Losses, "look", lambda losses: None)
    crash(house)
    house.risk().handle(trigger(house))
    assert house.risk().risk.halt.level is Level.RUNNING


def test_good_calls_are_no_reason_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    house = still(1)
    looks: list[int] = []
    monkeypatch.setattr(Losses, "look", lambda losses: looks.append(1))
    house.risk().handle(CallsTold(VENUE, names.cancels_lane(VENUE), 20, 0))
    assert not looks


def test_a_trip_ends_entries_and_keeps_positions_protected() -> None:
    house = still(2, risk=LITTLE)
    crash(house)
    house.risk().handle(the_timer(house))
    rows = {row.name: row for row in house.risk().losses.limits()}
    row = rows[f"max_daily_loss_percent.{VENUE}"]
    assert (row.limit, row.headroom) == (D("0.5"), 0) and row.value > D("0.5")  # type: ignore[operator]
    house.run(2)
    assert not entries(house)
    for side, quantity in held(house).items():
        assert house.stops(side) == [abs(quantity)]


def test_where_configured_a_trip_closes_everything() -> None:
    action = evolve(LITTLE["losses"], action="flatten")
    house = still(3, risk={"losses": action})
    crash(house)
    house.run(10)
    assert not held(house)
    assert house.said("flatten (equity stop): the venue says flat")


@pytest.mark.parametrize("mode", ["paper", "testnet"])
def test_it_outlives_the_host_and_measures_from_where_it_was(mode: str) -> None:
    house = still(1, risk=LITTLE, mode=mode)
    before = house.risk().losses._purses[VENUE].stop.marked
    crash(house)
    house.run(1.5)
    assert house.risk().risk.halt.latched
    house.crash()
    house.start()
    house.ready()
    house.world.frozen.clear()
    house.run(20)
    halt, marked = house.risk().risk.halt, house.risk().losses._purses[VENUE].stop.marked
    assert (halt.level, halt.by) == (Level.HALTED, EQUITY_STOP)
    assert not entries(house)
    assert before is not None and marked is not None
    assert (marked.day_start, marked.day) == (before.day_start, before.day)
    assert marked.peak >= before.peak / D("1.001"), "a peak that creeps is not always written"


def reset(house: House) -> dict[str, object]:
    answers: list[dict[str, object]] = []
    house.risk().handle(Operate("reset-halt", answers.append))
    house.run(0.1)
    assert len(answers) == 1
    return answers[0]


def test_an_operators_reset_counts_losses_anew() -> None:
    house = still(1, risk=LITTLE)
    crash(house)
    house.run(0.2)
    house.world.frozen.clear()
    house.run(1.2)
    assert house.risk().risk.halt.latched
    assert "done" in reset(house)
    house.run(3)
    assert house.risk().risk.halt.level is Level.RUNNING
    kinds = (EquityMarked, OperatorCommanded)
    last = [r.payload for r in house.journal.records if isinstance(r.payload, kinds)][-2:]
    assert {type(payload) for payload in last} == set(kinds)
    marked = house.risk().losses._purses[VENUE].stop.marked
    assert marked is not None and marked.peak < 10_100
    house.crash()
    house.start()
    house.ready()
    house.run(5)
    assert house.risk().risk.halt.level is Level.RUNNING
    assert entries(house)


def test_a_reset_while_the_equity_is_unknown_is_refused() -> None:
    house = still(1, risk=LITTLE)
    crash(house)
    house.run(6)
    assert isinstance(house.risk().risk.facts.equity, Unknown)
    answer = reset(house)
    assert "no mark price of binance:BTCUSDT" in str(answer["error"])
    assert house.risk().risk.halt.level is Level.HALTED


# What is no loss


def test_a_transfer_is_neither_loss_nor_gain() -> None:
    house = still(1, risk=LITTLE)
    risk, told = house.risk(), wallet(house)
    for moved in (-5_000, 20_000, -1):
        risk.handle(evolve(told, wallet=told.wallet + moved, transfers=told.transfers + moved))
        for _ in range(30):
            house.run(0.1)
            keep_marked(house)
        rows = {row.name: row for row in risk.losses.limits()}
        assert rows[f"max_drawdown_percent.{VENUE}"].value < D("0.05")  # type: ignore[operator]
    assert risk.risk.halt.level is Level.RUNNING


def keep_marked(house: House) -> None:
    """Say the same mark and quote again, so that they stay young in a market that stands still."""
    risk, key = house.risk(), house.world.keys[0]
    price = risk.risk.facts.marks[key][0]
    risk.handle(MarkPrice(key, price, price, D(0), 0, 0))
    risk.handle(Quote(key, price, D(1), price, D(1), 0, 0, 0))


def test_a_wallet_that_shrinks_for_no_known_reason_is_a_loss_once_it_stands_still() -> None:
    house = still(1, risk=LITTLE)
    risk, told = house.risk(), wallet(house)
    risk.handle(evolve(told, wallet=told.wallet - 200))
    assert risk.risk.halt.level is Level.RUNNING, "a fill may be on its way that explains it"
    for _ in range(25):
        house.run(0.1)
        keep_marked(house)
        if risk.risk.halt.level is not Level.RUNNING:
            break
    assert risk.risk.halt.by == EQUITY_STOP


@pytest.mark.parametrize("seed", range(3))
def test_a_fill_that_shows_in_one_place_first_is_neither_peak_nor_loss(seed: int) -> None:
    house = trading(seed, 0.5)
    exchange, most, least = house.world.exchange, D(0), D(10**9)
    for _ in range(1_200):
        house.run(0.05)
        figures = exchange.account("USDT")
        most = max(most, figures.margin_balance)
        least = min(least, figures.margin_balance)
        equity = house.risk().risk.facts.equity
        assert isinstance(equity, Decimal)
        assert least - 1 < equity < most + 1, "within a second's move of what is held"
    marked = [r.payload for r in house.journal.records if isinstance(r.payload, EquityMarked)]
    assert len(exchange.trades("BTCUSDT")) > 10
    assert all(payload.peak <= most + 1 for payload in marked)
    assert len(marked) <= 4, "a creeping peak is written now and then only"


# What nobody knows


def test_an_unknown_equity_opens_nothing_and_a_known_one_goes_on() -> None:
    house = trading(2)
    house.world.frozen = set(house.world.keys)
    house.run(12)
    assert isinstance(house.risk().risk.facts.equity, Unknown)
    assert house.said("equity unknown: no mark price of binance:BTCUSDT")
    assert not entries(house)
    rows = {row["name"]: row for row in house.status()["limits"]}
    assert rows[f"max_drawdown_percent.{VENUE}"]["value"] is None
    house.world.frozen.clear()
    house.run(8)
    assert house.said("resumed after: equity unknown")
    assert entries(house)


def test_a_canary_halts_at_its_small_loss() -> None:
    canary = Canary(enabled=True, max_order_notional=D(250), max_loss=D(20))
    house = still(1, risk={"canary": canary})
    crash(house)
    house.run(1.2)
    halt = house.risk().risk.halt
    assert (halt.level, halt.latched) == (Level.HALTED, True)
    assert "risk.canary.max_loss" in halt.reason
    rows = {row["name"]: row for row in house.status()["limits"]}
    assert rows[f"canary.max_loss.{VENUE}"]["limit"] == "20"


def test_what_stops_lost_while_the_account_stream_was_down_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = trading(1, 12)
    world, key = house.world, house.world.keys[0]
    fills, unreadable = SimVenue.fills, [True]

    def slow(venue: SimVenue, *asked: Any, **also: Any) -> tuple[Fill, ...]:
        if unreadable:
            raise Unreachable("no answer in time", venue=VENUE)
        return fills(venue, *asked, **also)

    monkeypatch.setattr(SimVenue, "fills", slow)
    world.lose_streams(list(world.account_pipes))
    world.streams_down = True
    before = world.exchange.account("USDT").margin_balance
    world.shock(key, -250 if held(house).get(PositionSide.LONG) else 250)
    house.run(2)
    lost = before - world.exchange.account("USDT").margin_balance
    world.streams_down = False
    house.runtime.tell(names.account(VENUE), Tick("refresh"))
    worst = D(0)
    for step in range(80):
        if step == 20:
            unreadable.clear()
        house.run(0.25)
        shown = house.risk().losses.equity(VENUE)
        if isinstance(shown, D):
            worst = max(worst, world.exchange.account("USDT").margin_balance - shown)
    assert lost > 3 and worst < lost / 3
