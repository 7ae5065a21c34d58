"""Logs: one file for people, one for machines, short lines for the console; nothing secret in any.

`logs/bulkhead.log` and `logs/bulkhead.jsonl` hold the same records; tracebacks are only in them.
What libraries log through the standard library, and what dies unseen in a thread, ends there too.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from loguru import logger

from adapters.log_files import RotatingFile
from adapters.masking import Masker
from core.config import Logs
from core.secrets import Secret

if TYPE_CHECKING:
    from loguru import Message, Record

__all__ = ["MACHINE_LOG", "PEOPLE_LOG", "Log", "configure", "printable", "stderr_line"]

PEOPLE_LOG = "bulkhead.log"
MACHINE_LOG = "bulkhead.jsonl"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def stderr_line(line: str) -> None:
    """Write a line to stderr; a closed terminal is no reason to stop trading."""
    try:
        print(line, file=sys.stderr, flush=True)  # noqa: T201
    except (OSError, ValueError):
        return


def configure(
    config: Logs,
    folder: Path | str,
    *,
    console: Callable[[str], None] | None = stderr_line,
    secrets: Iterable[Secret] = (),
) -> Log:
    """Start logging into `folder`; `console` takes the short lines, None for none of them.

    Takes over the standard library's logging and the hooks for uncaught exceptions until `close`.
    """
    return Log(config, Path(folder), console, Masker(secrets))


class Log:
    """The open log of this process. Any thread may log; a full disk costs lines, never a crash."""

    def __init__(
        self,
        config: Logs,
        folder: Path,
        console: Callable[[str], None] | None,
        masker: Masker,
    ) -> None:
        size = config.rotate_mb * 1_000_000
        self.lost_lines = 0
        self._masker = masker
        self._console = console
        self._listener: Callable[[Mapping[str, str]], None] | None = None
        self._people = RotatingFile(folder / PEOPLE_LOG, size, config.keep)
        self._machine = RotatingFile(folder / MACHINE_LOG, size, config.keep)
        self._threshold = LEVELS[config.level]
        with suppress(ValueError):
            logger.remove(0)  # loguru's own, to stderr; gone already after the first log
        self._logger = logger.bind(log=id(self))
        self._handler = logger.add(
            self._write,
            level=0,
            format=lambda _: "",
            filter=lambda record: record["extra"].get("log") == id(self),
            catch=False,
            colorize=False,
        )
        self._route = _Route(self)
        self._root_level = logging.getLogger().level
        logging.getLogger().addHandler(self._route)
        logging.getLogger().setLevel(logging.INFO if self._threshold <= 10 else logging.WARNING)
        logging.captureWarnings(True)
        self._hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread
        sys.unraisablehook = self._unraisable

    def log(
        self,
        level: str,
        actor: str,
        text: str,
        *,
        symbol: str = "",
        client_order_id: str = "",
        exception: BaseException | None = None,
    ) -> None:
        """Log a line; `level` is debug, info, warning, error or critical."""
        if LEVELS[level] < self._threshold:
            return
        self._logger.bind(
            actor=actor, symbol=symbol, client_order_id=client_order_id, exception=exception
        ).log(level.upper(), text)

    def hide(self, secret: Secret) -> None:
        """Mask this secret in every line from now on."""
        self._masker.add(secret)

    def mask(self, text: str) -> str:
        """Return `text` as it may be shown."""
        return self._masker.mask(text)

    def listen(self, listener: Callable[[Mapping[str, str]], None]) -> None:
        """Hand each line that is written to `listener`, masked, on the thread that logs it.

        It must neither raise nor wait nor log.
        """
        self._listener = listener

    def close(self) -> None:
        """Stop logging and give back what `configure` took over."""
        logger.remove(self._handler)
        logging.getLogger().removeHandler(self._route)
        logging.getLogger().setLevel(self._root_level)
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        self._people.close()
        self._machine.close()

    def _write(self, message: Message) -> None:
        row = self._row(message.record)
        place = " ".join(f"[{row[name]}]" for name in ("symbol", "client_order_id") if row[name])
        head = f"{row['actor']} {place}".rstrip()
        text = printable(row["message"])
        people = f"{row['time']} {row['level']:<8} {head}  {text}"
        if row["exception"]:
            # Indented, so that no text of an exception can pass for a line of the log.
            rest = row["exception"].rstrip().splitlines()
            people += "".join(f"\n    {printable(one)}" for one in rest)
        problems: list[str] = []
        for file, line in (
            (self._people, people),
            (self._machine, json.dumps(row, ensure_ascii=False)),
        ):
            try:
                file.write(line)
            except OSError as error:
                file.close()
                problems.append(f"{file.path}: {error.strerror}")
        if self._listener:
            self._listener(row)
        if self._console:
            self._show(f"{row['time'][11:19]} {row['level']:<8} {head}  {text}")
        if problems:
            self._lost(problems)

    def _show(self, line: str) -> None:
        assert self._console is not None
        try:
            self._console(line)
        except (OSError, ValueError):
            self._console = None  # The terminal is gone, or the reader of a pipe left.

    def _lost(self, problems: list[str]) -> None:
        if not self.lost_lines:
            what = "; ".join(problems)
            stderr_line(f"error: log lines are lost ({what}): free the disk or mend its rights")
        self.lost_lines += len(problems)

    def _row(self, record: Record) -> dict[str, str]:
        extra: dict[str, Any] = record["extra"]
        exception = extra.get("exception")
        row = {
            "time": record["time"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": record["level"].name.lower(),
            "actor": str(extra.get("actor", "")),
            "symbol": str(extra.get("symbol", "")),
            "client_order_id": str(extra.get("client_order_id", "")),
            "message": record["message"],
            "exception": _traceback(exception) if exception else "",
        }
        # Nearly no line holds anything to mask: one look at all of it is cheaper than seven.
        whole = "\n".join(row.values())
        if self._masker.mask(whole) == whole:
            return row
        return {name: self._masker.mask(value) for name, value in row.items()}

    def _uncaught(
        self,
        kind: type[BaseException],
        exception: BaseException,
        _: TracebackType | None,
    ) -> None:
        self.log("critical", "process", f"uncaught {kind.__name__}", exception=exception)

    def _uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "a thread"
        text = f"uncaught {arguments.exc_type.__name__}"
        self.log("critical", name, text, exception=arguments.exc_value)

    def _unraisable(self, arguments: sys.UnraisableHookArgs) -> None:
        text = arguments.err_msg or "exception ignored"
        self.log("error", "process", text, exception=arguments.exc_value)


class _Route(logging.Handler):
    """Carries what libraries log through the standard library into the same files."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] == "urllib3" and record.levelno < logging.WARNING:
            return  # It logs whole paths, with their queries.
        level = next(
            (name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug"
        )
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = str(record.msg)
        exception = record.exc_info[1] if record.exc_info else None
        self._log.log(level, record.name, text, exception=exception)


def printable(text: str) -> str:
    """Return the text on one line, control characters escaped: a venue's words may hold any."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _traceback(exception: BaseException) -> str:
    return "".join(traceback.format_exception(exception))
