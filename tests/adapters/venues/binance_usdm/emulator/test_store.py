"""The account on disk, the key pair, and finding a running exchange."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from adapters.venues.binance_usdm.emulator import catalogue, discover, read_ledger
from adapters.venues.binance_usdm.emulator.discovery import credentials, forget, publish
from adapters.venues.binance_usdm.emulator.store import Store
from core.errors import UsageError
from core.exchange import Exchange
from core.messages import (
    Key,
    OrderType,
    PlaceOrder,
    PositionSide,
    Quote,
    Side,
    TriggerBy,
)

D = Decimal
BTC = Key("binance", "BTCUSDT")
NOW = 1_790_000_000_000_000_000


def new_exchange() -> Exchange:
    rules = catalogue.listing("binance", "BTCUSDT").instrument
    return Exchange(
        "binance", [rules], {"BTCUSDT": catalogue.brackets("BTCUSDT")}, random=Random(1)
    )


def order(name: str, kind: OrderType, side: Side = Side.BUY, **values: object) -> PlaceOrder:
    return PlaceOrder(BTC, name, side, PositionSide.BOTH, kind, D("0.01"), **values)  # type: ignore[arg-type]


def trade(exchange: Exchange, store: Store) -> None:
    exchange.deposit("USDT", D(1_000), NOW)
    quote = Quote(BTC, D(63_000), D(5), D("63000.1"), D(5), 1, NOW, NOW)
    exchange.on_market(quote, NOW)
    store.save(exchange.drain())
    exchange.place(order("m", OrderType.MARKET), NOW)
    store.save(exchange.drain())
    exchange.place(order("l", OrderType.LIMIT, price=D(61_000)), NOW)
    stop = order(
        "s",
        OrderType.STOP_MARKET,
        Side.SELL,
        trigger_price=D(60_000),
        trigger_by=TriggerBy.LAST,
        reduce_only=True,
    )
    exchange.place(stop, NOW)
    exchange.cancel("BTCUSDT", NOW, client_order_id="l")
    store.save(exchange.drain())


def test_what_was_saved_in_steps_is_the_whole_account(tmp_path: Path) -> None:
    store, exchange = Store(tmp_path / "binance"), new_exchange()
    trade(exchange, store)
    kept = Store(tmp_path / "binance").load()
    assert kept is not None
    again = new_exchange()
    again.restore(kept)
    assert again.ledger() == exchange.ledger()
    assert again.state() == exchange.state()


def test_the_ledger_of_a_stopped_exchange_is_read_from_its_folder(tmp_path: Path) -> None:
    store, exchange = Store(tmp_path / "binance"), new_exchange()
    trade(exchange, store)
    ledger = read_ledger(tmp_path, "binance")
    assert ledger == exchange.ledger()
    assert {row["client_order_id"] for row in ledger["orders"]} == {"m", "l", "s"}
    store.close()
    assert read_ledger(tmp_path, "binance") == ledger


def test_a_missing_damaged_or_newer_account_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no local exchange"):
        read_ledger(tmp_path, "binance")
    store = Store(tmp_path / "binance")
    trade(new_exchange(), store)
    store._db.execute("UPDATE rows SET payload = '{' WHERE kind = 'orders'")
    with pytest.raises(UsageError, match="cannot be read"):
        read_ledger(tmp_path, "binance")
    store._db.execute("PRAGMA user_version=99")
    with pytest.raises(UsageError, match="schema 99"):
        Store(tmp_path / "binance")
    store.close()
    (tmp_path / "binance" / "exchange.db").write_bytes(b"no database" * 100)
    for use in (lambda: read_ledger(tmp_path, "binance"), lambda: Store(tmp_path / "binance")):
        with pytest.raises(UsageError, match="cannot be read"):
            use()


def test_an_account_has_one_holder(tmp_path: Path) -> None:
    first = Store(tmp_path / "binance")
    first.claim()
    second = Store(tmp_path / "binance")
    with pytest.raises(BlockingIOError):
        second.claim()
    first.close()
    second.claim()


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "binance"
    Store(folder)
    credentials(folder, "", "")
    publish(folder, "binance", "http://127.0.0.1:1", "ws://127.0.0.1:1", 5)
    for name in ("exchange.db", "credentials.json", "exchange.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_a_key_pair_is_made_once_and_a_given_one_replaces_it(tmp_path: Path) -> None:
    made = credentials(tmp_path, "", "")
    assert credentials(tmp_path, "", "") == made
    assert all(len(part) == 64 for part in made)
    assert credentials(tmp_path, "k", "s") == ("k", "s") == credentials(tmp_path, "", "")
    other = credentials(tmp_path, "another", "")
    assert other[0] == "another" and other[1] not in ("s", made[1])


def test_nothing_is_discovered_where_nothing_answers(tmp_path: Path) -> None:
    folder = tmp_path / "binance"
    assert discover(tmp_path, "binance") is None
    credentials(folder, "", "")
    publish(folder, "binance", "http://127.0.0.1:1", "ws://127.0.0.1:1", 5)
    assert discover(tmp_path, "binance") is None
    forget(folder)
    assert not (folder / "exchange.json").exists()
    (folder / "exchange.json").write_text(json.dumps({"pid": os.getpid() + 1}))
    forget(folder)
    assert (folder / "exchange.json").exists()
