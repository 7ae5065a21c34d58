"""A secret value that no formatting, encoder or copy gives away, for keys and passphrases."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, NoReturn

__all__ = ["MASK", "Secret"]

MASK = "***"


class Secret:
    """Hold one secret; only `reveal` returns it.

    Every way of turning it into text gives `***`; pickle refuses it; comparing two takes constant
    time; it is not hashable. Errors: `ValueError` for an empty one, `TypeError` for no text.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError("a secret is text")
        if not value:
            raise ValueError("a secret is not empty")
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """Return the value: for signing and for the wire, nowhere else."""
        value: str = object.__getattribute__(self, "_value")
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self.reveal().encode(), other.reveal().encode())

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret is not written down")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not written down")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret does not change")
