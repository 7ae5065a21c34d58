"""One host per state folder, whatever became of the one before."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.lock import Holder, InstanceLock
from core.errors import UsageError

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from adapters.lock import InstanceLock
InstanceLock(Path(sys.argv[1]), "first").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def hold(state: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock until its stdin closes."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_host_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    with hold(tmp_path) as child:
        with pytest.raises(UsageError) as caught:
            InstanceLock(tmp_path, "second").acquire()
        assert f"host first (process {child.pid}) runs here since" in caught.value.what
        assert caught.value.where == str(tmp_path / "host.lock")
        assert "stop it first" in caught.value.mend
        holder = InstanceLock(tmp_path, "second").holder()
        assert holder is not None
        assert (holder.pid, holder.host) == (child.pid, "first")


def test_a_dead_holders_lock_is_taken_over_and_the_dead_one_named(tmp_path: Path) -> None:
    with hold(tmp_path) as child:
        os.kill(child.pid, signal.SIGKILL)
    lock = InstanceLock(tmp_path, "second")
    assert lock.holder() is None
    with lock:
        assert lock.left_by is not None
        assert (lock.left_by.pid, lock.left_by.host) == (child.pid, "first")
        holder = lock.holder()
        assert holder is not None
        assert (holder.pid, holder.host) == (os.getpid(), "second")


def test_an_orderly_end_leaves_nobodys_name(tmp_path: Path) -> None:
    with InstanceLock(tmp_path, "first") as lock:
        lock.acquire()
    lock.release()
    with InstanceLock(tmp_path, "second") as second:
        assert second.left_by is None


def test_two_locks_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    with InstanceLock(tmp_path, "first"), pytest.raises(UsageError, match="host first"):
        InstanceLock(tmp_path, "second").acquire()


def test_a_lock_file_cut_short_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "host.lock").write_text('{"pid": 12')
    with InstanceLock(tmp_path, "first") as lock:
        assert lock.left_by is None
        assert isinstance(lock.holder(), Holder)


def test_folder_and_file_are_for_the_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    with InstanceLock(state, "first") as lock:
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be locked: Not a directory.*paths.state"):
        InstanceLock(tmp_path / "file" / "state", "first").acquire()


def test_a_folder_nobody_ever_used_has_no_holder(tmp_path: Path) -> None:
    assert InstanceLock(tmp_path / "none", "first").holder() is None


def test_a_lock_file_deleted_while_it_is_being_locked_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "host.lock", fcntl.flock
    deleted: list[int] = []

    def slow_flock(handle: int, how: int) -> None:
        if not deleted:
            deleted.append(handle)
            path.unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", slow_flock)
    with InstanceLock(tmp_path, "first"), pytest.raises(UsageError, match="host first"):
        InstanceLock(tmp_path, "second").acquire()
    assert deleted
