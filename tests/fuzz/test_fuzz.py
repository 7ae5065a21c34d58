"""Whatever comes in, a sound value or a typed error comes out: every input, briefly."""

from __future__ import annotations

import gzip
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.target import Target, judge
from tests.fuzz.targets import TARGETS


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Draw a sample broken a little, one broken again and again, or any bytes."""
    broken = st.builds(
        lambda seed, number: mutated(seed, Random(number)),
        st.sampled_from(target.seeds),
        st.integers(0, 2**32),
    )
    return st.one_of(broken, broken, broken, st.binary(max_size=64))


HOSTILE = (
    b"", b"\0", b"\xff" * 9, b"[" * 3_000, b'{"a":' * 3_000, b"[" * 3_000 + b"\n", b"9" * 5_000,
    b"NaN", b"-Infinity", b"1e999999999", b'"\\ud800"', b'{"a":1,"a":2}', b"\x1f\x8b\x08\0",
    gzip.compress(b"9" * 1_000_000, mtime=0),
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_sample_comes_through(target: Target) -> None:
    for seed in target.seeds:
        judge(target, seed)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_hostile_does_more_than_be_refused(target: Target) -> None:
    for data in HOSTILE:
        judge(target, data)
        judge(target, target.seeds[0].partition(b"\n")[0] + b"\n" + data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_whatever_comes_in_only_a_value_or_a_typed_error_comes_out(target: Target) -> None:
    @given(data=inputs(target))
    @settings(
        max_examples=target.examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def run(data: bytes) -> None:
        judge(target, data)

    run()
