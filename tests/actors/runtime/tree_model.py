"""Who must die with whom, predicted from the tree alone: plain recursion, no actors, no time."""

from __future__ import annotations

from attrs import define, field, frozen

from actors.runtime import ChildSpec, SupervisorSpec
from actors.runtime.spec import Restart, Strategy
from tests.actors.runtime.probes import Journal, Probe


@frozen
class Leaf:
    """An actor."""

    name: str
    restart: Restart


@frozen
class Branch:
    """A supervisor."""

    name: str
    restart: Restart
    strategy: Strategy
    max_restarts: int
    children: tuple[Leaf | Branch, ...]


Node = Leaf | Branch


def names_below(node: Node) -> list[str]:
    """Return the names of a node and all below it, left to right, supervisors first."""
    if isinstance(node, Leaf):
        return [node.name]
    return [node.name, *(name for child in node.children for name in names_below(child))]


def leaves_below(node: Node) -> list[Leaf]:
    """Return the actors below a node, left to right."""
    if isinstance(node, Leaf):
        return [node]
    return [leaf for child in node.children for leaf in leaves_below(child)]


def spec_of(node: Node, journal: Journal) -> ChildSpec:
    """Return the same tree for a runtime."""
    if isinstance(node, Leaf):
        return ChildSpec(
            node.name, lambda: Probe(journal), restart=node.restart, busy_deadline_s=1.0
        )
    spec = SupervisorSpec(
        node.name,
        tuple(spec_of(child, journal) for child in node.children),
        strategy=node.strategy,
        max_restarts=node.max_restarts,
        window_s=1e9,
        backoff_initial_s=0.01,
        backoff_max_s=0.1,
    )
    # Deadlines above all that can add up below, so that only the failures we make are failures.
    return ChildSpec(
        node.name, spec, restart=node.restart, start_within_s=None, shutdown_within_s=1e6
    )


@define
class Model:
    """What the tree promises after each failure."""

    root: Branch
    alive: set[str] = field(factory=set)
    events: list[tuple[str, str]] = field(factory=list)
    counts: dict[str, int] = field(factory=dict)
    ended: bool = False

    def start(self, node: Node) -> None:
        """Start a node, and below it from the left."""
        self.alive.add(node.name)
        if isinstance(node, Leaf):
            self.events.append(("starting", node.name))
            return
        self.counts[node.name] = 0
        for child in node.children:
            self.start(child)

    def stop(self, node: Node) -> None:
        """Stop a node in order, below it from the right."""
        if node.name not in self.alive:
            return
        if isinstance(node, Branch):
            for child in reversed(node.children):
                self.stop(child)
        else:
            self.events.append(("stopping", node.name))
        self.alive.discard(node.name)

    def end(self, name: str, *, normally: bool) -> None:
        """Let a node end by itself: normally, or by a failure that takes all below along."""
        node, parent = self._find(self.root, None, name)
        if normally:
            self.events.append(("stopping", name))
        self.alive.difference_update(names_below(node))
        self._after(node, parent, normally=normally)

    def _after(self, node: Node, parent: Branch | None, *, normally: bool) -> None:
        if parent is None:
            self.ended = True
            return
        if node.restart == "temporary" or (node.restart == "transient" and normally):
            return
        self.counts[parent.name] += 1
        if self.counts[parent.name] > parent.max_restarts:
            self.stop(parent)
            _, above = self._find(self.root, None, parent.name)
            self._after(parent, above, normally=False)
            return
        at = parent.children.index(node)
        affected = {
            "one_for_one": parent.children[at : at + 1],
            "rest_for_one": parent.children[at:],
            "one_for_all": parent.children,
        }[parent.strategy]
        for each in reversed(affected):
            self.stop(each)
        for each in affected:
            if each.restart != "temporary":
                self.start(each)

    def _find(self, node: Node, parent: Branch | None, name: str) -> tuple[Node, Branch | None]:
        if node.name == name:
            return node, parent
        if isinstance(node, Branch):
            for child in node.children:
                if name in names_below(child):
                    return self._find(child, node, name)
        raise KeyError(name)
