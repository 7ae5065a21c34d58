"""What Pykka itself does, fact by fact: the reasons for this runtime, checked with each release."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator

import pykka
import pytest
from pykka.messages import _ActorStop

WITHIN_S = 10.0


class Plain(pykka.ThreadingActor):
    """Run the callables it is told."""

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self.handled: list[object] = []
        self.failed = threading.Event()
        self.entered = threading.Event()
        self.release = threading.Event()
        self.half_changed = False

    def on_receive(self, message: object) -> object:
        self.handled.append(message)
        if message == "raise":
            self.half_changed = True
            raise ValueError(message)
        if message == "exit":
            raise SystemExit(1)
        if message == "block":
            self.entered.set()
            self.release.wait(WITHIN_S)
        return message

    def on_failure(self, *_: object) -> None:
        self.failed.set()


@pytest.fixture(autouse=True)
def _quiet_and_clean() -> Iterator[None]:
    logger = logging.getLogger("pykka")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    pykka.ActorRegistry.stop_all(block=False)
    logger.setLevel(level)


def actor_of(ref: pykka.ActorRef[Plain]) -> Plain:
    actor = ref._actor_weakref()
    assert actor is not None
    return actor


def test_an_exception_under_tell_throws_the_queued_messages_away() -> None:
    ref = Plain.start()
    actor = actor_of(ref)
    ref.tell("block")
    actor.entered.wait(WITHIN_S)
    for message in ("raise", "lost 1", "lost 2"):
        ref.tell(message)
    actor.release.set()
    assert actor.failed.wait(WITHIN_S)
    assert not ref.is_alive()
    assert actor.handled == ["block", "raise"]


def test_an_exception_under_ask_goes_to_the_caller_and_the_actor_lives_on_half_changed() -> None:
    ref = Plain.start()
    with pytest.raises(ValueError, match="raise"):
        ref.ask("raise", timeout=WITHIN_S)
    assert ref.is_alive()
    assert actor_of(ref).half_changed
    assert not actor_of(ref).failed.is_set()


def test_an_exception_in_on_start_calls_no_hook() -> None:
    hooks: list[str] = []
    threads: list[threading.Thread] = []
    started = threading.Event()

    class Stillborn(Plain):
        def on_start(self) -> None:
            threads.append(threading.current_thread())
            started.set()
            raise ValueError("no start")

        def on_stop(self) -> None:
            hooks.append("on_stop")

        def on_failure(self, *_: object) -> None:
            hooks.append("on_failure")

    ref = Stillborn.start()
    assert started.wait(WITHIN_S)
    threads[0].join(WITHIN_S)
    assert not ref.is_alive()
    assert hooks == []


def test_a_system_exit_in_one_actor_stops_all_of_them() -> None:
    bystander, culprit = Plain.start(), Plain.start()
    stopped = actor_of(bystander).actor_stopped
    culprit.tell("exit")
    assert stopped.wait(WITHIN_S)


def test_tell_raises_on_a_dead_actor() -> None:
    ref = Plain.start()
    ref.stop(timeout=WITHIN_S)
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("too late")


def test_messages_that_race_with_a_stop_vanish() -> None:
    ref = Plain.start()
    actor = actor_of(ref)
    ref.tell("block")
    actor.entered.wait(WITHIN_S)
    stopped = ref.stop(block=False)
    ref.tell("after the stop")  # accepted without an error
    actor.release.set()
    assert stopped.get(timeout=WITHIN_S)
    assert actor.handled == ["block"]


def test_stop_waits_behind_the_backlog() -> None:
    ref = Plain.start()
    actor = actor_of(ref)
    ref.tell("block")
    actor.entered.wait(WITHIN_S)
    for number in range(100):
        ref.tell(number)
    stopped = ref.stop(block=False)
    actor.release.set()
    assert stopped.get(timeout=WITHIN_S)
    assert actor.handled == ["block", *range(100)]


def test_a_hung_actor_still_says_it_is_alive() -> None:
    ref = Plain.start()
    actor = actor_of(ref)
    ref.tell("block")
    assert actor.entered.wait(WITHIN_S)
    assert ref.is_alive()
    actor.release.set()


def test_a_timed_out_ask_still_runs_later() -> None:
    ref = Plain.start()
    actor = actor_of(ref)
    ref.tell("block")
    actor.entered.wait(WITHIN_S)
    with pytest.raises(pykka.Timeout):
        ref.ask("nobody waits for this", timeout=0.01)
    actor.release.set()
    ref.stop(timeout=WITHIN_S)
    assert actor.handled == ["block", "nobody waits for this"]


def test_the_default_mailbox_is_an_unbounded_queue() -> None:
    inbox = Plain._create_actor_inbox()
    assert isinstance(inbox, queue.Queue)
    assert inbox.maxsize == 0


def test_the_extension_points_this_runtime_uses_are_there() -> None:
    ref = Plain.start()
    assert ref.actor_inbox is actor_of(ref).actor_inbox
    assert callable(pykka.ThreadingActor._create_actor_inbox)
    assert callable(pykka.ThreadingActor._start_actor_loop)
    assert _ActorStop() == _ActorStop()
