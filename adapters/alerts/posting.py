"""Posts JSON to one address and believes nothing but the status of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from core.errors import NotTold

__all__ = ["Posted", "post"]

_MOST_BYTES = 4_096
_FOR_GOOD = (400, 413, 422)
"""Answers to what a message is: the same would be refused again."""
_LONGEST_S = 3_600.0


class Posted(NotTold):
    """An answer that is not 2xx, with the first bytes of its body."""

    def __init__(self, status: int, body: bytes, retry_after_s: float) -> None:
        super().__init__(
            f"answered HTTP {status}", retry_after_s=retry_after_s, final=status in _FOR_GOOD
        )
        self.status = status
        self.body = body


def post(url: str, body: Mapping[str, Any], timeout_s: float) -> int:
    """Post and return the status, 2xx. Errors: `Posted`, `NotTold`; their text never names `url`.

    Neither proxies nor `.netrc` nor cookies nor redirects; of an answer at most 4 kB are read.
    """
    data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.post(
                url,
                data=data,
                headers={"Content-Type": "application/json", "User-Agent": "bulkhead"},
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            ) as answer:
                if 200 <= answer.status_code < 300:
                    return answer.status_code
                said = next(answer.iter_content(_MOST_BYTES), b"")
                raise Posted(answer.status_code, said, _seconds(answer.headers.get("Retry-After")))
        except requests.Timeout:
            raise NotTold(f"no answer within {timeout_s:g} s") from None
        except requests.exceptions.SSLError:
            raise NotTold("no TLS connection: is its certificate valid?") from None
        except (requests.RequestException, OSError, ValueError) as error:
            # Without its own words: they quote the address.
            raise NotTold(f"no connection: {type(error).__name__}") from None


def _seconds(text: str | None) -> float:
    """Read a Retry-After of seconds; a date, or nothing, is 0."""
    digits = (text or "").strip()
    return min(float(digits), _LONGEST_S) if digits.isascii() and digits.isdigit() else 0.0
