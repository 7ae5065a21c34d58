"""Both runtimes, each with its journal, for the runtime's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.runtime import Runtime
from tests.actors.runtime import probes

MakeRuntime = Callable[[probes.Journal], Runtime]


@pytest.fixture
def journal() -> probes.Journal:
    return probes.Journal()


@pytest.fixture(params=["step", "threads"])
def make_runtime(request: pytest.FixtureRequest) -> MakeRuntime:
    """Make one of the two runtimes: what is promised holds on both."""
    return probes.step if request.param == "step" else probes.threads
