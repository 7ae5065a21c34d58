"""Clock, random, threads and files stay where they belong, so that one seed gives one run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLOCK = {"time", "datetime", "random", "uuid", "secrets"}
CORE = CLOCK | {"threading", "_thread", "multiprocessing", "subprocess", "socket", "os", "io"}
CORE |= {"pathlib", "shutil", "tempfile", "logging", "asyncio", "concurrent", "sched", "queue"}
ACTORS = CLOCK | {"threading", "_thread", "asyncio", "concurrent", "sched"}
OPENERS = {"open", "input", "print", "__import__", "exec", "eval"}
ENTROPY = {"urandom", "getrandom", "SystemRandom"}
PURE = {("random", "Random"), ("datetime", "timedelta"), ("datetime", "UTC")}
"""Names of those modules that hold no state of the world: a seeded generator's type, spans."""


def findings(code: str, modules: set[str], calls: set[str]) -> Iterator[str]:
    """Yield what breaks the rule: imports of `modules` but for pure names, and `calls`."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.split(".")[0] in modules:
                        yield f"line {node.lineno}: import {alias.name}"
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for alias in names:
                    root = module.split(".")[0]
                    if root in modules and (module, alias.name) not in PURE:
                        yield f"line {node.lineno}: from {module} import {alias.name}"
            case ast.Call(func=ast.Name(id=name)) if name in calls:
                yield f"line {node.lineno}: {name}("
            case ast.Attribute(attr=name) if name in ENTROPY:
                yield f"line {node.lineno}: .{name}"


def core_files() -> list[Path]:
    return sorted((ROOT / "core").rglob("*.py"))


def actor_files() -> list[Path]:
    files = (ROOT / "actors").rglob("*.py")
    return sorted(file for file in files if "runtime" not in file.relative_to(ROOT).parts)


def names(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


@pytest.mark.parametrize("name", names(core_files()))
def test_core_touches_neither_clock_nor_random_nor_thread_nor_file(name: str):
    assert list(findings((ROOT / name).read_text(), CORE, OPENERS)) == []


@pytest.mark.parametrize("name", names(actor_files()))
def test_actors_take_clock_and_random_from_their_runtime(name: str):
    assert list(findings((ROOT / name).read_text(), ACTORS, {"input", "print"})) == []


def test_there_are_files_to_look_at():
    assert len(core_files()) > 10
    assert len(actor_files()) > 5


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "import time as clock",
        "import random, json",
        "from time import time_ns",
        "from datetime import datetime",
        "import datetime",
        "import threading",
        "from threading import Lock",
        "import uuid",
        "import os.path",
        "from random import random",
        "def f():\n    import time",
        "open('x')",
        "with open('x') as f: pass",
        "__import__('time')",
        "x.urandom(3)",
    ],
)
def test_the_rule_sees_every_way_in(code: str):
    assert list(findings(code, CORE, OPENERS))


@pytest.mark.parametrize(
    "code",
    [
        "from random import Random",
        "from datetime import timedelta",
        "from core.secrets import Secret",
        "x.open()",
        "time = 3",
    ],
)
def test_the_rule_lets_pure_names_pass(code: str):
    assert list(findings(code, CORE, OPENERS)) == []
