"""Retention on a real host: it trades on from what was kept, and the report knows all."""

from __future__ import annotations

import csv
import time

from adapters.operations import JOURNAL
from adapters.storage.archive import archives
from adapters.storage.journal import JournalReader
from adapters.storage.prepare import prepare
from core.config import JournalSettings
from tests.e2e.site import Site, check_in_order, live

DAY_NS = 86_400 * 10**9


def test_a_host_trades_on_from_what_was_kept_and_the_report_knows_all(site: Site) -> None:
    config = ("--config", str(site.config))
    host = site.start()
    site.wait_fills(more_than=6)
    truth = check_in_order(site, host.stop(), host)
    path = site.state_folder / JOURNAL
    books, count = site.books(), JournalReader(path).head().sequence

    said: list[str] = []
    # As the start of a host does it, ten days later.
    prepare(
        path,
        JournalSettings(keep_days=2),
        "host1",
        lambda level, actor, text, **_: said.append(text),
        time.time_ns() + 10 * DAY_NS,
    )
    assert [line.split(",")[0] for line in said] == [f"archived the records 1 to {count}"]
    assert len(archives(path)) == 1
    kept = sum(record.sequence <= count for record in JournalReader(path).read())
    assert 0 < kept < count
    after = site.books()
    for part in ("fills", "positions", "balances"):
        assert after[part] == books[part], part
    gone = {row["client_order_id"] for row in books["orders"] if row not in after["orders"]}
    unfilled = {
        row["client_order_id"]
        for row in truth["orders"]
        if row["status"] in ("cancelled", "expired") and row["filled"] == "0"
    }
    assert gone
    assert gone <= unfilled

    host = site.start()
    site.wait_status("compared with the venue", lambda status: status["limits"])
    assert host.stop() == 0, host.shown[-3000:]
    books, truth = site.books(), site.truth()
    for part in ("fills", "positions", "balances"):
        assert books[part] == truth[part], part
    assert live(books) == live(truth)
    ids = [row["client_order_id"] for row in truth["orders"]]
    assert len(ids) == len(set(ids))

    out = site.folder / "report"
    assert site.done("report", "--out", str(out), *config)[0] == 0
    with (out / "orders.csv").open(newline="") as file:
        reported = {row["client_order_id"]: row["status"] for row in csv.DictReader(file)}
    assert {name: reported[name] for name in ids} == {
        row["client_order_id"]: row["status"] for row in truth["orders"]
    }
