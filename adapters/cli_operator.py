"""The operator's commands on the command line: what each takes, and an example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from adapters.cli_options import config_option, examples, load
from core.errors import UsageError

__all__ = ["COMMANDS"]


def _run(config_path: Path | None, as_json: bool, name: str, symbol: str, percent: int) -> int:
    from adapters.operator_commands import operate
    from core.operating import Command

    return operate(load(config_path), Command(name, symbol, percent), json=as_json)


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="For machines.")(command)


def _symbol_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--symbol", default="", metavar="S", help="Only this symbol.  [default: the whole host]"
    )(command)


def _refuse_symbol(context: click.Context, option: click.Parameter, symbol: str | None) -> None:
    if symbol is not None:
        raise UsageError(
            f"{context.info_name} is the whole host's",
            "--symbol",
            "leave it away; one symbol can be paused, throttled or flattened",
        )


def _no_symbol_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--symbol", hidden=True, expose_value=False, callback=_refuse_symbol)(
        command
    )


@click.command(
    short_help="Open nothing new.", epilog=examples("pause", "pause --symbol BTCUSDT --json")
)
@config_option
@_symbol_option
@_json_option
def pause(config_path: Path | None, symbol: str, as_json: bool) -> int:
    """Open nothing new, and cancel open entries; exits and stops go on. Survives restarts."""
    return _run(config_path, as_json, "pause", symbol, 100)


@click.command(
    short_help="End a pause.", epilog=examples("resume", "resume --symbol BTCUSDT --json")
)
@config_option
@_symbol_option
@_json_option
def resume(config_path: Path | None, symbol: str, as_json: bool) -> int:
    """End an operator's pause; without --symbol also those of single symbols."""
    return _run(config_path, as_json, "resume", symbol, 100)


@click.command(
    "reduce-only",
    short_help="Let positions only shrink, latched.",
    epilog=examples("reduce-only", "reduce-only --json"),
)
@config_option
@_no_symbol_option
@_json_option
def reduce_only(config_path: Path | None, as_json: bool) -> int:
    """Cancel entries and let positions only shrink, until reset-halt. Survives restarts."""
    return _run(config_path, as_json, "reduce-only", "", 100)


@click.command(
    short_help="End trading, latched; positions stay protected.",
    epilog=examples("halt", "halt --json"),
)
@config_option
@_no_symbol_option
@_json_option
def halt(config_path: Path | None, as_json: bool) -> int:
    """End trading until reset-halt: entries go, positions and their stops stay.

    Survives restarts.
    """
    return _run(config_path, as_json, "halt", "", 100)


@click.command(
    "reset-halt",
    short_help="Trade again after a halt.",
    epilog=examples("reset-halt", "reset-halt --json"),
)
@config_option
@_no_symbol_option
@_json_option
def reset_halt(config_path: Path | None, as_json: bool) -> int:
    """Lift a latched halt, also while no host runs; losses count anew from then on.

    Refused while its cause still stands.
    """
    return _run(config_path, as_json, "reset-halt", "", 100)


@click.command(
    short_help="Close everything, until the venue says flat.",
    epilog=examples("flatten", "flatten --symbol BTCUSDT", "flatten --json"),
)
@config_option
@_symbol_option
@_json_option
def flatten(config_path: Path | None, symbol: str, as_json: bool) -> int:
    """Cancel everything and close every position; done when the venue says flat.

    The host is halted (one symbol: paused) and stays so. What is left when
    execution.flatten_within_s is over is named, with exit code 1.
    """
    return _run(config_path, as_json, "flatten", symbol, 100)


@click.command(
    short_help="Scale the size of new entries.",
    epilog=examples("throttle 50", "throttle 0 --symbol BTCUSDT", "throttle 100 --json"),
)
@config_option
@click.argument("percent", type=click.IntRange(0, 100), metavar="PCT")
@_symbol_option
@_json_option
def throttle(config_path: Path | None, percent: int, symbol: str, as_json: bool) -> int:
    """Size entries with PCT percent (0 to 100) of their full size, open ones at once.

    Survives restarts. Of the host's throttle and a symbol's own the smaller one counts.
    """
    return _run(config_path, as_json, "throttle", symbol, percent)


COMMANDS = (pause, resume, reduce_only, halt, reset_halt, flatten, throttle)
