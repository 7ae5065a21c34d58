"""Writes configurations as TOML, for `adapters.configuration` to read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from core.config import Config

__all__ = ["config_text", "toml"]


def config_text(config: Config) -> str:
    """Write every key of a configuration."""
    return toml(attrs.asdict(config))


def toml(values: Mapping[str, Any]) -> str:
    """Write plain values, lists and nested tables: scalars first, as TOML wants them."""
    return "\n".join(_rows(values, "")) + "\n"


def _rows(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in values.items():
        if not _is_table(value):
            yield f"{name} = {_scalar(value)}"
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"[{prefix}{name}]"
            yield from _rows(value, f"{prefix}{name}.")
        elif _is_table(value):
            for row in value:
                yield f"[[{prefix}{name}]]"
                yield from _rows(row, f"{prefix}{name}.")


def _is_table(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and isinstance(value[0], Mapping)
    return isinstance(value, Mapping)


def _scalar(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False)
