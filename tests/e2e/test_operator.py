"""The operator's commands on a trading host, judged by what the exchange says."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.e2e.site import Row, Site, check_in_order, check_protected, live, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

OPENING = {("buy", "long"), ("sell", "short")}

D = Decimal
QUIET_S = 3.0


def command(site: Site, *words: str) -> tuple[int, str, str]:
    """Have a command carried out by the host of this site, as a person would."""
    return site.done(*words, "--config", str(site.config))


def done(site: Site, *words: str) -> Row:
    """Have a command carried out that must succeed; return its JSON."""
    code, out, errors = command(site, *words, "--json")
    assert (code, "error" in errors) == (0, False), errors
    answer: Row = json.loads(out)
    assert answer["command"] == words[0]
    return answer


def truth(site: Site) -> Row:
    return site.control("ledger")


def entries(ledger: Row) -> list[Row]:
    """Return the rows of orders that open something, live or not."""
    return [
        row
        for row in ledger["orders"]
        if (row["side"], row["position_side"]) in OPENING and row["type"] == "limit"
    ]


def open_entries(site: Site) -> list[Row]:
    ledger = truth(site)
    return [row for row in entries(ledger) if row in live(ledger)]


def check_opens_nothing(site: Site) -> None:
    """Assert that the exchange has no entry, and gets none while the market goes on."""
    wait_for("no entry is open at the exchange", lambda: not open_entries(site), 5)
    before = {row["client_order_id"] for row in entries(truth(site))}
    status = site.status()
    assert status
    until_s = status["uptime_s"] + QUIET_S
    site.wait_status("time goes on", lambda now: now["uptime_s"] > until_s)
    assert {row["client_order_id"] for row in entries(truth(site))} == before


def check_trades(site: Site) -> None:
    site.wait_status("it runs", lambda now: now["state"] == "running")
    wait_for("entries at the exchange", lambda: open_entries(site), 20)


def test_a_pause_ends_entries_survives_a_kill_and_resume_ends_it(site: Site):
    host = site.start()
    site.wait_fills()

    assert "opens nothing" in done(site, "pause")["done"]
    check_opens_nothing(site)
    check_protected(truth(site))
    host.kill()
    second = site.start()
    site.wait_status("paused", lambda now: "operator" in now["paused"].get("binance:BTCUSDT", ""))
    check_opens_nothing(site)

    done(site, "resume")
    check_trades(site)
    check_in_order(site, second.stop(), second)


def test_a_throttle_scales_what_rests_at_the_exchange_and_what_comes(site: Site):
    host = site.start()
    check_trades(site)

    def worth(row: Row) -> Decimal:
        return D(row["price"]) * D(row["quantity"])

    wait_for("entries of full size", lambda: any(worth(row) > D(100) for row in open_entries(site)))
    done(site, "throttle", "50")
    wait_for("no larger entry", lambda: all(worth(row) <= D(100) for row in open_entries(site)), 3)
    known = {row["client_order_id"] for row in entries(truth(site))}

    def new() -> list[Row]:
        return [row for row in entries(truth(site)) if row["client_order_id"] not in known]

    wait_for("new entries at the exchange", lambda: len(new()) > 3)
    assert all(D(50) <= worth(row) <= D(100) for row in new())
    site.wait_status("it is shown", lambda now: now["throttle"] == {"": 50})

    done(site, "throttle", "0", "--symbol", "BTCUSDT")
    check_opens_nothing(site)
    check_in_order(site, host.stop(), host)


@pytest.mark.parametrize("word", ["halt", "reduce-only"])
def test_a_halt_outlives_the_host_until_it_is_reset_without_one(site: Site, word: str):
    host = site.start()
    site.wait_fills()
    level = word.replace("-", "_").replace("halt", "halted")

    assert level in done(site, word)["done"]
    check_opens_nothing(site)
    check_protected(truth(site))
    host.kill()
    second = site.start()
    site.wait_status("it stays", lambda now: now["halt"] == level)
    check_opens_nothing(site)
    assert second.stop() == 0

    code, shown, _ = command(site, "status")
    assert code == 0
    assert "by operator" in shown
    assert "python run.py reset-halt" in shown
    code, shown, errors = command(site, "reset-halt")
    assert (code, errors) == (0, "")
    assert "the next start trades" in shown
    third = site.start()
    check_trades(site)
    check_in_order(site, third.stop(), third)


def test_commands_that_cannot_be_carried_out_say_why(site: Site):
    for words in (["pause"], ["flatten"], ["halt"], ["throttle", "50"]):
        code, out, errors = command(site, *words)
        assert (code, out) == (2, "")
        assert errors.startswith("error: no host runs on this state folder")
    host = site.start()
    site.wait_status("it trades", lambda now: now["state"] == "running")

    code, out, errors = command(site, "pause", "--symbol", "DOGEUSDT")
    assert (code, out) == (1, "")
    assert "BTCUSDT" in errors
    code, _, errors = command(site, "reset-halt")
    assert code == 1
    assert "not halted" in errors
    check_in_order(site, host.stop(), host)
