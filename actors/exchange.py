"""The local exchange of paper mode: start it, watch it, stop it with the host."""

from __future__ import annotations

from actors.backoff import Backoff
from actors.messages.operations import Tick
from actors.runtime import Actor
from core.errors import Unreachable
from core.ports import ExchangeProcess, Log

_LOOK_NS = 1_000_000_000
_FIRST_RETRY_NS = 250_000_000
_LONGEST_RETRY_NS = 5_000_000_000


class ExchangeActor(Actor):
    """Own the process of the local exchange.

    State: none of its own; the exchange keeps its account on disk.
    Fails: an exchange that died, or that cannot be started, is a crash of this actor; the next
    incarnation starts it again at the same address, and whoever trades on it connects and compares
    anew. One that a person starts is waited for.
    Rules: none.
    """

    def __init__(self, process: ExchangeProcess, log: Log) -> None:
        self.process = process
        self.log = log
        self.backoff = Backoff(self, _FIRST_RETRY_NS, _LONGEST_RETRY_NS)

    def starting(self) -> None:
        self.waiting("starting the local exchange")
        self._connect()

    def handle(self, message: object) -> None:
        match message:
            case Tick("connect"):
                self._connect()
            case Tick() if not self.process.alive():
                raise Unreachable(self.process.gone)

    def _connect(self) -> None:
        try:
            endpoints = self.process.ensure()
        except Unreachable as error:
            pause_ns = self.backoff.pause_ns()
            text = error.message
            self.waiting(f"connecting: {text}")
            self.log("warning", self.name, f"{text}; looking again in {pause_ns / 1e9:.2f} s")
            self.after(pause_ns, Tick("connect"))
            return
        self.log("info", self.name, f"local exchange at {endpoints.rest} (pid {endpoints.pid})")
        self.every(_LOOK_NS, Tick())
        self.ready()

    def stopping(self) -> None:
        self.process.stop()
