"""The account: transfers are no gains, the books equal the wallet, strangers are told of."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from attrs import evolve

from actors.account import AccountActor
from actors.messages.operations import Tick
from actors.messages.risk import ForeignFound, WalletTold
from actors.runtime import Actor
from core.config import Guards
from core.ids import make
from core.messages import Key, OrderType, PlaceOrder, PositionSide, Purpose, Side
from core.records import Reconciled, Transferred, WalletAdjusted, WalletDiffered
from core.risk.halt import Cause, Level
from tests.sim.house import House, config
from tests.sim.test_protection import held, still
from tests.sim.test_whole_host import host, trading
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS, VENUE, World

BTC, ETH = Key(VENUE, "BTCUSDT"), Key(VENUE, "ETHUSDT")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What accounts and positions tell."""
    heard: list[object] = []
    tell = Actor.tell

    def hear(actor: Actor, to: str, message: object) -> None:
        if isinstance(message, (WalletTold, ForeignFound)):
            heard.append(message)
        tell(actor, to, message)

    monkeypatch.setattr(Actor, "tell", hear)
    yield heard


def wallets(told: list[object]) -> list[WalletTold]:
    return [message for message in told if isinstance(message, WalletTold)]


def made(told: list[object], before: WalletTold) -> Decimal:
    """Return the largest gain or loss that anybody could read from the wallets; funding is less."""
    results = (message.wallet - message.transfers for message in wallets(told))
    return max(abs(result - (before.wallet - before.transfers)) for result in results)


def strangers(told: list[object]) -> list[ForeignFound]:
    return [message for message in told if isinstance(message, ForeignFound)]


def move(house: House, amount: int, *, quietly: bool = False) -> None:
    """Put money into the account, or take it out."""
    events = house.world.exchange.deposit("USDT", Decimal(amount), house.world.venue_ns())
    if not quietly:
        house.world.emit(events)


def records(house: House, kind: type) -> list[object]:
    return [r.payload for r in house.journal.records if isinstance(r.payload, kind)]


# The wallet


def test_the_wallet_is_told_at_every_change_and_every_reading(told: list[object]) -> None:
    house = host(1)
    house.start()
    house.ready()
    first = wallets(told)[0]
    assert (first.wallet, first.transfers, first.available) == (10_000, 0, 10_000)
    house.run(25)
    assert len(wallets(told)) > 3 + len(house.world.exchange.trades("BTCUSDT"))
    assert wallets(told)[-1].initial_margin is not None


@pytest.mark.parametrize("amount", [500, -500])
def test_a_transfer_is_told_with_the_wallet_that_contains_it(
    told: list[object], amount: int
) -> None:
    house = still(1)
    before = wallets(told)[-1]
    told.clear()
    move(house, amount)
    house.run(30)
    assert made(told, before) < 1, "neither a gain nor a loss, at no time"
    assert wallets(told)[-1].transfers == amount
    (booked,) = records(house, Transferred)
    assert isinstance(booked, Transferred) and booked.amount == amount
    house.quiesce(45)
    house.assert_books_equal_exchange()


def test_a_transfer_that_no_frame_told_of_is_found_by_the_readings(told: list[object]) -> None:
    house = still(1)
    before = wallets(told)[-1]
    move(house, -500, quietly=True)
    house.run(30)
    assert wallets(told)[-1].transfers == -500
    assert made([wallets(told)[-1]], before) < 1


def test_a_transfer_while_no_host_was_there_is_known_before_the_first_word(
    told: list[object],
) -> None:
    house = still(1)
    before = wallets(told)[-1]
    house.crash()
    house.world.pass_alone(SECOND_NS)
    move(house, 750)
    told.clear()
    house.start()
    house.ready()
    house.run(5)
    assert {message.transfers for message in wallets(told)} == {750}
    assert made(told, before) < 1
    house.crash()
    told.clear()
    house.start()
    house.ready()
    assert {message.transfers for message in wallets(told)} == {750}, "known from the journal"
    assert len(records(house, Transferred)) == 1


def test_a_transfer_whose_booking_cannot_be_read_counts_all_the_same(told: list[object]) -> None:
    house = still(1)
    before = wallets(told)[-1]
    house.world.faults.rates["bookings"] = 1.0
    told.clear()
    move(house, -500)
    house.run(20)
    assert made(told, before) < 1
    house.world.faults.rates.clear()
    house.run(60)
    assert len(records(house, Transferred)) == 1
    assert wallets(told)[-1].transfers == -500


@pytest.fixture
def listed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the venue list bookings five seconds after they are made."""
    bookings = SimVenue.bookings

    def late(venue: SimVenue, since_ns: int) -> tuple[Transferred | WalletAdjusted, ...]:
        until_ns = venue.world.venue_ns() - 5 * SECOND_NS
        return tuple(each for each in bookings(venue, since_ns) if each.time_ns < until_ns)

    monkeypatch.setattr(SimVenue, "bookings", late)


@pytest.mark.usefixtures("listed_late")
@pytest.mark.parametrize("quietly", [False, True], ids=["streamed after it", "never streamed"])
def test_a_withdrawal_that_a_reading_saw_first_is_no_loss(
    told: list[object], quietly: bool
) -> None:
    house = trading(1, 12)
    house.runtime.tell("account:binance", Tick("refresh"))
    move(house, -500, quietly=quietly)
    for _ in range(60):
        house.run(0.5)
        assert house.risk().risk.halt.level is Level.RUNNING
    assert wallets(told)[-1].transfers == -500
    equity = house.risk().losses.equity(VENUE)
    assert isinstance(equity, Decimal) and 9_400 < equity < 9_600


def test_money_that_went_without_any_booking_is_a_loss_once_that_is_certain() -> None:
    house = trading(1, 12)
    house.world.exchange._floor.wallets["USDT"] -= 500
    house.runtime.tell("account:binance", Tick("refresh"))
    house.run(15)
    assert house.risk().risk.halt.level is Level.RUNNING
    house.run(75)
    assert house.risk().risk.halt.latched


def test_the_age_of_an_account_is_that_of_its_last_reading(told: list[object]) -> None:
    house = still(1)
    house.runtime.tell("account:binance", Tick("refresh"))
    house.run(1)
    read_ns = house.risk().risk.facts.accounts_ns[VENUE]
    house.world.faults.rates["read"] = 1.0
    told.clear()
    move(house, 5)
    house.run(12)
    assert {message.transfers for message in wallets(told)} == {5}, "the stream was heard"
    assert house.risk().risk.facts.accounts_ns[VENUE] == read_ns


def test_a_transfer_of_another_asset_is_booked_once_and_moves_no_figure(
    told: list[object],
) -> None:
    house = still(1)
    now_ns = house.world.venue_ns()
    house.world.emit(house.world.exchange.deposit("BNB", Decimal(3), now_ns))
    house.run(700)
    (booked,) = records(house, Transferred)
    assert isinstance(booked, Transferred) and booked.asset == "BNB"
    assert wallets(told)[-1].transfers == 0


def force(house: House, side: PositionSide) -> None:
    """Have the exchange close a side as it does when its margin is used up."""
    exchange = house.world.exchange
    symbol = exchange._floor.symbol("BTCUSDT")
    exchange._settlement.close_out(symbol, side, house.world.venue_ns())
    house.world.emit(exchange._take_events())


def test_after_a_liquidation_the_books_equal_the_wallet(told: list[object]) -> None:
    house = still(1)
    side = next(iter(held(house)))
    force(house, side)
    house.run(2)
    assert side not in held(house)
    (fee,) = records(house, WalletAdjusted)
    assert isinstance(fee, WalletAdjusted) and fee.amount < 0
    assert "the venue closed by force" in strangers(told)[0].text
    house.quiesce(45)
    house.assert_books_equal_exchange()
    assert not records(house, WalletDiffered)


def test_a_wallet_that_stays_different_is_journalled_and_logged_once_with_both_sides() -> None:
    house = still(1)
    floor = house.world.exchange._floor
    floor.wallets["USDT"] += 7
    house.run(100)
    (differed,) = records(house, WalletDiffered)
    assert isinstance(differed, WalletDiffered) and differed.stated - differed.ours == 7
    (line,) = house.said("wallet differs")
    assert line.level == "error"


@pytest.mark.parametrize("seed", range(3))
def test_a_wallet_that_changes_all_the_time_differs_from_nothing(seed: int) -> None:
    house = trading(seed, 90)
    assert not records(house, WalletDiffered)


def test_an_account_whose_bookings_cannot_be_read_is_not_ready() -> None:
    house = host(1)
    house.world.faults.rates["bookings"] = 1.0
    house.start()
    house.run(10)
    assert not house.world.sent
    house.world.faults.rates.clear()
    house.run(10)
    assert house.world.sent


# Strangers


def order(key: Key, name: str, kind: OrderType = OrderType.LIMIT) -> PlaceOrder:
    limit = kind is OrderType.LIMIT
    price = Decimal(60_000) if key == BTC else Decimal(3_300)
    return PlaceOrder(
        key,
        name,
        Side.BUY,
        PositionSide.LONG,
        kind,
        Decimal("0.05"),
        price=price if limit else None,
    )


def by_hand(house: House, *orders: PlaceOrder, quietly: bool = False) -> None:
    for each in orders:
        placed = house.world.exchange.place(each, house.world.venue_ns())
        if not quietly:
            house.world.emit(placed.events)


def test_another_programs_order_is_told_of_once_and_left_alone(told: list[object]) -> None:
    house = still(1)
    by_hand(house, order(BTC, "theirs"))
    house.run(30)
    (found,) = strangers(told)
    assert (found.symbol, "theirs" in found.text) == ("BTCUSDT", True)
    resting = {each.client_order_id for each in house.world.exchange.open_orders("BTCUSDT")}
    assert "theirs" in resting
    assert "theirs" not in house.position().book.live
    told.clear()
    house.crash()
    house.start()
    house.ready()
    house.run(3)
    assert len(strangers(told)) == 1, "a host that starts tells of what is still there"


def test_what_a_stranger_bought_is_held_protected_and_told_of(told: list[object]) -> None:
    house = still(1)
    before = held(house).get(PositionSide.LONG, Decimal(0))
    by_hand(house, order(BTC, "theirs", OrderType.MARKET))
    house.run(3)
    assert held(house)[PositionSide.LONG] == before + Decimal("0.05")
    assert sum(house.stops(PositionSide.LONG)) == before + Decimal("0.05")
    assert [found.symbol for found in strangers(told)] == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("sequence", "kind"),
    [(1, OrderType.LIMIT), (1, OrderType.MARKET), (0, OrderType.LIMIT)],
    ids=["rests", "fills", "of a used number"],
)
def test_an_order_under_our_names_that_we_never_made_is_another_hosts(
    told: list[object], sequence: int, kind: OrderType
) -> None:
    house = still(1)
    house.run(10)
    book = house.position().book
    sequence = book.next_sequence("grid") + 5 if sequence else 0
    name = make("sim", "grid", "BTCUSDT", sequence, attempt=7)
    by_hand(house, order(BTC, name, kind))
    house.run(60)
    (found,) = strangers(told)
    assert "another host of our names trades this account" in found.text
    assert name in found.text
    assert {line.level for line in house.said("another host of our names")} == {"error", "warning"}


def test_orders_that_the_journal_lost_are_taken_over_as_ours(told: list[object]) -> None:
    house = trading(1)
    house.crash()
    journal = house.journal
    assert journal.lose(lambda record: record.key is not None)
    house.start()
    house.ready()
    house.run(60)
    assert house.said("was not in the journal")
    assert not house.said("another host")
    assert not [one for one in strangers(told) if "another host" in one.text]


@pytest.mark.parametrize("quietly", [False, True], ids=["streamed", "read"])
def test_orders_and_positions_in_symbols_that_nobody_trades_are_told_of_once_each(
    told: list[object], quietly: bool
) -> None:
    house = House(World(1, ("BTCUSDT", "ETHUSDT")), config(("BTCUSDT",)), seed=1)
    house.world.exchange.set_hedge_mode(True, house.world.venue_ns())
    by_hand(house, order(ETH, "rests"), order(ETH, "takes", OrderType.MARKET), quietly=quietly)
    house.start()
    house.ready()
    house.run(700 if quietly else 30)
    found = strangers(told)
    assert {message.symbol for message in found} == {"ETHUSDT"}
    assert sorted(message.text.split()[0] for message in found) == ["order", "position"]
    assert house.world.exchange.open_orders("ETHUSDT")


def test_a_stranger_that_goes_on_after_a_reset_halts_again() -> None:
    settings = config(("BTCUSDT",), risk={"guards": Guards(foreign_activity="stop")})
    house = House(World(1, ("BTCUSDT", "ETHUSDT")), settings, seed=1)
    house.start()
    house.ready()
    for name in ("first", "second"):
        by_hand(house, order(ETH, name, OrderType.MARKET))
        house.run(2)
        assert house.risk().risk.halt.latched, name
        house.risk().halting.because(Cause.OPERATOR, "reset-halt")
        house.run(40)
        assert not house.risk().risk.halt.latched, "what was told of before is not told again"


def test_a_position_that_stays_different_is_told_of_once(told: list[object]) -> None:
    house = still(1)
    side = next(iter(held(house)))
    sides = house.position().book.positions._sides
    sides[side] = evolve(sides[side], quantity=Decimal(0))
    house.run(120)
    (found,) = strangers(told)
    assert "position differs from the venue's" in found.text
    assert [r for r in records(house, Reconciled) if isinstance(r, Reconciled) and r.differences]


def test_the_account_starts_anew_without_telling_again_what_the_journal_knows() -> None:
    house = still(1)
    move(house, 100)
    house.run(15)
    house.runtime.kill("account:binance", RuntimeError("killed"))
    house.run(10)
    assert len(records(house, Transferred)) == 1
    assert house.actor("account:binance", AccountActor).transfers.within(10**20) == 100


def test_another_programs_order_in_a_symbol_nobody_trades_is_known_before_the_first_decision(
    told: list[object],
) -> None:
    house = House(World(7, ("BTCUSDT", "ETHUSDT")), config(("BTCUSDT",)), seed=7)
    house.start()
    house.ready()
    house.crash()
    by_hand(house, order(ETH, "theirs"), quietly=True)
    told.clear()
    house.world.sent.clear()
    house.start()
    while not house.world.sent:
        assert house.runtime.step()
    (found,) = strangers(told)
    assert (found.symbol, "theirs" in found.text) == ("ETHUSDT", True)


def test_without_the_transfers_a_start_protects_and_opens_nothing() -> None:
    house = trading(2)
    house.crash()
    house.world.faults.script("bookings", *["rate_limited"] * 6)
    before = len(house.world.sent)
    house.start()
    house.ready()
    for stop in house.world.exchange.open_conditionals():
        house.world.exchange.cancel_conditional(
            house.world.venue_ns(), client_order_id=stop.client_order_id
        )
    while house.world.faults.scripted["bookings"]:
        house.run(0.1)
    meanwhile = {sent.order.purpose for sent in house.world.sent[before:]}
    assert Purpose.PROTECT in meanwhile and Purpose.ENTRY not in meanwhile
    house.run(30)
    assert Purpose.ENTRY in {sent.order.purpose for sent in house.world.sent[before:]}
