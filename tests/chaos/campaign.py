"""Real processes killed and hung at random instants while the venue misbehaves, round by round."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.e2e.site import (
    Process,
    Site,
    check_entries_gone,
    check_equal,
    check_no_duplicates,
    check_protected,
    wait_for,
)

__all__ = ["FAULTS", "Campaign", "Result"]

FAULTS = Path(__file__).with_name("faults.json")
_ROUNDS_A_SITE = 10
_AGAIN_WITHIN_S = 60.0
_SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"venues": {"binance": {"read_timeout_ms": 1000, "recv_window_ms": 1000}}},
    {"market": {"reconcile_every_s": 2.0}},
    {"execution": {"max_order_age_ms": 500, "unknown_first_query_ms": 50}},
    {"execution": {"unknown_max_query_ms": 500}},
    {"paper": {"speed": 20.0}},
)


@define
class Result:
    """What a campaign did and found; `problems` say which round of which seed, and what."""

    rounds: int = 0
    orders: int = 0
    fills: int = 0
    kills: int = 0
    hangs: int = 0
    faults: int = 0
    problems: list[str] = field(factory=list)

    def add(self, other: Result) -> None:
        """Count another campaign in."""
        for name in ("rounds", "orders", "fills", "kills", "hangs", "faults"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds: {self.orders} orders, {self.fills} fills, {self.kills} kills, "
            f"{self.hangs} hangs, {self.faults} faults, {len(self.problems)} with differences"
        )


@define
class Campaign:
    """Rounds on one site after the other; `said` hears a line of each.

    A round: a host trades, faults are set, host or exchange or both are killed or stopped for a
    while at a random instant, a host trades on and is stopped in order; then its books and the
    exchange's ledger must be the same. Which faults and acts is drawn from the seed, which order
    they meet is up to the machine.
    """

    folder: Path
    seed: int
    menu: Sequence[Mapping[str, Any]]
    said: Callable[[str], None]
    result: Result = field(factory=Result, init=False)

    def run(self, rounds: int) -> Result:
        """Play so many rounds."""
        for first in range(0, rounds, _ROUNDS_A_SITE):
            with self._site(first) as site:
                for number in range(first, min(first + _ROUNDS_A_SITE, rounds)):
                    if not self._play(site, number):
                        break  # books that differ once differ for good: go on with new ones
        return self.result

    @contextmanager
    def _site(self, first: int) -> Iterator[Site]:
        folder = self.folder / f"seed{self.seed}-round{first}"
        folder.mkdir(parents=True)
        site = Site(folder)
        site.configure(*_SETTINGS, {"paper": {"seed": self.seed * 1_000 + first}})
        before = len(self.result.problems)
        try:
            yield site
            truth = site.truth()
            self.result.orders += len(truth["orders"])
            self.result.fills += len(truth["fills"])
        finally:
            try:
                site.tear_down()
            except AssertionError as error:
                self.result.problems.append(f"seed {self.seed}, rounds from {first}: {error}")
        if len(self.result.problems) == before:
            _remove(folder)

    def _play(self, site: Site, number: int) -> bool:
        dice = random.Random(f"{self.seed}/{number}")
        self.result.rounds += 1
        begun_s = time.monotonic()
        acts: list[str] = []
        try:
            host = site.start()
            before = site.wait_status("it trades", _trades)
            self._set_faults(site, dice, acts)
            time.sleep(dice.uniform(0.0, 1.0))
            host = self._act(site, host, dice, acts)
            site.control("faults", method="DELETE")
            site.wait_status(
                "it trades again",
                lambda now: _trades(now) and now["fills"] > before["fills"],
                _AGAIN_WITHIN_S,
            )
            site.wait_status(
                "every order is proven", lambda now: not now["unresolved_orders"], _AGAIN_WITHIN_S
            )
            code = host.stop()
            assert code == 0, f"exit code {code}"
            assert "Traceback" not in host.shown, "a traceback on the console"
            books, truth = site.books(), site.truth()
            check_equal(books, truth)
            check_no_duplicates(truth)
            check_entries_gone(truth)
            check_protected(truth)
        except AssertionError as error:
            problem = f"seed {self.seed}, round {number} ({', '.join(acts)}): {error}"
            self.result.problems.append(problem)
            self.said(f"{problem}; kept in {site.folder}")
            return False
        took_s = time.monotonic() - begun_s
        self.said(f"seed {self.seed}, round {number}: {', '.join(acts)}: equal, {took_s:.1f} s")
        return True

    def _set_faults(self, site: Site, dice: random.Random, acts: list[str]) -> None:
        chosen = dice.sample(list(self.menu), dice.randint(0, min(3, len(self.menu))))
        if chosen:
            site.control("faults", chosen)
            self.result.faults += len(chosen)
            acts += [str(one["kind"]) for one in chosen]

    def _act(self, site: Site, host: Process, dice: random.Random, acts: list[str]) -> Process:
        act = dice.choice(
            ("kill host", "kill host", "kill exchange", "kill both", "hang host", "hang exchange")
        )
        acts.append(act)
        exchange = site.exchange()["pid"]
        if act.startswith("hang"):
            self.result.hangs += 1
            pid = host.pid if act == "hang host" else exchange
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(dice.uniform(0.1, 3.0))
            finally:
                os.kill(pid, signal.SIGCONT)
            return host
        if act != "kill host":
            self.result.kills += 1
            os.kill(exchange, signal.SIGKILL)
            if act == "kill exchange":
                wait_for(
                    "another exchange", lambda: site.exchange().get("pid") not in (None, exchange)
                )
        if act != "kill exchange":
            self.result.kills += 1
            host.kill()
            time.sleep(dice.uniform(0.0, 1.0))
            host = site.start()
        wait_for("the exchange answers", lambda: _answers(site))
        return host


def load_menu(path: Path) -> list[Mapping[str, Any]]:
    """Read a file of faults: a JSON list as `POST /_exchange/faults` takes it."""
    found: list[Mapping[str, Any]] = json.loads(path.read_text())
    return found


def _trades(status: Mapping[str, Any]) -> bool:
    return bool(status["state"] == "running" and status["fills"] and status["open_orders"])


def _answers(site: Site) -> bool:
    with suppress(OSError, KeyError, ValueError):
        return bool(site.control("health"))
    return False


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)
