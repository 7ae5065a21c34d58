"""Real processes killed and hung at random instants while the venue misbehaves, round by round."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from adapters.operations import read_books
from tests.chaos.acts import Acts
from tests.e2e.site import (
    Site,
    check_entries_gone,
    check_equal,
    check_no_duplicates,
    check_protected,
    wait_for,
)

__all__ = ["FAULTS", "Campaign", "Result", "load_menu"]

FAULTS = Path(__file__).with_name("faults.json")
_ROUNDS_A_SITE = 10
_ENTRIES = {("buy", "long"), ("sell", "short")}
_AGAIN_WITHIN_S = 60.0
_CALM_WITHIN_S = 20.0
_SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"venues": {"binance": {"connect_timeout_ms": 500, "read_timeout_ms": 1000}}},
    {"venues": {"binance": {"recv_window_ms": 1000}}},
    {"market": {"reconcile_every_s": 5.0, "depth": 100}},
    {"bots": {"spacing_bps": 5, "take_profit_bps": 6, "recentre_bps": 8}},
    {"execution": {"max_order_age_ms": 500, "unknown_first_query_ms": 50}},
    {"execution": {"unknown_max_query_ms": 500}},
    {"supervision": {"busy_deadline_s": 2.0}},
    {"risk": {"max_orders_per_minute": 5000, "max_cancels_per_minute": 5000}},
    {"risk": {"breaker": {"open_s": 1.0}}},
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

    A round: while a host trades, faults are set and an act (`tests.chaos.acts`) is done at a random
    instant; once entries are placed again the market stands still, and the host's books and the
    exchange's ledger must become the same. The last round of a site ends with an orderly stop,
    after which they must be the same at once. Which faults and acts is drawn from the seed, which
    order they meet is up to the machine.
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
                acts = Acts(site, site.start())
                last = min(first + _ROUNDS_A_SITE, rounds) - 1
                for number in range(first, last + 1):
                    # Books that differ once differ for good: go on with new ones.
                    if not self._play(site, acts, number, stops=number == last):
                        break
                self.result.kills += acts.kills
                self.result.hangs += acts.hangs
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
            shutil.rmtree(folder)

    def _play(self, site: Site, acts: Acts, number: int, *, stops: bool) -> bool:
        dice = random.Random(f"{self.seed}/{number}")
        self.result.rounds += 1
        begun_s = time.monotonic()
        done: list[str] = []
        try:
            self._wait_entries(site, acts, _entries(site))
            # A start costs 400 of a minute's 2,400: each round is a minute of its own.
            site.control("limits", method="DELETE")
            done += self._set_faults(site, dice)
            time.sleep(dice.uniform(0.0, 0.5))
            done.append(acts.draw(dice))
            # What a killed host had sent arrives before the next one answers.
            site.wait_status("the host answers", lambda _: True, _AGAIN_WITHIN_S)
            self._wait_entries(site, acts, _entries(site))
            site.control("faults", method="DELETE")
            self._compare_standing(site)
            if stops:
                acts.stop()
                self._compare_stopped(site)
            tracebacks = [one.shown for one in site.started if "Traceback" in one.shown]
            assert not tracebacks, f"a traceback on the console: {tracebacks[0][-2000:]}"
        except AssertionError as error:
            problem = f"seed {self.seed}, round {number} ({', '.join(done)}): {error}"
            self.result.problems.append(problem)
            self.said(f"{problem}; kept in {site.folder}")
            return False
        took_s = time.monotonic() - begun_s
        self.said(f"seed {self.seed}, round {number}: {', '.join(done)}: equal, {took_s:.1f} s")
        return True

    def _set_faults(self, site: Site, dice: random.Random) -> list[str]:
        chosen = dice.sample(list(self.menu), dice.randint(0, min(3, len(self.menu))))
        if chosen:
            site.control("faults", chosen)
            self.result.faults += len(chosen)
        return [str(one["kind"]) for one in chosen]

    def _wait_entries(self, site: Site, acts: Acts, known: frozenset[str]) -> None:
        """Wait until an entry is placed that was not there: resting ones fill without a host."""

        def placed() -> bool:
            assert acts.host.popen.poll() is None, f"the host ended\n{acts.host.shown[-3000:]}"
            return bool(_entries(site) - known)

        try:
            wait_for("it trades", placed, _AGAIN_WITHIN_S)
        except AssertionError as error:
            shown = acts.host.shown[-3000:]
            raise AssertionError(f"{error}; status: {site.status()}\n{shown}") from None

    def _compare_standing(self, site: Site) -> None:
        """Let the market stand still; books and ledger must become the same within a while."""
        deadline = time.monotonic() + _CALM_WITHIN_S
        while True:
            try:
                site.control("market", {"stands": True})  # a host that attaches lets it go on
                books = read_books(site.state_folder)[0].ledger()
                truth = site.control("ledger")
                check_equal(books, truth)
                check_no_duplicates(truth)
                check_protected(truth)
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
        site.control("market", {"stands": False})

    def _compare_stopped(self, site: Site) -> None:
        books, truth = site.books(), site.truth()
        check_equal(books, truth)
        check_no_duplicates(truth)
        check_entries_gone(truth)
        check_protected(truth)


def load_menu(path: Path) -> list[Mapping[str, Any]]:
    """Read a file of faults: a JSON list as `POST /_exchange/faults` takes it."""
    found: list[Mapping[str, Any]] = json.loads(path.read_text())
    return found


def _entries(site: Site) -> frozenset[str]:
    """Name the entries that ever were at the exchange; none while nobody answers there."""
    with suppress(OSError, KeyError, ValueError):
        rows = site.control("ledger")["orders"]
        opening = (row for row in rows if (row["side"], row["position_side"]) in _ENTRIES)
        return frozenset(row["client_order_id"] for row in opening)
    return frozenset()
