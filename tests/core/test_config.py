"""The schema: what one key may hold, and which keys contradict each other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from core.config import (
    Alerts,
    BinanceVenue,
    Canary,
    Config,
    EmailAlerts,
    Execution,
    Guards,
    HedgeGridBot,
    Logs,
    Losses,
    Market,
    Paper,
    Portfolio,
    Risk,
    Supervision,
    SymbolCaps,
    SymbolGroup,
    TelegramAlerts,
    Venues,
    WebhookAlerts,
)
from core.errors import ConfigError
from core.messages import Key
from core.risk.limits import Caps, Group

D = Decimal
BTC, ETH = Key("binance", "BTCUSDT"), Key("binance", "ETHUSDT")


def bot(**changes: Any) -> HedgeGridBot:
    given: dict[str, Any] = {"name": "grid", "symbols": ("BTCUSDT",), "strategy": "hedge_grid"}
    return HedgeGridBot(**(given | changes))


def config(**changes: Any) -> Config:
    return Config(**({"bots": (bot(),)} | changes))


def problems(**changes: Any) -> dict[str, str]:
    """Map the path of every problem to its text."""
    with pytest.raises(ConfigError) as caught:
        config(**changes)
    return {one.where: str(one) for one in (caught.value, *caught.value.others)}


def test_the_defaults_are_paper_without_keys_at_leverage_within_three():
    plain = config()

    assert plain.mode == "paper"
    assert plain.venues.binance.key_env == plain.venues.binance.secret_env == ""
    assert plain.venues.binance.margin == "isolated"
    assert plain.risk.max_leverage == 3
    assert plain.bots[0].leverage <= 3


@pytest.mark.parametrize(
    ("kind", "key", "bad"),
    [
        (Paper, "speed", 0.0),
        (Paper, "market", "lively"),
        (Paper, "exchange", "https://fapi.binance.com"),
        (Paper, "exchange", "http://127.0.0.1:0"),
        (Paper, "exchange", "http://127.0.0.1:99999"),
        (Paper, "exchange", "http://127.0.0.1.example.com:80"),
        (BinanceVenue, "recv_window_ms", 60_001),
        (BinanceVenue, "margin", "crossed"),
        (BinanceVenue, "rate_reserve_percent", 0),
        (Risk, "max_leverage", 0),
        (Supervision, "jitter", 1.5),
        (Alerts, "level", "info"),
        (Alerts, "max_per_minute", 0),
        (Alerts, "repeat_after_s", 0.5),
        (WebhookAlerts, "url_env", "https://hooks.example.org/x"),
        (TelegramAlerts, "chat", "123?text=x"),
        (EmailAlerts, "server", "mail.example.org\r\nQUIT"),
        (EmailAlerts, "security", "plain"),
        (EmailAlerts, "sender", "Me <me@example.org>"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key(kind: Any, key: str, bad: object):
    with pytest.raises(ConfigError) as caught:
        kind(**{key: bad})

    assert caught.value.where == key
    assert caught.value.mend


@pytest.mark.parametrize("value", ["http://127.0.0.1:9001", "http://localhost:1", ""])
def test_an_exchange_on_this_machine_is_allowed(value: str):
    assert Paper(exchange=value).exchange == value


@pytest.mark.parametrize(
    ("symbols", "where", "hint"),
    [
        ((), "symbols", "BTCUSDT"),
        (("BTC/USDT:USDT",), "symbols[0]", "BTCUSDT"),
        (("BTCUSDT", "eth-usdt"), "symbols[1]", "ETHUSDT"),
        (("BTCUSDT", "BTCUSDT"), "symbols[1]", "remove"),
    ],
)
def test_symbols_are_spelled_as_the_venue_spells_them(symbols: Any, where: str, hint: str):
    with pytest.raises(ConfigError) as caught:
        bot(symbols=symbols)

    assert caught.value.where == where
    assert hint in caught.value.mend


@pytest.mark.parametrize("name", ["", "much_too_long", "a-b", "größe"])
def test_names_must_fit_into_client_order_ids(name: str):
    with pytest.raises(ConfigError, match="client order ids"):
        bot(name=name)
    with pytest.raises(ConfigError, match="client order ids"):
        config(host_name=name)


def test_a_key_written_where_its_variable_belongs_is_refused_and_not_repeated():
    key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"

    with pytest.raises(ConfigError) as caught:
        BinanceVenue(key_env=key)

    assert key not in str(caught.value)
    assert key[:8] not in repr(caught.value)


def test_paper_with_a_key_of_a_venue_is_refused():
    venues = Venues(binance=BinanceVenue(key_env="BINANCE_KEY"))

    assert list(problems(venues=venues)) == ["venues.binance.key_env"]


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_trading_at_a_venue_without_keys_is_refused(mode: str):
    assert list(problems(mode=mode)) == ["venues.binance.key_env", "venues.binance.secret_env"]


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_trading_at_a_venue_with_both_keys_is_allowed(mode: str):
    venue = BinanceVenue(key_env="BINANCE_KEY", secret_env="BINANCE_SECRET")

    assert config(mode=mode, venues=Venues(binance=venue)).mode == mode


def test_a_recorded_market_needs_files():
    assert list(problems(paper=Paper(market="recorded"))) == ["paper.files"]


def test_a_mirror_is_refused_for_now():
    assert "not there yet" in problems(paper=Paper(market="mirror"))["paper.market"]


def test_the_exchange_key_is_a_pair_and_belongs_to_one_started_by_hand():
    assert set(problems(paper=Paper(key_env="K"))) == {"paper.secret_env", "paper.key_env"}
    paper = Paper(key_env="K", secret_env="S", exchange="http://127.0.0.1:9001")
    assert config(paper=paper).paper == paper


def test_two_bots_may_share_neither_name_nor_symbol():
    found = problems(bots=(bot(), bot(symbols=("ETHUSDT", "BTCUSDT"))))

    assert list(found) == ["bots[1].name", "bots[1].symbols[1]"]
    assert "bots[0]" in found["bots[1].symbols[1]"]


def test_a_host_without_bots_is_refused():
    assert list(problems(bots=())) == ["bots"]


def test_leverage_above_the_cap_is_refused():
    assert list(problems(bots=(bot(leverage=4),))) == ["bots[0].leverage"]


@pytest.mark.parametrize("stop_loss_bps", [3_334, 3_233])
def test_a_stop_that_liquidation_would_forestall_is_refused(stop_loss_bps: int):
    assert config(bots=(bot(leverage=3, stop_loss_bps=D(3_232)),))
    assert list(problems(bots=(bot(leverage=3, stop_loss_bps=D(stop_loss_bps)),))) == [
        "bots[0].stop_loss_bps"
    ]


def test_a_leverage_that_no_fill_could_keep_far_enough_from_liquidation_is_refused():
    risk = Risk(max_leverage=125)
    near, nearer, dead = (
        problems(risk=risk, bots=(bot(leverage=leverage, stop_loss_bps=D(19)),))
        for leverage in (7, 10, 125)
    )

    assert near == {
        "bots[0].leverage": "at leverage 7 liquidation is 1328 bps from an entry, nearer than "
        "risk.guards.liquidation_warning_bps 1500 (bots[0].leverage): write at most 6, or lower "
        "risk.guards.liquidation_warning_bps"
    }
    assert list(nearer) == ["bots[0].leverage"]
    assert "bots[0].stop_loss_bps" in dead
    assert config(risk=risk, bots=(bot(leverage=6),))


def test_a_grid_needs_hedge_mode():
    venue = Venues(binance=BinanceVenue(hedge_mode=False))

    assert list(problems(venues=venue)) == ["venues.binance.hedge_mode"]


def test_an_order_over_the_cap_per_order_is_refused_with_both_figures():
    found = problems(bots=(bot(order_notional=D(600), levels=1),))

    assert list(found) == ["bots[0].order_notional"]
    assert "600.6" in found["bots[0].order_notional"]
    assert "max_order_notional 500" in found["bots[0].order_notional"]


def test_a_ladder_over_the_cap_per_symbol_is_refused():
    assert "bots[0].levels" in problems(bots=(bot(levels=10),))


def test_a_ladder_exactly_at_the_cap_is_refused_because_far_rungs_count_at_the_mark():
    at_cap = bot(order_notional=D(500), levels=4)

    assert set(problems(bots=(at_cap,))) == {"bots[0].order_notional", "bots[0].levels"}
    assert config(bots=(bot(order_notional=D(498), levels=4),))


def test_more_levels_than_open_orders_allowed_are_refused():
    small = bot(order_notional=D(20), levels=11)

    assert list(problems(bots=(small,))) == ["bots[0].levels"]


def test_a_ladder_that_reaches_zero_is_refused():
    assert list(problems(bots=(bot(levels=10, spacing_bps=D(1_000)),))) == ["bots[0].spacing_bps"]


def test_the_ladders_of_all_bots_together_keep_to_the_caps_of_sides_and_gross():
    many = tuple(bot(name=f"b{n}", symbols=(f"S{n}USDT",), levels=8) for n in range(3))

    found = problems(bots=many)

    assert list(found) == [
        "risk.max_side_notional",
        "risk.max_net_notional",
        "risk.max_gross_notional",
    ]


def test_caps_that_contradict_each_other_are_refused():
    found = problems(risk=Risk(max_side_notional=D(1_000)))

    assert "risk.max_side_notional" in found


CAPS = SymbolCaps(symbol="BTCUSDT")


@pytest.mark.parametrize(
    ("caps", "where", "says"),
    [
        ([CAPS, CAPS], "risk.symbols[1].symbol", "has caps in risk.symbols[0] too"),
        ([SymbolCaps(symbol="ETHUSDT")], "risk.symbols[0].symbol", 'no bot trades "ETHUSDT"'),
        ([attrs.evolve(CAPS, max_leverage=1)], "risk.symbols[0].max_leverage", "leverage 2"),
        ([attrs.evolve(CAPS, max_leverage=4)], "risk.symbols[0].max_leverage", "over risk.max"),
        ([attrs.evolve(CAPS, max_notional=D(803))], "risk.symbols[0].max_notional", "803.21"),
    ],
)
def test_caps_of_a_symbol_fit_its_bot_and_stand_once(caps: list[SymbolCaps], where: str, says: str):
    found = problems(risk=Risk(symbols=tuple(caps)))

    assert list(found) == [where]
    assert says in found[where]
    fitting = attrs.evolve(CAPS, max_leverage=2, max_notional=D(804), max_order_quantity=D(1))
    assert config(risk=Risk(symbols=(fitting,))).risk.symbols == (fitting,)


ALL = SymbolGroup(name="all", symbols=("BTCUSDT", "ETHUSDT"), max_notional=D(1_607))


@pytest.mark.parametrize(
    ("groups", "where", "says"),
    [
        ([ALL, ALL], "risk.groups[1].name", '"all" is the name of risk.groups[0] too'),
        (
            [attrs.evolve(ALL, symbols=("BTCUSDT", "SOLUSDT"))],
            "risk.groups[0].symbols[1]",
            'no bot trades "SOLUSDT"',
        ),
        ([attrs.evolve(ALL, max_notional=D(1_606))], "risk.groups[0].max_notional", "1606.43"),
    ],
)
def test_a_group_is_of_symbols_that_are_traded_and_holds_their_ladders(
    groups: list[SymbolGroup], where: str, says: str
):
    bots = (bot(symbols=("BTCUSDT", "ETHUSDT")),)
    found = problems(bots=bots, risk=Risk(groups=tuple(groups)))

    assert list(found) == [where]
    assert says in found[where]
    assert config(bots=bots, risk=Risk(groups=(ALL,))).risk.groups == (ALL,)


def test_a_canary_whose_cap_no_order_of_a_bot_keeps_is_refused_and_told_how_to_mend():
    found = problems(risk=Risk(canary=Canary(enabled=True)))

    assert list(found) == ["bots[0].order_notional"]
    assert "write at most 49 while risk.canary.enabled is true" in found["bots[0].order_notional"]
    on = Risk(canary=Canary(enabled=True))
    assert config(bots=(bot(order_notional=D(49)),), risk=on).risk.canary.enabled


def test_losses_and_guards_that_contradict_each_other_are_refused():
    found = problems(
        risk=Risk(
            losses=Losses(max_daily_loss_percent=D(10.5)),
            guards=Guards(
                liquidation_reduce_bps=D(900),
                liquidation_warning_bps=D(900),
                slow_mailbox_ms=30_000,
                account_stale_after_ms=59_999,
            ),
        )
    )

    assert list(found) == [
        "risk.losses.max_daily_loss_percent",
        "risk.guards.liquidation_reduce_bps",
        "risk.guards.account_stale_after_ms",
        "risk.guards.slow_mailbox_ms",
    ]


def test_addresses_of_people_are_told_with_their_place():
    with pytest.raises(ConfigError) as caught:
        EmailAlerts(recipients=("me@example.org", "me@example.org\nBcc: all@example.org"))

    assert caught.value.where == "recipients[1]"


@pytest.mark.parametrize(
    ("alerts", "where"),
    [
        (Alerts(telegram=TelegramAlerts(token_env="T")), ["alerts.telegram.chat"]),
        (Alerts(telegram=TelegramAlerts(chat="1")), ["alerts.telegram.token_env"]),
        (
            Alerts(email=EmailAlerts(server="mail.example.org", user_env="U")),
            ["alerts.email.password_env", "alerts.email.sender", "alerts.email.recipients"],
        ),
        (
            Alerts(email=EmailAlerts(sender="a@example.org", recipients=("b@example.org",))),
            ["alerts.email.server"],
        ),
        (
            Alerts(
                email=EmailAlerts(
                    server="mail.example.org",
                    sender="a@example.org",
                    recipients=("b@example.org",),
                    security="none",
                )
            ),
            ["alerts.email.security"],
        ),
    ],
)
def test_a_channel_of_alerts_is_configured_as_a_whole(alerts: Alerts, where: list[str]):
    assert list(problems(alerts=alerts)) == where


def test_a_mail_server_on_this_machine_needs_no_encryption():
    email = EmailAlerts(
        server="localhost", sender="a@example.org", recipients=("b@example.org",), security="none"
    )
    assert config(alerts=Alerts(email=email)).alerts.channels == ("email",)


def test_what_is_not_logged_cannot_be_told():
    assert list(problems(alerts=Alerts(level="warning"), logs=Logs(level="error"))) == [
        "alerts.level"
    ]


def test_a_healthy_slow_call_must_not_count_as_a_hung_actor():
    assert list(problems(supervision=Supervision(busy_deadline_s=8.0))) == [
        "supervision.busy_deadline_s"
    ]


def test_a_clock_sample_may_not_expire_before_the_next_one_is_late():
    venue = BinanceVenue(clock_sample_every_s=60.0, max_clock_age_s=100.0)

    assert list(problems(venues=Venues(binance=venue))) == ["venues.binance.max_clock_age_s"]


def test_pauses_grow_upwards():
    found = problems(supervision=Supervision(backoff_initial_ms=500, backoff_max_ms=400))

    assert list(found) == ["supervision.backoff_max_ms"]


def test_every_problem_is_told_at_once():
    found = problems(mode="live", bots=(bot(leverage=5, levels=20),))

    assert {"venues.binance.key_env", "bots[0].leverage", "bots[0].levels"} <= set(found)


def test_a_configuration_does_not_change():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config().mode = "live"  # type: ignore[misc]


def test_the_limits_of_risk_are_the_configured_ones():
    risk = Risk(
        max_order_notional=D(1_001),
        max_symbol_notional=D(2_002),
        max_side_notional=D(4_003),
        max_net_notional=D(4_004),
        max_gross_notional=D(8_005),
        max_open_orders_per_side=6,
        max_orders_per_minute=7,
        max_cancels_per_minute=8,
        max_leverage=4,
        max_account_leverage=D("1.5"),
        min_free_margin_percent=D(11),
        min_liquidation_distance_bps=D(1_100),
        price_collar_bps=D(12),
        book_collar_bps=D(13),
        symbols=(SymbolCaps(symbol="BTCUSDT", max_order_quantity=D(1), max_notional=D(900)),),
        groups=(SymbolGroup(name="all", symbols=("BTCUSDT", "ETHUSDT"), max_notional=D(3_000)),),
        guards=Guards(max_funding_bps=D(14), funding_window_s=1.5, account_stale_after_ms=16_000),
        portfolio=Portfolio(max_var_percent=D(17), max_daily_volatility_percent=D(18)),
    )
    bots = (bot(symbols=("BTCUSDT", "ETHUSDT"), levels=1, stop_loss_bps=D(19)),)
    limits = config(
        risk=risk,
        bots=bots,
        market=Market(stale_after_ms=2_200, reconcile_every_s=8.0),
        execution=Execution(protect_within_s=21.0),
    ).limits()

    assert attrs.asdict(limits, recurse=False) == {
        "max_order_notional": 1_001,
        "max_symbol_notional": 2_002,
        "max_side_notional": 4_003,
        "max_net_notional": 4_004,
        "max_gross_notional": 8_005,
        "max_open_orders_per_side": 6,
        "max_orders_per_minute": 7,
        "max_cancels_per_minute": 8,
        "max_leverage": 4,
        "max_account_leverage": D("1.5"),
        "min_free_margin_percent": 11,
        "min_liquidation_distance_bps": 1_100,
        "price_collar_bps": 12,
        "book_collar_bps": 13,
        "max_var_percent": 17,
        "max_daily_volatility_percent": 18,
        "max_funding_bps": 14,
        "funding_window_ns": 1_500_000_000,
        "stale_after_ns": 2_200_000_000,
        "account_stale_after_ns": 16_000_000_000,
        "unprotected_ns": 10_500_000_000,
        "portfolio": risk.portfolio,
        "canary_order_notional": 0,
        "canary_max_loss": 20,
        "symbols": {
            BTC: Caps(where="risk.symbols[0]", max_order_quantity=D(1), max_notional=D(900))
        },
        "groups": (
            Group(where="risk.groups[0]", name="all", keys=(BTC, ETH), max_notional=D(3_000)),
        ),
        "stops_bps": {BTC: 19, ETH: 19},
        "cross_venues": frozenset(),
    }


def test_a_venue_in_cross_margin_is_told_to_risk():
    cross = config(venues=Venues(binance=BinanceVenue(margin="cross")))
    assert cross.limits().cross_venues == {"binance"}


def test_only_a_canary_that_is_on_bounds_orders():
    small = bot(order_notional=D(20))
    on = config(bots=(small,), risk=Risk(canary=Canary(enabled=True, max_order_notional=D(30))))

    assert on.limits().canary_order_notional == 30
    assert config().limits().canary_order_notional == 0
