"""The host on paper, started and stopped as people do it."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.e2e.site import Site, check_in_order

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_while_trading_ends_entries_keeps_stops_and_both_ledgers_agree(
    site: Site, number: signal.Signals
):
    host = site.start()
    status = site.wait_fills(1)
    assert status["state"] in ("running", "paused")
    assert status["mode"] == "paper"

    truth = check_in_order(site, host.stop(number), host)

    assert truth["fills"]
    assert f"stopped by {number.name}" in host.lines[-1]
    assert not host.errors
    assert not site.exchange(), "the exchange that the host started ends with it"


def test_it_ends_by_itself_when_its_time_is_over(site: Site):
    began = time.monotonic()
    host = site.start("--for", "3")

    check_in_order(site, host.end(20), host)

    assert time.monotonic() - began >= 3


def test_more_signals_during_the_stop_do_no_harm(site: Site):
    host = site.start()
    site.wait_fills()
    host.popen.send_signal(signal.SIGINT)
    host.popen.send_signal(signal.SIGINT)
    site_wait = time.monotonic() + 0.3
    while time.monotonic() < site_wait and host.popen.poll() is None:
        host.popen.send_signal(signal.SIGTERM)

    check_in_order(site, host.end(10), host)


def test_signals_that_mean_nothing_to_it_end_no_host(site: Site):
    host = site.start()
    before = site.wait_fills(1)
    host.popen.send_signal(signal.SIGUSR1)
    host.popen.send_signal(signal.SIGUSR2)
    site.wait_fills(before["fills"])
    check_in_order(site, host.stop(), host)


def test_a_signal_right_after_the_start_ends_in_order(site: Site):
    host = site.start()
    # The lock file is taken before the first actor runs: nothing is ready yet.
    while not (site.state_folder / "host.sock").exists():
        assert host.popen.poll() is None, host.shown
        time.sleep(0.005)

    code = host.stop()

    assert code == 0, host.shown
    assert "Traceback" not in host.shown


def test_status_and_ledger_answer_while_it_runs_and_after_it_stopped(site: Site):
    where = ("--json", "--config", str(site.config))
    host = site.start()
    site.wait_fills()
    running = json.loads(site.done("status", *where)[1])
    assert running["mode"] == "paper" and running["fills"] and running["equity"]
    assert running["venues"]["binance"]["connected"] is True
    assert "max_gross_notional" in {row["name"] for row in running["limits"]}
    assert site.books()["fills"]
    assert host.stop() == 0

    stopped = json.loads(site.done("status", *where)[1])
    assert stopped["state"] == "stopped"
    assert stopped["fills"] == len(site.books()["fills"]) >= running["fills"]
    assert stopped["equity"] is None, "nobody can know it now"


def test_a_second_host_on_the_same_state_is_refused_and_told_who_is_there(site: Site):
    first = site.start()
    site.wait_status("a state", lambda status: status["state"])

    code, out, errors = site.done("--config", str(site.config))

    assert code == 2
    assert out == ""
    assert errors.startswith("error: ") and "\n" not in errors
    assert str(first.pid) in errors
    assert first.popen.poll() is None
    assert first.stop() == 0
