"""A report beside a running host, and one afterwards that adds up to what the exchange says."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

from tests.e2e.site import Site, check_in_order


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_report_is_made_beside_a_running_host_and_adds_up_when_it_has_stopped(
    site: Site,
) -> None:
    out = site.folder / "report"
    command = ("report", "--json", "--out", str(out), "--config", str(site.config))
    host = site.start()
    site.wait_fills(more_than=4)
    code, _, errors = site.done(*command)
    assert (code, errors) == (0, "")
    assert len(rows(out, "fills")) > 4

    truth = check_in_order(site, host.stop(), host)
    code, summary, _ = site.done(*command)
    assert code == 0
    columns = ("fill_id", "order_id", "side", "position_side", "price", "quantity", "fee")
    told = {tuple(row[name] for name in columns) for row in rows(out, "fills")}
    assert told == {tuple(row[name] for name in columns) for row in truth["fills"]}
    (asset,) = json.loads(summary)["assets"]
    wallet = Decimal(truth["balances"]["binance"]["USDT"]["wallet"])
    assert Decimal(10_000) + Decimal(asset["net"]) == wallet
    orders = {row["client_order_id"]: row for row in rows(out, "orders")}
    for row in truth["orders"]:
        same = ("status", "side", "price", "quantity", "filled")
        ours = orders[row["client_order_id"]]
        assert {name: ours[name] for name in same} == {name: row[name] for name in same}
    assert "started in paper mode" in [row["state"] for row in rows(out, "controls")]
