"""Following the log: filters, rotations, odd lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.log_files import RotatingFile
from adapters.tail import Filter, Line, Malformed, lines


def row(message: str, **fields: str) -> str:
    return json.dumps({"time": "T", "level": "info", "actor": "a", "message": message} | fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.jsonl"


@pytest.fixture
def file(path: Path) -> Iterator[RotatingFile]:
    opened = RotatingFile(path, max_bytes=400, keep=20)
    yield opened
    opened.close()


def messages(path: Path, *steps: Callable[[], object]) -> list[str]:
    """Read the log; at each of its ends do the next step, after the last stop."""
    rest = iter(steps)

    def wait() -> bool:
        for step in rest:
            step()
            return True
        return False

    found = lines(path, wait if steps else None)
    return [line.message if isinstance(line, Line) else str(line) for line in found]


def test_lines_come_in_order_across_all_kept_files(path: Path, file: RotatingFile):
    for number in range(50):
        file.write(row(str(number)))

    assert messages(path) == [str(number) for number in range(50)]
    assert path.with_name("x.jsonl.5").exists()


def test_what_is_written_next_follows(path: Path, file: RotatingFile):
    file.write(row("old"))

    assert messages(path, lambda: file.write(row("new"))) == ["old", "new"]


def test_a_rotation_loses_and_repeats_nothing(path: Path, file: RotatingFile):
    def many(start: int) -> None:
        for number in range(start, start + 30):
            file.write(row(str(number)))

    found = messages(path, lambda: many(0), lambda: many(30), lambda: many(60))

    assert found == [str(number) for number in range(90)]


def test_more_rotations_than_files_are_kept_lose_lines_but_repeat_none(path: Path):
    file = RotatingFile(path, max_bytes=100, keep=1)
    file.write(row("first"))

    def many() -> None:
        for number in range(9):
            file.write(row(str(number)))

    assert messages(path, many) == ["first", "7", "8"]
    file.close()


def test_half_a_line_waits_for_its_other_half(path: Path):
    whole = row("whole")
    path.write_text(whole[:10])

    def finish() -> None:
        with path.open("a") as stream:
            stream.write(whole[10:] + "\n")

    assert messages(path, lambda: None, finish) == ["whole"]


def test_a_file_that_comes_later_is_waited_for(path: Path, file: RotatingFile):
    assert messages(path, lambda: None, lambda: file.write(row("first"))) == ["first"]


def test_a_file_cut_to_nothing_is_read_afresh(path: Path):
    path.write_text(row("a long line that goes away") + "\n")

    assert messages(path, lambda: path.write_text(row("b") + "\n"))[-1] == "b"


@pytest.mark.parametrize("bad", ["{not json", "[]", '{"level": "info"}', "\x00\xff", "[" * 3000])
def test_a_malformed_line_is_told_with_its_place_and_the_rest_goes_on(path: Path, bad: str):
    path.write_text("\n".join((row("before"), bad, row("after"))) + "\n")

    before, odd, after = lines(path, None)

    assert isinstance(odd, Malformed)
    assert str(odd).startswith("x.jsonl, line 2: ")
    assert isinstance(before, Line) and before.message == "before"
    assert isinstance(after, Line) and after.message == "after"


def test_a_last_line_cut_by_a_crash_is_told(path: Path):
    path.write_text(row("before") + "\n" + row("cut")[:9])

    assert messages(path) == ["before", "x.jsonl, line 2: not a JSON record"]


def line(**fields: str) -> Line:
    plain = {"time": "T", "level": "info", "actor": "position:binance:BTCUSDT", "symbol": ""}
    plain |= {"client_order_id": "", "message": "m", "exception": ""}
    return Line(**(plain | fields))


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Filter(), True),
        (Filter(actor="position"), True),
        (Filter(actor="position:binance:BTCUSDT"), True),
        (Filter(actor="pos"), False),
        (Filter(order="h-1"), True),
        (Filter(order="h-12"), False),
        (Filter(level="info"), True),
        (Filter(level="warning"), False),
    ],
)
def test_filters_want_what_they_name(wanted: Filter, passes: bool):
    assert wanted.wants(line(client_order_id="h-1")) is passes


def test_an_order_is_found_where_a_text_mentions_it():
    assert Filter(order="h-1").wants(line(message="cancelled h-1 and h-2"))


def test_a_line_is_shown_with_the_last_line_of_its_exception_and_nothing_unprintable():
    shown = str(line(message="a\x1bb", exception="Traceback\n  x\nValueError: boom\n"))

    assert shown == "T info     position:binance:BTCUSDT  a\\x1bb | ValueError: boom"
