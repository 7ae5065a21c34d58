"""Realised PnL, commission and funding against the venue's income: row by row, told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal as D

import pytest
from attrs import evolve

from actors.income_check import IncomeCheck
from adapters.venues.binance_usdm.emulator.catalogue import listing
from core.exchange import IncomeKind, IncomeRow
from core.income import EarnedRead, Earning
from core.messages import Fill, FundingPaid, Key, OrderType, PlaceOrder, PositionSide, Side
from core.money import text
from core.records import IncomeCompared, IncomeDiffered, Reconciled, WalletDiffered
from tests.sim import world as sim_world
from tests.sim.house import House, config
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS, VENUE, World

BTC, ETH = Key(VENUE, "BTCUSDT"), Key(VENUE, "ETHUSDT")
EQUAL = {"realised_pnl": "0", "commission": "0", "funding": "0"}
TOLD_WITHIN_S = 125 + 60 + 4 * 60 + 30
"""Old enough to be judged, due, four readings, and a report of it."""


def often(*, every_s: float = 60.0, funding_s: int = 30) -> House:
    """Return a host that trades BTC and compares income every minute."""
    plain = config(("BTCUSDT",))
    settings = evolve(plain, market=evolve(plain.market, income_every_s=every_s))
    world = World(1, ("BTCUSDT", "ETHUSDT"), funding_interval_ns=funding_s * SECOND_NS)
    house = House(world, settings, seed=1)
    house.start()
    house.ready()
    return house


def trade_for(house: House, seconds: float) -> None:
    """Trade, then stand still and let all be compared."""
    house.run(seconds)
    house.world.frozen = set(house.world.keys)
    house.run(TOLD_WITHIN_S)


def records(house: House, kind: type) -> list[object]:
    return [r.payload for r in house.journal.records if isinstance(r.payload, kind)]


def told(house: House) -> list[IncomeDiffered]:
    return [each for each in records(house, IncomeDiffered) if isinstance(each, IncomeDiffered)]


def drift(house: House) -> dict[str, object]:
    shown = house.status()["reconciliation"]
    assert isinstance(shown, dict)
    return shown


def rows(house: House, kind: IncomeKind) -> list[IncomeRow]:
    return list(house.world.exchange.income(symbol="BTCUSDT", kind=kind))


def falsify(house: House, row: IncomeRow, amount: D) -> None:
    """Let the venue list another amount than it moved: the wallets are as before."""
    listed = house.world.exchange._floor.income
    listed[listed.index(row)] = evolve(row, amount=amount)


def by_hand(house: House, side: Side, key: Key = BTC) -> None:
    """Trade on the account behind the host's back: no frame tells of it."""
    position = PositionSide.LONG if house.world.exchange.hedge_mode else PositionSide.BOTH
    name = f"hand-{len(house.world.exchange.trades(key.symbol))}"
    order = PlaceOrder(key, name, side, position, OrderType.MARKET, D("0.05"))
    house.world.exchange.place(order, house.world.venue_ns())


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Fills of BTC that the venue does not list among its fills, by their ids."""
    hidden: set[str] = set()
    fills = SimVenue.fills

    def listed(venue: SimVenue, key: Key, **span: object) -> tuple[Fill, ...]:
        found = fills(venue, key, **span)  # type: ignore[arg-type]
        return tuple(fill for fill in found if key != BTC or fill.fill_id not in hidden)

    monkeypatch.setattr(SimVenue, "fills", listed)
    yield hidden


def round_trip(house: House, unlisted: set[str]) -> list[str]:
    """Buy and sell by hand, listed nowhere but in the income; return the ids of the fills."""
    before = len(house.world.exchange.trades("BTCUSDT"))
    by_hand(house, Side.BUY)
    by_hand(house, Side.SELL)
    made = [trade.fill.fill_id for trade in house.world.exchange.trades("BTCUSDT")[before:]]
    unlisted.update(made)
    assert len(made) >= 2
    return made


def assert_money_equals(house: House) -> None:
    """Compare all but orders: those that filled by hand are in no record but their fills."""
    ours, truth = house.books().ledger(), house.world.exchange.ledger()
    assert ours["fills"] == truth["fills"]
    assert (ours["positions"], ours["balances"]) == (truth["positions"], truth["balances"])


# What is equal


@pytest.mark.timeout(240)
def test_what_is_equal_stays_silent_for_an_hour_and_one_reading_serves_all_symbols(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    earned = SimVenue.earned

    def count(venue: SimVenue, since_ns: int, until_ns: int) -> EarnedRead:
        asked.append(until_ns)
        return earned(venue, since_ns, until_ns)

    monkeypatch.setattr(SimVenue, "earned", count)
    symbols = ("BTCUSDT", "ETHUSDT")
    house = House(World(1, symbols, step_ms=2_000), config(symbols), seed=1)
    house.start()
    house.ready()
    assert drift(house)["income_apart"] == {"binance": None}, "not compared yet, so unknown"
    trade_for(house, 3_600)
    compared = [c for c in records(house, IncomeCompared) if isinstance(c, IncomeCompared)]
    spans = [each.until_ns for each in compared]
    assert len(spans) > 8 and spans == sorted(set(spans))
    assert len(asked) == len(spans) <= (3_600 + TOLD_WITHIN_S) / house.config.market.income_every_s
    income = house.world.exchange.income()
    judged = [row for row in income if row.time_ns <= spans[-1]]
    assert len([row for row in judged if row.kind is IncomeKind.COMMISSION]) > 100
    assert {row.symbol for row in judged if row.symbol} == set(symbols)
    assert {"realised_pnl", "commission", "funding_fee"} <= {row.kind.value for row in judged}
    assert not told(house)
    assert drift(house)["income_apart"] == {"binance": EQUAL}
    assert not house.said("income differs") and not house.said("the books lack")


@pytest.mark.parametrize("count", [1, 20])
def test_it_asks_as_often_however_many_symbols_there_are(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the weight 30 and 1 for the clock: about 6 a minute of 2,400."""
    asked: list[int] = []
    earned = SimVenue.earned

    def read(venue: SimVenue, since_ns: int, until_ns: int) -> EarnedRead:
        asked.append(until_ns)
        return earned(venue, since_ns, until_ns)

    monkeypatch.setattr(SimVenue, "earned", read)
    monkeypatch.setattr(sim_world, "listing", lambda venue, name: listing(venue, name, D(100)))
    symbols = tuple(f"C{number}USDT" for number in range(count))
    caps = ("max_symbol_notional", "max_side_notional", "max_net_notional", "max_gross_notional")
    world = World(1, symbols)
    house = House(world, config(symbols, risk=dict.fromkeys(caps, D(10**6))), seed=1)
    house.start()
    house.ready()
    world.frozen = set(world.keys)
    house.run(60)
    asked.clear()
    house.run(900)
    assert 2 <= len(asked) <= 900 / house.config.market.income_every_s


def test_rows_of_symbols_that_no_bot_trades_are_not_compared() -> None:
    house = often()
    by_hand(house, Side.BUY, ETH)
    trade_for(house, 30)
    assert not told(house)
    assert house.world.exchange.income(symbol="ETHUSDT")
    assert drift(house)["income_apart"] == {"binance": EQUAL}


def test_what_was_traded_before_the_books_were_opened_is_not_compared() -> None:
    world = World(1, ("BTCUSDT",))
    world.exchange.set_hedge_mode(True, world.venue_ns())
    house = House(world, config(), seed=1)
    by_hand(house, Side.BUY)
    by_hand(house, Side.SELL)
    world.pass_alone(SECOND_NS)
    house.start()
    house.ready()
    trade_for(house, 600)
    assert records(house, IncomeCompared)
    assert not told(house)


@pytest.mark.parametrize(("late_s", "doubted"), [(90, False), (280, True)])
def test_rows_that_are_listed_late_are_no_difference(
    late_s: int, doubted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    earned = SimVenue.earned
    counted: list[int] = []

    def late(venue: SimVenue, since_ns: int, until_ns: int) -> EarnedRead:
        read = earned(venue, since_ns, until_ns)
        listed_ns = venue.world.venue_ns() - late_s * SECOND_NS
        return evolve(read, rows=tuple(row for row in read.rows if row.time_ns <= listed_ns))

    monkeypatch.setattr(SimVenue, "earned", late)
    doubt = IncomeCheck._doubt

    def doubts(check: IncomeCheck, rows: object) -> None:
        counted.append(len(check._found))
        doubt(check, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(IncomeCheck, "_doubt", doubts)
    house = often()
    trade_for(house, 120)
    assert bool(counted) is doubted
    assert not told(house)


# What differs


@pytest.mark.parametrize("every_s", [60.0, 86_400.0], ids=["by income", "without income"])
def test_a_round_trip_that_was_missed_is_found_although_positions_agree(
    every_s: float, unlisted: set[str]
) -> None:
    house = often(every_s=every_s)
    house.run(30)
    made = set(round_trip(house, unlisted))
    house.run(100)
    assert drift(house)["positions_apart"] == {}
    unlisted.clear()
    trade_for(house, 30)
    known = {fill.fill_id for fill in records(house, Fill) if isinstance(fill, Fill)}
    if every_s > 60:
        assert not made & known, "or the venue's fills were read again, and this shows nothing"
        return
    assert made <= known
    assert not told(house), "explained before it was told"
    missing = [r for r in records(house, Reconciled) if isinstance(r, Reconciled)]
    assert any("was missing" in what for each in missing for what in each.differences)
    assert drift(house)["income_apart"] == {"binance": EQUAL}
    assert_money_equals(house)


def test_a_row_that_no_fill_explains_is_told_once_with_both_sides(unlisted: set[str]) -> None:
    house = often()
    house.run(30)
    made = round_trip(house, unlisted)
    trade_for(house, 30)
    house.run(600)
    booked = [
        row
        for row in house.world.exchange.income(symbol="BTCUSDT")
        if row.fill_id in made and row.amount
    ]
    lacked = [each for each in told(house) if each.ours is None]
    assert [(each.row_id, each.stated) for each in lacked] == [
        (row.fill_id, row.amount) for row in sorted(booked, key=lambda row: (row.time_ns, row.kind))
    ]
    places = [(each.kind, each.row_id) for each in told(house)]
    assert len(places) == len(set(places)), "each row once"
    (line,) = house.said("income differs")
    assert line.level == "error"
    assert "BTCUSDT commission" in line.text and "the books' nothing" in line.text
    shown, found = drift(house), Counter(each.kind.value for each in told(house))
    apart = {
        kind: text(sum((each.apart for each in told(house) if each.kind.value == kind), D(0)))
        for kind in EQUAL
    }
    assert shown["income_apart"] == {"binance": apart} and apart != EQUAL
    assert shown["found"] == {"wallet": 1} | found


def test_a_fill_that_is_listed_after_all_takes_its_rows_out_of_the_figure(
    unlisted: set[str],
) -> None:
    house = often()
    house.run(30)
    round_trip(house, unlisted)
    trade_for(house, 30)
    assert told(house)
    unlisted.clear()
    house.position().book.doubt(house.world.venue_ns() - 3_600 * SECOND_NS)
    house.run(60)
    assert drift(house)["income_apart"] == {"binance": EQUAL}
    assert_money_equals(house)


@pytest.mark.parametrize("kind", [IncomeKind.COMMISSION, IncomeKind.REALISED_PNL])
def test_an_amount_that_is_not_what_the_books_have_is_told_although_the_wallet_agrees(
    kind: IncomeKind,
) -> None:
    house = often()
    house.run(60)
    row = rows(house, kind)[0]
    falsify(house, row, row.amount * 2)
    trade_for(house, 30)
    (differed,) = told(house)
    assert (differed.key, differed.row_id, differed.asset) == (BTC, row.fill_id, "USDT")
    assert (differed.ours, differed.stated) == (row.amount, row.amount * 2)
    assert differed.kind is Earning(kind.value)
    house.run(600)
    assert len(told(house)) == 1 and len(house.said("income differs")) == 1
    apart = drift(house)["income_apart"]
    assert isinstance(apart, dict) and D(apart["binance"][kind.value]) == row.amount
    assert not records(house, WalletDiffered)


def test_amounts_that_even_out_are_told_both() -> None:
    house = often()
    house.run(60)
    first, second = rows(house, IncomeKind.COMMISSION)[:2]
    falsify(house, first, first.amount - 1)
    falsify(house, second, second.amount + 1)
    trade_for(house, 30)
    assert {(each.row_id, each.apart) for each in told(house)} == {
        (first.fill_id, D(-1)),
        (second.fill_id, D(1)),
    }


def test_funding_that_nothing_else_told_of_is_booked_from_the_income(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SimVenue, "funding", lambda venue, key, since_ns: ())
    house = often()
    house.world.faults.account_silent = True
    house.run(90)
    house.world.faults.account_silent = False
    assert not records(house, FundingPaid)
    trade_for(house, 30)
    paid = {
        each.funding_id for each in records(house, FundingPaid) if isinstance(each, FundingPaid)
    }
    due = {str(row.income_id) for row in house.world.exchange.income(kind=IncomeKind.FUNDING_FEE)}
    assert due and due == paid
    assert not told(house)


# Restarts and failures


def test_after_restarts_nothing_is_judged_twice_and_nothing_skipped() -> None:
    house = often()
    falsified: list[str] = []
    for _ in range(4):
        house.run(200)
        row = rows(house, IncomeKind.COMMISSION)[-1]
        falsify(house, row, row.amount - 1)
        falsified.append(row.fill_id)
        house.crash()
        house.world.pass_alone(30 * SECOND_NS)
        house.start()
        house.ready()
    trade_for(house, 30)
    assert sorted(each.row_id for each in told(house)) == sorted(falsified)
    shown = drift(house)["income_apart"]
    assert shown == {"binance": EQUAL | {"commission": str(-len(falsified))}}, "stands over starts"
    spans = [c.until_ns for c in records(house, IncomeCompared) if isinstance(c, IncomeCompared)]
    assert spans == sorted(set(spans))


def test_a_host_that_was_away_for_days_goes_on_where_it_ended() -> None:
    house = often(funding_s=28_800)
    house.run(600)
    row = rows(house, IncomeKind.COMMISSION)[-1]
    falsify(house, row, row.amount - 1)
    house.crash()
    house.world.pass_alone(3 * 86_400 * SECOND_NS)
    before = len(records(house, IncomeCompared))
    house.start()
    house.ready()
    house.world.frozen = set(house.world.keys)
    house.run(4 * 60 + TOLD_WITHIN_S)
    assert [each.row_id for each in told(house)] == [row.fill_id]
    spans = [c.until_ns for c in records(house, IncomeCompared) if isinstance(c, IncomeCompared)]
    assert len(spans) - before >= 4, "a day at a time"
    assert house.world.venue_ns() - spans[-1] < TOLD_WITHIN_S * SECOND_NS


def test_what_cannot_be_read_is_said_once_and_judged_when_it_can_be() -> None:
    house = often()
    house.run(60)
    row = rows(house, IncomeKind.COMMISSION)[0]
    falsify(house, row, row.amount - 1)
    house.world.faults.rates["income"] = 1.0
    trade_for(house, 600)
    assert len([line for line in house.said("reading the account") if line.level == "warning"]) == 1
    assert not told(house) and not records(house, IncomeCompared)
    assert drift(house)["income_apart"] == {"binance": None}
    house.world.faults.rates.clear()
    house.run(TOLD_WITHIN_S)
    assert [each.row_id for each in told(house)] == [row.fill_id]


def test_nothing_is_judged_while_records_wait_for_the_disk() -> None:
    house = often()
    house.run(60)
    house.journal.broken = "disk full"
    before = len(house.world.exchange.trades("BTCUSDT"))
    house.run(900)
    assert len(house.world.exchange.trades("BTCUSDT")) > before, "or nothing waited"
    house.journal.broken = ""
    trade_for(house, 60)
    assert not told(house)
    assert drift(house)["income_apart"] == {"binance": EQUAL}


def test_a_clock_that_was_set_an_hour_ahead_judges_nothing_too_early() -> None:
    house = often()
    house.run(30)
    house.world.jump_host_clock(3_600 * SECOND_NS)
    house.run(300)
    spans = [c.until_ns for c in records(house, IncomeCompared) if isinstance(c, IncomeCompared)]
    assert spans and spans[-1] <= house.world.venue_ns() - 120 * SECOND_NS
    trade_for(house, 60)
    assert not told(house)
    house.assert_books_equal_exchange()


def test_an_account_that_dies_compares_on() -> None:
    house = often()
    for _ in range(3):
        house.run(70)
        house.runtime.kill("account:binance", RuntimeError("killed"))
    trade_for(house, 30)
    assert not told(house)
    assert drift(house)["income_apart"] == {"binance": EQUAL}
