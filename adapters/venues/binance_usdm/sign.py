"""Signing of Binance requests: pure functions over the exact text that is transmitted."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote_plus

from core.secrets import Secret

__all__ = ["Params", "encode", "signature", "signed"]

Params = Iterable[tuple[str, str]]
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def encode(params: Params) -> str:
    """Percent-encode (UTF-8) and join, in the order given.

    Names are our own and plain. Plain values, nearly all, are spared the encoder: 20 us an order.
    """
    return "&".join(
        f"{name}={value if _PLAIN(value) else quote_plus(value)}" for name, value in params
    )


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
