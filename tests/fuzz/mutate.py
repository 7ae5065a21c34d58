"""Breaks an input in the ways that inputs break: bytes, JSON's structure, TOML's values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random

__all__ = ["mutated"]

ODD_JSON = (
    "null", "true", "-1", "0", "1e999", "-1e999", "1e-999999999", "NaN", "Infinity", "-Infinity",
    "9" * 40, "9" * 5_000, "-9223372036854775809", "18446744073709551616", "0.1", "1.", '""',
    '" "', '"NaN"', '"sNaN"', '"-Infinity"', '"1e999999999"', '"1E-999999999"', '"1_0"', '"٣"',
    '"0x1"', '"-1"', '"-0"', '"\\ud800"', '"\\u0000"', '"\\u001b[2J"', '"💥"', "[]", "{}", "[[]]",
    '{"class":1}', '["1","2"]', "[" * 3_000, '{"a":' * 3_000, '"' + "x" * 5_000 + '"',
)  # fmt: skip
ODD_TOML = (
    "true", "-1", "0", "nan", "inf", "-inf", "1e999", "1e999999999", "1e-999999999", "9" * 40,
    "9" * 5_000, "0.1", '""', '"x"', '"\\u0000"', "[]", "{}", "[{}]", "[[1]]", "1979-05-27", "x",
    "[" * 3_000, '"../../x"', "0x10", "1_000",
)  # fmt: skip
ODD_BYTES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\r\n", b"\n\n", b"%00", b"%ff", b"&", b"=", b",", b" ",
    b"\x1b[2J", b"9" * 30, b"NaN", b"Infinity", b"1e999999999", b"-", b"--", b"\x1f\x8b\x08",
    b"[" * 3_000,
)  # fmt: skip
_JSON_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+-]*|true|false|null|\[|\{')
_JSON_MEMBER = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?[\d.]+|true|false)\s*,')
_TOML_VALUE = re.compile(rb"(?<==)[^\n#]+")


def mutated(data: bytes, random: Random) -> bytes:
    """Return `data` broken in one to four places; the same for the same `random`."""
    ways = [_cut, _flip, _insert, _remove, _repeat]
    if data.lstrip()[:1] in (b"{", b"[") or b'":' in data:
        ways += [_swap_json, _swap_json, _swap_json, _drop_member, _double_member, _nest]
    if b"\n[" in data or b" = " in data:
        ways += [_swap_toml, _swap_toml, _swap_toml]
    for _ in range(random.randint(1, 4)):
        data = random.choice(ways)(data, random)
    return data


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(ODD_BYTES) + data[at:]


def _remove(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.randint(1, 40) :]


def _repeat(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    piece = data[at : at + random.randint(1, 60)]
    return data[:at] + piece * random.randint(2, 40) + data[at:]


def _nest(data: bytes, random: Random) -> bytes:
    depth = random.choice((2, 600, 3_000))
    return random.choice((b"[" * depth + data + b"]" * depth, b'{"a":' * depth + data))


def _swap_json(data: bytes, random: Random) -> bytes:
    return _swap(data, random, _JSON_VALUE, ODD_JSON)


def _swap_toml(data: bytes, random: Random) -> bytes:
    return _swap(data, random, _TOML_VALUE, ODD_TOML)


def _drop_member(data: bytes, random: Random) -> bytes:
    return _at_one(data, random, _JSON_MEMBER, lambda found: b"")


def _double_member(data: bytes, random: Random) -> bytes:
    return _at_one(data, random, _JSON_MEMBER, lambda found: found * 2)


def _swap(data: bytes, random: Random, what: re.Pattern[bytes], odd: Sequence[str]) -> bytes:
    value = random.choice(odd).encode()
    # A value that keeps its text and loses its type, too.
    return _at_one(
        data,
        random,
        what,
        lambda found: random.choice((value, value, json.dumps(found.decode("latin-1")).encode())),
    )


def _at_one(
    data: bytes, random: Random, what: re.Pattern[bytes], change: Callable[[bytes], bytes]
) -> bytes:
    places = list(what.finditer(data))
    if not places:
        return data
    found = random.choice(places)
    return data[: found.start()] + change(found[0]) + data[found.end() :]
