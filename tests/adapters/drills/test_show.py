"""What people and machines are shown of drills."""

from __future__ import annotations

from io import StringIO

from attrs import evolve
from rich.console import Console

from adapters.drills.running import DRILLS, Result, purpose
from adapters.drills.show import as_json, show_list, show_result, show_table
from adapters.drills.site import Note

GOOD = Result(
    name="kill",
    took_s=8.2,
    recovered_s=2.5,
    orders=53,
    fills=24,
    compared=True,
    notes=(
        Note(0.0, "drill", "kill -9 of the host"),
        Note(0.4, "info", "position:binance:BTCUSDT [BTCUSDT]  filled buy 1"),
        Note(0.5, "warning", "risk  paused: [no] market data"),
        *(Note(0.6, "error", f"error {number}") for number in range(20)),
        Note(2.5, "drill", "trades again"),
        Note(3.0, "warning", "said while it stops"),
    ),
)
BAD = evolve(
    GOOD,
    differences=("fill BTCUSDT 7: missing in the books",),
    problems=("not protected at the end: BTCUSDT long",),
    folder="/tmp/somewhere/kill",
)


def shown(show, *arguments: object) -> str:
    screen = StringIO()
    show(Console(file=screen, width=160), *arguments)
    return screen.getvalue()


def test_a_drill_that_passed_is_told_with_its_times_and_the_comparison():
    lines = shown(show_result, GOOD).splitlines()

    assert lines[0] == f"kill: {purpose('kill')}"
    assert lines[1].split() == ["0.00", "s", "drill", "kill", "-9", "of", "the", "host"]
    assert any("paused: [no] market data" in line for line in lines)
    assert any("2.50 s  drill     trades again" in line for line in lines)
    assert "  ledgers   equal: 53 orders, 24 fills, positions, balances" in lines
    assert "  passed, 8.2 s in all" in lines


def test_of_much_that_the_host_said_the_first_lines_are_told_and_the_rest_counted():
    text = shown(show_result, GOOD)

    assert "error 3" in text
    assert "error 19" not in text
    assert "filled buy" not in text
    assert "said while it stops" not in text
    assert "and 17 lines more (--json)" in text


def test_a_drill_that_failed_names_every_difference_and_where_to_look():
    text = shown(show_result, BAD)

    for said in (*BAD.differences, *BAD.problems, BAD.folder, "FAILED", "1 differences"):
        assert said in text


def test_ledgers_that_were_not_compared_are_not_called_equal():
    result = evolve(GOOD, compared=False, problems=("the host ended",))

    assert "not compared" in shown(show_result, result)
    assert "equal" not in shown(show_table, [result])


def test_the_table_has_a_line_for_each_drill():
    _, good, bad = shown(show_table, [GOOD, BAD]).splitlines()

    assert good.split() == ["kill", "passed", "2.5", "s", "equal", "53", "24", "8.2", "s"]
    assert ("FAILED" in bad, "1 differences" in bad) == (True, True)


def test_machines_get_all_of_it():
    found = as_json([GOOD, BAD])

    assert found["passed"] is False
    assert [row["passed"] for row in found["drills"]] == [True, False]
    assert len(found["drills"][0]["notes"]) == len(GOOD.notes)
    assert found["drills"][1]["differences"] == BAD.differences


def test_every_drill_says_what_it_does_in_one_line():
    assert all(purpose(name) and "\n" not in purpose(name) for name in DRILLS)
    assert len(shown(show_list).splitlines()) == len(DRILLS)
