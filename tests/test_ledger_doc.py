"""docs/ledger.md: every id of the audits, and for each closed one a file and a test that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "docs" / "ledger.md"
AUDIT = ROOT.parent / "shared" / "AUDIT.md"


def _numbers(letter: str, last: int, without: tuple[int, ...] = ()) -> list[str]:
    return [f"{letter}{n:02}" for n in range(1, last + 1) if n not in without]


IDS = (
    *_numbers("A", 20),
    *_numbers("B", 23),
    *_numbers("C", 41, without=(16, 17, 20, 21, 27, 29, 32, 35, 37, 40)),
    *_numbers("D", 17),
    *_numbers("E", 10),
)


@frozen
class Row:
    """One line of the table."""

    id: str
    state: str
    what: str
    enforced: str
    proven: str

    @property
    def files(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.enforced)

    @property
    def tests(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.proven)


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for line in LEDGER.read_text().splitlines():
        if re.match(r"\| [A-Z]\d\d \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 5, line
            found.append(Row(*cells))
    return tuple(found)


@cache
def named_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    )


def test_every_id_has_exactly_one_row_in_order():
    assert [row.id for row in rows()] == list(IDS)


def test_the_list_of_ids_is_the_audits():
    if not AUDIT.exists():
        pytest.skip("the audits are not beside this checkout (../shared/AUDIT.md)")

    assert re.findall(r"^\| ([A-Z]\d\d) \|", AUDIT.read_text(), re.MULTILINE) == list(IDS)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_row_is_closed_with_a_file_and_a_test_or_open_with_a_theme(row: Row):
    assert row.what
    if row.state == "closed":
        assert row.files, "a closed row names the file that enforces it"
        assert any(name.startswith("tests/") for name in row.tests), "and the test that proves it"
    else:
        assert row.state.startswith("open: ")
        assert len(row.state) > len("open: ")


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_everything_a_row_names_exists(row: Row):
    for name in row.files:
        assert (ROOT / name).exists(), f"no such file: {name}"
        assert not name.startswith("tests/"), f"a test enforces nothing: {name}"
    for name in row.tests:
        path, _, test = name.partition("::")
        file = ROOT / path
        assert file.is_file(), f"no such file: {path}"
        assert test in named_in(file), f"no such test: {name}"
