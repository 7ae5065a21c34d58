"""One channel's thread: nobody waits for it, it tries again, and it ends in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.alerts import channel as channel_module
from adapters.alerts.alarm import Alarm
from adapters.alerts.channel import Channel
from core.alerts import AlertQueue
from core.errors import NotTold
from tests.adapters.alerts.samples import Ears, alert, queue

Open = Callable[..., Channel]


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.came = threading.Semaphore(0)

    def __call__(self, level: str, actor: str, text: str, **_: Any) -> None:
        self.lines.append((level, actor, text))
        self.came.release()


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def opened(log: Lines, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(channel_module, "_FIRST_PAUSE_S", 0.01)
    channels, ears = [], []

    def make(notifier: Ears, waits: AlertQueue | None = None, timeout_s: float = 5.0) -> Channel:
        channels.append(Channel(notifier, waits or queue(), log, "alerts", timeout_s=timeout_s))
        ears.append(notifier)
        return channels[-1]

    yield make
    for one in ears:
        one.open.set()
    for one in channels:
        one.close(time.monotonic() + 1)
        one.join()
        assert not one._thread.is_alive()


def row(level: str = "error", text: str = "it broke", actor: str = "risk") -> dict[str, str]:
    fields = {"time": "2026-01-02T03:04:05.678901Z", "level": level, "actor": actor}
    return fields | {"symbol": "", "client_order_id": "", "message": text, "exception": ""}


def test_what_is_heard_is_told(opened: Open):
    ears = Ears()
    one = opened(ears)
    one.hear(alert())

    assert ears.came.acquire(timeout=5)
    assert ears.texts() == [["it broke"]]


def test_a_hanging_channel_holds_up_nobody_and_what_waits_stays_within_bounds(opened: Open):
    ears = Ears()
    ears.open.clear()
    one = opened(ears)
    one.hear(alert("first"))
    assert ears.came.acquire(timeout=5)

    for number in range(5_000):
        one.hear(alert(f"{chr(97 + number % 26)}{chr(97 + number // 26 % 26)} broke"))

    assert one.figures()["waiting"] == 30
    ears.open.set()
    assert ears.came.acquire(timeout=5)
    assert len(ears.told[1].alerts) == 30
    assert ears.told[1].left_out + sum(each.times for each in ears.told[1].alerts) == 5_000


def test_a_failed_message_is_tried_again_and_the_log_says_when_it_began_and_ended(
    opened: Open, log: Lines
):
    ears = Ears(NotTold("answered HTTP 500"), NotTold("answered HTTP 500"))
    one = opened(ears)
    one.hear(alert())

    for _ in range(3):
        assert ears.came.acquire(timeout=5)
    for _ in range(2):
        assert log.came.acquire(timeout=5)
    assert ears.texts() == [["it broke"]] * 3
    assert log.lines == [
        ("warning", "alerts", "ears: nobody was told: answered HTTP 500"),
        ("info", "alerts", "ears works again after 2 failed tries"),
    ]
    assert one.figures() == {
        "sent": 1, "failed": 2, "held_back": 0, "waiting": 0, "last_error": "",
    }  # fmt: skip


def test_a_message_that_is_refused_for_good_holds_up_no_other(opened: Open, log: Lines):
    ears = Ears(NotTold("answered HTTP 413", final=True))
    one = opened(ears)
    one.hear(alert("too long"))
    assert log.came.acquire(timeout=5)
    one.hear(alert("short"))

    for _ in range(2):
        assert ears.came.acquire(timeout=5)
    assert ears.texts() == [["too long"], ["short"]]
    assert ears.told[1].left_out == 1


def test_it_waits_as_long_as_the_other_side_asks_for(opened: Open, log: Lines):
    ears = Ears(NotTold("answered HTTP 429", retry_after_s=0.3))
    one = opened(ears)
    one.hear(alert())
    assert ears.came.acquire(timeout=5)
    assert log.came.acquire(timeout=5)
    began_s = time.monotonic()

    assert ears.came.acquire(timeout=5)
    assert time.monotonic() - began_s > 0.25


def test_pauses_grow_with_jitter_and_never_past_a_minute(opened: Open, monkeypatch):
    monkeypatch.setattr(channel_module, "_FIRST_PAUSE_S", 1.0)
    one = opened(Ears())
    pauses = []
    for in_row in range(1, 40):
        one._in_row = in_row
        pauses.append(one._pause_s(channel_module._Attempt(), NotTold("")))

    assert all(0.75 * 2**n <= pause <= 1.25 * 2**n for n, pause in enumerate(pauses[:6]))
    assert all(45 <= pause <= 75 for pause in pauses[6:])
    assert len(set(pauses)) == len(pauses)
    for_ever = NotTold("", retry_after_s=10**9)
    assert one._pause_s(channel_module._Attempt(), for_ever) == 600


def test_tries_that_hang_are_left_behind_and_never_more_than_three(opened: Open):
    ears = Ears()
    ears.open.clear()
    one = opened(ears, timeout_s=0.05)
    one.hear(alert())
    for _ in range(3):
        assert ears.came.acquire(timeout=5)
    deadline_s = time.monotonic() + 5
    while "hang" not in one.figures()["last_error"]:
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)

    assert len(ears.told) == 3
    assert len([t for t in threading.enumerate() if t.name == "alerts.ears.try"]) == 3
    ears.open.set()
    assert ears.came.acquire(timeout=5), "once they end it goes on"


def test_a_notifier_that_breaks_counts_as_failed_and_the_thread_lives_on(opened: Open, log: Lines):
    ears = Ears()
    ears.errors = [ValueError("a secret")]  # type: ignore[list-item]
    one = opened(ears)
    one.hear(alert())

    for _ in range(2):
        assert ears.came.acquire(timeout=5)
    assert log.came.acquire(timeout=5)
    assert log.lines[0][2] == "ears: nobody was told: unexpected ValueError"


def test_the_end_sends_all_that_waits_in_one_message_whatever_the_rate(opened: Open):
    ears = Ears()
    one = opened(ears, queue(max_per_minute=1))
    one.hear(alert("first"))
    assert ears.came.acquire(timeout=5)
    for text in ("second", "gave up"):
        one.hear(alert(text, "critical"))
    one.close(time.monotonic() + 5)
    one.join()

    assert ears.texts() == [["first"], ["second", "gave up"]]
    one.hear(alert("too late"))
    assert one.figures()["waiting"] == 0


def test_the_end_does_not_wait_for_a_pause_after_failures(opened: Open, log: Lines, monkeypatch):
    monkeypatch.setattr(channel_module, "_FIRST_PAUSE_S", 60.0)
    ears = Ears(NotTold("answered HTTP 503"))
    one = opened(ears)
    one.hear(alert())
    assert log.came.acquire(timeout=5)
    one.close(time.monotonic() + 5)
    one.join()

    assert ears.texts() == [["it broke"]] * 2
    assert one.figures()["sent"] == 1


def test_the_end_comes_in_time_where_the_other_side_hangs_and_the_last_word_is_tried(opened: Open):
    ears = Ears()
    ears.open.clear()
    one = opened(ears, timeout_s=30.0)
    one.hear(alert("first"))
    assert ears.came.acquire(timeout=5)
    one.hear(alert("gave up"))
    began_s = time.monotonic()
    one.close(began_s + 0.6)
    one.join()

    assert time.monotonic() - began_s < 2
    assert not one._thread.is_alive()
    assert ears.texts() == [["first"], ["first", "gave up"]]


def test_a_last_message_that_is_refused_for_good_ends_it_at_once(opened: Open):
    ears = Ears(NotTold("answered HTTP 413", final=True))
    one = opened(ears, queue(gather_s=60))
    one.hear(alert())
    began_s = time.monotonic()
    one.close(began_s + 20)
    one.join()

    assert not one._thread.is_alive()
    assert time.monotonic() - began_s < 5
    assert ears.texts() == [["it broke"]]


def test_an_alarm_tells_what_is_grave_enough_over_every_channel(opened: Open):
    both = Ears(), Ears()
    alarm = Alarm("host1", "error", [opened(ears) for ears in both])
    for level in ("debug", "info", "warning"):
        alarm.hear(row(level))
    alarm.hear(row("critical", "gave up"))
    alarm.close(5)

    assert [ears.texts() for ears in both] == [[["gave up"]]] * 2
    assert alarm.figures() == {
        "sent": 2, "failed": 0, "held_back": 0, "waiting": 0, "last_error": None,
    }  # fmt: skip


def test_what_channels_log_becomes_no_alert_of_its_own(opened: Open):
    ears = Ears()
    alarm = Alarm("host1", "warning", [opened(ears)])

    class Noisy(Ears):
        def send(self, notice: Any) -> str:
            alarm.hear(row("error", "a library complains", "urllib3.connectionpool"))
            return super().send(notice)

    noisy = Noisy()
    noisy_alarm = Alarm("host1", "warning", [opened(noisy)])
    noisy_alarm.hear(row("warning", "ears: nobody was told", "alerts"))
    noisy_alarm.hear(row())
    noisy_alarm.close(5)
    alarm.close(5)

    assert noisy.texts() == [["it broke"]]
    assert ears.texts() == []


def test_an_alarm_without_channels_knows_no_figures():
    alarm = Alarm("host1", "error", [])
    alarm.hear(row())
    alarm.close()

    assert alarm.figures() is None
