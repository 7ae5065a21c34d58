"""People are told what happens to a real host: over a webhook that listens on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.drills.judging import unprotected
from tests.adapters.scripted_server import Reply, ScriptedServer, serving
from tests.e2e.site import (
    ROOT,
    Row,
    Site,
    check_entries_gone,
    check_no_duplicates,
    check_protected,
    entries,
    free_port,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

PATH = "/hooks/Zb3kQ9x7Lw2"
BY_WEBHOOK = {"alerts": {"max_per_minute": 1, "webhook": {"url_env": "ALERT_URL"}}}
"""So few messages that the last word waits for the minute to be over, unless it is let out."""
PROFITABLE = {"bots": {"take_profit_bps": 12}}
HOST_WITH_ACCIDENTS = """
import sys
sys.path.insert(0, sys.argv[1])
import run
from adapters.configuration import load
sys.exit(run.run_host(load(sys.argv[2]), for_s=None, accidents=sys.stdin))
"""


@pytest.fixture
def people() -> Iterator[ScriptedServer]:
    with serving(lambda _: Reply(status=204, body=b"")) as server:
        yield server


@pytest.fixture
def told_site(site: Site, people: ScriptedServer) -> Site:
    site.environment["ALERT_URL"] = people.url + PATH
    return site


def alerts(people: ScriptedServer) -> list[Row]:
    return [one for request in people.requests for one in json.loads(request.body)["alerts"]]


def check_secret(site: Site) -> None:
    for path in (site.folder / "logs").iterdir():
        assert PATH[1:] not in path.read_text(), path


def test_a_host_whose_restarts_are_used_up_ends_safely_and_its_last_word_is_told(
    told_site: Site, people: ScriptedServer
):
    """AUDIT E03: entries cancelled, positions protected, people alerted, exit code not zero.

    The exchange is a person's: it lives on, as a venue does. Its prices stand still from just
    before the accident, so that what is open then tells what the host left.
    """
    site, port = told_site, free_port()
    exchange = site.run(
        "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
        "--speed", "10", "--state", str(site.state_folder / "exchange"),
    )  # fmt: skip
    wait_for("the exchange listens", lambda: exchange.lines)
    rest = f"http://127.0.0.1:{port}"
    site.configure({"supervision": {"max_restarts": 0}, "paper": {"exchange": rest}}, BY_WEBHOOK)
    host = subprocess.Popen(
        [sys.executable, "-c", HOST_WITH_ACCIDENTS, str(ROOT), str(site.config)],
        cwd=site.folder,
        env=site.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def stands_with_entries_and_stops() -> Row | None:
        """Stop the market; go on where something is not as the accident shall find it."""
        site.control("market", {"stands": True}, rest)
        found = wait_for("its stops fit", lambda: covered(site, rest), 5)
        if entries(found) and found["positions"]:
            return found
        site.control("market", {"stands": False}, rest)
        return None

    try:
        assert host.stdin
        site.wait_status("it holds something", lambda now: now["fills"] and now["positions"])
        before = wait_for("entries and stops", stands_with_entries_and_stops)
        host.stdin.write('{"crash": "position:binance:BTCUSDT"}\n')
        host.stdin.flush()
        code = host.wait(30)
    finally:
        host.kill()
        errors = host.communicate()[1]

    assert code == 4, errors
    truth = site.control("ledger", rest=rest)
    check_no_duplicates(truth)
    check_entries_gone(truth)
    check_protected(truth)
    assert truth["positions"] == before["positions"]
    told = alerts(people)
    [last] = [one for one in told if one["text"].startswith("gave up: more than 0 restarts")]
    assert (last["level"], last["host"], last["actor"]) == ("critical", "host1", "host")
    assert any(one["text"].startswith("trading is halted: position:") for one in told)
    check_secret(site)


def covered(site: Site, rest: str) -> Row | None:
    """Return the truth where each side has stops of exactly its size: none is being replaced."""
    truth = site.control("ledger", rest=rest)
    return None if unprotected(truth) else truth


def test_an_outcome_that_stays_unknown_is_told_once_and_status_counts_it(
    told_site: Site, people: ScriptedServer
):
    site = told_site
    site.configure(
        {
            "alerts": {"max_per_minute": 60, "webhook": {"url_env": "ALERT_URL"}},
            "venues": {"binance": {"read_timeout_ms": 1000}},
            "execution": {
                "unknown_alert_after_s": 1.0,
                "unknown_first_query_ms": 50,
                "unknown_max_query_ms": 500,
            },
        }
    )
    host = site.start()
    assert site.wait_fills()["alerts"] == {
        "sent": 0, "failed": 0, "held_back": 0, "waiting": 0, "last_error": None,
    }  # fmt: skip
    order = "/fapi/v1/order"
    lost = {"kind": "drop", "endpoint": order, "method": "POST"}
    unanswered = {"kind": "drop", "endpoint": order, "method": "GET", "count": 0}
    site.control("faults", [lost, unanswered])
    site.control("faults", {"kind": "jump", "bps": 8})

    def unknown() -> list[Row]:
        return [one for one in alerts(people) if one["text"].startswith("outcome unknown for")]

    [first, *_] = wait_for("it is told", unknown, 30)
    assert first["actor"] == "position:binance:BTCUSDT"
    assert first["symbol"] == "BTCUSDT"
    assert first["client_order_id"].startswith("host1-grid-BTCUSDT-")
    site.control("faults", method="DELETE")
    site.wait_status("it is resolved", lambda now: now["unresolved_orders"] == 0, 30)
    assert site.wait_status("it is counted", lambda now: now["alerts"]["sent"])["alerts"]["sent"]
    assert host.stop() == 0, host.shown

    ids = [one["client_order_id"] for one in unknown()]
    assert len(ids) == len(set(ids)), "each order once"
    assert all(one["times"] == 1 for one in unknown())
    check_secret(site)


def test_a_webhook_that_hangs_holds_up_neither_trading_nor_the_stop(site: Site):
    site.configure(
        {"supervision": {"max_restarts": 20}},
        {"alerts": {"webhook": {"url_env": "ALERT_URL"}, "level": "warning"}},
    )
    with serving(lambda _: Reply(hang=True)) as server:
        site.environment["ALERT_URL"] = server.url + PATH
        host = site.start()
        site.wait_status("it waits for it", lambda now: now["alerts"]["failed"], 30)
        fills = site.wait_fills()["fills"]
        site.wait_fills(fills)
        assert host.stop(within_s=15) == 0, host.shown


def test_a_start_that_is_refused_is_told(told_site: Site, people: ScriptedServer):
    site = told_site
    site.configure(BY_WEBHOOK)
    site.state_folder.mkdir(mode=0o700)
    (site.state_folder / "journal.db").write_bytes(b"no journal at all" * 1_000)

    assert site.start().end() == 3
    [told] = alerts(people)
    assert told["level"] == "critical"
    assert told["text"].startswith("the host ends: ")
    assert "journal" in told["text"]


def test_a_channel_whose_variable_is_not_set_stops_the_start_in_one_line(site: Site):
    site.configure(BY_WEBHOOK)
    code, out, errors = site.done("--config", str(site.config))

    assert (code, out) == (2, "")
    assert errors.startswith(
        "error: the environment variable ALERT_URL is not set (alerts.webhook.url_env): "
    )


def test_a_check_sends_a_test_message_only_where_it_is_asked_for(
    told_site: Site, people: ScriptedServer
):
    site = told_site
    site.configure(PROFITABLE, BY_WEBHOOK)
    words = ("check", "--json", "--config", str(site.config))

    def items(*more: str) -> tuple[int, dict[str, Any]]:
        code, out, errors = site.done(*words, *more)
        assert errors == ""
        assert PATH[1:] not in out
        return code, {item["name"]: item for item in json.loads(out)["items"]}

    code, found = items()
    assert code == 0
    assert "alert_webhook" not in found
    assert found["alerts"]["figure"].startswith("people are told from level error on, by webhook")
    assert people.requests == []

    code, found = items("--alert")
    assert (code, found["alert_webhook"]["state"]) == (0, "ok")
    [told] = alerts(people)
    assert told["text"] == "a test: this channel works"

    del site.environment["ALERT_URL"]
    code, found = items("--alert")
    assert (code, found["alerts"]["state"]) == (3, "fail")
    assert "the environment variable ALERT_URL is not set" in found["alerts"]["figure"]
