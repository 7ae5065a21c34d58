"""What people see of a running host: a table on a terminal, lines in a pipe, nothing secret."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from tests.e2e.site import RUN, Site, check_equal, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 110 columns with the host in it."""

    def __init__(self, site: Site) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        self.process = subprocess.Popen(
            [*RUN, "--config", str(site.config)],
            cwd=site.folder,
            env=site.environment | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._reader.start()

    def _read(self, handle: int) -> None:
        while True:
            try:
                part = os.read(handle, 65_536)
            except OSError as error:
                assert error.errno == errno.EIO  # the other side is closed
                part = b""
            if not part:
                os.close(handle)
                return
            self.shown += ESCAPES.sub("", part.decode(errors="replace"))

    def end(self) -> int:
        code = self.process.wait(15)
        self._reader.join(5)
        return code


@pytest.fixture
def terminal(site: Site):
    made = Terminal(site)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_a_terminal_shows_positions_profit_orders_and_health(site: Site, terminal: Terminal):
    row = re.compile(
        r"^BTCUSDT +(long|short) +-?0\.\d+ +\d+\.\d\d +\d+\.\d\d +-?\d+\.\d\d +-", re.M
    )
    wait_for("a position's row", lambda: row.search(terminal.shown.replace("\r", "")), 30)
    running = re.compile(r"paper running  up \d+ s  actors (\d+) of \1 running")
    wait_for("all actors running", lambda: running.search(terminal.shown), 30)
    assert re.search(r"equity \d+\.\d\d  realised .*  open orders \d+  fills \d+", terminal.shown)
    assert "binance connected  http://127.0.0.1:" in terminal.shown
    assert re.search(r"filled (buy|sell) 0\.", terminal.shown), "log lines above the table"

    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert "Traceback" not in terminal.shown
    last = terminal.shown.replace("\r", "").strip().splitlines()[-1]
    assert last.endswith("stopped: stopped by SIGINT")


def test_ctrl_c_at_the_terminal_reaches_the_host_alone(site: Site):
    """The exchange has a session of its own: Ctrl-C must not take it away under the host."""
    host = site.start()
    site.wait_fills()
    assert os.getsid(site.exchange()["pid"]) == site.exchange()["pid"]
    assert os.getsid(host.pid) != site.exchange()["pid"]
    assert host.stop(signal.SIGINT) == 0
    check_equal(site.books(), site.truth())


def test_a_pipe_gets_lines_and_no_escapes(site: Site):
    host = site.start()
    site.wait_fills()
    assert host.stop() == 0
    shown = "\n".join(host.lines)
    assert "\x1b" not in shown and "\r" not in shown
    known = re.compile(r"^(\d\d:\d\d:\d\d (info|warning|error) +\S|paper \w+|  \S)")
    assert not [line for line in host.lines if not known.match(line)]
    assert re.search(r"equity \d+.*open orders \d+  fills \d+.*positions: ", shown)


def test_a_reader_that_leaves_does_not_end_trading(site: Site):
    host = subprocess.Popen(
        [*RUN, "--config", str(site.config)],
        cwd=site.folder, env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert host.stdout is not None
        for _ in range(3):
            host.stdout.readline()
        host.stdout.close()
        wait_for("fills", lambda: (site.status() or {}).get("fills"))
        assert host.poll() is None
        host.send_signal(signal.SIGTERM)
        assert host.wait(10) == 0
        assert host.stderr is not None
        assert host.stderr.read() == b""
    finally:
        if host.poll() is None:
            host.kill()
        host.communicate() if not host.stdout.closed else host.stderr.close()
    check_equal(site.books(), site.truth())


def test_no_secret_leaves_its_file_and_all_files_are_the_owners_alone(site: Site):
    site.configure({"logs": {"level": "debug"}})
    host = site.start()
    site.wait_fills()
    pair = json.loads((site.state_folder / "exchange/binance/credentials.json").read_text())
    listed = "".join(_command_lines())
    assert str(site.config) in listed, "the process list was read"
    assert pair["secret"] not in listed
    assert pair["secret"] not in "".join(_environments([host.pid, site.exchange()["pid"]]))
    assert (site.state_folder / "host.sock").is_socket()
    for path in _kept(site):
        assert not path.lstat().st_mode & 0o077, path
    assert host.stop() == 0

    assert pair["secret"] not in host.shown and pair["key"] not in host.shown
    for path in _kept(site):
        assert not path.stat().st_mode & 0o077, path
        if path.is_file() and path.name != "credentials.json":
            data = path.read_bytes()
            assert pair["secret"].encode() not in data, path
            assert not re.search(rb"signature=[0-9a-f]{16}", data), path


def _kept(site: Site) -> list[Path]:
    """Return the files and folders of state and logs."""
    return [
        path
        for path in site.folder.rglob("*")
        if {"state", "logs"} & set(path.relative_to(site.folder).parts)
    ]


def _command_lines() -> list[str]:
    if sys.platform == "linux":
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return found
    return [subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout]


def _environments(pids: list[int]) -> list[str]:
    if sys.platform != "linux":
        return []
    return [Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace") for pid in pids]


def test_a_host_without_any_stdout_trades_and_stops_all_the_same(site: Site):
    line = 'exec "$@" >&- 2>&-'
    host = subprocess.Popen(
        ["/bin/sh", "-c", line, "sh", *RUN, "--config", str(site.config)],
        cwd=site.folder, env=site.environment,
    )  # fmt: skip
    try:
        wait_for("fills", lambda: (site.status() or {}).get("fills"))
        host.send_signal(signal.SIGTERM)
        assert host.wait(10) == 0
    finally:
        if host.poll() is None:
            host.kill()
            host.wait()
    check_equal(site.books(), site.truth())
