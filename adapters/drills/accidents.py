"""Inside the host of a drill: what its standard input orders to go wrong.

Nothing listens for this: whoever did not start the process itself has no way to its input.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial
from threading import Thread
from typing import Any

from core.ports import Log

__all__ = ["Accident", "obey"]


class Accident(RuntimeError):
    """What a drill lets an actor die of."""


def obey(
    orders: Iterable[str],
    kill: Callable[[str, BaseException], bool],
    stall: Callable[[str, Callable[[], object]], bool],
    log: Log,
) -> None:
    """Carry out each line on a thread of its own; stop the host in order when they end.

    A line is a JSON object: `{"crash": actor}`, `{"stall": actor, "for_s": N}` or
    `{"file_bytes": N}`: no file may be written past its first N bytes (-1: no limit), which is a
    full disk to the host, its logs included.
    """

    def work() -> None:
        for line in orders:
            if not _carry_out(json.loads(line), kill, stall):
                log("error", "drill", f"no such accident: {line.strip()}")
        os.kill(os.getpid(), signal.SIGTERM)  # the drill is gone: nobody needs this host

    Thread(target=work, name="drill", daemon=True).start()


def _carry_out(
    order: Any,
    kill: Callable[[str, BaseException], bool],
    stall: Callable[[str, Callable[[], object]], bool],
) -> bool:
    match order:
        case {"crash": str(actor)}:
            return kill(actor, Accident("crashed by a drill"))
        case {"stall": str(actor), "for_s": int() | float() as for_s}:
            return stall(actor, partial(time.sleep, for_s))
        case {"file_bytes": int(limit)}:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard if limit < 0 else limit, hard))
            return True
    return False
