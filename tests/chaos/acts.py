"""What a round does to the processes: kill, hang, stop, in the middle of whatever they do."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

from tests.e2e.site import Process, Site, wait_for

__all__ = ["Acts"]

_START_S = 2.0  # a host trades again by then, mostly
_STOP_S = 0.6
_BUSY_S = 2.5  # longer than the campaign's busy deadline and receive window
_SILENT_S = 16.0  # longer than a host waits before it kills its exchange
_LATE_ANSWER = {"kind": "timeout_after", "endpoint": "/fapi/v1/order", "method": "POST", "ms": 1500}


@define
class Acts:
    """The acts on one site's host and exchange; `host` is the process that lives after them."""

    site: Site
    host: Process
    kills: int = field(default=0, init=False)
    hangs: int = field(default=0, init=False)

    def draw(self, dice: random.Random) -> str:
        """Do one of them; return its name."""
        menu: dict[str, tuple[int, Callable[[random.Random], None]]] = {
            "kill host": (12, self._kill_host),
            "kill host twice": (6, self._kill_host_twice),
            "kill exchange": (8, self._kill_exchange),
            "kill both": (8, self._kill_both),
            "kill exchange in a start": (4, self._kill_exchange_in_a_start),
            "kill host in a stop": (6, self._kill_host_in_a_stop),
            "kill host behind its order": (8, self._kill_host_behind_its_order),
            "kill host beside a hung exchange": (3, self._kill_host_beside_a_hung_exchange),
            "hang host": (8, lambda dice: self._hang(self.host.pid, dice.uniform(0.1, 1.0))),
            "hang host for long": (4, lambda _: self._hang(self.host.pid, _BUSY_S)),
            "hang exchange": (6, lambda dice: self._hang(self._exchange, dice.uniform(0.1, 2.0))),
            "hang exchange for long": (1, lambda _: self._hang(self._exchange, _SILENT_S)),
            "stop host": (6, self._stop_host),
        }
        if sys.platform == "linux":
            menu["full disk"] = (2, self._full_disk)
        names = list(menu)
        name = dice.choices(names, [menu[one][0] for one in names])[0]
        menu[name][1](dice)
        return name

    def stop(self) -> None:
        """Stop the host in order."""
        code = self.host.stop(within_s=15)
        assert code == 0, f"exit code {code}\n{self.host.shown[-3000:]}"

    @property
    def _exchange(self) -> int:
        pid: int = self.site.exchange()["pid"]
        return pid

    def _kill_host(self, dice: random.Random) -> None:
        self.kills += 1
        self.host.kill()
        time.sleep(dice.uniform(0.0, 0.5))
        self._start()

    def _kill_host_twice(self, dice: random.Random) -> None:
        self._kill_host(dice)
        time.sleep(dice.uniform(0.0, _START_S))
        self._kill_host(dice)

    def _kill_exchange(self, dice: random.Random) -> None:
        self.kills += 1
        with suppress(ProcessLookupError):  # its host stopped it a moment ago
            os.kill(self._exchange, signal.SIGKILL)

    def _kill_both(self, dice: random.Random) -> None:
        pair = [self._kill_exchange, self._kill_host]
        dice.shuffle(pair)
        for kill in pair:
            kill(dice)

    def _kill_exchange_in_a_start(self, dice: random.Random) -> None:
        self._kill_host(dice)
        time.sleep(dice.uniform(0.0, _START_S))
        self._kill_exchange(dice)

    def _kill_host_in_a_stop(self, dice: random.Random) -> None:
        self.host.popen.send_signal(signal.SIGTERM)
        time.sleep(dice.uniform(0.0, _STOP_S))
        self._kill_host(dice)

    def _kill_host_behind_its_order(self, dice: random.Random) -> None:
        """Kill the host once the exchange took an order and keeps the answer back."""
        found = self.site.control("faults", [_LATE_ANSWER])["set"][0]["id"]

        def taken() -> bool:
            return found not in [fault["id"] for fault in self.site.control("faults")["faults"]]

        wait_for("an order is taken", taken, 30.0)
        self._kill_host(dice)

    def _kill_host_beside_a_hung_exchange(self, dice: random.Random) -> None:
        pid = self._exchange
        self.hangs += 1
        os.kill(pid, signal.SIGSTOP)
        try:
            self._kill_host(dice)
            time.sleep(dice.uniform(0.0, _START_S))
        finally:
            os.kill(pid, signal.SIGCONT)

    def _hang(self, pid: int, for_s: float) -> None:
        self.hangs += 1
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(for_s)
        finally:
            with suppress(ProcessLookupError):  # killed meanwhile: silent for too long
                os.kill(pid, signal.SIGCONT)

    def _stop_host(self, dice: random.Random) -> None:
        self.stop()
        self._start()

    def _full_disk(self, dice: random.Random) -> None:
        """Let no file of the host's grow for a while."""
        resource.prlimit(self.host.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        time.sleep(dice.uniform(0.1, 1.5))
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(self.host.pid, resource.RLIMIT_FSIZE, unlimited)

    def _start(self) -> None:
        self.host = self.site.start()
