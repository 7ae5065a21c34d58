"""In paper and testnet no code path can hold a live host name."""

from __future__ import annotations

import ast
from pathlib import Path

from adapters.venues.binance_usdm import hosts
from adapters.venues.binance_usdm.live_hosts import LIVE

PACKAGE = Path(hosts.__file__).parent
LIVE_NAMES = ("fapi.binance.com", "fstream.binance.com", "api.binance.com")


def test_live_names_stand_in_one_module_only() -> None:
    holders = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for constant in ast.walk(ast.parse(path.read_text()))
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
        for name in LIVE_NAMES
        if f"//{name}" in constant.value
    }
    assert holders == {"live_hosts.py"}


def test_nothing_of_the_client_imports_the_live_hosts() -> None:
    importers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and "live_hosts" in (node.module or "")
    }
    assert importers == set()


def test_the_testnet_and_a_local_exchange_are_elsewhere() -> None:
    local = hosts.local("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/")
    assert (local.rest, local.ws, local.rights) == (
        "http://127.0.0.1:8080",
        "ws://127.0.0.1:8080",
        "http://127.0.0.1:8080",
    )
    for one in (local, hosts.TESTNET):
        for live in (LIVE.rest, LIVE.ws, LIVE.rights):
            assert live not in (one.rest, one.ws, one.rights)
