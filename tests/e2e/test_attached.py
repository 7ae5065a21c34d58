"""An exchange started by hand: waited for, traded on, never stopped."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.site import (
    Process,
    Site,
    check_entries_gone,
    check_no_duplicates,
    check_protected,
    free_port,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def start_exchange(site: Site, port: int) -> Process:
    return site.run(
        "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
        "--speed", "10", "--state", str(site.state_folder / "exchange"),
    )  # fmt: skip


def test_the_host_waits_for_it_trades_once_it_is_there_and_leaves_it_running(site: Site):
    port = free_port()
    site.configure({"paper": {"exchange": f"http://127.0.0.1:{port}"}})
    host = site.start()
    status = site.wait_status("connecting", lambda status: status["state"] == "connecting")
    waits = [actor["waiting_for"] for actor in status["actors"] if actor["state"] == "waiting"]
    assert any(f"127.0.0.1:{port}" in reason for reason in waits)
    assert status["venues"]["binance"]["connected"] is False
    wait_for("a second attempt", lambda: host.shown.count("no local exchange answers") > 1)
    assert "Traceback" not in host.shown
    shown = wait_for(
        "its line", lambda: [line for line in host.lines if line.startswith("paper connecting")]
    )
    assert "restarts 0" in shown[0]

    exchange = start_exchange(site, port)
    site.wait_fills(1)
    assert host.stop() == 0, host.shown

    assert exchange.popen.poll() is None
    assert site.control("health")["pid"] == exchange.pid
    # Its market goes on: what filled after the host left is not in the host's books.
    assert exchange.stop() == 0
    books, truth = site.books(), site.ledger_of_folder()
    check_no_duplicates(truth)
    check_entries_gone(truth)
    left_ns = max(row["time_ns"] for row in books["fills"])
    assert books["fills"] == [row for row in truth["fills"] if row["time_ns"] <= left_ns]
    if len(books["fills"]) == len(truth["fills"]):
        assert books == truth
        check_protected(truth)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_connecting_ends_in_order(site: Site, number: signal.Signals):
    site.configure({"paper": {"exchange": f"http://127.0.0.1:{free_port()}"}})
    host = site.start()
    site.wait_status("connecting", lambda status: status["state"] == "connecting")

    assert host.stop(number) == 0
    assert "Traceback" not in host.shown + site.log()


def test_its_key_may_come_from_variables(site: Site):
    port = free_port()
    site.environment |= {"PAPER_KEY": "k" * 64, "PAPER_SECRET": "s" * 64}
    site.configure(
        {"paper": {"exchange": f"http://127.0.0.1:{port}", "key_env": "PAPER_KEY",
                   "secret_env": "PAPER_SECRET"}}
    )  # fmt: skip
    exchange = site.run(
        "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
        "--key", "k" * 64, "--secret", "s" * 64, "--state", str(site.folder / "elsewhere"),
    )  # fmt: skip
    wait_for("it listens", lambda: exchange.lines)
    host = site.start()

    site.wait_status("orders", lambda status: status["open_orders"])

    assert host.stop() == 0
    check_no_duplicates(site.truth())
    assert exchange.stop() == 0


def test_its_restart_is_followed_without_a_restart_of_the_host(site: Site):
    port = free_port()
    site.configure({"paper": {"exchange": f"http://127.0.0.1:{port}"}})
    first = start_exchange(site, port)
    host = site.start()
    before = site.wait_fills()
    first.kill()
    site.wait_status("it notices", lambda status: status["state"] != "running")

    second = start_exchange(site, port)
    site.wait_fills(before["fills"], within_s=30)

    assert host.stop() == 0
    assert second.stop() == 0


def test_one_with_a_key_of_its_own_is_refused_with_the_settings_that_name_it(site: Site):
    port = free_port()
    site.configure({"paper": {"exchange": f"http://127.0.0.1:{port}"}})
    exchange = site.run(
        "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
        "--state", str(site.folder / "elsewhere"),
    )  # fmt: skip
    wait_for("it listens", lambda: exchange.lines)
    host = site.start()

    assert host.end() == 2
    [line] = host.errors
    assert line.startswith(f"error: http://127.0.0.1:{port} has another key (paper.exchange): ")
    for word in ("credentials.json", "paper.key_env", "paper.secret_env"):
        assert word in line
    assert exchange.stop() == 0


def test_one_started_by_hand_on_the_hosts_own_account_outlives_the_host(site: Site):
    exchange = start_exchange(site, free_port())
    wait_for("it listens", lambda: exchange.lines)
    host = site.start()
    site.wait_fills(1)

    assert host.stop() == 0, host.shown

    assert exchange.popen.poll() is None
    assert site.control("health")["pid"] == exchange.pid
    assert exchange.stop() == 0
