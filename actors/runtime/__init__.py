"""Supervised actors: addresses, mailboxes, leases, timers and supervisors, on threads or by steps.

Knows nothing of trading.
"""

from .actor import Actor, Address
from .context import Context
from .errors import (
    ActorRuntimeError,
    AskTimeout,
    Fenced,
    Hung,
    MailboxOverflow,
    StartTimeout,
)
from .faults import Fate, Faults, Lane
from .letters import DeadLetter, DeadLetters
from .messages import (
    NOTHING,
    ActorStatistics,
    ChildDied,
    ChildGaveUp,
    ChildReady,
    ChildWaiting,
    Outcome,
)
from .process import tune_process
from .runtime import Reply, Runtime
from .spec import ChildSpec, SupervisorSpec
from .step import StepRuntime
from .threads import ThreadsRuntime
from .timers import Timer

__all__ = [
    "NOTHING",
    "Actor",
    "ActorRuntimeError",
    "ActorStatistics",
    "Address",
    "AskTimeout",
    "ChildDied",
    "ChildGaveUp",
    "ChildReady",
    "ChildSpec",
    "ChildWaiting",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "Fate",
    "Faults",
    "Fenced",
    "Hung",
    "Lane",
    "MailboxOverflow",
    "Outcome",
    "Reply",
    "Runtime",
    "StartTimeout",
    "StepRuntime",
    "SupervisorSpec",
    "ThreadsRuntime",
    "Timer",
    "tune_process",
]
