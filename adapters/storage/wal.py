"""SQLite's write-ahead log as bytes: where its last whole transaction ends."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["unfinished"]

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGICS = {0x377F0682: "<", 0x377F0683: ">"}
_WORD = 0xFFFFFFFF


def unfinished(path: Path) -> int:
    """Return how many bytes of a log SQLite leaves out, as they are behind its last whole commit.

    Frames that an earlier round of the same file left behind do not count: they carry other salts.
    0 for a log that is whole, empty or not there. Errors: `OSError`.
    Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    try:
        with path.open("rb") as file:
            return _unfinished(file, path.stat().st_size)
    except FileNotFoundError:
        return 0


def _unfinished(file: BinaryIO, size: int) -> int:
    head = file.read(_HEADER.size)
    if not head:
        return 0
    fields = _HEADER.unpack(head) if len(head) == _HEADER.size else (0,) * 8
    order = _MAGICS.get(fields[0])
    if order is None or _sum(order, head[:24], (0, 0)) != fields[6:8]:
        return size
    page_size, salts, sums = fields[2], fields[4:6], fields[6:8]
    end = at = here = _HEADER.size
    whole = True
    while len(frame := file.read(_FRAME.size + page_size)) >= _FRAME.size:
        _, pages_after_commit, *told = _FRAME.unpack_from(frame)
        here += len(frame)
        ours = tuple(told[:2]) == salts
        if ours or not any(told[:2]):  # never written at all, although the file has room for it
            at = here
        whole = whole and ours and len(frame) == _FRAME.size + page_size
        if whole:
            sums = _sum(order, frame[_FRAME.size :], _sum(order, frame[:8], sums))
            whole = sums == tuple(told[2:])
        if whole and pages_after_commit:
            end = at
    return at - end


def _sum(order: str, data: bytes, before: tuple[int, ...]) -> tuple[int, int]:
    first, second = before
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _WORD
        second = (second + odd + first) & _WORD
    return first, second
