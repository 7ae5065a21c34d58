"""What the host uses, watched while it runs: a leak is told of before it ends the host."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from actors import names
from actors.messages.operations import StatusWanted
from actors.operations import OperationsActor
from actors.runtime import ChildSpec, StepRuntime, SupervisorSpec
from core.usage import Figure, Usage
from tests.sim.house import Silent
from tests.sim.test_whole_host import trading
from tests.sim.world import SECOND_NS

MIB = 1 << 20


@define(eq=False)
class Watched:
    """The one actor that looks, on virtual time, and what it says."""

    usage: Usage
    lines: list[tuple[str, str]] = field(factory=list)
    runtime: StepRuntime = field(factory=StepRuntime)

    def __attrs_post_init__(self) -> None:
        def actor() -> OperationsActor:
            refresh_ns = 60 * SECOND_NS
            return OperationsActor(
                "paper", {}, self.runtime.statistics, self.read, Silent(), refresh_ns, self.log
            )

        self.runtime.start(SupervisorSpec("host", (ChildSpec(names.OPERATIONS, actor),)))

    def read(self) -> Usage:
        return self.usage

    def log(self, level: str, actor: str, text: str, **_: Any) -> None:
        self.lines.append((level, text))

    def process(self) -> dict[str, Any]:
        status: Any = self.runtime.ask(names.OPERATIONS, lambda reply: StatusWanted(reply), 1.0)
        found: dict[str, Any] = status["process"]
        return found


def test_a_leak_is_an_error_in_the_log_and_in_the_status_and_repeated_once_an_hour() -> None:
    watched = Watched(Usage())
    for minute in range(130):
        watched.usage = Usage(memory=Figure((100 + minute) * MIB, 4096 * MIB), threads=Figure(40))
        watched.runtime.run_for(60 * SECOND_NS)
        assert minute > 55 or not watched.lines
    assert [level for level, text in watched.lines if "growing" in text] == ["error", "error"]
    process = watched.process()
    assert process["memory_bytes"] == 229 * MIB
    assert (process["threads"], process["open_files"]) == (40, None)
    assert process["alerts"] and "memory: 229 MiB" in process["alerts"][0]


def test_a_trading_host_shows_what_it_uses_and_says_when_files_run_out() -> None:
    house = trading(2)
    house.usage = Usage(memory=Figure(100 * MIB, 4096 * MIB), files=Figure(60, 1024))
    house.run(31)
    process = house.status()["process"]
    assert (process["memory_bytes"], process["open_files"]) == (100 * MIB, 60)
    assert process["waiting_messages"] < 100
    assert process["alerts"] == []
    house.usage = Usage(files=Figure(1000, 1024))
    house.run(31)
    assert house.said("open files: 1000 of 1024 used")
    assert house.status()["process"]["alerts"] == ["open files: 1000 of 1024 used"]
