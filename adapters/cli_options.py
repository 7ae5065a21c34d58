"""What the commands of the command line have in common: options, examples, their configuration."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from core.errors import UsageError

if TYPE_CHECKING:
    from core.config import Config

__all__ = [
    "HERE",
    "RUN_HOST",
    "Number",
    "RunHost",
    "config_option",
    "examples",
    "load",
    "money",
    "words",
]

RUN_HOST = "bulkhead.run_host"
HERE = Path(__file__).resolve().parent.parent


class RunHost(Protocol):
    """Run the host until it is stopped, or for `for_s` seconds; return the exit code.

    `accidents` is a drill's: each line of it says what shall go wrong in this host.
    """

    def __call__(
        self, config: Config, *, for_s: float | None, accidents: TextIO | None = None
    ) -> int: ...


def examples(*commands: str) -> str:
    """Return the examples that a command's help ends with."""
    return "\b\nExamples:\n" + "\n".join(
        f"  python run.py {command}".rstrip() for command in commands
    )


class Number(click.FloatRange):
    """A range that does not hold "nan", which compares as neither over nor under anything."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--config`."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file.  [default: config.toml beside run.py]",
    )(command)


def load(config_path: Path | None) -> Config:
    """Read the configuration, of the option here or before the command. Errors: `ConfigError`."""
    from adapters import configuration

    context = click.get_current_context()
    path = config_path or context.find_root().params.get("config_path") or HERE / "config.toml"
    config = configuration.load(path)
    context.find_root().obj = config
    return config


def words(text: str) -> tuple[str, ...]:
    """Split a list at its commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def money(text: str) -> Decimal:
    """Read a positive amount. Errors: `UsageError`."""
    from core.money import number

    try:
        amount = number(text, "--balance")
    except ValueError as error:
        raise UsageError(str(error), "--balance", "write an amount such as 10000") from None
    if amount <= 0:
        raise UsageError(f"{text} is not positive", "--balance", "write an amount such as 10000")
    return amount
