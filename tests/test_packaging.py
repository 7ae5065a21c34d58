"""The packaging says what the tree holds: packages, files that are no code, imports."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOPS = ("core", "actors", "adapters")
PROVIDERS = packages_distributions()
OPTIONAL = {"pyarrow"}
"""Imported where a user asks for it, with a clear error naming what to install."""
UNSEEN = {"websockets"}
"""Not imported by name: what uvicorn speaks WebSocket with, and the store that is still to come."""


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(section: str, key: str) -> list[str]:
    return settings()[section][key].split()


def shipped() -> list[Path]:
    return [file for top in TOPS for file in sorted((ROOT / top).rglob("*.py"))]


def is_found(folder: Path) -> bool:
    """Tell whether the finder takes a folder: its name is included, all above are packages."""
    parts = folder.relative_to(ROOT).parts
    above = [ROOT.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
    included = lines("options.packages.find", "include")
    return all((one / "__init__.py").exists() for one in above) and any(
        fnmatch(".".join(parts), pattern) for pattern in included
    )


def test_every_folder_with_code_is_a_package_that_is_found():
    assert [file for file in shipped() if not is_found(file.parent)] == []
    assert settings()["options"]["py_modules"] == "run"


def test_nothing_beside_the_three_layers_is_shipped():
    others = {path for path in ROOT.iterdir() if path.is_dir() and path.name not in TOPS}

    assert [path for path in others if is_found(path)] == []


def test_every_file_that_is_no_code_is_shipped_with_its_package():
    data = settings()["options.package_data"]
    for top in TOPS:
        for file in (ROOT / top).rglob("*"):
            if file.is_dir() or file.suffix in (".py", ".pyc"):
                continue
            package = ".".join(file.parent.relative_to(ROOT).parts)
            patterns = data.get(package, "").split()
            assert any(fnmatch(file.name, pattern) for pattern in patterns), file


def test_the_files_that_the_packaging_names_exist():
    for name in ("README.md", settings()["metadata"]["license_files"]):
        assert (ROOT / name).is_file()


def required(section: str, key: str) -> set[str]:
    text = settings()[section][key]
    return {name.lower() for name in re.findall(r"^([A-Za-z0-9_-]+)", text, re.M)}


def undeclared(files: list[Path], declared: set[str], own: set[str]) -> dict[str, str]:
    """Map third-party modules that no requirement brings to the first file that imports them."""
    missing: dict[str, str] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - own:
                wanted = {provider.lower() for provider in PROVIDERS.get(top, [top])}
                if not wanted & declared:
                    missing.setdefault(top, str(file.relative_to(ROOT)))
    return missing


def test_every_third_party_import_is_a_declared_requirement():
    declared = required("options", "install_requires")

    assert undeclared([*shipped(), ROOT / "run.py"], declared, {*TOPS, "run"} | OPTIONAL) == {}


def test_every_third_party_import_of_a_test_is_declared_too():
    declared = required("options", "install_requires")
    declared |= required("options.extras_require", "test")
    declared |= required("options.extras_require", "proof")
    files = sorted((ROOT / "tests").rglob("*.py"))
    beside = {file.stem for file in files}

    assert undeclared(files, declared, {*TOPS, "run", "tests"} | beside) == {}


def test_every_requirement_is_imported():
    code = "\n".join(file.read_text() for file in [*shipped(), ROOT / "run.py"])
    tops = set(re.findall(r"^\s*(?:from|import) ([a-z_0-9]+)", code, re.M))
    used = {name.lower() for top in tops for name in PROVIDERS.get(top, [])}

    assert required("options", "install_requires") - used == UNSEEN


def test_the_tools_look_at_all_that_ships():
    toml = (ROOT / "pyproject.toml").read_text()
    makefile = (ROOT / "Makefile").read_text()

    assert 'files = ["core", "actors", "adapters", "run.py"]' in toml
    assert 'source = ["core", "actors", "adapters"]' in toml
    assert "LINTED := core actors adapters tests run.py" in makefile
