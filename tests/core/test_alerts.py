"""What waits to be told: each thing once in a while, few messages a minute, never without end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts import MOST_WAITING, Alert, AlertQueue, Notice

S = 10**9
REPEAT_S, GIVE_UP_S = 300, 600


def alert(text: str = "it broke", level: str = "error", **fields: str) -> Alert:
    given = {"actor": "risk", "symbol": "", "client_order_id": ""} | fields
    return Alert("2026-01-01T00:00:00Z", level, "host1", text=text, **given)


@pytest.fixture
def queue() -> AlertQueue:
    return AlertQueue(REPEAT_S * S, 100, GIVE_UP_S * S)


def told(notice: Notice | None) -> list[tuple[str, int]]:
    return [(one.text, one.times) for one in notice.alerts] if notice else []


def lines(notice: Notice | None) -> int:
    """Return how many lines of the log a message stands for."""
    return notice.left_out + sum(one.times for one in notice.alerts) if notice else 0


def test_an_alert_is_handed_out_once(queue: AlertQueue):
    assert queue.put(alert(), 1)

    assert queue.due_ns() == 1
    assert told(queue.take(1)) == [("it broke", 1)]
    assert queue.take(1) is None
    assert queue.due_ns() is None


def test_the_same_thing_is_told_again_after_its_time_with_its_count_and_newest_words(
    queue: AlertQueue,
):
    queue.put(alert("wallet differs: 100.5"), 0)
    queue.take(0)
    for second in range(1, 8):
        queue.put(alert(f"wallet differs: {second}"), second * S)

    assert queue.take(REPEAT_S * S - 1) is None
    assert queue.due_ns() == REPEAT_S * S
    assert told(queue.take(REPEAT_S * S)) == [("wallet differs: 7", 7)]
    assert queue.held_back == 7
    assert queue.take(3 * REPEAT_S * S) is None


def test_what_was_told_counts_from_when_it_was_told_last(queue: AlertQueue):
    queue.put(alert(), 0)
    queue.take(0)
    queue.put(alert(), 1)
    queue.take(REPEAT_S * S)
    queue.put(alert(), REPEAT_S * S + 1)

    assert queue.take(REPEAT_S * S + 2) is None
    assert told(queue.take(2 * REPEAT_S * S)) == [("it broke", 1)]


@pytest.mark.parametrize(
    "other",
    [
        alert("it broke otherwise"),
        alert(level="critical"),
        alert(actor="journal"),
        alert(symbol="BTCUSDT"),
        alert(client_order_id="host1-grid-1"),
    ],
)
def test_another_thing_is_told_at_once(queue: AlertQueue, other: Alert):
    queue.put(alert(), 0)
    queue.take(0)
    queue.put(other, 1)

    assert told(queue.take(1)) == [(other.text, 1)]


def test_what_the_rate_holds_back_goes_out_in_one_message():
    queue = AlertQueue(REPEAT_S * S, 2, GIVE_UP_S * S)
    for name in ("a", "b"):
        queue.put(alert(name), 0)
        assert told(queue.take(0)) == [(name, 1)]
    for name in ("c", "d", "e", "c"):
        queue.put(alert(name), S)

    assert queue.take(59 * S) is None
    assert queue.due_ns() == 60 * S
    assert told(queue.take(60 * S)) == [("c", 2), ("d", 1), ("e", 1)]
    assert queue.held_back == 4


def test_what_one_cause_makes_goes_out_in_one_message():
    queue = AlertQueue(REPEAT_S * S, 100, GIVE_UP_S * S, gather_ns=S)
    queue.put(alert("it died"), 0)
    assert queue.due_ns() == S
    queue.put(alert("trading is halted"), S - 1)

    assert queue.take(S - 1) is None
    assert told(queue.take(S)) == [("it died", 1), ("trading is halted", 1)]
    queue.put(alert("gave up"), S)
    assert told(queue.take(S, at_once=True)) == [("gave up", 1)]


def test_the_end_of_the_host_keeps_nothing_back():
    queue = AlertQueue(REPEAT_S * S, 1, GIVE_UP_S * S)
    queue.put(alert("a"), 0)
    queue.take(0)
    queue.put(alert("a"), 1)
    queue.put(alert("gave up", "critical"), 1)

    notice = queue.take(2, at_once=True)

    assert told(notice) == [("gave up", 1), ("a", 1)]
    assert notice and notice.level == "critical"
    assert queue.take(2, at_once=True) is None


def test_a_message_that_nobody_got_goes_out_with_what_came_meanwhile(queue: AlertQueue):
    queue.put(alert("a"), 0)
    queue.put(alert("b"), 0)
    notice = queue.take(0)
    assert notice is not None
    queue.put(alert("b"), 1)
    queue.put(alert("c"), 1)
    queue.give_back(notice, 2)

    assert told(queue.take(2)) == [("a", 1), ("b", 2), ("c", 1)]


def test_what_cannot_be_told_in_time_is_counted_in_the_next_message(queue: AlertQueue):
    queue.put(alert("old"), 0)
    queue.put(alert("old"), 0)
    notice = queue.take(0)
    assert notice is not None
    queue.put(alert("new"), 5 * S)
    queue.give_back(notice, GIVE_UP_S * S)

    again = queue.take(GIVE_UP_S * S)
    assert again is not None
    assert told(again) == [("new", 1)]
    assert again.left_out == 2
    queue.put(alert("old"), GIVE_UP_S * S)
    assert told(queue.take(GIVE_UP_S * S)) == [("old", 1)], "it was never told"


def test_a_refused_message_is_counted_in_the_next_one(queue: AlertQueue):
    queue.put(alert("a"), 0)
    notice = queue.take(0)
    assert notice is not None
    queue.refuse(notice)
    queue.put(alert("b"), 1)

    again = queue.take(1)
    assert told(again) == [("b", 1)]
    assert again is not None and again.left_out == 1


def test_what_does_not_fit_is_counted_and_the_gravest_stays(queue: AlertQueue):
    names = [chr(ord("a") + number) for number in range(26)] + ["aa", "bb", "cc", "dd", "ee"]
    queue.put(alert("first and grave", "critical"), 0)
    for name in names:
        queue.put(alert(name), 0)
    queue.put(alert("gave up", "critical"), 0)

    notice = queue.take(0)
    assert notice is not None
    texts = [text for text, _ in told(notice)]
    assert len(texts) == MOST_WAITING
    assert texts[0] == "first and grave"
    assert texts[-1] == "gave up"
    assert notice.left_out == len(names) + 2 - MOST_WAITING
    assert "a" not in texts and "ee" in texts


def test_what_was_told_is_not_remembered_without_end_and_no_count_is_lost():
    queue = AlertQueue(10**9 * S, 10**9, GIVE_UP_S * S)
    names = ["".join(chr(97 + n // 26**place % 26) for place in range(3)) for n in range(1_500)]
    counted = 0
    for now_ns, name in enumerate(names, 1):
        for _ in range(2):
            queue.put(alert(name), now_ns)
            counted += lines(queue.take(now_ns))

    assert len(queue._told) == 1_000
    counted += lines(queue.take(len(names), at_once=True))
    assert counted == 2 * len(names)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "take", "fail", "end"]),
            st.sampled_from([f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]),
            st.integers(0, 200),
        ),
        max_size=300,
    )
)
def test_whatever_happens_every_line_is_told_or_counted_and_nothing_grows(
    steps: list[tuple[str, str, int]],
):
    queue = AlertQueue(REPEAT_S * S, 3, GIVE_UP_S * S)
    now_ns, heard, accounted = 0, 0, 0
    taken_ns: list[int] = []
    for what, text, later_s in steps:
        now_ns += later_s * S
        if what == "put":
            queue.put(alert(text), now_ns)
            heard += 1
        elif (notice := queue.take(now_ns, at_once=what == "end")) is not None:
            if what != "end":
                taken_ns.append(now_ns)
                assert sum(at > now_ns - 60 * S for at in taken_ns) <= 3
            if what == "fail":
                queue.give_back(notice, now_ns)
            else:
                accounted += lines(notice)
        assert len(queue) <= MOST_WAITING
    queue.put(alert("the last word", "critical"), now_ns)
    notice = queue.take(now_ns, at_once=True)
    accounted += lines(notice)
    assert accounted == heard + 1
