"""Nothing reaches a venue that risk did not approve: the one type, and who may make it."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from core.messages import Key, OrderType, PlaceOrder, PositionSide, Side
from core.risk.gate import Approved, Gate

ROOT = Path(__file__).parents[1]
GATE = ROOT / "core" / "risk" / "gate.py"
CHECKS = ROOT / "core" / "risk" / "checks.py"
ORDER = PlaceOrder(
    Key("binance", "BTCUSDT"),
    "h-1",
    Side.BUY,
    PositionSide.LONG,
    OrderType.LIMIT,
    Decimal("0.001"),
    price=Decimal(50_000),
)


def sources() -> list[Path]:
    files = [file for top in ("core", "actors", "adapters") for file in (ROOT / top).rglob("*.py")]
    return [*files, ROOT / "run.py"]


def called(node: ast.AST) -> str:
    """Return the last name of what a call calls."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    return getattr(function, "attr", getattr(function, "id", ""))


def callers(*wanted: str) -> set[Path]:
    return {
        file
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text()))
        if called(node) in wanted
    }


def test_only_the_gate_builds_an_approval():
    assert callers("Approved") == {GATE}


def test_only_risk_owns_a_gate():
    assert callers("Gate") == {CHECKS}


def test_nobody_reaches_for_the_seal_or_changes_an_approval():
    for file in sources():
        if file == GATE:
            continue
        text = file.read_text()
        for word in ("_Seal", "_seal"):
            assert word not in text, file
        for node in ast.walk(ast.parse(text)):
            if called(node) in ("evolve", "replace", "assoc") and isinstance(node, ast.Call):
                changed = ast.unparse(node.args[0]).lower() if node.args else ""
                assert changed not in ("approved", "approval"), f"{file}:{node.lineno}"


def test_the_rule_sees_every_way_of_calling():
    for code in ("Approved(x)", "gate.Approved(x)", "Approved[PlaceOrder](x)", "g.Approved[P](x)"):
        assert called(ast.parse(code, mode="eval").body) == "Approved"


def approval(epoch: int = 0, at_ns: int = 5) -> Approved[PlaceOrder]:
    return Gate().approve(ORDER, epoch, at_ns, 6)


def test_a_gate_makes_an_approval_of_just_that_command():
    assert approval().command is ORDER


@pytest.mark.parametrize("seal", [None, object(), "seal", 0, True])
def test_an_approval_built_anywhere_else_is_a_type_error(seal: object):
    with pytest.raises(TypeError, match="Gate"):
        Approved(ORDER, 0, 5, 6, seal)  # type: ignore[arg-type]


def test_an_approval_without_a_seal_is_a_type_error():
    with pytest.raises(TypeError):
        Approved(ORDER, 0, 5, 6)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "change",
    [{"command": attrs.evolve(ORDER, quantity=Decimal(1))}, {"epoch": 1}, {"at_ns": 6}],
)
def test_an_approval_changed_after_the_checks_is_a_type_error(change: dict[str, Any]):
    with pytest.raises(TypeError, match="Gate"):
        attrs.evolve(approval(), **change)


def test_the_seal_of_one_approval_does_not_serve_another():
    other = attrs.evolve(ORDER, client_order_id="h-2")

    with pytest.raises(TypeError, match="Gate"):
        Approved(other, 0, 5, 6, approval()._seal)
