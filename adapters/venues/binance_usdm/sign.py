"""Signing of Binance requests: pure functions over the exact text that is transmitted."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import urlencode

from core.secrets import Secret

__all__ = ["Params", "encode", "signature", "signed"]

Params = Iterable[tuple[str, str]]


def encode(params: Params) -> str:
    """Percent-encode (UTF-8) and join, in the order given."""
    return urlencode(list(params))


def signature(secret: Secret, text: str) -> str:
    """Return the hex HMAC-SHA256 of the transmitted text.

    `text` is the query followed by the body with no separator, where both are used.
    Source: binance_usdm.md §2 rules 2–3.
    """
    return hmac.new(secret.reveal().encode(), text.encode(), sha256).hexdigest()


def signed(secret: Secret, params: Params) -> str:
    """Encode and append the signature, last as the venue demands."""
    text = encode(params)
    return f"{text}&signature={signature(secret, text)}"
