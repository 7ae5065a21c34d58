"""Readiness: each item's judgement, and what stops a start in which mode."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal as D
from typing import Any

import pytest
from attrs import evolve

from core import readiness_account as holds
from core import readiness_host as host
from core import readiness_venue as venue
from core.account import Unknown
from core.addresses import Address
from core.books import Books
from core.config import BinanceVenue, Config, Guards, HedgeGridBot, Paper, Risk, Venues
from core.errors import ConfigError
from core.instruments import Instrument
from core.messages import (
    BalanceUpdated,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PositionReported,
    PositionSide,
    Side,
)
from core.ports import AccountState, ClockSample, Commission, KeyRights, RateUsage, SymbolSettings
from core.readiness import Item, Report, State, fail, ok, warn
from core.records import BooksOpened, EquityMarked, OrderIntended
from core.risk.equity import EquityStop
from core.risk.halt import Halt, Level
from tests.core.samples import BTC, ETH, instrument

MS = 1_000_000
DAY_NS = 86_400 * 10**9
LISTED = instrument()
MODES = ("paper", "testnet", "live")
AT_VENUE = Venues(binance=BinanceVenue(key_env="K", secret_env="S"))


def bot(**changes: Any) -> HedgeGridBot:
    wanted: dict[str, Any] = {"name": "grid", "symbols": ("BTCUSDT",), "strategy": "hedge_grid"}
    return HedgeGridBot(**(wanted | changes))


def config(mode: str = "paper", **changes: Any) -> Config:
    venues = Venues() if mode == "paper" else AT_VENUE
    return Config(**({"mode": mode, "bots": (bot(),), "venues": venues} | changes))


def states(items: Any) -> dict[str, State]:
    return {item.name: item.state for item in items}


# The report


def test_a_report_without_failures_is_ready_in_every_mode():
    for mode in MODES:
        assert Report(mode, (ok("a", "1"),)).ready


@pytest.mark.parametrize(
    ("item", "stops"),
    [
        (ok("a", "1"), ()),
        (warn("a", "1", "m"), ("live",)),
        (warn("a", "1", "m", by_start=True), ()),
        (fail("a", "1", "m"), ("live",)),
        (fail("a", "1", "m", unsafe=True), MODES),
    ],
)
def test_live_needs_every_item_ok_and_other_modes_nothing_unsafe(item: Item, stops: tuple[str]):
    for mode in MODES:
        report = Report(mode, (ok("other", ""), item))
        assert report.stopping == ((item,) if mode in stops else ())


@pytest.mark.parametrize("mode", MODES)
def test_a_report_with_a_failure_is_not_ready_even_where_the_host_would_start_and_wait(mode: str):
    assert not Report(mode, (fail("rest", "no answer", "mend"),)).ready


def test_a_report_for_machines_has_the_four_fields_of_each_item():
    row = Report("paper", (warn("disk", "80 MB", "make room"), ok("halt", "none"))).row()

    assert row == {
        "ready": True,
        "items": [
            {"name": "disk", "state": "warn", "figure": "80 MB", "mend": "make room"},
            {"name": "halt", "state": "ok", "figure": "none", "mend": ""},
        ],
    }


# This machine


def test_a_key_that_nobody_reads_is_named():
    assert host.configuration(config()).state is State.OK
    idle = host.configuration(config(paper=Paper(files=("a.csv",))))
    assert (idle.state, "paper.files" in idle.figure) == (State.WARN, True)


def test_that_nobody_is_alerted_is_said_and_stops_no_start():
    item = host.alerts((), "error", None)

    assert item == ok("alerts", "nobody is alerted: [alerts]")
    assert Report("live", (item,)).ready


def test_a_channel_that_cannot_be_used_stops_every_start():
    problem = ConfigError("U is not set", "alerts.webhook.url_env", "set it")
    item = host.alerts(("webhook",), "error", problem)

    assert not any(Report(mode, (item,)).ready for mode in MODES)
    assert str(item) == "alerts: U is not set (alerts.webhook.url_env) (set it)"
    assert (
        "by webhook, email; nothing was sent"
        in host.alerts(("webhook", "email"), "error", None).figure
    )


def test_a_missing_key_stops_every_start_and_names_every_variable():
    problem = ConfigError("K is not set", "venues.binance.key_env", "set it")
    both = ConfigError(
        "K is not set", "venues.binance.key_env", "set it",
        (ConfigError("S is not set", "venues.binance.secret_env", "set it"),),
    )  # fmt: skip

    for found in (problem, both):
        item = host.keys("testnet", found)
        assert (item.state, item.unsafe) == (State.FAIL, True)
    assert "S is not set (venues.binance.secret_env)" in host.keys("testnet", both).figure
    assert host.keys("testnet", None).state is State.OK
    assert "local exchange" in host.keys("paper", None).figure


@pytest.mark.parametrize(
    ("python", "installed", "wanted"),
    [
        ((3, 11, 7), {"pykka": "4.5.0"}, State.OK),
        ((3, 11, 7), {"pykka": "4.5.12rc1"}, State.OK),
        ((3, 11, 7), {"pykka": "4.6"}, State.FAIL),
        ((3, 11, 7), {"pykka": "4.4.9"}, State.FAIL),
        ((3, 11, 7), {}, State.FAIL),
        ((3, 10, 1), {"pykka": "4.5.0"}, State.FAIL),
    ],
)
def test_libraries_have_to_be_within_their_bounds(
    python: tuple[int, ...], installed: dict[str, str], wanted: State
):
    assert host.libraries(python, installed, {"pykka": ">=4.5,<4.6"}).state is wanted


def test_a_library_without_bounds_only_has_to_be_there_and_an_exact_one_is_exact():
    python = (3, 12, 0)
    assert host.libraries(python, {"certifi": "2026.1"}, {"certifi": ""}).state is State.OK
    assert host.libraries(python, {"a": "1.2"}, {"a": "==1.2.0"}).state is State.OK
    assert host.libraries(python, {"a": "1.2.1"}, {"a": "==1.2.0"}).state is State.FAIL


@pytest.mark.parametrize(
    ("free", "wanted", "unsafe"),
    [
        (host.DISK_ROOM, State.OK, False),
        (host.DISK_ROOM - 1, State.WARN, False),
        (host.DISK_LOW - 1, State.FAIL, False),
        (host.DISK_NONE - 1, State.FAIL, True),
    ],
)
def test_the_fullest_disk_decides(free: int, wanted: State, unsafe: bool):
    item = host.disk({"logs": 10**12, "state": free})

    assert (item.state, item.unsafe) == (wanted, unsafe)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, State.OK),
        ({"exists": False}, State.OK),
        ({"writable": False}, State.FAIL),
        ({"readable_by_others": ("s/a",)}, State.WARN),
        ({"readable_by_others": ("s/a",), "writable_by_others": ("s/b",)}, State.FAIL),
    ],
)
def test_what_the_host_remembers_is_for_its_user_alone(change: dict[str, Any], wanted: State):
    found = evolve(host.Folder("s", True, True), **change)

    item = host.state_folder(found)

    assert item.state is wanted
    assert item.unsafe is not found.writable


def test_only_some_of_many_open_files_are_named():
    names = tuple(f"s/{n}" for n in range(7))

    figure = host.state_folder(host.Folder("s", True, True, names)).figure

    assert figure == "others may read 0, 1, 2 and 4 more"


def test_a_journal_that_cannot_be_trusted_stops_every_start():
    broken = host.journal(host.JournalFound(problem="record 3 was changed"), "paper")
    assert (broken.state, broken.unsafe, broken.figure) == (
        State.FAIL, True, "record 3 was changed",
    )  # fmt: skip
    assert host.journal(None, "paper").state is State.OK


def test_a_journal_says_how_much_of_it_was_checked():
    whole = host.JournalFound(2_000, 1, 1_500_000, 0.21, "paper")

    assert host.journal(whole, "paper").figure == (
        "2,000 records, 1.5 MB; hash chain of all intact, checked in 0.2 s"
    )
    assert "of 1,001 to 2,000 intact" in host.journal(evolve(whole, first=1_001), "paper").figure


def test_the_journal_of_another_mode_is_a_failure():
    item = host.journal(host.JournalFound(9, mode="paper"), "live")

    assert item.state is State.FAIL
    assert "written in paper mode, this is live" in item.figure


@pytest.mark.parametrize(("mode", "wanted"), [("paper", State.WARN), ("live", State.FAIL)])
def test_a_latched_halt_says_why_since_when_by_whom_and_how_to_mend(mode: str, wanted: State):
    before = Halt(Level.HALTED, "drawdown of 12 %", "equity", 3, latched=True)

    item = host.halt(before, "2026-11-20 10:00:00 UTC", mode)

    assert item.state is wanted
    for word in ("halted", "2026-11-20", "equity", "drawdown of 12 %"):
        assert word in item.figure
    assert "reset-halt" in item.mend


def test_a_halt_that_did_not_latch_ended_with_its_host():
    before = Halt(Level.REDUCE_ONLY, "stopped by SIGTERM", "shutdown", 3)
    assert host.halt(before, "", "live").state is State.OK


NEAR = Address("127.0.0.1", 9464)


@pytest.mark.parametrize(
    ("address", "problem", "served", "wanted", "said"),
    [
        (None, "", False, State.OK, "off"),
        (NEAR, "", False, State.OK, "http://127.0.0.1:9464 is free"),
        (evolve(NEAR, port=0), "", False, State.OK, "a free port of 127.0.0.1"),
        (Address("0.0.0.0", 1), "", False, State.OK, "for every machine that reaches it"),
        (NEAR, "taken", True, State.OK, "the host that runs here serves them"),
        (NEAR, "taken", False, State.WARN, "taken"),
    ],
)
def test_only_a_port_that_another_program_has_is_to_be_mended(
    address: Address | None, problem: str, served: bool, wanted: State, said: str
):
    item = host.metrics(address, problem, served=served)

    assert (item.name, item.state) == ("metrics", wanted)
    assert said in item.figure
    assert ("metrics.listen" in item.mend) is (wanted is State.WARN)


def test_beside_a_running_host_no_other_starts():
    assert host.instance("", "").state is State.OK
    item = host.instance("host h1 (process 7)", "running")
    assert (item.state, item.figure) == (State.FAIL, "host h1 (process 7): running")


# Clock and key


@pytest.mark.parametrize(
    ("offset_ms", "trip_ms", "wanted"),
    [(0, 1, State.OK), (-500, 1, State.OK), (501, 1, State.WARN), (-501, 1, State.WARN),
     (0, 5_000, State.OK), (0, 5_001, State.FAIL)],
)  # fmt: skip
def test_the_clock_is_judged_by_its_shortest_round_trip(
    offset_ms: int, trip_ms: int, wanted: State
):
    good = ClockSample(offset_ms * MS, trip_ms * MS, 0)
    slow = ClockSample(10**12, (trip_ms + 1) * MS, 0)

    item = venue.clock([slow, good], BinanceVenue())

    assert item.state is wanted
    assert f"{offset_ms:+.1f} ms" in item.figure


def rights(mode: str, *, allow: bool = False, **changes: Any) -> Mapping[str, Item]:
    told = evolve(KeyRights(trade=True, withdraw=False, ip_restricted=True), **changes)
    return {one.name: one for one in venue.key_rights(told, mode, allow_unrestricted=allow)}


@pytest.mark.parametrize("mode", MODES)
def test_a_key_that_may_only_trade_from_listed_addresses_is_fine(mode: str):
    assert set(states(rights(mode).values()).values()) == {State.OK}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("change", "name"),
    [({"withdraw": True}, "key_withdrawal"), ({"trade": False}, "key_trading")],
)
def test_a_key_that_may_withdraw_or_may_not_trade_stops_every_start(
    mode: str, change: dict[str, bool], name: str
):
    item = rights(mode, **change)[name]

    assert Report(mode, (item,)).stopping == (item,)


@pytest.mark.parametrize("mode", MODES)
def test_live_takes_a_key_of_any_address_only_where_it_is_allowed(mode: str):
    item = rights(mode, ip_restricted=False)["key_addresses"]
    assert item.state is (State.FAIL if mode == "live" else State.WARN)

    allowed = rights(mode, allow=True, ip_restricted=False)["key_addresses"]
    assert bool(Report(mode, (allowed,)).stopping) is False
    assert rights(mode, allow=True, ip_restricted=None)["key_addresses"].unsafe is False


def test_a_venue_that_does_not_tell_the_rights_is_good_enough_for_play_money_only():
    untold = {"trade": None, "withdraw": None, "ip_restricted": None}
    for mode, wanted in (("testnet", State.WARN), ("live", State.FAIL)):
        assert set(states(rights(mode, **untold).values()).values()) == {wanted}


# The account and its settings


def account(**changes: Any) -> AccountState:
    balance = BalanceUpdated("binance", "USDT", D(1_000), "read", 0)
    state = AccountState((balance,), D(900), D(100), D(5), D(1_010), D(10), True, True, 0)
    return evolve(state, **changes)


def test_an_account_has_to_hold_the_asset_and_may_have_to_trade():
    assert venue.account(account(), "USDT").state is State.OK
    assert venue.account(account(balances=()), "USDT").state is State.FAIL
    shut = venue.account(account(can_trade=False), "USDT")
    assert (shut.state, shut.unsafe) == (State.FAIL, True)


@pytest.mark.parametrize("was_set", [False, True])
def test_modes_and_leverage_that_differ_are_left_to_the_start_and_fail_after_it_set_them(
    was_set: bool,
):
    wanted = {BTC: bot(leverage=2)}
    as_wanted = {BTC: SymbolSettings(BTC, 2, True)}
    other = {BTC: SymbolSettings(BTC, 20, False)}
    good = [
        venue.position_mode(account(), True, was_set=was_set),
        venue.margin_mode(as_wanted, True, was_set=was_set),
        venue.leverage(as_wanted, wanted, was_set=was_set),
    ]
    bad = [
        venue.position_mode(account(hedge_mode=False), True, was_set=was_set),
        venue.margin_mode(other, True, was_set=was_set),
        venue.leverage(other, wanted, was_set=was_set),
    ]

    assert {item.state for item in good} == {State.OK}
    assert {item.state for item in bad} == {State.FAIL if was_set else State.WARN}
    stopping = Report("live", tuple(bad)).stopping
    assert stopping == (tuple(bad) if was_set else ())
    assert "20x, configured 2x" in bad[2].figure


@pytest.mark.parametrize(
    ("found", "mark", "changes", "words"),
    [
        (None, "60000", {}, "not listed"),
        (evolve(LISTED, trading=False), "60000", {}, "not open for trading"),
        (LISTED, None, {}, "no mark price"),
        (LISTED, "60000", {"order_notional": D(40)}, "buys 0"),
        # 61 USDT buy a lot at the mark, but not at the farthest ask of the ladder.
        (LISTED, "60000", {"order_notional": D(61), "spacing_bps": D(50)}, "buys 0"),
    ],
)
def test_a_symbol_that_cannot_take_the_configured_order_is_a_failure(
    found: Instrument | None, mark: str | None, changes: dict[str, D], words: str
):
    listed = {BTC: found} if found else {}
    marks = {BTC: D(mark)} if mark else {}

    item = venue.instruments(listed, marks, {BTC: bot(**changes)})

    assert item.state is State.FAIL
    assert words in item.figure


def test_symbols_that_take_the_configured_orders_are_fine():
    item = venue.instruments({BTC: LISTED}, {BTC: D(60_000)}, {BTC: bot()})
    assert item.state is State.OK


@pytest.mark.parametrize(
    ("maker_only", "take_profit", "wanted"),
    [(True, "4", State.FAIL), (True, "4.1", State.OK), (False, "7", State.FAIL),
     (False, "7.1", State.OK)],
)  # fmt: skip
def test_a_take_profit_has_to_earn_more_than_a_round_trip_costs(
    maker_only: bool, take_profit: str, wanted: State
):
    trader = bot(maker_only=maker_only, take_profit_bps=D(take_profit))

    item = venue.fees({BTC: Commission(D("0.0002"), D("0.0005"))}, {BTC: trader, ETH: trader})

    assert item.state is wanted
    assert "maker 2 bps, taker 5 bps" in item.figure
    if wanted is State.FAIL:
        assert f"take_profit_bps {take_profit}" in item.figure
        assert "BTCUSDT" in item.figure


@pytest.mark.parametrize(("used", "wanted"), [(49, "ok"), (50, "warn"), (80, "fail")])
def test_the_busiest_rate_limit_decides(used: int, wanted: str):
    usage = (RateUsage("weight_1m", used, 100, 60), RateUsage("orders_10s", 0, 0, 10))
    assert venue.rate_limits(usage, 20).state.value == wanted


@pytest.mark.parametrize(
    ("needed", "wanted"), [("899", State.OK), ("900", State.WARN), ("1001", State.FAIL)]
)
def test_the_account_has_to_carry_full_ladders_on_both_sides_beside_its_reserve(
    needed: str, wanted: State
):
    # Two sides of four rungs at leverage 2; 900 are free, 100 are in use by the ladders.
    trader = bot(levels=4, leverage=2, order_notional=D(needed) / 4)

    item = venue.free_margin(account(), {BTC: trader}, D(10))

    assert item.state is wanted
    assert needed in item.figure


@pytest.mark.parametrize("hedge", [True, False])
@pytest.mark.parametrize("mark", ["60000", "0.73", "987.3"])
def test_a_minimal_order_is_legal_and_far_from_the_market(hedge: bool, mark: str):
    listed = evolve(LISTED, tick_size=D("0.0001"), min_price=D("0.0001"), max_quantity=D(10**6))

    order = venue.minimal_order(listed, D(mark), "host1", hedge=hedge)

    listed.check(order, D(mark))
    assert order.price is not None
    assert order.price <= D(mark) * D("0.98")
    smaller = order.quantity - listed.lot_step
    assert (
        smaller < listed.min_quantity or listed.notional(order.price, smaller) < listed.min_notional
    )
    assert (order.position_side is PositionSide.LONG) is hedge


def test_what_the_venue_says_of_a_test_order_counts():
    assert venue.rehearsals({BTC: "", ETH: ""}, mode_fits=True).state is State.OK
    refused = venue.rehearsals({BTC: "", ETH: "margin is insufficient"}, mode_fits=True)
    assert (refused.state, refused.figure) == (State.FAIL, "ETHUSDT: margin is insufficient")
    assert venue.rehearsals({}, mode_fits=False).by_start


# Orders, positions and losses


def order(name: str, key: Key = BTC, **changes: Any) -> OrderUpdated:
    said = OrderUpdated(
        key, name, "1", Side.SELL, PositionSide.LONG, OrderType.STOP_MARKET, OrderStatus.NEW,
        D(0), D("0.5"), D(0), 0,
    )  # fmt: skip
    return evolve(said, **changes)


def held(quantity: str, side: PositionSide = PositionSide.LONG, key: Key = BTC) -> PositionReported:
    return PositionReported(key, side, D(quantity), D(60_000), 0)


OURS = "host1-grid-BTCUSDT-10"


def test_an_order_of_ours_that_the_journal_lacks_is_taken_over_by_the_start():
    known = venue.minimal_order(LISTED, D(60_000), "host1", hedge=True)
    books = Books([OrderIntended(known)])
    found = [order(OURS), order(known.client_order_id), order("web_123")]

    item = holds.orphan_orders(found, books, "host1")

    assert (item.state, item.by_start, item.figure) == (
        State.WARN, True, f"not in the journal: {OURS}",
    )  # fmt: skip
    assert holds.orphan_orders(found[1:], books, "host1").state is State.OK
    assert "2 open orders" in holds.orphan_orders(found, None, "host1").figure


@pytest.mark.parametrize(
    ("policy", "mode", "wanted"),
    [("stop_in_live", "paper", State.WARN), ("stop_in_live", "live", State.FAIL),
     ("stop", "paper", State.FAIL), ("tolerate", "live", State.OK)],
)  # fmt: skip
def test_what_another_program_holds_is_judged_by_policy(policy: str, mode: str, wanted: State):
    settings = config(mode, risk=Risk(guards=Guards(foreign_activity=policy)))

    orders = holds.foreign_orders([order(OURS), order("web_123")], settings)
    positions = holds.foreign_positions([held("1"), held("2", key=ETH)], {BTC}, settings)

    assert (orders.state, positions.state) == (wanted, wanted)
    assert "web_123" in orders.figure
    assert "ETHUSDT long 2" in positions.figure
    assert "BTCUSDT" not in positions.figure


def test_an_account_of_our_own_has_nothing_foreign():
    assert holds.foreign_orders([order(OURS)], config()).state is State.OK
    assert holds.foreign_positions([held("1"), held("0", key=ETH)], {BTC}, config()).figure == (
        "none"
    )


def test_positions_that_differ_from_the_journal_are_told_with_both_figures():
    books = Books([BooksOpened("binance", "USDT", D(1), (held("0.5"),), 1)])

    assert holds.positions([held("0.5")], books, {BTC}).state is State.OK
    item = holds.positions([held("0.7"), held("9", key=ETH)], books, {BTC})
    assert (item.state, item.figure) == (State.WARN, "BTCUSDT long 0.7, journal 0.5")
    assert item.by_start


@pytest.mark.parametrize(
    ("position", "stop", "wanted"),
    [
        (held("0.5"), {}, State.OK),
        (held("0.6"), {}, State.WARN),
        (held("0.5"), {"filled": D("0.1")}, State.WARN),
        (held("0.5"), {"status": OrderStatus.CANCELLED}, State.WARN),
        (held("0.5"), {"type": OrderType.LIMIT}, State.WARN),
        (held("0.5"), {"key": ETH}, State.WARN),
        (held("0.5"), {"side": Side.BUY}, State.WARN),
        (held("-0.5", PositionSide.SHORT), {}, State.WARN),
        (held("0.5", PositionSide.BOTH), {"position_side": PositionSide.BOTH}, State.WARN),
        (
            held("0.5", PositionSide.BOTH),
            {"position_side": PositionSide.BOTH, "reduce_only": True},
            State.OK,
        ),
        (held("1", key=ETH), {}, State.OK),
    ],
)
def test_an_open_side_needs_working_stops_of_its_size(
    position: PositionReported, stop: dict[str, Any], wanted: State
):
    item = holds.unprotected_positions([position], [order(OURS, **stop)], {BTC}, 5.0)

    assert item.state is wanted
    assert item.by_start is (wanted is State.WARN)


def test_several_stops_of_a_side_add_up():
    found = [order("a"), order("b", quantity=D("0.1"))]
    assert holds.unprotected_positions([held("0.6")], found, {BTC}, 5.0).state is State.OK


def test_the_equity_item_answers_whether_the_stop_would_trip_now():
    marked = EquityMarked("binance", "USDT", 3, D(1_000), D(1_000), D(0))
    stop = EquityStop("binance", "USDT", Risk().losses, Risk().canary, marked)

    def at(equity: D | Unknown, transfers: str = "0") -> Item:
        return holds.equity(stop.look(equity, D(transfers), 3 * DAY_NS)[1])

    assert (at(D(971)).state, "daily loss 29 of 30" in at(D(971)).figure) == (State.OK, True)
    assert at(D(970)).state is State.FAIL
    assert "would trip now: daily loss of 30" in at(D(970)).figure
    assert at(D(970), "-20").state is State.OK
    assert at(Unknown("not read")).state is State.FAIL


def test_long_lists_are_cut_short():
    found = [order(f"web_{n}") for n in range(8)]
    assert holds.foreign_orders(found, config()).figure.endswith("and 3 more")
