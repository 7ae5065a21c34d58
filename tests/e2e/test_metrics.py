"""Metrics and health of the running host, asked over HTTP as Prometheus and a watchdog do."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics.server import listen
from core.addresses import Address
from tests.e2e.site import Row, Site, check_in_order, wait_for
from tests.e2e.test_actors_fail import Drill, signals
from tests.e2e.test_operator import done

__all__ = ["signals"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SERVED = {"metrics": {"listen": "127.0.0.1:0"}}
QUICK = {
    "risk": {"breaker": {"min_calls": 4, "open_s": 1.0, "window_s": 10.0}},
    "venues": {"binance": {"connect_timeout_ms": 500, "read_timeout_ms": 1000}},
    "market": {"stale_after_ms": 2000, "reconcile_every_s": 2.0},
}
BTC = 'symbol="BTCUSDT",venue="binance"'


def get(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def address(site: Site) -> str:
    """Return where the host of a site serves, once it does."""
    status = site.wait_status("it serves metrics", lambda now: now["metrics"])
    return str(status["metrics"])


def health(url: str) -> tuple[int, list[str]]:
    code, body = get(f"{url}/health")
    verdict = json.loads(body)
    assert verdict["healthy"] is (code == 200) is not verdict["problems"]
    return code, verdict["problems"]


def wait_healthy(url: str) -> None:
    wait_for("it is healthy", lambda: health(url)[0] == 200, 40)


def wait_unwell(url: str, problem: str, within_s: float = 20.0) -> None:
    def found() -> bool:
        code, problems = health(url)
        return code == 503 and any(problem in one for one in problems)

    wait_for(f"503 for: {problem}", found, within_s)


def samples(url: str) -> dict[str, float]:
    """Scrape; return each sample by its name and labels as Prometheus writes them."""
    code, body = get(f"{url}/metrics")
    assert code == 200, body
    return {
        sample.name
        + (
            "{" + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items())) + "}"
            if sample.labels
            else ""
        ): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def wait_sample(url: str, name: str, wanted: float) -> None:
    wait_for(f"{name} is {wanted}", lambda: samples(url).get(name) == wanted)


def test_a_trading_host_is_healthy_and_tells_what_its_status_tells(site: Site):
    site.configure(SERVED)
    host = site.start()
    site.wait_fills(2)
    url = address(site)
    wait_healthy(url)

    before, told, after = site.status(), samples(url), site.status()
    assert before and after
    assert before["fills"] <= told[f"bulkhead_fills_total{{{BTC}}}"] <= after["fills"]
    assert told['bulkhead_halt_level{level="running"}'] == 1
    assert told['bulkhead_breaker_state{state="closed",venue="binance"}'] == 1
    assert told["bulkhead_equity"] == pytest.approx(float(after["equity"]), abs=50)
    assert told[f"bulkhead_position_apart{{{BTC}}}"] == 0
    assert told['bulkhead_actor_up{actor="risk"}'] == told["bulkhead_healthy"] == 1
    assert told["bulkhead_process_memory_bytes"] > 1_000_000
    assert 'bulkhead_actor_last_recovery_seconds{actor="risk"}' not in told

    assert f"{url}/metrics" in site.done("status", "--config", str(site.config))[1]
    kept = json.loads((site.state_folder / "exchange/binance/credentials.json").read_text())
    for path in ("/", "/metrics", "/health"):
        body = get(url + path)[1]
        assert kept["key"] not in body and kept["secret"] not in body
    check_in_order(site, host.stop(), host)
    with pytest.raises(URLError):
        get(f"{url}/health")
    assert f"metrics at {url}/metrics, health at {url}/health" in site.log()


def test_what_the_operator_orders_is_shown_and_the_host_that_obeys_is_healthy(site: Site):
    site.configure(SERVED, {"risk": {"guards": {"decision_stale_after_ms": 2000}}})
    host = site.start()
    site.wait_fills()
    url = address(site)
    paused = f"bulkhead_paused{{{BTC}}}"
    wait_sample(url, paused, 0)

    done(site, "pause")
    wait_sample(url, paused, 1)
    done(site, "throttle", "25")
    wait_sample(url, f"bulkhead_throttle_ratio{{{BTC}}}", 0.25)
    done(site, "halt")
    wait_sample(url, 'bulkhead_halt_level{level="halted"}', 1)
    told = samples(url)
    assert told['bulkhead_halt_level{level="running"}'] == 0
    assert told["bulkhead_halt_latched"] == 1
    assert told['bulkhead_state{state="halted"}'] == 1
    until_s = told["bulkhead_uptime_seconds"] + 4
    wait_healthy(url)  # a part may just have been busy with the entries
    wait_for("time goes on", lambda: samples(url)["bulkhead_uptime_seconds"] > until_s)
    wait_healthy(url)

    done(site, "reset-halt")
    done(site, "resume")
    wait_sample(url, paused, 0)
    wait_sample(url, 'bulkhead_halt_level{level="running"}', 1)
    check_in_order(site, host.stop(), host)


def test_a_venue_whose_calls_fail_opens_its_breaker_for_all_to_see(site: Site):
    site.configure(SERVED, QUICK)
    host = site.start()
    site.wait_fills()
    url = address(site)
    wait_healthy(url)
    closed, opened = (
        f'bulkhead_breaker_state{{state="{state}",venue="binance"}}' for state in ("closed", "open")
    )
    assert (samples(url)[closed], samples(url)[opened]) == (1, 0)

    site.control("faults", [{"kind": "503_not_executed", "endpoint": "/fapi/*", "count": 0}])
    wait_sample(url, closed, 0)
    wait_unwell(url, "calls to binance fail")

    site.control("faults", method="DELETE")
    wait_sample(url, closed, 1)
    wait_healthy(url)
    check_in_order(site, host.stop(), host)


def test_a_host_whose_exchange_stands_still_or_dies_is_not_healthy_until_it_trades_again(
    site: Site,
):
    # Down for longer than an answer is kept, so that nobody can miss it.
    site.configure(SERVED, QUICK, {"supervision": {"backoff_initial_ms": 2000}})
    host = site.start()
    site.wait_fills()
    url = address(site)
    wait_healthy(url)

    pid = site.exchange()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_unwell(url, "market of binance:BTCUSDT: nothing for")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_healthy(url)

    os.kill(site.exchange()["pid"], signal.SIGKILL)
    wait_for("it is not healthy", lambda: health(url)[0] == 503)
    wait_healthy(url)
    actor = "{actor=" + '"exchange:binance"}'
    told = samples(url)
    assert told[f"bulkhead_actor_restarts_total{actor}"] >= 1
    assert 0 < told[f"bulkhead_actor_last_recovery_seconds{actor}"] < 30
    check_in_order(site, host.stop(), host)


@pytest.mark.usefixtures("signals")
def test_a_part_that_hangs_makes_the_host_unwell_and_none_of_its_answers_wait(
    site: Site, tmp_path: Path
):
    site.configure(SERVED, QUICK, {"supervision": {"busy_deadline_s": 6.0}})
    drill = Drill(site, tmp_path)

    def doing() -> None:
        site.wait_fills()
        url = address(site)
        for actor, problem in (
            ("position:binance:BTCUSDT", "position:binance:BTCUSDT"),
            ("operations", "the host gave no status"),
        ):
            wait_healthy(url)
            woken = []
            assert drill.runtime.stall(actor, lambda woken=woken: wait_for("…", lambda: woken))
            wait_unwell(url, problem)
            woken.append(True)
        wait_healthy(url)

    assert drill.run(doing) == 0


def test_a_port_that_is_taken_costs_the_metrics_alone_and_the_check_says_so(site: Site):
    with listen(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.configure(
            {"metrics": {"listen": f"127.0.0.1:{port}"}, "bots": {"take_profit_bps": 12}}
        )
        items = checked(site)
        assert items["metrics"]["state"] == "warn"
        assert "metrics.listen" in items["metrics"]["mend"]
        host = site.start()
        status = site.wait_status("it trades", lambda now: now["open_orders"])
        assert status["metrics"] is None
        assert "no metrics and no health" in host.shown
        assert "address already in use (metrics.listen): name a free port" in host.shown
        check_in_order(site, host.stop(), host)

    host = site.start()
    site.wait_status("it trades", lambda now: now["open_orders"])
    assert address(site) == f"http://127.0.0.1:{port}"
    served = checked(site)["metrics"]
    assert (served["state"], "the host that runs here" in served["figure"]) == ("ok", True)
    check_in_order(site, host.stop(), host)
    assert checked(site)["metrics"]["figure"] == f"http://127.0.0.1:{port} is free"


def checked(site: Site) -> dict[str, Row]:
    _, out, errors = site.done("check", "--json", "--config", str(site.config))
    assert errors == ""
    return {item["name"]: item for item in json.loads(out)["items"]}
