"""What the documents say can be followed: links lead somewhere, commands are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from adapters import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
MAKEFILE = (ROOT / "Makefile").read_text()


def links() -> list[tuple[Path, str]]:
    found = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    return [(file, link) for file in DOCUMENTS for link in found.findall(file.read_text())]


def command_lines() -> list[str]:
    """Return every command line that is meant to be typed: no synopsis with brackets in it."""
    found = []
    for file in DOCUMENTS:
        for line in re.findall(r"python run\.py[^`\n]*", file.read_text()):
            line = line.split("  ")[0].split(" #")[0].strip()
            if not re.search(r"[\[\]…|)]|\.\.\.", line):
                found.append(line)
    return sorted(set(found))


@pytest.mark.parametrize(("file", "link"), links(), ids=str)
def test_a_link_leads_to_a_file(file: Path, link: str):
    assert (file.parent / link).exists()


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_is_one_that_the_program_takes(line: str):
    words = shlex.split(line)[2:]
    if "COMMAND" in words:
        return
    root = cli.cli.make_context("run.py", list(words), allow_extra_args=True)
    rest = [*root._protected_args, *root.args]
    if rest:
        command = cli.cli.commands[rest[0]]
        with pytest.MonkeyPatch.context() as quiet:
            quiet.setattr(click.Context, "exit", lambda *_: None)
            command.make_context(rest[0], rest[1:], parent=root)


def test_a_test_that_stands_for_a_condition_exists():
    named = re.findall(r"`(tests/[^`:]+)::(\w+)`", (ROOT / "docs" / "conditions.md").read_text())
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_there_are_command_lines_to_look_at():
    assert len(command_lines()) > 5


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_a_make_target_that_is_named_exists(file: Path):
    for target in re.findall(r"(?:^|`)make ([a-z]+)\b", file.read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
