"""Journal payloads as JSON: exact Decimals, errors by class name, and only what is registered."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import attrs
import msgspec

from core import errors, messages, records
from core.errors import JournalError, VenueError

__all__ = ["Codec"]

_ERROR_FIELDS = ("message", "venue", "code", "http_status", "request_id", "retry_after_ns")
_VENUE_ERRORS: dict[str, type[VenueError]] = {
    name: found
    for name in errors.__all__
    if isinstance(found := getattr(errors, name), type) and issubclass(found, VenueError)
}


class Codec:
    """Encode and decode payloads by their class name, the record's kind.

    Knows every message and record of `core`; `extra` adds frozen attrs classes. Errors of the
    constructor: `ValueError` for a class that is not frozen attrs or a name taken twice.
    """

    def __init__(self, extra: Iterable[type] = ()) -> None:
        self._decoders: dict[str, msgspec.json.Decoder[object]] = {}
        self._classes: dict[type, str] = {}
        self._encode = msgspec.json.Encoder(enc_hook=_encode_special).encode
        for found in (*_classes(messages), *_classes(records), *extra):
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

        Errors: `JournalError` for a class that is not registered and for a value inside that has
        no exact JSON form (a secret has none on purpose); the text never holds the value.
        """
        kind = self.kind_of(type(payload))
        try:
            return kind, self._encode(payload)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            reason = str(error) if isinstance(error, _Unencodable) else type(error).__name__
            raise JournalError(f"{kind} holds a value that cannot be written: {reason}") from None

    def decode(self, kind: str, data: bytes | str, sequence: int) -> object:
        """Return an object equal to the one encoded.

        Errors: `JournalError` naming kind and sequence: unknown (written by a newer version), or
        no longer readable.
        """
        decoder = self._decoders.get(kind)
        if decoder is None:
            raise JournalError(
                f"record {sequence} is a {kind}, which this version does not know: "
                "use the version that wrote it, or a newer one"
            )
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise JournalError(f"record {sequence}, a {kind}, cannot be read: {error}") from error


class _Unencodable(TypeError):
    """A value without a JSON form; its text names the type only."""


def _encode_special(value: object) -> dict[str, Any]:
    if isinstance(value, VenueError) and type(value).__name__ in _VENUE_ERRORS:
        fields = {name: getattr(value, name) for name in _ERROR_FIELDS}
        return {"class": type(value).__name__, **fields}
    raise _Unencodable(f"{type(value).__name__} has no journal form")


def _decode_special(wanted: type, data: Any) -> object:
    if wanted is not VenueError:
        raise TypeError(f"{wanted.__name__} has no journal form")
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
