"""A risk that dies while its last words wait for the disk: the next one knows them."""

from __future__ import annotations

import pytest

from actors import names
from actors.messages.risk import Operate
from core.remembered import remember
from core.risk.halt import Level
from tests.sim.house import House
from tests.sim.test_operating import operate
from tests.sim.test_whole_host import host
from tests.sim.world import SECOND_NS


def killed(house: House) -> None:
    house.runtime.kill(names.RISK, RuntimeError("killed"))
    house.run(20)
    actor = house.runtime.seats[names.RISK]
    assert (actor.generation, actor.state) == (2, "running")


@pytest.mark.parametrize("disk_full", [True, False])
def test_a_halt_that_was_not_written_yet_holds_for_the_next_incarnation(disk_full: bool) -> None:
    house = host(3)
    house.start()
    house.ready()
    if disk_full:
        house.journal.broken = "disk full"
        operate(house, "halt")
    else:
        house.runtime.hang("journal", for_ns=SECOND_NS)  # the record waits in its mailbox
        house.runtime.tell_control(names.RISK, Operate("halt", lambda _: None, "", 100))
        house.run(0.1)
    killed(house)
    house.journal.broken = ""
    house.run(5)
    assert house.status()["halt"] == "halted"
    assert remember(house.journal).halt.level is Level.HALTED
