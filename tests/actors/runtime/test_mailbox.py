"""The three lanes: what comes first, what replaces what, what is refused."""

from __future__ import annotations

import threading

import pytest

from actors.runtime.mailbox import Mailbox, Ticket
from actors.runtime.messages import NOTHING


class Box(Mailbox):
    """A mailbox that counts its wake-ups."""

    __slots__ = ("refused", "wakes")

    def __init__(self, bound: int = 10) -> None:
        self.refused: list[tuple[str, object]] = []
        self.wakes = 0
        super().__init__(bound, lambda reason, message: self.refused.append((reason, message)))

    def wake(self) -> None:
        self.idle = False
        self.wakes += 1

    def take_all(self) -> list[object]:
        """Read as a reader does."""
        taken: list[object] = []
        while self.control or self.queue:
            item = self.control.popleft() if self.control else self.queue.popleft()
            if isinstance(item, Ticket):
                item = item.redeem(None)
            if item is not NOTHING:
                taken.append(item)
        return taken


def test_control_messages_are_read_before_all_others() -> None:
    box = Box()
    box.put("exact")
    box.put_latest("key", "latest")
    box.put_control("control")
    assert box.take_all() == ["control", "exact", "latest"]


def test_a_latest_message_takes_the_place_of_the_one_it_replaces() -> None:
    box = Box()
    box.put("first")
    box.put_latest("BTC", "old quote")
    box.put("second")
    box.put_latest("BTC", "new quote")
    assert box.take_all() == ["first", "new quote", "second"]
    assert box.latest.conflated == 1


def test_latest_messages_of_different_keys_do_not_replace_each_other() -> None:
    box = Box()
    box.put_latest("BTC", 1)
    box.put_latest("ETH", 2)
    assert box.take_all() == [1, 2]
    assert box.latest.conflated == 0


def test_neither_lane_starves_the_other() -> None:
    box = Box(bound=1000)
    for number in range(100):
        box.put(("exact", number))
        box.put_latest(number, ("latest", number))
    taken = box.take_all()
    assert taken[0::2] == [("exact", number) for number in range(100)]
    assert taken[1::2] == [("latest", number) for number in range(100)]


def test_a_message_over_the_bound_is_refused_and_the_others_wait() -> None:
    box = Box(bound=2)
    for number in range(3):
        box.put(number)
    assert box.refused == [("full", 2)]
    assert box.take_all() == [0, 1]


def test_waiting_latest_messages_take_no_room_from_exact_ones() -> None:
    box = Box(bound=2)
    for key in range(5):
        box.put_latest(key, key)
    box.put("a")
    box.put("b")
    assert box.refused == []
    box.put("c")
    assert box.refused == [("full", "c")]


def test_control_messages_are_never_refused_for_lack_of_room() -> None:
    box = Box(bound=1)
    for number in range(5):
        box.put_control(number)
    assert box.refused == []


def test_a_closed_mailbox_refuses_what_waits_and_what_comes_on_every_lane() -> None:
    box = Box()
    box.put("waiting")
    box.put_latest("key", "waiting latest")
    box.close()
    box.put("late")
    box.put_control("late control")
    box.put_latest("key", "late latest")
    assert [message for reason, message in box.refused if reason == "closed"] == [
        "waiting",
        "waiting latest",
        "late",
        "late control",
        "late latest",
    ]
    assert box.depth() == 0


def test_a_writer_that_was_past_the_check_when_it_closed_loses_nothing() -> None:
    box = Box()
    box.close()
    # What a writer does that compared with the limit just before it was set to closed.
    box.put_ticket("raced")
    assert box.refused == [("closed", "raced")]


def test_a_reopened_mailbox_accepts_again() -> None:
    box = Box()
    box.close()
    box.reopen()
    box.put("welcome")
    assert box.take_all() == ["welcome"]
    assert box.refused == []


def test_an_idle_reader_is_woken_once() -> None:
    box = Box()
    box.idle = True
    for number in range(3):
        box.put(number)
    assert box.wakes == 1


@pytest.mark.parametrize("writers", [4])
def test_many_writers_lose_and_repeat_nothing(writers: int) -> None:
    box = Box(bound=100_000)
    each = 2_000

    def write(writer: int) -> None:
        for number in range(each):
            box.put((writer, number))
            box.put_latest(writer, number)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = box.take_all()
    exact = [message for message in taken if isinstance(message, tuple)]
    for writer in range(writers):
        assert [number for by, number in exact if by == writer] == list(range(each))
    latest = [message for message in taken if isinstance(message, int)]
    assert latest == [each - 1] * writers
    assert box.latest.conflated == writers * (each - 1)
