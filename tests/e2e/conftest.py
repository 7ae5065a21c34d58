"""Fixtures of the whole-program tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a folder to run the program in; what runs there ends with the test."""
    made = Site(tmp_path)
    yield made
    made.tear_down()
