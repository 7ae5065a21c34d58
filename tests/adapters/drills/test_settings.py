"""The configuration of a drill: the user's limits and bots, never his account, folder or venue."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from adapters.configuration import load, parse
from adapters.drills.settings import for_drill
from adapters.toml_text import config_text
from core.config import Config

SHIPPED = Path(__file__).parents[3] / "config.toml"


def live() -> Config:
    config = load(SHIPPED)
    keys = {"key_env": "KEY", "secret_env": "SECRET"}
    binance = evolve(config.venues.binance, **keys)
    return evolve(config, mode="live", venues=evolve(config.venues, binance=binance))


def attached() -> Config:
    config = load(SHIPPED)
    paper = evolve(
        config.paper, exchange="http://127.0.0.1:9", key_env="KEY", secret_env="SECRET", speed=60.0
    )
    return evolve(config, paper=paper)


@pytest.mark.parametrize("make", [live, attached, lambda: load(SHIPPED)])
def test_a_drill_is_on_paper_at_an_exchange_and_in_a_folder_of_its_own(make, tmp_path: Path):
    found = for_drill(make(), tmp_path)

    assert found.mode == "paper"
    assert (found.paper.exchange, found.paper.market, found.paper.files) == ("", "synthetic", ())
    for table in (found.paper, found.venues.binance):
        assert (table.key_env, table.secret_env) == ("", "")
    for folder in (found.paths.state, found.paths.logs):
        assert Path(folder).is_relative_to(tmp_path)
    assert parse(config_text(found)) == found


def test_bots_and_what_limits_them_are_the_users():
    config = live()
    found = for_drill(config, Path("/somewhere"))

    assert found.bots == config.bots
    assert evolve(found.risk, guards=config.risk.guards, breaker=config.risk.breaker) == config.risk
    assert found.host_name == config.host_name


def test_a_deadline_shorter_than_the_drills_stays():
    config = load(SHIPPED)
    strict = evolve(config, execution=evolve(config.execution, protect_within_s=1.0))

    assert for_drill(strict, Path("/somewhere")).execution.protect_within_s == 1.0
    assert for_drill(config, Path("/somewhere")).execution.protect_within_s == 3.0
