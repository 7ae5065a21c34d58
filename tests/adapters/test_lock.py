"""One host per state folder and per bot of an account, whatever became of the one before."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.lock import Holder, InstanceLock, account_lock, account_name, fingerprint
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


def test_an_orderly_end_leaves_no_file_and_touches_no_other_hosts(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path, "first"), InstanceLock(tmp_path, "second")
    first.acquire()
    first.path.unlink()
    with second:
        first.release()
        assert second.path.exists(), "it is the second one's by now"
    assert not list(tmp_path.iterdir())


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


def bot_on(account: str, bot: str, home: Path) -> InstanceLock:
    return account_lock("binance", account, bot, "host1", {"HOME": str(home)})


def test_a_bot_of_an_account_runs_once_whatever_the_state_folder(tmp_path: Path) -> None:
    with bot_on("key", "grid", tmp_path) as lock:
        with pytest.raises(UsageError) as caught:
            bot_on("key", "grid", tmp_path).acquire()
        assert f"host host1 (process {os.getpid()}) runs bot grid on this account of binance" in (
            caught.value.what
        )
        assert "stop it first" in caught.value.mend
        with bot_on("key", "other", tmp_path), bot_on("other", "grid", tmp_path):
            assert lock.path.name == "binance-key-grid.lock"


def test_a_fingerprint_tells_accounts_apart_and_gives_no_key_away() -> None:
    names = {fingerprint("http://a", "key"), fingerprint("http://b", "key"), fingerprint("key")}
    assert len(names) == 3
    assert not any("key" in name for name in names)


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("http://127.0.0.1:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.9.9.9:8080/"),
        ("http://127.0.0.1:8080", "http://[::1]:8080"),
        ("https://fapi.example.com", "https://FAPI.example.com.:443/"),
    ],
)
def test_an_account_is_the_same_however_its_address_is_spelled(address: str, same: str) -> None:
    assert account_name(address, "key") == account_name(same, "key")
    assert account_name(address, "key") != account_name("http://127.0.0.1:8081", "key")
    assert account_name(address, "key") != account_name(same, "other")


@pytest.mark.parametrize(
    "environment", [{}, {"HOME": ""}, {"XDG_STATE_HOME": "relative"}, {"HOME": "relative"}]
)
def test_a_lock_is_in_the_users_home_whatever_the_environment_leaves_out(
    environment: dict[str, str],
) -> None:
    home = {"HOME": pwd.getpwuid(os.getuid()).pw_dir}
    known = account_lock("binance", "key", "grid", "h", home)
    assert known.path.is_absolute()
    assert account_lock("binance", "key", "grid", "h", environment).path == known.path


def test_a_user_without_any_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(UsageError, match=r"no home folder \(XDG_STATE_HOME\): set it"):
        account_lock("binance", "key", "grid", "h", {})


def test_a_lock_of_an_account_follows_the_users_state_folder_and_says_when_it_cannot(
    tmp_path: Path,
) -> None:
    there = account_lock("binance", "key", "grid", "h", {"XDG_STATE_HOME": str(tmp_path)})
    assert there.path.parent == tmp_path / "bulkhead" / "accounts"
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be locked: Not a directory.*XDG_STATE_HOME"):
        bot_on("key", "grid", tmp_path / "file").acquire()
