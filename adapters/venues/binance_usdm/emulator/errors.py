"""The venue's error answers: code, text and HTTP status in one exception."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = [
    "UNREADABLE",
    "ApiError",
    "bad_request",
    "invalid_value",
    "missing",
    "unauthorised",
]


UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that is none."""


class ApiError(Exception):
    """Answered as `{"code": …, "msg": …}` with its HTTP status and extra headers."""

    def __init__(
        self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"HTTP {self.status} {self.code}: {self.message}"

    def body(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"code": self.code, "msg": self.message}


def bad_request(code: int, message: str) -> ApiError:
    """HTTP 400 with a venue code."""
    return ApiError(400, code, message)


def missing(name: str) -> ApiError:
    """-1102: a mandatory parameter is absent, empty or malformed."""
    return bad_request(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def invalid_value(name: str) -> ApiError:
    """-1130: a parameter's value is not one of those allowed."""
    return bad_request(-1130, f"Data sent for parameter '{name}' is not valid.")


def unauthorised(code: int, message: str) -> ApiError:
    """HTTP 401 with a venue code."""
    return ApiError(401, code, message)
