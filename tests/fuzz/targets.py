"""Every input that comes from outside, by name; docs/fuzzing.md says which is what."""

from __future__ import annotations

from tests.fuzz import exchange_targets, file_targets, operator_targets, venue_targets
from tests.fuzz.target import Target

__all__ = ["TARGETS"]

TARGETS: tuple[Target, ...] = (
    *venue_targets.TARGETS,
    *file_targets.TARGETS,
    *operator_targets.TARGETS,
    *exchange_targets.TARGETS,
)
