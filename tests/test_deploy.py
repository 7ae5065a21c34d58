"""The systemd unit of the docs is one that systemd takes, and fits the program's exit codes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cli import FAILED, HALTED, NOT_READY, WRONG_USE

DOCS = Path(__file__).parents[1] / "docs"
UNIT = (DOCS / "bulkhead.service").read_text()
PYTHON = "/opt/bulkhead/.venv/bin/python"


def setting(name: str) -> str:
    [value] = [line.partition("=")[2] for line in UNIT.splitlines() if line.startswith(f"{name}=")]
    return value


def test_what_a_person_must_mend_is_not_started_again_and_a_halted_host_is():
    prevented = {int(code) for code in setting("RestartPreventExitStatus").split()}

    assert setting("Restart") == "on-failure"
    assert prevented == {WRONG_USE, NOT_READY}
    assert not prevented & {FAILED, HALTED}


def test_every_setting_that_the_document_explains_is_in_the_unit():
    rows = [line for line in (DOCS / "deploy.md").read_text().splitlines() if line[:3] == "| `"]
    words = [word for row in rows for word in row.split("|")[1].split("`")[1::2]]

    assert words
    for word in words:
        name, _, value = word.partition("=")
        assert value in setting(name) if value else name in UNIT, word


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path):
    unit = tmp_path / "bulkhead.service"
    unit.write_text(UNIT.replace(PYTHON, sys.executable))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )

    assert "bulkhead" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
