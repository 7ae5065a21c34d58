"""Journal payloads as JSON: exact Decimals, errors by class name, and only what is registered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from types import ModuleType
from typing import Any

import attrs
import msgspec

from core import decisions, errors, guard_decisions, messages, records
from core.errors import JournalError, UnwritableRecord, VenueError

__all__ = ["Codec", "check_numbers"]

_ERROR_FIELDS = ("message", "venue", "code", "http_status", "request_id", "retry_after_ns")
_VENUE_ERRORS: dict[str, type[VenueError]] = {
    name: found
    for name in errors.__all__
    if isinstance(found := getattr(errors, name), type) and issubclass(found, VenueError)
}
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, LookupError, RecursionError)
_ODD_NUMBER = re.compile(rb'"\s*[+-]?(s?nan\d*|inf(inity)?)\s*"|\de[+-]?\d\d\d|\\u')
"""What a number has that is none, or absurd: one look instead of a walk, for all the others."""
_ODD_WRITTEN = re.compile(rb"NaN|Infinity|E[+-]\d\d\d")
"""The same as Decimal itself writes it: six times as fast, for what nobody else wrote."""
_ODD_STARTS = re.compile(rb'nan\d*\s*"'), re.compile(rb"e[+-]?\d\d\d")
"""Part of any odd number, and fast to find because it begins with a letter."""
_EXPONENT_MAX = 99


class Codec:
    """Encode and decode payloads by their class name, the record's kind.

    Knows every message and record of `core`; `extra` adds frozen attrs classes. Errors of the
    constructor: `ValueError` for a class that is not frozen attrs or a name taken twice.
    """

    def __init__(self, extra: Iterable[type] = ()) -> None:
        self._decoders: dict[str, msgspec.json.Decoder[object]] = {}
        self._classes: dict[type, str] = {}
        self._encode = msgspec.json.Encoder(enc_hook=_encode_special).encode
        modules = (messages, records, decisions, guard_decisions)
        known = [each for module in modules for each in _classes(module)]
        for found in (*known, *extra):
            self._register(found)

    def _register(self, found: type) -> None:
        if not attrs.has(found) or found.__setattr__ is object.__setattr__:
            raise ValueError(f"{found.__name__} is not a frozen attrs class")
        if found.__name__ in self._decoders:
            raise ValueError(f"two payload classes are called {found.__name__}")
        self._classes[found] = found.__name__
        self._decoders[found.__name__] = msgspec.json.Decoder(found, dec_hook=_decode_special)

    def kinds(self) -> tuple[str, ...]:
        """Return every kind that can be written and read."""
        return tuple(self._decoders)

    def kind_of(self, payload_class: type) -> str:
        """Return the kind of a class. Errors: `JournalError` for one that is not registered."""
        try:
            return self._classes[payload_class]
        except KeyError:
            raise JournalError(
                f"{payload_class.__name__} is no journal payload: register its class first"
            ) from None

    def encode(self, payload: object) -> tuple[str, bytes]:
        """Return kind and JSON.

        Errors: `UnwritableRecord` for a class that is not registered and for a value inside that
        has no exact JSON form (a secret has none on purpose, nor has half a character) or that
        `decode` would refuse; the text never holds the value.
        """
        try:
            kind = self.kind_of(type(payload))
        except JournalError as error:
            raise UnwritableRecord(str(error)) from None
        try:
            data = self._encode(payload)
            if _ODD_WRITTEN.search(data):
                check_numbers(payload)
            return kind, data
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            told = isinstance(error, (_Unencodable, _Absurd))
            reason = str(error) if told else type(error).__name__
            text = f"{kind} holds a value that cannot be written: {reason}"
            raise UnwritableRecord(text) from None

    def decode(self, kind: str, data: bytes | str, sequence: int) -> object:
        """Return an object equal to the one encoded.

        Errors: `JournalError` naming kind and sequence: unknown (written by a newer version), or
        no longer readable.
        """
        decoder = self._decoders.get(kind)
        if decoder is None:
            raise JournalError(
                f"record {sequence} is a {kind[:40]}, which this version does not know: "
                "use the version that wrote it, or a newer one"
            )
        try:
            payload = decoder.decode(data)
            text = data.encode() if isinstance(data, str) else data
            if _odd(text.lower()):
                check_numbers(payload)
        except _UNREADABLE as error:
            what = str(error) or type(error).__name__
            raise JournalError(f"record {sequence}, a {kind}, cannot be read: {what}") from error
        return payload


class _Unencodable(TypeError):
    """A value without a JSON form; its text names the type only."""


class _Absurd(ValueError):
    """A number that nobody can trade with; its text does not hold it."""


def _odd(text: bytes) -> bool:
    """Tell whether lower-case JSON may spell a number that is none, or absurd."""
    nan, exponent = _ODD_STARTS
    starts = b"inf" in text or b"\\u" in text or nan.search(text) or exponent.search(text)
    return bool(starts) and _ODD_NUMBER.search(text) is not None


def check_numbers(value: object) -> None:
    """Refuse what JSON may spell and nobody can trade with. Errors: `ValueError`."""
    number = value if isinstance(value, Decimal) else Decimal(0)
    if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX:
        raise _Absurd("a number is not finite, or absurd")
    inner = getattr(type(value), "__attrs_attrs__", ())
    for item in (getattr(value, field.name) for field in inner):
        check_numbers(item)
    for item in value if isinstance(value, tuple) else ():
        check_numbers(item)


def _encode_special(value: object) -> dict[str, Any]:
    if isinstance(value, VenueError) and type(value).__name__ in _VENUE_ERRORS:
        fields = {name: getattr(value, name) for name in _ERROR_FIELDS}
        return {"class": type(value).__name__, **fields}
    raise _Unencodable(f"{type(value).__name__} has no journal form")


def _decode_special(wanted: type, data: Any) -> object:
    if wanted is not VenueError:
        raise TypeError(f"{wanted.__name__} has no journal form")
    if not isinstance(data, dict):
        raise TypeError("an error is an object")
    found = _VENUE_ERRORS.get(data.pop("class"))
    if found is None:
        raise ValueError("an error class that this version does not know")
    return found(data.pop("message"), **data)


def _classes(module: ModuleType) -> list[type]:
    return [
        found
        for found in vars(module).values()
        if isinstance(found, type) and attrs.has(found) and found.__module__ == module.__name__
    ]
