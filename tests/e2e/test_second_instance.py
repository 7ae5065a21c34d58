"""Two hosts of the same names: the second one is refused, and starts once the first is dead."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.site import Site, free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

KEYS = {"PAPER_KEY": "k" * 64, "PAPER_SECRET": "s" * 64}


def test_the_same_bot_on_the_same_account_is_refused_from_another_state_folder(
    site: Site, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other")
    for one in (site, other):
        one.environment |= KEYS | {"HOME": str(tmp_path)}
        one.configure(
            {"paper": {"exchange": f"http://127.0.0.1:{port}", "key_env": "PAPER_KEY",
                       "secret_env": "PAPER_SECRET"}}
        )  # fmt: skip
    try:
        exchange = site.run(
            "exchange", "--venue", "binance", "--port", str(port), "--symbols", "BTCUSDT",
            "--speed", "10", "--key", "k" * 64, "--secret", "s" * 64,
            "--state", str(tmp_path / "elsewhere"),
        )  # fmt: skip
        wait_for("it listens", lambda: exchange.lines)
        first = site.start()
        site.wait_fills(1)

        said = f"(process {first.pid}) runs bot grid on this account of binance since"
        code, out, _ = other.done("check", "--json", "--config", str(other.config))
        (item,) = [i for i in json.loads(out)["items"] if i["name"] == "account_lock"]
        assert code == 3
        assert item["state"] == "fail" and said in item["figure"]

        second = other.start("--for", "5")
        assert second.end() == 2, second.shown
        assert said in "\n".join(second.errors)
        assert "stop it first" in "\n".join(second.errors)
        assert exchange.popen.poll() is None and first.popen.poll() is None

        first.popen.send_signal(signal.SIGKILL)
        first.end()
        third = other.start("--for", "3")
        assert third.end() == 0, third.shown
    finally:
        other.tear_down()


def test_the_same_state_folder_is_refused_and_taken_over_from_the_dead(site: Site) -> None:
    first = site.start()
    site.wait_fills(1)
    second = site.start("--for", "3")
    assert second.end() == 2, second.shown
    assert f"(process {first.pid}) runs here since" in "\n".join(second.errors)
    first.kill()
    (site.state_folder / "host.lock").write_text("no lock that a host wrote")
    third = site.start("--for", "3")
    assert third.end() == 0, third.shown
