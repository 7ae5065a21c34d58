"""Any actor of the real host killed or hung while it trades over real sockets."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import run
from actors.position import PositionActor
from adapters.configuration import load
from adapters.console import LinesDisplay, _Screen
from adapters.logs import configure
from tests.e2e.site import (
    Site,
    check_entries_gone,
    check_equal,
    check_no_duplicates,
    check_protected,
    entries,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

SUPERVISORS = ("host", "trading", "venue:", "symbols:", "symbol:")


@pytest.fixture
def signals() -> Iterator[None]:
    """Give signals back to pytest afterwards."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


class Drill:
    """The host in this process; `doing` runs beside it, then the host is stopped."""

    def __init__(self, site: Site, folder: Path) -> None:
        config = load(site.config)
        self.said = (folder / "screen").open("w")
        display = LinesDisplay(_Screen(file=self.said))
        self.log = configure(config.logs, config.paths.logs, console=display.line)
        self.host = run._Host(config, display, self.log, run._StopSignal())
        self.runtime = self.host.runtime
        self.failure: BaseException | None = None

    def run(self, doing: Callable[[], None]) -> int:
        def work() -> None:
            try:
                doing()
            except BaseException as error:  # noqa: BLE001 (raised again in the test)
                self.failure = error
            self.host.stop.reason = "the drill is over"

        beside = threading.Thread(target=work, daemon=True)
        beside.start()
        try:
            code = self.host.run(None)
        finally:
            self.log.close()
            self.said.close()
        beside.join(5)
        if self.failure is not None:
            raise self.failure
        return code

    def all_run(self) -> bool:
        return {one.state for one in self.runtime.statistics()} == {"running"}

    def restarts(self, name: str) -> int:
        return next(one.restarts for one in self.runtime.statistics() if one.name == name)


def check_books(site: Site) -> None:
    books, truth = site.books(), site.truth()
    check_equal(books, truth)
    check_no_duplicates(truth)
    check_entries_gone(truth)
    check_protected(truth)
    assert truth["fills"]


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("first", range(4))
def test_every_actor_killed_in_turn_comes_back_and_the_books_agree(
    site: Site, tmp_path: Path, first: int
):
    """Every fourth one each: a restart reads the account anew, and a minute's weight is limited."""
    # Three deaths over messages of one symbol within a minute would have it paused as poisoned.
    site.configure({"supervision": {"poison_after": 1_000}})
    drill = Drill(site, tmp_path)
    killed = []

    def doing() -> None:
        site.wait_fills()
        names = [one for one in drill.runtime.statistics() if not one.name.startswith(SUPERVISORS)]
        for one in names[first::4]:
            wait_for(f"all run before {one.name}", drill.all_run, 20)
            before = drill.restarts(one.name)
            assert drill.runtime.kill(one.name, RuntimeError("killed by a drill"))
            wait_for(
                f"{one.name} is back",
                lambda name=one.name, before=before: drill.restarts(name) > before,
            )
            killed.append(one.name)
        wait_for("all run at the end", drill.all_run, 20)
        fills = (site.status() or {"fills": 0})["fills"]
        site.wait_fills(fills)

    assert drill.run(doing) == 0
    assert len(killed) > 3
    check_books(site)


@pytest.mark.usefixtures("signals")
def test_a_hung_position_is_replaced_and_may_send_nothing_when_it_wakes(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    site.configure(
        {
            "venues": {"binance": {"connect_timeout_ms": 300, "read_timeout_ms": 700}},
            "supervision": {"busy_deadline_s": 1.5},
        }
    )
    wake, hung = threading.Event(), threading.Event()
    armed = [False]
    original = PositionActor._sweep

    def hang(self: PositionActor) -> None:
        if armed[0]:
            armed[0] = False
            hung.set()
            wake.wait(30)
        original(self)

    monkeypatch.setattr(PositionActor, "_sweep", hang)
    drill = Drill(site, tmp_path)
    name = "position:binance:BTCUSDT"

    def doing() -> None:
        site.wait_fills()
        armed[0] = True
        assert hung.wait(10)
        wait_for("it is replaced", lambda: drill.restarts(name) == 1)
        wait_for("all run", drill.all_run, 20)
        wake.set()
        site.wait_fills((site.status() or {"fills": 0})["fills"])

    try:
        assert drill.run(doing) == 0
    finally:
        wake.set()
    check_books(site)


@pytest.mark.usefixtures("signals")
def test_a_host_that_gave_up_stays_halted_and_says_why_until_it_is_reset(
    site: Site, tmp_path: Path
):
    site.configure({"supervision": {"max_restarts": 0}})
    drill = Drill(site, tmp_path)

    def doing() -> None:
        site.wait_fills()
        drill.runtime.kill("position:binance:BTCUSDT", RuntimeError("killed by a drill"))
        assert drill.runtime.wait(20), "the root gives up"

    assert drill.run(doing) == 4
    config = ("--config", str(site.config))
    code, shown, _ = site.done("status", *config)
    assert code == 0
    assert "gave up" in shown
    assert "halted since" in shown
    assert "python run.py reset-halt" in shown
    after = site.start()
    site.wait_status("it stays halted", lambda now: now["halt"] == "halted")
    wait_for("no entry is left", lambda: not entries(site.truth()))
    assert after.stop() == 0

    assert site.done("reset-halt", *config)[0] == 0
    last = site.start()
    site.wait_fills(len(site.truth()["fills"]))
    assert last.stop() == 0
