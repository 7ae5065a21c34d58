"""Wrong use and wrong configuration: one line that says what, where and how to mend it."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(30)]


def check_refused(done: tuple[int, str, str], *words: str) -> None:
    code, out, errors = done
    assert code == 2, errors
    assert out == ""
    for line in errors.splitlines():
        assert re.fullmatch(r"error: .+ \(.+\): .+", line), line
    for word in words:
        assert word in errors


def test_a_configuration_that_is_not_there(site: Site):
    check_refused(site.done("--config", "missing.toml"), "no such file", "missing.toml")


def test_a_folder_instead_of_a_configuration(site: Site):
    check_refused(site.done("--config", str(site.folder)), "a folder, not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_configuration_that_may_not_be_read(site: Site):
    site.config.chmod(0)
    check_refused(site.done("--config", str(site.config)), "permission denied")


def test_a_file_that_is_not_toml_names_the_line(site: Site):
    site.config.write_text('mode = "paper"\nhost_name = oops\n')
    check_refused(site.done("--config", str(site.config)), "not TOML", "line 2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "blue"}, ["colour"]),
        ({"risk": {"max_order_notionals": 5}}, ["risk.max_order_notionals"]),
        ({"bots": {"levels": "four"}}, ["bots[0].levels"]),
        ({"bots": {"leverage": 50}}, ["bots[0].leverage", "risk.max_leverage"]),
        ({"mode": "live"}, ["venues.binance.key_env"]),
        ({"paper": {"market": "recorded"}}, ["paper.files"]),
        ({"paper": {"market": "recorded", "files": ["gone.gz"]}}, ["gone.gz", "paper.files[0]"]),
        ({"paper": {"exchange": "http://example.com:80"}}, ["paper.exchange"]),
        (
            {"supervision": {"max_restarts": 100, "backoff_max_ms": 10_000}},
            ["supervision.max_restarts"],
        ),
        ({"paths": {"state": "config.toml/state"}}, ["paths.state"]),
        ({"paths": {"logs": "config.toml/logs"}}, ["paths.logs"]),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_meant(site: Site, change: dict[str, Any], words: list[str]):
    site.configure(change)
    check_refused(site.done("--config", str(site.config)), *words)
    assert not (site.state_folder / "journal.db").exists(), "nothing was begun"


def test_every_problem_is_told_at_once(site: Site):
    site.configure({"bots": {"leverage": 50}, "paper": {"market": "recorded"}})
    done = site.done("--config", str(site.config))
    check_refused(done, "paper.files", "bots[0].leverage")
    assert len(done[2].splitlines()) == 2


def test_a_symbol_that_the_exchange_does_not_list_ends_the_start_and_is_named(site: Site):
    site.configure({"bots": {"symbols": ["BTCUSDX"]}})
    host = site.start()
    assert host.end(20) == 2
    assert "BTCUSDX" in host.shown and "error" in host.shown
    assert "Traceback" not in host.shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["--for", "0"],
        ["--for", "soon"],
        ["--live"],
        ["nonsense"],
        ["status", "--jason"],
        ["exchange"],
        ["exchange", "--venue", "nyse"],
        ["exchange", "--venue", "binance", "--speed", "0"],
        ["exchange", "--venue", "binance", "--key", "k"],
        ["exchange", "--venue", "binance", "--market", "gone.gz"],
        ["exchange", "--venue", "binance", "--faults", "gone.toml"],
        ["exchange", "--venue", "binance", "--balance", "-5"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_meant(site: Site, arguments: list[str]):
    where = [] if arguments[0] == "nonsense" else ["--config", str(site.config)]
    if arguments[0].startswith("-"):
        arguments, where = where + arguments, []
    check_refused(site.done(*arguments, *where))


def test_a_port_in_use(site: Site):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = site.done("exchange", "--venue", "binance", "--port", port, "--state", "elsewhere")
    check_refused(done, port, "in use")


def test_state_that_cannot_be_written_is_told_in_one_line(site: Site, tmp_path: Path):
    (tmp_path / "state").write_text("a file where a folder should be")
    check_refused(site.done("--config", str(site.config)), "paths.state")
