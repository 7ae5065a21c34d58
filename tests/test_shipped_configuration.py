"""The shipped configuration, started for real: it trades, ends in order and keeps its secrets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
RUN = (sys.executable, str(ROOT / "run.py"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Host:
    """A folder with the shipped configuration in it, and the program run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        shipped = (ROOT / "config.toml").read_text()
        assert '"127.0.0.1:9464"' in shipped
        # Hosts of other tests run beside it: a free port.
        self.config.write_text(shipped.replace("127.0.0.1:9464", "127.0.0.1:0"))
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*RUN, "--config", str(self.config), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def ask(self, *command: str) -> Any:
        done = subprocess.run(
            [*RUN, *command, "--json", "--config", str(self.config)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return json.loads(done.stdout)

    def wait_for(self, what: str, within_s: float = 40.0) -> Any:
        """Return the status once a figure of it is there."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            status = self.ask("status")
            if status[what]:
                return status
        raise AssertionError(f"no {what} within {within_s} s: {status}")

    def stop_all(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()
        found = self.folder / "state" / "exchange" / "binance" / "exchange.json"
        if found.exists():
            os.kill(json.loads(found.read_text())["pid"], signal.SIGTERM)

    def files(self) -> Iterator[Path]:
        return (path for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.stop_all()


def test_it_trades_on_paper_ends_in_order_and_both_ledgers_agree(host: Host):
    process = host.start()
    host.wait_for("fills")
    process.send_signal(signal.SIGTERM)
    shown, errors = process.communicate(timeout=30)

    assert process.returncode == 0, errors
    assert "Traceback" not in shown + errors
    books, truth = host.ask("ledger"), host.ask("ledger", "--exchange")
    assert books["fills"]
    assert books == truth
    log = (host.folder / "logs" / "bulkhead.log").read_text().splitlines()
    for row in books["fills"]:
        life = [line.split()[2] for line in log if f"[{row['client_order_id']}]" in line]
        assert {name.split(":")[0] for name in life} >= {"connection", "position"}
    held = {
        (row["symbol"], row["position_side"])
        for row in truth["positions"]
        if row["quantity"] != "0"
    }
    stops = {
        (row["symbol"], row["position_side"])
        for row in truth["orders"]
        if row["type"] == "stop_market" and row["status"] == "new"
    }
    assert held == stops, "each open side keeps its stop, and no other stop stays"
    entries = [row for row in truth["orders"] if row["status"] in ("new", "partially_filled")]
    opening = {("buy", "long"), ("sell", "short")}
    assert not [row for row in entries if (row["side"], row["position_side"]) in opening]


def test_a_killed_host_is_followed_by_one_that_goes_on_from_the_same_books(host: Host):
    first = host.start()
    host.wait_for("fills")
    first.kill()
    first.communicate()
    assert host.ask("status")["state"] != "running"

    second = host.start("--for", "12")
    _, errors = second.communicate(timeout=60)

    assert second.returncode == 0, errors
    books, truth = host.ask("ledger"), host.ask("ledger", "--exchange")
    assert books == truth
    ids = [row["client_order_id"] for row in truth["orders"]]
    assert len(ids) == len(set(ids)), "no order was sent twice"


def test_secrets_stay_in_the_exchanges_own_file_and_all_files_are_for_the_owner_alone(host: Host):
    _, errors = host.start("--for", "6").communicate(timeout=60)

    kept = host.folder / "state" / "exchange" / "binance" / "credentials.json"
    pair = json.loads(kept.read_text())
    for path in host.files():
        inside = {"state", "logs"} & set(path.relative_to(host.folder).parts)
        assert not inside or not path.stat().st_size or not path.stat().st_mode & 0o077, path
        if path == kept:
            continue
        data = path.read_bytes()
        assert pair["secret"].encode() not in data, path
        if path.suffix in (".log", ".jsonl", ".db") and path.name != "exchange.log":
            assert pair["key"].encode() not in data, path
        assert not re.search(rb"signature=[0-9a-f]{8}", data), path
    assert pair["key"] not in errors
