"""The machine in a bad state at a start or while the host trades: safe, said, nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import Process, Site, check_equal, check_in_order, check_protected, wait_for
from tests.e2e.test_full_disk import live_on, small_disk

__all__ = ["small_disk"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_journal_that_another_program_locks_ends_new_risk_until_it_lets_go(site: Site) -> None:
    host = site.start()
    before = site.wait_fills()
    other = sqlite3.connect(site.state_folder / "journal.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        status = site.wait_status("new risk ends", lambda now: now["halt"] == "reduce_only", 30)
        assert "locked by another program" in status["halt_reason"]
        other.execute("ROLLBACK")
    finally:
        other.close()
    site.wait_status("it trades again", lambda now: now["halt"] == "running", 30)
    site.wait_fills(before["fills"], within_s=30)
    assert host.stop() == 0, host.shown[-2000:]
    assert "Traceback" not in host.shown
    check_equal(site.books(), site.truth())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_a_host_without_a_file_descriptor_left_says_so_and_trades_once_there_are_some(
    site: Site,
) -> None:
    host = site.start()
    before = site.wait_fills()
    exchange = site.control("health")["pid"]
    used = len(os.listdir(f"/proc/{host.pid}/fd"))
    enough = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (used // 2, enough[1]))
    os.kill(exchange, signal.SIGKILL)  # everything has to be opened anew
    wait_for("it is said", lambda: "Too many open files" in site.log(), 30)
    assert host.popen.poll() is None, host.shown[-2000:]

    resource.prlimit(host.pid, resource.RLIMIT_NOFILE, enough)
    site.wait_fills(before["fills"], within_s=60)
    assert host.stop() == 0, host.shown[-2000:]
    check_equal(site.books(), site.truth())


def test_a_machine_that_stood_still_goes_on_with_equal_books(site: Site) -> None:
    host = site.start()
    before = site.wait_fills()
    exchange = site.control("health")["pid"]
    try:
        for pid in (host.pid, exchange):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(12)  # longer than a stream may be silent
    finally:
        for pid in (exchange, host.pid):
            os.kill(pid, signal.SIGCONT)
    site.wait_fills(before["fills"], within_s=60)
    site.wait_status("it runs", lambda now: now["halt"] == "running", 30)
    assert host.stop() == 0, host.shown[-2000:]
    check_equal(site.books(), site.truth())


# At a start


def traded(site: Site) -> int:
    """Let a host trade and stop; return how many fills there are."""
    first = site.start()
    site.wait_fills()
    assert first.stop() == 0, first.shown[-2000:]
    return len(site.books()["fills"])


def refused(site: Site, code: int, *words: str) -> None:
    """Assert that a start ends with this code and one line that says all of this."""
    host = site.start("--for", "3")
    assert host.end() == code, host.shown[-2000:]
    (line,) = host.errors
    assert line.startswith("error: ") and all(word in line for word in words), line
    pid = site.exchange().get("pid")
    assert not (pid and Path(f"/proc/{pid}").exists()), "nothing is left running"


def goes_on(site: Site, fills: int) -> None:
    """Assert that the next host trades on, and that nothing of before is lost."""
    host = site.start()
    site.wait_fills(fills, within_s=30)
    check_in_order(site, host.stop(), host)


def test_a_start_with_a_journal_that_another_program_locks_says_so_and_leaves_nothing(
    site: Site,
) -> None:
    fills = traded(site)
    other = sqlite3.connect(site.state_folder / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused(site, 3, "locked by another program", "docs/journal.md")
    other.execute("ROLLBACK")
    other.close()
    goes_on(site, fills)


def test_a_start_in_a_state_folder_that_nobody_may_write_says_so(
    site: Site, small_disk: Path
) -> None:
    live_on(site, small_disk)
    fills = traded(site)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused(site, 2, "Read-only file system", "paths.state")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    goes_on(site, fills)


def test_a_start_with_a_damaged_account_of_the_local_exchange_names_the_file(site: Site) -> None:
    fills = traded(site)
    account = site.state_folder / "exchange" / "binance" / "exchange.db"
    before = account.read_bytes()
    account.write_bytes(b"no database" * 500)
    refused(site, 2, str(account), "move it away")
    assert account.read_bytes() == b"no database" * 500, "it is left to a person"
    code, _, errors = site.done("check", "--config", str(site.config))
    assert code == 2
    assert str(account) in errors, "its own place, not that of the copy that was looked at"
    account.write_bytes(before)
    goes_on(site, fills)


def test_an_account_that_began_after_the_books_is_refused_until_both_fit_again(site: Site) -> None:
    fills = traded(site)
    account, aside = site.state_folder / "exchange", site.folder / "aside"
    account.rename(aside)
    refused(site, 3, "they are of another account", "move the journal and exchange/", "together")
    code, _, errors = site.done("check", "--config", str(site.config))
    assert (code, "of another account" in errors) == (3, True)

    shutil.rmtree(account)
    aside.rename(account)
    goes_on(site, fills)


def test_a_damaged_store_of_dead_letters_keeps_no_host_from_trading(site: Site) -> None:
    store = site.state_folder / "store" / "deadletters"
    store.mkdir(parents=True)
    site.state_folder.chmod(0o700)
    (store / "cache.db").write_bytes(b"no database" * 500)
    traded(site)
    listing = ("deadletters", "list", "--config", str(site.config))
    code, _, errors = site.done(*listing)
    assert code == 1 and str(store) in errors and "move the folder away" in errors
    assert len(errors.splitlines()) == 1
    shutil.move(store, site.folder / "aside")
    assert site.done(*listing)[0] == 0
    check_equal(site.books(), site.truth())


# Threads

AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--clear-groups"),
    *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"),
)
"""No limit of threads binds root. What root may read is still read: the program may be root's."""


@pytest.fixture
def limited() -> Iterator[Site]:
    """Return a folder whose host is somebody whom limits bind."""
    with tempfile.TemporaryDirectory() as folder:  # that of pytest is closed to others
        site = Site(Path(folder))
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                pytest.skip("only setpriv makes a host of root one that has limits")
            site.in_front = AS_NOBODY
        site.configure({"supervision": {"max_restarts": 2}})
        for path in (site.folder, site.config):
            os.chown(path, *(65534, 65534) if site.in_front else (-1, -1))
        yield site
        site.tear_down()


def take_threads(site: Site, host: Process) -> None:
    """Let the host start no thread from now on."""
    limit = ["prlimit", "--pid", str(host.pid), "--nproc=1:1"]
    subprocess.run([*site.in_front, *limit], check=True)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="only Linux limits another process")
def test_a_host_that_gets_no_more_threads_ends_with_4_and_the_next_one_lost_nothing(
    limited: Site,
) -> None:
    site = limited
    host = site.start()
    wait_for("fills", lambda: site.exchange() and site.control("ledger")["fills"], 30)
    take_threads(site, host)
    site.control("faults", {"kind": "disconnect", "stream": "*@bookTicker"})

    assert host.end(60) == 4, host.shown[-2000:]
    assert "gave up: more than 2 restarts" in host.shown
    assert "can't start new thread" in host.shown
    assert "Traceback" not in host.shown
    site.in_front = ()
    check_protected(site.truth())
    again = site.start()
    site.wait_status("the halt is remembered", lambda now: now["halt"] == "halted", 30)
    check_in_order(site, again.stop(), again)
