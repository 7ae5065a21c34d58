"""Readiness of this machine: configuration, keys, libraries, disk, and what was remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from core.addresses import Address
from core.config import Config
from core.errors import ConfigError
from core.readiness import Item, fail, ok, warn
from core.risk.halt import Halt

__all__ = [
    "DISK_LOW",
    "DISK_NONE",
    "DISK_ROOM",
    "Folder",
    "JournalFound",
    "account",
    "alerts",
    "configuration",
    "disk",
    "halt",
    "instance",
    "journal",
    "keys",
    "libraries",
    "metrics",
    "state_folder",
]

_MB = 1_000_000
DISK_NONE = 1 * _MB
"""With less free nothing can be written: no start."""
DISK_LOW = 64 * _MB
"""With less the journal is full within hours."""
DISK_ROOM = 1_000 * _MB
"""What journal and logs of some weeks need."""
_SHOWN = 3


def configuration(config: Config) -> Item:
    """Say what is configured; what is wrong or contradictory was refused when it was read."""
    symbols = [symbol for bot in config.bots for symbol in bot.symbols]
    figure = f"{config.mode} mode, {len(config.bots)} bots on {', '.join(symbols)}"
    if config.mode == "paper" and config.paper.files and config.paper.market == "synthetic":
        return warn(
            "config",
            f"{figure}; paper.files is read by nobody on a synthetic market",
            'leave it empty, or set paper.market = "recorded"',
        )
    return ok("config", f"{figure}; every key is known and none contradicts another")


def keys(mode: str, problem: ConfigError | None) -> Item:
    """Say whether key and secret are there."""
    if problem is not None:
        problems = (problem, *problem.others)
        figure = "; ".join(f"{one.what} ({one.where})" for one in problems)
        return fail("keys", figure, problem.mend, unsafe=True)
    return ok("keys", "the local exchange's own" if mode == "paper" else "key and secret are set")


def alerts(channels: Sequence[str], level: str, problem: ConfigError | None) -> Item:
    """Say whether people are told of errors, and over what; that nobody is holds up no start."""
    if problem is not None:
        problems = (problem, *problem.others)
        figure = "; ".join(f"{one.what} ({one.where})" for one in problems)
        return fail("alerts", figure, problem.mend, unsafe=True)
    if not channels:
        return ok("alerts", "nobody is alerted: [alerts]")
    told = f"people are told from level {level} on, by {', '.join(channels)}"
    return ok("alerts", f"{told}; nothing was sent: python run.py check --alert does")


def libraries(
    python: Sequence[int], installed: Mapping[str, str], needed: Mapping[str, str]
) -> Item:
    """Compare versions; `needed` maps a library to bounds such as ">=4.5,<4.6" ("" for any)."""
    shown = f"Python {'.'.join(map(str, python))}"
    wrong = [
        f"{name} {installed.get(name) or 'is missing'}{f', needs {bounds}' if bounds else ''}"
        for name, bounds in needed.items()
        if name not in installed or not _within(installed[name], bounds)
    ]
    if tuple(python[:2]) < (3, 11):
        wrong.insert(0, f"{shown}, needs >=3.11")
    if wrong:
        return fail("libraries", "; ".join(wrong), "make .venv anew: rm -r .venv; make run")
    return ok("libraries", f"{shown}, pykka {installed.get('pykka', '')}, {len(needed)} in all")


def _within(version: str, bounds: str) -> bool:
    """Tell whether a version lies in bounds of `>=`, `<` and `==`; other bounds are not judged."""
    found = _numbers(version)
    for bound in filter(None, (part.strip() for part in bounds.split(","))):
        if bound.startswith(">=") and found < _numbers(bound[2:]):
            return False
        if bound.startswith("==") and found != _numbers(bound[2:]):
            return False
        if bound[0] == "<" and bound[1] != "=" and found >= _numbers(bound[1:]):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Read the leading numbers of a version: 4.5.0rc1 → (4, 5)."""
    found: list[int] = []
    for part in version.split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def disk(free: Mapping[str, int]) -> Item:
    """Judge the free bytes of each folder that is written to."""
    figure = ", ".join(f"{path}: {bytes_ / _MB:,.0f} MB free" for path, bytes_ in free.items())
    least = min(free.values())
    if least < DISK_LOW:
        what = f"{figure}; {DISK_LOW // _MB} MB are the least"
        return fail("disk", what, "make room", unsafe=least < DISK_NONE)
    if least < DISK_ROOM:
        what = f"{figure}; {DISK_ROOM // _MB:,} MB hold some weeks of journal and logs"
        return warn("disk", what, "make room")
    return ok("disk", figure)


@frozen(slots=True)
class Folder:
    """The state folder as found: may we write, which paths may others read, which write."""

    path: str
    exists: bool
    writable: bool
    readable_by_others: tuple[str, ...] = ()
    writable_by_others: tuple[str, ...] = ()


def state_folder(found: Folder) -> Item:
    """Judge who may read and write what the host remembers."""
    name = "state_folder"
    if not found.writable:
        mend = "give it to this user, or set paths.state"
        return fail(name, f"{found.path} cannot be written to", mend, unsafe=True)
    if not found.exists:
        return ok(name, f"{found.path} is made by the first start, for this user alone")
    mend = f"chmod -R go-rwx {found.path}"
    if found.writable_by_others:
        return fail(name, f"others may write to {_some(found.writable_by_others)}", mend)
    if found.readable_by_others:
        return warn(name, f"others may read {_some(found.readable_by_others)}", mend)
    return ok(name, f"{found.path}, for this user alone")


@frozen(slots=True)
class JournalFound:
    """The journal as found; `problem` says why it cannot be trusted, `first` what was checked."""

    records: int = 0
    first: int = 1
    size_bytes: int = 0
    took_s: float = 0.0
    mode: str = ""
    problem: str = ""


def journal(found: JournalFound | None, mode: str) -> Item:
    """Judge the hash chain, and that it was written in this mode. None: there is no journal yet."""
    if found is None:
        return ok("journal", "none yet: this is the first start")
    if found.problem:
        mend = "a start cuts off an end that a power loss tore; else see docs/journal.md, Mending"
        return fail("journal", found.problem, mend, unsafe=True)
    part = "all" if found.first <= 1 else f"{found.first:,} to {found.records:,}"
    size = f"{found.records:,} records, {found.size_bytes / _MB:,.1f} MB"
    figure = f"{size}; hash chain of {part} intact, checked in {found.took_s:.1f} s"
    if found.mode and found.mode != mode:
        return fail(
            "journal",
            f"{figure}; written in {found.mode} mode, this is {mode}",
            "give each mode a paths.state of its own",
        )
    return ok("journal", figure)


def halt(before: Halt, since: str, mode: str) -> Item:
    """Say whether a halt is latched; live does not start beside one. `since` is a time in words."""
    if not before.latched:
        return ok("halt", "trading is not halted")
    figure = f"trading is {before.level.value} since {since}, by {before.by}: {before.reason}"
    mend = "mend the cause, then python run.py reset-halt"
    make = fail if mode == "live" else warn
    return make("halt", figure, mend)


def instance(holder: str, doing: str) -> Item:
    """Say whether a host runs on this state folder; beside one no other starts."""
    if not holder:
        return ok("instance", "no host runs on this state folder")
    return fail(
        "instance",
        f"{holder}: {doing}",
        "nothing, if that is the host you mean; stop it before another start",
    )


def account(others: Sequence[str]) -> Item:
    """Say whether another host of this user, on another state folder, runs one of our bots."""
    if not others:
        return ok("account_lock", "no other host of this user runs these bots on this account")
    mend = "stop it first: two hosts of the same names would take over each other's orders"
    return fail("account_lock", "; ".join(others), mend)


def metrics(address: Address | None, problem: str, *, served: bool) -> Item:
    """Say whether the address for metrics can be listened on; None: none is configured.

    `problem` is why it cannot, `served` that the host of this state folder listens there.
    """
    if address is None:
        return ok("metrics", "off (metrics.listen)")
    if served:
        return ok("metrics", f"the host that runs here serves them at http://{address}")
    if problem:
        mend = 'set metrics.listen to an address and port that are free, or to "" for none'
        return warn("metrics", problem, mend)
    where = f"http://{address}" if address.port else f"a free port of {address.host}"
    open_to = "" if address.is_loopback else ", for every machine that reaches it"
    return ok("metrics", f"{where} is free{open_to}" if address.port else f"{where}{open_to}")


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(path.rsplit("/", 1)[-1] for path in paths[:_SHOWN])
    more = len(paths) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
