"""A status as a host of two symbols gives it, for the tests of what is made from it."""

from __future__ import annotations

from typing import Any


def status(**changes: Any) -> dict[str, Any]:
    """Return the status of a host that trades and is well, with changes."""
    return {
        "mode": "paper",
        "state": "running",
        "halt": "running",
        "halt_reason": "",
        "halt_by": "",
        "halt_latched": False,
        "uptime_s": 12.5,
        "venues": {
            "binance": {
                "rest": "http://127.0.0.1:1",
                "ws": "ws://127.0.0.1:1",
                "connected": True,
                "clock_offset_ms": -3.5,
                "breaker": "closed",
            }
        },
        "actors": [actor("risk"), actor("position:binance:BTCUSDT", restarts=2, recovery_ms=350.0)],
        "positions": [
            {
                "venue": "binance",
                "symbol": "BTCUSDT",
                "position_side": "short",
                "quantity": "-0.009",
                "entry_price": "62814.8",
                "mark_price": "62756.5",
                "liquidation_price": None,
                "unrealised_pnl": "0.52",
            }
        ],
        "equity": "10001.5",
        "unrealised_pnl": "0.52",
        "realised_pnl": "-1.25",
        "reconciliation": {
            "oldest_s": 7.0,
            "positions_apart": {},
            "wallets_apart": {"binance": "0.5"},
            "found": {"fill": 1, "wallet": 3},
        },
        "limits": [
            {"name": "max_gross_notional", "value": "10", "limit": "6000", "headroom": "5990"},
            {"name": "max_var_percent", "value": None, "limit": "5", "headroom": None},
        ],
        "paused": {"binance:ETHUSDT": "paused by the operator"},
        "throttle": {"": 50, "ETHUSDT": 20},
        "scale": {"binance:BTCUSDT": "0.25", "binance:ETHUSDT": "0.2"},
        "refusals": {"price_collar": 4},
        "symbols": {
            "binance:BTCUSDT": {
                "open_orders": 8,
                "unresolved_orders": 1,
                "fills": 18,
                "realised_pnl": "-1.25",
                "compared_s": 7.0,
                "apart": "0.003",
                "found": {"fill": 1},
            },
            "binance:ETHUSDT": {
                "open_orders": 0,
                "unresolved_orders": 0,
                "fills": 0,
                "realised_pnl": "0",
                "compared_s": None,
                "apart": None,
                "found": {},
            },
        },
        "work": [
            {"kind": "account", "of": "binance", "age_s": 8.7, "limit_s": 90.0},
            {"kind": "market", "of": "binance:BTCUSDT", "age_s": 0.4, "limit_s": 5.0},
            {"kind": "decision", "of": "binance:BTCUSDT", "age_s": None, "limit_s": 30.0},
        ],
        "process": {
            "memory_bytes": 61_000_000,
            "memory_limit_bytes": None,
            "threads": 61,
            "open_files": 47,
            "open_files_limit": 1024,
            "waiting_messages": 3,
            "alerts": ["open files: 1000 of 1024 used"],
        },
    } | changes


def actor(name: str, **changes: Any) -> dict[str, Any]:
    """Return the row of an actor that runs, with changes."""
    return {
        "name": name,
        "state": "running",
        "waiting_for": "",
        "restarts": 0,
        "mailbox": 1,
        "oldest_ms": 20.0,
        "recovery_ms": None,
    } | changes
