"""The journal's disk is full while the host trades: no new risk, nothing lost, back by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import Site, check_equal, check_protected, live, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system that a minute of journal does not fill: only its ballast does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def live_on(site: Site, disk: Path) -> None:
    """Keep the host's state on this disk, the exchange's account elsewhere, as a venue's is."""
    site.state_folder = disk / "state"
    site.state_folder.mkdir(mode=0o700)
    elsewhere = site.folder / "exchange-state"
    elsewhere.mkdir(mode=0o700)
    (site.state_folder / "exchange").symlink_to(elsewhere)
    site.configure({"paths": {"state": str(site.state_folder)}})


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 65_536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return ballast


def test_new_risk_ends_while_the_journals_disk_is_full_and_resumes_when_it_is_not(
    site: Site, small_disk: Path
):
    live_on(site, small_disk)
    host = site.start()
    before = site.wait_fills()

    ballast = fill(small_disk)
    status = site.wait_status("new risk ends", lambda now: now["halt"] == "reduce_only", 30)
    assert "journal" in status["halt_reason"]
    wait_for(
        "it is said", lambda: "journal:" in host.shown and "nothing new is opened" in host.shown
    )
    wait_for("it is shown", lambda: "trading is reduce_only: journal:" in host.shown)
    assert host.popen.poll() is None

    ballast.unlink()
    site.wait_status("it trades again", lambda now: now["halt"] == "running", 30)
    site.wait_fills(before["fills"], within_s=30)

    assert host.stop() == 0, host.shown[-2000:]
    assert "Traceback" not in host.shown
    check_equal(site.books(), site.truth())


def test_a_stop_beside_a_full_disk_still_cancels_entries_and_leaves_stops(
    site: Site, small_disk: Path
):
    live_on(site, small_disk)
    host = site.start()
    site.wait_fills()
    ballast = fill(small_disk)
    site.wait_status("new risk ends", lambda now: now["halt"] == "reduce_only", 30)

    code = host.stop()

    assert "Traceback" not in host.shown
    assert code == 0, host.shown[-2000:]
    truth = site.truth()
    assert not [row for row in live(truth) if row["type"] == "limit" and _opens(row)]
    check_protected(truth)
    ballast.unlink()
    again = site.start("--for", "3")
    assert again.end() == 0
    books, truth = site.books(), site.truth()
    for part in ("fills", "positions", "balances"):
        assert books[part] == truth[part], part
    # A stop that came and went while nothing could be written is the one thing nobody remembers.
    known = {row["client_order_id"] for row in books["orders"]}
    assert books["orders"] == [row for row in truth["orders"] if row["client_order_id"] in known]
    forgotten = [row for row in truth["orders"] if row["client_order_id"] not in known]
    assert {(row["status"], row["filled"]) for row in forgotten} <= {("cancelled", "0")}


def _opens(row: dict[str, str]) -> bool:
    return (row["side"], row["position_side"]) in {("buy", "long"), ("sell", "short")}
