"""A configuration that is written reads back as it was."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

from attrs import evolve

from adapters.configuration import load, parse
from adapters.toml_text import config_text, toml
from core.config import Config, HedgeGridBot, Risk, SymbolCaps, SymbolGroup

SHIPPED = Path(__file__).parents[2] / "config.toml"


def test_the_shipped_configuration_reads_back_as_it_was():
    config = load(SHIPPED)

    assert parse(config_text(config)) == config


def test_tables_in_lists_and_odd_texts_read_back_as_they_were():
    bots = tuple(
        HedgeGridBot(name=name, symbols=(symbol,), strategy="hedge_grid")
        for name, symbol in (("one", "BTCUSDT"), ("two", "ETHUSDT"))
    )
    risk = Risk(
        symbols=(SymbolCaps(symbol="BTCUSDT", max_order_quantity=Decimal("0.00000001")),),
        groups=(SymbolGroup(name="all", symbols=("BTCUSDT",), max_notional=Decimal("1E+3")),),
    )
    config = Config(bots=bots, risk=risk)
    config = evolve(config, paths=evolve(config.paths, logs='a "quoted" \\ ümlaut \N{ROCKET}'))

    assert parse(config_text(config)) == config


def test_scalars_come_before_tables_wherever_they_stood():
    values = {"table": {"inner": {"x": 1}, "y": "2"}, "flag": True, "none": []}

    assert tomllib.loads(toml(values)) == values
