"""Decimal money: strict parsing, rounding in the safe direction, one way to write a number."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

__all__ = ["ZERO", "amount", "bps", "ceil_to_step", "floor_to_step", "number", "text"]

ZERO = Decimal(0)
_AMOUNT_STEP = Decimal("0.00000001")
_BPS = Decimal(10_000)
_EXPONENT_MAX = 30
"""Of 10: what is beyond takes gigabytes to write out plainly, and no price or size is there."""
_NUMERALS = frozenset("0123456789+-.eE")


def number(value: str | int | Decimal, where: str) -> Decimal:
    """Read a finite Decimal from a venue's or a person's text.

    Errors: `ValueError` naming `where` for what is no finite number, or beyond 10^±30. Floats are
    not taken: they have lost digits already.
    """
    if isinstance(value, bool | float):
        raise ValueError(f"{where}: expected a decimal number as text, got {value!r:.60}")
    if isinstance(value, str) and not _NUMERALS.issuperset(value):
        # Decimal alone also reads "1_000", " 1" and digits of other scripts.
        raise ValueError(f"{where}: {value!r:.60} is not a decimal number")
    try:
        result = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{where}: {value!r:.60} is not a decimal number") from None
    if not result.is_finite():
        raise ValueError(f"{where}: {value!r:.60} is not a finite number")
    if abs(result.adjusted()) > _EXPONENT_MAX:
        raise ValueError(f"{where}: {value!s:.40} is absurd")
    return result


def text(value: Decimal) -> str:
    """Write a Decimal the one way used on the wire, in journals and ledgers: plain, no tail of 0s.

    >>> text(Decimal("1E+3")), text(Decimal("0.500")), text(Decimal("-0"))
    ('1000', '0.5', '0')
    """
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Round towards minus infinity to a multiple of `step` (> 0); exact, so never above `value`."""
    steps, rest = divmod(value, step)
    return (steps - 1 if rest < 0 else steps) * step


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Round towards plus infinity to a multiple of `step` (> 0); exact, so never below `value`."""
    steps, rest = divmod(value, step)
    return (steps + 1 if rest > 0 else steps) * step


def amount(value: Decimal) -> Decimal:
    """Round money to 8 decimals, half to even: the precision venues book fees and PnL with."""
    return value.quantize(_AMOUNT_STEP, ROUND_HALF_EVEN)


def bps(value: Decimal, reference: Decimal) -> Decimal:
    """Express `value` in basis points of `reference` (not 0)."""
    return value / reference * _BPS
