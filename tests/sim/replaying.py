"""Replay what a simulated host wrote down, through the bytes that a journal would hold."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from actors.replaying import StepStage
from adapters.storage.codec import Codec
from core.ports import Record
from core.records import HaltChanged
from core.replay import READ, Replay

_CODEC = Codec()


def encode(payload: object) -> bytes:
    """Return a payload's bytes."""
    return _CODEC.encode(payload)[1]


def replayed(records: Iterable[Record], from_ns: int = 0, to_ns: int = 2**63) -> Replay:
    """Do every decision among the records again; compare those of the span."""
    read: list[tuple[object, bytes]] = []

    def encoded(payload: object) -> bytes:
        """Write a payload, but not the one at hand once more: it was just seen to be the same."""
        again, data = read[-1]
        return data if payload is again else encode(payload)

    replay = Replay(encoded, StepStage(), from_ns, to_ns)
    for record in records:
        if isinstance(record.payload, READ):
            kind, data = _CODEC.encode(record.payload)
            again = _CODEC.decode(kind, data, record.sequence)
            assert encode(again) == data, f"record {record.sequence} reads back as another"
            read[:] = [(again, data)]
            replay.take(evolve(record, payload=again))
    return replay


def assert_replays(records: Iterable[Record]) -> Replay:
    """Fail with both sides of the first decision that is another one now, or a causeless halt."""
    records = list(records)
    replay = replayed(records)
    assert replay.first is None, f"{replay.differing} of {replay.compared.total()}: {replay.first}"
    halts = sum(isinstance(record.payload, HaltChanged) for record in records)
    assert replay.compared["HaltChanged"] == halts, "a change of the halt has no cause"
    return replay
