"""The runtime's errors, for its own code and for callers on the border.

ActorRuntimeError
├── Fenced              this incarnation lost its lease: it may send nothing more
├── AskTimeout          nobody answered an `ask` in time
├── MailboxOverflow     the reader fell behind its mailbox's bound
├── Hung                one message, or the oldest waiting one, took longer than its deadline
├── StartTimeout        not ready within `start_within_s`
└── GaveUp              a supervisor used up its restarts
"""


class ActorRuntimeError(Exception):
    """Base of everything the runtime raises or reports."""


class Fenced(ActorRuntimeError):
    """This incarnation was replaced; whatever it is about to do belongs to its successor."""


class AskTimeout(ActorRuntimeError):
    """No reply came in time. The question may still be answered later, to nobody."""


class MailboxOverflow(ActorRuntimeError):
    """The exact lane is full: its reader is too slow and is replaced."""


class Hung(ActorRuntimeError):
    """A deadline of the actor's specification has passed."""


class StartTimeout(ActorRuntimeError):
    """The child did not report ready in time."""
