"""The readiness check as people run it: alone, beside a host, and at every start."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from typing import Any

import pytest

from tests.e2e.site import Process, Site, check_equal, check_in_order, free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

PROFITABLE = {"bots": {"take_profit_bps": 12}}


def check(site: Site) -> tuple[int, bool, dict[str, Any]]:
    """Run the check; return exit code, verdict and the items by name."""
    code, out, errors = site.done("check", "--json", "--config", str(site.config))
    assert errors == ""
    report = json.loads(out)
    assert set(report) == {"ready", "items"}
    assert all(set(item) == {"name", "state", "figure", "mend"} for item in report["items"])
    return code, report["ready"], {item["name"]: item for item in report["items"]}


def not_ok(items: dict[str, Any]) -> dict[str, str]:
    return {name: item["state"] for name, item in items.items() if item["state"] != "ok"}


def withdrawing_exchange(site: Site) -> Process:
    """Start an exchange by hand whose key may withdraw, and configure the site for it."""
    port = free_port()
    faults = site.folder / "faults.json"
    faults.write_text('[{"kind": "key_rights", "variant": "withdraw", "count": 0}]')
    site.configure(PROFITABLE, {"paper": {"exchange": f"http://127.0.0.1:{port}"}})
    exchange = site.run(
        "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
        "--faults", str(faults), "--state", str(site.state_folder / "exchange"),
    )  # fmt: skip
    wait_for("the exchange listens", lambda: exchange.lines)
    return exchange


def test_a_fresh_folder_is_ready_and_stays_empty(site: Site):
    site.configure(PROFITABLE)

    code, ready, items = check(site)

    assert (code, ready) == (0, True)
    # A new account has the venue's modes; the start sets its own and reads them back.
    settings = dict.fromkeys(("position_mode", "margin_mode", "leverage", "test_order"), "warn")
    assert not_ok(items) == settings
    assert [path.name for path in site.folder.iterdir()] == ["config.toml"]


def test_people_get_one_line_an_item_and_the_verdict(site: Site):
    site.configure({"bots": {"take_profit_bps": 3}})

    code, out, _ = site.done("check", "--config", str(site.config))

    assert code == 3
    [line] = [line for line in out.splitlines() if line.startswith("fail")]
    assert "take_profit_bps 3 is no more than the 4 bps" in line
    assert "→ raise bots.take_profit_bps" in line
    assert out.splitlines()[-1].strip() == "not ready"


def test_a_check_beside_a_trading_host_sees_it_and_disturbs_nothing(site: Site):
    site.configure(PROFITABLE)
    host = site.start()
    before = site.wait_fills()

    code, ready, items = check(site)

    assert (code, ready, items["instance"]["state"]) == (3, False, "fail")
    # A side that fills just now is protected a moment later.
    assert set(not_ok(items)) <= {"instance", "unprotected_positions"}
    assert f"process {host.pid}" in items["instance"]["figure"]
    assert items["instance"]["figure"].endswith((": running", ": paused"))
    assert items["test_order"]["state"] == "ok"
    site.wait_fills(before["fills"])
    assert "stream:binance:account  lost" not in host.shown
    truth = check_in_order(site, host.stop(), host)
    assert not [row for row in truth["orders"] if "-check-" in row["client_order_id"]]


def test_a_check_after_an_orderly_stop_leaves_the_paper_account_as_it_was(site: Site):
    site.configure(PROFITABLE)
    host = site.start()
    site.wait_fills()
    assert host.stop() == 0, host.shown
    before = site.ledger_of_folder()

    code, _, items = check(site)

    assert code == 0, not_ok(items)
    assert site.ledger_of_folder() == before
    check_equal(site.books(), before)
    assert "hash chain of all intact" in items["journal"]["figure"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_check_that_is_ended_is_no_good_word_and_leaves_no_exchange(
    site: Site, number: signal.Signals
):
    site.configure({"paper": {"speed": 0.01}})  # the first data is waited for for long
    copies = site.folder / "tmp"
    copies.mkdir()
    site.environment["TMPDIR"] = str(copies)
    process = site.run("check", "--config", str(site.config))
    place = "*/exchange/binance/exchange.json"
    [found] = wait_for("its exchange", lambda: list(copies.glob(place)))
    pid = wait_for("its process", lambda: json.loads(found.read_text())["pid"])

    assert process.stop(number) == 3

    assert list(copies.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_key_that_may_withdraw_stops_every_start_with_the_reason(site: Site):
    exchange = withdrawing_exchange(site)

    code, _, items = check(site)
    assert (code, not_ok(items)["key_withdrawal"]) == (3, "fail")
    done = site.done("--config", str(site.config), "--for", "5")

    assert (done[0], done[2]) == (
        3,
        "error: the key may withdraw money (readiness: key_withdrawal): "
        "make a key without the right to withdraw",
    )
    assert exchange.popen.poll() is None
    assert site.control("ledger")["orders"] == []


def test_a_host_that_is_stopped_while_it_looks_never_begins(site: Site):
    site.configure({"paper": {"speed": 0.01}})  # the first data is waited for for long
    host = site.start()
    wait_for("the exchange", site.exchange)

    assert host.stop() == 0, host.shown

    assert "starting in paper mode" not in site.log()
    assert "stopped before it began: stopped by SIGTERM" in site.log()
    assert site.exchange() == {}


def test_a_changed_journal_stops_the_start_and_is_named(site: Site):
    site.configure(PROFITABLE)
    assert site.start("--for", "2").end() == 0
    path = site.state_folder / "journal.db"
    with sqlite3.connect(path) as journal:
        journal.execute("DROP TRIGGER journal_is_never_updated")
        journal.execute("UPDATE journal SET payload = '{}' WHERE sequence = 1")
    journal.close()

    code, _, errors = site.done("--config", str(site.config), "--for", "5")

    assert code == 3
    [line] = errors.splitlines()
    assert line.startswith("error: ")
    assert "(readiness: journal)" in line
    assert check(site)[0] == 3


def test_keys_that_are_missing_fail_the_check_and_nobody_is_called(site: Site):
    keys = {"key_env": "NO_SUCH_KEY", "secret_env": "NO_SUCH_SECRET"}
    site.configure({"mode": "testnet", "venues": {"binance": keys}})

    code, _, items = check(site)

    assert (code, items["keys"]["state"]) == (3, "fail")
    assert "NO_SUCH_KEY" in items["keys"]["figure"]
    assert items["rest"]["figure"] == "not asked: there is no key"


def test_a_bad_configuration_is_wrong_use_as_everywhere(site: Site):
    site.configure({"venues": {"binance": {"allow_unrestricted_keys": True}}})

    code, out, errors = site.done("check", "--config", str(site.config))

    assert (code, out) == (2, "")
    assert "did you mean allow_unrestricted_key?" in errors


def test_every_start_looks_and_says_what_is_not_as_it_should_be(site: Site):
    site.configure({"bots": {"take_profit_bps": 3}})
    host = site.start()
    site.wait_fills()

    assert host.stop() == 0, host.shown
    lines = [line for line in site.log().splitlines() if " readiness " in line]
    assert "items are ok" in lines[0]
    assert any("fees: " in line and "take_profit_bps 3" in line for line in lines)
