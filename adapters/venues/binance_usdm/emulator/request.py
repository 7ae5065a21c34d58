"""Requests as they were transmitted: parameters, the signed bytes and who signed them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from adapters.venues.binance_usdm.emulator.errors import (
    ApiError,
    bad_request,
    invalid_value,
    missing,
    unauthorised,
)
from core.money import number

__all__ = ["Parameters", "SignedText", "check_key", "check_signature", "check_time", "parse"]

T = TypeVar("T")
_MAX_RECV_WINDOW_MS = 60_000
_AHEAD_MS = 1_000
_MAX_DIGITS = 40


class Parameters:
    """Decoded parameters of one request; names match without regard to case."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name.lower()))

    def text(self, name: str, default: str = "") -> str:
        """Return the value or the default where it is absent or empty."""
        return self._values.get(name.lower()) or default

    def need(self, name: str) -> str:
        """Return the value. Errors: -1102."""
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def integer(self, name: str, default: int) -> int:
        """Return the value as an integer. Errors: -1102 for anything else."""
        value = self.text(name)
        if not value:
            return default
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            raise missing(name)
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """Return the value as a Decimal, None where absent. Errors: -1102, -1111."""
        value = self.text(name)
        if not value:
            return None
        try:
            result = number(value, name)
        except ValueError:
            raise missing(name) from None
        if len(value) > _MAX_DIGITS or not -_MAX_DIGITS < result.adjusted() < _MAX_DIGITS // 2:
            raise bad_request(-1111, "Precision is over the maximum defined for this asset.")
        return result

    def flag(self, name: str, default: bool = False) -> bool:
        """Return "true"/"false" as a bool. Errors: -1130."""
        value = self.text(name).lower()
        if not value:
            return default
        if value not in ("true", "false"):
            raise invalid_value(name)
        return value == "true"

    def choice(
        self, name: str, choices: Mapping[str, T], default: T, error: Callable[[], ApiError]
    ) -> T:
        """Return the meaning of one of the words. Errors: what `error` makes for another word."""
        value = self.text(name)
        if not value:
            return default
        if value not in choices:
            raise error()
        return choices[value]


class SignedText:
    """The transmitted parameters without the signature, and the signature."""

    __slots__ = ("payload", "signature")

    def __init__(self, payload: bytes, signature: str) -> None:
        self.payload = payload
        self.signature = signature


def parse(query: bytes, body: bytes) -> tuple[Parameters, SignedText]:
    """Split query string and form body; where both hold a name, the query wins.

    The signed text is the query followed by the body with nothing between, each without its
    `signature` field and otherwise byte for byte as received. Errors: -1100 for text that is not
    percent-encoded UTF-8. Source: fact sheet §2.
    """
    values: dict[str, str] = {}
    signature = ""
    kept: list[bytes] = []
    for part in (query, body):
        fields = part.split(b"&") if part else []
        unsigned = []
        for item in fields:
            name, _, value = item.partition(b"=")
            if name == b"signature":
                signature = signature or _decode(value)
            else:
                unsigned.append(item)
                if name:
                    values.setdefault(_decode(name), _decode(value))
        kept.append(b"&".join(unsigned))
    return Parameters(values), SignedText(b"".join(kept), signature)


def _decode(value: bytes) -> str:
    try:
        return unquote_to_bytes(value.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise bad_request(-1100, "Illegal characters found in a parameter.") from None


def check_key(sent: str | None, key: str, *, revoked: bool = False) -> None:
    """Check the `X-MBX-APIKEY` header. Errors: -2014 (absent, malformed), -2015 (unknown)."""
    if not sent or not sent.isascii() or not sent.isalnum():
        raise unauthorised(-2014, "API-key format invalid.")
    if revoked or not hmac.compare_digest(sent, key):
        raise unauthorised(-2015, "Invalid API-key, IP, or permissions for action.")


def check_signature(signed: SignedText, secret: str) -> None:
    """Check the HMAC-SHA256 over the transmitted text. Errors: -1102 (absent), -1022 (wrong)."""
    if not signed.signature:
        raise missing("signature")
    expected = hmac.new(secret.encode(), signed.payload, hashlib.sha256).hexdigest()
    sent = signed.signature.lower()
    if not sent.isascii() or not hmac.compare_digest(expected, sent):
        raise bad_request(-1022, "Signature for this request is not valid.")


def check_time(parameters: Parameters, now_ms: int) -> None:
    """Check `timestamp` and `recvWindow` against the venue's clock (ms).

    Errors: -1102 (no timestamp), -1131 (window over 60 s), -1021 (outside the window).
    """
    parameters.need("timestamp")
    timestamp = parameters.integer("timestamp", 0)
    window = parameters.integer("recvWindow", 5_000)
    if window > _MAX_RECV_WINDOW_MS or window < 0:
        raise bad_request(-1131, "recvWindow must be less than 60000.")
    if timestamp >= now_ms + _AHEAD_MS:
        raise bad_request(
            -1021, "Timestamp for this request was 1000ms ahead of the server's time."
        )
    if now_ms - timestamp > window:
        raise bad_request(-1021, "Timestamp for this request is outside of the recvWindow.")
