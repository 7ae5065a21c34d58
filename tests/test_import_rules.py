"""The import rules: held for the tree as it is, and shown to bite."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = ROOT / "pyproject.toml"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50)


def contracts() -> dict[tuple[str, ...], set[str]]:
    settings = tomllib.loads(SETTINGS.read_text())["tool"]["importlinter"]
    return {
        tuple(one["source_modules"]): set(one["forbidden_modules"]) for one in settings["contracts"]
    }


def test_the_tree_keeps_the_rules():
    done = lint(ROOT)

    assert done.returncode == 0, done.stdout


def test_the_rules_are_those_of_the_design():
    rules = contracts()

    outside = {"requests", "websocket", "diskcache"}
    assert (
        outside | {"actors", "adapters", "pykka", "threading", "time", "random"}
        <= (rules[("core",)])
    )
    assert outside | {"adapters"} <= rules[("actors",)]
    assert {"actors", "pykka"} <= rules[("adapters",)]
    assert rules[("actors.runtime",)] == {"core"}


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("core", "import actors"),
        ("core", "import pykka"),
        ("core", "import threading"),
        ("core", "import time"),
        ("actors", "import adapters"),
        ("actors", "import requests"),
        ("actors.runtime", "import core"),
        ("adapters", "import actors"),
        ("adapters", "from pykka import ThreadingActor"),
    ],
)
def test_breaking_a_rule_is_seen(package: str, line: str, tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(SETTINGS.read_text())
    for name in ("core", "actors", "adapters", "actors/runtime"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    assert lint(tmp_path).returncode == 0

    (tmp_path / package.replace(".", "/") / "broken.py").write_text(line + "\n")

    done = lint(tmp_path)
    assert done.returncode != 0
    assert "broken" in done.stdout
