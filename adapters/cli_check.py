"""The readiness check on the command line."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from adapters.cli_options import config_option, examples, load

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["CHECK_HOST", "CheckHost", "check"]

CHECK_HOST = "bulkhead.check_host"
_NOT_READY = 3


class CheckHost(Protocol):
    """Print the readiness report, with `alert` after a test alert, and return the exit code."""

    def __call__(self, config: Config, *, json: bool, alert: bool) -> int: ...


@click.command(
    short_help="Tell whether a start would be allowed.",
    epilog=examples("check", "check --alert", "check --config live.toml --json"),
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--alert", is_flag=True, help="Send one test message over each channel of [alerts].")
@click.pass_context
def check(context: click.Context, config_path: Path | None, as_json: bool, alert: bool) -> int:
    """Look at everything a start needs, here and at the venue; change nothing.

    Exit code 0 when a start would be allowed, 3 when not. Beside a running host it looks too.
    """
    check_host: CheckHost = context.meta[CHECK_HOST]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return check_host(load(config_path), json=as_json, alert=alert)
    except KeyboardInterrupt:
        return _NOT_READY  # what was not looked at to the end says nothing good of a start


def _interrupt(number: int, frame: object) -> None:
    """Leave as on Ctrl-C, so that a local exchange that was started for the check ends too."""
    raise KeyboardInterrupt
