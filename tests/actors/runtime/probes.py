"""Actors and journals that the runtime's tests look through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actors.runtime import (
    Actor,
    ChildDied,
    ChildSpec,
    Reply,
    Runtime,
    StepRuntime,
    SupervisorSpec,
    ThreadsRuntime,
)

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000
PATIENCE_S = 10.0  # for real threads: far more than needed, so that a slow machine passes

Entry = tuple[object, ...]


class Journal:
    """What happened, in order, from any thread; tests wait on it instead of sleeping."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._changed = threading.Condition()

    def add(self, *entry: object) -> None:
        """Append one entry."""
        with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()

    def of(self, *kinds: str) -> list[Entry]:
        """Return the entries of these kinds."""
        with self._changed:
            return [entry for entry in self.entries if entry[0] in kinds]

    def clear(self) -> None:
        """Forget everything so far."""
        with self._changed:
            self.entries.clear()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds after some entry. Fails when it does not in time."""
        with self._changed:
            held = self._changed.wait_for(condition, PATIENCE_S)
        assert held, f"not in time; journal: {self.entries}"

    def numbers(self, kind: str, name: str) -> list[int]:
        """Return the numbers told to this address: got ones, or dead ones."""
        at = 1 if kind == "got" else 2
        told = [entry[3] for entry in self.of(kind) if entry[at] == name]
        return [message for message in told if isinstance(message, int)]

    def died(self) -> ChildDied:
        """Return the first death that anyone was told of."""
        return next(entry[3] for entry in self.of("got") if isinstance(entry[3], ChildDied))

    def until_entry(self, *entry: object) -> None:
        """Wait until this very entry is there."""
        self.until(lambda: entry in self.entries)

    def log(self, level: str, actor: str, text: str, error: BaseException | None) -> None:
        """Be a runtime's log hook."""
        self.add("log", level, actor, text)

    def dead_letter(self, reason: str, to: str, message: object) -> None:
        """Be a runtime's dead letter hook."""
        self.add("dead", reason, to, message)


class Probe(Actor):
    """Note everything; do what a callable message says."""

    def __init__(self, journal: Journal, start: Callable[[Probe], None] | None = None) -> None:
        self.journal = journal
        self.start = start

    def starting(self) -> None:
        self.journal.add("starting", self.name, self.generation)
        if self.start is None:
            self.ready()
        else:
            self.start(self)

    def handle(self, message: object) -> None:
        if callable(message):
            message(self)
        else:
            self.journal.add("got", self.name, self.generation, message)

    def stopping(self) -> None:
        self.journal.add("stopping", self.name, self.generation)


def crash(error: BaseException) -> Callable[[Probe], None]:
    """Return a message that makes a probe raise."""

    def raise_it(probe: Probe) -> None:
        raise error

    return raise_it


def who(reply: Reply) -> Callable[[Probe], None]:
    """Return a message that makes a probe answer its name and generation."""
    return lambda probe: reply((probe.name, probe.generation))


def tree(*children: ChildSpec | SupervisorSpec, **settings: object) -> SupervisorSpec:
    """Return a root with short back-offs and many restarts, unless set otherwise."""
    chosen: dict[str, object] = {
        "max_restarts": 1000,
        "window_s": 1e6,
        "backoff_initial_s": 0.01,
        "backoff_max_s": 0.05,
        "jitter": 0.0,
    } | settings
    return SupervisorSpec("root", children, **chosen)  # type: ignore[arg-type]


@contextmanager
def running(runtime: Runtime, spec: SupervisorSpec) -> Iterator[Runtime]:
    """Run a tree from ready to stopped."""
    runtime.start(spec)
    try:
        assert runtime.wait_ready(PATIENCE_S)
        yield runtime
    finally:
        runtime.stop("test over", PATIENCE_S)


def thread_since(before: list[threading.Thread], name: str) -> threading.Thread:
    """Return the thread of this name that was not there before."""
    return next(
        thread for thread in threading.enumerate() if thread.name == name and thread not in before
    )


def step(journal: Journal, seed: int = 1, **settings: object) -> StepRuntime:
    """Make a step runtime that reports to the journal."""
    hooks: dict[str, object] = {"on_log": journal.log, "on_dead_letter": journal.dead_letter}
    return StepRuntime(seed=seed, **(hooks | settings))  # type: ignore[arg-type]


def threads(journal: Journal, seed: int = 1, **settings: object) -> ThreadsRuntime:
    """Make a threads runtime that reports to the journal and watches closely."""
    hooks: dict[str, object] = {
        "on_log": journal.log,
        "on_dead_letter": journal.dead_letter,
        "watch_interval_s": 0.01,
    }
    return ThreadsRuntime(seed=seed, **(hooks | settings))  # type: ignore[arg-type]
