"""Looks at this machine for the readiness report: libraries, disk, state folder, journal, lock."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from adapters.alerts import notifiers
from adapters.configuration import keys as read_keys
from adapters.lock import Accounts, InstanceLock, account_holders
from adapters.metrics.server import listen
from adapters.operations import JOURNAL, HostSilent, ask
from adapters.storage.journal import JournalReader
from core import readiness_host as judge
from core.addresses import read as read_address
from core.config import Config
from core.errors import ConfigError, JournalError, UsageError
from core.readiness import Item
from core.records import HaltChanged, HostStarted
from core.remembered import Remembered, remember

__all__ = ["look_at_account", "look_at_host", "look_at_instance", "recall"]

_PROGRAM = "bulkhead"
_SETUP = Path(__file__).resolve().parent.parent / "setup.cfg"
_NEED = re.compile(r"([A-Za-z0-9._-]+)\s*([^;]*)")
_STATUS_WITHIN_S = 3.0


def look_at_host(
    config: Config, environment: Mapping[str, str], *, newest_records: int = 0
) -> list[Item]:
    """Judge what this machine alone can tell.

    The journal's whole hash chain is checked, or only its `newest_records` where that is not 0.
    """
    state = Path(config.paths.state)
    found = _journal(state / JOURNAL, newest_records)
    return [
        judge.configuration(config),
        judge.keys(config.mode, _key_problem(config, environment)),
        judge.alerts(
            config.alerts.channels, config.alerts.level, _alert_problem(config, environment)
        ),
        judge.libraries(sys.version_info[:3], *_libraries()),
        judge.state_folder(_folder(state)),
        judge.disk(_free(config)),
        judge.journal(found, config.mode),
        _halt(state / JOURNAL, config.mode, readable=found is not None and not found.problem),
        _metrics(config),
    ]


def look_at_instance(config: Config) -> Item:
    """Judge whether a host runs on the state folder, and say what it does."""
    state = Path(config.paths.state)
    holder = InstanceLock(state, config.host_name).holder()
    try:
        status = ask(state, {"command": "status"}, _STATUS_WITHIN_S)
    except HostSilent as silence:
        return judge.instance("a host runs here", str(silence))
    if holder is None and status is None:
        return judge.instance("", "")
    doing = str(status.get("state", "it answers")) if status else "it does not answer yet"
    if holder is None:
        return judge.instance("a host runs here", doing)
    since = _moment(holder.started_ns)
    return judge.instance(
        f"host {holder.host} (process {holder.pid}) runs here since {since}", doing
    )


def look_at_account(config: Config, accounts: Accounts, environment: Mapping[str, str]) -> Item:
    """Judge whether another host runs our bots on their accounts; the one here is no other."""
    here = InstanceLock(Path(config.paths.state), config.host_name).holder()
    held = account_holders(config, accounts, environment)
    return judge.account([who for who, pid in held.items() if not here or pid != here.pid])


def recall(config: Config) -> Remembered:
    """Return what the journal remembers for the next start; nothing where it cannot be read."""
    path = Path(config.paths.state) / JOURNAL
    try:
        return remember(JournalReader(path)) if path.exists() else Remembered()
    except JournalError:
        return Remembered()  # the journal's own item says why


def _key_problem(config: Config, environment: Mapping[str, str]) -> ConfigError | None:
    settings, paper = config.venues.binance, config.paper
    names = (settings.key_env, settings.secret_env, "venues.binance")
    if config.mode == "paper":
        if not paper.key_env:
            return None
        names = (paper.key_env, paper.secret_env, "paper")
    try:
        read_keys(*names, environment)
    except ConfigError as problem:
        return problem
    return None


def _alert_problem(config: Config, environment: Mapping[str, str]) -> ConfigError | None:
    try:
        notifiers(config.alerts, environment)
    except ConfigError as problem:
        return problem
    return None


def _libraries() -> tuple[dict[str, str], dict[str, str]]:
    """Return versions installed and bounds needed; of a checkout by its setup.cfg."""
    try:
        lines = requires(_PROGRAM) or []
    except PackageNotFoundError:
        setup = ConfigParser()
        setup.read(_SETUP)
        lines = setup.get("options", "install_requires", fallback="").split("\n")
    needed = {
        found[1]: found[2].strip()
        for line in lines
        if "extra ==" not in line and (found := _NEED.match(line.strip()))
    }
    installed = {}
    for name in needed:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed, needed


def _folder(state: Path) -> judge.Folder:
    if not state.exists():
        above = _existing(state)
        return judge.Folder(str(state), False, os.access(above, os.W_OK | os.X_OK))
    if not state.is_dir():
        return judge.Folder(str(state), True, False)
    readable, writable = [], []
    for path in (state, *_files(state)):
        try:
            bits = path.lstat().st_mode
        except FileNotFoundError:
            continue  # a file of a running host that came and went
        if path.is_symlink():
            continue
        if bits & 0o022:
            writable.append(str(path))
        elif bits & 0o044:
            readable.append(str(path))
    return judge.Folder(
        str(state),
        True,
        os.access(state, os.W_OK | os.X_OK),
        tuple(readable),
        tuple(writable),
    )


def _files(folder: Path) -> Iterator[Path]:
    for name in ("", "exchange", "exchange/binance"):
        below = folder / name
        if below.is_dir():
            yield from below.iterdir()


def _free(config: Config) -> dict[str, int]:
    return {
        path: shutil.disk_usage(_existing(Path(path))).free
        for path in (config.paths.state, config.paths.logs)
    }


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _journal(path: Path, newest: int) -> judge.JournalFound | None:
    if not path.exists():
        return None
    reader = JournalReader(path)
    began_s = time.monotonic()
    try:
        last = reader.head()
        skipped = max(0, last.sequence - newest) if newest else 0
        head = reader.verify(reader.place(skipped) if skipped else None)
        mode = ""
        for record in reader.read(kinds=(HostStarted,)):
            if isinstance(record.payload, HostStarted):
                mode = record.payload.mode
    except JournalError as error:
        return judge.JournalFound(problem=str(error))
    size = sum(
        file.stat().st_size for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()
    )
    took_s = time.monotonic() - began_s
    return judge.JournalFound(head.sequence, skipped + 1, size, took_s, mode)


def _halt(path: Path, mode: str, *, readable: bool) -> Item:
    before, since_ns = Remembered().halt, 0
    if readable:
        for record in JournalReader(path).read(kinds=(HaltChanged,)):
            if isinstance(record.payload, HaltChanged):
                if not (before.latched and record.payload.latched):
                    since_ns = record.time_ns
                before = record.payload.halt
    return judge.halt(before, _moment(since_ns), mode)


def _metrics(config: Config) -> Item:
    """Try the address for metrics; one that is taken may be served by our own running host."""
    address = read_address(config.metrics.listen)
    if address is None:
        return judge.metrics(None, "", served=False)
    try:
        listen(address).close()
    except UsageError as error:
        return judge.metrics(address, error.what, served=_serves(config, f"http://{address}"))
    return judge.metrics(address, "", served=False)


def _serves(config: Config, url: str) -> bool:
    try:
        status = ask(Path(config.paths.state), {"command": "status"}, _STATUS_WITHIN_S)
    except HostSilent:
        return False
    return status is not None and status.get("metrics") == url


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%F %T} UTC"
