"""Processes killed or hung while the host trades: the next one goes on from the same truth."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.site import Site, check_equal, check_in_order, check_no_duplicates, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def test_a_host_killed_while_trading_is_followed_by_one_that_attaches_and_takes_over(site: Site):
    first = site.start()
    site.wait_fills(1)
    first.kill()
    exchange = site.exchange()
    before = {row["client_order_id"] for row in site.truth()["orders"]}
    assert site.control("health")["pid"] == exchange["pid"], "the exchange outlives its host"

    second = site.start()
    status = site.wait_fills(len(site.truth()["fills"]))
    assert status["venues"]["binance"]["rest"] == exchange["rest"]
    assert site.exchange()["pid"] == exchange["pid"]
    # What the first one was sending when it died is unknown until it could not arrive any more.
    site.wait_status("every order is proven", lambda now: not now["unresolved_orders"])
    truth = check_in_order(site, second.stop(), second)

    assert before < {row["client_order_id"] for row in truth["orders"]}
    stopped = [line for line in second.lines if "local exchange at" in line]
    assert str(exchange["pid"]) in stopped[0]


def test_two_kills_in_a_row_lose_and_double_nothing(site: Site):
    for _ in range(2):
        host = site.start()
        fills = len(site.truth()["fills"]) if site.exchange() else 0
        site.wait_fills(fills)
        host.kill()

    last = site.start()
    site.wait_status("it runs again", lambda status: status["state"] == "running")
    check_in_order(site, last.stop(), last)


def test_a_killed_exchange_is_started_again_at_its_address_and_trading_goes_on(site: Site):
    host = site.start()
    before = site.wait_fills(1)
    killed = site.exchange()
    os.kill(killed["pid"], signal.SIGKILL)

    wait_for("another exchange", lambda: site.exchange().get("pid") not in (None, killed["pid"]))
    assert site.exchange()["rest"] == killed["rest"]
    site.wait_fills(before["fills"] + 1, within_s=30)

    check_in_order(site, host.stop(), host)


def test_an_exchange_that_hangs_pauses_trading_and_its_return_resumes_it(site: Site):
    site.configure({"venues": {"binance": {"read_timeout_ms": 1000, "stream_silence_ms": 1500}}})
    host = site.start()
    before = site.wait_fills(1)
    pid = site.exchange()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        status = site.wait_status(
            "it is paused", lambda status: status["state"] in ("paused", "connecting", "starting")
        )
        assert status["paused"]["binance:BTCUSDT"] if status["state"] == "paused" else True
    finally:
        os.kill(pid, signal.SIGCONT)
    site.wait_fills(before["fills"], within_s=30)

    check_in_order(site, host.stop(), host)


def test_a_stop_beside_an_exchange_that_hangs_takes_less_than_ten_seconds(site: Site):
    host = site.start()
    site.wait_fills()
    pid = site.exchange()["pid"]
    os.kill(pid, signal.SIGSTOP)

    code = host.stop(within_s=10)

    assert code == 0
    assert "Traceback" not in host.shown
    assert "entries that may still be open at the venue: binance:BTCUSDT" in host.shown


def test_what_a_dead_exchange_left_open_is_settled_by_the_next_host(site: Site):
    host = site.start()
    site.wait_fills()
    os.kill(site.exchange()["pid"], signal.SIGKILL)
    host.kill()

    second = site.start("--for", "4")
    truth = check_in_order(site, second.end(), second)

    check_no_duplicates(truth)
    check_equal(site.books(), truth)
