"""What can happen to a simulated host: deaths, faults of the venue and the wire, its operator."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from actors import names
from actors.messages.risk import Operate
from tests.sim.house import House
from tests.sim.world import SECOND_NS

__all__ = ["Operator", "accident", "bad_weather"]

_CALLS = ("place", "cancel", "amend", "order", "read", "book", "clock")


def bad_weather(house: House, dice: Random) -> None:
    """Let calls fail and frames get lost at rates that the dice choose."""
    faults = house.world.faults
    faults.rates = {call: dice.choice((0.0, 0.02, 0.1, 0.3)) for call in _CALLS}
    faults.frame_loss = dice.choice((0.0, 0.0, 0.02, 0.2))
    faults.frame_repeat = dice.choice((0.0, 0.05, 0.3))
    faults.frame_delay = dice.choice((0.0, 0.0, 0.05))
    house.world.order_first = dice.random() < 0.3


def accident(house: House, dice: Random) -> str:
    """Let one thing happen to the host or its venue; return what."""
    world, runtime = house.world, house.runtime
    addresses = [name for name, seat in runtime.seats.items() if not seat.is_supervisor]
    match dice.randrange(11):
        case 0 | 1:
            runtime.kill(dice.choice(addresses), RuntimeError("killed by the simulation"))
            return "actor killed"
        case 2:
            runtime.hang(dice.choice(addresses), dice.choice((None, 3 * SECOND_NS)))
            return "actor hung"
        case 3:
            pipes = dice.choice((world.account_pipes, world.market_pipes))
            world.lose_streams(pipes)
            return "streams lost"
        case 4:
            crash(house, dice.randrange(20))
            return "crash"
        case 5:
            world.faults.unreachable = not world.faults.unreachable
            return "venue away or back"
        case 6:
            house.journal.broken = "" if house.journal.broken else "disk full"
            return "disk full or not"
        case 7:
            world.faults.refuse_stops = not world.faults.refuse_stops
            return "stops refused or not"
        case 8:
            world.jump_host_clock(dice.choice((-1, 1)) * dice.randrange(2 * SECOND_NS))
            return "host's clock set"
        case 9:
            world.shock(dice.choice(world.keys), dice.choice((-80, -30, 30, 80)))
            return "price jumped"
        case _:
            world.faults.script("place", *dice.choices(("", "unknown_after", "unknown_late"), k=4))
            return "outcomes unknown"


def crash(house: House, away_s: int) -> None:
    """Take the host's power; after a while another starts from what was stored."""
    house.crash()
    house.world.pass_alone(away_s * SECOND_NS)
    house.start()


class Operator:
    """Somebody who gives commands and later takes them back."""

    def __init__(self, house: House, dice: Random) -> None:
        self.house = house
        self.dice = dice
        self.given: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()

    def commands(self) -> None:
        """Give one command."""
        dice = self.dice
        command = dice.choice(("pause", "throttle", "halt", "reduce-only", "flatten"))
        symbols = ["", *(key.symbol for key in self.house.world.keys)]
        symbol = dice.choice(symbols) if command in ("pause", "throttle", "flatten") else ""
        self._tell(command, symbol, dice.choice((0, 25, 50)))

    def takes_back(self) -> None:
        """Let the host trade at full size again."""
        for symbol in (key.symbol for key in self.house.world.keys):
            self._tell("throttle", symbol)
        self._tell("throttle")
        self._tell("resume")
        self._tell("reset-halt")

    def _tell(self, command: str, symbol: str = "", percent: int = 100) -> None:
        number = sum(self.given.values())
        self.given[command] += 1

        def reply(answer: dict[str, Any]) -> None:
            self.answers[number] += 1
            assert self.answers[number] == 1, f"{command} was answered twice: {answer}"

        self.house.runtime.tell(names.RISK, Operate(command, reply, symbol, percent))
