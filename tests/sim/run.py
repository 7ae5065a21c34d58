"""Random lives of a host: kills, hangs, faults, crashes; `python -m tests.sim.run --seeds N`."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from random import Random

from core.messages import PositionSide
from tests.sim.house import House, config
from tests.sim.invariants import Watchman
from tests.sim.world import SECOND_NS, World

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def life(seed: int, seconds: int = 60) -> House:
    """Live through one random life; raise AssertionError with what was wrong.

    Two thirds of it with faults and accidents, then a calm end: the exchange's ledger and the
    host's books must agree, and what is open must be protected.
    """
    dice = Random(f"{seed}/life")
    symbols = SYMBOLS[: dice.choice((1, 1, 2))]
    world = World(seed, symbols)
    house = House(world, config(symbols), seed=seed)
    watchman = Watchman(house)
    house.start()
    house.ready()
    world.faults.rates = {
        call: dice.choice((0.0, 0.02, 0.1, 0.3))
        for call in ("place", "cancel", "amend", "order", "read", "book", "clock")
    }
    world.faults.frame_loss = dice.choice((0.0, 0.0, 0.02, 0.2))
    world.faults.frame_repeat = dice.choice((0.0, 0.05, 0.3))
    world.faults.frame_delay = dice.choice((0.0, 0.0, 0.05))
    world.order_first = dice.random() < 0.3
    until_ns = world.host_ns() + seconds * SECOND_NS * 2 // 3
    while world.host_ns() < until_ns:
        accident(house, dice)
        for _ in range(dice.randrange(1, 40)):
            house.run(0.1)
            watchman.look()
            assert house.runtime.outcome is None, f"the host ended: {house.runtime.outcome}"
    house.heal()
    for _ in range(seconds // 3):
        house.run(1)
        watchman.look()
    settle(house, watchman)
    return house


def settle(house: House, watchman: Watchman) -> None:
    """Bring a life to rest and compare."""
    house.quiesce()
    watchman.look()
    house.assert_books_equal_exchange(but_unwritten=True)
    position_stops(house)
    for key in house.world.keys:
        position = house.position(key)
        assert position.synced, house.tail()
        waiting = [order for order in position.book.live.values() if not order.state.at_venue]
        assert not waiting, f"unresolved: {waiting}\n{house.tail()}"


def position_stops(house: House) -> None:
    """Hold every open side to one stop of exactly its size."""
    for key in house.world.keys:
        for side in (PositionSide.LONG, PositionSide.SHORT):
            held, stops = abs(house.held(side, key)), house.stops(side, key)
            wanted = [held] if held else []
            assert stops == wanted, f"{key} {side}: holds {held}, stops {stops}\n{house.tail()}"


def accident(house: House, dice: Random) -> None:
    """Let one thing happen to the host or its venue."""
    world, runtime = house.world, house.runtime
    addresses = [name for name, seat in runtime.seats.items() if not seat.is_supervisor]
    match dice.randrange(10):
        case 0 | 1:
            runtime.kill(dice.choice(addresses), RuntimeError("killed by the simulation"))
        case 2:
            runtime.hang(dice.choice(addresses), dice.choice((None, 3 * SECOND_NS)))
        case 3:
            pipes = dice.choice((world.account_pipes, world.market_pipes))
            world.lose_streams(pipes)
        case 4:
            house.crash()
            world.pass_alone(dice.randrange(20) * SECOND_NS)
            house.start()
        case 5:
            world.faults.unreachable = not world.faults.unreachable
        case 6:
            house.journal.broken = "" if house.journal.broken else "disk full"
        case 7:
            world.faults.refuse_stops = not world.faults.refuse_stops
        case 8:
            world.offset_ns += dice.choice((-1, 1)) * dice.randrange(2 * SECOND_NS)
        case _:
            world.faults.script("place", *dice.choices(("", "unknown_after", "unknown_late"), k=4))


def main() -> int:
    """Live through many lives; print the command that repeats the first that went wrong."""
    options = ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=100)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--seconds", type=int, default=60)
    chosen = options.parse_args()
    failed = 0
    began = time.monotonic()
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        try:
            life(seed, chosen.seconds)
        except Exception as error:
            failed += 1
            repeat = f"python -m tests.sim.run --first {seed} --seeds 1 --seconds {chosen.seconds}"
            sys.stdout.write(f"seed {seed}: {type(error).__name__}: {error}\n  again: {repeat}\n")
            if chosen.seeds == 1:
                raise
    spent = time.monotonic() - began
    sys.stdout.write(f"{chosen.seeds} lives, {failed} failed, {spent:.1f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
