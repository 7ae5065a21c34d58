"""Parts talk only through messages with declared types; calls return one type. A18, C10."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import pytest

import actors.messages.journal
import actors.messages.lanes
import actors.messages.operations
import actors.messages.risk
import actors.messages.trading
import core.guard_decisions
import core.messages
import core.ports
import core.records
from adapters.venues.binance_usdm.rest import BinanceVenue
from core.ports import Venue

ROOT = Path(__file__).parents[1]
MODULES = (
    core.guard_decisions,
    core.messages,
    core.records,
    actors.messages.journal,
    actors.messages.lanes,
    actors.messages.operations,
    actors.messages.risk,
    actors.messages.trading,
)
MUTABLE = (list, dict, set, bytearray)
ASKING = {"ask", "proxy", "get_all"}


def messages() -> list[type[Any]]:
    return [
        kind
        for module in MODULES
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and (attrs.has(kind) or issubclass(kind, tuple))
    ]


def parts(hint: Any) -> set[Any]:
    """Return every type that a hint names, at any depth; what a function takes is not held."""
    if get_origin(hint) is Callable:
        return {Callable}
    found = {get_origin(hint) or hint}
    for inner in get_args(hint):
        found |= parts(inner)
    return found


@pytest.mark.parametrize("kind", messages(), ids=lambda kind: kind.__name__)
def test_a_message_is_frozen_and_each_field_has_a_type_that_does_not_change(kind: type[Any]):
    hints = get_type_hints(kind, vars(inspect.getmodule(kind)) | vars(typing) | _unimported())

    names = kind._fields if issubclass(kind, tuple) else [f.name for f in attrs.fields(kind)]
    for name in names:
        assert name in hints, name
        assert not parts(hints[name]) & {*MUTABLE, Any}, name
    if issubclass(kind, tuple):
        return  # a tuple cannot be changed
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        object.__new__(kind).something = 1


def _unimported() -> dict[str, Any]:
    """Return names that modules import for their types only."""
    names: dict[str, Any] = {}
    for module in (*MODULES, core.ports):
        names |= {name: value for name, value in vars(module).items() if not name.startswith("__")}
    return names


def test_no_actor_asks_another_and_waits():
    for file in sorted((ROOT / "actors").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ASKING, f"{file}:{node.lineno}"


def test_no_actor_holds_another_one():
    for file in sorted((ROOT / "actors").glob("*.py")):
        tree = ast.parse(file.read_text())
        own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        if file.stem in ("supervisor", "replaying"):  # these put actors into trees
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                assert not name.endswith("Actor") or name in own, f"{file}:{node.lineno}"


def calls(kind: type[Any]) -> dict[str, types.FunctionType]:
    return {
        name: function
        for name, function in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize("name", calls(Venue))
def test_a_call_of_a_venue_returns_what_the_port_says_and_nothing_else(name: str):
    wanted = get_type_hints(calls(Venue)[name]).get("return")
    given = get_type_hints(calls(BinanceVenue)[name]).get("return")

    assert given == wanted
    assert Any not in parts(given)
