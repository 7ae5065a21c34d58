"""Strategy x restart type x exit reason, as one table, as OTP tests its supervisor.

The tree is a, b, c from left to right; a and c are permanent, b ends as the row says.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import pytest

from actors.runtime import ChildSpec, Runtime, StepRuntime, ThreadsRuntime
from actors.runtime.spec import Restart, Strategy
from tests.actors.runtime import probes
from tests.actors.runtime.conftest import MakeRuntime
from tests.actors.runtime.probes import SECOND_NS, Journal, Probe


class Row(NamedTuple):
    """What follows the end of b: who is stopped and who is started, each in this order."""

    strategy: Strategy
    restart: Restart
    cause: str
    stopped: str
    started: str


# fmt: off
TABLE = [
    #   strategy        restart      cause           stopped  started
    Row("one_for_one",  "permanent", "normal",       "",      "b"),
    Row("one_for_one",  "permanent", "crash",        "",      "b"),
    Row("one_for_one",  "permanent", "hung",         "",      "b"),
    Row("one_for_one",  "permanent", "overflow",     "",      "b"),
    Row("one_for_one",  "permanent", "failed_start", "",      "bc"),
    Row("one_for_one",  "transient", "normal",       "",      ""),
    Row("one_for_one",  "transient", "crash",        "",      "b"),
    Row("one_for_one",  "transient", "hung",         "",      "b"),
    Row("one_for_one",  "transient", "overflow",     "",      "b"),
    Row("one_for_one",  "transient", "failed_start", "",      "bc"),
    Row("one_for_one",  "temporary", "normal",       "",      ""),
    Row("one_for_one",  "temporary", "crash",        "",      ""),
    Row("one_for_one",  "temporary", "hung",         "",      ""),
    Row("one_for_one",  "temporary", "overflow",     "",      ""),
    Row("one_for_one",  "temporary", "failed_start", "",      "c"),
    Row("rest_for_one", "permanent", "normal",       "c",     "bc"),
    Row("rest_for_one", "permanent", "crash",        "c",     "bc"),
    Row("rest_for_one", "permanent", "hung",         "c",     "bc"),
    Row("rest_for_one", "permanent", "overflow",     "c",     "bc"),
    Row("rest_for_one", "permanent", "failed_start", "",      "bc"),
    Row("rest_for_one", "transient", "normal",       "",      ""),
    Row("rest_for_one", "transient", "crash",        "c",     "bc"),
    Row("rest_for_one", "transient", "hung",         "c",     "bc"),
    Row("rest_for_one", "transient", "overflow",     "c",     "bc"),
    Row("rest_for_one", "transient", "failed_start", "",      "bc"),
    Row("rest_for_one", "temporary", "normal",       "",      ""),
    Row("rest_for_one", "temporary", "crash",        "",      ""),
    Row("rest_for_one", "temporary", "hung",         "",      ""),
    Row("rest_for_one", "temporary", "overflow",     "",      ""),
    Row("rest_for_one", "temporary", "failed_start", "",      "c"),
    Row("one_for_all",  "permanent", "normal",       "ca",    "abc"),
    Row("one_for_all",  "permanent", "crash",        "ca",    "abc"),
    Row("one_for_all",  "permanent", "hung",         "ca",    "abc"),
    Row("one_for_all",  "permanent", "overflow",     "ca",    "abc"),
    Row("one_for_all",  "permanent", "failed_start", "a",     "abc"),
    Row("one_for_all",  "transient", "normal",       "",      ""),
    Row("one_for_all",  "transient", "crash",        "ca",    "abc"),
    Row("one_for_all",  "transient", "hung",         "ca",    "abc"),
    Row("one_for_all",  "transient", "overflow",     "ca",    "abc"),
    Row("one_for_all",  "transient", "failed_start", "a",     "abc"),
    Row("one_for_all",  "temporary", "normal",       "",      ""),
    Row("one_for_all",  "temporary", "crash",        "",      ""),
    Row("one_for_all",  "temporary", "hung",         "",      ""),
    Row("one_for_all",  "temporary", "overflow",     "",      ""),
    Row("one_for_all",  "temporary", "failed_start", "",      "c"),
]
# fmt: on

ON_THREADS = [row for row in TABLE if row.restart == "permanent" and row.cause != "overflow"]


class Failing:
    """A factory for b whose first incarnation does not start, if asked."""

    def __init__(self, journal: Journal, *, first_fails: bool) -> None:
        self.journal = journal
        self.first_fails = first_fails

    def __call__(self) -> Probe:
        if self.first_fails:
            self.first_fails = False
            self.journal.add("failed", "b")
            raise ConnectionError("not yet")
        return Probe(self.journal)


def children(row: Row, journal: Journal) -> tuple[ChildSpec, ...]:
    make_b = Failing(journal, first_fails=row.cause == "failed_start")
    return (
        ChildSpec("a", lambda: Probe(journal)),
        ChildSpec("b", make_b, restart=row.restart, busy_deadline_s=0.15, mailbox_limit=2),
        ChildSpec("c", lambda: Probe(journal)),
    )


def order(journal: Journal, kind: str) -> str:
    return "".join(str(entry[1]) for entry in journal.of(kind) if entry != ("stopping", "b", 1))


def is_running(runtime: Runtime, name: str) -> bool:
    return any(row.name == name and row.state == "running" for row in runtime.statistics())


def end_b(runtime: Runtime, cause: str, release: threading.Event | None = None) -> None:
    """Let b end in one of the ways."""
    match cause:
        case "normal":
            runtime.tell("b", lambda probe: probe.finish("done"))
        case "crash":
            runtime.tell("b", probes.crash(ValueError("boom")))
        case "hung" if isinstance(runtime, StepRuntime):
            runtime.hang("b")
            runtime.tell("b", "the message that never ends")
        case "hung":
            assert release is not None
            runtime.tell("b", lambda probe: release.wait(probes.PATIENCE_S))
        case "overflow":
            for number in range(3):
                runtime.tell("b", number)


def name_of(row: Row) -> str:
    return f"{row.strategy}-{row.restart}-{row.cause}"


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_the_table_holds_in_virtual_time(row: Row, journal: Journal) -> None:
    runtime = probes.step(journal)
    runtime.start(probes.tree(*children(row, journal), strategy=row.strategy))
    if row.cause == "failed_start":
        runtime.run_until(lambda: bool(journal.of("failed")))
    else:
        assert runtime.wait_ready(1)
    journal.clear()
    end_b(runtime, row.cause)
    runtime.run_for(SECOND_NS)

    assert order(journal, "stopping") == row.stopped
    assert order(journal, "starting") == row.started
    assert (("stopping", "b", 1) in journal.entries) is (row.cause == "normal")
    b_is_back = "b" in row.started
    assert is_running(runtime, "b") is b_is_back
    assert is_running(runtime, "a") and is_running(runtime, "c")


@pytest.mark.parametrize("row", ON_THREADS, ids=name_of)
def test_the_table_holds_on_threads(row: Row, journal: Journal) -> None:
    runtime = probes.threads(journal)
    release = threading.Event()
    last = row.started[-1]
    generation = 1 if row.cause == "failed_start" and last == "c" else 2
    runtime.start(probes.tree(*children(row, journal), strategy=row.strategy))
    if row.cause != "failed_start":
        assert runtime.wait_ready(probes.PATIENCE_S)
        journal.clear()
    end_b(runtime, row.cause, release)
    journal.until_entry("starting", last, generation)
    release.set()

    started = order(journal, "starting")
    assert order(journal, "stopping") == row.stopped
    assert started == (f"a{row.started}" if row.cause == "failed_start" else row.started)
    assert isinstance(runtime, ThreadsRuntime)
    runtime.stop("test over", probes.PATIENCE_S)


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
def test_a_temporary_sibling_that_is_taken_along_does_not_come_back(
    strategy: str, journal: Journal, make_runtime: MakeRuntime
) -> None:
    runtime = make_runtime(journal)
    spec = probes.tree(
        ChildSpec("a", lambda: Probe(journal)),
        ChildSpec("b", lambda: Probe(journal), restart="temporary"),
        ChildSpec("c", lambda: Probe(journal)),
        strategy=strategy,
    )
    with probes.running(runtime, spec):
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.ask("c", probes.who, 5)  # c may be asked in either generation
        wait_for(runtime, journal, ("starting", "c", 2))
        assert ("starting", "b", 2) not in journal.entries
        assert ("stopping", "b", 1) in journal.entries


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
def test_a_transient_sibling_that_had_finished_is_started_with_the_others(
    strategy: str, journal: Journal
) -> None:
    runtime = probes.step(journal)
    spec = probes.tree(
        ChildSpec("a", lambda: Probe(journal)),
        ChildSpec("b", lambda: Probe(journal), restart="transient"),
        strategy=strategy,
    )
    with probes.running(runtime, spec):
        runtime.tell("b", lambda probe: probe.finish())
        runtime.run_for(SECOND_NS)
        assert not is_running(runtime, "b")
        runtime.tell("a", probes.crash(ValueError("boom")))
        runtime.run_for(SECOND_NS)
        assert is_running(runtime, "b")


def wait_for(runtime: Runtime, journal: Journal, entry: probes.Entry) -> None:
    """Wait for an entry on either runtime."""
    if isinstance(runtime, StepRuntime):
        assert runtime.run_until(lambda: entry in journal.entries)
    else:
        journal.until_entry(*entry)
