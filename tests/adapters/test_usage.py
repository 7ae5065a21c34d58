"""What this process uses, as the operating system tells it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from adapters import usage
from adapters.usage import read_usage


def test_memory_threads_and_files_are_read_and_rise_with_their_use(tmp_path: Path) -> None:
    before = read_usage()
    assert before.memory.used and before.memory.limit and before.files.limit
    assert before.memory.used < before.memory.limit
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    handles = [os.open(tmp_path, os.O_RDONLY) for _ in range(20)]
    ballast = bytearray(64 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    thread.start()
    try:
        after = read_usage()
    finally:
        end.set()
        thread.join()
        for handle in handles:
            os.close(handle)
    assert after.files.used == (before.files.used or 0) + 20
    assert after.threads.used == (before.threads.used or 0) + 1
    assert (after.memory.used or 0) - before.memory.used > 48 << 20


def test_a_system_that_does_not_tell_leaves_the_figures_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("_FILES", "_MEMORY", "_MACHINE", "_CGROUP"):
        monkeypatch.setattr(usage, name, tmp_path / "none")
    found = read_usage()
    assert (found.memory.used, found.memory.limit, found.files.used) == (None, None, None)


def test_where_no_descriptor_is_left_to_look_with_all_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(path: Path) -> list[str]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(os, "listdir", none_left)
    files = read_usage().files
    assert files.used == files.limit is not None


def test_the_limit_of_a_container_counts_where_it_is_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(usage, "_CGROUP", limit)
    limit.write_text("1048576\n")
    assert read_usage().memory.limit == 1_048_576
    limit.write_text("max\n")
    assert (read_usage().memory.limit or 0) > 1_048_576
