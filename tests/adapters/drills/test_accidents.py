"""What a drill orders its host over standard input."""

from __future__ import annotations

import signal
import subprocess
import sys
from queue import Queue
from typing import Any

import pytest

from adapters.drills.accidents import Accident, obey


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Queue[Any]:
    """Return what a host was told, the signal to itself at the end of its orders too."""
    found: Queue[Any] = Queue()
    monkeypatch.setattr("os.kill", lambda pid, number: found.put(("signal", number)))
    return found


def carry_out(heard: Queue[Any], *orders: str) -> list[Any]:
    def kill(name: str, error: BaseException) -> bool:
        assert isinstance(error, Accident)
        heard.put(("crash", name))
        return name != "nobody"

    def stall(name: str, wait: object) -> bool:
        heard.put(("stall", name))
        return True

    obey(orders, kill, stall, lambda level, actor, text, *_: heard.put((level, text)))
    told = []
    while not told or told[-1] != ("signal", signal.SIGTERM):
        told.append(heard.get(timeout=10))
    return told[:-1]


def test_actors_crash_and_stall_by_name_and_the_end_of_orders_stops_the_host(heard: Queue[Any]):
    orders = ('{"crash": "risk"}', '{"stall": "journal", "for_s": 1.5}')

    assert carry_out(heard, *orders) == [("crash", "risk"), ("stall", "journal")]


@pytest.mark.parametrize(
    "order", ['{"crash": 7}', "[]", '{"stall": "risk"}', '{"crash": "nobody"}']
)
def test_an_order_that_nobody_can_follow_is_said(heard: Queue[Any], order: str):
    assert carry_out(heard, order)[-1] == ("error", f"no such accident: {order}")


def test_a_limit_on_files_is_a_full_disk_until_it_is_lifted(tmp_path):
    program = f"""
import resource
from adapters.drills.accidents import _carry_out
file = open({str(tmp_path / "file")!r}, "ab", buffering=0)
file.write(b"before")
assert _carry_out({{"file_bytes": 0}}, None, None)
try:
    file.write(b"x")
except OSError as error:
    print(error.strerror)
assert _carry_out({{"file_bytes": -1}}, None, None)
file.write(b" after")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.stdout.strip(), done.stderr) == ("File too large", "")
    assert (tmp_path / "file").read_bytes() == b"before after"
