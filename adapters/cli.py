"""The command line: options, help, exit codes, and one line for every error."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.cli_check import CHECK_HOST, CheckHost, check
from adapters.cli_deadletters import deadletters
from adapters.cli_drill import drill, drilled_host
from adapters.cli_operator import COMMANDS
from adapters.cli_options import (
    HERE,
    RUN_HOST,
    Number,
    RunHost,
    config_option,
    examples,
    load,
    money,
    words,
)
from adapters.cli_replay import MAKE_STAGE, MakeStage, replay
from adapters.cli_report import report
from adapters.masking import Masker
from core.errors import (
    BulkheadError,
    ConfigError,
    JournalError,
    NotReady,
    UsageError,
    UserError,
)
from core.secrets import Secret

if TYPE_CHECKING:
    from core.config import Config

DONE, FAILED, WRONG_USE, NOT_READY, HALTED = range(5)
SECRET_VARIABLE = "BULKHEAD_EXCHANGE_SECRET"
_POLL_S = 0.2
_ENDLESS = (None, "exchange", "tail")
"""Commands whose way to end is Ctrl-C: the host, and those that go on until somebody leaves."""
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG, errno.EROFS)


# Imports inside the commands keep `--help` fast.


@click.group(
    invoke_without_command=True,
    epilog=examples("", "--config my.toml --for 60", "exchange --venue binance", "status"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@config_option
@click.option(
    "--for",
    "for_s",
    type=Number(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop in order after so many seconds.",
)
@click.option("--live", is_flag=True, help='Confirm real money; needs mode = "live".')
@click.pass_context
def cli(
    context: click.Context, config_path: Path | None, for_s: float | None, live: bool
) -> int | None:
    """Run the host: trade every configured bot until Ctrl-C or SIGTERM stops it in order."""
    if context.invoked_subcommand:
        if for_s is not None or live:
            raise UsageError(
                "--for and --live belong to the host",
                f"run.py {context.invoked_subcommand}",
                "leave them away, or leave the command away",
            )
        return None
    config = load(config_path)
    if live and config.mode != "live":
        raise UsageError(
            f'--live beside mode = "{config.mode}"',
            "--live",
            'leave the flag away, or set mode = "live"',
        )
    if config.mode == "live" and not live:
        raise ConfigError(
            "live trading was not confirmed", "mode", "add --live to trade with real money"
        )
    run_host: RunHost = context.meta[RUN_HOST]
    return run_host(config, for_s=for_s)


@cli.command(
    short_help="Run a local exchange.",
    epilog=examples(
        "exchange --venue binance --symbols BTCUSDT,ETHUSDT --seed 7",
        "exchange --venue binance --port 9001 --market btc.gz,btc2.gz --speed 10",
    ),
)
@config_option
@click.option("--venue", required=True, type=click.Choice(["binance"]), help="Whose dialect.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="On 127.0.0.1; 0 takes a free one."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the synthetic market."
)
@click.option("--symbols", metavar="A,B", help="Which to list.  [default: the venue's usual ones]")
@click.option(
    "--market",
    default="synthetic",
    show_default=True,
    metavar="synthetic|PATH[,PATH]",
    help="Where prices come from.",
)
@click.option(
    "--speed",
    type=Number(0.01, 10_000),
    default=1.0,
    show_default=True,
    help="Of the market against the clock.",
)
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="Faults to inject.")
@click.option("--key", default="", help="API key.  [default: made once, kept in the state folder]")
@click.option(
    "--secret",
    default="",
    envvar=SECRET_VARIABLE,
    help=f"Its secret; better in the variable {SECRET_VARIABLE}.",
)
@click.option(
    "--state",
    "state_path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the account is kept.  [default: exchange/ in the configured state folder]",
)
@click.option(
    "--balance", default="10000", show_default=True, metavar="USDT", help="Of a new account."
)
@click.option("--by-host", is_flag=True, hidden=True)
def exchange(
    config_path: Path | None,
    venue: str,
    port: int,
    seed: int,
    symbols: str | None,
    market: str,
    speed: float,
    faults: Path | None,
    key: str,
    secret: str,
    state_path: Path | None,
    balance: str,
    by_host: bool,
) -> int:
    """Run a local exchange; its first line on stdout is JSON that says where it listens."""
    from adapters.venues.binance_usdm.emulator import ExchangeOptions, serve
    from adapters.venues.binance_usdm.emulator.options import DEFAULT_SYMBOLS

    if bool(key) != bool(secret):
        raise UsageError("a key without its secret, or the reverse", "--key", "give both or none")
    return serve(
        ExchangeOptions(
            venue=venue,
            port=port,
            seed=seed,
            symbols=words(symbols) if symbols is not None else DEFAULT_SYMBOLS,
            market=market,
            speed=speed,
            faults=faults,
            key=key,
            secret=secret,
            state_dir=state_path or Path(load(config_path).paths.state) / "exchange",
            balance=money(balance),
            by_host=by_host,
        )
    )


@cli.command(
    short_help="Show what the host does.",
    epilog=examples("status", "status --json", "status --symbol BTCUSDT"),
)
@config_option
@click.option("--symbol", default="", metavar="S", help="Only this symbol.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(config_path: Path | None, symbol: str, as_json: bool) -> int:
    """Show what the host does, or what it last knew when none runs."""
    from adapters import operations

    return operations.status(load(config_path), json=as_json, symbol=symbol)


@cli.command(
    short_help="Show orders, fills, positions and balances.",
    epilog=examples("ledger", "ledger --json", "ledger --exchange --json"),
)
@config_option
@click.option("--exchange", "of_exchange", is_flag=True, help="The local exchange's truth instead.")
@click.option("--json", "as_json", is_flag=True, help="For machines: one shape for both.")
def ledger(config_path: Path | None, of_exchange: bool, as_json: bool) -> int:
    """Show orders, fills, positions and balances, of a host that runs or is stopped."""
    from adapters import operations

    return operations.ledger(load(config_path), exchange=of_exchange, json=as_json)


@cli.command(
    epilog=examples(
        "tail",
        "tail --order host1-grid-BTCUSDT-10 --no-follow",
        "tail --actor risk --level warning",
    )
)
@config_option
@click.option("--actor", default="", metavar="A", help="Only this actor, or this family of them.")
@click.option("--order", default="", metavar="ID", help="Only this client order id.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    default="debug",
    help="Only this level and those above.",
)
@click.option("--follow/--no-follow", default=True, help="Go on with what is written next.")
@click.option(
    "--lines",
    "count",
    type=click.IntRange(0),
    metavar="N",
    help="How many old lines first.  [default: 50; all with --no-follow]",
)
def tail(
    config_path: Path | None, actor: str, order: str, level: str, follow: bool, count: int | None
) -> int:
    """Show the log, filtered, and follow it through its rotations."""
    from adapters.logs import MACHINE_LOG
    from adapters.tail import Filter, Malformed, lines

    path = Path(load(config_path).paths.logs) / MACHINE_LOG
    if not path.exists() and not follow:
        raise UsageError("no log yet", str(path), "start the host first, or name its --config")
    wanted = Filter(actor, order, level)
    old: deque[str] = deque(maxlen=50 if count is None and follow else count)
    show: Callable[[str], None] = old.append

    def wait() -> bool:
        nonlocal show
        _show(old)
        show = click.echo
        time.sleep(_POLL_S)
        return True

    found = False
    for line in lines(path, wait if follow else None):
        if isinstance(line, Malformed):
            click.echo(f"warning: {line}", err=True)
        elif wanted.wants(line):
            found = True
            show(str(line))
    _show(old)
    if not found:
        click.echo(f"no line of {path} fits: look for another id, actor or level", err=True)
    return DONE


for command in (check, *COMMANDS, deadletters, report, replay, drill, drilled_host):
    cli.add_command(command)


def _show(lines: deque[str]) -> None:
    while lines:
        click.echo(lines.popleft())


def main(
    run_host: RunHost,
    check_host: CheckHost,
    make_stage: MakeStage,
    arguments: list[str] | None = None,
) -> int:
    """Run a command line and return its exit code; every failure is one line on stderr."""
    _open_what_is_closed()
    parts = {RUN_HOST: run_host, CHECK_HOST: check_host, MAKE_STAGE: make_stage}
    code = _main(parts, arguments)
    try:
        sys.stdout.flush()
    except OSError:
        # Nobody reads what is left: were it written at exit, the exit code would be lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _open_what_is_closed() -> None:
    """Give a process that was started without stdout or stderr, as by some daemons, a silent one.

    Otherwise the next file opened would get its number, and be written to.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for the process's life)


def _main(parts: Mapping[str, object], arguments: list[str] | None) -> int:
    context: click.Context | None = None
    try:
        with cli.make_context(
            "python run.py", list(sys.argv[1:] if arguments is None else arguments)
        ) as context:
            context.meta.update(parts)
            return cli.invoke(context) or DONE
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG_USE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "python run.py"
        what = error.format_message().rstrip(".")
        return _say(WRONG_USE, what, command, f"see {command} --help")
    except UserError as error:
        for one in (error, *getattr(error, "others", ())):
            _say(WRONG_USE, one.what, one.where, one.mend)
        return NOT_READY if isinstance(error, NotReady) else WRONG_USE
    except BulkheadError as error:
        what = Masker(_secrets(context)).mask(str(error))
        command = context.invoked_subcommand if context else None
        if command:  # no accident of the host, whose log it would stand in
            journal = isinstance(error, JournalError)
            about = "docs/journal.md, Mending" if journal else f"python run.py {command} --help"
            return _say(FAILED, what, f"python run.py {command}", f"see {about}")
        where = _write_down(context, error)
        return _say(FAILED, what, type(error).__name__, f"details are in {where}")
    except (KeyboardInterrupt, click.Abort):
        command = context.invoked_subcommand if context else None
        return DONE if command in _ENDLESS else FAILED
    except BrokenPipeError:
        return DONE  # the reader of our output left, as `head` does
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            return _unexpected(context, error)
        where = str(error.filename or "standard output")[:80]
        return _say(FAILED, str(error.strerror), where, "name another place, or make room there")
    except Exception as error:  # noqa: BLE001 (the last place: written down, told in one line)
        return _unexpected(context, error)


def _unexpected(context: click.Context | None, error: Exception) -> int:
    where = _write_down(context, error)
    what = f"unexpected {type(error).__name__}"
    return _say(FAILED, what, "a fault of this program", f"the traceback is in {where}")


def _say(code: int, what: str, where: str, mend: str) -> int:
    from adapters.logs import printable, stderr_line

    stderr_line(printable(f"error: {what} ({where}): {mend}"))
    return code


def _secrets(context: click.Context | None) -> list[Secret]:
    """Return what the environment holds that no line may show."""
    from adapters.alerts import secrets

    config: Config | None = context.obj if context else None
    names = [SECRET_VARIABLE]
    if config:
        venue = config.venues.binance
        names += [venue.key_env, venue.secret_env, config.paper.key_env, config.paper.secret_env]
    found = [Secret(os.environ[name]) for name in names if os.environ.get(name)]
    return [*found, *(secrets(config.alerts, os.environ) if config else ())]


def _write_down(context: click.Context | None, error: BaseException) -> str:
    """Put a traceback into the log and return the log's name."""
    from adapters.logs import PEOPLE_LOG, configure
    from core.config import Logs

    config: Config | None = context.obj if context else None
    folder = Path(config.paths.logs) if config else HERE / "logs"
    settings = config.logs if config else Logs()
    log = configure(settings, folder, console=None, secrets=_secrets(context))
    log.log("critical", "run.py", f"uncaught {type(error).__name__}", exception=error)
    log.close()
    return str(folder / PEOPLE_LOG)
