"""No number of an id twice, whatever turns up at the venue, and no id made up takes them away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.ids import MAX_SEQUENCE, make
from core.sequences import Sequences

NUMBERS = st.integers(0, MAX_SEQUENCE - 1)


def name(number: int, bot: str = "grid") -> str:
    return make("h1", bot, "BTCUSDT", number % MAX_SEQUENCE)


@given(first=NUMBERS, later=st.lists(st.integers(0, 50_000), max_size=20))
def test_what_was_used_is_taken_and_what_comes_next_is_not(first: int, later: list[int]):
    sequences = Sequences()
    sequences.use(name(first))
    number, used = first, [first]
    for step in later:
        number += step
        sequences.use(name(number))
        used.append(number)
    assert sequences.next("grid") == (number + 1) % MAX_SEQUENCE
    assert all(sequences.taken(name(each)) for each in used)
    assert not sequences.taken(name(sequences.next("grid")))


@given(first=NUMBERS, ahead=st.integers(0, 20_000_000))
def test_behind_an_id_of_somebody_ahead_more_are_left_out(first: int, ahead: int):
    sequences = Sequences()
    sequences.use(name(first))
    sequences.turned_up(name(first + 1 + ahead))
    assert sequences.next("grid") == (first + 2 + ahead + 6_000) % MAX_SEQUENCE
    before = sequences.next("grid")
    sequences.turned_up(name(first))
    assert sequences.next("grid") == before, "an older one takes nothing back"


def test_an_id_made_up_with_the_last_number_takes_none_away():
    sequences = Sequences()
    sequences.use(name(1_000))
    sequences.turned_up(name(MAX_SEQUENCE - 1))
    assert sequences.next("grid") == 1_001


def test_numbers_go_round():
    sequences = Sequences()
    sequences.use(name(MAX_SEQUENCE - 1))
    assert sequences.next("grid") == 0
    sequences.skip((), 50_000_000_000)
    assert 0 < sequences.next("grid") <= 6_000
    assert sequences.taken(name(MAX_SEQUENCE - 1))


def test_a_bot_without_a_number_begins_by_the_clock():
    sequences = Sequences()
    sequences.begin(50_000_000_000)
    assert sequences.next("grid") == 500
    assert not sequences, "none was used yet"


def test_ids_of_others_are_none():
    sequences = Sequences()
    sequences.turned_up("android_abc")
    assert not sequences.taken("android_abc")
    assert not sequences
