"""The local exchange of paper mode: start it, watch it, stop it with the host."""

from __future__ import annotations

from actors.messages import Tick
from actors.runtime import Actor
from core.errors import Unreachable
from core.ports import ExchangeProcess, Log

_LOOK_NS = 1_000_000_000


class ExchangeActor(Actor):
    """Own the process of the local exchange.

    State: none of its own; the exchange keeps its account on disk.
    Fails: an exchange that died is a crash of this actor; the next incarnation starts it again at
    the same address, and whoever trades on it connects and compares anew.
    Rules: none.
    """

    def __init__(self, process: ExchangeProcess, log: Log) -> None:
        self.process = process
        self.log = log

    def starting(self) -> None:
        self.waiting("starting the local exchange")
        endpoints = self.process.ensure()
        text = f"local exchange at {endpoints.rest} (pid {endpoints.pid})"
        self.log("info", self.name, text)
        self.every(_LOOK_NS, Tick())
        self.ready()

    def handle(self, message: object) -> None:
        if not self.process.alive():
            raise Unreachable("the local exchange is gone")

    def stopping(self) -> None:
        self.process.stop()
