"""Messages per second and hops under load, beside Pykka's own actor, for who tunes the runtime.

Run as a script. Ratios count, measured in one run on one machine; nothing here is asserted.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable

import pykka

from actors.runtime import Actor, ChildSpec, StepRuntime, SupervisorSpec, ThreadsRuntime
from actors.runtime.host import OnLog

Row = tuple[str, float, str, str]

MESSAGES = 300_000
ROUNDS = 5
FRAMES = 300
FRAME_EVERY_S = 0.005


def _quiet(level: str, actor: str, text: str, error: BaseException | None) -> None:
    """Log nothing."""


QUIET: OnLog = _quiet


class PykkaCounter(pykka.ThreadingActor):
    """Pykka's default actor: queue.Queue, unbounded."""

    use_daemon_thread = True

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.left = expected
        self.done = threading.Event()

    def on_receive(self, message: object) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


class Counter(Actor):
    """The same on our runtime."""

    def __init__(self, expected: int, done: threading.Event) -> None:
        self.left = expected
        self.done = done

    def handle(self, message: object) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


class Source(Actor):
    """Tell `to` so many messages when told to."""

    def __init__(self, to: str) -> None:
        self.to = to

    def handle(self, message: object) -> None:
        to = self.to
        for number in range(MESSAGES):
            self.tell(to, number)


class PykkaSource(pykka.ThreadingActor):
    """Tell a Pykka actor so many messages when told to."""

    use_daemon_thread = True

    def __init__(self, to: pykka.ActorRef[PykkaCounter]) -> None:
        super().__init__()
        self.to = to

    def on_receive(self, message: object) -> None:
        for number in range(MESSAGES):
            self.to.tell(number)


class Ring(Actor):
    """Pass a token on until it has made all its hops."""

    def __init__(self, to: str) -> None:
        self.to = to

    def handle(self, hops_left: object) -> None:
        if isinstance(hops_left, int) and hops_left:
            self.tell(self.to, hops_left - 1)


class Relay(Actor):
    """Pass a time on."""

    def handle(self, sent_ns: object) -> None:
        self.tell("arrival", sent_ns)


class Arrival(Actor):
    """Note how long ago each message was sent."""

    def __init__(self, expected: int, done: threading.Event) -> None:
        self.expected = expected
        self.done = done
        self.took_us: list[float] = []

    def handle(self, sent_ns: object) -> None:
        assert isinstance(sent_ns, int)
        self.took_us.append((time.perf_counter_ns() - sent_ns) / 1000)
        if len(self.took_us) == self.expected:
            self.done.set()


def pykka_rate() -> float:
    """Return Pykka's messages per second from one actor to another."""
    counter = PykkaCounter.start(MESSAGES)
    actor = counter._actor_weakref()
    assert actor is not None
    source = PykkaSource.start(counter)
    began = time.perf_counter()
    source.tell("go")
    actor.done.wait()
    rate = MESSAGES / (time.perf_counter() - began)
    source.stop()
    counter.stop()
    return rate


def threads_rate() -> float:
    """Return our messages per second from one actor to another, on threads."""
    done = threading.Event()
    runtime = ThreadsRuntime(on_log=QUIET)
    limit = 2 * MESSAGES
    children = (
        ChildSpec("sink", lambda: Counter(MESSAGES, done), mailbox_limit=limit),
        ChildSpec("source", lambda: Source("sink")),
    )
    runtime.start(SupervisorSpec("root", children))
    runtime.wait_ready(5)
    began = time.perf_counter()
    runtime.tell("source", "go")
    done.wait()
    rate = MESSAGES / (time.perf_counter() - began)
    runtime.stop("measured", 5)
    return rate


def step_rate(actors: int, tokens: int) -> float:
    """Return the step runtime's messages per second: tokens going round a ring."""
    runtime = StepRuntime(on_log=QUIET, record_trace=False)

    def ring(number: int) -> ChildSpec:
        return ChildSpec(f"a{number}", lambda: Ring(f"a{(number + 1) % actors}"))

    runtime.start(SupervisorSpec("root", tuple(ring(number) for number in range(actors))))
    runtime.wait_ready(5)
    for token in range(tokens):
        runtime.tell(f"a{token % actors}", MESSAGES // tokens)
    began = time.perf_counter()
    turns = runtime.run_until_idle()
    return turns / (time.perf_counter() - began)


def step_stream_rate() -> float:
    """Return the step runtime's messages per second: one actor tells another in bulk."""
    done = threading.Event()
    runtime = StepRuntime(on_log=QUIET, record_trace=False)
    children = (
        ChildSpec("sink", lambda: Counter(MESSAGES, done), mailbox_limit=2 * MESSAGES),
        ChildSpec("source", lambda: Source("sink")),
    )
    runtime.start(SupervisorSpec("root", children))
    runtime.wait_ready(5)
    runtime.tell("source", "go")
    began = time.perf_counter()
    turns = runtime.run_until_idle()
    return turns / (time.perf_counter() - began)


def two_hops_us(switch_interval_s: float, spinners: int) -> tuple[float, float]:
    """Return p50 and p99 of two hops in microseconds, beside so many CPU-bound threads.

    Messages come at their own pace, as frames do: a sender that waited for the answer would send
    most of them while the lock is free anyway.
    """
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(switch_interval_s)
    stop, spinning, done = threading.Event(), threading.Event(), threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(100))
            spinning.set()

    threads = [threading.Thread(target=spin, daemon=True) for _ in range(spinners)]
    arrival = Arrival(FRAMES, done)
    runtime = ThreadsRuntime(on_log=QUIET)
    children = (ChildSpec("arrival", lambda: arrival), ChildSpec("relay", Relay))
    runtime.start(SupervisorSpec("root", children))
    runtime.wait_ready(5)
    for thread in threads:
        thread.start()
    if threads:
        spinning.wait()
    for _ in range(FRAMES):
        time.sleep(FRAME_EVERY_S)
        runtime.tell("relay", time.perf_counter_ns())
    done.wait()
    stop.set()
    for thread in threads:
        thread.join()
    runtime.stop("measured", 5)
    sys.setswitchinterval(before_s)
    cuts = statistics.quantiles(arrival.took_us, n=100)
    return cuts[49], cuts[98]


def best(measure: Callable[[], float]) -> float:
    """Return the best of some rounds: the one the machine disturbed least."""
    return max(measure() for _ in range(ROUNDS))


def run() -> list[Row]:
    """Measure everything; rows of (name, value, unit, note)."""
    pairs = [(pykka_rate(), threads_rate()) for _ in range(ROUNDS)]
    base = statistics.median(theirs for theirs, _ in pairs)
    ours = statistics.median(mine for _, mine in pairs)
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    least = min(mine / theirs for theirs, mine in pairs)
    rows: list[Row] = [
        ("pykka default", base, "messages/s", "one actor tells another, queue.Queue"),
        ("threads runtime", ours, "messages/s", "one actor tells another"),
        ("threads runtime / pykka", ratio, "x", f"promised 4; worst of {ROUNDS} pairs {least:.1f}"),
        ("step runtime, stream", best(step_stream_rate), "messages/s", "one tells another"),
        ("step runtime, ring", best(lambda: step_rate(20, 200)), "messages/s", "20 actors, busy"),
        ("step runtime, token", best(lambda: step_rate(20, 1)), "messages/s", "20 actors, 1 runs"),
    ]
    for interval_s in (0.005, 0.0005, 0.0001):
        for spinners in (0, 1):
            p50, p99 = two_hops_us(interval_s, spinners)
            note = f"switch interval {interval_s * 1e3:g} ms, {spinners} CPU-bound"
            rows.append(("two hops p50", p50, "us", note))
            rows.append(("two hops p99", p99, "us", note))
    return rows


def main() -> None:
    """Print the rows."""
    for name, value, unit, note in run():
        print(f"{name:26} {value:14,.1f} {unit:12} {note}")


if __name__ == "__main__":
    main()
