"""What this process uses, read from the operating system; where that does not tell, unknown."""

from __future__ import annotations

import errno
import os
import resource
import threading
from pathlib import Path

from core.usage import Figure, Usage

__all__ = ["read_usage"]

_FILES = Path("/proc/self/fd")
_MEMORY = Path("/proc/self/statm")
_MACHINE = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def read_usage() -> Usage:
    """Read memory, threads and files, with the limits at which the system says no."""
    return Usage(
        Figure(_resident(), _memory_limit()), Figure(threading.active_count()), _open_files()
    )


def _resident() -> int | None:
    try:
        return int(_MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _memory_limit() -> int | None:
    """Return the less of what the machine has and what its container allows."""
    limits = []
    for path in (_MACHINE, _CGROUP):
        try:
            words = path.read_text().split()
        except OSError:
            continue
        if path == _MACHINE:
            limits.append(int(words[1]) * 1024)
        elif words and words[0].isdigit():
            limits.append(int(words[0]))
    return min(limits, default=None)


def _open_files() -> Figure:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    known = None if limit == resource.RLIM_INFINITY else limit
    try:
        return Figure(len(os.listdir(_FILES)), known)
    except OSError as error:
        # Looking takes a descriptor: when there is none left, all are used.
        return Figure(known if error.errno == errno.EMFILE else None, known)
