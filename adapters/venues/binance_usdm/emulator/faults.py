"""Faults on demand: what goes wrong, where and how often, for fire drills and tests."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from attrs import define

from adapters.venues.binance_usdm.emulator.errors import UNREADABLE
from core.errors import UsageError

__all__ = ["KINDS", "Fault", "FaultError", "Faults", "read_faults"]

KINDS: Mapping[str, str] = {
    "drop": "a stream event is not sent; a request is cut off before it is looked at",
    "duplicate": "a stream event is sent twice",
    "delay": "a stream event or an answer comes `ms` later",
    "reorder": "a stream event comes after the one that follows it",
    "disconnect": "the sockets that carry the event are closed",
    "stall": "the sockets that carry the event stay open and silent for `ms` (0: for ever)",
    "subscription_refused": "a request to subscribe to the stream is answered with an error (the"
    " account's is called private)",
    "sequence_gap": "a depth update is left out, so that `pu` does not match",
    "stale_snapshot": "GET depth answers an older book",
    "5xx_after_accept": "the request is carried out and answered 503 (`variant` unknown, -1006 or"
    " -1007)",
    "503_not_executed": "not carried out, answered 503 (`variant` unavailable, -1008 or -1001)",
    "429": "not carried out, answered 429 with Retry-After `ms`",
    "418": "not carried out, answered 418, the address banned for `ms`",
    "reject": "not carried out, answered `status`, `code` and `message`",
    "timeout_before": "not carried out; no answer for `ms`, then the connection is cut",
    "timeout_after": "carried out; no answer for `ms`, then the connection is cut",
    "cut_response": "carried out; the connection is cut in the middle of the answer",
    "clock_skew": "the venue's clock is off by `ms` (at once, until cleared)",
    "listen_key_expired": "the listen key ends (at once); `silent` true sends no event",
    "jump": "a synthetic market's price of `symbol` (empty: every price) moves by `bps` (at once)",
    "liquidation": "the positions of `symbol` are liquidated (at once)",
    "maintenance": "sockets are closed and every request is answered 503 for `ms` (0: for ever)",
    "key_revoked": "the API key is answered -2015 until the fault is cleared",
    "key_rights": "the key's rights are told as `variant` (may withdraw, is bound to no_addresses,"
    " may not trade: no_trading) until the fault is cleared",
}
_ALIASES = {"delay_ms": "delay", "clock_skew_ms": "clock_skew", "silent_stall": "stall"}
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "5xx_after_accept": ("unknown", "-1006", "-1007"),
    "503_not_executed": ("unavailable", "-1008", "-1001"),
    "key_rights": ("withdraw", "no_addresses", "no_trading"),
}
_MAX_JUMP_BPS = 5_000
_MOST = 1_000_000_000
_STREAM = frozenset({"drop", "duplicate", "delay", "reorder", "disconnect", "stall"})
_DEPTH = frozenset({"sequence_gap"})
_BEFORE = frozenset({"drop", "503_not_executed", "429", "418", "reject", "timeout_before"})
_AFTER = frozenset({"delay", "5xx_after_accept", "timeout_after", "cut_response"})
_SNAPSHOT = frozenset({"stale_snapshot"})
_SUBSCRIPTION = frozenset({"subscription_refused"})


class FaultError(ValueError):
    """A fault that cannot be set; the text says why and what is allowed."""


@define(slots=True)
class Fault:
    """One fault.

    `endpoint`, `method`, `stream` and `symbol` are patterns (`*` allowed, empty matches all);
    `stream` matches a stream's name or, for the account, the event's name. `count` is how often it
    strikes (0: without end), `probability` how likely at each chance.
    """

    kind: str
    endpoint: str = ""
    method: str = ""
    stream: str = ""
    symbol: str = ""
    count: int = 1
    probability: float = 1.0
    ms: int = 0
    bps: int = 0
    variant: str = ""
    status: int = 400
    code: int = 0
    message: str = ""
    silent: bool = False
    id: int = 0
    struck: int = 0

    @property
    def spent(self) -> bool:
        return 0 < self.count <= self.struck

    def row(self) -> dict[str, Any]:
        """Return the fault as the control endpoint shows it."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "__weakref__"}


_FIELDS = frozenset(Fault.__slots__) - {"__weakref__", "struck", "id"}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "count": (int,),
    "ms": (int,),
    "bps": (int,),
    "status": (int,),
    "code": (int,),
    "probability": (int, float),
    "silent": (bool,),
}


def build_fault(row: Mapping[str, Any]) -> Fault:
    """Check one fault's description. Errors: `FaultError` naming what is wrong and allowed."""
    values = dict(row)
    kind = str(values.get("kind", ""))
    values["kind"] = kind = _ALIASES.get(kind, kind)
    if kind not in KINDS:
        raise FaultError(f"unknown fault kind {kind!r}; allowed: {', '.join(sorted(KINDS))}")
    for old in ("delay_ms", "skew_ms", "clock_skew_ms", "for_ms"):
        if old in values:
            values["ms"] = values.pop(old)
    for name, value in values.items():
        if name not in _FIELDS:
            raise FaultError(
                f"unknown key {name!r} in {kind}; allowed: {', '.join(sorted(_FIELDS))}"
            )
        wanted = _TYPES.get(name, (str,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise FaultError(f"{name} in {kind} must be {wanted[-1].__name__}, got {value!r}")
    fault = Fault(**values)
    if not 0 < fault.probability <= 1:
        raise FaultError(f"probability in {kind} must be over 0 and at most 1")
    variants = VARIANTS.get(kind, ())
    if fault.variant and fault.variant not in variants:
        allowed = ", ".join(variants) or "none"
        raise FaultError(f"unknown variant {fault.variant!r} of {kind}; allowed: {allowed}")
    if fault.count < 0 or (fault.ms < 0 and kind != "clock_skew"):
        raise FaultError(f"count and ms in {kind} must not be negative")
    for name in ("count", "ms", "code"):
        if abs(getattr(fault, name)) > _MOST:
            raise FaultError(f"{name} in {kind} must not be beyond {_MOST}")
    if not 400 <= fault.status <= 599:
        raise FaultError(f"status in {kind} must be 400 to 599")
    if not all(text.isprintable() for text in values.values() if isinstance(text, str)):
        raise FaultError(f"a text in {kind} holds what cannot be printed")
    if abs(fault.bps) > _MAX_JUMP_BPS:
        raise FaultError(f"bps in {kind} must be within {_MAX_JUMP_BPS} in either direction")
    return fault


class Faults:
    """The faults in force, in the order they were set."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._faults: list[Fault] = []
        self._last_id = 0

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force and give it its id."""
        self._last_id += 1
        fault.id = self._last_id
        self._faults.append(fault)
        return fault

    def clear(self, fault_id: int = 0) -> list[Fault]:
        """Lift one fault, or all (0); return those lifted."""
        lifted = [fault for fault in self._faults if fault_id in (0, fault.id)]
        self._faults = [fault for fault in self._faults if fault not in lifted]
        return lifted

    def active(self, kind: str) -> Fault | None:
        """Return a standing fault of this kind."""
        return next((fault for fault in self._faults if fault.kind == kind), None)

    def before(self, method: str, path: str, symbol: str) -> Fault | None:
        """Return the fault that strikes a request before it is carried out."""
        return self._rest(_BEFORE, method, path, symbol)

    def after(self, method: str, path: str, symbol: str) -> Fault | None:
        """Return the fault that strikes a request's answer."""
        return self._rest(_AFTER, method, path, symbol)

    def snapshot(self, path: str, symbol: str) -> Fault | None:
        """Return the fault that makes a depth snapshot old."""
        return self._rest(_SNAPSHOT, "GET", path, symbol)

    def stream(self, stream: str, symbol: str) -> Fault | None:
        """Return the fault that strikes one event of a stream."""
        return self._stream(_STREAM | _DEPTH if "@depth" in stream else _STREAM, stream, symbol)

    def subscription(self, route: str, streams: Iterable[str]) -> Fault | None:
        """Return the fault that strikes a subscription; a listen key is not called by its name."""
        for stream in (route,) if route == "private" else streams:
            if fault := self._stream(_SUBSCRIPTION, stream, ""):
                return fault
        return None

    def _stream(self, kinds: frozenset[str], stream: str, symbol: str) -> Fault | None:
        for fault in self._faults:
            if fault.kind not in kinds or fault.endpoint or fault.method:
                continue
            matches = _matches(fault.stream, stream) and _matches(fault.symbol, symbol)
            if matches and self._strikes(fault):
                return fault
        return None

    def _rest(self, kinds: frozenset[str], method: str, path: str, symbol: str) -> Fault | None:
        for fault in self._faults:
            if fault.kind not in kinds or fault.stream:
                continue
            if fault.kind in _STREAM and not (fault.endpoint or fault.method):
                continue
            if (
                _matches(fault.endpoint, path)
                and _matches(fault.method, method)
                and _matches(fault.symbol, symbol)
                and self._strikes(fault)
            ):
                return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        fault.struck += 1
        if fault.spent:
            self._faults.remove(fault)
        return True


def _matches(pattern: str, value: str) -> bool:
    return not pattern or pattern == value or fnmatchcase(value.lower(), pattern.lower())


def read_faults(path: Path) -> list[Fault]:
    """Read a TOML (`[[faults]]`) or JSON (a list, or `{"faults": […]}`) file of faults.

    Errors: `UsageError` naming the file and what is wrong with it.
    """
    try:
        text = path.read_bytes()
        data: Any = (
            tomllib.loads(text.decode()) if path.suffix == ".toml" else msgspec.json.decode(text)
        )
    except OSError as error:
        raise UsageError(
            f"cannot read the faults: {error.strerror}", str(path), "name a readable file"
        ) from None
    except (ValueError, *UNREADABLE) as error:
        raise UsageError(
            f"cannot parse the faults: {error}", str(path), "write TOML or JSON"
        ) from None
    try:
        return parse_faults(data)
    except FaultError as error:
        raise UsageError(str(error), str(path), "mend the entry") from None


def parse_faults(data: object) -> list[Fault]:
    """Check one fault, a list of them, or `{"faults": […]}`. Errors: `FaultError`."""
    if isinstance(data, dict) and "faults" in data:
        data = data["faults"]
    rows: list[Any] = data if isinstance(data, list) else [data]
    if not all(isinstance(row, dict) for row in rows):
        raise FaultError("a fault is an object with a kind, or a list of such objects")
    return [build_fault(row) for row in rows]
